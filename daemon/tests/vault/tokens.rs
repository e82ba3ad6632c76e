//! Tokens, counters, tries.

use countersign_core::{ids::TokenId, token::TokenSecrets};
use countersignd::vault::{Autosend, EventKind, Integrity, TokenState, VaultError};

use crate::rig::{
    PIN, Rig, SERVICE, bound_token, event, event_mode, new_pin, registration, time_mode,
};

#[test]
fn a_token_comes_with_its_service_or_not_at_all() {
    let mut rig = Rig::new();
    let enrolled = event(EventKind::Enrolled);
    let alone = rig.vault.add_token(
        "vpn",
        &bound_token(),
        Some(&new_pin(PIN)),
        0,
        None,
        &enrolled,
    );
    assert_eq!(alone, Err(VaultError::ServiceUnknown));
    let events_before = rig.vault.events(10).unwrap();
    rig.vault
        .add_token(
            "vpn",
            &bound_token(),
            Some(&new_pin(PIN)),
            0,
            Some(&registration()),
            &enrolled,
        )
        .unwrap();
    assert_eq!(rig.vault.events(10).unwrap().len(), events_before.len() + 1);
    assert_eq!(rig.vault.services(), Ok(vec![registration().service]));
    // A name that is taken undoes the service too.
    let mut other = registration();
    other.service.name = "Renamed".to_owned();
    let second = TokenSecrets {
        serial: "CS-2".to_owned(),
        ..bound_token()
    };
    let taken = rig.vault.add_token(
        "VPN",
        &second,
        Some(&new_pin(PIN)),
        0,
        Some(&other),
        &enrolled,
    );
    assert_eq!(taken, Err(VaultError::NameTaken));
    assert_eq!(rig.vault.services(), Ok(vec![registration().service]));
    let twice = rig.vault.add_token(
        "again",
        &bound_token(),
        Some(&new_pin(PIN)),
        0,
        None,
        &enrolled,
    );
    assert_eq!(twice, Err(VaultError::TokenExists));
    assert_eq!(
        rig.vault.remove_service(SERVICE),
        Err(VaultError::ServiceInUse)
    );
    let id = rig.vault.tokens().unwrap()[0].id;
    rig.vault.revoke(id, &event(EventKind::Revoked)).unwrap();
    rig.vault
        .add_token(
            "again",
            &bound_token(),
            Some(&new_pin(PIN)),
            0,
            None,
            &enrolled,
        )
        .unwrap();
}

#[test]
fn names_are_checked_and_renames_last() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", time_mode());
    rig.add("mail", time_mode());
    let renamed = event(EventKind::Renamed);
    for (name, error) in [
        ("", VaultError::NameInvalid),
        ("  ", VaultError::NameInvalid),
        (&"x".repeat(65), VaultError::NameInvalid),
        ("Mail", VaultError::NameTaken),
    ] {
        assert_eq!(rig.vault.rename(id, name, &renamed), Err(error));
    }
    rig.vault.rename(id, "work", &renamed).unwrap();
    rig.vault.rename(id, "Work", &renamed).unwrap();
    let rig = rig.reopened().unlocked();
    assert_eq!(rig.vault.tokens().unwrap()[0].name, "Work");
    assert!(rig.vault.token_secrets(id).is_ok());
}

#[test]
fn ids_are_never_used_again() {
    let mut rig = Rig::new();
    let first = rig.add("vpn", time_mode());
    rig.vault.delete(first, &event(EventKind::Deleted)).unwrap();
    assert!(rig.add("vpn", time_mode()) > first);
}

#[test]
fn a_revoked_token_keeps_its_history_only() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", event_mode());
    rig.vault.lock();
    rig.vault.revoke(id, &event(EventKind::Revoked)).unwrap();
    rig.vault.revoke(id, &event(EventKind::Revoked)).unwrap();
    let mut rig = rig.unlocked();
    let row = &rig.vault.tokens().unwrap()[0];
    assert_eq!(
        (row.state, row.integrity, &row.secrets),
        (TokenState::Revoked, Integrity::Sound, &None)
    );
    assert_eq!(rig.vault.token_secrets(id), Err(VaultError::TokenRevoked));
    let taken = rig
        .vault
        .take_counter(id, &event(EventKind::PasscodeGenerated));
    assert_eq!(taken, Err(VaultError::TokenRevoked));
    let revoked = rig
        .vault
        .events(10)
        .unwrap()
        .iter()
        .filter(|event| event.kind == EventKind::Revoked)
        .count();
    assert_eq!(revoked, 1, "the second time changes nothing");
}

#[test]
fn autosend_is_kept_for_the_vault_and_for_each_token() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", time_mode());
    let changed = event(EventKind::AutosendChanged);
    rig.vault
        .set_autosend(None, Autosend::Off, &changed)
        .unwrap();
    rig.vault
        .set_autosend(Some(id), Autosend::Off, &changed)
        .unwrap();
    let mut rig = rig.reopened();
    assert_eq!(
        rig.vault.set_autosend(None, Autosend::On, &changed),
        Err(VaultError::Locked)
    );
    assert_eq!(rig.vault.autosend(), Ok(Autosend::Off));
    let mut rig = rig.unlocked();
    assert_eq!(rig.vault.tokens().unwrap()[0].autosend, Autosend::Off);
    rig.vault.lock();
    rig.vault
        .set_autosend(None, Autosend::On, &changed)
        .unwrap();
    assert_eq!(rig.vault.autosend(), Ok(Autosend::On));
    let unknown = rig
        .vault
        .set_autosend(Some(TokenId(99)), Autosend::On, &changed);
    assert_eq!(unknown, Err(VaultError::TokenUnknown));
}

#[test]
fn counters_only_rise() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", event_mode());
    let generated = event(EventKind::PasscodeGenerated);
    assert_eq!(rig.vault.take_counter(id, &generated), Ok(7));
    assert_eq!(rig.vault.take_counter(id, &generated), Ok(8));
    assert_eq!(rig.vault.raise_counter(id, 3), Ok(9));
    assert_eq!(rig.vault.raise_counter(id, 20), Ok(20));
    let mut rig = rig.reopened().unlocked();
    assert_eq!(rig.vault.take_counter(id, &generated), Ok(20));
    assert_eq!(
        rig.vault.events(1).unwrap()[0].kind,
        EventKind::PasscodeGenerated
    );
    let end = u64::try_from(i64::MAX).unwrap();
    assert_eq!(
        rig.vault.raise_counter(id, u64::MAX),
        Err(VaultError::CounterExhausted)
    );
    assert_eq!(rig.vault.raise_counter(id, end), Ok(end));
    assert_eq!(
        rig.vault.take_counter(id, &generated),
        Err(VaultError::CounterExhausted)
    );
    let timed = rig.add("mail", time_mode());
    assert_eq!(
        rig.vault.take_counter(timed, &generated),
        Err(VaultError::NoCounter)
    );
}
