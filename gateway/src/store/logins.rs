//! Login requests: the row is the truth, and each change of its state is one compare-and-set.

use countersign_core::{
    fatigue::{Refusals, Source},
    ids::{DeviceId, LoginRequestId},
    login_transition::{Event, State, TransitionError, transition},
    time::UnixMillis,
};
use countersign_proto::push::v1 as push;
use rusqlite::{OptionalExtension as _, Row, params};

use super::{AuditEvent, FrontId, Rows, StoreError, UserId};

/// An approval that is not consumed lapses after this time, in milliseconds.
const CONSUME_WITHIN_MS: i64 = 300_000;
/// A report is taken so long after the login was opened, in milliseconds.
pub(crate) const REPORT_WITHIN_MS: i64 = 24 * 3_600_000;

/// A login to be opened.
#[derive(Clone, Debug)]
pub struct NewLogin {
    /// Its name for the front: unguessable.
    pub transaction_id: String,
    /// Who opens it.
    pub front: FrontId,
    /// Who logs in.
    pub user: UserId,
    /// To what.
    pub resource: String,
    /// From where.
    pub client_address: String,
    /// By what the refusals of it count.
    pub source: Source,
    /// The number that the resource shows and the user types into the agent.
    pub number: Option<String>,
    /// The front's own name for this attempt.
    pub idempotency_key: Option<String>,
    /// Now.
    pub created: UnixMillis,
    /// When it expires.
    pub expires: UnixMillis,
}

/// One question of a login, to one token.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// Its identifier.
    pub id: LoginRequestId,
    /// The token that is asked.
    pub serial: String,
    /// OCRA challenge; empty for other modes.
    pub challenge: String,
    /// The signed `RequestBody`; `None`: the challenge is for typing only.
    pub signed: Option<push::Signed>,
}

/// A login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRow {
    /// Its name for the front.
    pub transaction_id: String,
    /// Who opened it.
    pub front: FrontId,
    /// Who logs in.
    pub user: UserId,
    /// To what.
    pub resource: String,
    /// From where.
    pub client_address: String,
    /// By what the refusals of it count.
    pub source: Source,
    /// The number that the resource shows.
    pub number: Option<String>,
    /// Where it stands.
    pub state: State,
    /// When it was opened.
    pub created: UnixMillis,
    /// Pending: when it expires. Approved: when it lapses. Then: when it ended.
    pub deadline: UnixMillis,
    /// "It wasn't me!" was said.
    pub reported: bool,
}

/// One question of a login, to one token.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestRow {
    /// Its identifier.
    pub id: LoginRequestId,
    /// The login.
    pub transaction_id: String,
    /// The token that is asked.
    pub serial: String,
    /// The device of that token.
    pub device: Option<DeviceId>,
    /// OCRA challenge; empty for other modes.
    pub challenge: String,
    /// A typed answer to the challenge was right, and the PIN beside it was not: no typed one counts any more.
    pub challenge_used: bool,
    /// The signed `RequestBody`, as it is sent, also again.
    pub signed: Option<push::Signed>,
    /// What the agent's decision was answered with, if one was taken.
    pub outcome: Option<push::Result>,
}

/// A login whose state has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginChange {
    /// Which.
    pub transaction_id: String,
    /// What it is now.
    pub state: State,
}

const LOGIN: &str = "transaction_id, front_id, user_id, resource, client_address, source, number, state, \
     created_ms, deadline_ms, reported_ms";
const REQUEST: &str = "request_id, transaction_id, request.serial, token.device_id, challenge, challenge_used, \
     body, signature, outcome";

