//! How things stand, for the administrator and for the metrics.

use serde::Serialize;

use super::{Service, ServiceError};

/// How things stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// The gateway's name.
    pub name: String,
    /// Where agents and browsers reach it.
    pub url: String,
    /// SHA-256 of its identity key, hex: the pin in activation strings.
    pub pin: String,
    /// How many users.
    pub users: usize,
    /// How many tokens that are active.
    pub active_tokens: usize,
    /// How many tokens in any state.
    pub tokens: usize,
    /// How many login requests wait for an answer.
    pub pending_logins: u32,
}

impl Service {
    /// How things stand.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn overview(&self) -> Result<Overview, ServiceError> {
        let config = &self.settings().config;
        let (users, tokens, pending_logins) = self
            .store()
            .read(|rows| Ok((rows.users()?, rows.all_tokens()?, rows.count_open_logins()?)))
            .await?;
        Ok(Overview {
            name: config.name.clone(),
            url: config.origin(),
            pin: data_encoding::HEXLOWER.encode(&self.keys().pin()),
            users: users.len(),
            active_tokens: tokens
                .iter()
                .filter(|token| token.state == crate::store::TokenState::Active)
                .count(),
            tokens: tokens.len(),
            pending_logins,
        })
    }

    /// What the serving process counts, as Prometheus reads it.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn metrics_text(&self) -> Result<String, ServiceError> {
        let pending = self.store().read(|rows| rows.count_open_logins()).await?;
        Ok(self.metrics().text(self.streams().connected(), pending))
    }
}
