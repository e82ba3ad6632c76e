//! What has been decided and signed and waits for the service's word. Frames hold passcodes, so they are
//! sealed; they are channel tier, so that a locked agent can send them again byte for byte.

use countersign_core::{
    ids::{LoginRequestId, ServiceId},
    seal::SealContext,
    secret::SecretBytes,
    time::UnixMillis,
};
use countersign_proto::limits;
use rusqlite::{ErrorCode, Transaction, params};

use super::{
    Vault, VaultError, database,
    events::NewEvent,
    random,
    requests::{RequestState, append, set_state},
    tier::ChannelTier,
    words::{Word, read},
};

/// What a waiting frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutboxKind {
    /// An approve or deny.
    Decision,
    /// "It wasn't me!"
    Report,
}

impl OutboxKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Report => "report",
        }
    }

    const fn context(self, service: ServiceId, request: LoginRequestId) -> SealContext {
        match self {
            Self::Decision => SealContext::Decision(service, request),
            Self::Report => SealContext::Report(service, request),
        }
    }
}

impl Word for OutboxKind {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "decision" => Some(Self::Decision),
            "report" => Some(Self::Report),
            _ => None,
        }
    }
}

/// A frame that waits for the service's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// About this request.
    pub request: LoginRequestId,
    /// What it is.
    pub kind: OutboxKind,
    /// The bytes, as they were signed.
    pub frame: SecretBytes,
}

/// What a frame belongs to.
#[derive(Clone, Copy)]
struct Addressed {
    request: LoginRequestId,
    service: ServiceId,
    kind: OutboxKind,
}

impl Vault {
    /// Keeps a decision before it is sent, and notes the request as [`RequestState::Sending`]. The first
    /// decision of a request stands. Also while locked.
    ///
    /// # Errors
    ///
    /// [`VaultError::RequestAnswered`] when it has one, [`VaultError::RequestUnknown`],
    /// [`VaultError::TooLong`], [`VaultError::Locked`] before the first unlock, storage errors.
    pub fn save_decision(
        &mut self,
        request: LoginRequestId,
        service: ServiceId,
        frame: &SecretBytes,
        now: UnixMillis,
        event: Option<&NewEvent>,
    ) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let keys = opened.channel()?;
        let transaction = opened.begin()?;
        set_state(&transaction, request, RequestState::Sending, "")?;
        let addressed = Addressed {
            request,
            service,
            kind: OutboxKind::Decision,
        };
        insert(&transaction, keys, addressed, frame, now)?;
        append(&transaction, event)?;
        transaction.commit()?;
        Ok(())
    }

    /// Keeps a report before it is sent, and marks the request as reported. Also while locked; repeated,
    /// it changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Vault::save_decision`], without [`VaultError::RequestAnswered`].
    pub fn save_report(
        &mut self,
        request: LoginRequestId,
        service: ServiceId,
        frame: &SecretBytes,
        now: UnixMillis,
        event: Option<&NewEvent>,
    ) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let keys = opened.channel()?;
        let transaction = opened.begin()?;
        let marked = transaction.execute(
            "UPDATE login_requests SET reported = 1 WHERE request_id = ?1",
            params![request.as_bytes()],
        )?;
        if marked == 0 {
            return Err(VaultError::RequestUnknown);
        }
        let addressed = Addressed {
            request,
            service,
            kind: OutboxKind::Report,
        };
        match insert(&transaction, keys, addressed, frame, now) {
            Ok(()) => {}
            Err(VaultError::RequestAnswered) => return Ok(()),
            Err(error) => return Err(error),
        }
        append(&transaction, event)?;
        transaction.commit()?;
        Ok(())
    }

    /// Marks a request as reported, at a service that takes no reports. Also while locked.
    ///
    /// # Errors
    ///
    /// [`VaultError::RequestUnknown`], storage errors.
    pub fn note_report(
        &mut self,
        request: LoginRequestId,
        event: &NewEvent,
    ) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        let marked = transaction.execute(
            "UPDATE login_requests SET reported = 1 WHERE request_id = ?1",
            params![request.as_bytes()],
        )?;
        if marked == 0 {
            return Err(VaultError::RequestUnknown);
        }
        append(&transaction, Some(event))?;
        transaction.commit()?;
        Ok(())
    }

    /// What waits for the word of `service`, oldest first. Also while locked.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`] before the first unlock, [`VaultError::Damaged`], storage errors.
    pub fn outbox(&self, service: ServiceId) -> Result<Vec<Waiting>, VaultError> {
        let opened = self.opened()?;
        let keys = opened.channel()?;
        let mut statement = opened.database.prepare_cached(
            "SELECT request_id, kind, frame FROM outbox WHERE service_id = ?1 ORDER BY rowid",
        )?;
        let mut rows = statement.query(params![service.as_bytes()])?;
        let mut waiting = Vec::new();
        while let Some(row) = rows.next()? {
            let request = LoginRequestId(row.get(0)?);
            let kind: OutboxKind = read(row.get_ref(1)?).map_err(|_word| VaultError::Damaged)?;
            let sealed: Vec<u8> = row.get(2)?;
            let frame = keys.outbox.open(kind.context(service, request), &sealed)?;
            waiting.push(Waiting {
                request,
                kind,
                frame,
            });
        }
        Ok(waiting)
    }

    /// The service has said what became of the decision, or the request is over: the frame is erased and
    /// the state noted, together. Also while locked, and when nothing waits.
    ///
    /// # Errors
    ///
    /// [`VaultError::RequestUnknown`], storage errors.
    pub fn close_decision(
        &mut self,
        request: LoginRequestId,
        state: RequestState,
        detail: &str,
        event: Option<&NewEvent>,
    ) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        set_state(&transaction, request, state, detail)?;
        erase(&transaction, request, OutboxKind::Decision)?;
        append(&transaction, event)?;
        transaction.commit()?;
        database::checkpoint(&opened.database);
        Ok(())
    }

    /// The service has taken the report: the frame is erased. Also while locked, and when nothing waits.
    ///
    /// # Errors
    ///
    /// Storage errors.
    pub fn close_report(&mut self, request: LoginRequestId) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        erase(&transaction, request, OutboxKind::Report)?;
        transaction.commit()?;
        database::checkpoint(&opened.database);
        Ok(())
    }
}

fn insert(
    transaction: &Transaction<'_>,
    keys: &ChannelTier,
    addressed: Addressed,
    frame: &SecretBytes,
    now: UnixMillis,
) -> Result<(), VaultError> {
    if frame.len() > limits::PUSH_MESSAGE {
        return Err(VaultError::TooLong);
    }
    let Addressed {
        request,
        service,
        kind,
    } = addressed;
    let context = kind.context(service, request);
    let sealed = keys
        .outbox
        .seal(context, &random::array()?, frame.expose())?;
    let inserted = transaction.execute(
        "INSERT INTO outbox (request_id, kind, service_id, frame, created) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![request.as_bytes(), kind.word(), service.as_bytes(), sealed, now.0],
    );
    match inserted {
        Ok(_) => Ok(()),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(VaultError::RequestAnswered)
        }
        Err(error) => Err(error.into()),
    }
}

fn erase(
    transaction: &Transaction<'_>,
    request: LoginRequestId,
    kind: OutboxKind,
) -> Result<(), VaultError> {
    transaction.execute(
        "DELETE FROM outbox WHERE request_id = ?1 AND kind = ?2",
        params![request.as_bytes(), kind.word()],
    )?;
    Ok(())
}
