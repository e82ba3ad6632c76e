//! RADIUS clients of others: `radclient`, `FreeRADIUS` as a proxy, PAM with `pam_radius_auth`.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    LOOK_EVERY, Workspace,
    gateway::{GatewayProcess, own_address},
    patiently,
    process::{Process, Stdout},
};

/// What [`RadClient`] needs.
pub const RADCLIENT: [&str; 1] = ["radclient"];
/// What [`Proxy`] needs.
pub const FREERADIUS: [&str; 2] = ["radclient", "freeradius"];
/// What [`PamLogin`] needs; the last two come with the module and with a library that spares it root.
pub const PAM: [&str; 3] = [
    "pamtester",
    "/etc/pam_radius_auth.conf",
    if cfg!(target_arch = "aarch64") {
        "/usr/lib/aarch64-linux-gnu/libpam_wrapper.so"
    } else {
        "/usr/lib/x86_64-linux-gnu/libpam_wrapper.so"
    },
];
/// The secret of the proxy's own clients.
pub const PROXY_SECRET: &str = "between-client-and-proxy";
/// Where everything in these tests sends from.
pub const NETWORK: &str = "127.0.0.0/8";

/// Has the gateway listen for RADIUS; before it serves.
///
/// # Errors
///
/// Its configuration cannot be written.
pub fn listen(gateway: &GatewayProcess) -> Result<SocketAddr> {
    let address = own_address();
    gateway.configure("radius", &format!("listen = [\"{address}\"]"))?;
    Ok(address)
}

/// Registers a client and returns its secret. `words` follow its name and network.
///
/// # Errors
///
/// The gateway refuses.
pub fn add_client(gateway: &GatewayProcess, name: &str, words: &[&str]) -> Result<String> {
    let mut all = vec!["radius", "client", "add", name, "--network", NETWORK];
    all.extend_from_slice(words);
    Ok(gateway.run(&all, "")?.trim().to_owned())
}

/// Clients of this process so far.
static NUMBER: AtomicU16 = AtomicU16::new(0);

/// A server as its clients know it.
#[derive(Clone, Debug)]
pub struct RadClient {
    folder: PathBuf,
    logs: PathBuf,
    server: SocketAddr,
    secret: String,
}

/// What a server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Access-Accept.
    Accept,
    /// Access-Reject, with its `Reply-Message`.
    Reject(String),
    /// Access-Challenge.
    Challenge {
        /// `Reply-Message`.
        message: String,
        /// `State`, as `radclient` writes it.
        state: String,
    },
    /// Nothing.
    Silence,
}

impl Reply {
    /// Of a rejection: why.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn refusal(self) -> Result<String> {
        if let Self::Reject(message) = self {
            return Ok(message);
        }
        bail!("not rejected but {self:?}")
    }

    /// Of a challenge: its text and `State`.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn challenge(self) -> Result<(String, String)> {
        if let Self::Challenge { message, state } = self {
            return Ok((message, state));
        }
        bail!("not challenged but {self:?}")
    }
}

/// A `radclient` that waits for its answer.
#[derive(Debug)]
pub struct Asking(Process);

impl RadClient {
    /// `radclient` for this server.
    #[must_use]
    pub fn new(workspace: &Workspace, server: SocketAddr, secret: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            folder: workspace.join(format!("radclient-{number}")),
            logs: workspace.logs(),
            server,
            secret: secret.to_owned(),
        }
    }

    /// Sends an Access-Request with a Message-Authenticator; `retries` more if no answer comes within
    /// `timeout` seconds.
    ///
    /// # Errors
    ///
    /// `radclient` cannot be started.
    pub fn ask(&self, attributes: &str, timeout: &str, retries: u32) -> Result<Asking> {
        let attributes = format!("{attributes}, Message-Authenticator = 0x00\n");
        self.send("auth", &attributes, timeout, retries)
    }

    /// Sends a packet as it is.
    ///
    /// # Errors
    ///
    /// `radclient` cannot be started.
    pub fn send(
        &self,
        command: &str,
        attributes: &str,
        timeout: &str,
        retries: u32,
    ) -> Result<Asking> {
        fs::create_dir_all(&self.folder)?;
        let secret = self.folder.join("secret");
        write_private(&secret, &self.secret)?;
        let mut radclient = Command::new("radclient");
        radclient
            .arg("-d")
            .arg(&self.folder)
            .args(["-x", "-t", timeout, "-r", &retries.to_string(), "-S"])
            .arg(&secret)
            .args([&self.server.to_string(), command]);
        let process = Process::spawn(
            "radclient",
            radclient,
            &self.logs,
            Stdout::Lines,
            Some(attributes.as_bytes()),
        )?;
        Ok(Asking(process))
    }

    /// Logs in with a password and waits for the answer.
    ///
    /// # Errors
    ///
    /// `radclient` fails.
    pub fn login(&self, user: &str, password: &str) -> Result<Reply> {
        self.ask(&pap(user, password), "30", 1)?.reply()
    }

    /// Answers a challenge.
    ///
    /// # Errors
    ///
    /// `radclient` fails.
    pub fn answer(&self, user: &str, password: &str, state: &str) -> Result<Reply> {
        self.ask(
            &format!("{}, State = {state}", pap(user, password)),
            "30",
            1,
        )?
        .reply()
    }
}

/// The attributes of a login with a password.
#[must_use]
pub fn pap(user: &str, password: &str) -> String {
    format!("User-Name = \"{user}\", User-Password = \"{password}\"")
}

