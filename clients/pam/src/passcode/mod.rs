//! A passcode is asked for and checked against root's record: for ssh, login, su, and where no agent is.
//!
//! Only a user without a record makes this unavailable. Whatever else goes wrong is a refusal, so that nobody is let in another way
//! by making it go wrong.

pub(crate) mod gateway;

use core::fmt;

use countersign_core::{
    pam_passcode::{Acceptance, NotBegun, Refusal, Verdict as Judged},
    time::UnixMillis,
};
use countersign_passcodes::{Outcome, Passcodes, Question, StoreError, UserName};
use pam::module::PamHandle;
use rustix::process::Uid;

use crate::{
    account::Account,
    clock,
    conversation::Conversation,
    ffi::{self, Log},
    options::{LogAmount, Options},
    places::Places,
    verdict::{Refused, Unavailable, Verdict},
};

/// After a wrong passcode, in microseconds.
const DELAY: u32 = 1_000_000;

/// Why a passcode does not let its user in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRight {
    /// Nothing was typed, or nothing could be asked.
    Nothing,
    /// Not so many digits.
    Form,
    /// No passcode of the user's.
    Wrong,
    /// Used before.
    Used,
    /// From far off; the one after it is accepted.
    FarOff,
    /// Too many wrong ones.
    TooMany {
        /// Seconds until one is looked at again.
        wait_secs: u64,
    },
    /// The challenge was answered meanwhile.
    ChallengeOver,
    /// The record could not be used.
    Record(StoreError),
    /// The user's name can be no file's.
    Name,
    /// The gateway's word.
    Denied,
    /// The gateway does not answer, and nobody is let in then.
    GatewayAway,
    /// The program that asks the gateway, or its settings.
    GatewayFault,
}

impl core::error::Error for NotRight {}

impl fmt::Display for NotRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing was typed"),
            Self::Form => f.write_str("not of a passcode's form"),
            Self::Wrong => f.write_str("wrong"),
            Self::Used => f.write_str("used before"),
            Self::FarOff => f.write_str("far off; the next one in a row is accepted"),
            Self::TooMany { wait_secs } => {
                write!(
                    f,
                    "too many wrong ones, none is looked at for {wait_secs} s"
                )
            }
            Self::ChallengeOver => f.write_str("the challenge is over"),
            Self::Record(error) => write!(f, "the record cannot be used: {error}"),
            Self::Name => f.write_str("the user's name cannot be a file's"),
            Self::Denied => f.write_str("the gateway lets the user not in"),
            Self::GatewayAway => f.write_str("the gateway does not answer"),
            Self::GatewayFault => {
                f.write_str("the gateway cannot be asked; see gateway.toml and its program")
            }
        }
    }
}

impl NotRight {
    /// What the user reads, where it helps.
    fn words(self) -> Option<String> {
        match self {
            Self::Used => Some("This passcode was used before; wait for the next one.".to_owned()),
            Self::FarOff => {
                Some("This passcode is from far off; type the next one too.".to_owned())
            }
            Self::TooMany { wait_secs } => Some(format!(
                "Too many wrong passcodes: wait {wait_secs} seconds."
            )),
            Self::ChallengeOver => Some("This challenge is over; try again.".to_owned()),
            Self::GatewayAway => Some("Countersign: the gateway does not answer.".to_owned()),
            Self::Record(_) | Self::Name | Self::GatewayFault => {
                Some("Passcodes cannot be checked now; the system's log says why.".to_owned())
            }
            Self::Nothing | Self::Form | Self::Wrong | Self::Denied => None,
        }
    }

    /// Is it the administrator's to mend?
    const fn is_a_fault(self) -> bool {
        matches!(
            self,
            Self::Record(_) | Self::Name | Self::GatewayAway | Self::GatewayFault
        )
    }
}

