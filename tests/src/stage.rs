//! The usual cast: one user's session with the agent and its command line, and a gateway if needed.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::{
    PATIENCE, Workspace,
    agent::{AgentProcess, Session},
    bus::{Activation, PrivateBus},
    cli::Cli,
    gateway::GatewayProcess,
    requests::RequestWatch,
    standin_notifications::now,
};

/// The user in most tests.
pub const USER: &str = "alice";
/// The user's password at the gateway.
pub const PASSWORD: &str = "correct horse battery staple";
/// The passphrase of the vault where no keyring is on the stage.
pub const PASSPHRASE: &str = "a passphrase of many words";

/// What config.toml says where the vault opens with [`PASSPHRASE`].
pub const PASSPHRASE_KEY: &str = "[vault]\nkey = \"passphrase\"\n";

/// A push token that is approved by a click, as an administrator may allow it.
pub const CLICK_TOKEN: [&str; 6] = ["--mode", "time", "--push", "on", "--push-level", "click"];

/// The agent in a session with a private bus, its vault made and open.
#[derive(Debug)]
pub struct Stage {
    /// `countersign` in this session.
    pub cli: Cli,
    /// The agent.
    pub agent: AgentProcess,
    /// The session's bus.
    pub bus: PrivateBus,
    /// Where everything lies. Dropped last.
    pub workspace: Workspace,
}

impl Stage {
    /// The agent with a passphrase vault: no other part is needed.
    ///
    /// # Errors
    ///
    /// A part does not start.
    pub fn new() -> Result<Self> {
        let stage = Self::without_vault()?;
        stage.set_up()?;
        Ok(stage)
    }

    /// The agent before its vault is made.
    ///
    /// # Errors
    ///
    /// A part does not start.
    pub fn without_vault() -> Result<Self> {
        Self::in_session(Workspace::new()?, PASSPHRASE_KEY, |session| session)
    }

    /// The agent before its vault is made, with this `config.toml`, in a session that `furnish` gives what else
    /// there is: a system bus, a screen.
    ///
    /// # Errors
    ///
    /// A part does not start.
    pub fn in_session(
        workspace: Workspace,
        config: &str,
        furnish: impl FnOnce(Session) -> Session,
    ) -> Result<Self> {
        workspace.write_config(config)?;
        let bus = PrivateBus::start(&workspace, &Activation::Nothing)?;
        let session = furnish(Session::new(&workspace, Some(&bus)));
        let agent = AgentProcess::start(&workspace, session)?;
        let cli = Cli::new(agent.session());
        Ok(Self {
            cli,
            agent,
            bus,
            workspace,
        })
    }

    /// Makes the vault with the passphrase.
    ///
    /// # Errors
    ///
    /// The agent refuses.
    pub fn set_up(&self) -> Result<()> {
        self.cli
            .ask_with(&["setup", "--passphrase-stdin"], &format!("{PASSPHRASE}\n"))
            .map(drop)
    }

    /// Opens the vault with the passphrase.
    ///
    /// # Errors
    ///
    /// The agent refuses.
    pub fn unlock(&self) -> Result<()> {
        self.cli
            .ask_with(
                &["unlock", "--passphrase-stdin"],
                &format!("{PASSPHRASE}\n"),
            )
            .map(drop)
    }

    /// The user's login requests, from now on.
    ///
    /// # Errors
    ///
    /// The agent does not answer.
    pub fn requests(&self) -> Result<RequestWatch> {
        RequestWatch::new(self.agent.socket())
    }

