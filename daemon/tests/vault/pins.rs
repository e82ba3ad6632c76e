//! PINs of tokens, and what guards the unlocking.

use countersign_core::{
    recovery_code::RecoveryCode,
    seal::slot::Argon2Cost,
    secret::SecretBytes,
    token::{FingerChoice, KeyHolder, PinAsking},
};
use countersignd::vault::{
    EventKind, FingerUnlock, KeyPlace, PinOutcome, SlotId, SlotKey, SlotSource, TokenState,
    UnlockMode, Vault, VaultError, VaultState, prepare_keys,
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::rig::{
    HOST, NOW, PIN, Rig, SEED, event, keyring_key, machine, new_pin, path_in, pin_key, time_mode,
    token,
};

const CHEAP: Argon2Cost = Argon2Cost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

fn attempt(rig: &mut Rig, id: countersign_core::ids::TokenId, pin: &[u8]) -> PinOutcome {
    let exhausted = event(EventKind::PinExhausted);
    rig.vault.begin_pin_attempt(id, &exhausted).unwrap();
    rig.vault
        .finish_pin_attempt(
            id,
            &pin_key(pin),
            None,
            &event(EventKind::PinWrong),
            &exhausted,
        )
        .unwrap()
}

#[test]
fn a_pin_opens_the_keys_and_a_wrong_one_costs_a_try() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", time_mode());
    let secrets = rig.vault.token_secrets(id).unwrap();
    assert!(secrets.keys.open().is_none(), "the blob alone has no keys");
    let PinOutcome::Wrong { left: 2 } = attempt(&mut rig, id, b"135791") else {
        unreachable!("the PIN is wrong and two tries are left");
    };
    let mut rig = rig.reopened().unlocked();
    assert_eq!(rig.vault.tokens().unwrap()[0].tries_left, Some(2));
    let PinOutcome::Right(keys) = attempt(&mut rig, id, PIN) else {
        unreachable!("the PIN is right");
    };
    assert_eq!(keys.seed, SecretBytes::from(*SEED));
    assert_eq!(rig.vault.tokens().unwrap()[0].tries_left, Some(3));
}

#[test]
fn the_last_wrong_pin_erases_the_seed() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", time_mode());
    attempt(&mut rig, id, b"135791");
    attempt(&mut rig, id, b"135792");
    assert!(matches!(
        attempt(&mut rig, id, b"135793"),
        PinOutcome::Exhausted
    ));
    assert_eq!(
        rig.vault.tokens().unwrap()[0].state,
        TokenState::PinExhausted
    );
    assert_eq!(rig.vault.token_secrets(id), Err(VaultError::PinExhausted));
    let exhausted = event(EventKind::PinExhausted);
    assert_eq!(
        rig.vault.begin_pin_attempt(id, &exhausted).err(),
        Some(VaultError::PinExhausted)
    );
}

#[test]
fn the_last_try_may_still_be_right() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", time_mode());
    attempt(&mut rig, id, b"135791");
    attempt(&mut rig, id, b"135792");
    assert!(matches!(attempt(&mut rig, id, PIN), PinOutcome::Right(_)));
    assert_eq!(rig.vault.tokens().unwrap()[0].tries_left, Some(3));
}

#[test]
fn a_crash_after_the_last_count_erases_at_the_next_try() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", time_mode());
    let exhausted = event(EventKind::PinExhausted);
    for left in [2, 1, 0] {
        let begun = rig.vault.begin_pin_attempt(id, &exhausted).unwrap();
        assert_eq!(begun.left, left);
        // Killed here.
        rig = rig.reopened().unlocked();
    }
    assert_eq!(
        rig.vault.begin_pin_attempt(id, &exhausted).err(),
        Some(VaultError::PinExhausted)
    );
    assert_eq!(
        rig.vault.tokens().unwrap()[0].state,
        TokenState::PinExhausted
    );
}

#[test]
fn a_token_with_a_pin_is_never_kept_without_it() {
    let mut rig = Rig::new();
    let refused = rig.vault.add_token(
        "vpn",
        &token(time_mode()),
        None,
        0,
        None,
        &event(EventKind::Enrolled),
    );
    assert_eq!(refused, Err(VaultError::NoPin));
    assert!(rig.vault.tokens().unwrap().is_empty());
}

