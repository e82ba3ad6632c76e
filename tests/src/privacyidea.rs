//! The real privacyIDEA server, which `cargo xtask privacyidea` installs beside the programs under test.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::{
    Workspace,
    gateway::own_address,
    parts, patiently,
    process::{Process, Stdout},
    programs::bin_dir,
    surroundings,
};

/// The PIN of every push token: what is typed at a login before the request comes.
pub const PIN: &str = "1234";
/// The password of every user in the server's directory.
pub const USER_PASSWORD: &str = "a password of the directory";
/// How many users there are, `user0` and so on.
const USERS: u32 = 200;
/// Users that tests have taken.
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// Is it installed? If not, `test` is skipped visibly; in CI that is a fault.
///
/// # Panics
///
/// In CI, where it has been installed before.
#[must_use]
pub fn is_there(test: &str) -> bool {
    if python().is_ok() {
        return true;
    }
    let reason = "privacyIDEA is not installed: `cargo xtask privacyidea` says why";
    assert!(!surroundings::is_ci(), "{test}: {reason}");
    parts::skipped(test, reason);
    false
}

fn python() -> Result<PathBuf> {
    let programs = bin_dir()?;
    let target = programs.parent().context("the programs lie nowhere")?;
    let folder = target.join("privacyidea");
    if folder.join("installed").exists() {
        Ok(folder.join("bin/python"))
    } else {
        bail!("{} is not whole", folder.display())
    }
}

/// What time it is at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerClock {
    /// As here.
    Right,
    /// Hours ahead.
    Ahead(u32),
}

/// A running server.
#[derive(Debug)]
pub struct PrivacyIdea {
    folder: PathBuf,
    logs: PathBuf,
    address: SocketAddr,
    clock: ServerClock,
    /// What the server removes when this program has ended.
    left_over: Option<PathBuf>,
    process: Option<Process>,
    administrator: OnceLock<String>,
}

/// The one that the tests of a program share; it ends with the program. Tests have users of their own.
///
/// # Panics
///
/// It does not start.
#[expect(clippy::expect_used, reason = "without the server there is no test")]
pub fn shared() -> &'static PrivacyIdea {
    static SHARED: OnceLock<(PrivacyIdea, Workspace)> = OnceLock::new();
    let (server, _workspace) = SHARED.get_or_init(|| {
        let workspace = Workspace::new().expect("a workspace");
        // A static is never dropped: the server ends with this program, and takes the folder along.
        let left_over = Some(workspace.path().to_owned());
        let server = PrivacyIdea::begin(&workspace, ServerClock::Right, left_over)
            .expect("a privacyIDEA server");
        (server, workspace)
    });
    server
}

