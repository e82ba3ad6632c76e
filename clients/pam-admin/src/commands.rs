//! What each command does.

use std::{fs::File, io::Read as _, path::Path};

use countersign_core::{
    pam_passcode::{Factor, NotBegun, Record, Refusal, Verdict, Window, foreign},
    secret::{SecretBytes, SecretText},
};
use countersign_passcodes::{
    FOLDER, Outcome, Passcodes, Question, Replacing, StoreError, UserName,
};
use nix::unistd::User;
use rustix::process::Uid;

use crate::{
    cli::{Add, Area, Cli, Import, Passcode},
    clock,
    error::Failure,
    folders,
    seed::{self, Source},
    terminal::{complain, picture, prompt, say, secret_line, shown, tell},
};

/// The folders above the passcodes.
const ABOVE: [&str; 2] = ["/etc/countersign", "/etc/countersign/pam"];

pub(crate) fn run(cli: &Cli) -> Result<(), Failure> {
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::NotRoot);
    }
    let command = match &cli.area {
        Area::Key(command) => return crate::keys::run(command),
        Area::Passcode(command) => command,
    };
    match command {
        Passcode::Add(options) => add(options),
        Passcode::List { json } => list(*json),
        Passcode::Test { user, window } => test(user, window.unwrap_or(Window::DEFAULT)),
        Passcode::Unlock { user } => change(user, Passcodes::unlock),
        Passcode::Remove { user } => change(user, Passcodes::remove),
        Passcode::Import(options) => import(options),
    }
}

fn add(options: &Add) -> Result<(), Failure> {
    let user = &options.user;
    known(user)?;
    let source = if options.seed_stdin {
        prompt("Seed: ");
        Source::typed(options, &secret_line()?)?
    } else {
        Source::random(options)?
    };
    let record = Record::new(source.mode, source.seed, source.counter, options.limit)?;
    made()?
        .put(user, &record, replacing(options.replace))
        .map_err(of(user))?;
    tell(&format!("{user}: {}", record.mode()))?;
    // Who has brought the seed has it.
    if options.seed_stdin {
        return Ok(());
    }
    let host = rustix::system::uname();
    let host = shown(&host.nodename().to_string_lossy());
    let link = seed::link(&record, user.as_str(), &host, source.counter)?;
    tell(
        "Scan this, or give the link to `countersign enroll -`. It is shown once, and whoever has it has the passcodes.",
    )?;
    picture(&link)?;
    say(link.expose())
}

fn list(json: bool) -> Result<(), Failure> {
    let passcodes = opened()?;
    let users = match &passcodes {
        Some(passcodes) => passcodes.users().map_err(Failure::Folder)?,
        None => Vec::new(),
    };
    let mut rows = Vec::new();
    for user in &users {
        let Some(passcodes) = &passcodes else { break };
        match passcodes.record(user) {
            Ok(Some(record)) => rows.push(Row::of(user, Ok(&record))),
            // Removed meanwhile.
            Ok(None) => {}
            Err(error) => rows.push(Row::of(user, Err(error))),
        }
    }
    if json {
        let rows: Vec<_> = rows.iter().map(Row::json).collect();
        return say(&serde_json::json!({ "passcodes": rows }).to_string());
    }
    if rows.is_empty() {
        tell("Nobody has passcodes.")?;
    }
    rows.iter().try_for_each(|row| say(&row.line()))
}

/// One user's passcodes, without the seed.
struct Row {
    user: String,
    mode: String,
    used: String,
    wrong_tries: usize,
    wait_seconds: u64,
    trouble: Option<String>,
}

impl Row {
    fn of(user: &UserName, record: Result<&Record, StoreError>) -> Self {
        let user = shown(user.as_str());
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                return Self {
                    user,
                    mode: String::new(),
                    used: String::new(),
                    wrong_tries: 0,
                    wait_seconds: 0,
                    trouble: Some(error.to_string()),
                };
            }
        };
        let now = clock::now();
        let how_far = match record.factor() {
            Factor::Time { state, .. } => state.last.map_or_else(
                || "never used".to_owned(),
                |step| format!("used until step {step}"),
            ),
            Factor::Event { next, .. } => format!("next counter {next}"),
            Factor::Challenge { suite, next, .. } if suite.uses_counter() => {
                format!("next counter {next}")
            }
            Factor::Challenge { .. } => "a new challenge each time".to_owned(),
        };
        Self {
            user,
            mode: record.mode().to_string(),
            used: how_far,
            wrong_tries: record.wrong_tries(now),
            wait_seconds: record.wait_secs(now).unwrap_or(0),
            trouble: None,
        }
    }

    fn line(&self) -> String {
        let Self {
            user, mode, used, ..
        } = self;
        if let Some(trouble) = &self.trouble {
            return format!("{user}: nobody is let in: {trouble}");
        }
        let tries = match (self.wrong_tries, self.wait_seconds) {
            (0, _) => String::new(),
            (tries, 0) => format!(", {tries} wrong lately"),
            (tries, wait) => format!(", {tries} wrong lately: none is looked at for {wait} s"),
        };
        format!("{user}: {mode}, {used}{tries}")
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "user": self.user,
            "mode": self.mode,
            "used": self.used,
            "wrong_tries": self.wrong_tries,
            "wait_seconds": self.wait_seconds,
            "trouble": self.trouble,
        })
    }
}

