//! The challenge: what is to be approved, as this process knows it.

use std::{
    fs::{self, File},
    io::Read as _,
};

use countersign_core::sudo::{self, AcceptedKey, AcceptedKeys, Least};
use countersign_proto::{
    limits,
    sudo::v1::{Ask, Challenge, Level, ModuleFrame, NumberMatching, module_frame},
};
use pam::{
    items::{RHost, Service, Tty},
    module::PamHandle,
};
use prost::Message as _;

use crate::{account::Account, clock, options::Number, options::Options, places::Places};

/// A question that can be sent.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The bytes that the answer has to be to.
    pub(crate) challenge: Vec<u8>,
    pub(crate) frame: ModuleFrame,
}

/// No question could be made: no random bytes, no machine-id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoQuestion;

/// Makes the question. Nothing of it is from the environment.
///
/// # Errors
///
/// [`NoQuestion`].
pub(crate) fn question(
    pamh: &PamHandle,
    account: &Account,
    keys: &AcceptedKeys,
    options: &Options,
    places: &Places,
) -> Result<Question, NoQuestion> {
    let mut nonce = vec![0; 32];
    getrandom::fill(&mut nonce).map_err(|_no_source| NoQuestion)?;
    let machine_id = fs::read(places.machine_id.as_ref()).map_err(|_absent| NoQuestion)?;
    let issued_ms = clock::unix_ms();
    let timeout = i64::try_from(options.timeout.as_millis()).unwrap_or(i64::MAX);
    let challenge = Challenge {
        version: limits::SUDO_PROTOCOL,
        machine: sudo::machine_name(&machine_id).to_vec(),
        host: clipped(&rustix::system::uname().nodename().to_string_lossy()),
        service: item(
            pamh.get_item::<Service<'_>>()
                .ok()
                .flatten()
                .map(|item| item.0),
        ),
        user: clipped(&account.proved),
        uid: account.uid,
        ruid: account.ruid,
        terminal: terminal(pamh),
        remote_host: item(
            pamh.get_item::<RHost<'_>>()
                .ok()
                .flatten()
                .map(|item| item.0),
        ),
        pid: std::process::id(),
        started: started(),
        command: command(),
        nonce,
        issued_ms,
        expires_ms: issued_ms.saturating_add(timeout),
        matching: match options.number {
            Number::Off => NumberMatching::Off,
            Number::Shown => NumberMatching::Typed,
        }
        .into(),
        least: level(least_of(keys, options.least)).into(),
    };
    let challenge = challenge.encode_to_vec();
    let prints = keys.iter().map(|key| key.fingerprint().as_bytes().to_vec());
    let ask = Ask {
        challenge: challenge.clone(),
        keys: prints.collect(),
    };
    let frame = ModuleFrame {
        frame: Some(module_frame::Frame::Ask(ask)),
    };
    Ok(Question { challenge, frame })
}

/// What the agent is told: enough for every key, so that no answer is made in vain.
fn least_of(keys: &AcceptedKeys, option: Least) -> Least {
    keys.iter().map(AcceptedKey::least).fold(option, Least::max)
}

const fn level(least: Least) -> Level {
    match least {
        Least::Presence => Level::Presence,
        Least::User => Level::Finger,
        Least::Pin => Level::Pin,
    }
}

fn item(text: Option<&core::ffi::CStr>) -> String {
    text.map_or_else(String::new, |text| clipped(&text.to_string_lossy()))
}

fn terminal(pamh: &PamHandle) -> String {
    let tty = item(pamh.get_item::<Tty<'_>>().ok().flatten().map(|item| item.0));
    tty.strip_prefix("/dev/").map(str::to_owned).unwrap_or(tty)
}

/// The longest beginning that fits.
fn clipped(text: &str) -> String {
    let mut end = text.len().min(limits::SUDO_TEXT);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default().to_owned()
}

/// The command line as the user typed it: for sudo its own words, before it has looked up anything.
fn command() -> Vec<u8> {
    let mut command = Vec::new();
    let most = u64::try_from(limits::SUDO_COMMAND).unwrap_or(u64::MAX);
    // Without it the question says less; it is asked all the same.
    if let Ok(file) = File::open("/proc/self/cmdline") {
        drop(file.take(most).read_to_end(&mut command));
    }
    command
}

/// Field 22 of proc(5)'s stat: it makes the pid name one process for ever.
fn started() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    start_time(&stat)
}

fn start_time(stat: &str) -> u64 {
    // The name in parentheses may hold anything, also parentheses: the last one ends it. The state is field 3.
    const AFTER_NAME: usize = 22 - 3;
    stat.rsplit_once(')')
        .and_then(|(_, rest)| rest.split_ascii_whitespace().nth(AFTER_NAME))
        .and_then(|field| field.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_field_22() {
        let stat = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 98765 20 21";
        assert_eq!(start_time(stat), 98_765);
        assert_eq!(start_time(""), 0);
        assert_ne!(started(), 0);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "ä".repeat(limits::SUDO_TEXT);
        let cut = clipped(&format!("x{long}"));
        assert!(cut.len() <= limits::SUDO_TEXT && cut.ends_with('ä'));
        assert_eq!(clipped("short"), "short");
    }

    #[test]
    fn the_command_is_this_process() {
        assert!(command().ends_with(&[0]));
    }
}