impl PrivacyIdea {
    /// A server of its own, ended with the value.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(workspace: &Workspace) -> Result<Self> {
        Self::start_at(workspace, ServerClock::Right)
    }

    /// The same with another clock.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start_at(workspace: &Workspace, clock: ServerClock) -> Result<Self> {
        Self::begin(workspace, clock, None)
    }

    fn begin(
        workspace: &Workspace,
        clock: ServerClock,
        left_over: Option<PathBuf>,
    ) -> Result<Self> {
        let address = own_address();
        let folder = workspace.join(format!("privacyidea-{}", address.port()));
        fs::create_dir(&folder)?;
        let mut server = Self {
            folder,
            logs: workspace.logs(),
            address,
            clock,
            left_over,
            process: None,
            administrator: OnceLock::new(),
        };
        server.serve()?;
        Ok(server)
    }

    /// Starts it, again with all that it knew before.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn serve(&mut self) -> Result<()> {
        let python = python()?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("privacyidea/serve.py");
        let mut command = match self.clock {
            ServerClock::Right => Command::new(&python),
            ServerClock::Ahead(hours) => {
                let mut command = Command::new("/usr/bin/faketime");
                command.arg("-f").arg(format!("+{hours}h")).arg(&python);
                command
            }
        };
        command
            .arg(script)
            .arg(&self.folder)
            .args([
                self.address.ip().to_string(),
                self.address.port().to_string(),
            ])
            .arg(USERS.to_string())
            .args(&self.left_over)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &self.folder);
        let mut process = Process::spawn("privacyidea", command, &self.logs, Stdout::Lines, None)?;
        while process.line()? != "ready" {}
        self.process = Some(process);
        Ok(())
    }

    /// What time it is there after the next [`PrivacyIdea::serve`].
    pub const fn set_clock(&mut self, clock: ServerClock) {
        self.clock = clock;
    }

    /// Ends it; what it knows stays.
    ///
    /// # Errors
    ///
    /// It is not running.
    pub fn stop(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the server is not running")?;
        process.kill()?;
        Ok(())
    }

    /// Where it listens, as `countersign status` names it.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// A user that no other test has.
    ///
    /// # Errors
    ///
    /// There are no more.
    pub fn new_user(&self) -> Result<String> {
        let number = TAKEN.fetch_add(1, Ordering::Relaxed);
        if number >= USERS {
            bail!("all {USERS} users of the test server are taken");
        }
        Ok(format!("user{number}"))
    }

    /// A push token for `user`: its serial and its link.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn push_token(&self, user: &str) -> Result<PushToken> {
        let made = self.init_token(&[
            ("type", "push"),
            ("genkey", "1"),
            ("user", user),
            ("pin", PIN),
        ])?;
        Ok(PushToken {
            serial: text(&made, "/detail/serial")?,
            link: text(&made, "/detail/pushurl/value")?,
        })
    }

    /// `POST /token/init` as the administrator.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn init_token(&self, fields: &[(&str, &str)]) -> Result<Value> {
        self.as_administrator(&Method::POST, "/token/init", fields)
    }

    /// A container of `user`, whose device is told to come to this server: its serial.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn container(&self, user: &str) -> Result<String> {
        self.container_by(user, &format!("http://{}", self.address))
    }

    /// The same by another way to the server.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn container_by(&self, user: &str, url: &str) -> Result<String> {
        let action = format!("privacyIDEA_server_url={url}");
        self.policy("way", "container", user, &action)?;
        let fields = [("type", "smartphone"), ("user", user), ("realm", "example")];
        let made = self.as_administrator(&Method::POST, "/container/init", &fields)?;
        text(&made, "/result/value/container_serial")
    }

    /// A link for the registration of a container; the one before it is good no more.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn container_link(&self, container: &str, more: &[(&str, &str)]) -> Result<String> {
        let fields = [&[("container_serial", container)], more].concat();
        let path = "/container/register/initialize";
        let made = self.as_administrator(&Method::POST, path, &fields)?;
        text(&made, "/result/value/container_url/value")
    }

    /// A token of `user` in a container: its serial.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn token_in(&self, container: &str, user: &str, kind: &str) -> Result<String> {
        let made = self.init_token(&[
            ("type", kind),
            ("genkey", "1"),
            ("user", user),
            ("pin", PIN),
            ("container_serial", container),
        ])?;
        text(&made, "/detail/serial")
    }

    /// Takes a token out of a container.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn take_out(&self, container: &str, serial: &str) -> Result<()> {
        let path = format!("/container/{container}/remove");
        self.as_administrator(&Method::POST, &path, &[("serial", serial)])
            .map(drop)
    }

    /// Ends the registration of a container.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn end_registration(&self, container: &str) -> Result<()> {
        let path = format!("/container/register/{container}/terminate");
        self.as_administrator(&Method::POST, &path, &[]).map(drop)
    }

    /// Sets a policy for one user.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn policy(&self, name: &str, scope: &str, user: &str, action: &str) -> Result<()> {
        let fields = [
            ("scope", scope),
            ("active", "true"),
            ("user", user),
            ("realm", "example"),
            ("action", action),
        ];
        self.as_administrator(&Method::POST, &format!("/policy/{name}-{user}"), &fields)
            .map(drop)
    }

    /// Sets something for the whole server.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn set_config(&self, key: &str, value: &str) -> Result<()> {
        self.as_administrator(&Method::POST, "/system/setConfig", &[(key, value)])
            .map(drop)
    }

    /// A call with the administrator's rights.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn as_administrator(
        &self,
        method: &Method,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Value> {
        let token = if let Some(token) = self.administrator.get() {
            token.clone()
        } else {
            let fields = [("username", "admin"), ("password", "admin")];
            let reply = self.call(&Method::POST, "/auth", &fields, None)?;
            let token = text(&reply, "/result/value/token")?;
            self.administrator.get_or_init(|| token).clone()
        };
        let reply = self.call(method, path, fields, Some(&token))?;
        if reply.pointer("/result/status") != Some(&Value::Bool(true)) {
            bail!("{path} was refused: {reply}");
        }
        Ok(reply)
    }

    /// The relying party asks: `POST /validate/check`.
    ///
    /// # Errors
    ///
    /// The server does not answer.
    pub fn check(&self, fields: &[(&str, &str)]) -> Result<Value> {
        self.call(&Method::POST, "/validate/check", fields, None)
    }

    /// `user` begins to log in with PIN: the request is on its way.
    ///
    /// # Errors
    ///
    /// The server opens no challenge.
    pub fn begin_login<'server>(&'server self, user: &str) -> Result<Login<'server>> {
        let reply = self.check(&[("user", user), ("pass", PIN)])?;
        Ok(Login {
            server: self,
            user: user.to_owned(),
            transaction: text(&reply, "/detail/transaction_id")
                .with_context(|| format!("no challenge: {reply}"))?,
            presence: text(&reply, "/detail/presence_answer").ok(),
        })
    }

    fn call(
        &self,
        method: &Method,
        path: &str,
        fields: &[(&str, &str)],
        token: Option<&str>,
    ) -> Result<Value> {
        let form = url_encoded(fields);
        let (target, body) = if *method == Method::GET {
            (format!("{path}?{form}"), String::new())
        } else {
            (path.to_owned(), form)
        };
        let mut request = Request::builder()
            .method(method)
            .uri(&target)
            .header(header::HOST, self.host())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::CONNECTION, "close");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let address = self.address;
        let exchange = async move {
            let stream = TcpStream::connect(address).await?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            let driver = tokio::spawn(connection);
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            drop(sender);
            driver.abort();
            anyhow::Ok((status, body))
        };
        let (status, body) = patiently(&format!("privacyIDEA's {path}"), exchange)??;
        serde_json::from_slice(&body)
            .with_context(|| format!("{target}: {status}: {}", String::from_utf8_lossy(&body)))
    }
}

