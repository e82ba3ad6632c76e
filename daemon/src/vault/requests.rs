//! Login requests as this agent saw them: what is pending, and a history.

use countersign_core::{
    ids::{LoginRequestId, ServiceId, TokenId},
    time::UnixMillis,
};
use countersign_proto::{agent::v1 as wire, limits};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::{
    Vault, VaultError,
    events::{self, NewEvent},
    words::{clipped, words},
};

/// Older requests that are closed are forgotten, once their life is over beyond doubt.
pub const KEPT_REQUESTS: i64 = 2_000;
/// Twice the longest life of a request, in milliseconds: one that came this long before the newest cannot be shown again,
/// also where a service's clock is some minutes off.
const REMEMBERED_MS: i64 = 2 * 600_000;

words! {
    /// What became of a login request, as far as this agent knows.
    RequestState as wire::LoginRequestState {
        /// Not answered yet.
        Pending = "pending",
        /// Answered here; the service has not said what became of it.
        Sending = "sending",
        /// The service took the approval.
        Approved = "approved",
        /// The resource let the user in.
        LoggedIn = "logged_in",
        /// Denied.
        Denied = "denied",
        /// Nobody answered in time.
        Expired = "expired",
        /// The service took it back.
        Cancelled = "cancelled",
        /// The service did not accept the answer.
        Refused = "refused",
    }
}

/// A login request. Its texts are display-safe already; only their length is bounded here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// Which.
    pub id: LoginRequestId,
    /// From this service.
    pub service: ServiceId,
    /// SHA-256 of the signed body: the same id with another hash is another request.
    pub hash: [u8; 32],
    /// For this token; none if it has been deleted.
    pub token: Option<TokenId>,
    /// The token's serial number at the service.
    pub serial: String,
    /// The protected resource.
    pub resource: String,
    /// The user's name there.
    pub user: String,
    /// Where the login comes from; may be empty.
    pub address: String,
    /// Where that is; may be empty.
    pub place: String,
    /// The program that logs in; may be empty.
    pub program: String,
    /// The number that the resource shows must be typed.
    pub number_required: bool,
    /// When it was made, the service's clock.
    pub created: UnixMillis,
    /// When it came, this machine's wall clock.
    pub received: UnixMillis,
    /// How long it may live, in milliseconds.
    pub ttl_ms: u32,
    /// What became of it.
    pub state: RequestState,
    /// Why it was refused or cancelled; may be empty.
    pub detail: String,
    /// The user said "It wasn't me!".
    pub reported: bool,
}

/// Was a request known?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is kept now.
    New,
    /// The very same was kept before; nothing was changed.
    Same,
    /// Another one has this id: refuse and log. Nothing was changed.
    Different,
}

const COLUMNS: &str = "request_id, service_id, hash, token_id, serial, resource, user, address, place, \
     program, number_required, created, received, ttl_ms, state, detail, reported";

impl RequestRow {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: LoginRequestId(row.get(0)?),
            service: ServiceId(row.get(1)?),
            hash: row.get(2)?,
            token: row.get::<_, Option<i64>>(3)?.map(TokenId),
            serial: row.get(4)?,
            resource: row.get(5)?,
            user: row.get(6)?,
            address: row.get(7)?,
            place: row.get(8)?,
            program: row.get(9)?,
            number_required: row.get(10)?,
            created: UnixMillis(row.get(11)?),
            received: UnixMillis(row.get(12)?),
            ttl_ms: row.get(13)?,
            state: row.get(14)?,
            detail: row.get(15)?,
            reported: row.get(16)?,
        })
    }
}

impl Vault {
    /// Keeps a request that has just come, with its event if it is new. Also while locked.
    ///
    /// # Errors
    ///
    /// Storage errors.
    pub fn record_request(
        &mut self,
        request: &RequestRow,
        event: Option<&NewEvent>,
    ) -> Result<Recorded, VaultError> {
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        if let Some(known) = load(&transaction, request.id)? {
            let same = known.service == request.service && known.hash == request.hash;
            return Ok(if same {
                Recorded::Same
            } else {
                Recorded::Different
            });
        }
        insert(&transaction, request)?;
        forget_old(&transaction)?;
        append(&transaction, event)?;
        transaction.commit()?;
        Ok(Recorded::New)
    }

