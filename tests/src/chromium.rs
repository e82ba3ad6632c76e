//! The real Chromium, driven over its debugging pipe: opens a page and clicks what is on it.

use std::{
    fs,
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
};

use crate::{LOOK_EVERY, Workspace, agent::Session, block_on, patiently, runtime};

/// What has to be installed.
pub const PROGRAM: &str = "chromium";
/// The largest message that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// A page that one server on this machine shows, whatever is asked for.
#[derive(Debug)]
pub struct ServedPage {
    origin: String,
    server: JoinHandle<()>,
}

impl ServedPage {
    /// Serves `html`.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub fn new(html: &str) -> Result<Self> {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{html}",
            html.len()
        );
        let listener = block_on(TcpListener::bind("127.0.0.1:0"))?;
        let origin = format!("http://{}", listener.local_addr()?);
        let serve = async move {
            while let Ok((mut visitor, _)) = listener.accept().await {
                let mut asked = [0; 4096];
                // A visitor that goes away wants no page.
                drop(visitor.read(&mut asked).await);
                drop(visitor.write_all(answer.as_bytes()).await);
            }
        };
        runtime::enter();
        let server = tokio::spawn(serve);
        Ok(Self { origin, server })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl Drop for ServedPage {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A browser with a profile of its own. Killed on drop, by its own id.
#[derive(Debug)]
pub struct Chromium {
    _browser: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    last: AtomicU32,
}

impl Chromium {
    /// Starts it in `session`, whose display it is shown on. Links of `scheme` on pages of `origin` are opened without a
    /// question of the browser's, as after "always allow".
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(
        workspace: &Workspace,
        session: &Session,
        origin: &str,
        scheme: &str,
    ) -> Result<Self> {
        let profile = workspace.join("chromium");
        fs::create_dir_all(profile.join("Default"))?;
        let allowed = json!({"protocol_handler":
            {"allowed_origin_protocol_pairs": {origin: {scheme: true}}}});
        fs::write(profile.join("Default/Preferences"), allowed.to_string())?;
        // The pipe is descriptors 3 and 4 of the browser.
        let script = "exec /usr/bin/chromium \"$@\" 3<&0 4>&1 1>&2";
        let mut command = session.command("/bin/sh".into());
        command.args(["-c", script, "sh"]);
        command.arg(format!("--user-data-dir={}", profile.display()));
        command.args([
            // Tests may run as root.
            "--no-sandbox",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--disable-sync",
            "--window-position=0,0",
            "--window-size=780,480",
            "--remote-debugging-pipe",
            "about:blank",
        ]);
        let log = fs::File::create(workspace.logs().join("chromium.log"))?;
        let mut command = Command::from(command);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        let mut browser = block_on(async { command.spawn() })?;
        let to = browser.stdin.take().context("no pipe to the browser")?;
        let from = browser.stdout.take().context("no pipe from the browser")?;
        Ok(Self {
            _browser: browser,
            to,
            from: BufReader::new(from),
            last: AtomicU32::new(0),
        })
    }

    /// Opens `url` and clicks the first link on it, with the mouse.
    ///
    /// # Errors
    ///
    /// There is no link in time.
    pub fn click_link_of(&mut self, url: &str) -> Result<()> {
        let clicked = async {
            let page = self
                .call("Target.createTarget", json!({"url": url}), None)
                .await?;
            let attached = self
                .call(
                    "Target.attachToTarget",
                    json!({"targetId": page.get("targetId"), "flatten": true}),
                    None,
                )
                .await?;
            let session = attached.get("sessionId").and_then(Value::as_str);
            let session = session.context("no session")?;
            let [x, y] = self.place_of_link(session).await?;
            for kind in ["mousePressed", "mouseReleased"] {
                let mouse =
                    json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1});
                self.call("Input.dispatchMouseEvent", mouse, Some(session))
                    .await?;
            }
            anyhow::Ok(())
        };
        patiently("a click in the browser", clicked)?
    }

    async fn place_of_link(&mut self, session: &str) -> Result<[f64; 2]> {
        let script = "(() => { const link = document.querySelector('a'); \
            if (!link || document.readyState !== 'complete') return null; \
            const box = link.getBoundingClientRect(); \
            return [box.x + box.width / 2, box.y + box.height / 2]; })()";
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let asked = json!({"expression": script, "returnByValue": true});
            let said = self.call("Runtime.evaluate", asked, Some(session)).await?;
            let place = said.pointer("/result/value");
            if let Ok(place) = serde_json::from_value(place.cloned().unwrap_or_default()) {
                return Ok(place);
            }
        }
    }

    /// One call, and its answer; events are passed over.
    async fn call(&mut self, method: &str, params: Value, session: Option<&str>) -> Result<Value> {
        let id = self.last.fetch_add(1, Ordering::Relaxed);
        let mut message = json!({"id": id, "method": method, "params": params});
        if let (Some(session), Some(message)) = (session, message.as_object_mut()) {
            message.insert("sessionId".to_owned(), session.into());
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).await?;
        loop {
            let mut bytes = Vec::new();
            self.from.read_until(0, &mut bytes).await?;
            if bytes.pop() != Some(0) || bytes.len() > LARGEST {
                bail!("the browser ended");
            }
            let mut said: Value = serde_json::from_slice(&bytes)?;
            if said.get("id") == Some(&json!(id)) {
                if let Some(error) = said.get("error") {
                    bail!("{method}: {error}");
                }
                return Ok(said.get_mut("result").map(Value::take).unwrap_or_default());
            }
        }
    }
}
