//! Named policies in the administrator's hands. A token keeps what its policy said when it was issued.

use countersign_core::{
    pskc::{Exportable, NumberMatching},
    text,
    token::{PushPolicy, VerificationLevel},
};
use serde::Serialize;

use super::{NewTokenError, Operator, PinInfo, Service, ServiceError, issue, token_info};
use crate::store::{AuditEvent, Policy, TokenRules};

/// The longest name and the longest level, in characters.
const NAME: usize = 64;
const LEVEL: usize = 32;

/// Why a policy was not kept, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The name is empty, too long, or has characters that cannot be shown.
    #[error("a policy's name has 1 to 64 characters, on one line, without spaces at its ends")]
    Name,
    /// The level is too long, or has characters that cannot be shown.
    #[error("a policy's level has up to 32 characters, on one line, without spaces at its ends")]
    Level,
    /// No token can have these rules.
    #[error(transparent)]
    Rules(#[from] NewTokenError),
    /// There is such a policy.
    #[error("there is a policy of this name already; `policy set` changes it")]
    Taken,
    /// There is no such policy.
    #[error("there is no policy of this name; `policy list` shows them")]
    Unknown,
    /// The database failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// A policy as the administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyInfo {
    /// Name.
    pub name: String,
    /// Level; may be empty.
    pub level: String,
    /// `time`, `event` or `challenge`, and its parameters in words.
    pub mode: String,
    /// How the PIN is checked.
    pub pin: PinInfo,
    /// Does a token answer login requests?
    pub push: bool,
    /// How sure the agent must be: `click`, `pin`, `finger` or `tpm`. None without push.
    pub push_level: Option<VerificationLevel>,
    /// Must the number that a resource shows be typed?
    pub number_matching: bool,
    /// May the seed leave the agent's vault?
    pub exportable: bool,
    /// When it was made or last changed, Unix milliseconds.
    pub changed_ms: i64,
}

impl From<&Policy> for PolicyInfo {
    fn from(policy: &Policy) -> Self {
        let rules = &policy.rules;
        Self {
            name: policy.name.clone(),
            level: policy.level.clone(),
            mode: rules.mode.to_string(),
            pin: token_info::pin_of(rules.pin),
            push: matches!(rules.push, PushPolicy::Allowed(_)),
            push_level: match rules.push {
                PushPolicy::Off => None,
                PushPolicy::Allowed(level) => Some(level),
            },
            number_matching: rules.number_matching == NumberMatching::Required,
            exportable: rules.exportable == Exportable::Yes,
            changed_ms: policy.changed.0,
        }
    }
}

impl PolicyInfo {
    /// `off`, or how sure the agent must be before an approval.
    #[must_use]
    pub fn push_word(&self) -> &'static str {
        self.push_level.map_or("off", level_word)
    }
}

impl Service {
    /// Every policy, by name.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn policies(&self) -> Result<Vec<Policy>, ServiceError> {
        Ok(self.store().read(|rows| rows.policies()).await?)
    }

    /// The policy of that name.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Unknown`], or the database failed.
    pub async fn policy(&self, name: &str) -> Result<Policy, PolicyError> {
        let name = name.to_owned();
        let policy = self.store().read(move |rows| rows.policy(&name)).await;
        policy.map_err(ServiceError)?.ok_or(PolicyError::Unknown)
    }
}

impl Operator {
    /// Makes a policy.
    ///
    /// # Errors
    ///
    /// Every variant of [`PolicyError`] but [`PolicyError::Unknown`].
    pub async fn add_policy(
        &self,
        name: &str,
        level: &str,
        rules: TokenRules,
    ) -> Result<(), PolicyError> {
        self.put_policy(name, level, rules, Place::New).await
    }

    /// Makes a policy say something else. Tokens that were issued by it stay as they are.
    ///
    /// # Errors
    ///
    /// Every variant of [`PolicyError`] but [`PolicyError::Taken`].
    pub async fn change_policy(
        &self,
        name: &str,
        level: &str,
        rules: TokenRules,
    ) -> Result<(), PolicyError> {
        self.put_policy(name, level, rules, Place::Changed).await
    }

    async fn put_policy(
        &self,
        name: &str,
        level: &str,
        rules: TokenRules,
        place: Place,
    ) -> Result<(), PolicyError> {
        if name.is_empty() || !is_plain(name, NAME) {
            return Err(PolicyError::Name);
        }
        if !is_plain(level, LEVEL) {
            return Err(PolicyError::Level);
        }
        issue::check_rules(&rules)?;
        let (now, operator) = (self.service().now(), self.name().to_owned());
        let policy = Policy {
            name: name.to_owned(),
            level: level.to_owned(),
            rules,
            changed: now,
        };
        self.service()
            .store()
            .write(move |rows| {
                let event = match (rows.policy(&policy.name)?, place) {
                    (None, Place::New) => AuditEvent::PolicyAdded,
                    (Some(_), Place::Changed) => AuditEvent::PolicyChanged,
                    (Some(_), Place::New) => return Ok(Err(PolicyError::Taken)),
                    (None, Place::Changed) => return Ok(Err(PolicyError::Unknown)),
                };
                rows.put_policy(&policy)?;
                rows.audit_by(&operator, now, event, &policy.name, &in_words(&policy))?;
                Ok(Ok(()))
            })
            .await
            .map_err(ServiceError)?
    }

    /// Removes a policy. Tokens that were issued by it stay as they are.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Unknown`], or the database failed.
    pub async fn remove_policy(&self, name: &str) -> Result<(), PolicyError> {
        let (now, operator) = (self.service().now(), self.name().to_owned());
        let name = name.to_owned();
        let removed = self
            .service()
            .store()
            .write(move |rows| {
                let removed = rows.remove_policy(&name)?;
                if removed {
                    rows.audit_by(&operator, now, AuditEvent::PolicyRemoved, &name, "")?;
                }
                Ok(removed)
            })
            .await
            .map_err(ServiceError)?;
        if removed {
            Ok(())
        } else {
            Err(PolicyError::Unknown)
        }
    }
}

/// Is a policy to be made, or changed?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    New,
    Changed,
}

/// Can it be shown as it is?
fn is_plain(text: &str, longest: usize) -> bool {
    text.trim() == text && text::display(text, longest) == text
}

/// Everything that it says, for the audit log.
fn in_words(policy: &Policy) -> String {
    let info = PolicyInfo::from(policy);
    let level = info.push_word();
    let yes = |on: bool| if on { "yes" } else { "no" };
    format!(
        "level {:?}, {}, PIN: {}, push: {level}, numbers: {}, exportable: {}",
        info.level,
        info.mode,
        info.pin,
        yes(info.number_matching),
        yes(info.exportable),
    )
}

/// The word for a level on the command line and in forms.
pub(crate) const fn level_word(level: VerificationLevel) -> &'static str {
    match level {
        VerificationLevel::Click => "click",
        VerificationLevel::Pin => "pin",
        VerificationLevel::Finger => "finger",
        VerificationLevel::Tpm => "tpm",
    }
}
