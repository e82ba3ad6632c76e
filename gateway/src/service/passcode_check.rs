//! Is this passcode right for this token, and which moving factor does it use up? Pure.

use countersign_core::{
    otp::{
        OtpMode, hotp,
        ocra::{Inputs, Suite},
        time_step,
        validation::{
            OcraWindow, StepRule, TimeParameters, TimeState, TimeWindow, check_event, check_ocra,
            check_time,
        },
    },
    pskc::PinPolicy,
    secret::{SecretBytes, SecretText},
    time::UnixMillis,
};

use crate::store::{Rows, StoreError, TokenRow};

/// Counters beyond the next one that are tried for a typed passcode.
const LOOK_AHEAD: u32 = 10;
/// The widest look-ahead, where the agent has said that it is further.
const WIDEST_LOOK_AHEAD: u64 = 1000;
/// Counters before the next one that are recognised as used.
const LOOK_BACK: u32 = 20;
const WINDOW: TimeWindow = TimeWindow { past: 1, future: 1 };

/// What a token's passcodes are computed from, besides their moving factor.
#[derive(Debug)]
pub(super) struct Computation {
    seed: SecretBytes,
    /// Of a token whose OCRA suite takes the PIN in: its hash. Without it no passcode is right.
    pin_hash: Option<SecretBytes>,
}

impl Computation {
    /// The token's.
    pub(super) fn of(rows: Rows<'_>, token: &TokenRow) -> Result<Self, StoreError> {
        let seed = rows
            .seed(&token.serial)?
            .ok_or(StoreError::Unreadable("token without a seed"))?;
        let pin_hash = match token.pin {
            PinPolicy::InPasscode => rows.pin_hash(&token.serial)?,
            PinPolicy::None | PinPolicy::Token(_) | PinPolicy::Server(_) => None,
        };
        Ok(Self { seed, pin_hash })
    }
}

/// A passcode that is right, and what it uses up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Factor {
    /// This counter.
    Counter(u64),
    /// This time step; the token's clock is off by so many steps.
    Step { step: u64, drift: i64 },
    /// The challenge alone, which the login's end uses up.
    Challenge,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Right(Factor),
    /// It was right once.
    UsedBefore,
    Wrong,
}

/// Checks a passcode that somebody typed. `challenge` is the open one of a challenge-response token.
pub(super) fn check_typed(
    token: &TokenRow,
    computation: &Computation,
    candidate: &SecretText,
    challenge: Option<&str>,
    now: UnixMillis,
) -> Check {
    let typed = candidate.expose();
    let seed = &computation.seed;
    match &token.mode {
        OtpMode::Event { hash, digits } => {
            let next = token.next_counter;
            let ahead = token
                .agent_counter
                .saturating_sub(next)
                .min(WIDEST_LOOK_AHEAD);
            let ahead = LOOK_AHEAD.saturating_add(u32::try_from(ahead).unwrap_or(0));
            if let Some(counter) = check_event(seed, *hash, *digits, typed, next, ahead) {
                return Check::Right(Factor::Counter(counter));
            }
            let back = next.min(u64::from(LOOK_BACK));
            let used = u32::try_from(back)
                .ok()
                .and_then(|back| back.checked_sub(1))
                .and_then(|ahead| {
                    check_event(
                        seed,
                        *hash,
                        *digits,
                        typed,
                        next.saturating_sub(back),
                        ahead,
                    )
                });
            if used.is_some() {
                Check::UsedBefore
            } else {
                Check::Wrong
            }
        }
        OtpMode::Time {
            hash,
            digits,
            period,
        } => {
            let parameters = TimeParameters {
                hash: *hash,
                digits: *digits,
                period: *period,
            };
            let check = |last| {
                let state = TimeState {
                    drift: token.drift,
                    last,
                };
                check_time(
                    seed,
                    parameters,
                    typed,
                    now.secs(),
                    WINDOW,
                    state,
                    StepRule::Newer,
                )
            };
            match (check(token.last_step), check(None)) {
                (Some(right), _) => Check::Right(Factor::Step {
                    step: right.step,
                    drift: right.drift,
                }),
                (None, Some(_used)) => Check::UsedBefore,
                (None, None) => Check::Wrong,
            }
        }
        OtpMode::Challenge { suite } => challenge.map_or(Check::Wrong, |challenge| {
            let window = OcraWindow {
                look_ahead: LOOK_AHEAD,
                time: WINDOW,
            };
            check_challenge(
                token,
                suite,
                computation,
                typed,
                challenge,
                token.next_counter,
                window,
                now,
            )
        }),
    }
}

