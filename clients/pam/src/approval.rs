//! The agent is asked, and its answer checked.

use std::path::Path;

use countersign_core::{
    sudo::{
        AcceptedKey, AcceptedKeys, Approval, Finger, KeyFileError, MAX_KEY_FILE_LEN, MatchNumber,
        NotApproved, check_approval,
    },
    token::VerificationLevel,
};
use countersign_passcodes::Kernel;
use countersign_proto::sudo::v1::{
    AgentFrame, Answer, Approval as Signed, Ending, Level, ModuleFrame, Outcome, Why, agent_frame,
    module_frame,
};
use pam::{items::RHost, module::PamHandle};
use prost::Message as _;

use crate::{
    account::Account,
    clock::Deadline,
    conversation::Conversation,
    ffi::Log,
    finger,
    line::{Line, LineError},
    options::{Number, Options, Remote},
    places::Places,
    question::{NoQuestion, Question, question},
    root_file::{RootFileError, read_root_file},
    verdict::{Refused, Unavailable, Verdict},
};

/// Asks the agent of the account's user.
pub(crate) fn ask(
    pamh: &PamHandle,
    account: &Account,
    options: &Options,
    places: &Places,
    log: &Log,
) -> Verdict {
    let user = Conversation::new(pamh, options.words);
    let outcome = asked(pamh, account, &user, options, places, log);
    if let Err(Verdict::Unavailable(why)) = &outcome {
        user.unavailable(*why);
    }
    match outcome {
        Ok(key) => Verdict::Proved {
            label: key.label().to_owned(),
        },
        Err(verdict) => verdict,
    }
}

fn asked(
    pamh: &PamHandle,
    account: &Account,
    user: &Conversation<'_>,
    options: &Options,
    places: &Places,
    log: &Log,
) -> Result<AcceptedKey, Verdict> {
    let deadline = Deadline::after(options.timeout);
    if options.remote == Remote::NotAsked && comes_from_afar(pamh) {
        return Err(Verdict::Unavailable(Unavailable::Remote));
    }
    let keys = accepted_keys(account, places, log)?;
    let number = match options.number {
        Number::Off => None,
        Number::Shown => Some(new_number()?),
    };
    let sent = question(pamh, account, &keys, options, places)
        .map_err(|NoQuestion| Verdict::Unavailable(Unavailable::System))?;
    let socket = places.sudo_socket(account.uid);
    let (line, answer) = answer_to(&sent, &socket, account, deadline, || {
        user.shown(number.as_ref());
    })?;
    let verdict = check(&answer, &sent, &keys, options, number.as_ref());
    let ending = match &verdict {
        Ok(_) => Ending::Accepted,
        Err(NotApproved::Number) => Ending::WrongNumber,
        Err(_) => Ending::NotAccepted,
    };
    tell(&line, ending);
    let key = verdict.map_err(|why| Verdict::Refused(Refused::NotApproved(why)))?;
    if options.finger == Finger::ByRoot || key.finger() == Finger::ByRoot {
        user.finger();
        finger::verify(account, places, deadline)?;
    }
    Ok(key)
}

/// Does the service say that the other end of the line is another host?
fn comes_from_afar(pamh: &PamHandle) -> bool {
    let host = pamh.get_item::<RHost<'_>>().ok().flatten();
    host.is_some_and(|host| !matches!(host.to_bytes(), b"" | b"localhost" | b"127.0.0.1" | b"::1"))
}

/// The keys that root accepts for this user.
fn accepted_keys(account: &Account, places: &Places, log: &Log) -> Result<AcceptedKeys, Verdict> {
    let path = places
        .keys_of(&account.asked)
        .ok_or(Verdict::Unavailable(Unavailable::Account))?;
    let content = match read_root_file(&path, places.owner, MAX_KEY_FILE_LEN) {
        Ok(content) => content,
        Err(RootFileError::Absent) => {
            return Err(Verdict::Unavailable(Unavailable::NotEnrolled));
        }
        Err(error) => {
            log.warning(&format!("{}: {error}", path.display()));
            return Err(Verdict::Refused(Refused::KeyFile));
        }
    };
    let keys = AcceptedKeys::parse(&content).map_err(|error: KeyFileError| {
        log.warning(&format!("{}: {error}", path.display()));
        Verdict::Refused(Refused::KeyFile)
    })?;
    if keys.is_empty() {
        return Err(Verdict::Unavailable(Unavailable::NotEnrolled));
    }
    Ok(keys)
}

