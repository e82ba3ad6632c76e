//! The database connection: how it is opened, its settings, its migrations.

use core::time::Duration;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, config::DbConfig};

use super::{VaultError, place::FileHeader};

/// The newest schema that this program knows.
pub(super) const SCHEMA_VERSION: i32 = 6;
/// "CSVt": a database with another number is not a vault.
pub(super) const APPLICATION_ID: i32 = 0x4353_5674;

/// One step each; step n leads to schema version n. Never edited once released.
const MIGRATIONS: [&str; 6] = [
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
];

/// Nobody else writes while the lock is held; a reader that copies the file may be in the way for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_millis(250);

/// Refuses what is not a vault and what is newer, before SQLite has touched it.
pub(super) fn check_header(header: FileHeader) -> Result<(), VaultError> {
    if header.application_id != APPLICATION_ID || header.user_version < 1 {
        return Err(VaultError::Damaged);
    }
    if header.user_version > SCHEMA_VERSION {
        return Err(VaultError::Newer);
    }
    Ok(())
}

/// Opens an existing database: settings, a check of its structure, migrations.
pub(super) fn open(path: &Path) -> Result<Connection, VaultError> {
    let mut database = connect(path)?;
    if database.is_readonly("main")? {
        return Err(VaultError::ReadOnly);
    }
    let mode: String =
        database.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(VaultError::Failed("no write-ahead log".to_owned()));
    }
    let verdict: String = database.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    if verdict != "ok" {
        return Err(VaultError::Damaged);
    }
    migrate(&mut database)?;
    Ok(database)
}

/// Fills the empty draft of a new vault. One transaction in one file: no write-ahead log yet, so that
/// the finished file can be renamed.
pub(super) fn create(
    path: &Path,
    fill: impl FnOnce(&Transaction<'_>) -> Result<(), VaultError>,
) -> Result<(), VaultError> {
    let mut database = connect(path)?;
    database.pragma_update(None, "application_id", APPLICATION_ID)?;
    migrate(&mut database)?;
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    fill(&transaction)?;
    transaction.commit()?;
    database.close().map_err(|(_kept, error)| error.into())
}

fn connect(path: &Path) -> Result<Connection, VaultError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags)?;
    database.busy_timeout(BUSY_TIMEOUT)?;
    // The file may have been written by others: its schema must not make this process do anything.
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.pragma_update(None, "secure_delete", "ON")?;
    database.pragma_update(None, "foreign_keys", "ON")?;
    database.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(database)
}

fn migrate(database: &mut Connection) -> Result<(), VaultError> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > SCHEMA_VERSION {
        return Err(VaultError::Newer);
    }
    let done = usize::try_from(version).map_err(|_negative| VaultError::Damaged)?;
    if done == MIGRATIONS.len() {
        return Ok(());
    }
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// Moves all of the write-ahead log into the database and truncates it, so that what was erased is not
/// still in it. Best effort: a reader may be in the way, and the erasing itself is done.
pub(super) fn checkpoint(database: &Connection) {
    let done = database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| {
        row.get::<_, i64>(0)
    });
    match done {
        Ok(0) => {}
        Ok(_) => tracing::warn!("the vault's log was not truncated: another program reads it"),
        Err(error) => {
            tracing::warn!(cause = %VaultError::from(error), "the vault's log was not truncated");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_vault_of_a_known_version_passes() {
        let header = |user_version, application_id| FileHeader {
            user_version,
            application_id,
        };
        assert_eq!(check_header(header(1, APPLICATION_ID)), Ok(()));
        assert_eq!(
            check_header(header(SCHEMA_VERSION + 1, APPLICATION_ID)),
            Err(VaultError::Newer)
        );
        assert_eq!(
            check_header(header(0, APPLICATION_ID)),
            Err(VaultError::Damaged)
        );
        assert_eq!(check_header(header(1, 0)), Err(VaultError::Damaged));
    }

    #[test]
    fn the_migrations_lead_to_the_schema_version() {
        assert_eq!(i32::try_from(MIGRATIONS.len()), Ok(SCHEMA_VERSION));
    }
}
