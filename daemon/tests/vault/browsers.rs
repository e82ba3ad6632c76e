//! Paired browsers, and where tokens are filled.

use countersign_core::{
    autofill::{Binding, Scope},
    ids::{ContainerId, TokenId},
    pairing::ExtensionKey,
    pskc::PinPolicy,
    signing::{key_from_bytes, public_to_spki_der},
    token::{PinAsking, TokenSecrets},
};
use countersign_proto::limits::{ORIGINS, PAIRINGS};
use countersignd::vault::{
    ContainerFacts, ContainerKeys, ContainerRow, EventKind, Membership, NewPairing, NewToken,
    VaultError,
};

use crate::rig::{NOW, Rig, event, event_mode, pin_key, time_mode, token};

fn pairing(number: u8, name: &str) -> NewPairing {
    let key = key_from_bytes(&[number; 32].into()).unwrap();
    let spki = public_to_spki_der(key.verifying_key()).unwrap();
    NewPairing {
        key: ExtensionKey::from_spki(&spki).unwrap(),
        name: name.to_owned(),
        browser: "Chromium 156".to_owned(),
    }
}

fn paired(rig: &mut Rig, number: u8, name: &str) -> countersignd::vault::PairingRow {
    let event = event(EventKind::BrowserPaired);
    rig.vault
        .add_pairing(&pairing(number, name), &event)
        .unwrap()
}

fn binding(text: &str, scope: Scope) -> Binding {
    Binding::new(text.parse().unwrap(), scope).unwrap()
}

fn bind(rig: &mut Rig, id: TokenId, text: &str) -> Result<(), VaultError> {
    let event = event(EventKind::OriginBound);
    rig.vault
        .bind_origin(id, binding(text, Scope::Origin), &event)
}

fn origins(rig: &Rig, place: usize) -> Vec<String> {
    let rows = rig.vault.tokens().unwrap();
    let row = rows.into_iter().nth(place).unwrap();
    let secrets = row.secrets.unwrap();
    secrets.origins.iter().map(ToString::to_string).collect()
}

#[test]
fn pairings_last_and_can_be_read_before_the_first_unlock() {
    let mut rig = Rig::new();
    let work = paired(&mut rig, 1, "Work");
    let home = paired(&mut rig, 2, "Home");
    // The same key again is the same browser, under a new name.
    let renamed = paired(&mut rig, 1, "Office");
    rig.vault.pairing_was_used(home.id, NOW).unwrap();
    let rig = rig.reopened();
    let rows = rig.vault.pairings().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["Home", "Office"]);
    assert_eq!(rows[0].used, Some(NOW));
    assert!(renamed.id > work.id);

    let mut rig = rig.unlocked();
    assert_eq!(rig.vault.pairings().unwrap(), rows);
    let event = event(EventKind::BrowserRevoked);
    rig.vault.remove_pairing(home.id, &event).unwrap();
    let again = rig.vault.remove_pairing(home.id, &event);
    assert_eq!(again, Err(VaultError::PairingUnknown));
}

#[test]
fn a_pairing_is_added_by_an_open_vault_only_and_their_number_is_bounded() {
    let mut rig = Rig::new();
    for number in 1..=u8::try_from(PAIRINGS).unwrap() {
        paired(&mut rig, number, "x");
    }
    let event = event(EventKind::BrowserPaired);
    let one_more = rig.vault.add_pairing(&pairing(200, "x"), &event);
    assert_eq!(one_more, Err(VaultError::LimitReached));
    rig.vault.lock();
    let locked = rig.vault.add_pairing(&pairing(1, "x"), &event);
    assert_eq!(locked, Err(VaultError::Locked));
}

#[test]
fn a_pairing_that_was_written_from_outside_is_none() {
    let mut rig = Rig::new();
    paired(&mut rig, 1, "Work");
    paired(&mut rig, 2, "Home");
    let rig = rig
        .tamper("UPDATE pairings SET name = 'Bank' WHERE name = 'Work'")
        .unlocked();
    let rows = rig.vault.pairings().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].name, "Home");
    let rig = rig
        .tamper("UPDATE pairings SET key = x'00' WHERE name = 'Home'")
        .unlocked();
    assert_eq!(rig.vault.pairings().unwrap(), []);
}

