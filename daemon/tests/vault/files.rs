//! The files: whose they are, and what they give away.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
};

use countersign_core::secret::SecretBytes;
use countersignd::vault::{EventKind, RequestState, UnlockMode, Vault, VaultError, VaultState};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::rig::{
    HOST, NOW, Rig, SEED, SERVICE, event, event_mode, path_in, refused, registration, request,
    source, time_mode,
};

#[test]
fn files_are_the_users_alone() {
    // A umask belongs to a whole process: `vault_kill` tries the loosest and the tightest in a child.
    let mut rig = Rig::new();
    rig.add("vpn", time_mode());
    let folder = rig.path().parent().unwrap().to_owned();
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7777, 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().mode() & 0o7777,
            0o600,
            "{:?}",
            entry.path()
        );
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(
        names,
        ["vault.db", "vault.db-lock", "vault.db-shm", "vault.db-wal"]
    );
}

#[test]
fn what_others_can_write_is_refused() {
    for (name, mode) in [
        ("", 0o770),
        ("", 0o707),
        ("vault.db", 0o620),
        ("vault.db-lock", 0o602),
    ] {
        let rig = Rig::new();
        let path = rig.path();
        drop(rig.vault);
        let target = path.parent().unwrap().join(name);
        fs::set_permissions(&target, fs::Permissions::from_mode(mode)).unwrap();
        let vault = Vault::open(path, HOST);
        assert_eq!(refused(&vault), VaultError::Exposed, "{name} {mode:o}");
    }
}

#[test]
fn symbolic_links_are_refused() {
    for name in [
        "countersign",
        "countersign/vault.db",
        "countersign/vault.db-lock",
        "countersign/vault.db-wal",
    ] {
        let rig = Rig::new();
        let path = rig.path();
        drop(rig.vault);
        let target = rig.folder.path().join(name);
        let moved = rig.folder.path().join("moved");
        if target.exists() {
            fs::rename(&target, &moved).unwrap();
        }
        symlink(&moved, &target).unwrap();
        assert_eq!(
            refused(&Vault::open(path, HOST)),
            VaultError::Exposed,
            "{name}"
        );
    }
}

#[test]
fn a_stray_log_of_a_deleted_vault_is_not_replayed() {
    let mut rig = Rig::new();
    rig.add("old", time_mode());
    let path = rig.path();
    let log = path.with_extension("db-wal");
    let stray = fs::read(&log).unwrap();
    drop(rig.vault);
    fs::remove_file(&path).unwrap();
    fs::write(&log, stray).unwrap();
    let mut vault = Vault::open(path, HOST);
    assert_eq!(vault.state(), VaultState::Absent);
    vault.create(source(), UnlockMode::Session, NOW).unwrap();
    assert_eq!(vault.tokens(), Ok(Vec::new()));
}

#[test]
fn a_draft_left_by_a_crash_is_in_nobodys_way() {
    let folder = TempDir::new().unwrap();
    let path = path_in(folder.path());
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::write(path.with_extension("db-new"), b"half").unwrap();
    let mut vault = Vault::open(path.clone(), HOST);
    assert_eq!(vault.state(), VaultState::Absent);
    vault.create(source(), UnlockMode::Session, NOW).unwrap();
    assert!(!path.with_extension("db-new").exists());
}

#[test]
fn the_files_hold_no_secret() {
    let mut rig = Rig::new();
    rig.vault.put_service(&registration()).unwrap();
    rig.add("vpn", event_mode());
    rig.vault.record_request(&request(1), None).unwrap();
    let frame = SecretBytes::from(*b"frame with passcode 31415926");
    rig.vault
        .save_decision(request(1).id, SERVICE, &frame, NOW, None)
        .unwrap();
    let base64 = data_encoding::BASE64.encode(SEED);
    for secret in [
        SEED.as_slice(),
        base64.as_bytes(),
        b"31415926",
        &[6; 32],
        &[0x42; 32],
    ] {
        assert!(!rig.holds(secret));
    }
    assert!(rig.holds(b"vpn"), "the search itself works");
}

#[test]
fn what_is_deleted_is_erased_from_the_files() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", time_mode());
    rig.vault.put_service(&registration()).unwrap();
    rig.vault.record_request(&request(1), None).unwrap();
    let frame = SecretBytes::from(*b"frame");
    rig.vault
        .save_decision(request(1).id, SERVICE, &frame, NOW, None)
        .unwrap();
    let path = rig.path();
    let sealed = |sql: &str| -> Vec<u8> {
        Connection::open(&path)
            .unwrap()
            .query_row(sql, (), |row| row.get(0))
            .unwrap()
    };
    let blob = sealed("SELECT blob FROM tokens");
    let frame = sealed("SELECT frame FROM outbox");
    assert!(rig.holds(&blob[30..60]) && rig.holds(&frame));
    rig.vault.delete(id, &event(EventKind::Deleted)).unwrap();
    rig.vault
        .close_decision(request(1).id, RequestState::Approved, "", None)
        .unwrap();
    assert!(!rig.holds(&blob[30..60]));
    assert!(!rig.holds(&frame));
    assert_eq!(
        rig.vault.delete(id, &event(EventKind::Deleted)),
        Err(VaultError::TokenUnknown)
    );
}
