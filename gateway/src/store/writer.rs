//! The one thread that writes.

use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{AuditEntry, MasterKey, Rows, StoreError, Witness, audit_chain};

/// The most operations in one transaction: bounds how long the first of them waits.
const BATCH: usize = 64;

/// One operation on its way through the writer.
pub(super) trait Operation: Send {
    /// Does it, inside the open transaction. Whether it is to be kept.
    fn run(&mut self, rows: Rows<'_>) -> Keep;
    /// Answers, after the transaction has ended.
    fn answer(self: Box<Self>, committed: Result<(), String>);
}

/// What becomes of an operation's changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Yes,
    No,
}

/// An operation, its result and who waits for it.
pub(super) struct Pending<T, F> {
    operation: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Pending<T, F> {
    pub(super) fn new(operation: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        let pending = Self {
            operation: Some(operation),
            result: None,
            reply,
        };
        (pending, answer)
    }
}

impl<T, F> Operation for Pending<T, F>
where
    T: Send,
    F: FnOnce(Rows<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, rows: Rows<'_>) -> Keep {
        let Some(operation) = self.operation.take() else {
            return Keep::No;
        };
        let result = operation(rows);
        let keep = if result.is_ok() { Keep::Yes } else { Keep::No };
        self.result = Some(result);
        keep
    }

    fn answer(self: Box<Self>, committed: Result<(), String>) {
        let result = match (self.result, committed) {
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(_)) | None, Err(error)) => Err(StoreError::Commit(error)),
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // Who asked may have gone; what is done is done.
        drop(self.reply.send(result));
    }
}

pub(super) fn spawn(
    mut connection: Connection,
    key: Arc<MasterKey>,
    mut operations: mpsc::Receiver<Box<dyn Operation>>,
    witness: Witness,
) -> Result<(), StoreError> {
    std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || {
            while let Some(first) = operations.blocking_recv() {
                let mut batch = vec![first];
                while batch.len() < BATCH {
                    let Ok(next) = operations.try_recv() else {
                        break;
                    };
                    batch.push(next);
                }
                let committed = run(&mut connection, &key, &mut batch)
                    .map(|entries| witness(&entries))
                    .map_err(|error| {
                        tracing::error!(%error, "the database did not commit");
                        error.to_string()
                    });
                for operation in batch {
                    operation.answer(committed.clone());
                }
            }
        })
        .map(drop)
        .map_err(|_no_thread| StoreError::Closed)
}

fn run(
    connection: &mut Connection,
    key: &MasterKey,
    batch: &mut [Box<dyn Operation>],
) -> Result<Vec<AuditEntry>, rusqlite::Error> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for operation in batch {
        let savepoint = transaction.savepoint()?;
        let keep = operation.run(Rows {
            connection: &savepoint,
            key,
        });
        match keep {
            Keep::Yes => savepoint.commit()?,
            // Dropped: rolled back, this operation alone.
            Keep::No => drop(savepoint),
        }
    }
    let entries = audit_chain::close_batch(&transaction)?;
    transaction.commit()?;
    Ok(entries)
}
