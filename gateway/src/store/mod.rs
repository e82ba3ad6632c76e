//! What the gateway keeps: one SQLite database, secrets in it sealed under a key outside it.
//!
//! Stories never see SQL: they run a closure on [`Rows`], either inside a write transaction
//! ([`Store::write`]) or on a snapshot ([`Store::read`]). One thread writes. It takes every operation
//! that is waiting into one transaction, each in its own savepoint, and answers them after the one
//! COMMIT: many logins share a flush to disk, and nobody is told of anything that is not durable.

mod activations;
mod administrators;
mod audit;
mod audit_chain;
mod devices;
mod enrollment_links;
mod fronts;
mod helpdesk_codes;
mod logins;
mod pin_policy;
mod policies;
mod radius_clients;
mod schema;
mod seal;
mod server_pins;
mod sources;
mod tokens;
mod users;
mod writer;

use core::fmt;
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::{Semaphore, mpsc};

pub use activations::Activation;
pub use administrators::Administrator;
pub use audit::{AuditEntry, AuditEvent};
pub use audit_chain::{AuditBreak, Verified};
pub use devices::{Device, DeviceRow};
pub use enrollment_links::LinkRow;
pub use fronts::{Front, FrontId};
pub use helpdesk_codes::Redeemed;
pub(crate) use logins::REPORT_WITHIN_MS;
pub use logins::{LoginChange, LoginRow, NewLogin, NewRequest, RequestRow};
pub use policies::{Policy, TokenRules};
pub(crate) use radius_clients::Networks;
pub use radius_clients::{Caller, FirstFactor, MessageAuthenticatorPolicy, RadiusClient};
pub use seal::{MasterKey, MasterKeyError};
pub use sources::SourceRow;
pub use tokens::{NewToken, PinStanding, TokenRow, TokenState};
pub use users::{Details, Typing, User, UserId};

use writer::{Operation, Pending};

/// The most readers at a time.
const READERS: usize = 4;
/// The most write operations that wait; more wait at their caller.
const WAITING_WRITES: usize = 256;

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused or failed.
    #[error("the gateway's database failed")]
    Database(#[from] rusqlite::Error),
    /// A row does not make sense: damaged, or written by a newer version.
    #[error("the gateway's database holds a {0} that this version cannot read")]
    Unreadable(&'static str),
    /// A sealed value does not open under this master key.
    #[error(
        "a sealed {0} does not open; the master key belongs to another database or the row was changed"
    )]
    Unsealed(&'static str),
    /// The database was made by a newer version.
    #[error(
        "the gateway's database was made by a newer version of countersign-gateway; upgrade this one"
    )]
    Newer,
    /// The transaction of which the operation was a part could not be committed.
    #[error("the gateway's database could not commit: {0}")]
    Commit(String),
    /// The store is shutting down.
    #[error("the gateway's database is closed")]
    Closed,
}

/// The rows, inside one transaction or snapshot.
#[derive(Clone, Copy)]
pub struct Rows<'t> {
    connection: &'t Connection,
    key: &'t MasterKey,
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rows")
    }
}

/// Hears of the rows of the audit log that have become durable, on the writer's thread: it must not wait.
pub type Witness = Box<dyn Fn(&[AuditEntry]) + Send>;

/// The database. Clones share it.
#[derive(Clone)]
pub struct Store {
    writer: mpsc::Sender<Box<dyn Operation>>,
    readers: Arc<Readers>,
    key: Arc<MasterKey>,
}

struct Readers {
    path: std::path::PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.readers.path)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database at `path` and brings its schema up to date; makes it if it does not exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`], or [`StoreError::Newer`].
    pub fn open(path: &Path, key: MasterKey) -> Result<Self, StoreError> {
        Self::open_before(path, key, Box::new(|_entries| {}))
    }

    /// As [`Store::open`], before a witness.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn open_before(path: &Path, key: MasterKey, witness: Witness) -> Result<Self, StoreError> {
        let mut connection = connect(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        )?;
        schema::migrate(&mut connection)?;
        let key = Arc::new(key);
        let (writer, operations) = mpsc::channel(WAITING_WRITES);
        writer::spawn(connection, Arc::clone(&key), operations, witness)?;
        Ok(Self {
            writer,
            readers: Arc::new(Readers {
                path: path.to_owned(),
                idle: Mutex::new(Vec::new()),
                permits: Semaphore::new(READERS),
            }),
            key,
        })
    }

    /// Runs `operation` in a write transaction and returns when it is durable. An error rolls back this
    /// operation alone.
    ///
    /// # Errors
    ///
    /// What `operation` returned, [`StoreError::Commit`] or [`StoreError::Closed`].
    pub async fn write<T, F>(&self, operation: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(Rows<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (pending, reply) = Pending::new(operation);
        self.writer
            .send(Box::new(pending))
            .await
            .map_err(|_gone| StoreError::Closed)?;
        reply.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Runs `query` on a snapshot.
    ///
    /// # Errors
    ///
    /// What `query` returned, or [`StoreError::Closed`].
    pub async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(Rows<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        let key = Arc::clone(&self.key);
        let _permit = self
            .readers
            .permits
            .acquire()
            .await
            .map_err(|_closed| StoreError::Closed)?;
        tokio::task::spawn_blocking(move || {
            let idle = readers
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let mut connection = match idle {
                Some(connection) => connection,
                None => connect(&readers.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
            };
            let answer = {
                let snapshot = connection.transaction()?;
                query(Rows {
                    connection: &snapshot,
                    key: &key,
                })
            };
            readers
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
            answer
        })
        .await
        .unwrap_or(Err(StoreError::Closed))
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(core::time::Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(64);
    if flags.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) {
        connection.pragma_update(None, "journal_mode", "wal")?;
        // An accepted passcode that a power cut forgets could be used again: never less than FULL.
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "secure_delete", true)?;
    }
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// Counters and steps are unsigned and far below 2^63; the database keeps signed numbers.
fn to_row(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn from_row(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