fn test(user: &UserName, window: Window) -> Result<(), Failure> {
    let not_enrolled = || Failure::NotEnrolled(user.clone());
    let passcodes = opened()?.ok_or_else(not_enrolled)?;
    let question = passcodes.question(user, clock::now()).map_err(of(user))?;
    let challenge = match question.ok_or_else(not_enrolled)? {
        Question::Passcode => None,
        Question::Challenge(challenge) => {
            say(&format!("Challenge: {challenge}"))?;
            Some(challenge)
        }
        Question::Wait { secs } => return Err(Failure::TooMany(secs)),
    };
    prompt("Passcode: ");
    let typed = secret_line()?;
    let outcome = passcodes
        .judge(user, &typed, challenge.as_deref(), window, clock::now())
        .map_err(of(user))?;
    let why = match outcome {
        Outcome::NotEnrolled => return Err(not_enrolled()),
        Outcome::NotBegun(NotBegun::TooMany { wait_secs }) => {
            return Err(Failure::TooMany(wait_secs));
        }
        Outcome::NotBegun(NotBegun::Form) => "that is no passcode of this length",
        Outcome::NotBegun(NotBegun::ChallengeOver) => "another program has asked meanwhile",
        Outcome::Judged(Verdict::Accepted(_)) => return say("right"),
        Outcome::Judged(Verdict::Refused(Refusal::Wrong)) => "wrong",
        Outcome::Judged(Verdict::Refused(Refusal::Used)) => "used before",
        Outcome::Judged(Verdict::Refused(Refusal::FarOff)) => {
            "right, but far off; the next one will be accepted"
        }
    };
    Err(Failure::NotRight(why))
}

/// Does `what` with the record of a user, who must have one.
fn change(
    user: &UserName,
    what: fn(&Passcodes, &UserName) -> Result<bool, StoreError>,
) -> Result<(), Failure> {
    let there = match opened()? {
        Some(passcodes) => what(&passcodes, user).map_err(of(user))?,
        None => false,
    };
    there
        .then_some(())
        .ok_or_else(|| Failure::NotEnrolled(user.clone()))
}

fn import(options: &Import) -> Result<(), Failure> {
    if let (Some(path), Some(user)) = (&options.google_authenticator, &options.user) {
        known(user)?;
        let record = foreign::google_authenticator(read(path)?.expose(), clock::now())?;
        made()?
            .put(user, &record, replacing(options.replace))
            .map_err(of(user))?;
        tell("Taken over. Its emergency codes were not.")?;
        return Ok(());
    }
    let Some(path) = &options.users_oath else {
        return Ok(());
    };
    let text = read(path)?;
    let entries = foreign::users_oath(text.expose(), clock::now())?;
    let passcodes = made()?;
    let mut refused = 0_usize;
    for entry in entries {
        let user = match entry.user.parse::<UserName>() {
            Ok(user) if options.user.as_ref().is_some_and(|only| *only != user) => continue,
            Ok(user) => user,
            Err(_) => {
                refused = refused.saturating_add(1);
                say(&format!("line {}: no name of a user", entry.line))?;
                continue;
            }
        };
        let taken = entry.record.map_err(Failure::from).and_then(|record| {
            known(&user)?;
            passcodes
                .put(&user, &record, replacing(options.replace))
                .map_err(of(&user))
        });
        if let Err(error) = taken {
            refused = refused.saturating_add(1);
            complain(&error);
            say(&format!("line {}: {} is not taken over", entry.line, user))?;
        } else {
            say(&format!("line {}: {user}", entry.line))?;
        }
    }
    match refused {
        0 => Ok(()),
        refused => Err(Failure::SomeRefused(refused)),
    }
}

/// A file of seeds, no longer than such files are.
fn read(path: &Path) -> Result<SecretText, Failure> {
    let most = u64::try_from(foreign::MAX_FILE).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(Failure::Read)?;
    let bytes = SecretBytes::new(bytes);
    let text = bytes.as_text().ok_or(foreign::ForeignError::Form)?;
    Ok(SecretText::from(text))
}

/// Is there such a user? A record for a mistyped name would let nobody in and be forgotten.
pub(crate) fn known(user: &UserName) -> Result<(), Failure> {
    match User::from_name(user.as_str()) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Failure::NoSuchUser(user.clone())),
        Err(error) => Err(Failure::UserDatabase(error)),
    }
}

fn opened() -> Result<Option<Passcodes>, Failure> {
    Passcodes::open(FOLDER.as_ref(), Uid::ROOT).map_err(Failure::Folder)
}

/// The folder, made with those above it where they are not there.
fn made() -> Result<Passcodes, Failure> {
    folders::make(&ABOVE)?;
    Passcodes::open_or_make(FOLDER.as_ref(), Uid::ROOT).map_err(Failure::Folder)
}

fn of(user: &UserName) -> impl Fn(StoreError) -> Failure {
    let user = user.clone();
    move |error| Failure::Store {
        user: user.clone(),
        error,
    }
}

const fn replacing(replace: bool) -> Replacing {
    if replace {
        Replacing::Allowed
    } else {
        Replacing::Refused
    }
}