    /// A gateway that serves, with the user.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn gateway(&self) -> Result<GatewayProcess> {
        let mut gateway = GatewayProcess::init(&self.workspace)?;
        gateway.add_user(USER, PASSWORD)?;
        gateway.serve()?;
        Ok(gateway)
    }

    /// Issues a token for the user and enrolls it under `name`.
    ///
    /// # Errors
    ///
    /// The gateway or the agent refuses.
    pub fn enroll(&self, gateway: &GatewayProcess, name: &str, words: &[&str]) -> Result<()> {
        let activation = gateway.add_token(USER, words)?;
        self.enroll_string(name, &activation)
    }

    /// Enrolls what the user brought, under `name`.
    ///
    /// # Errors
    ///
    /// The agent refuses.
    pub fn enroll_string(&self, name: &str, text: &str) -> Result<()> {
        self.cli
            .ask_with(
                &["enroll", "--yes", "--name", name, "-"],
                &format!("{text}\n"),
            )
            .map(drop)
    }

    /// Enrolls what the user brought, whose policy wants a PIN, under `name`.
    ///
    /// # Errors
    ///
    /// The agent refuses.
    pub fn enroll_with_pin(&self, name: &str, text: &str, pin: &str) -> Result<()> {
        let words = ["enroll", "--yes", "--name", name, "--pin-stdin", "-"];
        self.cli
            .ask_with(&words, &format!("{text}\n{pin}\n"))
            .map(drop)
    }

    /// Waits until `countersign status` says `value` of `field`: there is nothing that tells of it.
    ///
    /// # Errors
    ///
    /// It does not in time.
    pub fn wait_for_status(&self, field: &str, value: &str) -> Result<()> {
        wait_for_status(&self.cli, field, value)
    }

    /// Waits until the agent is connected to every service that it has tokens of.
    ///
    /// # Errors
    ///
    /// It does not connect.
    pub fn wait_until_connected(&self) -> Result<()> {
        wait_until_connected(&self.cli)
    }

    /// Waits until so many login requests are pending.
    ///
    /// # Errors
    ///
    /// They are not in time.
    pub fn wait_for_pending(&self, count: usize) -> Result<()> {
        let begin = now();
        loop {
            let status = self.cli.json(&["status"])?;
            if status.get("pending").and_then(Value::as_u64) == u64::try_from(count).ok() {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                bail!("not {count} pending in time: {status}");
            }
        }
    }

    /// Waits until the agent has seen that it is connected to no service.
    ///
    /// # Errors
    ///
    /// It does not see it.
    pub fn wait_until_disconnected(&self) -> Result<()> {
        wait_for_services(&self.cli, false)
    }
}

/// Asks `countersign list` until it says `state` of the token: there is nothing that tells of it.
///
/// # Errors
///
/// It does not in time.
pub fn wait_for_token(cli: &Cli, name: &str, state: &str) -> Result<()> {
    let begin = now();
    loop {
        let list = cli.json(&["list"])?;
        let tokens = list.get("tokens").and_then(Value::as_array);
        let there = tokens.into_iter().flatten().any(|token| {
            token.get("name").and_then(Value::as_str) == Some(name)
                && token.get("state").and_then(Value::as_str) == Some(state)
        });
        if there {
            return Ok(());
        }
        if begin.elapsed() > PATIENCE {
            bail!("{name} is not {state} in time: {list}");
        }
    }
}

/// Asks `countersign status` until it says `value` of `field`: there is nothing that tells of it.
///
/// # Errors
///
/// It does not in time.
pub fn wait_for_status(cli: &Cli, field: &str, value: &str) -> Result<()> {
    let begin = now();
    loop {
        let status = cli.json(&["status"])?;
        if status.get(field).and_then(Value::as_str) == Some(value) {
            return Ok(());
        }
        if begin.elapsed() > PATIENCE {
            bail!("not {value} in time: {status}");
        }
    }
}

/// Asks `countersign status` until every service is connected: there is nothing that tells of it.
///
/// # Errors
///
/// One does not connect in time.
pub fn wait_until_connected(cli: &Cli) -> Result<()> {
    wait_for_services(cli, true)
}

fn wait_for_services(cli: &Cli, connected: bool) -> Result<()> {
    let begin = now();
    loop {
        let status = cli.json(&["status"])?;
        let services = status.get("services").and_then(Value::as_array);
        let all = services.is_some_and(|services| {
            !services.is_empty()
                && services
                    .iter()
                    .all(|service| service.get("connected") == Some(&Value::Bool(connected)))
        });
        if all {
            return Ok(());
        }
        if begin.elapsed() > PATIENCE {
            bail!("connected is not {connected} in time: {status}");
        }
    }
}
