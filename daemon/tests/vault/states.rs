//! What a vault is: absent, locked, unlocked, or unusable and why.

use std::{fs, os::unix::fs::PermissionsExt as _};

use countersign_core::{secret::SecretBytes, token::TokenSecrets};
use countersign_proto::agent::v1::Reason;
use countersignd::vault::{
    EventKind, Integrity, KeyPlace, SlotKey, SlotSource, UnlockMode, Vault, VaultError, VaultState,
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::rig::{
    HOST, NOW, PIN, Rig, SERVICE, event, event_mode, keyring_key, machine, machine_at, new_pin,
    path_in, refused, registration, source, time_mode, token,
};

#[test]
fn a_vault_is_made_by_create_only() {
    let folder = TempDir::new().unwrap();
    let path = path_in(folder.path());
    let mut vault = Vault::open(path.clone(), HOST);
    assert_eq!(vault.state(), VaultState::Absent);
    assert_eq!(
        vault.unlock(machine(keyring_key())),
        Err(VaultError::Absent)
    );
    assert_eq!(vault.tokens(), Err(VaultError::Absent));
    assert!(
        !path.parent().unwrap().exists(),
        "looking for a vault leaves no trace"
    );
    vault.create(source(), UnlockMode::Session, NOW).unwrap();
    assert_eq!(vault.state(), VaultState::Unlocked);
    assert_eq!(vault.unlock_mode(), Ok(UnlockMode::Session));
    assert_eq!(vault.events(10).unwrap()[0].kind, EventKind::Setup);
    assert_eq!(
        vault.create(source(), UnlockMode::Session, NOW),
        Err(VaultError::Exists)
    );
}

#[test]
fn what_was_kept_is_there_after_a_restart() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", event_mode());
    let rig = rig.reopened();
    assert_eq!(rig.vault.state(), VaultState::Locked);
    let listed = rig.vault.tokens().unwrap();
    assert_eq!(listed[0].integrity, Integrity::Unchecked);
    assert_eq!(listed[0].secrets, None);
    assert_eq!(
        (listed[0].name.as_str(), listed[0].counter),
        ("vpn", Some(7))
    );
    let rig = rig.unlocked();
    let kept = rig.vault.token_secrets(id).unwrap();
    let TokenSecrets { keys, .. } = token(event_mode());
    assert!(kept.keys.lock().is_some(), "behind its PIN");
    assert_eq!(TokenSecrets { keys, ..kept }, token(event_mode()));
    let listed = rig.vault.tokens().unwrap();
    assert_eq!(listed[0].integrity, Integrity::Sound);
    assert_eq!(listed[0].secrets.as_ref().unwrap().issuer, "Example");
}

#[test]
fn nothing_is_readable_after_a_lock() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", event_mode());
    rig.vault.put_service(&registration()).unwrap();
    rig.vault.lock();
    assert_eq!(rig.vault.state(), VaultState::Locked);
    assert_eq!(rig.vault.token_secrets(id), Err(VaultError::Locked));
    assert_eq!(
        rig.vault
            .take_counter(id, &event(EventKind::PasscodeGenerated)),
        Err(VaultError::Locked)
    );
    assert_eq!(
        rig.vault
            .begin_pin_attempt(id, &event(EventKind::PinExhausted))
            .err(),
        Some(VaultError::Locked)
    );
    assert_eq!(
        rig.vault.add_token(
            "x",
            &token(time_mode()),
            Some(&new_pin(PIN)),
            0,
            None,
            &event(EventKind::Enrolled)
        ),
        Err(VaultError::Locked)
    );
    assert_eq!(rig.vault.tokens().unwrap()[0].secrets, None);
    // The channel tier is still there: the agent can be reached and refuse.
    assert_eq!(rig.vault.tokens().unwrap()[0].integrity, Integrity::Sound);
    assert!(rig.vault.channel_key(SERVICE).is_ok());
    assert_eq!(rig.vault.raise_counter(id, 9), Ok(9));
    rig.vault.close();
    assert_eq!(
        rig.vault.channel_key(SERVICE).err(),
        Some(VaultError::Locked)
    );
    assert_eq!(rig.vault.outbox(SERVICE), Err(VaultError::Locked));
    assert_eq!(rig.vault.raise_counter(id, 10), Err(VaultError::Locked));
}

