//! A vault in a folder of its own, and what goes into it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use countersign_core::{
    ids::{DeviceId, LoginRequestId, ServiceId, TokenId},
    otp::{Digits, HashAlgorithm, OtpMode, Period},
    pskc::{BiometricPin, PinPolicy, TokenPin},
    seal::slot::{Argon2Cost, PinKey, Salt},
    secret::SecretBytes,
    time::UnixMillis,
    token::{
        KeyHolder, NewPin, PinAsking, PushPolicy, ServiceBinding, TokenKeys, TokenSecrets,
        VerificationLevel,
    },
};
use countersignd::vault::{
    EventKind, KeyPlace, NewEvent, RequestRow, RequestState, ServiceRegistration, ServiceRow,
    SlotId, SlotKey, SlotSource, UnlockMode, Vault, VaultError, VaultState,
};
use rusqlite::Connection;
use tempfile::TempDir;

pub(crate) const HOST: [u8; 32] = [0xaa; 32];
pub(crate) const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
pub(crate) const SEED: &[u8; 20] = b"SEEDseedSEEDseed1234";
pub(crate) const SERVICE: ServiceId = ServiceId([1; 16]);

/// A vault in a folder of its own, opened with a keyring key: no Argon2id in the way.
pub(crate) struct Rig {
    pub(crate) folder: TempDir,
    pub(crate) vault: Vault,
}

pub(crate) fn keyring_key() -> SecretBytes {
    SecretBytes::from([0x42; 32])
}

pub(crate) fn source() -> SlotSource {
    SlotSource::Machine {
        place: KeyPlace::Keyring("test".to_owned()),
        key: keyring_key(),
        pin: None,
    }
}

/// What opens the first slot.
pub(crate) fn machine(key: SecretBytes) -> SlotKey {
    machine_at(1, key)
}

pub(crate) fn machine_at(slot: i64, key: SecretBytes) -> SlotKey {
    SlotKey::Machine {
        slot: SlotId(slot),
        key,
        pin: None,
    }
}

/// The PIN of the rig's tokens.
pub(crate) const PIN: &[u8] = b"246802";

pub(crate) fn pin_key(pin: &[u8]) -> PinKey {
    PinKey::derive(&pin.into(), &SALT, CHEAP).unwrap()
}

pub(crate) fn new_pin(pin: &[u8]) -> NewPin {
    NewPin {
        salt: SALT,
        cost: CHEAP,
        key: pin_key(pin),
        tpm: None,
    }
}

const SALT: Salt = Salt([1; 16]);
const CHEAP: Argon2Cost = Argon2Cost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

pub(crate) fn path_in(folder: &Path) -> PathBuf {
    folder.join("countersign/vault.db")
}

impl Rig {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut vault = Vault::open(path_in(folder.path()), HOST);
        vault.create(source(), UnlockMode::Session, NOW).unwrap();
        Self { folder, vault }
    }

    pub(crate) fn path(&self) -> PathBuf {
        path_in(self.folder.path())
    }

    /// As after a restart: another `Vault` on the same file, locked.
    pub(crate) fn reopened(self) -> Self {
        let path = self.path();
        let Self { folder, vault } = self;
        drop(vault);
        Self {
            folder,
            vault: Vault::open(path, HOST),
        }
    }

    pub(crate) fn unlocked(mut self) -> Self {
        self.vault.unlock(machine(keyring_key())).unwrap();
        self
    }

    pub(crate) fn add(&mut self, name: &str, mode: OtpMode) -> TokenId {
        self.vault
            .add_token(
                name,
                &token(mode),
                Some(&new_pin(PIN)),
                7,
                None,
                &event(EventKind::Enrolled),
            )
            .unwrap()
    }

    /// Changes the file behind the vault's back, as another program of the user could.
    pub(crate) fn tamper(self, sql: &str) -> Self {
        let path = self.path();
        let Self { folder, vault } = self;
        drop(vault);
        let database = Connection::open(&path).unwrap();
        database.execute_batch(sql).unwrap();
        drop(database);
        Self {
            folder,
            vault: Vault::open(path, HOST),
        }
    }

    /// Every byte of the folder's files, log and index included.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in fs::read_dir(self.path().parent().unwrap()).unwrap() {
            bytes.extend(fs::read(entry.unwrap().path()).unwrap());
        }
        bytes
    }

    pub(crate) fn holds(&self, needle: &[u8]) -> bool {
        self.bytes()
            .windows(needle.len())
            .any(|window| window == needle)
    }
}

