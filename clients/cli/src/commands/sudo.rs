//! `countersign sudo`: the key that approves sudo, here and at root's.
//!
//! Nothing of the system is changed here: root's part is done by `countersign-pam`, which `sudo` starts as it always has.

pub(super) mod stack;
pub(super) mod system;

use std::fmt::Write as _;

use countersign_client::ClientError;
use countersign_proto::agent::v1::{self as api, Reason, TokenState};
use serde::Serialize;

use self::system::{Accepted, Root};
use super::{
    secrets::{Rules, Secrets, Wanted},
    session::Session,
};
use crate::{
    cli,
    exit::Failure,
    output::{
        self, Answer, Paint, Style,
        table::{Cell, pairs, tabbed, table},
    },
    text,
};

/// Enrolls, lists, revokes, tests or shows.
pub(crate) async fn run(arguments: cli::Sudo, session: &Session) -> Result<(), Failure> {
    match arguments {
        cli::Sudo::Enroll(arguments) => enroll(&arguments, session).await,
        cli::Sudo::List => list(session).await,
        cli::Sudo::Revoke(arguments) => revoke(&arguments, session).await,
        cli::Sudo::Test => test(),
        cli::Sudo::Status => status(session).await,
    }
}

/// A key of this vault, and what root makes of it.
#[derive(Debug, Serialize)]
struct Key {
    fingerprint: String,
    token: String,
    usable: bool,
    /// Root accepts it.
    accepted: bool,
    /// What root asks for.
    verify: Option<String>,
    /// Root asks for a finger as well.
    finger: bool,
}

impl Key {
    fn new(key: &api::SudoKey, accepted: &[Accepted]) -> Self {
        let line = accepted.iter().find(|line| line.key == key.public_key);
        Self {
            fingerprint: key.fingerprint.clone(),
            token: key.token.clone(),
            usable: key.state() == TokenState::Active,
            accepted: line.is_some(),
            verify: line.map(|line| line.verify.clone()),
            finger: line.is_some_and(|line| line.finger),
        }
    }

    /// What root makes of it, in words.
    fn at_root(&self) -> (Paint, String) {
        match (self.usable, &self.verify) {
            (false, _) => (
                Paint::Bad,
                "its secret is gone: revoke it and enroll again".to_owned(),
            ),
            (true, None) => (Paint::Attention, "not accepted by root".to_owned()),
            (true, Some(verify)) => {
                let finger = if self.finger {
                    ", and a finger for root"
                } else {
                    ""
                };
                (
                    Paint::Good,
                    format!("accepted, asks for {}{finger}", asked(verify)),
                )
            }
        }
    }
}

/// The word of root's file as a person says it.
fn asked(verify: &str) -> &str {
    match verify {
        "presence" => "a click",
        "user" => "the PIN or a finger",
        "pin" => "the PIN each time",
        other => other,
    }
}

async fn enroll(arguments: &cli::SudoEnroll, session: &Session) -> Result<(), Failure> {
    let root = Root::find()?;
    let user = system::user()?;
    let key = key_for(arguments, session).await?;
    output::note(&format!(
        "Your key has the fingerprint {}. sudo asks for your password now, the old way, and shows it again.\n",
        key.fingerprint
    ));
    let mut words = vec![
        "key".to_owned(),
        "add".to_owned(),
        format!("--verify={}", arguments.verify.word()),
        format!("--label={}", system::host()),
    ];
    if arguments.finger {
        words.push("--finger=root".to_owned());
    }
    if arguments.yes {
        words.push("--yes".to_owned());
    }
    words.extend([user.clone(), system::base64(&key.public_key)]);
    root.run(&words)?;
    let shown = Key::new(&key, &system::accepted(&user)?);
    if !shown.accepted {
        return Err(Failure::refused(
            Reason::SudoFailed,
            "Root has not accepted the key.",
            "Run `countersign sudo enroll` again; your key is kept.",
        ));
    }
    session.output.answer(&Enrolled { key: shown })
}

