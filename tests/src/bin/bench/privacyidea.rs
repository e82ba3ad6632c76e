//! privacyIDEA 3.14 as a peer: gunicorn with two workers on SQLite, its costly hash of token PINs turned down.

use core::net::SocketAddr;
use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use countersign_core::secret::SecretBytes;
use countersign_tests::{
    LOOK_EVERY, PATIENCE, Workspace, block_on,
    gateway::own_address,
    http_connection::HttpConnection,
    process::{Process, Stdout, output},
    standin_notifications::now,
};
use data_encoding::HEXLOWER;

use crate::validation::Validator;

/// What its own program of setting up cannot do in one call: five calls would each load all of it.
const SET_UP: &str = r#"
import os, sys
folder, port = sys.argv[1], sys.argv[2]
config = os.path.join(folder, "pi.cfg")
with open(config, "w") as f:
    f.write(f"""
SUPERUSER_REALM = ['super']
SECRET_KEY = 'a secret of the bench, thirty-two characters'
PI_PEPPER = 'a pepper of the bench'
SQLALCHEMY_DATABASE_URI = 'sqlite:///{folder}/pi.sqlite'
SQLALCHEMY_ENGINE_OPTIONS = {{'pool_size': 20, 'max_overflow': 60, 'connect_args': {{'timeout': 30}}}}
PI_ENCFILE = '{folder}/enckey'
PI_AUDIT_KEY_PRIVATE = '{folder}/private.pem'
PI_AUDIT_KEY_PUBLIC = '{folder}/public.pem'
PI_LOGFILE = '{folder}/privacyidea.log'
PI_LOGLEVEL = 30
PI_UUID_FILE = '{folder}/uuid.txt'
PI_NODE = 'bench'
PI_AUDIT_NO_PRIVATE_KEY_CHECK = True
PI_RESPONSE_NO_PRIVATE_KEY_CHECK = True
PI_HASH_ALGO_PARAMS = {{'argon2__rounds': 1, 'argon2__memory_cost': 8, 'argon2__parallelism': 1}}
""")
os.environ["PRIVACYIDEA_CONFIGFILE"] = config
with open(os.path.join(folder, "enckey"), "wb") as f:
    f.write(os.urandom(96))
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
with open(os.path.join(folder, "private.pem"), "wb") as f:
    f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                              serialization.NoEncryption()))
with open(os.path.join(folder, "public.pem"), "wb") as f:
    f.write(key.public_key().public_bytes(serialization.Encoding.PEM,
                                          serialization.PublicFormat.SubjectPublicKeyInfo))
from privacyidea.app import create_app
app = create_app(config_name="production", config_file=config, silent=True)
with app.app_context():
    from privacyidea.models import db
    db.create_all()
    from privacyidea.lib.auth import create_db_admin
    create_db_admin("admin", "admin@example.org", "a password of the bench")
"#;

/// It runs.
pub(crate) struct PrivacyIdea {
    process: Process,
    address: SocketAddr,
    ticket: String,
}

impl PrivacyIdea {
    /// Starts the one that is installed in `peers`, with these users; `None`: none is installed.
    pub(crate) fn start(
        peers: &Path,
        workspace: &Workspace,
        users: &[String],
    ) -> Result<Option<Self>> {
        let programs = peers.join("privacyidea/bin");
        if !programs.join("gunicorn").exists() {
            return Ok(None);
        }
        let folder = workspace.join("privacyidea");
        fs::create_dir(&folder)?;
        let passwd: Vec<String> = users
            .iter()
            .zip(1001_u32..)
            .map(|(user, id)| format!("{user}:x:{id}:{id}:{user},,,,{user}@example.org:/:/bin/sh"))
            .collect();
        fs::write(folder.join("passwd"), passwd.join("\n"))?;
        let address = own_address();
        let mut set_up = Command::new(programs.join("python"));
        set_up
            .args(["-c", SET_UP])
            .arg(&folder)
            .arg(address.port().to_string())
            .current_dir(&folder);
        let ended = output(set_up, b"")?;
        if !ended.status.success() {
            bail!("its set-up: {}", String::from_utf8_lossy(&ended.stderr));
        }
        let config = folder.join("pi.cfg");
        let mut command = Command::new(programs.join("gunicorn"));
        command
            .args(["-w", "2", "--no-control-socket", "-b", &address.to_string()])
            .arg(format!(
                "privacyidea.app:create_app(config_name='production', config_file='{}', silent=True)",
                config.display()
            ))
            .env("PRIVACYIDEA_CONFIGFILE", &config)
            .current_dir(&folder);
        let process = Process::spawn("privacyidea", command, &workspace.logs(), Stdout::Log, None)?;
        let mut this = Self {
            process,
            address,
            ticket: String::new(),
        };
        this.wait_until_ready()?;
        this.ticket = this.log_in()?;
        let resolver = folder.join("passwd").display().to_string();
        this.ask(
            "/resolver/users",
            &[("type", "passwdresolver"), ("fileName", &resolver)],
        )?;
        this.ask("/realm/bench", &[("resolvers", "users")])?;
        this.ask("/defaultrealm/bench", &[])?;
        Ok(Some(this))
    }

    /// Where passcodes are checked.
    pub(crate) fn validator(&self) -> Validator {
        Validator {
            address: self.address,
            tls: None,
            authorization: None,
        }
    }

    /// An event-based token without a PIN for a user.
    pub(crate) fn enroll(&self, user: &str, seed: &SecretBytes) -> Result<()> {
        let otpkey = HEXLOWER.encode(seed.expose());
        let fields = [
            ("type", "hotp"),
            ("user", user),
            ("realm", "bench"),
            ("otpkey", &*otpkey),
            ("otplen", "6"),
            ("hashlib", "sha1"),
        ];
        self.ask("/token/init", &fields)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let address = self.address;
        let begin = now();
        loop {
            let ready = block_on(async {
                let mut looks = tokio::time::interval(LOOK_EVERY);
                looks.tick().await;
                looks.tick().await;
                let mut connection = HttpConnection::new(address, None);
                connection.get("/healthz/readyz", "").await
            });
            if ready.is_ok_and(|answer| answer.status.is_success()) {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                bail!("it does not become ready:\n{}", self.process.log());
            }
        }
    }

    fn log_in(&self) -> Result<String> {
        let fields = [
            ("username", "admin"),
            ("password", "a password of the bench"),
        ];
        let mut connection = HttpConnection::new(self.address, None);
        let answer = block_on(connection.post("/auth", None, &fields))?;
        let ticket = answer.json()?;
        let ticket = ticket.pointer("/result/value/token");
        let ticket = ticket.and_then(serde_json::Value::as_str);
        Ok(ticket.context("no ticket")?.to_owned())
    }

    fn ask(&self, path: &str, fields: &[(&str, &str)]) -> Result<()> {
        let mut connection = HttpConnection::new(self.address, None);
        let answer = block_on(connection.post(path, Some(&self.ticket), fields))?;
        let status = answer.json()?;
        if status.pointer("/result/status") != Some(&serde_json::Value::Bool(true)) {
            bail!("{path}: {}", answer.body);
        }
        Ok(())
    }
}
