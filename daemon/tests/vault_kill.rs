//! Killed anywhere, the vault never gives a counter twice, and no try of a PIN is free.
//!
//! Not under the usual test harness: this program runs itself as the process that is killed.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test program stops at the first surprise, and its child talks over standard output"
)]

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use countersign_core::{
    ids::TokenId,
    otp::{Digits, HashAlgorithm, OtpMode},
    pskc::{PinPolicy, TokenPin},
    seal::slot::{Argon2Cost, PinKey, Salt},
    secret::SecretBytes,
    time::UnixMillis,
    token::{KeyHolder, NewPin, PinAsking, PushPolicy, TokenKeys, TokenSecrets},
};
use countersignd::vault::{
    EventKind, KeyPlace, NewEvent, PinOutcome, SlotId, SlotKey, SlotSource, UnlockMode, Vault,
    VaultState,
};
use rustix::{fs::Mode, process::umask};

const HOST: [u8; 32] = [1; 32];
const KILLS: usize = 60;
const KILLS_AROUND_PINS: usize = 1_000;
/// The most that a policy allows.
const TRIES: u8 = 20;
/// Fewer than are left at the start of a round, however late the kill comes.
const MOST_LOOKS: usize = 8;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [word, path] if word == "take-counters" => take_counters(Path::new(path)),
        [word, path, looks] if word == "try-pins" => {
            try_pins(Path::new(path), looks.parse().unwrap());
        }
        [word, path, mask] if word == "create" => create(Path::new(path), mask.parse().unwrap()),
        _ => {
            modes_do_not_follow_the_umask();
            println!("test modes_do_not_follow_the_umask ... ok");
            no_counter_appears_twice();
            println!("test no_counter_appears_twice ... ok");
            no_try_of_a_pin_is_free();
            println!("test no_try_of_a_pin_is_free ... ok");
        }
    }
}

fn key() -> SecretBytes {
    SecretBytes::from([2; 32])
}

fn event(kind: EventKind) -> NewEvent {
    NewEvent {
        at: UnixMillis(0),
        kind,
        token: "vpn".to_owned(),
        detail: String::new(),
    }
}

