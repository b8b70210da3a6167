//! The frames of the bare loop, and what its clients ask of it.

use base64::{Engine, engine::general_purpose::STANDARD};

/// Longest frame the loop takes, header and all; also the size of its one read buffer.
pub(crate) const FRAME_BYTES_MAX: usize = 64 * 1024;

/// What a request wants back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// One frame to the sender.
    Reply,
    /// The same frame to every connection, the sender too.
    Broadcast,
}

/// The head of a request's payload: one byte for what is wanted, eight hexadecimal digits for the
/// length of the answer's payload. The answer starts with the bytes of the request, so that a
/// client knows its own again, and is padded to its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    /// Who gets the answer.
    pub(crate) wanted: Wanted,
    /// Bytes of payload in the answer.
    pub(crate) answer_bytes: usize,
}

impl Request {
    /// Bytes of the head.
    pub(crate) const MARK: usize = 9;

    /// The head as it is sent.
    pub(crate) fn mark(self) -> String {
        let wanted = match self.wanted {
            Wanted::Reply => 'R',
            Wanted::Broadcast => 'B',
        };
        format!("{wanted}{:08x}", self.answer_bytes)
    }

    /// Reads a head. None for any other payload, which is to be echoed.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let (mark, _) = payload.split_at_checked(Self::MARK)?;
        let wanted = match mark[0] {
            b'R' => Wanted::Reply,
            b'B' => Wanted::Broadcast,
            _ => return None,
        };
        let mut answer_bytes = 0;
        for &digit in &mark[1..] {
            answer_bytes = answer_bytes << 4 | (digit as char).to_digit(16)? as usize;
        }
        (answer_bytes <= FRAME_BYTES_MAX).then_some(Self {
            wanted,
            answer_bytes,
        })
    }
}

/// A client's frame in a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFrame {
    pub(super) opcode: u8,
    /// Where the payload, now unmasked, begins and ends.
    pub(super) payload: std::ops::Range<usize>,
}

