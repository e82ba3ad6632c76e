//! The audit log: rows that are only added. `audit_chain` links them.

use countersign_core::time::UnixMillis;
use rusqlite::params;
use serde::Serialize;

use super::{Rows, StoreError};

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
    TokenUnlocked,
    TokenRevoked,
    TokenDeleted,
    TokenResynchronised,
    EnrollmentRefused,
    RegistrationRefused,
    FrontAdded,
    FrontRemoved,
    RadiusSecretChanged,
    PasswordRefused,
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
    PasscodeReused,
    PushStopped,
    DeviceRevoked,
    HelpdeskCodeIssued,
    HelpdeskCodeUsed,
    HelpdeskCodeRefused,
    AuditPruned,
    EnrollmentLinkMade,
    EnrollmentLinkAsked,
    PolicyAdded,
    PolicyChanged,
    PolicyRemoved,
    RoleGiven,
    RoleTaken,
    OperatorLoggedIn,
    OperatorRefused,
    UserChanged,
}

impl AuditEvent {
    const ALL: [Self; 45] = [
        Self::GatewayInitialised,
        Self::UserAdded,
        Self::TokenIssued,
        Self::TokenProvisioned,
        Self::TokenRegistered,
        Self::TokenSuspended,
        Self::TokenResumed,
        Self::TokenUnlocked,
        Self::TokenRevoked,
        Self::TokenDeleted,
        Self::TokenResynchronised,
        Self::EnrollmentRefused,
        Self::RegistrationRefused,
        Self::FrontAdded,
        Self::FrontRemoved,
        Self::RadiusSecretChanged,
        Self::PasswordRefused,
        Self::LoginOpened,
        Self::LoginChanged,
        Self::LoginReported,
        Self::DecisionRefused,
        Self::PasscodeAccepted,
        Self::PasscodeRefused,
        Self::TypingLocked,
        Self::ServerPinRefused,
        Self::ServerPinLocked,
        Self::ServerPinChanged,
        Self::ServerPinReset,
        Self::PasscodeReused,
        Self::PushStopped,
        Self::DeviceRevoked,
        Self::HelpdeskCodeIssued,
        Self::HelpdeskCodeUsed,
        Self::HelpdeskCodeRefused,
        Self::AuditPruned,
        Self::EnrollmentLinkMade,
        Self::EnrollmentLinkAsked,
        Self::PolicyAdded,
        Self::PolicyChanged,
        Self::PolicyRemoved,
        Self::RoleGiven,
        Self::RoleTaken,
        Self::OperatorLoggedIn,
        Self::OperatorRefused,
        Self::UserChanged,
    ];

    /// The event of a stored word; none: a newer version wrote it.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }

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
            Self::TokenUnlocked => "token_unlocked",
            Self::TokenRevoked => "token_revoked",
            Self::TokenDeleted => "token_deleted",
            Self::TokenResynchronised => "token_resynchronised",
            Self::EnrollmentRefused => "enrollment_refused",
            Self::RegistrationRefused => "registration_refused",
            Self::FrontAdded => "front_added",
            Self::FrontRemoved => "front_removed",
            Self::RadiusSecretChanged => "radius_secret_changed",
            Self::PasswordRefused => "password_refused",
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
            Self::PasscodeReused => "passcode_reused",
            Self::PushStopped => "push_stopped",
            Self::DeviceRevoked => "device_revoked",
            Self::HelpdeskCodeIssued => "helpdesk_code_issued",
            Self::HelpdeskCodeUsed => "helpdesk_code_used",
            Self::HelpdeskCodeRefused => "helpdesk_code_refused",
            Self::AuditPruned => "audit_pruned",
            Self::EnrollmentLinkMade => "enrollment_link_made",
            Self::EnrollmentLinkAsked => "enrollment_link_asked",
            Self::PolicyAdded => "policy_added",
            Self::PolicyChanged => "policy_changed",
            Self::PolicyRemoved => "policy_removed",
            Self::RoleGiven => "role_given",
            Self::RoleTaken => "role_taken",
            Self::OperatorLoggedIn => "operator_logged_in",
            Self::OperatorRefused => "operator_refused",
            Self::UserChanged => "user_changed",
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

impl Rows<'_> {
    /// Adds a row.
    pub(crate) fn audit(
        self,
        at: UnixMillis,
        event: AuditEvent,
        subject: &str,
        detail: &str,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO audit (at_ms, event, subject, detail) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![at.0, event.as_str(), subject, detail])?;
        Ok(())
    }

    /// Adds a row about what an operator did.
    pub(crate) fn audit_by(
        self,
        operator: &str,
        at: UnixMillis,
        event: AuditEvent,
        subject: &str,
        detail: &str,
    ) -> Result<(), StoreError> {
        let detail = match detail {
            "" => format!("by {operator}"),
            detail => format!("by {operator}: {detail}"),
        };
        self.audit(at, event, subject, &detail)
    }

    /// Up to `limit` rows that come before row `before`, newest first.
    pub(crate) fn audit_before(
        self,
        before: i64,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, at_ms, event, subject, detail FROM audit WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![before, limit], entry)?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// Up to `limit` rows that follow row `after`, oldest first.
    pub(crate) fn audit_after(self, after: i64, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, at_ms, event, subject, detail FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )?;
        let rows = statement.query_map(params![after, limit], entry)?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }
}

pub(super) fn entry(row: &rusqlite::Row<'_>) -> Result<AuditEntry, rusqlite::Error> {
    Ok(AuditEntry {
        seq: row.get(0)?,
        at_ms: row.get(1)?,
        event: row.get(2)?,
        subject: row.get(3)?,
        detail: row.get(4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_has_a_word_of_its_own() {
        for event in AuditEvent::ALL {
            assert_eq!(AuditEvent::of(event.as_str()), Some(event));
        }
        assert_eq!(AuditEvent::of(""), None);
    }
}
