//! Changes behind the vault's back are seen.

use countersign_core::privacyidea::{Demand, Transport};
use countersignd::vault::{EventKind, Integrity, PushToken, ServiceKind, VaultError, VaultState};

use crate::rig::{Rig, SERVICE, event, event_mode, keyring_key, machine, registration, time_mode};

#[test]
fn edited_columns_are_damaged() {
    for sql in [
        "UPDATE tokens SET counter = 1",
        "UPDATE tokens SET counter = NULL",
        "UPDATE tokens SET tries_left = 100",
        "UPDATE tokens SET state = 'revoked'",
        "UPDATE tokens SET autosend = 0",
        "UPDATE tokens SET name = 'other'",
        "UPDATE tokens SET serial = 'CS-2'",
        "UPDATE tokens SET columns_mac = zeroblob(32)",
        "UPDATE tokens SET id = id + 1",
    ] {
        let mut rig = Rig::new();
        rig.add("vpn", event_mode());
        let mut rig = rig.tamper(sql).unlocked();
        let row = &rig.vault.tokens().unwrap()[0];
        assert_eq!(
            (row.integrity, &row.secrets),
            (Integrity::Damaged, &None),
            "{sql}"
        );
        let id = row.id;
        assert_eq!(
            rig.vault.token_secrets(id),
            Err(VaultError::Damaged),
            "{sql}"
        );
        let taken = rig
            .vault
            .take_counter(id, &event(EventKind::PasscodeGenerated));
        assert_eq!(taken, Err(VaultError::Damaged), "{sql}");
        assert_eq!(
            rig.vault.raise_counter(id, 50),
            Err(VaultError::Damaged),
            "{sql}"
        );
        assert_eq!(
            rig.vault
                .begin_pin_attempt(id, &event(EventKind::PinExhausted))
                .err(),
            Some(VaultError::Damaged),
            "{sql}"
        );
        rig.vault.delete(id, &event(EventKind::Deleted)).unwrap();
    }
}

#[test]
fn swapped_blobs_are_damaged() {
    let mut rig = Rig::new();
    let first = rig.add("first", time_mode());
    let second = rig.add("second", time_mode());
    let rig = rig
        .tamper(
            "CREATE TEMP TABLE both AS SELECT id, blob, columns_mac FROM tokens;
             UPDATE tokens SET (blob, columns_mac) =
                (SELECT blob, columns_mac FROM both WHERE both.id <> tokens.id);",
        )
        .unlocked();
    for id in [first, second] {
        assert_eq!(rig.vault.token_secrets(id), Err(VaultError::Damaged));
    }
}

#[test]
fn an_edited_header_does_not_unlock() {
    for sql in [
        "UPDATE header SET unlock_mode = 'pin'",
        "UPDATE header SET autosend = 0",
        "UPDATE header SET vault_id = zeroblob(16)",
    ] {
        let mut rig = Rig::new().tamper(sql);
        assert_eq!(
            rig.vault.unlock(machine(keyring_key())),
            Err(VaultError::Damaged),
            "{sql}"
        );
        assert_eq!(rig.vault.state(), VaultState::Locked);
    }
}

#[test]
fn an_edited_service_is_damaged() {
    for sql in [
        "UPDATE services SET url = 'https://evil.example'",
        "UPDATE services SET pins = zeroblob(32)",
        "UPDATE services SET identity_key = x'00'",
        "UPDATE services SET device_id = zeroblob(16)",
        "UPDATE services SET channel_key = x'00'",
    ] {
        let mut rig = Rig::new();
        rig.vault.put_service(&registration()).unwrap();
        let rig = rig.tamper(sql).unlocked();
        assert_eq!(rig.vault.services(), Err(VaultError::Damaged), "{sql}");
        assert_eq!(
            rig.vault.channel_key(SERVICE).err(),
            Some(VaultError::Damaged),
            "{sql}"
        );
    }
}

/// A service that was verified must not become one that nobody vouches for, nor a polled one a gateway.
#[test]
fn a_service_keeps_its_kind() {
    let polled = ServiceKind::PrivacyIdea(PushToken {
        serial: "PIPU1".to_owned(),
        transport: Transport::Verified,
        demand: Demand::PinOrFinger,
    });
    for (kind, sql) in [
        (polled.clone(), "UPDATE services SET kind = ''"),
        (
            polled.clone(),
            "UPDATE services SET kind = replace(kind, 'verified', 'plain_http')",
        ),
        (
            polled.clone(),
            "UPDATE services SET kind = replace(kind, 'pin_or_finger', 'none')",
        ),
        (polled, "UPDATE services SET kind = '{}'"),
        (
            ServiceKind::Gateway,
            "UPDATE services SET kind = '{\"privacyidea\":{}}'",
        ),
    ] {
        let mut registration = registration();
        registration.service.kind = kind.clone();
        let mut rig = Rig::new();
        rig.vault.put_service(&registration).unwrap();
        assert_eq!(rig.vault.services().unwrap()[0].kind, kind);
        let rig = rig.tamper(sql).unlocked();
        assert_eq!(rig.vault.services(), Err(VaultError::Damaged), "{sql}");
        let key = rig.vault.device_key(SERVICE);
        assert_eq!(key.err(), Some(VaultError::Damaged), "{sql}");
    }
}

#[test]
fn cheaper_slot_parameters_do_not_open() {
    let rig = Rig::new();
    let mut rig = rig.tamper("UPDATE slots SET parameters = replace(parameters, 'test', 'tost')");
    assert_eq!(
        rig.vault.unlock(machine(keyring_key())),
        Err(VaultError::WrongKey)
    );
}

#[test]
fn triggers_in_the_file_do_not_run() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", event_mode());
    let mut rig = rig
        .tamper(
            "CREATE TRIGGER back AFTER INSERT ON events BEGIN
                UPDATE tokens SET counter = 1; DELETE FROM events; END;",
        )
        .unlocked();
    let taken = rig
        .vault
        .take_counter(id, &event(EventKind::PasscodeGenerated));
    assert_eq!(taken, Ok(7));
    assert_eq!(rig.vault.tokens().unwrap()[0].counter, Some(8));
    assert!(rig.vault.events(10).unwrap().len() >= 2);
}
