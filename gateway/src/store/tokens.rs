//! Tokens: what they are, their secrets, and the moving factor that only ever rises.

use core::{fmt, str::FromStr};

use countersign_core::{
    ids::DeviceId,
    otp::{OtpMode, validation::PassedOver},
    pskc::{Exportable, NumberMatching, PinPolicy},
    secret::SecretBytes,
    time::UnixMillis,
    token::PushPolicy,
};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::Serialize;

use super::{
    Rows, StoreError, TokenRules, UserId, from_row, pin_policy,
    policies::{exportable, exportable_word, matching, matching_word},
    to_row,
};

/// Where a token stands. A lock is not a state: it is a time until which typing is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// The activation string has been made.
    Issued,
    /// A device has the seed.
    Provisioned,
    /// The device has registered its keys.
    Active,
    /// Stopped by an administrator; may be resumed.
    Suspended,
    /// Ended by an administrator; for good.
    Revoked,
}

impl TokenState {
    const ALL: [Self; 5] = [
        Self::Issued,
        Self::Provisioned,
        Self::Active,
        Self::Suspended,
        Self::Revoked,
    ];

    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Provisioned => "provisioned",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for TokenState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TokenState {
    type Err = StoreError;

    fn from_str(word: &str) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or(StoreError::Unreadable("token state"))
    }
}

/// A token to be issued.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Serial; unique.
    pub serial: String,
    /// Whose.
    pub user: UserId,
    /// By which rules.
    pub rules: TokenRules,
    /// The name of the policy that it is issued by; may be empty.
    pub policy_name: String,
    /// The level of that policy; may be empty.
    pub policy_level: String,
}

/// Where the PIN stands that the gateway checks or computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PinStanding {
    /// The token has no such PIN.
    None,
    /// None is kept: not enrolled yet, or an administrator has reset it.
    Due,
    /// The user has chosen one.
    Chosen,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Serial.
    pub serial: String,
    /// Whose.
    pub user: UserId,
    /// Where it stands.
    pub state: TokenState,
    /// What it generates.
    pub mode: OtpMode,
    /// How its PIN is checked.
    pub pin: PinPolicy,
    /// Does it answer login requests, and how sure must it be?
    pub push: PushPolicy,
    /// Must the number that a resource shows be typed?
    pub number_matching: NumberMatching,
    /// May the seed leave the agent's vault?
    pub exportable: Exportable,
    /// The name of the policy that it was issued by; may be empty.
    pub policy_name: String,
    /// The level of that policy; may be empty.
    pub policy_level: String,
    /// The device that it lives on.
    pub device: Option<DeviceId>,
    /// The key that signs its approvals, SEC1.
    pub decision_key: Option<Vec<u8>>,
    /// Event-based: the least counter that is still good.
    pub next_counter: u64,
    /// Event-based: the counters behind it that a signed approval may still bring.
    pub passed_over: PassedOver,
    /// Event-based: what the agent said that it would use next.
    pub agent_counter: u64,
    /// Time-based: the last accepted step.
    pub last_step: Option<u64>,
    /// Time-based: the learnt offset of its clock, in steps.
    pub drift: i64,
    /// Wrong passcodes typed in a row.
    pub typing_failures: u32,
    /// Typing is locked until then.
    pub typing_locked_until: Option<UnixMillis>,
    /// Where its server PIN stands.
    pub pin_standing: PinStanding,
    /// Wrong server PINs since the last right one.
    pub pin_failures: u32,
    /// The server PIN is locked until then.
    pub pin_locked_until: Option<UnixMillis>,
    /// The sequence of the last change of the server PIN that was looked at.
    pub pin_sequence: u64,
    /// When it was issued.
    pub created: UnixMillis,
    /// When a passcode of it was last accepted.
    pub last_used: Option<UnixMillis>,
}

impl TokenRow {
    /// Until when the server PIN is locked, if it is now.
    #[must_use]
    pub fn pin_locked(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.pin_locked_until.filter(|until| now < *until)
    }

    /// Until when no typed passcode of a source that the user never logged in from is looked at, if typing or the
    /// server PIN is locked now.
    #[must_use]
    pub fn typing_locked(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.typing_locked_until
            .filter(|until| now < *until)
            .max(self.pin_locked(now))
    }

    /// Answers login requests now.
    #[must_use]
    pub fn takes_push(&self) -> bool {
        self.state == TokenState::Active
            && self.decision_key.is_some()
            && matches!(self.push, PushPolicy::Allowed(_))
    }
}

const COLUMNS: &str = "serial, user_id, state, mode, pin_policy, push, device_id, decision_key, next_counter, \
     passed_over, agent_counter, last_step, drift, typing_failures, typing_locked_until_ms, \
     coalesce(server_pin_mac, pin_hash_sealed) IS NOT NULL AS pin_chosen, pin_failures, \
     pin_locked_until_ms, pin_sequence, created_ms, last_used_ms, \
     number_matching, exportable, policy_name, policy_level";

