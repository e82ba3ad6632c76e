//! Alarms: a real program hears of them, and the metrics can be read.

use std::{
    fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use countersign_gateway::{
    service::{PasscodeVerdict, Subject},
    web::metrics,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};

use crate::stage::{DEADLINE, Stage, USER, event};

/// A folder with a pipe, and a script that gets the pipe's path as its argument.
struct Hook {
    folder: tempfile::TempDir,
}

impl Hook {
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hook = Self { folder };
        fs::write(hook.script(), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(hook.script(), fs::Permissions::from_mode(0o700)).unwrap();
        mknodat(CWD, hook.pipe(), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        hook
    }

    fn script(&self) -> PathBuf {
        self.folder.path().join("alarm")
    }

    fn pipe(&self) -> PathBuf {
        self.folder.path().join("pipe")
    }

    async fn stage(&self, timeout_seconds: u32) -> Stage {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        Stage::with(|config| {
            config.alarm.command = vec![text(&self.script()), text(&self.pipe())];
            config.alarm.timeout_seconds = timeout_seconds;
            config.alarm.concurrent = 1;
        })
        .await
    }

    /// What the script writes, up to its end.
    async fn said(&self) -> String {
        let pipe = self.pipe();
        let (read, reading) = oneshot::channel();
        // A thread of its own: where nobody writes, the test ends without it.
        std::thread::spawn(move || {
            let mut text = String::new();
            fs::File::open(pipe)
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            read.send(text)
        });
        timeout(DEADLINE, reading).await.unwrap().unwrap()
    }
}

/// Uses a passcode twice.
async fn reuse(stage: &Stage) -> String {
    let device = stage.device(event()).await;
    let subject = || Subject::User(USER.to_owned());
    for _ in 0..2 {
        stage.check(subject(), device.passcode(0), None).await;
    }
    device.serial().to_owned()
}

#[tokio::test]
async fn the_alarm_command_gets_one_line_and_a_clean_environment() {
    // The shell itself makes a few variables: PWD, _, SHLVL.
    let hook = Hook::new("{ cat; env; echo --; ls -l /proc/$$/fd; } > \"$1\"");
    let stage = hook.stage(10).await;
    let service = stage.service.clone();
    let keeping = tokio::spawn(async move { service.keep_alarms().await });
    let serial = reuse(&stage).await;
    let said = hook.said().await;
    let mut lines = said.lines();
    let line: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(line["event"], "passcode_reused");
    assert_eq!(line["subject"], serial.as_str());
    assert_eq!(line["gateway"], "Example");
    assert!(line["row"].as_i64().unwrap() > 0);
    for line in lines.by_ref().take_while(|line| *line != "--") {
        let name = line.split('=').next().unwrap();
        let known = ["PATH", "LANG", "PWD", "OLDPWD", "_", "SHLVL"].contains(&name);
        assert!(known, "{line}");
    }
    // Nothing of the gateway's is open in it: no socket, no database.
    let open: Vec<&str> = lines.collect();
    assert!(open.len() > 2, "{open:?}");
    for line in open {
        assert!(
            !line.contains("socket:") && !line.contains("gateway."),
            "{line}"
        );
    }
    keeping.abort();
}

#[tokio::test]
async fn an_alarm_command_that_hangs_is_ended_with_what_it_started() {
    // Whoever of them lives holds the pipe open.
    let hook = Hook::new("exec > \"$1\"\necho begun\nsleep 1000 &\nwait");
    let stage = hook.stage(1).await;
    let service = stage.service.clone();
    let keeping = tokio::spawn(async move { service.keep_alarms().await });
    for _ in 0..2 {
        reuse(&stage).await;
        assert_eq!(hook.said().await, "begun\n");
    }
    // The second was run, so the first has given its place back.
    let text = stage.service.metrics_text().await.unwrap();
    let counted = "countersign_alarm_commands_total{result=\"timed_out\"}";
    assert!(text.contains(counted), "{text}");
    keeping.abort();
}

#[tokio::test]
async fn what_comes_faster_than_the_command_is_dropped_and_counted() {
    let hook = Hook::new("cat > /dev/null");
    let stage = hook.stage(10).await;
    let device = stage.device(event()).await;
    let subject = || Subject::User(USER.to_owned());
    stage.check(subject(), device.passcode(0), None).await;
    // Nobody answers the bell.
    for _ in 0..260 {
        let again = stage.check(subject(), device.passcode(0), None).await;
        assert_eq!(again, PasscodeVerdict::UsedBefore);
    }
    let text = stage.service.metrics_text().await.unwrap();
    assert!(
        text.contains("countersign_alarm_commands_total{result=\"dropped\"} 4"),
        "{text}"
    );
    assert_eq!(stage.audited("passcode_reused").await, 260);
}

async fn ask(address: std::net::SocketAddr, request: &str) -> String {
    let talk = async {
        let mut tcp = TcpStream::connect(address).await.unwrap();
        let text = format!("{request} HTTP/1.1\r\nHost: metrics\r\n\r\n");
        tcp.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await.unwrap();
        answer
    };
    timeout(DEADLINE, talk).await.unwrap()
}

#[tokio::test]
async fn the_metrics_are_told_at_their_own_place_and_name_nobody() {
    let stage = Stage::new().await;
    let device = stage.device(event()).await;
    let _channel = device.connect(&stage).await;
    stage.open().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(metrics::serve(stage.service.clone(), listener));
    let told = ask(address, "GET /metrics").await;
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    for line in [
        "countersign_open_streams 1",
        "countersign_pending_logins 1",
        "countersign_events_total{event=\"login_opened\"} 1",
    ] {
        assert!(told.contains(line), "{line} in {told}");
    }
    for name in [USER, device.serial(), "payroll", "192.0.2.7"] {
        assert!(!told.contains(name), "{name} in {told}");
    }
    assert!(ask(address, "GET /").await.starts_with("HTTP/1.1 404"));
    assert!(
        ask(address, "POST /metrics")
            .await
            .starts_with("HTTP/1.1 405")
    );
    serving.abort();
}
