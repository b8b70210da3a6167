//! A client that blocks, with a time-out on every read.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZero;

use vaxel_websocket::deflate::{Deflater, Inflater};
use vaxel_websocket::handshake::{check_response, client_request, encode_key};
use vaxel_websocket::{Config, Decoder, Frame, Header, Message, Opcode, Role, encode_masked};

use super::PATIENCE;

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// Read and not yet used.
    input: Vec<u8>,
    decoder: Decoder,
    inflater: Inflater,
}

/// A message that owns its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    /// The connection has ended.
    End,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            input: Vec::new(),
            decoder: Decoder::new(),
            inflater: Inflater::new(),
        }
    }

    pub(crate) fn request(path: &str) -> Vec<u8> {
        client_request(
            "localhost",
            path,
            &encode_key([7; 16]),
            &["other", "phoenix"],
            &[],
        )
    }

    /// Opens a WebSocket with this offer of extensions; the server's choice.
    pub(crate) fn upgrade_with(&mut self, path: &str, extensions: &str) -> Option<String> {
        let headers = [("sec-websocket-extensions", extensions)];
        let key = encode_key([7; 16]);
        self.send(&client_request("localhost", path, &key, &[], &headers));
        let before = loop {
            if self.input.windows(4).any(|end| end == b"\r\n\r\n") {
                break String::from_utf8_lossy(&self.input).into_owned();
            }
            assert!(
                self.read_more("the answer to an upgrade"),
                "connection ended"
            );
        };
        self.expect_upgraded();
        let chosen = before
            .lines()
            .find_map(|line| line.strip_prefix("sec-websocket-extensions: "));
        chosen.map(str::to_owned)
    }

    pub(crate) fn upgrade(&mut self, path: &str) {
        self.send(&Self::request(path));
        self.expect_upgraded();
    }

    pub(crate) fn expect_upgraded(&mut self) {
        loop {
            if let Some(opened) = check_response(&self.input, &encode_key([7; 16])).unwrap() {
                self.input.drain(..opened.head_bytes);
                return;
            }
            assert!(
                self.read_more("the answer to an upgrade"),
                "connection ended"
            );
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn send_frame(&mut self, opcode: Opcode, payload: &[u8]) {
        self.send(&frame(opcode, payload));
    }

    pub(crate) fn send_text(&mut self, text: &str) {
        self.send_frame(Opcode::Text, text.as_bytes());
    }

    /// The next message, or the end.
    pub(crate) fn receive(&mut self) -> Received {
        let config = Config {
            role: Role::Client,
            frame_bytes_max: usize::MAX,
            message_bytes_max: 64 << 20,
        };
        loop {
            let inflater = Some(&mut self.inflater);
            let decoded = self.decoder.decode_with(&config, inflater, &mut self.input);
            let decoded = decoded.unwrap();
            let consumed = decoded.consumed;
            let received = decoded.message.map(|message| match message {
                Message::Text(text) => Received::Text(text.into_owned()),
                Message::Binary(bytes) => Received::Binary(bytes.into_owned()),
                Message::Ping(bytes) => Received::Ping(bytes.to_vec()),
                Message::Pong(bytes) => Received::Pong(bytes.to_vec()),
                Message::Close(close) => {
                    Received::Close(close.map(|close| (close.code.0, close.reason.into_owned())))
                }
            });
            self.input.drain(..consumed);
            if let Some(received) = received {
                return received;
            }
            if !self.read_more("a message") {
                return Received::End;
            }
        }
    }

    pub(crate) fn expect_text(&mut self, text: &str) {
        assert_eq!(self.receive(), Received::Text(text.to_owned()));
    }

    /// A close frame with this code, and then the end.
    pub(crate) fn expect_close(&mut self, code: u16) -> String {
        let reason = match self.receive() {
            Received::Close(Some((received, reason))) => {
                assert_eq!(received, code);
                reason
            }
            other => panic!("awaited a close frame with {code}, got {other:?}"),
        };
        assert_eq!(self.receive(), Received::End);
        reason
    }

    /// One HTTP answer with `content-length`: status and body.
    pub(crate) fn receive_http(&mut self) -> (u16, Vec<u8>) {
        let end = loop {
            if let Some(at) = self.input.windows(4).position(|end| end == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.read_more("the head of an answer"), "connection ended");
        };
        let head = String::from_utf8(self.input.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")
                .map(str::to_owned)
        });
        let length: usize = length.unwrap().parse().unwrap();
        while self.input.len() < length {
            assert!(self.read_more("the body of an answer"), "connection ended");
        }
        (status, self.input.drain(..length).collect())
    }

    /// Nothing more comes.
    pub(crate) fn expect_end(&mut self) {
        while self.read_more("the end of the connection") {}
        assert!(
            self.input.is_empty(),
            "{:?}",
            String::from_utf8_lossy(&self.input)
        );
    }

    fn read_more(&mut self, awaited: &str) -> bool {
        let mut piece = [0; 16 << 10];
        match self.stream.read(&mut piece) {
            Ok(count) => {
                self.input.extend_from_slice(&piece[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("awaited {awaited}: {error}"),
        }
    }
}

/// A message that the deflater has compressed, as a client sends it.
pub(crate) fn compressed_frame(payload: &[u8], deflater: &mut Deflater) -> Vec<u8> {
    let frame = Frame::binary(payload);
    let wire = frame.compressed(NonZero::new(15).unwrap(), deflater);
    let (header, head) = Header::parse(wire.as_slice()).unwrap().unwrap();
    let mut bytes = Vec::new();
    encode_masked(
        header.opcode,
        &wire.as_slice()[head..],
        [1, 2, 3, 4],
        &mut bytes,
    );
    bytes[0] |= header.reserved << 4;
    bytes
}

pub(crate) fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_masked(opcode, payload, [1, 2, 3, 4], &mut bytes);
    bytes
}