/// Asks for a passcode and checks it.
pub(crate) fn authenticate(
    pamh: &mut PamHandle,
    options: &Options,
    places: &Places,
    log: &Log,
) -> Verdict {
    let outcome = match Account::of(pamh, options) {
        Ok(account) => checked(pamh, &account, options, places),
        Err(verdict) => Err(verdict),
    };
    let outcome = outcome.map(|how| match how {
        Acceptance::InWindow => "passcode accepted",
        Acceptance::Resynchronised => "passcode accepted, and the clock or counter found",
    });
    ended(pamh, options, log, outcome)
}

/// The end of a call: told to the user and to the log.
fn ended(
    pamh: &mut PamHandle,
    options: &Options,
    log: &Log,
    outcome: Result<&'static str, Verdict>,
) -> Verdict {
    match outcome {
        Ok(how) => {
            log.info(how);
            Verdict::Proved {
                label: String::new(),
            }
        }
        Err(verdict) => {
            match &verdict {
                Verdict::Refused(Refused::Passcode(why)) => {
                    refused(pamh, options, log, *why);
                }
                Verdict::Unavailable(why) => {
                    Conversation::new(pamh, options.words).unavailable(*why);
                    log.verdict(&verdict, LogAmount::Everything);
                }
                Verdict::Proved { .. } | Verdict::Refused(_) | Verdict::NotConcerned => {
                    log.verdict(&verdict, LogAmount::Everything);
                }
            }
            verdict
        }
    }
}

fn refused(pamh: &mut PamHandle, options: &Options, log: &Log, why: NotRight) {
    if let Some(words) = why.words() {
        Conversation::new(pamh, options.words).not_right(&words);
    }
    ffi::delay_failure(pamh, DELAY);
    let text = format!("passcode refused: {why}");
    if why.is_a_fault() {
        log.warning(&text);
    } else {
        log.notice(&text);
    }
}

fn checked(
    pamh: &PamHandle,
    account: &Account,
    options: &Options,
    places: &Places,
) -> Result<Acceptance, Verdict> {
    let not_enrolled = Verdict::Unavailable(Unavailable::NotEnrolled);
    let refused = |why: NotRight| Verdict::Refused(Refused::Passcode(why));
    let failed = |error: StoreError| refused(NotRight::Record(error));
    // The name of the system's database: another spelling of it must not be another user.
    let user: UserName = account
        .asked
        .parse()
        .map_err(|_name| refused(NotRight::Name))?;
    let owner = Uid::from_raw(places.owner);
    let passcodes = Passcodes::open(places.passcodes.as_ref(), owner)
        .map_err(failed)?
        .ok_or_else(|| not_enrolled.clone())?;
    let question = passcodes.question(&user, now()).map_err(failed)?;
    let challenge = match question.ok_or_else(|| not_enrolled.clone())? {
        Question::Passcode => None,
        Question::Challenge(challenge) => Some(challenge),
        Question::Wait { secs } => return Err(refused(NotRight::TooMany { wait_secs: secs })),
    };
    let challenge = challenge.as_deref();
    let typed = Conversation::new(pamh, options.words)
        .passcode(challenge)
        .filter(|typed| !typed.is_empty())
        .ok_or_else(|| refused(NotRight::Nothing))?;
    let outcome = passcodes
        .judge(&user, &typed, challenge, options.window, now())
        .map_err(failed)?;
    match outcome {
        Outcome::Judged(Judged::Accepted(how)) => Ok(how),
        Outcome::Judged(Judged::Refused(why)) => Err(refused(match why {
            Refusal::Wrong => NotRight::Wrong,
            Refusal::Used => NotRight::Used,
            Refusal::FarOff => NotRight::FarOff,
        })),
        Outcome::NotBegun(why) => Err(refused(match why {
            NotBegun::Form => NotRight::Form,
            NotBegun::TooMany { wait_secs } => NotRight::TooMany { wait_secs },
            NotBegun::ChallengeOver => NotRight::ChallengeOver,
        })),
        // Asked for one while there was a record: it was taken away, and nothing else is to take its place in this login.
        Outcome::NotEnrolled => Err(refused(NotRight::Wrong)),
    }
}

fn now() -> UnixMillis {
    UnixMillis(clock::unix_ms())
}
