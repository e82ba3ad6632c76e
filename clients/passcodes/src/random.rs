//! Challenges and numbers are drawn from the kernel.

use core::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

/// `getrandom(2)`. What it gives counts only if it has not failed: ask afterwards.
#[derive(Debug, Default)]
pub struct Kernel {
    failed: bool,
}

impl Kernel {
    /// Has any draw failed? Nothing that was made with it may be used then.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.failed
    }
}

impl TryRng for Kernel {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
        self.failed |= getrandom::fill(buffer).is_err();
        Ok(())
    }
}

impl TryCryptoRng for Kernel {}