/// Behind the next counter, and not one that an approval may still bring.
fn used_up(token: &TokenRow, counter: u64) -> bool {
    let next = token.next_counter;
    counter < next && !token.passed_over.contains(next, counter)
}

/// Checks a passcode of a signed approval, which names its moving factor. Since the decision is single by its request, the
/// time step may be the last accepted one again, and as old as the request is, and the counter one that a later one overtook.
pub(super) fn check_pushed(
    token: &TokenRow,
    computation: &Computation,
    candidate: &SecretText,
    factor: u64,
    challenge: &str,
    asked: UnixMillis,
    now: UnixMillis,
) -> Check {
    let seed = &computation.seed;
    match &token.mode {
        OtpMode::Event { hash, digits } => {
            let known = token.next_counter.max(token.agent_counter);
            if used_up(token, factor) {
                Check::UsedBefore
            } else if factor <= known.saturating_add(WIDEST_LOOK_AHEAD)
                && hotp(seed, factor, *hash, *digits) == *candidate
            {
                Check::Right(Factor::Counter(factor))
            } else {
                Check::Wrong
            }
        }
        OtpMode::Time {
            hash,
            digits,
            period,
        } => {
            let step = |at: UnixMillis| time_step(at.secs(), *period);
            let earliest = step(asked)
                .saturating_add_signed(token.drift.min(0))
                .saturating_sub(u64::from(WINDOW.past));
            let latest = step(now)
                .saturating_add_signed(token.drift.max(0))
                .saturating_add(u64::from(WINDOW.future));
            if token.last_step.is_some_and(|last| factor < last) {
                Check::UsedBefore
            } else if (earliest..=latest).contains(&factor)
                && hotp(seed, factor, *hash, *digits) == *candidate
            {
                Check::Right(Factor::Step {
                    step: factor,
                    drift: token.drift,
                })
            } else {
                Check::Wrong
            }
        }
        OtpMode::Challenge { suite } => {
            if suite.uses_counter() && used_up(token, factor) {
                return Check::UsedBefore;
            }
            let waited = suite
                .time_step(now.secs())
                .zip(suite.time_step(asked.secs()))
                .map_or(0, |(now, asked)| now.saturating_sub(asked));
            let window = OcraWindow {
                look_ahead: 0,
                time: TimeWindow {
                    past: WINDOW
                        .past
                        .saturating_add(u32::try_from(waited).unwrap_or(u32::MAX)),
                    future: WINDOW.future,
                },
            };
            check_challenge(
                token,
                suite,
                computation,
                candidate.expose(),
                challenge,
                factor,
                window,
                now,
            )
        }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "what an OCRA computation takes (RFC 6287 section 5.1)"
)]
fn check_challenge(
    token: &TokenRow,
    suite: &Suite,
    computation: &Computation,
    candidate: &str,
    challenge: &str,
    counter: u64,
    window: OcraWindow,
    now: UnixMillis,
) -> Check {
    let inputs = Inputs {
        counter: Some(counter),
        challenge,
        pin_hash: computation.pin_hash.as_ref(),
        session: None,
        time_step: suite
            .time_step(now.secs())
            .map(|step| step.saturating_add_signed(token.drift)),
    };
    match check_ocra(&computation.seed, suite, candidate, &inputs, window) {
        Ok(Some(right)) => Check::Right(right.counter.map_or(Factor::Challenge, Factor::Counter)),
        // An input that does not fit the suite: the passcode cannot be right.
        Ok(None) | Err(_) => Check::Wrong,
    }
}

/// Writes down what a right passcode uses up.
pub(super) fn use_up(
    rows: Rows<'_>,
    token: &TokenRow,
    factor: Factor,
    now: UnixMillis,
) -> Result<(), StoreError> {
    match factor {
        Factor::Counter(counter) => {
            let passed_over = token.passed_over.after(token.next_counter, counter);
            rows.use_counter(token, counter, passed_over, now)
        }
        Factor::Step { step, drift } => rows.raise_step(&token.serial, step, drift, now),
        Factor::Challenge => rows.token_used(&token.serial, now),
    }
}
