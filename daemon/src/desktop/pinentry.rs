//! The dialog program: pinentry, over the Assuan protocol.
//!
//! A new program for each dialog, started by the [launcher](crate::launcher). Invariants: what is typed comes
//! from the program to this process and lies in memory that is wiped; no program outlives the future that
//! asked; `allow-external-password-cache` is never sent, so no flavour offers to keep a PIN in the keyring.

mod assuan;
mod connection;
mod dialog;
mod process;
mod program;
mod screen;

use core::time::Duration;
use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use countersign_core::secret::SecretBytes;
use tokio::time::timeout;
use tracing::debug;

use crate::{
    agent::ports::{CallerScreen, Confirmation, PinDialog, PinEntry, PinEntryError},
    launcher::{LaunchError, Launcher, Program},
};

use connection::Connection;
use dialog::Dialog;
use process::Running;
pub use screen::Surroundings;

/// How long a program may take from its start until all that the dialog says has been taken.
const PREPARED_WITHIN: Duration = Duration::from_secs(20);

/// A program that keeps time itself has said so before.
const LATER: Duration = Duration::from_secs(1);

/// Asks with pinentry.
#[derive(Debug)]
pub struct PinEntryDialogs {
    launcher: Arc<Launcher>,
    configured: Mutex<Option<PathBuf>>,
    surroundings: Surroundings,
}

impl PinEntryDialogs {
    /// `configured` is the program of config.toml; without one `pinentry` is looked for in `PATH`.
    #[must_use]
    pub fn new(
        launcher: Arc<Launcher>,
        configured: Option<PathBuf>,
        surroundings: Surroundings,
    ) -> Self {
        Self {
            launcher,
            configured: Mutex::new(configured),
            surroundings,
        }
    }

    /// config.toml was read again.
    pub fn reconfigure(&self, configured: Option<PathBuf>) {
        *self
            .configured
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = configured;
    }

    fn found(&self) -> Option<PathBuf> {
        let configured = self
            .configured
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        program::find(configured.as_deref(), self.surroundings.search_path())
    }

    /// Starts the program. What was started ends with the value, also when nobody waits for it any more.
    async fn start(&self, program: Program) -> Result<(Running, Connection), PinEntryError> {
        let failed = |words: &str| PinEntryError::Failed(words.to_owned());
        let (own, its) = UnixStream::pair().map_err(|_system| failed("no socket could be made"))?;
        let its = OwnedFd::from(its);
        let launcher = Arc::clone(&self.launcher);
        // Not to be given up in the middle: what has been started is handed over, or ended.
        let starting = tokio::task::spawn_blocking(move || {
            let dialog = launcher.launch(&program, &its)?;
            debug!(id = dialog.id, "a dialog was started");
            Ok(Running::new(dialog.process))
        });
        let started = starting
            .await
            .map_err(|_panicked| failed("it could not be started"))?;
        let running = started.map_err(|error: LaunchError| match error {
            LaunchError::NotThere => PinEntryError::Missing,
            LaunchError::Unfit | LaunchError::Refused | LaunchError::Gone(_) => {
                PinEntryError::Failed(error.to_string())
            }
        })?;
        let connection =
            Connection::new(own).map_err(|_system| failed("its socket cannot be used"))?;
        Ok((running, connection))
    }

    /// Starts the program at the caller's screen, says all that the dialog says, and asks.
    async fn converse<D: Dialog>(
        &self,
        dialog: &D,
        screen: &CallerScreen,
    ) -> Result<D::Answer, PinEntryError> {
        let path = self.found().ok_or(PinEntryError::Missing)?;
        let place = self
            .surroundings
            .place(screen)
            .ok_or(PinEntryError::NoScreen)?;
        let program = Program {
            path,
            arguments: place.arguments(),
            environment: self.surroundings.environment(&place),
        };
        let (running, mut connection) = self.start(program).await?;
        let conversation = async {
            let prepared = dialog::prepare(&mut connection, dialog, &place);
            timeout(PREPARED_WITHIN, prepared)
                .await
                .map_err(|_late| PinEntryError::Failed("it does not answer".to_owned()))??;
            dialog.ask(&mut connection).await
        };
        let within = dialog.frame().within;
        let answer = timeout(within.saturating_add(LATER), conversation)
            .await
            .map_err(|_late| PinEntryError::TimedOut)?;
        // The dialog has gone when its answer is there: the next one may follow at once.
        running.leave(connection).await;
        answer
    }
}

#[async_trait]
impl PinEntry for PinEntryDialogs {
    async fn ask(
        &self,
        dialog: &PinDialog,
        screen: &CallerScreen,
    ) -> Result<SecretBytes, PinEntryError> {
        self.converse(dialog, screen).await
    }

    async fn confirm(
        &self,
        question: &Confirmation,
        screen: &CallerScreen,
    ) -> Result<(), PinEntryError> {
        self.converse(question, screen).await
    }

    fn program(&self) -> Option<String> {
        self.found().map(|path| path.display().to_string())
    }
}
