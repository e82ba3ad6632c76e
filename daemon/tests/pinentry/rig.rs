//! The adapter with a launcher of its own, and what came of a dialog.

use core::time::Duration;
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use countersign_core::secret::SecretBytes;
use countersign_tests::{Workspace, patiently, process::output};
use countersignd::{
    agent::ports::{CallerScreen, Confirmation, PinDialog, PinEntry as _, PinEntryError},
    desktop::pinentry::{PinEntryDialogs, Surroundings},
    launcher::Launcher,
};
use rustix::process::Pid;
use tokio::task::JoinHandle;

/// How often a state that nobody announces is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(crate) type Asking = JoinHandle<Result<SecretBytes, PinEntryError>>;

pub(crate) struct Rig {
    dialogs: Arc<PinEntryDialogs>,
    launcher: Arc<Launcher>,
    pub(crate) workspace: Workspace,
}

/// The agent's program, which is the launcher's too.
pub(crate) fn own_program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_countersignd"))
}

impl Rig {
    /// With `program` configured, in a session with `variables`.
    pub(crate) fn new(
        workspace: Workspace,
        program: impl Into<PathBuf>,
        variables: &[(&'static str, &str)],
    ) -> Self {
        let surroundings = Surroundings::from_variables(|name| {
            let set = variables.iter().find(|(known, _)| *known == name);
            set.map(|(_, value)| (*value).to_owned())
        });
        let launcher = Arc::new(Launcher::start(own_program()).unwrap());
        let dialogs =
            PinEntryDialogs::new(Arc::clone(&launcher), Some(program.into()), surroundings);
        Self {
            dialogs: Arc::new(dialogs),
            launcher,
            workspace,
        }
    }

    pub(crate) fn ask(&self, dialog: PinDialog, screen: CallerScreen) -> Asking {
        let dialogs = Arc::clone(&self.dialogs);
        tokio::spawn(async move { dialogs.ask(&dialog, &screen).await })
    }

    pub(crate) fn confirm(
        &self,
        question: Confirmation,
        screen: CallerScreen,
    ) -> JoinHandle<Result<(), PinEntryError>> {
        let dialogs = Arc::clone(&self.dialogs);
        tokio::spawn(async move { dialogs.confirm(&question, &screen).await })
    }

    pub(crate) fn program(&self) -> Option<String> {
        self.dialogs.program()
    }

    pub(crate) fn launcher(&self) -> Pid {
        Pid::from_raw(self.launcher.id().cast_signed()).unwrap()
    }

    /// The running programs.
    pub(crate) fn children(&self) -> Vec<u32> {
        children(self.launcher.id())
    }

    /// Waits until no program runs.
    pub(crate) fn wait_until_gone(&self) {
        self.wait_until("the dialog's program to go", || self.children().is_empty());
    }

    /// Waits until a state has come that nobody announces.
    #[expect(clippy::unused_self, reason = "it reads as what a rig does")]
    pub(crate) fn wait_until(&self, what: &str, come: impl Fn() -> bool) {
        let come = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            while !come() {
                looks.tick().await;
            }
        };
        patiently(what, come).unwrap();
    }

    /// Withdraws it, and waits until its program has gone.
    pub(crate) fn withdraw(&self, asking: Asking) {
        assert!(!self.children().is_empty(), "there is a dialog");
        asking.abort();
        assert!(
            patiently("the end", asking)
                .unwrap()
                .unwrap_err()
                .is_cancelled()
        );
        self.wait_until_gone();
    }
}

/// Whether a process runs: it has neither gone nor ended.
pub(crate) fn runs(id: u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .starts_with(" Z")
    })
}

/// The sockets that a process has open; nothing if it keeps that to itself (and this is not root).
pub(crate) fn sockets(id: u32) -> Option<BTreeSet<PathBuf>> {
    let descriptors = match fs::read_dir(format!("/proc/{id}/fd")) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return None,
        found => found.unwrap(),
    };
    let sockets = descriptors
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("socket:"))
        .collect();
    Some(sockets)
}

/// The running children of a process with one thread.
pub(crate) fn children(id: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{id}/task/{id}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .map(|child| child.parse().unwrap())
        .filter(|child| runs(*child))
        .collect()
}

pub(crate) fn answer(asking: Asking) -> Result<SecretBytes, PinEntryError> {
    patiently("the answer", asking).unwrap().unwrap()
}

pub(crate) fn typed(text: &str) -> SecretBytes {
    SecretBytes::from(text.as_bytes())
}

pub(crate) fn dialog() -> PinDialog {
    PinDialog {
        title: "Countersign".to_owned(),
        description: "Log in to Example Portal as alice?\n\nFrom 203.0.113.7 (Vienna), Firefox on Linux, at 10:42:11.\n100 % sure? Then enter the PIN of this token."
            .to_owned(),
        prompt: "PIN:".to_owned(),
        error: None,
        repeat: None,
        ok: "Approve".to_owned(),
        within: Duration::from_mins(1),
    }
}

pub(crate) fn question() -> Confirmation {
    Confirmation {
        title: "Add a token?".to_owned(),
        description: "A link wants to add a token to this computer.\nService: gateway.example:8443\nUser: alice\n\nConnect only if you asked for it just now and know this service."
            .to_owned(),
        ok: "Connect".to_owned(),
        cancel: "Cancel".to_owned(),
        within: Duration::from_mins(1),
    }
}

pub(crate) fn new_pin() -> PinDialog {
    PinDialog {
        description: "Choose a PIN for the token \u{201c}Example Portal\u{201d}.\nAt least 4 digits or letters.".to_owned(),
        prompt: "New PIN:".to_owned(),
        repeat: Some("Once more:".to_owned()),
        ok: "Set PIN".to_owned(),
        ..dialog()
    }
}

/// A pinentry of a few lines of shell: `at_start` runs before its greeting, `at_question` at GETPIN. What it
/// was asked is in `asked`, its environment in `environment`.
pub(crate) fn fake(workspace: &Workspace, at_start: &str, at_question: &str) -> PathBuf {
    let path = workspace.join("pinentry-fake");
    let script = format!(
        r#"#!/bin/sh
cd "${{0%/*}}" || exit
env >environment
{at_start}
echo 'OK Pleased to meet you'
while IFS= read -r line; do
    printf '%s\n' "$line" >>asked
    case $line in
    GETPIN*) {at_question} ;;
    BYE*) echo OK; exit ;;
    'OPTION grab'|SETTITLE*) echo 'ERR 83886254 Unknown option <Fake>' ;;
    *) echo '# a comment'; echo OK ;;
    esac
done
"#
    );
    // Written by another process: while this one has it open, a child that another test's thread is just
    // making has it open too, and it could not be run.
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"cat >"$0" && chmod 755 "$0""#])
        .arg(&path);
    assert!(output(command, script.as_bytes()).unwrap().status.success());
    path
}
