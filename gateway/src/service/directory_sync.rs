//! The users that a directory names become the gateway's. The directory is only read; nobody is removed.

use countersign_core::text;

use super::{
    Change, ListEffect, ListError, Operator, ServiceError, TakeOver, TokenError, UserList,
    user_list::{ListedUser, check},
    users::is_name,
};
use crate::{
    directory::{self, DirectoryError, Entry},
    store::{Details, TokenState},
};

/// Why nothing was taken over.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The directory did not answer.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// It names nobody: more likely a wrong filter than a company without people.
    #[error("the directory names nobody; look at ldap.base and ldap.filter. Nothing was changed")]
    Nobody,
    /// The list cannot be taken over.
    #[error(transparent)]
    List(#[from] ListError),
    /// A token was not suspended.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The database failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// What was, or would be, taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    /// Who is new, changed or the same.
    pub effects: Vec<(String, ListEffect)>,
    /// Users from the directory whom it does not name any more.
    pub gone: Vec<String>,
    /// Entries that are no users, and why.
    pub skipped: Vec<String>,
    /// What the serving process has to hear.
    pub changes: Vec<Change>,
}

impl Operator {
    /// What the directory would change. Changes nothing.
    ///
    /// # Errors
    ///
    /// Every variant of [`SyncError`] but [`SyncError::Token`].
    pub async fn preview_directory(&self, take_over: TakeOver) -> Result<Synced, SyncError> {
        let (list, skipped) = self.listed().await?;
        Ok(Synced {
            effects: self.preview_users(&list, take_over).await?,
            gone: self.gone(&list).await?,
            skipped,
            changes: Vec::new(),
        })
    }

    /// Takes over what the directory says, and suspends the active tokens of who is gone there, if asked to.
    ///
    /// # Errors
    ///
    /// Every variant of [`SyncError`].
    pub async fn sync_directory(
        &self,
        take_over: TakeOver,
        suspend_gone: bool,
    ) -> Result<Synced, SyncError> {
        let (list, skipped) = self.listed().await?;
        let gone = self.gone(&list).await?;
        let mut synced = Synced {
            effects: self.import_users(list, take_over).await?,
            gone,
            skipped,
            changes: Vec::new(),
        };
        if suspend_gone {
            for user in &synced.gone {
                let tokens = self.service().tokens(Some(user)).await?;
                for token in tokens.unwrap_or_default() {
                    if token.state == TokenState::Active {
                        synced
                            .changes
                            .push(self.suspend_token(&token.serial).await?);
                    }
                }
            }
        }
        Ok(synced)
    }

    async fn listed(&self) -> Result<(UserList, Vec<String>), SyncError> {
        let entries = directory::users(&self.service().settings().config.ldap).await?;
        let mut users = Vec::with_capacity(entries.len());
        let mut skipped = Vec::new();
        for entry in entries {
            let dn = text::display(&entry.dn, 100);
            match listed(entry) {
                Ok(user) => users.push(user),
                Err(why) => skipped.push(format!("{dn}: {why}")),
            }
        }
        if users.is_empty() {
            return Err(SyncError::Nobody);
        }
        Ok((UserList::of_directory(users), skipped))
    }

    async fn gone(&self, list: &UserList) -> Result<Vec<String>, SyncError> {
        let named = list.names();
        let users = self.service().users().await?;
        Ok(users
            .into_iter()
            .filter(|user| user.details.directory_dn.is_some())
            .filter(|user| !named.contains(user.name.as_str()))
            .map(|user| user.name)
            .collect())
    }
}

fn listed(entry: Entry) -> Result<ListedUser, String> {
    if !is_name(&entry.user) {
        return Err("it has no user name that can be used".to_owned());
    }
    let details = Details {
        full_name: entry.full_name,
        mail: entry.mail,
        directory_dn: Some(entry.dn),
    };
    check(&details)?;
    Ok(ListedUser {
        name: entry.user,
        details,
        password: None,
    })
}
