//! The socket in the data folder by which the administrator's commands reach a gateway that is serving.
//!
//! Commands work on the database themselves; the serving process needs no order, only to hear what it
//! cannot see: whose stream to renew, which logins ended. One line a request, one line back. The folder
//! is 0700 and the socket 0600: who can speak here could write the database as well.

use core::time::Duration;
use std::{collections::HashSet, fs, io, os::unix::fs::PermissionsExt as _, path::Path};

use countersign_core::ids::DeviceId;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
};

use crate::service::{Change, Service};

const FILE: &str = "control.sock";
/// The longest line, in bytes.
const LINE: u64 = 256;
/// Devices that are asked about in one conversation.
const DEVICES: usize = 1000;
/// A command does not wait longer for a process that does not answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The serving process's end.
#[derive(Debug)]
pub struct Control(UnixListener);

impl Control {
    /// Binds the socket. A former one whose process is gone is replaced.
    ///
    /// # Errors
    ///
    /// Another process serves this data folder, or the socket cannot be made.
    pub async fn bind(data: &Path) -> io::Result<Self> {
        let path = data.join(FILE);
        if UnixStream::connect(&path).await.is_ok() {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "this gateway is being served already",
            ));
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Self(listener))
    }

    /// Answers until dropped.
    #[expect(clippy::infinite_loop, reason = "it ends by being dropped")]
    pub async fn serve(self, service: Service) {
        loop {
            match self.0.accept().await {
                Ok((stream, _peer)) => {
                    let service = service.clone();
                    tokio::spawn(async move {
                        let talk = tokio::time::timeout(ANSWER_WITHIN, converse(stream, service));
                        if let Ok(Err(error)) = talk.await {
                            tracing::warn!(%error, "a command went away");
                        }
                    });
                }
                Err(error) => tracing::warn!(%error, "the control socket failed"),
            }
        }
    }
}

async fn converse(stream: UnixStream, service: Service) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read.take(LINE.saturating_mul(1024))).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = answer(&line, &service).await;
        write.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

async fn answer(line: &str, service: &Service) -> String {
    let change = match line.split_once(' ') {
        Some(("connected", id)) => {
            let connected = id
                .parse::<DeviceId>()
                .is_ok_and(|device| service.streams().is_connected(device));
            return if connected { "yes" } else { "no" }.to_owned();
        }
        Some(("device", id)) => id.parse::<DeviceId>().ok().map(|device| Change {
            device: Some(device),
            cancelled: Vec::new(),
        }),
        Some(("login", id)) => Some(Change {
            device: None,
            cancelled: vec![id.to_owned()],
        }),
        None if line == "connected" => return service.streams().connected().to_string(),
        None if line == "radius" => {
            return match service.reload_radius_clients().await {
                Ok(()) => "ok".to_owned(),
                Err(error) => format!("failed: {error}"),
            };
        }
        Some(_) | None => None,
    };
    match change {
        Some(change) => match service.take_up(change).await {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("failed: {error}"),
        },
        None => "not understood".to_owned(),
    }
}

/// Tells the serving process what has changed; nothing to do where there is none.
pub async fn announce(data: &Path, change: &Change) {
    let device = change.device.map(|device| format!("device {device}\n"));
    let logins = change.cancelled.iter().map(|id| format!("login {id}\n"));
    // Logins first: once its stream is renewed, a device would miss the cancels.
    let lines: String = logins.chain(device).collect();
    if !lines.is_empty() {
        ask(data, &lines).await;
    }
}

/// Tells the serving process that RADIUS clients have come, gone, or have other secrets.
pub async fn announce_radius(data: &Path) {
    ask(data, "radius\n").await;
}

/// How many agents are connected to the serving process; `None`: there is none.
pub async fn connected(data: &Path) -> Option<usize> {
    ask(data, "connected\n").await?.trim().parse().ok()
}

/// Which of these devices are connected to the serving process; `None`: there is none.
pub async fn are_connected(data: &Path, devices: &[DeviceId]) -> Option<HashSet<DeviceId>> {
    let mut connected = HashSet::new();
    if devices.is_empty() {
        self::connected(data).await?;
    }
    for some in devices.chunks(DEVICES) {
        let lines: Vec<String> = some
            .iter()
            .map(|device| format!("connected {device}\n"))
            .collect();
        let lines = lines.concat();
        let answers = ask(data, &lines).await?;
        let yes = some.iter().zip(answers.lines());
        connected.extend(
            yes.filter(|(_, said)| *said == "yes")
                .map(|(device, _)| *device),
        );
    }
    Some(connected)
}

async fn ask(data: &Path, lines: &str) -> Option<String> {
    let talk = async {
        let mut stream = UnixStream::connect(data.join(FILE)).await?;
        stream.write_all(lines.as_bytes()).await?;
        stream.shutdown().await?;
        let mut answer = String::new();
        stream.take(64 * 1024).read_to_string(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    tokio::time::timeout(ANSWER_WITHIN, talk).await.ok()?.ok()
}
