//! What the load generator asks of a server, in its language for raw sockets: a letter for who
//! gets the answer, eight hexadecimal digits for its length, and the answer starts with the bytes
//! of the request (`vaxel bench loop`).

use bytes::Bytes;

/// Longest answer that is given.
const ANSWER_BYTES_MAX: usize = 64 * 1_024;

/// The answer to a request, and who gets it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Reply(Bytes),
    Broadcast(Bytes),
}

/// The answer to `payload`. What is no request is echoed.
pub(crate) fn answer(payload: &Bytes) -> Answer {
    match payload.first() {
        Some(b'R') => Answer::Reply(padded(payload)),
        Some(b'B') => Answer::Broadcast(padded(payload)),
        _ => Answer::Reply(payload.clone()),
    }
}

fn padded(payload: &Bytes) -> Bytes {
    let digits = payload
        .get(1..9)
        .and_then(|digits| str::from_utf8(digits).ok());
    let length = digits.and_then(|digits| usize::from_str_radix(digits, 16).ok());
    match length {
        Some(length) if length <= payload.len() => payload.slice(..length),
        Some(length) if length <= ANSWER_BYTES_MAX => {
            let mut answer = Vec::with_capacity(length);
            answer.extend_from_slice(payload);
            answer.resize(length, b'.');
            answer.into()
        }
        _ => payload.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_cut_or_padded_to_the_length_asked_for() {
        let of = |text: &'static str| answer(&Bytes::from_static(text.as_bytes()));
        assert_eq!(of("R0000000cab"), Answer::Reply("R0000000cab.".into()));
        assert_eq!(of("B00000002ab"), Answer::Broadcast("B0".into()));
        assert_eq!(of("hello"), Answer::Reply("hello".into()));
        assert_eq!(of("Rffffffff"), Answer::Reply("Rffffffff".into()));
    }
}
