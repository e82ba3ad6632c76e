//! What is known of one user's passcodes.

use rand_core::CryptoRng;

use super::TryLimit;
use crate::{
    otp::{
        Digits, HashAlgorithm, OtpMode,
        ocra::{Response, Suite},
        validation::{TimeParameters, TimeState},
    },
    secret::SecretBytes,
    time::UnixMillis,
};

/// Fewest digits that let somebody in (RFC 4226 section 5.3).
const FEWEST_DIGITS: Digits = Digits::SIX;
/// Shortest seed, in bytes: 128 bits (RFC 4226 section 4, R6).
const SHORTEST_SEED: usize = 16;
/// Longest seed, in bytes: a block of SHA-512.
pub(super) const LONGEST_SEED: usize = 128;
/// Shortest challenge: with a shorter one the answer to an earlier one would soon be good again.
const SHORTEST_CHALLENGE: usize = 6;

/// The passcodes of one user: seed, what was used of them, wrong tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub(super) seed: SecretBytes,
    pub(super) factor: Factor,
    pub(super) limit: TryLimit,
    /// Wrong tries that still count, Unix seconds.
    pub(super) tried: Vec<u64>,
}

/// How the passcodes are made, and how far they are used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Factor {
    /// TOTP.
    Time {
        /// Hash, digits, period.
        parameters: TimeParameters,
        /// The device's clock and the last step that was accepted.
        state: TimeState,
        /// A right passcode from outside the window.
        far_off: Option<FarOff>,
    },
    /// HOTP.
    Event {
        /// Hash inside the HMAC.
        hash: HashAlgorithm,
        /// Length of a passcode.
        digits: Digits,
        /// The lowest counter that may be accepted.
        next: u64,
        /// A right passcode from outside the window.
        far_off: Option<FarOff>,
    },
    /// OCRA.
    Challenge {
        /// The suite: without PIN and session information.
        suite: Suite,
        /// The lowest counter that may be accepted, for a suite that uses one.
        next: u64,
        /// The challenge that was shown and is not answered yet.
        open: Option<String>,
    },
}

/// A passcode outside of the window was right for this step or counter. The one after it is accepted (RFC 4226 section 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FarOff {
    /// Step or counter.
    pub value: u64,
    /// When it was typed, Unix seconds.
    pub at_secs: u64,
}

/// Why nobody is let in by such passcodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Fewer than 128 bits or more than a block.
    #[error("the seed must have 16 to 128 bytes")]
    Seed,
    /// Easy to guess.
    #[error("passcodes that let somebody in have 6 digits at least")]
    FewDigits,
    /// An OCRA suite without truncation.
    #[error("the OCRA suite gives no passcode that can be typed; take one that ends in -6 to -10")]
    WholeHmac,
    /// An OCRA suite with more inputs than a challenge, a counter and the time.
    #[error("the OCRA suite must do without a PIN and session information")]
    Inputs,
    /// An OCRA suite with short challenges.
    #[error("the challenges of the OCRA suite must have 6 characters at least")]
    ShortChallenge,
}

impl Record {
    /// Passcodes of which none was used. `next` is the next counter of an event-based token, else 0.
    ///
    /// # Errors
    /// [`RecordError`]: too weak, or not to be typed.
    pub fn new(
        mode: OtpMode,
        seed: SecretBytes,
        next: u64,
        limit: TryLimit,
    ) -> Result<Self, RecordError> {
        let factor = match mode {
            OtpMode::Time {
                hash,
                digits,
                period,
            } => Factor::Time {
                parameters: TimeParameters {
                    hash,
                    digits,
                    period,
                },
                state: TimeState::default(),
                far_off: None,
            },
            OtpMode::Event { hash, digits } => Factor::Event {
                hash,
                digits,
                next,
                far_off: None,
            },
            OtpMode::Challenge { suite } => Factor::Challenge {
                suite,
                next,
                open: None,
            },
        };
        Self::checked(seed, factor, limit, Vec::new())
    }

