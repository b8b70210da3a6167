//! Signed texts: what a client keeps for the server and must not be able to change.
//!
//! A text is `DATA.TAG`, both in URL-safe base64: the bytes, which begin with the time of signing
//! in seconds, and HMAC-SHA-256 over the purpose and them. Signed is not encrypted: the client can
//! read it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Signs and verifies with one key.
#[derive(Clone)]
pub(crate) struct Signer {
    mac: Hmac<Sha256>,
}

impl Signer {
    /// A signer with a key of any length; it should hold 32 bytes that nobody can guess.
    pub(crate) fn new(secret: &[u8]) -> Self {
        let mac = Hmac::new_from_slice(secret).expect("HMAC takes a key of any length");
        Self { mac }
    }

    /// A signer with a key of its own, which ends with the process.
    pub(crate) fn random() -> Self {
        Self::new(&random_bytes::<32>())
    }

    /// Signs for a purpose: what is signed for one does not verify for another.
    pub(crate) fn sign(&self, purpose: &str, data: &[u8]) -> String {
        self.sign_at(purpose, data, now())
    }

    fn sign_at(&self, purpose: &str, data: &[u8], second: u64) -> String {
        let signed = [&second.to_be_bytes()[..], data].concat();
        let tag = self.tag(purpose, &signed).finalize().into_bytes();
        let (signed, tag) = (URL_SAFE_NO_PAD.encode(signed), URL_SAFE_NO_PAD.encode(tag));
        format!("{signed}.{tag}")
    }

    /// What was signed for the purpose, unless the text was changed or is older than `age_max`.
    pub(crate) fn verify(&self, purpose: &str, text: &str, age_max: Duration) -> Option<Vec<u8>> {
        let (signed, tag) = text.split_once('.')?;
        let signed = URL_SAFE_NO_PAD.decode(signed).ok()?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        self.tag(purpose, &signed).verify_slice(&tag).ok()?;
        let (second, data) = signed.split_first_chunk::<8>()?;
        let age = now().saturating_sub(u64::from_be_bytes(*second));
        (age <= age_max.as_secs()).then(|| data.to_vec())
    }

    fn tag(&self, purpose: &str, signed: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        // The length keeps the purpose apart from what follows it.
        mac.update(&(purpose.len() as u64).to_be_bytes());
        mac.update(purpose.as_bytes());
        mac.update(signed);
        mac
    }
}

/// Bytes that nobody can guess.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn only_its_own_key_and_purpose_verify() {
        let signer = Signer::new(b"secret");
        let text = signer.sign("session", b"data");
        assert_eq!(
            signer.verify("session", &text, DAY).as_deref(),
            Some(&b"data"[..])
        );
        assert_eq!(signer.verify("poll", &text, DAY), None);
        assert_eq!(Signer::new(b"other").verify("session", &text, DAY), None);
        assert_eq!(Signer::random().verify("session", &text, DAY), None);
    }

    #[test]
    fn what_is_old_does_not_verify() {
        let signer = Signer::new(b"secret");
        let text = signer.sign_at("session", b"data", now() - 100);
        assert!(signer.verify("session", &text, DAY).is_some());
        assert!(
            signer
                .verify("session", &text, Duration::from_secs(99))
                .is_none()
        );
    }

    proptest! {
        #[test]
        fn any_change_is_noticed(at in 0usize..60, by in 1u8..64, text in ".{0,40}") {
            let signer = Signer::new(b"secret");
            let signed = signer.sign("p", b"twelve bytes");
            let mut changed = signed.clone().into_bytes();
            let at = at % changed.len();
            changed[at] ^= by;
            let changed = String::from_utf8_lossy(&changed);
            prop_assert!(signer.verify("p", &changed, DAY).is_none());
            prop_assert!(signer.verify("p", &text, DAY).is_none());
        }
    }
}
