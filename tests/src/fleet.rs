//! Thousands of agents at one gateway: who they are, and the rows that make the gateway know them.
//!
//! The program `fleet` is all of them in one process. Only what a stream needs is there: they were never enrolled,
//! and have no seeds.

use std::path::Path;

use anyhow::Result;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use countersign_core::{
    ids::DeviceId,
    signing::{self, Label},
};
use p256::ecdsa::SigningKey;
use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

/// One agent, by its number.
#[derive(Clone, Copy, Debug)]
pub struct Member(pub u32);

/// What a member signs with.
#[derive(Debug)]
pub struct ChannelKey(EcdsaKeyPair);

impl Member {
    /// Whose token it holds.
    #[must_use]
    pub fn user(self) -> String {
        format!("member{}", self.0)
    }

    /// Its token.
    #[must_use]
    pub fn serial(self) -> String {
        format!("CSFLEET{:06}", self.0)
    }

    /// The device that it is.
    #[must_use]
    pub fn device(self) -> DeviceId {
        let mut id = [0xf1; 16];
        id[..4].copy_from_slice(&self.0.to_be_bytes());
        DeviceId(id)
    }

    fn signing_key(self) -> Result<SigningKey> {
        let secret = Sha256::digest(format!("a member of the fleet: {}", self.0));
        Ok(SigningKey::from_slice(&secret)?)
    }

    /// Its key, in the library that signs fastest: the load must not weigh more than what is measured.
    ///
    /// # Errors
    ///
    /// The key is none: never.
    pub fn channel_key(self) -> Result<ChannelKey> {
        let key = self.signing_key()?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &key.to_bytes(),
            &signing::public_to_sec1(key.verifying_key()),
        )?;
        Ok(ChannelKey(pair))
    }
}

impl ChannelKey {
    /// Signs a Hello.
    ///
    /// # Errors
    ///
    /// No random bytes.
    pub fn sign_hello(&self, body: &[u8]) -> Result<Vec<u8>> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let input = signing::signing_input(Label::Hello, body);
        Ok(self.0.sign(&random, &input)?.as_ref().to_vec())
    }
}

/// Makes the gateway in `data`, which is not serving, know members 0 to `count`: each is one user with one active
/// push token.
///
/// # Errors
///
/// The database does not take them.
pub fn enlist(data: &Path, count: u32) -> Result<()> {
    let mut database = Connection::open(data.join("gateway.db"))?;
    let transaction = database.transaction()?;
    for member in (0..count).map(Member) {
        let public = signing::public_to_sec1(member.signing_key()?.verifying_key());
        transaction
            .prepare_cached("INSERT INTO user (name, password, created_ms) VALUES (?1, '', 0)")?
            .execute([member.user()])?;
        let user = transaction.last_insert_rowid();
        transaction
            .prepare_cached(
                "INSERT INTO device (device_id, channel_key, name, created_ms) VALUES (?1, ?2, 'fleet', 0)",
            )?
            .execute(params![member.device().as_bytes(), public])?;
        transaction
            .prepare_cached(
                r#"INSERT INTO token (serial, user_id, state, mode, pin_policy, push, device_id, decision_key, created_ms)
                   VALUES (?1, ?2, 'active', '{"kind":"time","hash":"sha1","digits":6,"period":30}', '"none"',
                     '{"allowed":"click"}', ?3, ?4, 0)"#,
            )?
            .execute(params![member.serial(), user, member.device().as_bytes(), public])?;
    }
    Ok(transaction.commit()?)
}