    /// The one place where a record comes from.
    pub(super) fn checked(
        seed: SecretBytes,
        factor: Factor,
        limit: TryLimit,
        tried: Vec<u64>,
    ) -> Result<Self, RecordError> {
        if !(SHORTEST_SEED..=LONGEST_SEED).contains(&seed.len()) {
            return Err(RecordError::Seed);
        }
        if let Factor::Challenge { suite, .. } = &factor {
            if suite.uses_pin().is_some() || suite.uses_session().is_some() {
                return Err(RecordError::Inputs);
            }
            if suite.challenge_format().max < SHORTEST_CHALLENGE {
                return Err(RecordError::ShortChallenge);
            }
            if suite.response() == Response::WholeHmac {
                return Err(RecordError::WholeHmac);
            }
        }
        let record = Self {
            seed,
            factor,
            limit,
            tried,
        };
        if record.digits() < FEWEST_DIGITS {
            return Err(RecordError::FewDigits);
        }
        Ok(record)
    }

    /// What the passcodes are made with.
    #[must_use]
    pub fn mode(&self) -> OtpMode {
        match &self.factor {
            Factor::Time { parameters, .. } => OtpMode::Time {
                hash: parameters.hash,
                digits: parameters.digits,
                period: parameters.period,
            },
            Factor::Event { hash, digits, .. } => OtpMode::Event {
                hash: *hash,
                digits: *digits,
            },
            Factor::Challenge { suite, .. } => OtpMode::Challenge {
                suite: suite.clone(),
            },
        }
    }

    /// The key.
    #[must_use]
    pub const fn seed(&self) -> &SecretBytes {
        &self.seed
    }

    /// How far the passcodes are used up.
    #[must_use]
    pub const fn factor(&self) -> &Factor {
        &self.factor
    }

    /// How often a wrong passcode may be tried.
    #[must_use]
    pub const fn limit(&self) -> TryLimit {
        self.limit
    }

    /// Wrong tries that count now.
    #[must_use]
    pub fn wrong_tries(&self, now: UnixMillis) -> usize {
        self.limit.counting(&self.tried, now).len()
    }

    /// Seconds until a passcode is looked at again; none if one may be tried now.
    #[must_use]
    pub fn wait_secs(&self, now: UnixMillis) -> Option<u64> {
        self.limit.wait(&self.tried, now)
    }

    /// The wrong tries are forgotten: an administrator's word.
    #[must_use]
    pub fn unlocked(mut self) -> Self {
        self.tried.clear();
        self
    }

    /// Are these passcodes answers to challenges?
    #[must_use]
    pub const fn is_asked_by_challenge(&self) -> bool {
        matches!(self.factor, Factor::Challenge { .. })
    }

    /// The challenge to show, if these passcodes answer one and it was posed.
    #[must_use]
    pub fn open_challenge(&self) -> Option<&str> {
        match &self.factor {
            Factor::Challenge { open, .. } => open.as_deref(),
            Factor::Time { .. } | Factor::Event { .. } => None,
        }
    }

    /// With a challenge that can be shown, if these passcodes answer one: the one that is still open, else a random one.
    ///
    /// Asking again brings the same one until a try has answered it. Otherwise somebody who has seen one answer could ask
    /// until its challenge comes back.
    #[must_use]
    pub fn posed(mut self, rng: &mut impl CryptoRng) -> Self {
        if let Factor::Challenge { suite, open, .. } = &mut self.factor
            && open.is_none()
        {
            *open = Some(suite.random_challenge(rng));
        }
        self
    }

    /// Length of a passcode.
    pub(super) fn digits(&self) -> Digits {
        match &self.factor {
            Factor::Time { parameters, .. } => parameters.digits,
            Factor::Event { digits, .. } => *digits,
            Factor::Challenge { suite, .. } => suite.response().digits().unwrap_or(Digits::SIX),
        }
    }
}
