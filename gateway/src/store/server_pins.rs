//! Server PINs at rest: what a PIN is compared with, wrong tries, the order of changes.
//!
//! A PIN that is only compared is kept as HMAC-SHA-256 under a random pepper, which is sealed under the master
//! key as the token's own: whoever has the database without the key has nothing to guess against. A PIN that
//! enters an OCRA computation is kept as the suite's hash of it, sealed, because the value itself is needed.

use aws_lc_rs::hmac;
use countersign_core::{
    secret::{SecretBytes, SecretText},
    time::UnixMillis,
};
use rusqlite::{OptionalExtension as _, params};

use super::{Rows, StoreError, to_row};
use crate::random::SystemRandom;

const PEPPER: &str = "server PIN pepper";
const PIN_HASH: &str = "PIN hash";
/// Length of a pepper, in bytes: that of the MAC.
const PEPPER_LEN: usize = 32;

impl Rows<'_> {
    /// Keeps a new server PIN; a former one is gone, and so is its pepper.
    pub(crate) fn put_server_pin(self, serial: &str, pin: &SecretText) -> Result<(), StoreError> {
        let pepper = SecretBytes::from(SystemRandom::bytes::<PEPPER_LEN>());
        let mac = hmac::sign(&key(&pepper), pin.expose().as_bytes());
        self.connection
            .prepare_cached(
                "UPDATE token SET server_pin_pepper_sealed = ?2, server_pin_mac = ?3 WHERE serial = ?1",
            )?
            .execute(params![
                serial,
                self.key.seal(PEPPER, serial, &pepper)?,
                mac.as_ref()
            ])?;
        Ok(())
    }

    /// Is it the server PIN? Compared in constant time. `None`: there is none to compare with.
    pub(crate) fn is_server_pin(
        self,
        serial: &str,
        pin: &SecretText,
    ) -> Result<Option<bool>, StoreError> {
        let kept = self
            .connection
            .prepare_cached(
                "SELECT server_pin_pepper_sealed, server_pin_mac FROM token WHERE serial = ?1",
            )?
            .query_row([serial], |row| {
                let pepper: Option<Vec<u8>> = row.get(0)?;
                let mac: Option<Vec<u8>> = row.get(1)?;
                Ok(pepper.zip(mac))
            })
            .optional()?
            .flatten();
        let Some((pepper, mac)) = kept else {
            return Ok(None);
        };
        let pepper = self.key.open(PEPPER, serial, &pepper)?;
        Ok(Some(
            hmac::verify(&key(&pepper), pin.expose().as_bytes(), &mac).is_ok(),
        ))
    }

    /// Keeps the hash of a PIN as the token's OCRA suite wants it.
    pub(crate) fn put_pin_hash(self, serial: &str, hash: &SecretBytes) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE token SET pin_hash_sealed = ?2 WHERE serial = ?1")?
            .execute(params![serial, self.key.seal(PIN_HASH, serial, hash)?])?;
        Ok(())
    }

    /// The hash of the PIN that enters the token's OCRA computation.
    pub(crate) fn pin_hash(self, serial: &str) -> Result<Option<SecretBytes>, StoreError> {
        self.token_secret("pin_hash_sealed", PIN_HASH, serial)
    }

    /// Forgets the PIN, whatever it is for; wrong tries and the lock with it.
    pub(crate) fn reset_pin(self, serial: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE token SET server_pin_pepper_sealed = NULL, server_pin_mac = NULL,
                   pin_hash_sealed = NULL, pin_failures = 0, pin_locked_until_ms = NULL
                 WHERE serial = ?1",
            )?
            .execute([serial])?;
        Ok(())
    }

    /// Sets how many wrong PINs came since the last right one, and until when the PIN is locked.
    pub(crate) fn put_pin_tries(
        self,
        serial: &str,
        failures: u32,
        locked_until: Option<UnixMillis>,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE token SET pin_failures = ?2, pin_locked_until_ms = ?3 WHERE serial = ?1",
            )?
            .execute(params![serial, failures, locked_until.map(|at| at.0)])?;
        Ok(())
    }

    /// A change of the PIN with this sequence has been looked at: no older one is, ever again.
    pub(crate) fn raise_pin_sequence(self, serial: &str, sequence: u64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE token SET pin_sequence = max(pin_sequence, ?2) WHERE serial = ?1",
            )?
            .execute(params![serial, to_row(sequence)])?;
        Ok(())
    }
}

fn key(pepper: &SecretBytes) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, pepper.expose())
}
