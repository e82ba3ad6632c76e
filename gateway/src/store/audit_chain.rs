//! The chain over the audit log: one link a committed batch, marks that are signed, and what does not hold together.

use countersign_core::{
    audit_chain::{Hash, Link, Mark, MarkKind, START, read},
    time::UnixMillis,
};
use p256::ecdsa::VerifyingKey;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{AuditEntry, Rows, StoreError, audit::entry, from_row, to_row};

/// Where the audit log does not hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditBreak {
    /// A batch of rows is not what its link was made of.
    #[error("rows {first} to {last} of the audit log were changed, removed or added to")]
    Rows {
        /// Its first row.
        first: u64,
        /// Its last row.
        last: u64,
    },
    /// A link is missing or not in its place.
    #[error("link {0} of the audit log is missing: rows were removed")]
    Link(u64),
    /// A row stands behind the last link, or before the checkpoint.
    #[error("row {0} of the audit log was added outside of the chain")]
    Unlinked(u64),
    /// What says where the log begins was not signed by this gateway.
    #[error("the audit log's checkpoint was forged: rows at its beginning were removed")]
    Checkpoint,
    /// The exported head is of another gateway.
    #[error("the head is of another gateway's audit log")]
    ForeignHead,
    /// The log ends before the exported head.
    #[error("the audit log was cut off: the head says {rows} rows, and there are {left}")]
    CutOff {
        /// So many rows there were.
        rows: u64,
        /// So many there are.
        left: u64,
    },
    /// The log is another one than that which the head was exported from.
    #[error(
        "the audit log was written anew: its row {0} is not the one that the head was exported at"
    )]
    Rewritten(u64),
    /// The log begins behind the exported head.
    #[error(
        "the head is older than row {0}, where the audit log begins since it was pruned; give a newer one"
    )]
    HeadTooOld(u64),
}

/// An audit log that holds together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Rows up to this one have been pruned.
    pub pruned: u64,
    /// The last row.
    pub last: u64,
}

/// A link as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkRow {
    pub(crate) number: u64,
    pub(crate) last: u64,
    pub(crate) hash: Hash,
}

const BEGINNING: LinkRow = LinkRow {
    number: 0,
    last: 0,
    hash: START,
};

/// Links the rows that have been added in this transaction; what they are.
pub(super) fn close_batch(transaction: &Connection) -> Result<Vec<AuditEntry>, rusqlite::Error> {
    let before = last_link(transaction)?;
    let mut statement = transaction.prepare_cached(
        "SELECT seq, at_ms, event, subject, detail FROM audit WHERE seq > ?1 ORDER BY seq",
    )?;
    let mut rows = statement.query([to_row(before.last)])?;
    let number = before.number.saturating_add(1);
    let mut link = Link::after(before.hash, number);
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let entry = entry(row)?;
        add(&mut link, &entry);
        entries.push(entry);
    }
    if let Some(last) = entries.last() {
        transaction
            .prepare_cached("INSERT INTO audit_link VALUES (?1, ?2, ?3)")?
            .execute(params![to_row(number), last.seq, link.finish().0])?;
    }
    Ok(entries)
}

fn last_link(connection: &Connection) -> Result<LinkRow, rusqlite::Error> {
    let last = connection
        .prepare_cached("SELECT link, last_seq, hash FROM audit_link ORDER BY link DESC LIMIT 1")?
        .query_row([], link_row)
        .optional()?;
    Ok(last.unwrap_or(BEGINNING))
}

fn link_row(row: &rusqlite::Row<'_>) -> Result<LinkRow, rusqlite::Error> {
    Ok(LinkRow {
        number: from_row(row.get(0)?),
        last: from_row(row.get(1)?),
        hash: Hash(row.get(2)?),
    })
}

fn add(link: &mut Link, entry: &AuditEntry) {
    link.add(countersign_core::audit_chain::Row {
        number: from_row(entry.seq),
        at: UnixMillis(entry.at_ms),
        texts: [&entry.event, &entry.subject, &entry.detail],
    });
}

