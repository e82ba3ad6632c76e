//! Activations: what an activation string stands for, until its token is active.

use countersign_core::{secret::SecretBytes, time::UnixMillis};
use rusqlite::{OptionalExtension as _, params};

use super::{Rows, StoreError};

/// An activation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activation {
    /// The code in the enrollment URL.
    pub code: String,
    /// The token that it activates.
    pub serial: String,
    /// The passphrase in the activation string.
    pub passphrase: SecretBytes,
    /// Good until then.
    pub expires: UnixMillis,
    /// When DSKPP first succeeded.
    pub first_run: Option<UnixMillis>,
    /// How often DSKPP has succeeded.
    pub runs: u32,
    /// How often the authentication code was wrong.
    pub failures: u32,
}

impl Rows<'_> {
    /// Adds an activation; a former one of the same token is gone.
    pub(crate) fn put_activation(self, activation: &Activation) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM activation WHERE serial = ?1")?
            .execute([&activation.serial])?;
        self.connection
            .prepare_cached(
                "INSERT INTO activation (code, serial, passphrase_sealed, expires_ms) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                activation.code,
                activation.serial,
                self.key
                    .seal("passphrase", &activation.code, &activation.passphrase)?,
                activation.expires.0,
            ])?;
        Ok(())
    }

    /// The activation of that code.
    pub(crate) fn activation(self, code: &str) -> Result<Option<Activation>, StoreError> {
        let row = self
            .connection
            .prepare_cached(
                "SELECT serial, passphrase_sealed, expires_ms, first_run_ms, runs, failures
                 FROM activation WHERE code = ?1",
            )?
            .query_row([code], |row| {
                let sealed: Vec<u8> = row.get(1)?;
                let first_run: Option<i64> = row.get(3)?;
                let activation = Activation {
                    code: code.to_owned(),
                    serial: row.get(0)?,
                    passphrase: SecretBytes::default(),
                    expires: UnixMillis(row.get(2)?),
                    first_run: first_run.map(UnixMillis),
                    runs: row.get(4)?,
                    failures: row.get(5)?,
                };
                Ok((activation, sealed))
            })
            .optional()?;
        row.map(|(activation, sealed)| {
            Ok(Activation {
                passphrase: self.key.open("passphrase", code, &sealed)?,
                ..activation
            })
        })
        .transpose()
    }

    /// DSKPP has succeeded once more.
    pub(crate) fn count_run(self, code: &str, at: UnixMillis) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE activation SET runs = runs + 1, first_run_ms = coalesce(first_run_ms, ?2) WHERE code = ?1",
            )?
            .execute(params![code, at.0])?;
        Ok(())
    }

    /// A wrong authentication code was given.
    pub(crate) fn count_activation_failure(self, code: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE activation SET failures = failures + 1 WHERE code = ?1")?
            .execute([code])?;
        Ok(())
    }

    /// The token is active or gone: its activation string is used up.
    pub(crate) fn remove_activation_of(self, serial: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM activation WHERE serial = ?1")?
            .execute([serial])?;
        Ok(())
    }
}