#[test]
fn a_passphrase_opens_and_a_wrong_one_does_not() {
    let folder = TempDir::new().unwrap();
    let mut vault = Vault::open(path_in(folder.path()), HOST);
    let passphrase = |text: &str| SlotKey::Passphrase(SecretBytes::from(text.as_bytes()));
    let source = SlotSource::Passphrase(SecretBytes::from(b"correct horse".as_slice()));
    vault.create(source, UnlockMode::Pin, NOW).unwrap();
    vault.lock();
    assert_eq!(
        vault.unlock(passphrase("correct horsf")),
        Err(VaultError::WrongPassphrase)
    );
    assert_eq!(
        vault.unlock(passphrase("")),
        Err(VaultError::PassphraseInvalid)
    );
    assert_eq!(
        vault.unlock(machine(keyring_key())),
        Err(VaultError::NoSlot)
    );
    assert_eq!(vault.state(), VaultState::Locked);
    vault.unlock(passphrase("correct horse")).unwrap();
    assert_eq!(vault.state(), VaultState::Unlocked);
}

#[test]
fn slots_are_added_by_who_can_open_and_the_last_one_stays() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", time_mode());
    let second = SecretBytes::from([0x43; 32]);
    let slots = rig.vault.slots().unwrap();
    let added = SlotSource::Machine {
        place: KeyPlace::Keyring("second".to_owned()),
        key: second.clone(),
        pin: None,
    };
    let wrong = machine(second.clone()).prepare(&slots).unwrap();
    let prepared = added.prepare().unwrap();
    assert_eq!(
        rig.vault
            .add_slot(wrong, &prepared, &event(EventKind::SlotAdded)),
        Err(VaultError::WrongKey)
    );
    let right = || machine(keyring_key()).prepare(&slots).unwrap();
    let slot = rig
        .vault
        .add_slot(right(), &prepared, &event(EventKind::SlotAdded))
        .unwrap();
    rig.vault.lock();
    rig.vault.unlock(machine_at(2, second.clone())).unwrap();
    let all = rig.vault.slots().unwrap();
    let wrong = || machine(second.clone()).prepare(&all).unwrap();
    let removed = event(EventKind::SlotRemoved);
    assert_eq!(
        rig.vault.remove_slot(wrong(), slots[0].id, &removed),
        Err(VaultError::WrongKey)
    );
    rig.vault
        .remove_slot(right(), slots[0].id, &removed)
        .unwrap();
    let by_second = || machine_at(2, second.clone()).prepare(&all).unwrap();
    assert_eq!(
        rig.vault.remove_slot(by_second(), slots[0].id, &removed),
        Err(VaultError::NoSuchSlot)
    );
    assert_eq!(
        rig.vault.remove_slot(by_second(), slot, &removed),
        Err(VaultError::LastSlot)
    );
    let mut rig = rig.reopened();
    assert_eq!(
        rig.vault.unlock(machine(keyring_key())),
        Err(VaultError::NoSlot)
    );
    rig.vault.unlock(machine_at(2, second)).unwrap();
    assert!(rig.vault.token_secrets(id).is_ok());
    assert_eq!(
        rig.vault.slots().unwrap()[0].place(),
        Some(KeyPlace::Keyring("second".to_owned()))
    );
}