impl Rows<'_> {
    /// The last link; the one before the first where there is none.
    pub(crate) fn last_audit_link(&self) -> Result<LinkRow, StoreError> {
        Ok(last_link(self.connection)?)
    }

    /// The last link all of whose rows, and all before it, are older than `before`.
    pub(crate) fn audit_link_before(
        self,
        before: UnixMillis,
    ) -> Result<Option<LinkRow>, StoreError> {
        let link = self
            .connection
            .prepare_cached(
                "SELECT link, last_seq, hash FROM audit_link WHERE last_seq <
                   coalesce((SELECT min(seq) FROM audit WHERE at_ms >= ?1),
                            (SELECT max(seq) + 1 FROM audit), 0)
                 ORDER BY link DESC LIMIT 1",
            )?
            .query_row([before.0], link_row)
            .optional()?;
        Ok(link)
    }

    /// Removes the rows and links up to `link`; the last link stays, for the next one follows from it.
    pub(crate) fn prune_audit(self, link: LinkRow, mark: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO audit_checkpoint VALUES (?1, ?2)")?
            .execute(params![to_row(link.number), mark])?;
        self.connection
            .prepare_cached("DELETE FROM audit WHERE seq <= ?1")?
            .execute([to_row(link.last)])?;
        self.connection
            .prepare_cached("DELETE FROM audit_link WHERE link < ?1")?
            .execute([to_row(link.number)])?;
        Ok(())
    }

    /// Does the log hold together, and does it hold what `head` says?
    pub(crate) fn verify_audit(
        self,
        key: &VerifyingKey,
        head: Option<&Mark>,
    ) -> Result<Result<Verified, AuditBreak>, StoreError> {
        let begin = match self.checkpoint(key)? {
            Ok(begin) => begin,
            Err(forged) => return Ok(Err(forged)),
        };
        if let Some(head) = head
            && head.link < begin.number
        {
            return Ok(Err(AuditBreak::HeadTooOld(begin.last.saturating_add(1))));
        }
        let mut statement = self
            .connection
            .prepare("SELECT seq, at_ms, event, subject, detail FROM audit ORDER BY seq")?;
        let mut entries = statement.query([])?;
        let mut next = entries.next()?.map(entry).transpose()?;
        if let Some(first) = &next
            && from_row(first.seq) <= begin.last
        {
            return Ok(Err(AuditBreak::Unlinked(from_row(first.seq))));
        }
        let mut statement = self
            .connection
            .prepare("SELECT link, last_seq, hash FROM audit_link ORDER BY link")?;
        let mut links = statement.query([])?;
        let mut before = begin;
        while let Some(row) = links.next()? {
            let link = link_row(row)?;
            // The checkpoint's own link stays.
            if link.number == begin.number && begin.number > 0 {
                if link != begin {
                    return Ok(Err(AuditBreak::Checkpoint));
                }
                continue;
            }
            let number = before.number.saturating_add(1);
            if link.number != number || link.last <= before.last {
                return Ok(Err(AuditBreak::Link(number)));
            }
            let broken = AuditBreak::Rows {
                first: before.last.saturating_add(1),
                last: link.last,
            };
            let mut made = Link::after(before.hash, number);
            let mut expected = before.last;
            while let Some(row) = next.take_if(|row| from_row(row.seq) <= link.last) {
                expected = expected.saturating_add(1);
                if from_row(row.seq) != expected {
                    return Ok(Err(broken));
                }
                add(&mut made, &row);
                next = entries.next()?.map(entry).transpose()?;
            }
            if expected != link.last || made.finish() != link.hash {
                return Ok(Err(broken));
            }
            if let Err(rewritten) = is_at(head, link) {
                return Ok(Err(rewritten));
            }
            before = link;
        }
        if let Some(extra) = next {
            return Ok(Err(AuditBreak::Unlinked(from_row(extra.seq))));
        }
        Ok(match head {
            Some(head) if head.link > before.number => Err(AuditBreak::CutOff {
                rows: head.row,
                left: before.last,
            }),
            // Exported at the very place where the log was pruned later.
            Some(head) if head.link == begin.number => {
                is_at(Some(head), begin).map(|()| Verified {
                    pruned: begin.last,
                    last: before.last,
                })
            }
            Some(_) | None => Ok(Verified {
                pruned: begin.last,
                last: before.last,
            }),
        })
    }

    /// Where the log begins.
    fn checkpoint(self, key: &VerifyingKey) -> Result<Result<LinkRow, AuditBreak>, StoreError> {
        let kept: Option<(i64, String)> = self
            .connection
            .prepare_cached("SELECT link, mark FROM audit_checkpoint ORDER BY link DESC LIMIT 1")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((number, text)) = kept else {
            return Ok(Ok(BEGINNING));
        };
        Ok(match read(key, MarkKind::Checkpoint, &text) {
            Ok(mark) if mark.link == from_row(number) => Ok(LinkRow {
                number: mark.link,
                last: mark.row,
                hash: mark.hash,
            }),
            Ok(_) | Err(_) => Err(AuditBreak::Checkpoint),
        })
    }
}

fn is_at(head: Option<&Mark>, link: LinkRow) -> Result<(), AuditBreak> {
    match head {
        Some(head)
            if head.link == link.number && (head.row != link.last || head.hash != link.hash) =>
        {
            Err(AuditBreak::Rewritten(head.row))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
