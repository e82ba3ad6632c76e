//! The real native-messaging host on its pipes, as a browser starts it, and an extension behind them with a key of its own.

use std::{collections::VecDeque, fs, path::Path, process::Stdio};

use anyhow::{Context as _, Result, bail};
use countersign_core::{
    secret::SecretBytes,
    signing::{Label, key_from_bytes, public_to_spki_der, sign},
};
use countersign_proto::{
    agent::v1::Reason,
    native_messaging::{FIREFOX_ID, chromium_origin},
};
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use p256::ecdsa::SigningKey;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::{agent::Session, block_on, patiently, programs::program};

/// The largest message that a browser takes, in bytes.
const LARGEST: u32 = 1024 * 1024;

/// The host. Killed on drop, by its own id.
#[derive(Debug)]
pub struct NativeHost {
    child: Child,
    to: Option<ChildStdin>,
    from: ChildStdout,
    last: u64,
    /// Messages that came while another one was waited for.
    kept: VecDeque<Value>,
}

impl NativeHost {
    /// As Chromium starts it for our extension.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start(session: &Session, logs: &Path) -> Result<Self> {
        Self::start_with(session, logs, &[&chromium_origin()])
    }

    /// As Firefox starts it for our extension.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start_by_firefox(session: &Session, logs: &Path) -> Result<Self> {
        Self::start_with(session, logs, &["/tmp/manifest.json", FIREFOX_ID])
    }

    /// With these arguments, in the environment that Chromium gives where there is no session bus.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start_with(session: &Session, logs: &Path, arguments: &[&str]) -> Result<Self> {
        let host = program("countersign-browser")?;
        Self::start_program(&host, session, logs, arguments)
    }

    /// Another program in the host's place.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start_program(
        program: &Path,
        session: &Session,
        logs: &Path,
        arguments: &[&str],
    ) -> Result<Self> {
        let mut command = session.command(program.to_owned());
        command
            .args(arguments)
            .env("DBUS_SESSION_BUS_ADDRESS", "disabled:");
        let log = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(logs.join("countersign-browser.log"))?;
        let mut command = Command::from(command);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        let mut child = block_on(async { command.spawn() })?;
        let to = child.stdin.take();
        let from = child.stdout.take().context("no pipe from the host")?;
        Ok(Self {
            child,
            to,
            from,
            last: 0,
            kept: VecDeque::new(),
        })
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    ///
    /// The host reads no more.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let to = self.to.as_mut().context("its input is closed")?;
        patiently("the host to read", async {
            to.write_all(bytes).await?;
            to.flush().await
        })??;
        Ok(())
    }

    /// Sends a message behind its length.
    ///
    /// # Errors
    ///
    /// As [`NativeHost::write`].
    pub fn send(&mut self, message: &[u8]) -> Result<()> {
        let length = u32::try_from(message.len())?.to_ne_bytes();
        self.write(&[&length, message].concat())
    }

    /// Closes its input, as a browser that ends.
    pub fn close(&mut self) {
        self.to = None;
    }

    /// The next message; nothing when it has closed its output.
    ///
    /// # Errors
    ///
    /// None came in time, or what no browser takes.
    pub fn message(&mut self) -> Result<Option<Value>> {
        if let Some(kept) = self.kept.pop_front() {
            return Ok(Some(kept));
        }
        self.read()
    }

    fn read(&mut self) -> Result<Option<Value>> {
        let from = &mut self.from;
        let read = async {
            let mut length = [0; 4];
            if from.read_exact(&mut length).await.is_err() {
                return Ok(None);
            }
            let length = u32::from_ne_bytes(length);
            if length > LARGEST {
                bail!("a message of {length} bytes: browsers break off");
            }
            let mut message = vec![0; usize::try_from(length)?];
            from.read_exact(&mut message).await?;
            Ok(Some(serde_json::from_slice(&message)?))
        };
        patiently("a message of the host", read)?
    }

    /// Sends a request and returns its id.
    ///
    /// # Errors
    ///
    /// As [`NativeHost::write`].
    pub fn begin(&mut self, op: &str, fields: &Value) -> Result<u64> {
        self.last = self.last.saturating_add(1);
        let mut message = json!({"id": self.last, "op": op});
        for (name, value) in fields.as_object().into_iter().flatten() {
            if let Some(message) = message.as_object_mut() {
                message.insert(name.clone(), value.clone());
            }
        }
        self.send(message.to_string().as_bytes())?;
        Ok(self.last)
    }

    /// The reply to a request, whole. What comes before it is kept for [`NativeHost::message`].
    ///
    /// # Errors
    ///
    /// None came.
    pub fn reply(&mut self, id: u64) -> Result<Value> {
        let is_it = |message: &Value| message.get("id").and_then(Value::as_u64) == Some(id);
        if let Some(place) = self.kept.iter().position(is_it) {
            return self.kept.remove(place).context("it was just there");
        }
        loop {
            let message = self.read()?.context("the host ended")?;
            if is_it(&message) {
                return Ok(message);
            }
            self.kept.push_back(message);
        }
    }

    /// The next event of this name. What comes before it is kept.
    ///
    /// # Errors
    ///
    /// None came.
    pub fn event(&mut self, name: &str) -> Result<Value> {
        let is_it = |message: &Value| message.get("event").and_then(Value::as_str) == Some(name);
        if let Some(place) = self.kept.iter().position(is_it) {
            return self.kept.remove(place).context("it was just there");
        }
        loop {
            let message = self.read()?.context("the host ended")?;
            if is_it(&message) {
                return Ok(message);
            }
            self.kept.push_back(message);
        }
    }

    /// Asks, and returns what is `ok`.
    ///
    /// # Errors
    ///
    /// It was refused, or no reply came.
    pub fn ask(&mut self, op: &str, fields: &Value) -> Result<Value> {
        let id = self.begin(op, fields)?;
        let mut reply = self.reply(id)?;
        match reply.get_mut("ok") {
            Some(ok) => Ok(ok.take()),
            None => bail!("{op}: {reply}"),
        }
    }

    /// Asks, and expects a refusal for `reason`. Returns its message.
    ///
    /// # Errors
    ///
    /// It was answered otherwise.
    pub fn refused(&mut self, op: &str, fields: &Value, reason: Reason) -> Result<String> {
        let id = self.begin(op, fields)?;
        let reply = self.reply(id)?;
        refusal(&reply, reason).with_context(|| format!("{op} {fields}"))
    }

    /// Waits until it ends by itself, and returns its exit code.
    ///
    /// # Errors
    ///
    /// It does not end in time.
    pub fn wait(&mut self) -> Result<Option<i32>> {
        let ended = patiently("the end of the host", self.child.wait())??;
        Ok(ended.code())
    }
}

