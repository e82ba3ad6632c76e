//! Containers at rest, and the tokens that belong to one.

use countersign_core::{
    ids::{ContainerId, TokenId},
    privacyidea::{
        Transport,
        container::{ContainerPolicies, Standing},
    },
    pskc::PinPolicy,
    secret::SecretBytes,
    token::TokenSecrets,
};
use countersignd::vault::{
    ContainerFacts, ContainerKeys, ContainerRow, EventKind, Integrity, Membership, NewToken,
    VaultError,
};

use crate::rig::{NOW, Rig, event, event_mode, keyring_key, machine, time_mode, token};

const CONTAINER: ContainerId = ContainerId([7; 16]);
const KEY: [u8; 48] = *b"KEYkeyKEYkeyKEYkeyKEYkeyKEYkeyKEYkeyKEYkeyKEYkey";

fn row() -> ContainerRow {
    ContainerRow {
        id: CONTAINER,
        name: "Example".to_owned(),
        serial: "SMPH1".to_owned(),
        url: "https://pi.example".to_owned(),
        facts: ContainerFacts {
            standing: Standing::Registered,
            transport: Transport::UnverifiedTls,
            server_key: Some([9; 32]),
            policies: ContainerPolicies::default(),
        },
        synced: Some(NOW),
    }
}

fn keys() -> ContainerKeys {
    ContainerKeys {
        current: Some(SecretBytes::from(KEY)),
        next: None,
    }
}

fn with_container() -> Rig {
    let mut rig = Rig::new();
    rig.vault
        .put_container(&row(), Some(&keys()), None)
        .unwrap();
    rig
}

fn add(rig: &mut Rig, name: &str, serial: &str, replaces: Option<TokenId>) -> TokenId {
    let secrets = TokenSecrets {
        serial: serial.to_owned(),
        pin: PinPolicy::None,
        ..token(event_mode())
    };
    let new = NewToken {
        name,
        secrets: &secrets,
        pin: None,
        counter: 7,
        service: None,
        event: &event(EventKind::Enrolled),
    };
    let membership = Membership {
        container: CONTAINER,
        replaces,
    };
    rig.vault.insert_token(new, Some(membership)).unwrap()
}

#[test]
fn a_container_lasts_and_its_keys_are_sealed() {
    let mut rig = with_container();
    let next = ContainerKeys {
        next: Some(SecretBytes::from([1; 48])),
        ..keys()
    };
    rig.vault.put_container(&row(), Some(&next), None).unwrap();
    let mut moved = row();
    moved.facts.standing = Standing::Gone;
    rig.vault.put_container(&moved, None, None).unwrap();
    let rig = rig.reopened();
    assert_eq!(rig.vault.containers().unwrap(), [moved]);
    let locked = rig.vault.container_keys(CONTAINER);
    assert_eq!(locked, Err(VaultError::Locked));
    let mut rig = rig.unlocked();
    assert_eq!(rig.vault.container_keys(CONTAINER).unwrap(), next);
    assert!(!rig.holds(&KEY));
    rig.vault.lock();
    let locked = rig.vault.container_keys(CONTAINER);
    assert_eq!(locked, Err(VaultError::Locked));
    let unknown = rig.vault.put_container(
        &ContainerRow {
            id: ContainerId([8; 16]),
            ..row()
        },
        None,
        None,
    );
    assert_eq!(unknown, Err(VaultError::Locked));
}

#[test]
fn a_renewed_token_takes_the_name_and_the_place_of_the_former_in_one_step() {
    let mut rig = with_container();
    let first = add(&mut rig, "first", "A", None);
    rig.add("between", time_mode());
    let renewed = add(&mut rig, "first", "A", Some(first));
    assert_ne!(renewed, first);
    let tokens = rig.vault.tokens().unwrap();
    let names: Vec<_> = tokens.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["first", "between"]);
    assert_eq!(tokens[0].container, Some(CONTAINER));
    assert_eq!(tokens[1].container, None);
    // A name that is taken changes nothing.
    let secrets = TokenSecrets {
        pin: PinPolicy::None,
        ..token(event_mode())
    };
    let taken = rig.vault.insert_token(
        NewToken {
            name: "between",
            secrets: &secrets,
            pin: None,
            counter: 0,
            service: None,
            event: &event(EventKind::Enrolled),
        },
        Some(Membership {
            container: CONTAINER,
            replaces: Some(renewed),
        }),
    );
    assert_eq!(taken, Err(VaultError::NameTaken));
    assert_eq!(rig.vault.tokens().unwrap(), tokens);
}

#[test]
fn tokens_of_a_container_that_goes_stay_as_their_own() {
    let mut rig = with_container();
    let id = add(&mut rig, "first", "A", None);
    rig.vault
        .remove_container(CONTAINER, Some(&event(EventKind::ContainerUnregistered)))
        .unwrap();
    assert_eq!(rig.vault.containers().unwrap(), []);
    let rig = rig.reopened().unlocked();
    let tokens = rig.vault.tokens().unwrap();
    assert_eq!(
        (tokens[0].container, tokens[0].integrity),
        (None, Integrity::Sound)
    );
    assert!(rig.vault.token_secrets(id).is_ok());
    let mut rig = rig;
    assert_eq!(
        rig.vault.remove_container(CONTAINER, None),
        Err(VaultError::ContainerUnknown)
    );
}

#[test]
fn an_edited_container_is_damaged() {
    for sql in [
        "UPDATE containers SET url = 'https://evil.example'",
        "UPDATE containers SET facts = replace(facts, 'unverified_tls', 'plain_http')",
        "UPDATE containers SET facts = replace(facts, 'allowed', 'forbidden')",
        "UPDATE containers SET facts = '{}'",
        "UPDATE containers SET keys = x'00'",
        "UPDATE containers SET synced = 1",
    ] {
        let rig = with_container().tamper(sql).unlocked();
        assert_eq!(rig.vault.containers(), Err(VaultError::Damaged), "{sql}");
        assert_eq!(
            rig.vault.container_keys(CONTAINER).err(),
            Some(VaultError::Damaged),
            "{sql}"
        );
    }
}

/// A token that its service keeps must not become one that can be deleted, nor the other way round.
#[test]
fn where_a_token_belongs_cannot_be_edited() {
    for sql in [
        "UPDATE tokens SET container_id = NULL WHERE name = 'in'",
        "UPDATE tokens SET container_id = (SELECT container_id FROM containers) WHERE name = 'out'",
    ] {
        let mut rig = with_container();
        add(&mut rig, "in", "A", None);
        rig.add("out", time_mode());
        let mut rig = rig.tamper(sql);
        rig.vault.unlock(machine(keyring_key())).unwrap();
        let tokens = rig.vault.tokens().unwrap();
        let damaged = tokens
            .iter()
            .filter(|row| row.integrity == Integrity::Damaged);
        assert_eq!(damaged.count(), 1, "{sql}");
    }
}