#[test]
fn another_pin_shuts_the_old_one_out_and_the_finger_with_it() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", time_mode());
    let PinOutcome::Right(keys) = attempt(&mut rig, id, PIN) else {
        unreachable!("the PIN is right");
    };
    let changed = event(EventKind::BiometricChanged);
    rig.vault
        .set_finger(id, Some(&pin_key(PIN)), &changed)
        .unwrap();
    let (key, lock) = rig.vault.finger_key(id).unwrap();
    assert_eq!(lock.open(id, &key, None).unwrap(), Some(keys.clone()));
    rig.vault
        .change_pin(
            id,
            &keys,
            &new_pin(b"975310"),
            &event(EventKind::PinChanged),
        )
        .unwrap();
    assert!(matches!(
        attempt(&mut rig, id, PIN),
        PinOutcome::Wrong { .. }
    ));
    assert!(matches!(
        attempt(&mut rig, id, b"975310"),
        PinOutcome::Right(_)
    ));
    assert_eq!(rig.vault.finger_key(id).err(), Some(VaultError::NoPin));
    let summary = rig.vault.tokens().unwrap()[0].secrets.clone().unwrap();
    assert_eq!(summary.finger, FingerChoice::Off);
    assert!(!rig.holds(SEED), "nothing of it is in the file");
}

#[test]
fn how_often_a_pin_is_asked_for_is_kept() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", time_mode());
    rig.vault
        .set_asking(id, PinAsking::OncePerUnlock, &event(EventKind::PinChanged))
        .unwrap();
    let rig = rig.reopened().unlocked();
    let secrets = rig.vault.token_secrets(id).unwrap();
    assert_eq!(secrets.asking, PinAsking::OncePerUnlock);
    assert!(matches!(secrets.keys, KeyHolder::Locked(_)));
}

fn with_agent_pin(pin: &[u8]) -> (TempDir, Vault) {
    let folder = TempDir::new().unwrap();
    let mut vault = Vault::open(path_in(folder.path()), HOST);
    let source = SlotSource::Machine {
        place: KeyPlace::Keyring("test".to_owned()),
        key: keyring_key(),
        pin: Some(pin.into()),
    };
    let slot = source.prepare_at(CHEAP).unwrap();
    vault.create_prepared(&slot, UnlockMode::Pin, NOW).unwrap();
    (folder, vault)
}

fn both(pin: &[u8]) -> SlotKey {
    SlotKey::Machine {
        slot: SlotId(1),
        key: keyring_key(),
        pin: Some(pin.into()),
    }
}

#[test]
fn the_keyrings_key_alone_opens_nothing_where_a_pin_is_asked_for() {
    let (_folder, mut vault) = with_agent_pin(b"246802");
    vault.lock();
    assert_eq!(
        vault.unlock(machine(keyring_key())),
        Err(VaultError::NoSlot)
    );
    assert_eq!(
        vault.unlock(SlotKey::Passphrase(b"246802".as_slice().into())),
        Err(VaultError::NoSlot)
    );
    assert_eq!(
        vault.unlock(both(b"246803")),
        Err(VaultError::WrongPassphrase)
    );
    assert_eq!(vault.state(), VaultState::Locked);
    vault.unlock(both(b"246802")).unwrap();
    assert_eq!(vault.state(), VaultState::Unlocked);
}

#[test]
fn wrong_pins_are_counted_before_the_first_unlock_and_over_a_restart() {
    let (folder, mut vault) = with_agent_pin(b"246802");
    vault.close();
    assert_eq!(vault.begin_unlock_attempt(), Ok(0));
    assert_eq!(vault.begin_unlock_attempt(), Ok(1));
    drop(vault);
    let mut vault = Vault::open(path_in(folder.path()), HOST);
    assert_eq!(vault.failed_unlocks(), Ok(2));
    vault.unlock(both(b"246802")).unwrap();
    vault.unlock_succeeded().unwrap();
    assert_eq!(vault.failed_unlocks(), Ok(0));
}

