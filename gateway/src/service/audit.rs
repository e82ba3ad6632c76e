//! The audit log in the administrator's hands: read, checked, marked, pruned.

use countersign_core::{
    audit_chain::{self, Mark, MarkError, MarkKind},
    time::UnixMillis,
};
use p256::ecdsa::VerifyingKey;

use super::{Operator, Service, ServiceError};
use crate::store::{AuditBreak, AuditEntry, AuditEvent, StoreError, Verified};

/// Why nothing was found out about the audit log, or nothing was pruned.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It does not hold together.
    #[error(transparent)]
    Broken(#[from] AuditBreak),
    /// The head is not one of this gateway.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// No whole batch is as old as that.
    #[error("no row of the audit log is that old")]
    NothingToPrune,
    /// The database failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

/// What was pruned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The last row that is gone.
    pub last: u64,
    /// The signed mark from which the log goes on.
    pub mark: String,
}

impl Service {
    /// Up to `limit` rows of the audit log that follow row `after`, oldest first.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn audit_after(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, ServiceError> {
        let entries = self
            .store()
            .read(move |rows| rows.audit_after(after, limit))
            .await?;
        Ok(entries)
    }

    /// Up to `limit` rows of the audit log that come before row `before`, newest first.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn audit_before(
        &self,
        before: i64,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, ServiceError> {
        let entries = self
            .store()
            .read(move |rows| rows.audit_before(before, limit))
            .await?;
        Ok(entries)
    }

    /// Checks that the audit log holds together, and that it holds what an exported head says.
    ///
    /// # Errors
    ///
    /// [`AuditError::Broken`], [`AuditError::Mark`], or the database failed.
    pub async fn verify_audit(&self, head: Option<&str>) -> Result<Verified, AuditError> {
        let key = VerifyingKey::from(&self.keys().identity);
        let head = head
            .map(|text| audit_chain::read(&key, MarkKind::Head, text))
            .transpose()?;
        if head.is_some_and(|head| head.service != self.keys().service) {
            return Err(AuditBreak::ForeignHead.into());
        }
        let verified = self
            .store()
            .read(move |rows| rows.verify_audit(&key, head.as_ref()))
            .await?;
        Ok(verified?)
    }

    /// The signed head of the audit log as it is now: to be kept on another machine.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn audit_head(&self) -> Result<String, ServiceError> {
        let last = self.store().read(|rows| rows.last_audit_link()).await?;
        let mark = Mark {
            service: self.keys().service,
            link: last.number,
            row: last.last,
            hash: last.hash,
            at: self.now(),
        };
        Ok(audit_chain::sign(
            &self.keys().identity,
            MarkKind::Head,
            &mark,
        ))
    }
}

impl Operator {
    /// Removes the batches of rows that are older than `before`, after the whole log has been checked, and signs where
    /// it goes on.
    ///
    /// # Errors
    ///
    /// Every variant of [`AuditError`]; then nothing was removed.
    pub async fn prune_audit(&self, before: UnixMillis) -> Result<Pruned, AuditError> {
        let service = self.service();
        let verified = service.verify_audit(None).await?;
        let (now, operator) = (service.now(), self.name().to_owned());
        let before = UnixMillis(before.0.min(now.0));
        let (id, key) = (service.keys().service, service.keys().identity.clone());
        let pruned = service
            .store()
            .write(move |rows| {
                let Some(link) = rows
                    .audit_link_before(before)?
                    .filter(|link| link.last > verified.pruned)
                else {
                    return Ok(None);
                };
                let mark = Mark {
                    service: id,
                    link: link.number,
                    row: link.last,
                    hash: link.hash,
                    at: now,
                };
                let mark = audit_chain::sign(&key, MarkKind::Checkpoint, &mark);
                rows.prune_audit(link, &mark)?;
                let detail = format!(
                    "rows {} to {}",
                    verified.pruned.saturating_add(1),
                    link.last
                );
                rows.audit_by(&operator, now, AuditEvent::AuditPruned, "", &detail)?;
                Ok(Some(Pruned {
                    last: link.last,
                    mark,
                }))
            })
            .await?;
        pruned.ok_or(AuditError::NothingToPrune)
    }
}
