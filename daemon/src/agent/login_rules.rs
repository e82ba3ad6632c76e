//! What the user does not want to be asked: a time of quiet, blocked resources and addresses. The service hears
//! "declined by rule", and while it is quiet that the login page should offer typing at once.

use core::time::Duration;

use countersign_core::{
    login_request::LoginRequest,
    login_rules::{Block, BlockError, LONGEST_MUTE},
    text,
    time::{BootTime, UnixMillis},
};
use countersign_proto::agent::v1::Reason;
use tracing::warn;

use super::{Agent, Change, autosend::Autosend, explain::Explain};
use crate::vault::{BlockId, BlockRow, EventKind, TokenRow, VaultError};

/// Why a rule was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// It is no rule.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// Longer than a week.
    #[error("login requests can be muted for a week at most")]
    TooLong,
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Explain for RuleError {
    fn reason(&self) -> Reason {
        match self {
            Self::Block(_) | Self::TooLong => Reason::BlockInvalid,
            Self::Vault(error) => error.reason(),
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Block(_) => String::new(),
            Self::TooLong => {
                "`countersign autosend off` keeps them away until you switch it on".to_owned()
            }
            Self::Vault(error) => Explain::hint(error),
        }
    }
}

/// Until when it is quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mute {
    /// For people.
    pub(crate) until: UnixMillis,
    /// What counts: a clock that is set back makes it no longer.
    pub(crate) ends: BootTime,
}

/// Which rule declines a login request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    AutosendOff,
    Muted,
    Blocked(Block),
}

impl Rule {
    /// For the history; display-safe.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::AutosendOff => "declined by rule: autosend is off".to_owned(),
            Self::Muted => "declined by rule: login requests are muted".to_owned(),
            Self::Blocked(block @ Block::Resource(_)) => {
                format!("declined by rule: the resource {} is blocked", shown(block))
            }
            Self::Blocked(block @ Block::Address(_)) => {
                format!("declined by rule: the address {} is blocked", shown(block))
            }
        }
    }
}

/// The longest value of a rule that is shown, in characters.
const SHOWN: usize = 80;

/// A rule's value, display-safe.
#[must_use]
pub fn shown(block: &Block) -> String {
    text::display(&block.to_string(), SHOWN)
}

impl Agent {
    /// Mutes login requests for a time; zero ends it. Returns until when.
    ///
    /// # Errors
    ///
    /// [`RuleError::TooLong`], the vault's.
    pub async fn mute(&self, span: Duration) -> Result<Option<UnixMillis>, RuleError> {
        if span > LONGEST_MUTE {
            return Err(RuleError::TooLong);
        }
        let mute = (!span.is_zero()).then(|| {
            let span_ms = i64::try_from(span.as_millis()).unwrap_or(0);
            Mute {
                until: self.ports.clock.wall().plus_ms(span_ms),
                ends: self.ports.clock.boot().plus(span),
            }
        });
        let line = mute.map_or_else(
            || "no more".to_owned(),
            |_| format!("for {}", minutes(span)),
        );
        let event = self.event(EventKind::Muted, "", &line);
        let until = mute.map(|mute| mute.until);
        self.vault
            .call(move |vault| vault.mute(until, &event))
            .await?;
        self.state.facts().mute = mute;
        self.deadlines.notify_one();
        self.tell_watchers(Change::Autosend);
        self.announce_availability().await;
        Ok(until)
    }

    /// Until when login requests are muted, if they are.
    pub fn muted_until(&self) -> Option<UnixMillis> {
        let now = self.ports.clock.boot();
        let mute = self.state.facts().mute;
        mute.filter(|mute| mute.ends > now).map(|mute| mute.until)
    }

    /// What was muted before a restart stays so, for what is left of it.
    pub(super) async fn remember_mute(&self) {
        let until = self.vault.call(|vault| vault.muted_until()).await;
        let Ok(Some(until)) = until else { return };
        let left_ms = until.since_ms(self.ports.clock.wall());
        let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)).min(LONGEST_MUTE);
        if left.is_zero() {
            return;
        }
        let ends = self.ports.clock.boot().plus(left);
        self.state.facts().mute = Some(Mute { until, ends });
        self.deadlines.notify_one();
    }

    /// Ends a mute whose time is over: the services hear that login requests are welcome again.
    pub(super) async fn end_mute(&self) {
        let now = self.ports.clock.boot();
        let over = {
            let mut facts = self.state.facts();
            let over = facts.mute.is_some_and(|mute| mute.ends <= now);
            if over {
                facts.mute = None;
            }
            over
        };
        if over {
            self.tell_watchers(Change::Autosend);
            self.announce_availability().await;
        }
    }

    /// What is declined by rule.
    ///
    /// # Errors
    ///
    /// The vault's.
    pub async fn blocks(&self) -> Result<Vec<BlockRow>, RuleError> {
        Ok(self.vault.call(|vault| vault.blocks()).await?)
    }

    /// Declines what fits from now on. What is pending stays.
    ///
    /// # Errors
    ///
    /// The vault's.
    pub async fn add_block(&self, block: Block) -> Result<BlockRow, RuleError> {
        let event = self.event(EventKind::BlockAdded, "", &shown(&block));
        let added = self
            .vault
            .call(move |vault| vault.add_block(&block, &event))
            .await;
        Ok(added?)
    }

    /// Asks again for what the rule has declined.
    ///
    /// # Errors
    ///
    /// The vault's.
    pub async fn remove_block(&self, id: BlockId) -> Result<(), RuleError> {
        let known = self.blocks().await?;
        let value = known.iter().find(|row| row.id == id);
        let line = value.map(|row| shown(&row.block)).unwrap_or_default();
        let event = self.event(EventKind::BlockRemoved, "", &line);
        let removed = self
            .vault
            .call(move |vault| vault.remove_block(id, &event))
            .await;
        Ok(removed?)
    }

    /// The rule that declines a request, if one does.
    pub(super) async fn declining_rule(
        &self,
        request: &LoginRequest,
        token: &TokenRow,
    ) -> Option<Rule> {
        if self.autosend().await == Autosend::Off || token.autosend == Autosend::Off {
            return Some(Rule::AutosendOff);
        }
        if self.muted_until().is_some() {
            return Some(Rule::Muted);
        }
        let blocks = match self.blocks().await {
            Ok(blocks) => blocks,
            // A question too many does no harm.
            Err(error) => {
                warn!(%error, "the rules could not be read");
                return None;
            }
        };
        let fits = |row: &BlockRow| {
            row.block
                .declines(&request.resource, &request.client_address)
        };
        let declining = blocks.into_iter().find(fits);
        declining.map(|row| Rule::Blocked(row.block))
    }
}

fn minutes(span: Duration) -> String {
    match span.as_secs().div_ceil(60) {
        1 => "1 minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use countersign_proto::limits;

    use super::*;

    #[test]
    fn a_mute_is_bounded_by_the_wire() {
        assert_eq!(u64::from(limits::MUTE_SECONDS), LONGEST_MUTE.as_secs());
    }

    #[test]
    fn a_span_in_words() {
        assert_eq!(minutes(Duration::from_secs(1)), "1 minute");
        assert_eq!(minutes(Duration::from_secs(61)), "2 minutes");
    }
}