/// The key of this vault, made now if there is none.
async fn key_for(arguments: &cli::SudoEnroll, session: &Session) -> Result<api::SudoKey, Failure> {
    let mut agent = session.agent_for_dialogs().await?;
    let known = agent.list_sudo_keys().await?.keys;
    if let Some(key) = known
        .into_iter()
        .find(|key| key.state() == TokenState::Active)
    {
        return Ok(key);
    }
    let wanted = Wanted {
        new: Some("PIN"),
        rules: Rules::Said,
        ..Wanted::default()
    };
    let mut secrets = Secrets::begin(arguments.pin.pin_stdin, &wanted)?;
    loop {
        let attempt = api::MakeSudoKeyRequest {
            pin: secrets.new_one(),
        };
        match session.patiently(agent.make_sudo_key(attempt)).await {
            Ok(reply) => return Ok(reply.key.unwrap_or_default()),
            Err(refusal) => secrets.after(refusal, &wanted, session).await?,
        }
    }
}

async fn keys(session: &Session) -> Result<Vec<Key>, Failure> {
    let keys = session.agent().await?.list_sudo_keys().await?.keys;
    let accepted = system::accepted(&system::user()?)?;
    Ok(keys.iter().map(|key| Key::new(key, &accepted)).collect())
}

async fn list(session: &Session) -> Result<(), Failure> {
    let keys = keys(session).await?;
    session.output.answer(&KeyList { keys })
}

async fn revoke(arguments: &cli::SudoRevoke, session: &Session) -> Result<(), Failure> {
    let user = system::user()?;
    let mut agent = session.agent().await?;
    let known = agent.list_sudo_keys().await?.keys;
    let key = known.into_iter().next().ok_or_else(|| {
        Failure::refused(
            Reason::SudoKeyUnknown,
            "There is no sudo key in this vault.",
            "`countersign sudo enroll` makes one.",
        )
    })?;
    let accepted = system::accepted(&user)?;
    let is_accepted = Key::new(&key, &accepted).accepted;
    // Root's half first: a key that is accepted and gone would only puzzle.
    if is_accepted && !arguments.only_here {
        let words = ["key", "remove", &user, &key.fingerprint].map(str::to_owned);
        Root::find()?.run(&words)?;
    }
    agent.delete_token(key.token).await?;
    session.output.answer(&Revoked {
        fingerprint: key.fingerprint,
        root: !(is_accepted && arguments.only_here),
    })
}

/// sudo itself says what happens; this only makes sure that it asks.
fn test() -> Result<(), Failure> {
    output::note("sudo asks now: approve on your desktop.\n");
    system::try_sudo()?;
    output::note("It worked.\n");
    Ok(())
}

async fn status(session: &Session) -> Result<(), Failure> {
    let keys = match session.agent().await {
        Ok(mut agent) => agent.list_sudo_keys().await.map(|reply| reply.keys),
        Err(Failure::Agent(error)) => Err(error),
        Err(failure) => return Err(failure),
    };
    let user = system::user()?;
    let accepted = system::accepted(&user)?;
    let (keys, agent) = match keys {
        Ok(keys) => (keys, "answers".to_owned()),
        Err(ClientError::NotRunning { .. }) => (Vec::new(), "does not run".to_owned()),
        Err(error) => return Err(error.into()),
    };
    let stack = stack::of("sudo");
    let module = system::module(stack.module).filter(|path| path.is_file());
    session.output.answer(&Standing {
        agent,
        keys: keys.iter().map(|key| Key::new(key, &accepted)).collect(),
        accepted_keys: accepted.len(),
        module: module.map(|path| path.display().to_string()),
        administration: Root::find().is_ok(),
        sudo_line: stack.line,
    })
}

#[derive(Debug, Serialize)]
struct Enrolled {
    key: Key,
}

