//! The audit log: rows that are only added, each hash over the one before.

use countersign_core::time::UnixMillis;
use rusqlite::{OptionalExtension as _, params};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Rows, StoreError, to_row};

/// What happened. The word is stored and printed; words are never reused for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it, and are the stored words")]
pub enum AuditEvent {
    GatewayInitialised,
    UserAdded,
    TokenIssued,
    TokenProvisioned,
    TokenRegistered,
    TokenSuspended,
    TokenResumed,
    TokenRevoked,
    TokenDeleted,
    TokenResynchronised,
    EnrollmentRefused,
    RegistrationRefused,
    FrontAdded,
    FrontRemoved,
    LoginOpened,
    LoginChanged,
    LoginReported,
    DecisionRefused,
    PasscodeAccepted,
    PasscodeRefused,
    TypingLocked,
    ServerPinRefused,
    ServerPinLocked,
    ServerPinChanged,
    ServerPinReset,
}

impl AuditEvent {
    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GatewayInitialised => "gateway_initialised",
            Self::UserAdded => "user_added",
            Self::TokenIssued => "token_issued",
            Self::TokenProvisioned => "token_provisioned",
            Self::TokenRegistered => "token_registered",
            Self::TokenSuspended => "token_suspended",
            Self::TokenResumed => "token_resumed",
            Self::TokenRevoked => "token_revoked",
            Self::TokenDeleted => "token_deleted",
            Self::TokenResynchronised => "token_resynchronised",
            Self::EnrollmentRefused => "enrollment_refused",
            Self::RegistrationRefused => "registration_refused",
            Self::FrontAdded => "front_added",
            Self::FrontRemoved => "front_removed",
            Self::LoginOpened => "login_opened",
            Self::LoginChanged => "login_changed",
            Self::LoginReported => "login_reported",
            Self::DecisionRefused => "decision_refused",
            Self::PasscodeAccepted => "passcode_accepted",
            Self::PasscodeRefused => "passcode_refused",
            Self::TypingLocked => "typing_locked",
            Self::ServerPinRefused => "server_pin_refused",
            Self::ServerPinLocked => "server_pin_locked",
            Self::ServerPinChanged => "server_pin_changed",
            Self::ServerPinReset => "server_pin_reset",
        }
    }
}

/// One row of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Number of the row, from 1, without gaps.
    pub seq: i64,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// What.
    pub event: String,
    /// To whom or what: a user, a serial, a transaction.
    pub subject: String,
    /// In which way.
    pub detail: String,
}

/// Where the audit log does not hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditBreak {
    /// The first row that does not follow from the one before.
    pub seq: i64,
}

impl Rows<'_> {
    /// Adds a row.
    pub(crate) fn audit(
        self,
        at: UnixMillis,
        event: AuditEvent,
        subject: &str,
        detail: &str,
    ) -> Result<(), StoreError> {
        let (seq, before) = self
            .connection
            .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?
            .query_row([], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
            })
            .optional()?
            .unwrap_or_default();
        let entry = AuditEntry {
            seq: seq.saturating_add(1),
            at_ms: at.0,
            event: event.as_str().to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_owned(),
        };
        self.connection
            .prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![
                entry.seq,
                entry.at_ms,
                entry.event,
                entry.subject,
                entry.detail,
                link(&before, &entry)
            ])?;
        Ok(())
    }

    /// Up to `limit` rows that follow row `after`, oldest first.
    pub(crate) fn audit_after(self, after: i64, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, at_ms, event, subject, detail FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )?;
        let rows = statement.query_map(params![after, limit], entry)?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// How many rows there are, if they hold together.
    pub(crate) fn verify_audit(&self) -> Result<Result<i64, AuditBreak>, StoreError> {
        let mut statement = self
            .connection
            .prepare("SELECT seq, at_ms, event, subject, detail, hash FROM audit ORDER BY seq")?;
        let mut rows = statement.query([])?;
        let mut before: Vec<u8> = Vec::new();
        let mut last = 0_i64;
        while let Some(row) = rows.next()? {
            let entry = entry(row)?;
            let hash: Vec<u8> = row.get(5)?;
            if entry.seq != last.saturating_add(1) || hash != link(&before, &entry) {
                return Ok(Err(AuditBreak { seq: entry.seq }));
            }
            last = entry.seq;
            before = hash;
        }
        Ok(Ok(last))
    }
}

fn entry(row: &rusqlite::Row<'_>) -> Result<AuditEntry, rusqlite::Error> {
    Ok(AuditEntry {
        seq: row.get(0)?,
        at_ms: row.get(1)?,
        event: row.get(2)?,
        subject: row.get(3)?,
        detail: row.get(4)?,
    })
}

fn link(before: &[u8], entry: &AuditEntry) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(entry.seq.to_be_bytes());
    hash.update(entry.at_ms.to_be_bytes());
    for text in [&entry.event, &entry.subject, &entry.detail] {
        // Lengths first, so that no two rows hash the same bytes.
        hash.update(to_row(u64::try_from(text.len()).unwrap_or(u64::MAX)).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MasterKey, schema};
    use rusqlite::Connection;

    fn log(count: i64) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let rows = Rows {
            connection: &connection,
            key: &MasterKey::new(&[0; 32]),
        };
        for at in 0..count {
            rows.audit(UnixMillis(at), AuditEvent::UserAdded, "ada", "")
                .unwrap();
        }
        connection
    }

    fn verify(connection: &Connection) -> Option<Result<i64, AuditBreak>> {
        Rows {
            connection,
            key: &MasterKey::new(&[0; 32]),
        }
        .verify_audit()
        .ok()
    }

    #[test]
    fn a_changed_or_missing_row_is_found() {
        assert_eq!(verify(&log(0)), Some(Ok(0)));
        assert_eq!(verify(&log(5)), Some(Ok(5)));
        for (change, seq) in [
            ("UPDATE audit SET subject = 'eve' WHERE seq = 3", 3),
            (
                "UPDATE audit SET detail = 'ada', subject = '' WHERE seq = 1",
                1,
            ),
            ("DELETE FROM audit WHERE seq = 2", 3),
            ("UPDATE audit SET at_ms = 9 WHERE seq = 5", 5),
        ] {
            let connection = log(5);
            connection.execute(change, []).unwrap();
            assert_eq!(
                verify(&connection),
                Some(Err(AuditBreak { seq })),
                "{change}"
            );
        }
    }
}
