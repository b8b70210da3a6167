//! What a client offers and a server answers (RFC 7692, section 7.1).

use std::fmt;
use std::num::NonZero;

/// What was agreed upon for one connection. Only the window has to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    window_bits: NonZero<u8>,
    is_window_asked: bool,
}

impl Agreement {
    /// The smallest window a message can be compressed with: zlib knows no smaller one.
    pub const WINDOW_BITS_MIN: u8 = 9;
    /// The largest window, and the one used unless the client asks for another.
    pub const WINDOW_BITS_MAX: u8 = 15;

    /// The window that the server compresses with, as a power of two in bytes.
    pub fn window_bits(self) -> NonZero<u8> {
        self.window_bits
    }
}

impl fmt::Display for Agreement {
    /// The value of the header that answers the offer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permessage-deflate; server_no_context_takeover; client_no_context_takeover")?;
        if self.is_window_asked {
            write!(f, "; server_max_window_bits={}", self.window_bits)?;
        }
        Ok(())
    }
}

/// Chooses the first offer of permessage-deflate that can be met, from the values of
/// `Sec-WebSocket-Extensions` in their order. Offers that are unknown or malformed, or ask for a
/// window of 256 bytes, are declined by not being answered; the connection goes on without.
///
/// The client's own window needs no bound: one inflater with the largest window reads them all.
pub fn negotiate<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Agreement> {
    values
        .into_iter()
        .flat_map(|value| split_quoted(value, ','))
        .find_map(meet)
}

/// What one offer comes to, if it can be met.
fn meet(offer: &str) -> Option<Agreement> {
    let mut parts = split_quoted(offer, ';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("permessage-deflate") {
        return None;
    }
    let mut seen = [false; 4];
    let mut window_bits = None;
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(unquote(value.trim())?)),
            None => (part, None),
        };
        let known = [
            "server_no_context_takeover",
            "client_no_context_takeover",
            "server_max_window_bits",
            "client_max_window_bits",
        ];
        let which = known
            .iter()
            .position(|known| known.eq_ignore_ascii_case(name))?;
        if std::mem::replace(&mut seen[which], true) {
            return None;
        }
        match (which, value) {
            (0 | 1, None) | (3, None) => {}
            (3, Some(bits)) => _ = parse_bits(bits)?,
            (2, Some(bits)) => window_bits = Some(parse_bits(bits)?),
            _ => return None,
        }
    }
    let bits = window_bits.unwrap_or(Agreement::WINDOW_BITS_MAX);
    if bits < Agreement::WINDOW_BITS_MIN {
        return None;
    }
    Some(Agreement {
        window_bits: NonZero::new(bits)?,
        is_window_asked: window_bits.is_some(),
    })
}

/// A number from 8 to 15 without a leading zero.
fn parse_bits(bits: &str) -> Option<u8> {
    if bits.starts_with(['0', '+']) {
        return None;
    }
    bits.parse().ok().filter(|bits| (8..=15).contains(bits))
}

/// A value without the quotes it may stand in; `None` when they do not match.
fn unquote(value: &str) -> Option<&str> {
    match value.strip_prefix('"') {
        None if value.contains('"') => None,
        None => Some(value),
        Some(rest) => rest.strip_suffix('"').filter(|inner| !inner.contains('"')),
    }
}

/// Splits at `separator` outside of quotes.
fn split_quoted(value: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    value.split(move |c| {
        is_quoted ^= c == '"';
        c == separator && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(values: &[&str]) -> Option<String> {
        negotiate(values.iter().copied()).map(|agreement| agreement.to_string())
    }

    const PLAIN: &str =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    #[test]
    fn what_browsers_offer_is_met() {
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "Permessage-Deflate;client_no_context_takeover ; Server_No_Context_Takeover",
            "permessage-deflate; client_max_window_bits=\"12\"",
            "x-webkit-deflate-frame, permessage-deflate",
        ] {
            assert_eq!(answer(&[offer]).as_deref(), Some(PLAIN), "{offer}");
        }
        assert_eq!(
            answer(&["foo", "permessage-deflate"]).as_deref(),
            Some(PLAIN)
        );
    }

    #[test]
    fn a_window_that_is_asked_for_is_answered() {
        for bits in 9..=15 {
            let offer = format!("permessage-deflate; server_max_window_bits={bits}");
            let agreement = negotiate([offer.as_str()]).unwrap();
            assert_eq!(agreement.window_bits().get(), bits);
            assert_eq!(
                agreement.to_string(),
                format!("{PLAIN}; server_max_window_bits={bits}")
            );
        }
    }

    #[test]
    fn what_cannot_be_met_is_declined_and_the_next_offer_taken() {
        let declined = [
            "",
            ",",
            "deflate-stream",
            "permessage-deflate; unknown",
            "permessage-deflate; ",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=010",
            "permessage-deflate; server_max_window_bits=+10",
            "permessage-deflate; server_max_window_bits=\"10",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=x",
            "permessage-deflate; x=\"a, permessage-deflate\"",
        ];
        for offer in declined {
            assert_eq!(answer(&[offer]), None, "{offer}");
            let both = format!("{offer}, permessage-deflate");
            assert_eq!(
                answer(&[&both]).is_some(),
                !offer.ends_with("bits=\"10"),
                "{both}"
            );
        }
    }
}