impl Answer for Enrolled {
    fn friendly(&self, style: &Style) -> String {
        let (paint, words) = self.key.at_root();
        let mut said = format!(
            "{}: {}.\n",
            self.key.fingerprint,
            style.paint(paint, &words)
        );
        if stack::of("sudo").line.is_none() {
            said.push_str(
                "sudo does not ask yet: docs/pam.md has the line for /etc/pam.d/sudo, or run `sudo pam-auth-update`.\n",
            );
        } else {
            said.push_str("`countersign sudo test` tries it.\n");
        }
        said
    }

    fn bare(&self) -> String {
        format!("{}\n", self.key.fingerprint)
    }
}

#[derive(Debug, Serialize)]
struct KeyList {
    keys: Vec<Key>,
}

impl Answer for KeyList {
    fn friendly(&self, style: &Style) -> String {
        if self.keys.is_empty() {
            return "There is no sudo key. `countersign sudo enroll` makes one.\n".to_owned();
        }
        let rows: Vec<_> = self
            .keys
            .iter()
            .map(|key| {
                let (paint, words) = key.at_root();
                vec![
                    Cell::new(Paint::Name, &key.fingerprint),
                    Cell::plain(&text::short(&key.token)),
                    Cell::new(paint, &words),
                ]
            })
            .collect();
        table(&["FINGERPRINT", "TOKEN", "ROOT"], &rows, style)
    }

    fn bare(&self) -> String {
        self.keys.iter().fold(String::new(), |mut lines, key| {
            let word = if key.accepted { "accepted" } else { "unknown" };
            let line = tabbed(&[&key.fingerprint, &key.token, word]);
            // A String takes every line.
            let _never = writeln!(lines, "{}", line.trim_end()).is_err();
            lines
        })
    }
}

#[derive(Debug, Serialize)]
struct Revoked {
    fingerprint: String,
    root: bool,
}

impl Answer for Revoked {
    fn friendly(&self, _style: &Style) -> String {
        if self.root {
            format!("{} approves nothing any more.\n", self.fingerprint)
        } else {
            format!(
                "{} is gone here. Root's file still names it: `sudo countersign-pam key remove`.\n",
                self.fingerprint
            )
        }
    }

    fn bare(&self) -> String {
        String::new()
    }
}

#[derive(Debug, Serialize)]
struct Standing {
    agent: String,
    keys: Vec<Key>,
    accepted_keys: usize,
    module: Option<String>,
    administration: bool,
    sudo_line: Option<String>,
}

impl Standing {
    fn rows(&self) -> Vec<(&'static str, Cell)> {
        let mut rows = vec![(
            "agent",
            if self.agent == "answers" {
                Cell::new(Paint::Good, &self.agent)
            } else {
                Cell::new(Paint::Bad, &self.agent)
            },
        )];
        if self.keys.is_empty() {
            rows.push((
                "key",
                Cell::new(Paint::Attention, "none: countersign sudo enroll"),
            ));
        }
        for key in &self.keys {
            let (paint, words) = key.at_root();
            rows.push(("key", Cell::long(&key.fingerprint)));
            rows.push(("root", Cell::painted_long(paint, &words)));
        }
        rows.push((
            "module",
            self.module.as_deref().map_or_else(
                || Cell::new(Paint::Bad, "pam_countersign.so is not there"),
                Cell::long,
            ),
        ));
        rows.push((
            "sudo",
            self.sudo_line.as_deref().map_or_else(
                || Cell::painted_long(Paint::Attention, "does not ask: see docs/pam.md"),
                Cell::long,
            ),
        ));
        rows
    }
}

impl Answer for Standing {
    fn friendly(&self, style: &Style) -> String {
        pairs(&self.rows(), style)
    }

    fn bare(&self) -> String {
        let accepted = self.keys.iter().filter(|key| key.accepted).count();
        let line = self.sudo_line.as_deref().unwrap_or("none");
        format!(
            "agent\t{}\nkeys\t{}\naccepted\t{accepted}\nline\t{line}\n",
            self.agent,
            self.keys.len()
        )
    }
}
