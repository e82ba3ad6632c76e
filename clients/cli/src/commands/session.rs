//! What every command has at hand: the agent, the terminal, the output.

use std::{pin::pin, time::Duration};

use countersign_client::{AgentClient, ClientError, Deadlines, SocketPath};
use countersign_proto::{agent::v1::Reason, limits::PASSPHRASE};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::{
    environment::Environment,
    exit::Failure,
    interrupts::Interrupts,
    output::{self, Output},
    prompt::Terminal,
    secret_line::{self, Secret},
    text,
};

/// How long a person is left without a word while the agent is busy.
const SILENCE: Duration = Duration::from_secs(1);

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
        let path = SocketPath::in_runtime_folder(folder);
        Ok(AgentClient::connect_within(&path, deadlines).await?)
    }

    /// Waits for a call that may need a PIN, a finger or a service, and says so when it takes long.
    pub(crate) async fn patiently<T>(&self, call: impl Future<Output = T>) -> T {
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

/// Where a PIN comes from, over the tries that one command makes.
#[derive(Debug)]
pub(crate) struct PinSource {
    first: Option<Secret>,
    from_stdin: bool,
}

impl PinSource {
    /// With `from_stdin` the PIN is read now, before the agent is asked for anything.
    pub(crate) fn new(from_stdin: bool) -> Result<Self, Failure> {
        let first = from_stdin
            .then(|| secret_line::read("PIN", PASSPHRASE))
            .transpose()?;
        Ok(Self { first, from_stdin })
    }

    /// The PIN to send with the first try; empty lets the agent ask for it.
    pub(crate) fn first(&mut self) -> Secret {
        self.first
            .take()
            .unwrap_or_else(|| Zeroizing::new(Vec::new()))
    }

    /// The PIN to send after `refusal`, asked for on the terminal; gives the refusal back if it is not
    /// about the PIN or nobody can be asked.
    pub(crate) async fn after(
        &self,
        refusal: ClientError,
        what_for: &str,
        session: &Session,
    ) -> Result<Secret, Failure> {
        let reason = refusal.reason();
        if self.from_stdin || !matches!(reason, Reason::PinRequired | Reason::PinWrong) {
            return Err(refusal.into());
        }
        let Some(terminal) = session.terminal() else {
            return Err(refusal.into());
        };
        if reason == Reason::PinWrong {
            output::note(&wrong_pin(&refusal));
        }
        let question = format!("PIN of {}", text::short(what_for));
        terminal.ask_hidden("PIN", &question, PASSPHRASE).await
    }
}

fn wrong_pin(refusal: &ClientError) -> String {
    let message = text::polished(&refusal.to_string());
    let message = match refusal.tries_left() {
        Some(tries) => output::with_tries(&message, tries),
        None => message,
    };
    format!("{message}\n")
}
