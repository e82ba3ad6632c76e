//! What happens to the next frame, by the dice.

use core::time::Duration;

use crate::dice::Dice;

/// What becomes of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It passes.
    Passes,
    /// It is lost, and the stream ends soon.
    Lost,
    /// It passes twice.
    Twice,
    /// It passes after the next one.
    AfterTheNext,
    /// Everything waits for so long, then it passes.
    Waits(Duration),
    /// It passes, and a spoilt copy of it after it.
    AndSpoilt,
}

/// What is said to the agent besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    WrongSignature,
    Truncated,
    OfBefore,
    OfAnotherToken,
    OfLongAgo,
    OfNoLogin,
    Garbage,
    Megabyte,
}

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With a word.
    Closed,
    /// In the middle of a frame.
    Cut,
}

/// How long nothing passes, at most, in milliseconds.
const STALL_MS: u64 = 200;
/// Frames of one stream, at most.
const FRAMES: u64 = 60;
/// How wrong the time of a Welcome may be, in milliseconds.
const SKEW_MS: u64 = 120_000;

/// One stream's script.
#[derive(Debug)]
pub(super) struct Script(Dice);

impl Script {
    pub(super) fn new(seed: u64) -> Self {
        Self(Dice::new(seed))
    }

    /// After so many frames it ends.
    pub(super) fn life(&mut self) -> u64 {
        self.0.below(FRAMES).saturating_add(4)
    }

    pub(super) fn end(&mut self) -> End {
        if self.0.once_in(2) {
            End::Cut
        } else {
            End::Closed
        }
    }

    pub(super) fn fate(&mut self) -> Fate {
        match self.0.below(40) {
            0 | 1 => Fate::Lost,
            2 | 3 => Fate::Twice,
            4 | 5 => Fate::AfterTheNext,
            6 => Fate::Waits(Duration::from_millis(self.0.below(STALL_MS))),
            7 | 8 => Fate::AndSpoilt,
            _ => Fate::Passes,
        }
    }

    pub(super) fn lie(&mut self) -> Option<Lie> {
        if !self.0.once_in(8) {
            return None;
        }
        Some(match self.0.below(32) {
            0..5 => Lie::WrongSignature,
            5..10 => Lie::Truncated,
            10..15 => Lie::OfBefore,
            15..20 => Lie::OfAnotherToken,
            20..25 => Lie::OfLongAgo,
            25..27 => Lie::OfNoLogin,
            27..31 => Lie::Garbage,
            _ => Lie::Megabyte,
        })
    }

    /// By how much the time of a Welcome is wrong, in milliseconds.
    pub(super) fn skew_ms(&mut self) -> i64 {
        if self.0.once_in(2) {
            return 0;
        }
        let skew = i64::try_from(self.0.below(SKEW_MS)).unwrap_or(0);
        if self.0.once_in(2) {
            skew
        } else {
            skew.saturating_neg()
        }
    }

    /// One of them.
    pub(super) fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(of.len()).unwrap_or(u64::MAX);
        of.get(usize::try_from(self.0.below(count)).unwrap_or(0))
    }

    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length)
            .map(|_| self.0.roll().to_le_bytes()[0])
            .collect()
    }

    /// Another byte somewhere.
    pub(super) fn spoil(&mut self, bytes: &mut [u8]) {
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let at = usize::try_from(self.0.below(count)).unwrap_or(0);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 0x55;
        }
    }
}
