//! Alarms: rows of the audit log that somebody should see now, given to a program of the administrator's.
//!
//! The program gets one line of JSON on standard input and nothing else: no shell, no arguments but its own, a clean
//! environment. It runs for a bounded time, a bounded number at once; what comes faster than that is counted and
//! dropped, for the audit log has it. No row of the audit log holds a secret.

use core::time::Duration;
use std::{
    process::{ExitStatus, Stdio},
    sync::Arc,
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
    sync::{Semaphore, mpsc},
    time::timeout,
};

use crate::{
    metrics::Metrics,
    settings::AlarmSettings,
    store::{AuditEntry, AuditEvent},
};

/// Alarms that wait for the program.
const WAITING: usize = 256;
/// Where the program finds others.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is alarmed about.
pub const ALARMING: [AuditEvent; 6] = [
    AuditEvent::LoginReported,
    AuditEvent::PasscodeReused,
    AuditEvent::TypingLocked,
    AuditEvent::ServerPinLocked,
    AuditEvent::PushStopped,
    AuditEvent::DecisionRefused,
];

/// Takes alarms on their way; never waits.
#[derive(Clone, Debug)]
pub(crate) struct Bell(mpsc::Sender<AuditEntry>);

/// Alarms on their way.
pub(crate) type Alarms = mpsc::Receiver<AuditEntry>;

/// A bell, and what it rings.
pub(crate) fn bell() -> (Bell, Alarms) {
    let (bell, alarms) = mpsc::channel(WAITING);
    (Bell(bell), alarms)
}

impl Bell {
    /// Rings for what is alarming among these rows.
    pub(crate) fn ring(&self, entries: &[AuditEntry], metrics: &Metrics) {
        let alarming = entries.iter().filter(|entry| {
            AuditEvent::of(&entry.event).is_some_and(|event| ALARMING.contains(&event))
        });
        for entry in alarming {
            if self.0.try_send(entry.clone()).is_err() {
                metrics.alarmed("dropped");
                tracing::warn!(row = entry.seq, event = %entry.event, "an alarm was dropped; the audit log has it");
            }
        }
    }
}

/// Runs the program for every alarm; ends when nothing can ring any more.
pub(crate) async fn answer(
    mut alarms: Alarms,
    settings: AlarmSettings,
    gateway: String,
    metrics: Arc<Metrics>,
) {
    let Some((program, arguments)) = settings.command.split_first() else {
        return;
    };
    let places = Arc::new(Semaphore::new(settings.concurrent));
    while let Some(entry) = alarms.recv().await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", "C.UTF-8")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own, so that what it starts ends with it.
            .process_group(0)
            .kill_on_drop(true);
        let line = line(&entry, &gateway);
        let metrics = Arc::clone(&metrics);
        let within = Duration::from_secs(u64::from(settings.timeout_seconds));
        tokio::spawn(async move {
            let result = run(command, &line, within).await;
            metrics.alarmed(result.word());
            match result {
                Ran::Well => {}
                Ran::Badly(why) => {
                    tracing::warn!(row = entry.seq, %why, "the alarm command failed");
                }
                Ran::TooLong => {
                    tracing::warn!(
                        row = entry.seq,
                        "the alarm command took too long and was ended"
                    );
                }
            }
            drop(place);
        });
    }
}

/// The row, as one line.
fn line(entry: &AuditEntry, gateway: &str) -> String {
    let mut line = json!({
        "gateway": gateway,
        "row": entry.seq,
        "at_ms": entry.at_ms,
        "event": entry.event,
        "subject": entry.subject,
        "detail": entry.detail,
    })
    .to_string();
    line.push('\n');
    line
}

/// What became of a run.
enum Ran {
    Well,
    Badly(String),
    TooLong,
}

impl Ran {
    const fn word(&self) -> &'static str {
        match self {
            Self::Well => "ok",
            Self::Badly(_) => "failed",
            Self::TooLong => "timed_out",
        }
    }
}

async fn run(mut command: Command, line: &str, within: Duration) -> Ran {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ran::Badly(error.to_string()),
    };
    let group = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    let ended = timeout(within, tell(&mut child, line)).await;
    match ended {
        Ok(Ok(status)) if status.success() => Ran::Well,
        Ok(Ok(status)) => Ran::Badly(status.to_string()),
        Ok(Err(error)) => Ran::Badly(error.to_string()),
        Err(_elapsed) => {
            if let Some(group) = group
                && let Err(error) = kill_process_group(group, Signal::KILL)
            {
                tracing::debug!(%error, "the alarm command is gone already");
            }
            drop(child.wait().await);
            Ran::TooLong
        }
    }
}

/// Gives it its line, and waits for its end. One that does not read has its own reason.
async fn tell(child: &mut Child, line: &str) -> std::io::Result<ExitStatus> {
    if let Some(mut stdin) = child.stdin.take() {
        drop(stdin.write_all(line.as_bytes()).await);
    }
    child.wait().await
}