    /// Notes what became of a request, with its event. Also while locked.
    ///
    /// # Errors
    ///
    /// [`VaultError::RequestUnknown`], storage errors.
    pub fn set_request_state(
        &mut self,
        id: LoginRequestId,
        state: RequestState,
        detail: &str,
        event: Option<&NewEvent>,
    ) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        set_state(&transaction, id, state, detail)?;
        append(&transaction, event)?;
        transaction.commit()?;
        Ok(())
    }

    /// One request.
    ///
    /// # Errors
    ///
    /// [`VaultError::RequestUnknown`], storage errors.
    pub fn request(&self, id: LoginRequestId) -> Result<RequestRow, VaultError> {
        load(&self.opened()?.database, id)?.ok_or(VaultError::RequestUnknown)
    }

    /// The last requests to come, pending or not, newest first; at most `limit` and at most 1,000.
    ///
    /// # Errors
    ///
    /// Storage errors.
    pub fn requests(&self, limit: usize) -> Result<Vec<RequestRow>, VaultError> {
        let database = &self.opened()?.database;
        let limit = i64::try_from(limit.min(1000)).unwrap_or(1000);
        let mut statement = database.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM login_requests ORDER BY rowid DESC LIMIT ?1"
        ))?;
        let requests = statement
            .query_map(params![limit], RequestRow::from_row)?
            .collect::<Result<_, _>>()?;
        Ok(requests)
    }
}

fn load(database: &Connection, id: LoginRequestId) -> Result<Option<RequestRow>, VaultError> {
    Ok(database
        .query_row(
            &format!("SELECT {COLUMNS} FROM login_requests WHERE request_id = ?1"),
            params![id.as_bytes()],
            RequestRow::from_row,
        )
        .optional()?)
}

fn insert(transaction: &Transaction<'_>, request: &RequestRow) -> Result<(), VaultError> {
    let text = |text: &str| clipped(text, limits::REQUEST_TEXT).to_owned();
    transaction.execute(
        &format!(
            "INSERT INTO login_requests ({COLUMNS})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
        ),
        params![
            request.id.as_bytes(),
            request.service.as_bytes(),
            request.hash,
            request.token.map(|token| token.0),
            text(&request.serial),
            text(&request.resource),
            text(&request.user),
            text(&request.address),
            text(&request.place),
            text(&request.program),
            request.number_required,
            request.created.0,
            request.received.0,
            request.ttl_ms,
            request.state,
            text(&request.detail),
            request.reported,
        ],
    )?;
    Ok(())
}

pub(super) fn set_state(
    transaction: &Transaction<'_>,
    id: LoginRequestId,
    state: RequestState,
    detail: &str,
) -> Result<(), VaultError> {
    let changed = transaction.execute(
        "UPDATE login_requests SET state = ?2, detail = ?3 WHERE request_id = ?1",
        params![id.as_bytes(), state, clipped(detail, limits::REQUEST_TEXT)],
    )?;
    if changed == 0 {
        Err(VaultError::RequestUnknown)
    } else {
        Ok(())
    }
}

pub(super) fn append(
    transaction: &Transaction<'_>,
    event: Option<&NewEvent>,
) -> Result<(), VaultError> {
    event.map_or(Ok(()), |event| events::append(transaction, event))
}

/// Keeps the newest [`KEPT_REQUESTS`], whatever is still open or waits to be sent, and whatever could come again in time:
/// the same request is never asked twice.
fn forget_old(transaction: &Transaction<'_>) -> Result<(), VaultError> {
    transaction.execute(
        "DELETE FROM login_requests
         WHERE rowid <= (SELECT max(rowid) FROM login_requests) - ?1
           AND received < (SELECT max(received) FROM login_requests) - ?2
           AND state NOT IN ('pending', 'sending')
           AND request_id NOT IN (SELECT request_id FROM outbox)",
        params![KEPT_REQUESTS, REMEMBERED_MS],
    )?;
    Ok(())
}