impl Rows<'_> {
    /// Adds a token in the state [`TokenState::Issued`].
    pub(crate) fn add_token(self, token: &NewToken, at: UnixMillis) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO token (serial, user_id, state, mode, pin_policy, push, created_ms,
                   number_matching, exportable, policy_name, policy_level)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                token.serial,
                token.user.0,
                TokenState::Issued.as_str(),
                json(&token.rules.mode, "token mode")?,
                pin_policy::write(token.rules.pin)?,
                json(&token.rules.push, "push policy")?,
                at.0,
                matching_word(token.rules.number_matching),
                exportable_word(token.rules.exportable),
                token.policy_name,
                token.policy_level,
            ])?;
        Ok(())
    }

    /// The token of that serial.
    pub(crate) fn token(self, serial: &str) -> Result<Option<TokenRow>, StoreError> {
        self.tokens("serial = ?1", &[&serial])
            .map(|tokens| tokens.into_iter().next())
    }

    /// A user's tokens, oldest first.
    pub(crate) fn tokens_of_user(self, user: UserId) -> Result<Vec<TokenRow>, StoreError> {
        self.tokens("user_id = ?1", &[&user.0])
    }

    /// A device's tokens, oldest first.
    pub(crate) fn tokens_of_device(self, device: DeviceId) -> Result<Vec<TokenRow>, StoreError> {
        self.tokens("device_id = ?1", &[device.as_bytes()])
    }

    /// Every token, oldest first.
    pub(crate) fn all_tokens(self) -> Result<Vec<TokenRow>, StoreError> {
        self.tokens("1", &[])
    }

    fn tokens(
        self,
        condition: &'static str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<TokenRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM token WHERE {condition} ORDER BY created_ms, serial"
        ))?;
        let mut rows = statement.query(values)?;
        let mut tokens = Vec::new();
        while let Some(row) = rows.next()? {
            tokens.push(token(row)?);
        }
        Ok(tokens)
    }

    /// Changes the state, whatever it was; the story has decided.
    pub(crate) fn put_token_state(self, serial: &str, state: TokenState) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE token SET state = ?2 WHERE serial = ?1")?
            .execute(params![serial, state.as_str()])?;
        Ok(())
    }

    /// Stores what DSKPP made; the token is provisioned, and what an earlier run made is gone.
    pub(crate) fn provision_token(
        self,
        serial: &str,
        seed: &SecretBytes,
        mac_key: &SecretBytes,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE token SET state = ?2, seed_sealed = ?3, mac_key_sealed = ?4 WHERE serial = ?1",
            )?
            .execute(params![
                serial,
                TokenState::Provisioned.as_str(),
                self.key.seal("seed", serial, seed)?,
                self.key.seal("mac key", serial, mac_key)?,
            ])?;
        Ok(())
    }

    /// Binds the token to its device; it is active.
    pub(crate) fn activate_token(
        self,
        serial: &str,
        device: DeviceId,
        decision_key: &[u8],
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE token SET state = ?2, device_id = ?3, decision_key = ?4 WHERE serial = ?1",
            )?
            .execute(params![
                serial,
                TokenState::Active.as_str(),
                device.as_bytes(),
                decision_key
            ])?;
        Ok(())
    }

    /// Ends the token for good and forgets its secrets.
    pub(crate) fn revoke_token(self, serial: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE token SET state = ?2, seed_sealed = NULL, mac_key_sealed = NULL WHERE serial = ?1",
            )?
            .execute(params![serial, TokenState::Revoked.as_str()])?;
        self.reset_pin(serial)
    }

    /// Removes the token, its activation and its requests.
    pub(crate) fn delete_token(self, serial: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM token WHERE serial = ?1")?
            .execute([serial])?;
        Ok(())
    }

    /// The seed.
    pub(crate) fn seed(self, serial: &str) -> Result<Option<SecretBytes>, StoreError> {
        self.token_secret("seed_sealed", "seed", serial)
    }

    /// `K_MAC` of the DSKPP run that made the seed.
    pub(crate) fn mac_key(self, serial: &str) -> Result<Option<SecretBytes>, StoreError> {
        self.token_secret("mac_key_sealed", "mac key", serial)
    }

    pub(super) fn token_secret(
        self,
        column: &'static str,
        kind: &'static str,
        serial: &str,
    ) -> Result<Option<SecretBytes>, StoreError> {
        let sealed: Option<Vec<u8>> = self
            .connection
            .prepare_cached(&format!("SELECT {column} FROM token WHERE serial = ?1"))?
            .query_row([serial], |row| row.get(0))
            .optional()?
            .flatten();
        sealed
            .map(|sealed| self.key.open(kind, serial, &sealed))
            .transpose()
    }

    /// Counter `used` of a token as it is now has been accepted. The next good one never goes back; `passed_over` are the
    /// ones behind it that an approval may still bring.
    pub(crate) fn use_counter(
        self,
        token: &TokenRow,
        used: u64,
        passed_over: PassedOver,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        let next = token.next_counter.max(used.saturating_add(1));
        self.connection
            .prepare_cached(
                "UPDATE token SET next_counter = ?2, passed_over = ?3, last_used_ms = ?4 WHERE serial = ?1",
            )?
            .execute(params![
                token.serial,
                to_row(next),
                passed_over.bits().cast_signed(),
                at.0
            ])?;
        Ok(())
    }

    /// A passcode of the token that has nothing else to use up has been used.
    pub(crate) fn token_used(self, serial: &str, at: UnixMillis) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE token SET last_used_ms = ?2 WHERE serial = ?1")?
            .execute(params![serial, at.0])?;
        Ok(())
    }

    /// The agent will use `next`; only ever larger.
    pub(crate) fn hear_counter(self, serial: &str, next: u64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE token SET agent_counter = max(agent_counter, ?2) WHERE serial = ?1",
            )?
            .execute(params![serial, to_row(next)])?;
        Ok(())
    }

    /// Time step `used` has been accepted, and the clock's offset learnt. The step never goes back.
    pub(crate) fn raise_step(
        self,
        serial: &str,
        used: u64,
        drift: i64,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE token SET last_step = max(coalesce(last_step, 0), ?2), drift = ?3, last_used_ms = ?4
                 WHERE serial = ?1",
            )?
            .execute(params![serial, to_row(used), drift, at.0])?;
        Ok(())
    }

    /// Sets how many wrong passcodes have been typed in a row, and until when typing is locked.
    pub(crate) fn put_typing(
        self,
        serial: &str,
        failures: u32,
        locked_until: Option<UnixMillis>,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE token SET typing_failures = ?2, typing_locked_until_ms = ?3 WHERE serial = ?1",
            )?
            .execute(params![serial, failures, locked_until.map(|at| at.0)])?;
        Ok(())
    }
}

