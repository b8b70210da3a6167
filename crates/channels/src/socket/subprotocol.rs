//! The subprotocols that a client offers, and the auth token that phoenix.js hides among them.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The one subprotocol there is. A browser that offered some and is answered none gives up.
pub(crate) const PHOENIX: &str = "phoenix";

const TOKEN_PREFIX: &str = "base64url.bearer.phx.";

/// Despite its name the prefix is followed by standard base64, as `btoa` makes it, with the
/// padding taken away. Other clients take the name at its word, so both alphabets are read.
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// What a client offers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The auth token, where exactly one was sent and can be read.
    pub(crate) token: Option<String>,
    /// Whether the answer has to name [`PHOENIX`].
    pub(crate) has_phoenix: bool,
    /// Whether anything was offered at all.
    is_empty: bool,
}

impl Offer {
    pub(crate) fn read<'a>(offered: impl Iterator<Item = &'a str>) -> Self {
        let mut offer = Self {
            is_empty: true,
            ..Self::default()
        };
        let mut tokens = 0;
        for name in offered {
            offer.is_empty = false;
            if let Some(token) = name.strip_prefix(TOKEN_PREFIX) {
                tokens += 1;
                offer.token = decode(token);
            } else if name == PHOENIX {
                offer.has_phoenix = true;
            }
        }
        if tokens != 1 {
            offer.token = None;
        }
        offer
    }

    /// Whether a mount that reads tokens can answer: nothing was offered, or what it speaks.
    pub(crate) fn is_acceptable(&self) -> bool {
        self.is_empty || self.has_phoenix
    }
}

fn decode(token: &str) -> Option<String> {
    let bytes = STANDARD.decode(token).or_else(|_| URL_SAFE.decode(token));
    String::from_utf8(bytes.ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(header: &str) -> Offer {
        Offer::read(
            header
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty()),
        )
    }

    #[test]
    fn the_token_of_phoenix_js_is_read() {
        let with = offer("phoenix, base64url.bearer.phx.dG9rP24");
        assert_eq!(with.token.as_deref(), Some("tok?n"));
        assert!(with.has_phoenix && with.is_acceptable());
    }

    #[test]
    fn both_alphabets_are_read_and_padding_is_no_matter() {
        for token in ["Pz8_Pg", "Pz8/Pg", "Pz8/Pg=="] {
            let with = offer(&format!("phoenix,{TOKEN_PREFIX}{token}"));
            assert_eq!(with.token.as_deref(), Some("???>"), "{token}");
        }
        assert_eq!(offer("phoenix,base64url.bearer.phx.!").token, None);
    }

    #[test]
    fn two_tokens_are_none() {
        let two = offer("phoenix,base64url.bearer.phx.YQ,base64url.bearer.phx.Yg");
        assert_eq!(two.token, None);
        assert!(two.is_acceptable());
    }

    #[test]
    fn only_what_is_spoken_is_acceptable() {
        assert!(offer("").is_acceptable());
        assert!(offer("other, phoenix").is_acceptable());
        assert!(!offer("other").is_acceptable());
        assert!(!offer("base64url.bearer.phx.YQ").is_acceptable());
    }
}