impl Asking {
    /// Waits for the answer.
    ///
    /// # Errors
    ///
    /// `radclient` says something else.
    pub fn reply(mut self) -> Result<Reply> {
        let mut received = None;
        let (mut message, mut state) = (String::new(), String::new());
        // It ends behind the last attribute, or with an error where nothing came.
        while let Ok(line) = self.0.line() {
            if let Some(rest) = line.split_once("Received ").map(|(_, rest)| rest) {
                received = rest.split_whitespace().next().map(str::to_owned);
            } else if received.is_some() {
                if let Some((_, value)) = line.split_once("Reply-Message = ") {
                    message.push_str(value.trim_matches('"'));
                } else if let Some((_, value)) = line.split_once("State = ") {
                    value.clone_into(&mut state);
                }
            }
        }
        self.0.wait()?;
        match received.as_deref() {
            Some("Access-Accept") => Ok(Reply::Accept),
            Some("Access-Reject") => Ok(Reply::Reject(message)),
            Some("Access-Challenge") => Ok(Reply::Challenge { message, state }),
            None => Ok(Reply::Silence),
            Some(other) => bail!("radclient received {other}"),
        }
    }
}

/// `FreeRADIUS` that hands every login to the gateway, in a folder of its own.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    process: Process,
}

impl Proxy {
    /// Starts it and waits until it serves. `secret` is what it shares with the gateway.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(workspace: &Workspace, gateway: SocketAddr, secret: &str) -> Result<Self> {
        let folder = workspace.join("freeradius");
        fs::create_dir_all(&folder)?;
        let address = own_address();
        let config = proxy_config(&folder, address, gateway, secret);
        write_private(&folder.join("radiusd.conf"), &config)?;
        let mut command = Command::new("/usr/sbin/freeradius");
        command.args(["-f", "-l", "stdout", "-n", "radiusd", "-d"]);
        command.arg(&folder);
        let process = Process::spawn("freeradius", command, &workspace.logs(), Stdout::Log, None)?;
        let ready = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            while !process.log().contains("Ready to process requests") {
                looks.tick().await;
            }
        };
        patiently("FreeRADIUS", ready).with_context(|| process.log())?;
        Ok(Self { address, process })
    }

    /// Where its clients find it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// The configuration that docs/radius.md shows, with nothing around it.
fn proxy_config(folder: &Path, listen: SocketAddr, gateway: SocketAddr, secret: &str) -> String {
    let folder = folder.display();
    let (own, own_port) = (listen.ip(), listen.port());
    let (home, home_port) = (gateway.ip(), gateway.port());
    format!(
        r#"
name = radiusd
localstatedir = {folder}
logdir = {folder}
raddbdir = {folder}
run_dir = {folder}
db_dir = {folder}
libdir = /usr/lib/freeradius
pidfile = {folder}/radiusd.pid
max_request_time = 60
hostname_lookups = no
proxy_requests = yes
security {{
  reject_delay = 0
  status_server = yes
  allow_vulnerable_openssl = yes
}}
client everybody {{
  ipaddr = {NETWORK}
  secret = {PROXY_SECRET}
}}
home_server countersign {{
  type = auth
  ipaddr = {home}
  port = {home_port}
  secret = {secret}
  response_window = 60
  status_check = status-server
}}
home_server_pool countersign {{
  type = fail-over
  home_server = countersign
}}
realm countersign {{
  auth_pool = countersign
  nostrip
}}
server default {{
  listen {{
    type = auth
    ipaddr = {own}
    port = {own_port}
  }}
  authorize {{
    update control {{
      Proxy-To-Realm := "countersign"
    }}
  }}
  pre-proxy {{
    update proxy-request {{
      Message-Authenticator := 0x00
    }}
  }}
}}
"#
    )
}

/// Somebody who logs in through PAM with `pam_radius_auth`.
#[derive(Debug)]
pub struct PamLogin(Process);

impl PamLogin {
    /// Begins to log in; every line of `typed` answers one prompt. `options` follow the module's name.
    ///
    /// # Errors
    ///
    /// `pamtester` cannot be started.
    pub fn begin(
        workspace: &Workspace,
        server: SocketAddr,
        secret: &str,
        options: &str,
        user: &str,
        typed: &str,
    ) -> Result<Self> {
        let folder = workspace.join("pam.d");
        fs::create_dir_all(&folder)?;
        let servers = workspace.join("pam_radius_auth.conf");
        write_private(&servers, &format!("{server} {secret} 60\n"))?;
        let module = format!("pam_radius_auth.so conf={} {options}", servers.display());
        fs::write(
            folder.join("desk"),
            format!("auth required {module}\naccount required pam_permit.so\n"),
        )?;
        fs::write(folder.join("other"), "auth required pam_deny.so\n")?;
        let mut command = Command::new("pamtester");
        // libpam reads the folder in place of /etc/pam.d, and nobody has to be root.
        command
            .env("LD_PRELOAD", "libpam_wrapper.so")
            .env("PAM_WRAPPER", "1")
            .env("PAM_WRAPPER_SERVICE_DIR", &folder)
            .env("TMPDIR", workspace.logs())
            .args(["desk", user, "authenticate"]);
        let process = Process::spawn(
            "pamtester",
            command,
            &workspace.logs(),
            Stdout::Log,
            Some(typed.as_bytes()),
        )?;
        Ok(Self(process))
    }

    /// Waits until it has said this.
    ///
    /// # Errors
    ///
    /// It does not in time.
    pub fn wait_for(&self, words: &str) -> Result<String> {
        let said = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            loop {
                let log = self.0.log();
                if log.contains(words) {
                    return log;
                }
                looks.tick().await;
            }
        };
        patiently(words, said).with_context(|| self.0.log())
    }

    /// Waits for the end: is the user in?
    ///
    /// # Errors
    ///
    /// It does not end.
    pub fn is_in(mut self) -> Result<bool> {
        Ok(self.0.wait()?.success())
    }
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    Ok(std::io::Write::write_all(&mut file, text.as_bytes())?)
}
