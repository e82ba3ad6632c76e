//! What needs a look inside: a database that cannot grow, and keys that must be gone.

use countersign_core::{
    otp::{Digits, HashAlgorithm, OtpMode},
    pskc::PinPolicy,
    secret::SecretBytes,
    token::{KeyHolder, PinAsking, PushPolicy, TokenKeys, TokenSecrets},
};
use tempfile::TempDir;

use super::*;

fn event() -> NewEvent {
    NewEvent {
        at: UnixMillis(0),
        kind: EventKind::PasscodeGenerated,
        token: String::new(),
        // Long, so that the file has to grow soon.
        detail: "d".repeat(EVENT_DETAIL),
    }
}

fn token() -> TokenSecrets {
    TokenSecrets {
        mode: Some(OtpMode::Event {
            hash: HashAlgorithm::Sha1,
            digits: Digits::SIX,
        }),
        issuer: String::new(),
        user: String::new(),
        serial: String::new(),
        pin: PinPolicy::None,
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
    }
}

fn vault() -> (TempDir, Vault) {
    let folder = TempDir::new().unwrap();
    let mut vault = Vault::open(folder.path().join("countersign/vault.db"), [1; 32]);
    let key = SecretBytes::from([2; 32]);
    let source = SlotSource::Machine {
        place: KeyPlace::Keyring("test".to_owned()),
        key,
        pin: None,
    };
    vault
        .create(source, UnlockMode::Session, UnixMillis(0))
        .unwrap();
    (folder, vault)
}

#[test]
fn a_full_disk_uses_no_counter() {
    let (_folder, mut vault) = vault();
    let id = vault
        .add_token("vpn", &token(), None, 0, None, &event())
        .unwrap();
    let limit = |vault: &Vault, pages: i64| {
        vault
            .opened()
            .unwrap()
            .database
            .pragma_update(None, "max_page_count", pages)
            .unwrap();
    };
    // SQLite takes a smaller limit as "the size that it has now".
    limit(&vault, 1);
    let mut last = None;
    let refusal = loop {
        match vault.take_counter(id, &event()) {
            Ok(counter) => last = Some(counter),
            Err(error) => break error,
        }
    };
    assert_eq!(refusal, VaultError::StorageFull);
    assert_eq!(
        vault.add_token("mail", &token(), None, 0, None, &event()),
        Err(VaultError::StorageFull)
    );
    assert_eq!(vault.state(), VaultState::Unlocked);
    let expected = last.map_or(0, |last| last + 1);
    assert_eq!(
        vault.tokens().unwrap().first().unwrap().counter,
        Some(expected)
    );
    limit(&vault, 1_000_000);
    assert_eq!(vault.take_counter(id, &event()), Ok(expected));
}

#[test]
fn the_settings_are_in_force() {
    let (_folder, vault) = vault();
    let database = &vault.opened().unwrap().database;
    let number = |name: &str| -> i64 {
        database
            .pragma_query_value(None, name, |row| row.get(0))
            .unwrap()
    };
    let text = |name: &str| -> String {
        database
            .pragma_query_value(None, name, |row| row.get(0))
            .unwrap()
    };
    assert_eq!(text("journal_mode"), "wal");
    assert_eq!(number("synchronous"), 2, "FULL");
    assert_eq!(number("secure_delete"), 1);
    assert_eq!(number("foreign_keys"), 1);
    assert_eq!(number("trusted_schema"), 0);
    let strict: i64 = database
        .query_row(
            "SELECT count(*) FROM pragma_table_list
             WHERE schema = 'main' AND name NOT LIKE 'sqlite%' AND strict = 0",
            (),
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(strict, 0, "every table is STRICT");
}

#[test]
fn a_lock_drops_the_decision_tier_and_a_close_both() {
    let (_folder, mut vault) = vault();
    let tiers = |vault: &Vault| {
        let opened = vault.opened().unwrap();
        (opened.channel.is_some(), opened.decision.is_some())
    };
    assert_eq!(tiers(&vault), (true, true));
    vault.lock();
    assert_eq!(tiers(&vault), (true, false));
    vault.close();
    assert_eq!(tiers(&vault), (false, false));
    assert_eq!(vault.state(), VaultState::Locked);
}