/// A push token that waits for its enrollment.
#[derive(Clone, Debug)]
pub struct PushToken {
    /// Its serial.
    pub serial: String,
    /// Its link, `otpauth://pipush/…`.
    pub link: String,
}

/// A login under way at the relying party.
#[derive(Debug)]
pub struct Login<'server> {
    server: &'server PrivacyIdea,
    user: String,
    transaction: String,
    /// What the login page shows, where number matching is on.
    pub presence: Option<String>,
}

impl Login<'_> {
    /// How it stands: `pending`, `accept`, `declined`, `cancelled`.
    ///
    /// # Errors
    ///
    /// The server does not answer.
    pub fn status(&self) -> Result<String> {
        let fields = [("transaction_id", self.transaction.as_str())];
        let reply = self
            .server
            .call(&Method::GET, "/validate/polltransaction", &fields, None)?;
        text(&reply, "/detail/challenge_status")
    }

    /// Logs in, with what was typed (nothing, or the code from the phone); `ACCEPT` or `REJECT`.
    ///
    /// # Errors
    ///
    /// The server does not answer.
    pub fn finish(&self, typed: &str) -> Result<String> {
        let reply = self.server.check(&[
            ("user", self.user.as_str()),
            ("transaction_id", self.transaction.as_str()),
            ("pass", typed),
        ])?;
        text(&reply, "/result/authentication")
    }
}

/// A text of a reply.
///
/// # Errors
///
/// It is not there.
pub fn text(reply: &Value, pointer: &str) -> Result<String> {
    let found = reply.pointer(pointer).and_then(Value::as_str);
    Ok(found
        .with_context(|| format!("no {pointer} in {reply}"))?
        .to_owned())
}

fn url_encoded(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| {
        let mut encoded = String::new();
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                encoded.push('%');
                encoded.push_str(&data_encoding::HEXUPPER.encode(&[byte]));
            }
        }
        encoded
    };
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}