impl Rows<'_> {
    /// Opens a login with its requests; the audit row with it.
    pub(crate) fn open_login(
        self,
        login: &NewLogin,
        requests: &[NewRequest],
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO login (transaction_id, front_id, user_id, resource, client_address, number,
                   idempotency_key, state, created_ms, deadline_ms, source)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'pending', ?8, ?9, ?10)",
            )?
            .execute(params![
                login.transaction_id,
                login.front.0,
                login.user.0,
                login.resource,
                login.client_address,
                login.number,
                login.idempotency_key,
                login.created.0,
                login.expires.0,
                login.source.as_str(),
            ])?;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO request (request_id, transaction_id, serial, challenge, body, signature)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for request in requests {
            let (body, signature) = match &request.signed {
                Some(signed) => (Some(&signed.body), Some(&signed.signature)),
                None => (None, None),
            };
            insert.execute(params![
                request.id.as_bytes(),
                login.transaction_id,
                request.serial,
                request.challenge,
                body,
                signature
            ])?;
        }
        let detail = format!("{} from {}", login.resource, login.client_address);
        self.audit(
            login.created,
            AuditEvent::LoginOpened,
            &login.transaction_id,
            &detail,
        )
    }

    /// The login of that transaction.
    pub(crate) fn login(self, transaction_id: &str) -> Result<Option<LoginRow>, StoreError> {
        self.login_where("transaction_id = ?1", params![transaction_id])
    }

    /// The pending login of a user at a resource.
    pub(crate) fn pending_login(
        self,
        user: UserId,
        resource: &str,
    ) -> Result<Option<LoginRow>, StoreError> {
        self.login_where(
            "state = 'pending' AND user_id = ?1 AND resource = ?2",
            params![user.0, resource],
        )
    }

    /// The login that a front opened under its own name for it.
    pub(crate) fn login_by_key(
        self,
        front: FrontId,
        key: &str,
    ) -> Result<Option<LoginRow>, StoreError> {
        self.login_where(
            "front_id = ?1 AND idempotency_key = ?2",
            params![front.0, key],
        )
    }

    fn login_where(
        self,
        condition: &'static str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Option<LoginRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {LOGIN} FROM login WHERE {condition} LIMIT 1"
        ))?;
        let mut rows = statement.query(values)?;
        rows.next()?.map(login).transpose()
    }

    /// One request.
    pub(crate) fn request(self, id: LoginRequestId) -> Result<Option<RequestRow>, StoreError> {
        self.requests_where("request_id = ?1", params![id.as_bytes()])
            .map(|requests| requests.into_iter().next())
    }

    /// The requests of a login.
    pub(crate) fn requests_of(self, transaction_id: &str) -> Result<Vec<RequestRow>, StoreError> {
        self.requests_where("transaction_id = ?1", params![transaction_id])
    }

    /// The requests of a device that still wait for an answer, oldest first.
    pub(crate) fn open_requests_of_device(
        self,
        device: DeviceId,
        now: UnixMillis,
    ) -> Result<Vec<RequestRow>, StoreError> {
        self.requests_where(
            "token.device_id = ?1 AND token.state = 'active' AND body IS NOT NULL AND transaction_id IN
               (SELECT transaction_id FROM login WHERE state = 'pending' AND deadline_ms > ?2)",
            params![device.as_bytes(), now.0],
        )
    }

    /// The requests of a token in logins that are pending.
    pub(crate) fn open_requests_of_token(
        self,
        serial: &str,
    ) -> Result<Vec<RequestRow>, StoreError> {
        self.requests_where(
            "request.serial = ?1 AND transaction_id IN (SELECT transaction_id FROM login WHERE state = 'pending')",
            params![serial],
        )
    }

    fn requests_where(
        self,
        condition: &'static str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<RequestRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {REQUEST} FROM request JOIN token ON token.serial = request.serial WHERE {condition}"
        ))?;
        let mut rows = statement.query(values)?;
        let mut requests = Vec::new();
        while let Some(row) = rows.next()? {
            requests.push(request(row)?);
        }
        Ok(requests)
    }

    /// Changes the state of a login as `event` says, if the row is still in `login.state` and the table of
    /// transitions allows it; the audit row with it.
    pub(crate) fn change_login(
        self,
        login: &LoginRow,
        event: Event,
        detail: &str,
        at: UnixMillis,
    ) -> Result<Result<State, TransitionError>, StoreError> {
        let next = match transition(login.state, event) {
            Ok(next) => next,
            Err(refused) => return Ok(Err(refused)),
        };
        let deadline = if next == State::Approved {
            at.plus_ms(CONSUME_WITHIN_MS)
        } else {
            at
        };
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE login SET state = ?3, deadline_ms = ?4 WHERE transaction_id = ?1 AND state = ?2",
            )?
            .execute(params![
                login.transaction_id,
                login.state.as_str(),
                next.as_str(),
                deadline.0
            ])?;
        if changed == 0 {
            let state = self
                .login(&login.transaction_id)?
                .map_or(login.state, |row| row.state);
            return Ok(Err(TransitionError { state }));
        }
        let detail = if detail.is_empty() {
            next.as_str().to_owned()
        } else {
            format!("{next}: {detail}")
        };
        self.audit(at, AuditEvent::LoginChanged, &login.transaction_id, &detail)?;
        Ok(Ok(next))
    }

    /// Remembers what a decision was answered with.
    pub(crate) fn put_outcome(
        self,
        id: LoginRequestId,
        outcome: push::Result,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE request SET outcome = ?2 WHERE request_id = ?1")?
            .execute(params![id.as_bytes(), i32::from(outcome)])?;
        Ok(())
    }

    /// No typed answer to the challenge of this request counts any more.
    pub(crate) fn use_up_challenge(self, id: LoginRequestId) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE request SET challenge_used = 1 WHERE request_id = ?1")?
            .execute([id.as_bytes()])?;
        Ok(())
    }

    /// Marks a login as reported.
    pub(crate) fn report_login(
        self,
        transaction_id: &str,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE login SET reported_ms = coalesce(reported_ms, ?2) WHERE transaction_id = ?1")?
            .execute(params![transaction_id, at.0])?;
        Ok(())
    }

    /// When the next login expires or lapses.
    pub(crate) fn next_deadline(&self) -> Result<Option<UnixMillis>, StoreError> {
        let deadline: Option<i64> = self
            .connection
            .prepare_cached(
                "SELECT min(deadline_ms) FROM login WHERE state IN ('pending', 'approved')",
            )?
            .query_row([], |row| row.get(0))?;
        Ok(deadline.map(UnixMillis))
    }

    /// The logins whose time is over.
    pub(crate) fn overdue_logins(self, now: UnixMillis) -> Result<Vec<LoginRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {LOGIN} FROM login WHERE state IN ('pending', 'approved') AND deadline_ms <= ?1
             ORDER BY deadline_ms LIMIT 1000"
        ))?;
        let mut rows = statement.query([now.0])?;
        let mut logins = Vec::new();
        while let Some(row) = rows.next()? {
            logins.push(login(row)?);
        }
        Ok(logins)
    }

    /// What became of a user's logins since then. What a rule of the user's has denied was no refusal of the user's.
    /// A report may come long after its login.
    pub(crate) fn refusals_since(
        self,
        user: UserId,
        source: &Source,
        since: UnixMillis,
    ) -> Result<Refusals, StoreError> {
        let refusals = self
            .connection
            .prepare_cached(
                "SELECT coalesce(sum(refused AND source = ?2), 0), coalesce(sum(refused), 0),
                        coalesce(sum(source = ?2 AND coalesce(reported_ms, 0) > ?3), 0)
                 FROM (SELECT source, reported_ms, created_ms > ?3
                         AND state IN ('expired', 'denied', 'denied_wrong_number') AS refused
                       FROM login WHERE user_id = ?1 AND created_ms > ?4)",
            )?
            .query_row(
                params![
                    user.0,
                    source.as_str(),
                    since.0,
                    since.plus_ms(-REPORT_WITHIN_MS).0
                ],
                |row| {
                    Ok(Refusals {
                        from_source: row.get(0)?,
                        of_user: row.get(1)?,
                        reported: row.get::<_, u32>(2)? > 0,
                    })
                },
            )?;
        Ok(refusals)
    }

    /// Forgets logins that ended before then; the audit log keeps what happened.
    pub(crate) fn prune_logins(self, before: UnixMillis) -> Result<usize, StoreError> {
        let pruned = self
            .connection
            .prepare_cached(
                "DELETE FROM login WHERE created_ms < ?1 AND state NOT IN ('pending', 'approved')",
            )?
            .execute([before.0])?;
        Ok(pruned)
    }

    /// How many logins wait for an answer, for `status`.
    pub(crate) fn count_open_logins(&self) -> Result<u32, StoreError> {
        let count = self
            .connection
            .query_row(
                "SELECT count(*) FROM login WHERE state = 'pending'",
                [],
                |row| row.get(0),
            )
            .optional()?;
        Ok(count.unwrap_or(0))
    }
}