fn new_number() -> Result<MatchNumber, Verdict> {
    let mut kernel = Kernel::default();
    let number = MatchNumber::new(&mut kernel);
    if kernel.has_failed() {
        return Err(Verdict::Unavailable(Unavailable::System));
    }
    Ok(number)
}

/// Sends the question and waits for the answer; `shown` is called when the user can see it.
fn answer_to(
    question: &Question,
    path: &Path,
    account: &Account,
    deadline: Deadline,
    shown: impl Fn(),
) -> Result<(Line, Answer), Verdict> {
    let mut line = Line::connect(path, account, deadline).map_err(verdict_of)?;
    line.send(&question.frame).map_err(verdict_of)?;
    let mut told = Told::NotYet;
    loop {
        let frame: AgentFrame = line.receive().map_err(verdict_of)?;
        match frame.frame {
            Some(agent_frame::Frame::Standing(_)) if told == Told::NotYet => {
                told = Told::Yes;
                shown();
            }
            Some(agent_frame::Frame::Answer(answer)) => return Ok((line, answer)),
            Some(agent_frame::Frame::Refusal(refusal)) => return Err(refused(refusal.why())),
            // Said twice, or nothing that we know.
            Some(agent_frame::Frame::Standing(_)) | None => {
                return Err(Verdict::Unavailable(Unavailable::Protocol));
            }
        }
    }
}

/// Was the user told where to approve?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    NotYet,
    Yes,
}

fn check(
    answer: &Answer,
    question: &Question,
    keys: &AcceptedKeys,
    options: &Options,
    number: Option<&MatchNumber>,
) -> Result<AcceptedKey, NotApproved> {
    // What is not decoded is held for unsigned: its parts are compared only after the signature.
    let signed = Signed::decode(answer.approval.as_slice()).unwrap_or_default();
    let level = match signed.level() {
        Level::Unspecified | Level::Presence => VerificationLevel::Click,
        Level::Finger => VerificationLevel::Finger,
        Level::Pin => VerificationLevel::Pin,
        Level::Tpm => VerificationLevel::Tpm,
    };
    let approval = Approval {
        signed: &answer.approval,
        signature: &answer.signature,
        challenge: &signed.challenge_sha256,
        key: &signed.key,
        number: &signed.number,
        level,
    };
    check_approval(&approval, &question.challenge, keys, options.least, number).cloned()
}

/// Says how it ended. Nothing depends on it but the agent's history: one who has gone is not told.
fn tell(line: &Line, ending: Ending) {
    let outcome = Outcome {
        ending: ending.into(),
    };
    let frame = ModuleFrame {
        frame: Some(module_frame::Frame::Outcome(outcome)),
    };
    let _gone = line.send(&frame).is_err();
}

const fn verdict_of(error: LineError) -> Verdict {
    match error {
        LineError::NoAgent => Verdict::Unavailable(Unavailable::NoAgent),
        LineError::Foreign => Verdict::Unavailable(Unavailable::Impostor),
        LineError::Closed | LineError::Frame => Verdict::Unavailable(Unavailable::Protocol),
        LineError::Late => Verdict::Unavailable(Unavailable::TimedOut),
        LineError::Interrupted => Verdict::Refused(Refused::Interrupted),
    }
}

const fn refused(why: Why) -> Verdict {
    let why = match why {
        Why::Denied => return Verdict::Refused(Refused::Denied),
        Why::Locked => Unavailable::Locked,
        Why::SessionLocked => Unavailable::SessionLocked,
        Why::NotEnrolled => Unavailable::KeyNotThere,
        Why::Busy => Unavailable::Busy,
        Why::TooOften => Unavailable::TooOften,
        Why::Expired => Unavailable::TimedOut,
        Why::Nobody => Unavailable::Nobody,
        Why::Muted => Unavailable::Muted,
        Why::Malformed | Why::Failed | Why::Unspecified => Unavailable::Protocol,
    };
    Verdict::Unavailable(why)
}
