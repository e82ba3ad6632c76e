//! Named policies: what a token is issued by.

use countersign_core::{
    otp::OtpMode,
    pskc::{Exportable, NumberMatching, PinPolicy},
    time::UnixMillis,
    token::PushPolicy,
};
use rusqlite::{OptionalExtension as _, Row, params};

use super::{
    Rows, StoreError, pin_policy,
    tokens::{from_json, json},
};

/// By which rules a token lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// What it generates.
    pub mode: OtpMode,
    /// How its PIN is checked.
    pub pin: PinPolicy,
    /// Does it answer login requests, and how sure must the agent be?
    pub push: PushPolicy,
    /// Must the number that a resource shows be typed? Where the gateway's settings ask for it, it always must.
    pub number_matching: NumberMatching,
    /// May the seed leave the agent's vault?
    pub exportable: Exportable,
}

impl TokenRules {
    /// Without numbers, not exportable.
    #[must_use]
    pub const fn new(mode: OtpMode, pin: PinPolicy, push: PushPolicy) -> Self {
        Self {
            mode,
            pin,
            push,
            number_matching: NumberMatching::Off,
            exportable: Exportable::No,
        }
    }
}

/// Rules under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Name; unique. The policy string that the agent shows.
    pub name: String,
    /// Level; may be empty.
    pub level: String,
    /// What it says.
    pub rules: TokenRules,
    /// When it was made or last changed.
    pub changed: UnixMillis,
}

const COLUMNS: &str =
    "name, level, mode, pin_policy, push, number_matching, exportable, changed_ms";

impl Rows<'_> {
    /// Keeps a policy, in place of one of the same name.
    pub(crate) fn put_policy(self, policy: &Policy) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(&format!(
                "INSERT OR REPLACE INTO policy ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
            ))?
            .execute(params![
                policy.name,
                policy.level,
                json(&policy.rules.mode, "token mode")?,
                pin_policy::write(policy.rules.pin)?,
                json(&policy.rules.push, "push policy")?,
                matching_word(policy.rules.number_matching),
                exportable_word(policy.rules.exportable),
                policy.changed.0,
            ])?;
        Ok(())
    }

    /// The policy of that name.
    pub(crate) fn policy(self, name: &str) -> Result<Option<Policy>, StoreError> {
        self.connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM policy WHERE name = ?1"))?
            .query_row([name], |row| Ok(policy(row)))
            .optional()?
            .transpose()
    }

    /// Every policy, by name.
    pub(crate) fn policies(&self) -> Result<Vec<Policy>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM policy ORDER BY name"))?;
        let mut rows = statement.query([])?;
        let mut policies = Vec::new();
        while let Some(row) = rows.next()? {
            policies.push(policy(row)?);
        }
        Ok(policies)
    }

    /// Removes a policy; tokens that were issued by it stay as they are. Whether there was one.
    pub(crate) fn remove_policy(self, name: &str) -> Result<bool, StoreError> {
        let removed = self
            .connection
            .prepare_cached("DELETE FROM policy WHERE name = ?1")?
            .execute([name])?;
        Ok(removed > 0)
    }
}

fn policy(row: &Row<'_>) -> Result<Policy, StoreError> {
    Ok(Policy {
        name: row.get("name")?,
        level: row.get("level")?,
        rules: TokenRules {
            mode: from_json(row, "mode", "token mode")?,
            pin: pin_policy::read(&row.get::<_, String>("pin_policy")?)?,
            push: from_json(row, "push", "push policy")?,
            number_matching: matching(&row.get::<_, String>("number_matching")?)?,
            exportable: exportable(&row.get::<_, String>("exportable")?)?,
        },
        changed: UnixMillis(row.get("changed_ms")?),
    })
}

pub(super) const fn matching_word(matching: NumberMatching) -> &'static str {
    match matching {
        NumberMatching::Required => "required",
        NumberMatching::Off => "off",
    }
}

pub(super) fn matching(word: &str) -> Result<NumberMatching, StoreError> {
    [NumberMatching::Required, NumberMatching::Off]
        .into_iter()
        .find(|matching| matching_word(*matching) == word)
        .ok_or(StoreError::Unreadable("number matching"))
}

pub(super) const fn exportable_word(exportable: Exportable) -> &'static str {
    match exportable {
        Exportable::Yes => "yes",
        Exportable::No => "no",
    }
}

pub(super) fn exportable(word: &str) -> Result<Exportable, StoreError> {
    [Exportable::Yes, Exportable::No]
        .into_iter()
        .find(|exportable| exportable_word(*exportable) == word)
        .ok_or(StoreError::Unreadable("word about exports"))
}
