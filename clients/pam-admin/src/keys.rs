//! `countersign-pam key`: the keys that may approve in a user's name.
//!
//! Invariant: a file is replaced whole, by a rename; one that cannot be read is not written over.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use countersign_core::{
    signing,
    sudo::{AcceptedKey, AcceptedKeys, Fingerprint, MAX_KEY_FILE_LEN},
};
use countersign_pam::{Places, RootFileError, read_root_file};
use countersign_passcodes::UserName;
use data_encoding::BASE64;

use crate::{
    cli::{Key, KeyAdd},
    commands::known,
    error::Failure,
    folders,
    terminal::{confirmed, say, shown, tell},
};

const FOLDER: &str = "/etc/countersign/pam/keys.d";
/// The folders on the way there, and that one: what they hold is public.
const FOLDERS: [&str; 3] = ["/etc/countersign", "/etc/countersign/pam", FOLDER];

pub(crate) fn run(command: &Key) -> Result<(), Failure> {
    match command {
        Key::Add(options) => add(options),
        Key::List { user, json } => list(user.as_ref(), *json),
        Key::Remove { user, fingerprint } => remove(user, fingerprint),
    }
}

fn add(options: &KeyAdd) -> Result<(), Failure> {
    let user = &options.user;
    known(user)?;
    let public = BASE64
        .decode(options.key.as_bytes())
        .ok()
        .and_then(|bytes| signing::public_from_sec1(&bytes).ok())
        .ok_or(Failure::PublicKey)?;
    let finger = options.finger.unwrap_or_default();
    let key = AcceptedKey::new(public, options.verify, finger, &options.label);
    if key.label().is_empty() {
        return Err(Failure::Label);
    }
    let print = key.fingerprint();
    tell(&format!(
        "This key will approve in the name of {user} on this computer, from then on.\nFingerprint: {print}"
    ))?;
    if !options.yes && !confirmed("Is it the fingerprint that Countersign has shown? [y/N] ")? {
        return Err(Failure::NotConfirmed);
    }
    let keys = read(user)?
        .unwrap_or_default()
        .with(key)
        .map_err(|why| Failure::KeyFile(path(user), why.to_string()))?;
    write(user, &keys)?;
    say(&print.to_string())
}

fn list(user: Option<&UserName>, json: bool) -> Result<(), Failure> {
    let users = match user {
        Some(user) => vec![user.clone()],
        None => users()?,
    };
    let mut rows = Vec::new();
    for user in users {
        for key in &read(&user)?.unwrap_or_default() {
            rows.push((user.clone(), key.clone()));
        }
    }
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(user, key)| {
                serde_json::json!({
                    "user": user.as_str(),
                    "fingerprint": key.fingerprint().to_string(),
                    "label": key.label(),
                    "verify": key.least().word(),
                    "finger": finger_word(key),
                })
            })
            .collect();
        return say(&serde_json::json!({ "keys": rows }).to_string());
    }
    if rows.is_empty() {
        tell("No key is accepted.")?;
    }
    rows.iter().try_for_each(|(user, key)| {
        say(&format!(
            "{}: {} {} verify={}{}",
            shown(user.as_str()),
            key.fingerprint(),
            key.label(),
            key.least().word(),
            match finger_word(key) {
                "root" => " finger=root",
                _ => "",
            },
        ))
    })
}

const fn finger_word(key: &AcceptedKey) -> &'static str {
    match key.finger() {
        countersign_core::sudo::Finger::NotAsked => "",
        countersign_core::sudo::Finger::ByRoot => "root",
    }
}

fn remove(user: &UserName, fingerprint: &str) -> Result<(), Failure> {
    let unknown = || Failure::NoSuchKey(user.clone(), shown(fingerprint));
    let keys = read(user)?.ok_or_else(unknown)?;
    let (left, gone) = keys.without(fingerprint).ok_or_else(unknown)?;
    if left.is_empty() {
        fs::remove_file(path(user)).map_err(|why| Failure::KeyFile(path(user), why.to_string()))?;
    } else {
        write(user, &left)?;
    }
    let print: Fingerprint = gone.fingerprint();
    say(&print.to_string())
}

fn path(user: &UserName) -> PathBuf {
    Path::new(FOLDER).join(user.as_str())
}

/// What is there; nothing where there is no file.
fn read(user: &UserName) -> Result<Option<AcceptedKeys>, Failure> {
    let failed = |why: String| Failure::KeyFile(path(user), why);
    match read_root_file(&path(user), Places::SYSTEM.owner, MAX_KEY_FILE_LEN) {
        Ok(content) => AcceptedKeys::parse(&content)
            .map(Some)
            .map_err(|why| failed(why.to_string())),
        Err(RootFileError::Absent) => Ok(None),
        Err(why) => Err(failed(why.to_string())),
    }
}

fn write(user: &UserName, keys: &AcceptedKeys) -> Result<(), Failure> {
    let failed = |why: io::Error| Failure::KeyFile(path(user), why.to_string());
    folders::make(&FOLDERS)?;
    // A name that no user has: user names have no dot in front.
    let draft = Path::new(FOLDER).join(format!(".{}.new", user.as_str()));
    match fs::remove_file(&draft) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&draft)
        .map_err(failed)?;
    file.write_all(keys.to_text().as_bytes())
        .and_then(|()| file.set_permissions(Permissions::from_mode(0o644)))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&draft, path(user)))
        .and_then(|()| File::open(FOLDER)?.sync_all())
        .map_err(failed)
}

/// Everybody with a file.
fn users() -> Result<Vec<UserName>, Failure> {
    let failed = |why: io::Error| Failure::KeyFile(FOLDER.into(), why.to_string());
    let entries = match fs::read_dir(FOLDER) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut users: Vec<UserName> = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        // A draft that was left, or something of another hand.
        if let Some(user) = name.to_str().and_then(|name| name.parse().ok()) {
            users.push(user);
        }
    }
    users.sort_unstable();
    Ok(users)
}
