//! Repeatable test data.

/// splitmix64. The seed belongs in the message of every assertion that depends on it.
#[derive(Debug)]
pub struct Dice {
    /// What it began with.
    pub seed: u64,
    state: u64,
}

impl Dice {
    /// Rolls the same each time.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll().checked_rem(bound).unwrap_or(0)
    }

    /// True once in `times`, on average.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// A key of 16 to 64 bytes.
    pub fn key(&mut self) -> Vec<u8> {
        let length = 16_u64.saturating_add(self.below(49));
        (0..length).map(|_| self.roll().to_le_bytes()[0]).collect()
    }
}
