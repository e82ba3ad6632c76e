//! A runtime folder of its own with an agent in it, and the program to run there.

use std::{
    fs::{self, Permissions},
    io::Write as _,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::channel,
    time::Duration,
};

use countersign_proto::agent::v1::{Reason, agent_server::AgentServer};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::UnixListenerStream;

use crate::{fake_agent::FakeAgent, script::refusal};

/// How long something is waited for that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_countersign");

/// An agent that runs as long as this lives.
pub(crate) struct Stage {
    pub(crate) agent: FakeAgent,
    pub(crate) place: Place,
    runtime: Runtime,
}

/// A runtime folder, with or without an agent in it.
pub(crate) struct Place {
    folder: TempDir,
}

/// What the program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::at(Place::new())
    }

    /// Ends the agent; its folder stays.
    pub(crate) fn ends(self) -> Place {
        drop(self.runtime);
        fs::remove_file(self.place.socket()).unwrap();
        self.place
    }

    /// Serves in a folder where no agent is.
    pub(crate) fn at(place: Place) -> Self {
        let listener = UnixListener::bind(place.socket()).unwrap();
        fs::set_permissions(place.socket(), Permissions::from_mode(0o600)).unwrap();
        Self::serve(place, listener)
    }

    /// Serves on a listener that is there already.
    pub(crate) fn serve(place: Place, listener: UnixListener) -> Self {
        listener.set_nonblocking(true).unwrap();
        let agent = FakeAgent::new();
        let runtime = Runtime::new().unwrap();
        let listener = {
            let _inside = runtime.enter();
            tokio::net::UnixListener::from_std(listener).unwrap()
        };
        let seen = agent.clone();
        let server = tonic::transport::Server::builder()
            .add_service(AgentServer::with_interceptor(
                agent.clone(),
                move |request: tonic::Request<()>| {
                    seen.see(request.metadata());
                    Ok(request)
                },
            ))
            .serve_with_incoming(UnixListenerStream::new(listener));
        runtime.spawn(server);
        Self {
            agent,
            place,
            runtime,
        }
    }

    /// Runs the program without a terminal.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.place.run_with(arguments, "")
    }

    /// Runs the program without a terminal and with `input` on standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Said {
        self.place.run_with(arguments, input)
    }

    /// What the agent was asked.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.agent.script().calls.clone()
    }

    /// Waits until the agent was asked for something.
    pub(crate) fn is_asked(&self) {
        let (sender, asked) = channel();
        self.agent.script().arrival = Some(sender);
        if self.calls().is_empty() {
            asked.recv_timeout(PATIENCE).unwrap();
        }
    }

    /// Says next that nobody can be asked in a dialog, as often as `times`.
    pub(crate) fn without_dialog(&self, times: usize) {
        let none = refusal(
            Reason::VerificationUnavailable,
            "Nobody can be asked: no pinentry program is installed.",
            None,
        );
        self.agent.script().refusals = vec![none; times].into();
    }

    /// Refuses the next call that may need a person.
    pub(crate) fn refuses(&self, reason: Reason, message: &str, tries_left: Option<u32>) {
        let detail = refusal(reason, message, tries_left);
        self.agent.script().refusals.push_back(detail);
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self { folder };
        fs::create_dir(place.home()).unwrap();
        fs::set_permissions(place.home(), Permissions::from_mode(0o700)).unwrap();
        place
    }

    /// What `XDG_RUNTIME_DIR` says.
    pub(crate) fn runtime_folder(&self) -> &Path {
        self.folder.path()
    }

    /// The agent's folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("countersign")
    }

    /// The agent's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.home().join("agent.sock")
    }

    /// The program with this place's environment and nothing else.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "xterm-256color")
            .env("TZ", "UTC")
            .env("XDG_RUNTIME_DIR", self.runtime_folder());
        command
    }

    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Said {
        let mut command = self.command(PROGRAM);
        command.args(arguments);
        finish(command, input)
    }
}

/// Runs a command to its end with pipes on all sides.
pub(crate) fn finish(mut command: Command, input: &str) -> Said {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its input is gone before it is written; that is no failure.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().expect("it was not killed"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
