//! Who waits for a login to change: told at the change itself, nobody polls.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch;

/// One channel a login that somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<HashMap<String, watch::Sender<()>>>);

/// Somebody's wait; ends when dropped.
#[derive(Debug)]
pub(super) struct Watch<'w> {
    watchers: &'w Watchers,
    transaction_id: String,
    changes: watch::Receiver<()>,
}

impl Watchers {
    /// Waits for changes from here on: subscribe, then read the row, then wait.
    pub(super) fn watch(&self, transaction_id: &str) -> Watch<'_> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = all
            .entry(transaction_id.to_owned())
            .or_insert_with(|| watch::channel(()).0)
            .subscribe();
        Watch {
            watchers: self,
            transaction_id: transaction_id.to_owned(),
            changes,
        }
    }

    /// Wakes who waits for this login.
    pub(super) fn tell(&self, transaction_id: &str) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = all.get(transaction_id) {
            sender.send_replace(());
        }
    }
}

impl Watch<'_> {
    /// Returns at the next change.
    pub(super) async fn changed(&mut self) {
        // The sender lives as long as this watch does.
        if self.changes.changed().await.is_err() {
            core::future::pending::<()>().await;
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut all = self
            .watchers
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // This receiver is still counted.
        if all
            .get(&self.transaction_id)
            .is_some_and(|sender| sender.receiver_count() <= 1)
        {
            all.remove(&self.transaction_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_who_waits_is_told_and_nothing_is_left_behind() {
        let watchers = Watchers::default();
        let (mut one, mut two) = (watchers.watch("a"), watchers.watch("a"));
        watchers.tell("a");
        one.changed().await;
        two.changed().await;
        watchers.tell("b");
        drop(one);
        assert_eq!(watchers.0.lock().unwrap().len(), 1);
        drop(two);
        assert!(watchers.0.lock().unwrap().is_empty());
    }
}
