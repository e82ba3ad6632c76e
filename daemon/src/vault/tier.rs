//! The keys in memory, in two tiers that are wiped at different times.

use countersign_core::seal::{DataKey, MacKey, SealKey, SealPurpose};

use super::{FingerHalf, VaultError};

/// Survives a lock: a locked agent can still be reached, refuse and send again what it had decided.
#[derive(Debug)]
pub(super) struct ChannelTier {
    pub(super) channel_key: SealKey,
    pub(super) outbox: SealKey,
    pub(super) columns: MacKey,
    /// Where the user lets a finger unlock: what the last right PIN gave. The key source's half is not in it.
    pub(super) finger: Option<FingerHalf>,
}

/// Wiped by a lock: without it no passcode is generated and nothing approved.
#[derive(Debug)]
pub(super) struct DecisionTier {
    pub(super) token_blob: SealKey,
    pub(super) finger: SealKey,
    pub(super) container: SealKey,
}

impl ChannelTier {
    pub(super) fn derive(data_key: &DataKey) -> Result<Self, VaultError> {
        Ok(Self {
            channel_key: data_key.seal_key(SealPurpose::ChannelKey)?,
            outbox: data_key.seal_key(SealPurpose::Outbox)?,
            columns: data_key.mac_key()?,
            finger: None,
        })
    }
}

impl DecisionTier {
    pub(super) fn derive(data_key: &DataKey) -> Result<Self, VaultError> {
        Ok(Self {
            token_blob: data_key.seal_key(SealPurpose::TokenBlob)?,
            finger: data_key.seal_key(SealPurpose::Finger)?,
            container: data_key.seal_key(SealPurpose::Container)?,
        })
    }
}