fn login(row: &Row<'_>) -> Result<LoginRow, StoreError> {
    let state: String = row.get("state")?;
    Ok(LoginRow {
        transaction_id: row.get("transaction_id")?,
        front: FrontId(row.get("front_id")?),
        user: UserId(row.get("user_id")?),
        resource: row.get("resource")?,
        client_address: row.get("client_address")?,
        source: Source::of(&row.get::<_, String>("source")?),
        number: row.get("number")?,
        state: state
            .parse()
            .map_err(|_unknown| StoreError::Unreadable("login state"))?,
        created: UnixMillis(row.get("created_ms")?),
        deadline: UnixMillis(row.get("deadline_ms")?),
        reported: row.get::<_, Option<i64>>("reported_ms")?.is_some(),
    })
}

fn request(row: &Row<'_>) -> Result<RequestRow, StoreError> {
    let device: Option<[u8; 16]> = row.get("device_id")?;
    let body: Option<Vec<u8>> = row.get("body")?;
    let signature: Option<Vec<u8>> = row.get("signature")?;
    let outcome: Option<i32> = row.get("outcome")?;
    Ok(RequestRow {
        id: LoginRequestId(row.get("request_id")?),
        transaction_id: row.get("transaction_id")?,
        serial: row.get("serial")?,
        device: device.map(DeviceId),
        challenge: row.get("challenge")?,
        challenge_used: row.get("challenge_used")?,
        signed: body
            .zip(signature)
            .map(|(body, signature)| push::Signed { body, signature }),
        outcome: outcome
            .map(push::Result::try_from)
            .transpose()
            .map_err(|_unknown| StoreError::Unreadable("outcome"))?,
    })
}