#[test]
fn a_finger_opens_only_after_the_pin_and_until_it_is_forgotten() {
    let (_folder, mut vault) = with_agent_pin(b"246802");
    let changed = event(EventKind::BiometricChanged);
    assert!(vault.finger_half().unwrap().is_none());
    vault.set_finger_unlock(FingerUnlock::On, &changed).unwrap();
    assert!(
        vault.finger_half().unwrap().is_none(),
        "the PIN was not shown since"
    );
    let slots = vault.slots().unwrap();
    vault
        .check_prepared(both(b"246802").prepare(&slots).unwrap())
        .unwrap();
    vault.lock();
    let half = vault.finger_half().unwrap().unwrap();
    let finger = |key| SlotKey::Finger {
        slot: half.slot,
        key: Some(key),
        pin_key: half.pin_key.clone(),
    };
    assert_eq!(
        vault.unlock(finger([9; 32].into())),
        Err(VaultError::WrongKey),
        "the keyring's half is needed too"
    );
    vault.unlock(finger(keyring_key())).unwrap();
    vault.forget_finger();
    assert!(vault.finger_half().unwrap().is_none());
    // A restart forgets as well.
    vault.unlock(both(b"246802")).unwrap();
    assert!(vault.finger_half().unwrap().is_some());
    vault.close();
    assert!(vault.finger_half().unwrap().is_none());
}

#[test]
fn another_agent_pin_replaces_every_slot_that_asks() {
    let (_folder, mut vault) = with_agent_pin(b"246802");
    let slots = vault.slots().unwrap();
    let key = both(b"246802").prepare(&slots).unwrap();
    let code = RecoveryCode::new([7; 16]);
    let recovery = SlotSource::RecoveryCode(code.clone()).prepare().unwrap();
    vault
        .add_slot(key, &recovery, &event(EventKind::SlotAdded))
        .unwrap();
    let source = SlotSource::Machine {
        place: KeyPlace::Keyring("test".to_owned()),
        key: keyring_key(),
        pin: Some(b"975310".as_slice().into()),
    };
    let replaced = [(SlotId(1), source.prepare_at(CHEAP).unwrap())];
    let key = both(b"246802").prepare(&slots).unwrap();
    vault
        .replace_slots(
            key,
            &replaced,
            UnlockMode::Pin,
            &event(EventKind::PinChanged),
        )
        .unwrap();
    vault.lock();
    assert_eq!(vault.unlock(both(b"246802")), Err(VaultError::NoSlot));
    let at = |pin: &[u8]| SlotKey::Machine {
        slot: SlotId(3),
        key: keyring_key(),
        pin: Some(pin.into()),
    };
    assert_eq!(
        vault.unlock(at(b"246802")),
        Err(VaultError::WrongPassphrase)
    );
    vault.unlock(at(b"975310")).unwrap();
    vault.lock();
    assert_eq!(
        vault.unlock(SlotKey::RecoveryCode(RecoveryCode::new([8; 16]))),
        Err(VaultError::WrongRecoveryCode)
    );
    vault.unlock(SlotKey::RecoveryCode(code)).unwrap();

    // The last way that needs no paper stays, whatever was checked before; the printed code may go.
    let slots = vault.slots().unwrap();
    let key = || at(b"975310").prepare(&slots).unwrap();
    let removed = event(EventKind::SlotRemoved);
    assert_eq!(
        vault.remove_slot(key(), SlotId(3), &removed),
        Err(VaultError::LastSlot)
    );
    vault.remove_slot(key(), SlotId(2), &removed).unwrap();
}

#[test]
fn all_that_was_brought_is_tried() {
    let (_folder, mut vault) = with_agent_pin(b"246802");
    let slots = vault.slots().unwrap();
    let key = both(b"246802").prepare(&slots).unwrap();
    let passphrase = SlotSource::Passphrase(b"correct horse".as_slice().into());
    vault
        .add_slot(
            key,
            &passphrase.prepare_at(CHEAP).unwrap(),
            &event(EventKind::SlotAdded),
        )
        .unwrap();
    vault.lock();
    let slots = vault.slots().unwrap();
    let brought = |typed: &[u8]| {
        let keys = vec![both(typed), SlotKey::Passphrase(typed.into())];
        prepare_keys(keys, &slots).unwrap()
    };
    assert_eq!(
        vault.unlock_prepared(brought(b"wrong one")),
        Err(VaultError::WrongPassphrase)
    );
    vault.unlock_prepared(brought(b"correct horse")).unwrap();
    vault.lock();
    vault.unlock_prepared(brought(b"246802")).unwrap();
}

#[test]
fn a_header_that_lets_a_finger_in_is_under_its_mac() {
    let (folder, mut vault) = with_agent_pin(b"246802");
    vault.close();
    drop(vault);
    let database = Connection::open(path_in(folder.path())).unwrap();
    database
        .execute_batch("UPDATE header SET finger = 1")
        .unwrap();
    drop(database);
    let mut vault = Vault::open(path_in(folder.path()), HOST);
    assert_eq!(vault.unlock(both(b"246802")), Err(VaultError::Damaged));
}