#[test]
fn one_process_at_a_time() {
    let mut rig = Rig::new();
    let mut second = Vault::open(rig.path(), HOST);
    assert_eq!(refused(&second), VaultError::InUse);
    assert_eq!(
        second.unlock(machine(keyring_key())),
        Err(VaultError::InUse)
    );
    assert_eq!(
        second.create(source(), UnlockMode::Pin, NOW),
        Err(VaultError::InUse)
    );
    rig.vault.append_event(&event(EventKind::Locked)).unwrap();
    drop(rig.vault);
    second.unlock(machine(keyring_key())).unwrap();
    assert_eq!(second.state(), VaultState::Unlocked);
}

#[test]
fn another_host_is_refused() {
    let rig = Rig::new();
    let path = rig.path();
    drop(rig.vault);
    let vault = Vault::open(path.clone(), [0xbb; 32]);
    assert_eq!(refused(&vault), VaultError::OtherHost);
    drop(vault);
    // Putting this host's id into the file does not help: the header has a MAC.
    Connection::open(&path)
        .unwrap()
        .execute("UPDATE header SET host = ?1", [[0xbb_u8; 32]])
        .unwrap();
    let mut vault = Vault::open(path, [0xbb; 32]);
    assert_eq!(
        vault.unlock(machine(keyring_key())),
        Err(VaultError::Damaged)
    );
    assert_eq!(vault.state(), VaultState::Locked);
}

#[test]
fn a_newer_schema_is_left_untouched() {
    let rig = Rig::new();
    let path = rig.path();
    drop(rig.vault);
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let before = fs::read(&path).unwrap();
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let mut vault = Vault::open(path.clone(), HOST);
    assert_eq!(refused(&vault), VaultError::Newer);
    assert_eq!(
        vault.create(source(), UnlockMode::Pin, NOW),
        Err(VaultError::Exists)
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified);
    assert!(!path.with_extension("db-wal").exists());
}

#[test]
fn what_is_no_vault_is_damaged_and_never_overwritten() {
    for content in [b"".as_slice(), b"not a database", &[0; 4096]] {
        let folder = TempDir::new().unwrap();
        let path = path_in(folder.path());
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let mut vault = Vault::open(path.clone(), HOST);
        assert_eq!(refused(&vault), VaultError::Damaged);
        assert_eq!(
            vault.create(source(), UnlockMode::Pin, NOW),
            Err(VaultError::Exists)
        );
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn another_database_is_no_vault() {
    let folder = TempDir::new().unwrap();
    let path = path_in(folder.path());
    fs::create_dir(path.parent().unwrap()).unwrap();
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t(a)")
        .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(refused(&Vault::open(path, HOST)), VaultError::Damaged);
}

#[test]
fn a_torn_file_is_damaged() {
    let mut rig = Rig::new();
    for number in 0..20 {
        rig.add(&format!("token {number}"), time_mode());
    }
    let path = rig.path();
    drop(rig.vault);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(refused(&Vault::open(path, HOST)), VaultError::Damaged);
}

#[test]
fn every_refusal_has_its_reason_and_a_hint() {
    for (error, reason) in [
        (VaultError::Absent, Reason::VaultAbsent),
        (VaultError::Locked, Reason::VaultLocked),
        (VaultError::WrongPassphrase, Reason::WrongPassphrase),
        (VaultError::KeySourceAbsent, Reason::KeySourceAbsent),
        (VaultError::KeySourceLocked, Reason::KeySourceLocked),
        (VaultError::InUse, Reason::VaultInUse),
        (VaultError::OtherHost, Reason::VaultOtherHost),
        (VaultError::Newer, Reason::VaultNewer),
        (VaultError::Damaged, Reason::VaultDamaged),
        (VaultError::Exists, Reason::VaultExists),
        (VaultError::StorageFull, Reason::StorageFull),
        (VaultError::ReadOnly, Reason::StorageReadOnly),
        (VaultError::Failed(String::new()), Reason::StorageFailed),
    ] {
        assert_eq!(error.reason(), reason);
        assert!(!error.hint().is_empty());
    }
}