/// The child: takes counters until it is killed, and says each one after it was given.
fn take_counters(path: &Path) -> ! {
    let mut vault = Vault::open(path.to_owned(), HOST);
    assert_eq!(vault.state(), VaultState::Locked, "whole after every kill");
    vault.unlock(door()).unwrap();
    let id = vault.tokens().unwrap().first().unwrap().id;
    let mut out = std::io::stdout();
    loop {
        let counter = vault
            .take_counter(id, &event(EventKind::PasscodeGenerated))
            .unwrap();
        out.write_all(format!("{counter}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    }
}

/// The child: makes a vault with one event-based token under a umask.
fn create(path: &Path, mask: u32) {
    umask(Mode::from_raw_mode(mask));
    let _token = create_here(path);
}

fn create_here(path: &Path) -> TokenId {
    let mut vault = Vault::open(path.to_owned(), HOST);
    let source = SlotSource::Machine {
        place: KeyPlace::Keyring("test".to_owned()),
        key: key(),
        pin: None,
    };
    vault
        .create(source, UnlockMode::Session, UnixMillis(0))
        .unwrap();
    let token = TokenSecrets {
        mode: Some(OtpMode::Event {
            hash: HashAlgorithm::Sha1,
            digits: Digits::SIX,
        }),
        issuer: String::new(),
        user: String::new(),
        serial: String::new(),
        pin: PinPolicy::Token(TokenPin {
            max_failed_attempts: TRIES,
            ..TokenPin::default()
        }),
        asking: PinAsking::EveryTime,
        push: PushPolicy::Off,
        service: None,
        keys: KeyHolder::Open(TokenKeys {
            seed: SecretBytes::from([3; 20]),
            decision_key: None,
        }),
        exportable: false,
        policy_name: String::new(),
        policy_level: String::new(),
        created: UnixMillis(0),
        origins: Vec::new(),
    };
    vault
        .add_token(
            "vpn",
            &token,
            Some(&new_pin()),
            0,
            None,
            &event(EventKind::Enrolled),
        )
        .unwrap()
}

fn door() -> SlotKey {
    SlotKey::Machine {
        slot: SlotId(1),
        key: key(),
        pin: None,
    }
}

const SALT: Salt = Salt([1; 16]);
const CHEAP: Argon2Cost = Argon2Cost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

fn new_pin() -> NewPin {
    NewPin {
        salt: SALT,
        cost: CHEAP,
        key: pin_key(b"246802"),
        tpm: None,
    }
}

fn pin_key(pin: &[u8]) -> PinKey {
    PinKey::derive(&pin.into(), &SALT, CHEAP).unwrap()
}

/// The child: tries wrong PINs until it is killed, and says each one before it is looked at. With `looks` at 0 it
/// says that the first one is counted, and waits there.
fn try_pins(path: &Path, looks: usize) {
    let mut vault = Vault::open(path.to_owned(), HOST);
    assert_eq!(vault.state(), VaultState::Locked, "whole after every kill");
    vault.unlock(door()).unwrap();
    let id = vault.tokens().unwrap().first().unwrap().id;
    let mut out = std::io::stdout();
    let (wrong, exhausted) = (event(EventKind::PinWrong), event(EventKind::PinExhausted));
    if looks == 0 {
        vault.begin_pin_attempt(id, &exhausted).unwrap();
        out.write_all(b"counted\n").unwrap();
        out.flush().unwrap();
    }
    for _ in 0..looks {
        vault.begin_pin_attempt(id, &exhausted).unwrap();
        // From here on the PIN can be known to be right or wrong: the try must be on the disk.
        out.write_all(b"looked\n").unwrap();
        out.flush().unwrap();
        let outcome = vault
            .finish_pin_attempt(id, &pin_key(b"135791"), None, &wrong, &exhausted)
            .unwrap();
        assert!(matches!(outcome, PinOutcome::Wrong { .. }));
    }
    // Nobody writes: killed here at the latest.
    let _killed_before = std::io::stdin().read_line(&mut String::new());
}

/// A thousand kills around tries of a PIN: at no time were more looked at than the disk has counted.
fn no_try_of_a_pin_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("countersign/vault.db");
    let id = create_here(&path);
    let mut random = [0_u8; KILLS_AROUND_PINS];
    getrandom::fill(&mut random).unwrap();
    let mut looked = 0_u32;
    for (round, byte) in random.into_iter().enumerate() {
        // Every fourth kill falls for certain between the count and the look, the others wherever they do.
        let between = round.is_multiple_of(4);
        let looks = if between { 0 } else { MOST_LOOKS };
        let mut child = child(&["try-pins", &looks.to_string()], &path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        if between {
            assert_eq!(lines.next().unwrap().unwrap(), "counted");
        } else {
            for _ in 0..(byte % 3) {
                assert_eq!(lines.next().unwrap().unwrap(), "looked");
                looked = looked.saturating_add(1);
            }
        }
        child.kill().unwrap();
        let more = lines.map_while(Result::ok).count();
        looked = looked.saturating_add(u32::try_from(more).unwrap());
        child.wait().unwrap();
        let mut vault = Vault::open(path.clone(), HOST);
        vault.unlock(door()).unwrap();
        let left = vault.tokens().unwrap().first().unwrap().tries_left.unwrap();
        let counted = u32::from(TRIES).checked_sub(left).unwrap();
        assert!(
            looked <= counted,
            "round {round}: {looked} looked at, {counted} counted ({random:?})"
        );
        if between {
            let lost = counted.checked_sub(looked).unwrap();
            assert_eq!(lost, 1, "round {round}: the try that was killed is gone");
        }
        if left < u32::from(TRIES) / 2 {
            // The right PIN gives all tries back.
            let exhausted = event(EventKind::PinExhausted);
            vault.begin_pin_attempt(id, &exhausted).unwrap();
            let right = vault
                .finish_pin_attempt(id, &pin_key(b"246802"), None, &exhausted, &exhausted)
                .unwrap();
            assert!(matches!(right, PinOutcome::Right(_)));
            looked = 0;
        } else {
            looked = counted;
        }
    }
}

fn child(words: &[&str], path: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    let (first, rest) = words.split_first().unwrap();
    command.arg(first).arg(path).args(rest);
    command
}

fn modes_do_not_follow_the_umask() {
    for mask in [0_u32, 0o077, 0o777] {
        let folder = tempfile::tempdir().unwrap();
        // The parent exists: what matters is what the vault itself makes.
        let path = folder.path().join("countersign/vault.db");
        let status = child(&["create", &mask.to_string()], &path)
            .status()
            .unwrap();
        assert!(status.success(), "umask {mask:o}");
        let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(
            mode(folder.path().join("countersign")),
            0o700,
            "umask {mask:o}"
        );
        for entry in folder.path().join("countersign").read_dir().unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(
                mode(path.clone()),
                0o600,
                "{} umask {mask:o}",
                path.display()
            );
        }
    }
}

fn no_counter_appears_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("countersign/vault.db");
    create_here(&path);
    let mut seen = BTreeSet::new();
    let mut random = [0_u8; KILLS];
    getrandom::fill(&mut random).unwrap();
    for (round, byte) in random.into_iter().enumerate() {
        let mut child = child(&["take-counters"], &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // After a random number of counters, at whatever instruction the child is by then.
        for _ in 0..=(byte % 32) {
            let counter: u64 = lines.next().unwrap().unwrap().parse().unwrap();
            assert!(
                seen.insert(counter),
                "round {round}: counter {counter} came twice ({random:?})"
            );
        }
        child.kill().unwrap();
        // What it had said by then counts too. Short lines are written whole (pipe(7), PIPE_BUF).
        for line in lines.map_while(Result::ok) {
            let counter: u64 = line.parse().unwrap();
            assert!(
                seen.insert(counter),
                "round {round}: counter {counter} came twice ({random:?})"
            );
        }
        child.wait().unwrap();
    }
    assert!(seen.len() >= KILLS, "the children did take counters");
    let mut vault = Vault::open(path, HOST);
    vault.unlock(door()).unwrap();
    let token = vault.tokens().unwrap().into_iter().next().unwrap();
    let next = vault
        .take_counter(token.id, &event(EventKind::PasscodeGenerated))
        .unwrap();
    assert!(seen.last().is_some_and(|last| next > *last));
}
