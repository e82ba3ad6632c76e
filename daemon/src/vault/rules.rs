//! What the user wants declined without a question, and until when login requests are muted.

use countersign_core::{
    login_rules::{BLOCKS, Block},
    time::UnixMillis,
};
use rusqlite::{ErrorCode, params};

use super::{Vault, VaultError, events::NewEvent, requests::append, words::words};
use countersign_proto::agent::v1 as wire;

words! {
    /// The kind of a rule.
    BlockKind as wire::BlockKind {
        /// By the name of the resource.
        Resource = "resource",
        /// By the address or network that the login comes from.
        Address = "address",
    }
}

/// The stable number of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockId(pub i64);

/// A rule as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRow {
    /// Its number; never used again.
    pub id: BlockId,
    /// The rule.
    pub block: Block,
    /// When it was made.
    pub created: UnixMillis,
}

impl BlockRow {
    /// The kind of the rule.
    #[must_use]
    pub const fn kind(&self) -> BlockKind {
        kind(&self.block)
    }
}

const fn kind(block: &Block) -> BlockKind {
    match block {
        Block::Resource(_) => BlockKind::Resource,
        Block::Address(_) => BlockKind::Address,
    }
}

impl Vault {
    /// The rules, oldest first. Also while locked.
    ///
    /// # Errors
    ///
    /// [`VaultError::Damaged`] when a row is none, storage errors.
    pub fn blocks(&self) -> Result<Vec<BlockRow>, VaultError> {
        let database = &self.opened()?.database;
        let mut statement =
            database.prepare_cached("SELECT id, kind, value, created FROM blocks ORDER BY id")?;
        let mut rows = statement.query(())?;
        let mut blocks = Vec::new();
        while let Some(row) = rows.next()? {
            let value: String = row.get(2)?;
            let block = match row.get(1)? {
                BlockKind::Resource => Block::resource(&value),
                BlockKind::Address => Block::address(&value),
            };
            blocks.push(BlockRow {
                id: BlockId(row.get(0)?),
                block: block.map_err(|_malformed| VaultError::Damaged)?,
                created: UnixMillis(row.get(3)?),
            });
        }
        Ok(blocks)
    }

    /// Keeps a rule, with its event. One that is there already is given back as it is. Also while locked.
    ///
    /// # Errors
    ///
    /// [`VaultError::TooLong`] when there are too many, storage errors.
    pub fn add_block(&mut self, block: &Block, event: &NewEvent) -> Result<BlockRow, VaultError> {
        let known = self.blocks()?;
        if let Some(same) = known.iter().find(|row| row.block == *block) {
            return Ok(same.clone());
        }
        if known.len() >= BLOCKS {
            return Err(VaultError::TooLong);
        }
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        let inserted = transaction.execute(
            "INSERT INTO blocks (kind, value, created) VALUES (?1, ?2, ?3)",
            params![kind(block), block.to_string(), event.at.0],
        );
        match inserted {
            Ok(_) => {}
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                return Err(VaultError::Damaged);
            }
            Err(error) => return Err(error.into()),
        }
        let id = BlockId(transaction.last_insert_rowid());
        append(&transaction, Some(event))?;
        transaction.commit()?;
        Ok(BlockRow {
            id,
            block: block.clone(),
            created: event.at,
        })
    }

    /// Forgets a rule, with its event. Also while locked.
    ///
    /// # Errors
    ///
    /// [`VaultError::BlockUnknown`], storage errors.
    pub fn remove_block(&mut self, id: BlockId, event: &NewEvent) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        if transaction.execute("DELETE FROM blocks WHERE id = ?1", params![id.0])? == 0 {
            return Err(VaultError::BlockUnknown);
        }
        append(&transaction, Some(event))?;
        transaction.commit()?;
        Ok(())
    }

    /// Until when login requests are muted; nothing: they were never, or the end is past for sure.
    ///
    /// # Errors
    ///
    /// Storage errors.
    pub fn muted_until(&self) -> Result<Option<UnixMillis>, VaultError> {
        let database = &self.opened()?.database;
        let until: i64 =
            database.query_row("SELECT until FROM mute WHERE only = 1", (), |row| {
                row.get(0)
            })?;
        Ok((until > 0).then_some(UnixMillis(until)))
    }

    /// Mutes login requests until then, or no more, with its event. Also while locked.
    ///
    /// # Errors
    ///
    /// Storage errors.
    pub fn mute(&mut self, until: Option<UnixMillis>, event: &NewEvent) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        let until = until.map_or(0, |until| until.0.max(0));
        transaction.execute("UPDATE mute SET until = ?1 WHERE only = 1", params![until])?;
        append(&transaction, Some(event))?;
        transaction.commit()?;
        Ok(())
    }
}