#[test]
fn where_a_token_is_filled_is_sealed_and_lasts() {
    let mut rig = Rig::new();
    let id = rig.add("first", time_mode());
    bind(&mut rig, id, "https://login.example.com").unwrap();
    bind(&mut rig, id, "https://login.example.com").unwrap();
    let wide = binding("https://a.example.org", Scope::Domain);
    let event = event(EventKind::OriginBound);
    rig.vault.bind_origin(id, wide.clone(), &event).unwrap();
    assert!(!rig.holds(b"login.example.com"));
    let rig = rig.reopened();
    assert!(rig.vault.tokens().unwrap()[0].secrets.is_none());
    let mut rig = rig.unlocked();
    assert_eq!(
        origins(&rig, 0),
        ["https://login.example.com", "https://*.example.org"]
    );
    rig.vault.unbind_origins(id, &[wide], &event).unwrap();
    assert_eq!(origins(&rig, 0), ["https://login.example.com"]);
    for number in 1..ORIGINS {
        bind(&mut rig, id, &format!("https://n{number}.example.com")).unwrap();
    }
    let one_more = bind(&mut rig, id, "https://more.example.com");
    assert_eq!(one_more, Err(VaultError::LimitReached));
    rig.vault.lock();
    assert_eq!(
        bind(&mut rig, id, "https://x.example"),
        Err(VaultError::Locked)
    );
}

/// Neither a binding nor how often the PIN is asked for shows a PIN: no try comes back by them.
#[test]
fn what_shows_no_pin_gives_no_try_back() {
    let mut rig = Rig::new();
    let id = rig.add("first", time_mode());
    let wrong = event(EventKind::PinWrong);
    let before = rig.vault.tokens().unwrap()[0].tries_left.unwrap();
    rig.vault.begin_pin_attempt(id, &wrong).unwrap();
    rig.vault
        .finish_pin_attempt(id, &pin_key(b"135791"), None, &wrong, &wrong)
        .unwrap();
    bind(&mut rig, id, "https://login.example.com").unwrap();
    rig.vault
        .set_asking(id, PinAsking::EveryTime, &wrong)
        .unwrap();
    let left = rig.vault.tokens().unwrap()[0].tries_left.unwrap();
    assert_eq!(left, before - 1);
}

#[test]
fn a_renewed_token_is_filled_where_the_former_was() {
    let mut rig = Rig::new();
    let container = ContainerId([7; 16]);
    let row = ContainerRow {
        id: container,
        name: "Example".to_owned(),
        serial: "SMPH1".to_owned(),
        url: "https://pi.example".to_owned(),
        facts: ContainerFacts {
            standing: countersign_core::privacyidea::container::Standing::Registered,
            transport: countersign_core::privacyidea::Transport::Verified,
            server_key: None,
            policies: countersign_core::privacyidea::container::ContainerPolicies::default(),
        },
        synced: None,
    };
    let keys = ContainerKeys::default();
    rig.vault.put_container(&row, Some(&keys), None).unwrap();
    let secrets = TokenSecrets {
        pin: PinPolicy::None,
        ..token(event_mode())
    };
    let enrolled = event(EventKind::Enrolled);
    let new = NewToken {
        name: "first",
        secrets: &secrets,
        pin: None,
        counter: 0,
        service: None,
        event: &enrolled,
    };
    let membership = |replaces| {
        Some(Membership {
            container,
            replaces,
        })
    };
    let id = rig.vault.insert_token(new, membership(None)).unwrap();
    bind(&mut rig, id, "https://login.example.com").unwrap();
    rig.vault.insert_token(new, membership(Some(id))).unwrap();
    assert_eq!(origins(&rig, 0), ["https://login.example.com"]);
}
