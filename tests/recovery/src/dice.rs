//! Chance that can be had again.

/// A generator of numbers (xorshift) that a seed decides.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The same for the same seed.
    pub fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below the bound; zero when the bound is.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.checked_rem(bound).unwrap_or(0)
    }
}

/// How many rounds a test does: ten, or what `VAXEL_ROUNDS` says.
pub fn rounds() -> u64 {
    let rounds = std::env::var("VAXEL_ROUNDS").ok();
    rounds.and_then(|text| text.parse().ok()).unwrap_or(10)
}