/// The message of a refusal for `reason`.
///
/// # Errors
///
/// It is none, or for another reason.
pub fn refusal(reply: &Value, reason: Reason) -> Result<String> {
    let word = reason.as_str_name().trim_start_matches("REASON_");
    let error = reply.get("error").context("it was not refused")?;
    if error.get("reason").and_then(Value::as_str) != Some(word) {
        bail!("not refused as {word}: {reply}");
    }
    let message = error.get("message").and_then(Value::as_str);
    Ok(message.context("a refusal without a word")?.to_owned())
}

/// An installation of the extension: its key.
#[derive(Debug)]
pub struct Extension {
    key: SigningKey,
    spki: Vec<u8>,
}

impl Extension {
    /// The one with this number: the same key each time.
    ///
    /// # Errors
    ///
    /// 0 makes no key.
    pub fn new(number: u8) -> Result<Self> {
        let key = key_from_bytes(&SecretBytes::from([number; 32]))?;
        let spki = public_to_spki_der(key.verifying_key())?;
        Ok(Self { key, spki })
    }

    /// What a person compares.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let hash = Sha256::digest(&self.spki);
        let letters = BASE32_NOPAD.encode(hash.get(..5).unwrap_or_default());
        let (one, other) = letters.split_at(4);
        format!("{one}-{other}")
    }

    /// Says who it is, and returns the number to sign.
    ///
    /// # Errors
    ///
    /// The host or the agent refuses.
    pub fn hello(&self, host: &mut NativeHost) -> Result<Vec<u8>> {
        let said = host.ask(
            "hello",
            &json!({
                "version": 1,
                "key": BASE64URL_NOPAD.encode(&self.spki),
                "browser": "Chromium 156",
                "extension": "0.1.0",
                "locale": "en",
            }),
        )?;
        let nonce = said.get("nonce").and_then(Value::as_str);
        Ok(BASE64URL_NOPAD.decode(nonce.context("no nonce")?.as_bytes())?)
    }

    /// The signature over a number.
    #[must_use]
    pub fn signature(&self, nonce: &[u8]) -> String {
        let body = [nonce, &self.spki].concat();
        BASE64URL_NOPAD.encode(&sign(&self.key, Label::BrowserHello, &body))
    }

    /// Says who it is and proves it. Returns whether it is paired.
    ///
    /// # Errors
    ///
    /// As [`Extension::hello`].
    pub fn connect(&self, host: &mut NativeHost) -> Result<bool> {
        let nonce = self.hello(host)?;
        let said = host.ask("prove", &json!({"signature": self.signature(&nonce)}))?;
        said.get("paired")
            .and_then(Value::as_bool)
            .context("no word about the pairing")
    }

    /// The same, and pairs where it is not: somebody has to say yes.
    ///
    /// # Errors
    ///
    /// As [`Extension::hello`]; nobody said yes.
    pub fn pair(&self, host: &mut NativeHost, name: &str) -> Result<()> {
        if !self.connect(host)? {
            host.ask("pair", &json!({"name": name}))?;
        }
        Ok(())
    }
}