/// The frame's end cannot be found: it is too long, not masked or fragmented.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Finds the frame that starts at `at` and unmasks it where it lies. None while it is incomplete.
pub(super) fn next_frame(buffer: &mut [u8], at: usize) -> Result<Option<ClientFrame>, Unreadable> {
    let bytes = &buffer[at..];
    if bytes.len() < 6 {
        return Ok(None);
    }
    if bytes[0] & 0x80 == 0 || bytes[1] & 0x80 == 0 {
        return Err(Unreadable);
    }
    let (head, length) = match usize::from(bytes[1] & 0x7f) {
        126 if bytes.len() < 8 => return Ok(None),
        126 => (8, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
        127 => return Err(Unreadable),
        short => (6, short),
    };
    if head + length > FRAME_BYTES_MAX {
        return Err(Unreadable);
    }
    if bytes.len() < head + length {
        return Ok(None);
    }
    let opcode = bytes[0] & 0x0f;
    let key = [
        bytes[head - 4],
        bytes[head - 3],
        bytes[head - 2],
        bytes[head - 1],
    ];
    let payload = at + head..at + head + length;
    unmask(&mut buffer[payload.clone()], key);
    Ok(Some(ClientFrame { opcode, payload }))
}

fn unmask(payload: &mut [u8], key: [u8; 4]) {
    let word = u64::from_ne_bytes([
        key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3],
    ]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (index, byte) in rest.iter_mut().enumerate() {
        *byte ^= key[index & 3];
    }
}

/// Appends a server's frame: `content` cut or padded to `length` bytes.
pub(super) fn put_frame(out: &mut Vec<u8>, opcode: u8, content: &[u8], length: usize) {
    out.push(0x80 | opcode);
    if length < 126 {
        out.push(length as u8);
    } else if let Ok(short) = u16::try_from(length) {
        out.push(126);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(127);
        out.extend_from_slice(&(length as u64).to_be_bytes());
    }
    let copied = content.len().min(length);
    out.extend_from_slice(&content[..copied]);
    out.resize(out.len() + length - copied, b'.');
}

/// The answer to an upgrade request that is complete in `head`, and the length of that request.
///
/// The key is all that is looked at: the only client is the load generator.
pub(super) fn handshake(head: &[u8]) -> Option<(usize, Vec<u8>)> {
    let length = head.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let key = head[..length]
        .split(|&byte| byte == b'\n')
        .find_map(|line| {
            let (name, value) = line.split_at_checked("sec-websocket-key:".len())?;
            name.eq_ignore_ascii_case(b"sec-websocket-key:")
                .then(|| value.trim_ascii())
        })?;
    let mut hash = sha1_smol::Sha1::from(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = STANDARD.encode(hash.digest().bytes());
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    Some((length, response.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(payload: &[u8]) -> Vec<u8> {
        let key = [1, 2, 3, 4];
        let mut frame = vec![0x81];
        match payload.len() {
            short @ 0..126 => frame.push(0x80 | short as u8),
            long => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(long as u16).to_be_bytes());
            }
        }
        frame.extend_from_slice(&key);
        frame.extend(
            payload
                .iter()
                .enumerate()
                .map(|(at, byte)| byte ^ key[at & 3]),
        );
        frame
    }

    #[test]
    fn marks_survive_the_wire() {
        let request = Request {
            wanted: Wanted::Broadcast,
            answer_bytes: 0x1234,
        };
        assert_eq!(request.mark(), "B00001234");
        assert_eq!(Request::parse(b"B00001234 and more"), Some(request));
        assert_eq!(Request::parse(b"B0000123"), None);
        assert_eq!(
            Request::parse(b"Rffffffff"),
            None,
            "longer than the loop writes"
        );
        assert_eq!(Request::parse(b"hello, world"), None);
    }

    #[test]
    fn frames_of_every_length_are_found_whole_and_unmasked() {
        for length in [0, 1, 7, 8, 9, 125, 126, 127, 4_000] {
            let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut buffer = masked(&payload);
            let whole = buffer.len();
            for cut in 0..whole {
                assert_eq!(
                    next_frame(&mut buffer[..cut], 0),
                    Ok(None),
                    "{cut} of {whole}"
                );
            }
            let frame = next_frame(&mut buffer, 0).unwrap().unwrap();
            assert_eq!(frame.opcode, 1);
            assert_eq!(buffer[frame.payload.clone()], payload);
            assert_eq!(frame.payload.end, whole);
        }
    }

    #[test]
    fn unmasked_fragmented_and_giant_frames_are_refused() {
        let good = masked(b"hello");
        for (at, clear) in [(1, 0x80), (0, 0x80)] {
            let mut bad = good.clone();
            bad[at] &= !clear;
            assert_eq!(next_frame(&mut bad, 0), Err(Unreadable));
        }
        assert_eq!(
            next_frame(&mut [0x81, 0xff, 0, 0, 0, 0, 0, 0], 0),
            Err(Unreadable)
        );
    }

    #[test]
    fn answers_are_cut_or_padded_to_the_length_asked_for() {
        let mut out = Vec::new();
        put_frame(&mut out, 1, b"abc", 5);
        put_frame(&mut out, 1, b"abc", 2);
        put_frame(&mut out, 1, b"", 200);
        assert_eq!(out[..11], *b"\x81\x05abc..\x81\x02ab");
        assert_eq!(out[11..15], [0x81, 126, 0, 200]);
        assert_eq!(out.len(), 15 + 200);
    }

    /// The example of RFC 6455, section 1.3.
    #[test]
    fn the_handshake_answers_the_key() {
        let head = b"GET /x HTTP/1.1\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nrest";
        let (length, response) = handshake(head).unwrap();
        assert_eq!(&head[length..], b"rest");
        let response = String::from_utf8(response).unwrap();
        assert!(
            response.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            "{response}"
        );
        assert!(handshake(&head[..40]).is_none());
    }
}
