//! What every command has at hand: the agent, the terminal, the output.

use std::{path::PathBuf, pin::pin, time::Duration};

use countersign_client::{AgentClient, ClientError, Deadlines, SocketPath};
use countersign_proto::agent::v1::{CallerScreen, Reason};
use tokio::time::timeout;

use super::browser::manifests::Homes;
use crate::{
    environment::Environment,
    exit::Failure,
    interrupts::Interrupts,
    output::Output,
    prompt::{Kept, Terminal},
};

/// How long a person is left without a word while the agent is busy.
const SILENCE: Duration = Duration::from_secs(1);

/// How long several dialogs may take.
const DIALOGS: Duration = Duration::from_mins(10);

/// One run of one command.
#[derive(Debug)]
pub(crate) struct Session {
    environment: Environment,
    timeout: Option<Duration>,
    interrupts: Interrupts,
    /// Where answers and questions go.
    pub(crate) output: Output,
}

impl Session {
    /// Nothing is opened yet.
    pub(crate) const fn new(
        environment: Environment,
        timeout: Option<Duration>,
        output: Output,
        interrupts: Interrupts,
    ) -> Self {
        Self {
            environment,
            timeout,
            interrupts,
            output,
        }
    }

    /// Dials the agent.
    pub(crate) async fn agent(&self) -> Result<AgentClient, Failure> {
        let agent = self.dialer()?.dial(&self.environment.screen).await?;
        Ok(agent)
    }

    /// As [`Session::agent`], for a call in which the agent may show several dialogs, one after the other.
    pub(crate) async fn agent_for_dialogs(&self) -> Result<AgentClient, Failure> {
        let mut dialer = self.dialer()?;
        if self.timeout.is_none() {
            dialer.deadlines.with_others = DIALOGS;
        }
        Ok(dialer.dial(&self.environment.screen).await?)
    }

    /// The folder that the agent's socket is looked for in, if the environment names one.
    pub(crate) const fn runtime_folder(&self) -> Option<&PathBuf> {
        self.environment.runtime_folder.as_ref()
    }

    /// What dials the agent.
    pub(crate) fn dialer(&self) -> Result<Dialer, Failure> {
        let Some(folder) = &self.environment.runtime_folder else {
            return Err(Failure::refused(
                Reason::ConfigInvalid,
                "XDG_RUNTIME_DIR does not name a folder, so the agent cannot be found.",
                "Log in to a session, or set it as the agent has it, for instance to /run/user/$(id -u).",
            ));
        };
        let deadlines = self
            .timeout
            .map_or_else(Deadlines::default, |limit| Deadlines {
                alone: limit,
                with_others: limit,
            });
        Ok(Dialer {
            path: SocketPath::in_runtime_folder(folder),
            deadlines,
        })
    }

    /// Where browsers of this user look for manifests; nothing without a home.
    pub(super) fn homes(&self) -> Option<Homes> {
        let home = self.environment.home.clone()?;
        let config = self.environment.config_home.clone();
        Some(Homes {
            config: config.unwrap_or_else(|| home.join(".config")),
            home,
        })
    }

    /// Where the agent can show a dialog to whoever runs this.
    pub(crate) const fn screen(&self) -> &CallerScreen {
        &self.environment.screen
    }

    /// The modes of the terminal, put back when this is dropped; signals end the command from here on.
    pub(crate) fn kept(&self) -> Option<Kept> {
        Kept::begin(&self.interrupts)
    }

    /// Waits for a call that may need a PIN, a finger or a service, and says so when it takes long.
    pub(crate) async fn patiently<T>(&self, call: impl Future<Output = T>) -> T {
        let screen = &self.environment.screen;
        let windows = !screen.display.is_empty() || !screen.wayland_display.is_empty();
        if !windows && !screen.tty.is_empty() {
            // The agent's dialog, if there is one, is drawn on this terminal: a word would spoil it.
            let kept = self.kept();
            let done = call.await;
            drop(kept);
            return done;
        }
        let mut call = pin!(call);
        if let Ok(done) = timeout(SILENCE, call.as_mut()).await {
            return done;
        }
        self.output
            .remark("Waiting. You may be asked for a PIN or a fingerprint in another window.");
        call.await
    }

    /// The terminal, if a person sits before one.
    pub(crate) fn terminal(&self) -> Option<Terminal> {
        Terminal::open(&self.interrupts)
    }
}

/// Dials the agent, as often as it is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    path: SocketPath,
    deadlines: Deadlines,
}

impl Dialer {
    /// A connection that tells the agent where it can show a dialog.
    ///
    /// # Errors
    ///
    /// As [`AgentClient::connect`].
    pub(crate) async fn dial(&self, screen: &CallerScreen) -> Result<AgentClient, ClientError> {
        let agent = AgentClient::connect_within(&self.path, self.deadlines).await?;
        Ok(agent.with_screen(screen))
    }

    /// Where the agent is looked for.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.as_path().to_owned()
    }
}