pub(super) fn json<T: Serialize>(value: &T, what: &'static str) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_unwritable| StoreError::Unreadable(what))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    column: &str,
    what: &'static str,
) -> Result<T, StoreError> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|_malformed| StoreError::Unreadable(what))
}

fn token(row: &Row<'_>) -> Result<TokenRow, StoreError> {
    let state: String = row.get("state")?;
    let device: Option<[u8; 16]> = row.get("device_id")?;
    let last_step: Option<i64> = row.get("last_step")?;
    let pin = pin_policy::read(&row.get::<_, String>("pin_policy")?)?;
    let pin_standing = match pin {
        PinPolicy::None | PinPolicy::Token(_) => PinStanding::None,
        PinPolicy::Server(_) | PinPolicy::InPasscode if row.get("pin_chosen")? => {
            PinStanding::Chosen
        }
        PinPolicy::Server(_) | PinPolicy::InPasscode => PinStanding::Due,
    };
    Ok(TokenRow {
        serial: row.get("serial")?,
        user: UserId(row.get("user_id")?),
        state: state.parse()?,
        mode: from_json(row, "mode", "token mode")?,
        pin,
        push: from_json(row, "push", "push policy")?,
        number_matching: matching(&row.get::<_, String>("number_matching")?)?,
        exportable: exportable(&row.get::<_, String>("exportable")?)?,
        policy_name: row.get("policy_name")?,
        policy_level: row.get("policy_level")?,
        device: device.map(DeviceId),
        decision_key: row.get("decision_key")?,
        next_counter: from_row(row.get("next_counter")?),
        passed_over: PassedOver::from_bits(row.get::<_, i64>("passed_over")?.cast_unsigned()),
        agent_counter: from_row(row.get("agent_counter")?),
        last_step: last_step.map(from_row),
        drift: row.get("drift")?,
        typing_failures: row.get("typing_failures")?,
        typing_locked_until: row
            .get::<_, Option<i64>>("typing_locked_until_ms")?
            .map(UnixMillis),
        pin_standing,
        pin_failures: row.get("pin_failures")?,
        pin_locked_until: row
            .get::<_, Option<i64>>("pin_locked_until_ms")?
            .map(UnixMillis),
        pin_sequence: from_row(row.get("pin_sequence")?),
        created: UnixMillis(row.get("created_ms")?),
        last_used: row.get::<_, Option<i64>>("last_used_ms")?.map(UnixMillis),
    })
}