pub(crate) fn event(kind: EventKind) -> NewEvent {
    NewEvent {
        at: NOW,
        kind,
        token: "vpn".to_owned(),
        detail: "as tested".to_owned(),
    }
}

pub(crate) fn event_mode() -> OtpMode {
    OtpMode::Event {
        hash: HashAlgorithm::Sha1,
        digits: Digits::SIX,
    }
}

pub(crate) fn time_mode() -> OtpMode {
    OtpMode::Time {
        hash: HashAlgorithm::Sha1,
        digits: Digits::SIX,
        period: Period::THIRTY,
    }
}

pub(crate) fn token(mode: OtpMode) -> TokenSecrets {
    TokenSecrets {
        mode: Some(mode),
        issuer: "Example".to_owned(),
        user: "alice".to_owned(),
        serial: "CS-1".to_owned(),
        pin: PinPolicy::Token(TokenPin {
            max_failed_attempts: 3,
            biometric: BiometricPin::Allowed,
            ..TokenPin::default()
        }),
        asking: PinAsking::EveryTime,
        push: PushPolicy::Allowed(VerificationLevel::Pin),
        service: None,
        keys: KeyHolder::Open(TokenKeys {
            seed: SecretBytes::from(*SEED),
            decision_key: None,
        }),
        exportable: false,
        policy_name: "standard".to_owned(),
        policy_level: "1".to_owned(),
        created: NOW,
        origins: Vec::new(),
    }
}

pub(crate) fn registration() -> ServiceRegistration {
    ServiceRegistration {
        service: ServiceRow {
            service: SERVICE,
            device: DeviceId([2; 16]),
            name: "Example".to_owned(),
            url: "https://gateway.example:8443".to_owned(),
            pins: vec![[3; 32], [4; 32]],
            identity_key: vec![5; 91],
            kind: countersignd::vault::ServiceKind::Gateway,
        },
        channel_key: SecretBytes::from([6; 32]),
    }
}

pub(crate) fn bound_token() -> TokenSecrets {
    let ServiceRow {
        service,
        device,
        url,
        pins,
        identity_key,
        ..
    } = registration().service;
    TokenSecrets {
        service: Some(ServiceBinding {
            service,
            device,
            url,
            pins,
            identity_key,
        }),
        keys: KeyHolder::Open(TokenKeys {
            seed: SecretBytes::from(*SEED),
            decision_key: Some(SecretBytes::from([7; 32])),
        }),
        ..token(time_mode())
    }
}

pub(crate) fn request(id: u8) -> RequestRow {
    RequestRow {
        id: LoginRequestId([id; 16]),
        service: SERVICE,
        hash: [id; 32],
        token: None,
        serial: "CS-1".to_owned(),
        resource: "VPN".to_owned(),
        user: "alice".to_owned(),
        address: "192.0.2.1".to_owned(),
        place: "Berne".to_owned(),
        program: "openvpn".to_owned(),
        number_required: true,
        created: NOW,
        received: NOW,
        ttl_ms: 60_000,
        state: RequestState::Pending,
        detail: String::new(),
        reported: false,
    }
}

pub(crate) fn refused(vault: &Vault) -> VaultError {
    let VaultState::Unusable { reason } = vault.state() else {
        unreachable!("the vault is usable");
    };
    reason
}
