//! Tables, and how an older database becomes a newer one: one script a version, each in one transaction.

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

const MIGRATIONS: [&str; 6] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
];

pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > newest() {
        return Err(StoreError::Newer);
    }
    for (script, step) in MIGRATIONS.into_iter().zip(1_u32..) {
        if step > version {
            transaction.execute_batch(script)?;
        }
    }
    transaction.pragma_update(None, "user_version", newest())?;
    transaction.commit()?;
    Ok(())
}

fn newest() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use countersign_core::{
        otp::{Digits, HashAlgorithm, OtpMode},
        pskc::PinPolicy,
        secret::SecretBytes,
    };
    use rusqlite::params;

    use super::*;
    use crate::store::{MasterKey, PinStanding, Store, TokenState};

    /// A database as version 1 left it, with an active token and a login that is open.
    fn version_1(connection: &Connection, key: &MasterKey) {
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        let seed = key.seal("seed", "CSOLD", &SecretBytes::from([7; 20]));
        connection
            .execute_batch(
                r#"INSERT INTO user VALUES (1, 'ada', '', 0);
                   INSERT INTO device VALUES (x'00112233445566778899aabbccddeeff', x'04', 'a desk', 0);
                   INSERT INTO token (serial, user_id, state, mode, pin_type, push, device_id,
                     decision_key, next_counter, typing_failures, created_ms)
                   VALUES ('CSOLD', 1, 'active', '{"kind":"event","hash":"sha1","digits":6}', '"none"',
                     '{"allowed":"pin"}', x'00112233445566778899aabbccddeeff', x'04', 42, 3, 5);
                   INSERT INTO login VALUES ('T', 1, 1, 'r', 'c', NULL, NULL, 'pending', 0, 9, NULL);
                   INSERT INTO request VALUES (x'00112233445566778899aabbccddeeff', 'T', 'CSOLD', '123',
                     NULL, NULL, NULL);"#,
            )
            .unwrap();
        connection
            .execute("UPDATE token SET seed_sealed = ?1", params![seed.unwrap()])
            .unwrap();
    }

    #[tokio::test]
    async fn a_database_from_before_pin_types_keeps_working() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.db");
        let key = || MasterKey::new(&[3; 32]);
        let before = Connection::open(&path).unwrap();
        version_1(&before, &key());
        drop(before);
        for _ in 0..2 {
            let store = Store::open(&path, key()).unwrap();
            let (token, seed, requests) = store
                .read(|rows| {
                    let token = rows.token("CSOLD")?.unwrap();
                    Ok((token, rows.seed("CSOLD")?.unwrap(), rows.requests_of("T")?))
                })
                .await
                .unwrap();
            assert_eq!(token.state, TokenState::Active);
            assert_eq!(token.pin, PinPolicy::None);
            assert_eq!(token.pin_standing, PinStanding::None);
            assert_eq!((token.next_counter, token.typing_failures), (42, 3));
            assert_eq!((token.pin_failures, token.pin_sequence), (0, 0));
            let mode = OtpMode::Event {
                hash: HashAlgorithm::Sha1,
                digits: Digits::SIX,
            };
            assert_eq!(token.mode, mode);
            assert_eq!(seed, SecretBytes::from([7; 20]));
            assert_eq!(requests[0].challenge, "123");
            assert!(!requests[0].challenge_used);
        }
    }

    #[test]
    fn a_newer_database_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        connection
            .pragma_update(None, "user_version", newest() + 1)
            .unwrap();
        assert!(matches!(migrate(&mut connection), Err(StoreError::Newer)));
    }
}
