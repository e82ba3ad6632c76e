//! The vault on a real file system: what lasts, what is refused, and what a file gives away.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests stop at the first surprise, and say aloud what they skip"
)]

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use countersign_core::{
    ids::{DeviceId, LoginRequestId, ServiceId, TokenId},
    otp::{Digits, HashAlgorithm, OtpMode, Period},
    secret::SecretBytes,
    time::UnixMillis,
    token::{PinType, PushPolicy, ServiceBinding, TokenSecrets, VerificationLevel},
};
use countersign_proto::agent::v1::Reason;
use countersignd::vault::{
    Autosend, EventKind, Integrity, NewEvent, OutboxKind, Recorded, RequestRow, RequestState,
    ServiceRegistration, ServiceRow, SlotKey, SlotSource, TokenState, UnlockMode, Vault,
    VaultError, VaultHandle, VaultState,
};
use rusqlite::Connection;
use tempfile::TempDir;

const HOST: [u8; 32] = [0xaa; 32];
const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const SEED: &[u8; 20] = b"SEEDseedSEEDseed1234";
const SERVICE: ServiceId = ServiceId([1; 16]);

/// A vault in a folder of its own, opened with a keyring key: no Argon2id in the way.
struct Rig {
    folder: TempDir,
    vault: Vault,
}

fn keyring_key() -> SecretBytes {
    SecretBytes::from([0x42; 32])
}

fn source() -> SlotSource {
    SlotSource::Keyring {
        name: "test".to_owned(),
        key: keyring_key(),
    }
}

fn path_in(folder: &Path) -> PathBuf {
    folder.join("countersign/vault.db")
}

impl Rig {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut vault = Vault::open(path_in(folder.path()), HOST);
        vault.create(source(), UnlockMode::Session, NOW).unwrap();
        Self { folder, vault }
    }

    fn path(&self) -> PathBuf {
        path_in(self.folder.path())
    }

    /// As after a restart: another `Vault` on the same file, locked.
    fn reopened(self) -> Self {
        let path = self.path();
        let Self { folder, vault } = self;
        drop(vault);
        Self {
            folder,
            vault: Vault::open(path, HOST),
        }
    }

    fn unlocked(mut self) -> Self {
        self.vault.unlock(SlotKey::Keyring(keyring_key())).unwrap();
        self
    }

    fn add(&mut self, name: &str, mode: OtpMode) -> TokenId {
        self.vault
            .add_token(name, &token(mode), 7, None, &event(EventKind::Enrolled))
            .unwrap()
    }

    /// Changes the file behind the vault's back, as another program of the user could.
    fn tamper(self, sql: &str) -> Self {
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
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in fs::read_dir(self.path().parent().unwrap()).unwrap() {
            bytes.extend(fs::read(entry.unwrap().path()).unwrap());
        }
        bytes
    }

    fn holds(&self, needle: &[u8]) -> bool {
        self.bytes()
            .windows(needle.len())
            .any(|window| window == needle)
    }
}

fn event(kind: EventKind) -> NewEvent {
    NewEvent {
        at: NOW,
        kind,
        token: "vpn".to_owned(),
        detail: "as tested".to_owned(),
    }
}

fn event_mode() -> OtpMode {
    OtpMode::Event {
        hash: HashAlgorithm::Sha1,
        digits: Digits::SIX,
    }
}

fn time_mode() -> OtpMode {
    OtpMode::Time {
        hash: HashAlgorithm::Sha1,
        digits: Digits::SIX,
        period: Period::THIRTY,
    }
}

fn token(mode: OtpMode) -> TokenSecrets {
    TokenSecrets {
        mode,
        seed: SecretBytes::from(*SEED),
        issuer: "Example".to_owned(),
        user: "alice".to_owned(),
        serial: "CS-1".to_owned(),
        pin: PinType::Token,
        pin_tries: Some(3),
        push: PushPolicy::Allowed(VerificationLevel::Pin),
        service: None,
        decision_key: None,
        exportable: false,
        policy_name: "standard".to_owned(),
        policy_level: "1".to_owned(),
        created: NOW,
    }
}

fn registration() -> ServiceRegistration {
    ServiceRegistration {
        service: ServiceRow {
            service: SERVICE,
            device: DeviceId([2; 16]),
            name: "Example".to_owned(),
            url: "https://gateway.example:8443".to_owned(),
            pins: vec![[3; 32], [4; 32]],
            identity_key: vec![5; 91],
        },
        channel_key: SecretBytes::from([6; 32]),
    }
}

fn bound_token() -> TokenSecrets {
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
        decision_key: Some(SecretBytes::from([7; 32])),
        ..token(time_mode())
    }
}

fn request(id: u8) -> RequestRow {
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

fn refused(vault: &Vault) -> VaultError {
    let VaultState::Unusable { reason } = vault.state() else {
        unreachable!("the vault is usable");
    };
    reason
}

// ---- states ----

#[test]
fn a_vault_is_made_by_create_only() {
    let folder = TempDir::new().unwrap();
    let path = path_in(folder.path());
    let mut vault = Vault::open(path.clone(), HOST);
    assert_eq!(vault.state(), VaultState::Absent);
    assert_eq!(
        vault.unlock(SlotKey::Keyring(keyring_key())),
        Err(VaultError::Absent)
    );
    assert_eq!(vault.tokens(), Err(VaultError::Absent));
    assert!(
        !path.parent().unwrap().exists(),
        "looking for a vault leaves no trace"
    );
    vault.create(source(), UnlockMode::Session, NOW).unwrap();
    assert_eq!(vault.state(), VaultState::Unlocked);
    assert_eq!(vault.unlock_mode(), Ok(UnlockMode::Session));
    assert_eq!(vault.events(10).unwrap()[0].kind, EventKind::Setup);
    assert_eq!(
        vault.create(source(), UnlockMode::Session, NOW),
        Err(VaultError::Exists)
    );
}

#[test]
fn what_was_kept_is_there_after_a_restart() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", event_mode());
    let rig = rig.reopened();
    assert_eq!(rig.vault.state(), VaultState::Locked);
    let listed = rig.vault.tokens().unwrap();
    assert_eq!(listed[0].integrity, Integrity::Unchecked);
    assert_eq!(listed[0].secrets, None);
    assert_eq!(
        (listed[0].name.as_str(), listed[0].counter),
        ("vpn", Some(7))
    );
    let rig = rig.unlocked();
    assert_eq!(rig.vault.token_secrets(id).unwrap(), token(event_mode()));
    let listed = rig.vault.tokens().unwrap();
    assert_eq!(listed[0].integrity, Integrity::Sound);
    assert_eq!(listed[0].secrets.as_ref().unwrap().issuer, "Example");
}

#[test]
fn nothing_is_readable_after_a_lock() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", event_mode());
    rig.vault.put_service(&registration()).unwrap();
    rig.vault.lock();
    assert_eq!(rig.vault.state(), VaultState::Locked);
    assert_eq!(rig.vault.token_secrets(id), Err(VaultError::Locked));
    assert_eq!(
        rig.vault
            .take_counter(id, &event(EventKind::PasscodeGenerated)),
        Err(VaultError::Locked)
    );
    assert_eq!(rig.vault.begin_pin_attempt(id), Err(VaultError::Locked));
    assert_eq!(
        rig.vault.add_token(
            "x",
            &token(time_mode()),
            0,
            None,
            &event(EventKind::Enrolled)
        ),
        Err(VaultError::Locked)
    );
    assert_eq!(rig.vault.tokens().unwrap()[0].secrets, None);
    // The channel tier is still there: the agent can be reached and refuse.
    assert_eq!(rig.vault.tokens().unwrap()[0].integrity, Integrity::Sound);
    assert!(rig.vault.channel_key(SERVICE).is_ok());
    assert_eq!(rig.vault.raise_counter(id, 9), Ok(9));
    rig.vault.close();
    assert_eq!(
        rig.vault.channel_key(SERVICE).err(),
        Some(VaultError::Locked)
    );
    assert_eq!(rig.vault.outbox(SERVICE), Err(VaultError::Locked));
    assert_eq!(rig.vault.raise_counter(id, 10), Err(VaultError::Locked));
}

#[test]
fn a_passphrase_opens_and_a_wrong_one_does_not() {
    let folder = TempDir::new().unwrap();
    let mut vault = Vault::open(path_in(folder.path()), HOST);
    let passphrase = |text: &str| SlotKey::Passphrase(SecretBytes::from(text.as_bytes()));
    let source = SlotSource::Passphrase(SecretBytes::from(b"correct horse".as_slice()));
    vault.create(source, UnlockMode::Pin, NOW).unwrap();
    vault.lock();
    assert_eq!(
        vault.unlock(passphrase("correct horsf")),
        Err(VaultError::WrongPassphrase)
    );
    assert_eq!(
        vault.unlock(passphrase("")),
        Err(VaultError::PassphraseInvalid)
    );
    assert_eq!(
        vault.unlock(SlotKey::Keyring(keyring_key())),
        Err(VaultError::NoSlot)
    );
    assert_eq!(vault.state(), VaultState::Locked);
    vault.unlock(passphrase("correct horse")).unwrap();
    assert_eq!(vault.state(), VaultState::Unlocked);
}

#[test]
fn slots_are_added_by_who_can_open_and_the_last_one_stays() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", time_mode());
    let second = SecretBytes::from([0x43; 32]);
    let slots = rig.vault.slots().unwrap();
    let added = SlotSource::Keyring {
        name: "second".to_owned(),
        key: second.clone(),
    };
    let wrong = SlotKey::Keyring(second.clone()).prepare(&slots).unwrap();
    let prepared = added.prepare().unwrap();
    assert_eq!(
        rig.vault.add_slot(wrong, &prepared),
        Err(VaultError::WrongKey)
    );
    let right = SlotKey::Keyring(keyring_key()).prepare(&slots).unwrap();
    let slot = rig.vault.add_slot(right, &prepared).unwrap();
    rig.vault.lock();
    assert_eq!(rig.vault.remove_slot(slots[0].id), Err(VaultError::Locked));
    rig.vault.unlock(SlotKey::Keyring(second.clone())).unwrap();
    rig.vault.remove_slot(slots[0].id).unwrap();
    assert_eq!(rig.vault.remove_slot(slot), Err(VaultError::NoSlot));
    let mut rig = rig.reopened();
    assert_eq!(
        rig.vault.unlock(SlotKey::Keyring(keyring_key())),
        Err(VaultError::WrongKey)
    );
    rig.vault.unlock(SlotKey::Keyring(second)).unwrap();
    assert!(rig.vault.token_secrets(id).is_ok());
    assert_eq!(rig.vault.slots().unwrap()[0].keyring_name(), Some("second"));
}

#[test]
fn one_process_at_a_time() {
    let mut rig = Rig::new();
    let mut second = Vault::open(rig.path(), HOST);
    assert_eq!(refused(&second), VaultError::InUse);
    assert_eq!(
        second.unlock(SlotKey::Keyring(keyring_key())),
        Err(VaultError::InUse)
    );
    assert_eq!(
        second.create(source(), UnlockMode::Pin, NOW),
        Err(VaultError::InUse)
    );
    rig.vault.append_event(&event(EventKind::Locked)).unwrap();
    drop(rig.vault);
    second.unlock(SlotKey::Keyring(keyring_key())).unwrap();
    assert_eq!(second.state(), VaultState::Unlocked);
}

#[test]
fn another_host_is_refused() {
    let rig = Rig::new();
    let path = rig.path();
    drop(rig.vault);
    let vault = Vault::open(path.clone(), [0xbb; 32]);
    assert_eq!(refused(&vault), VaultError::OtherHost);
    drop(vault);
    // Putting this host's id into the file does not help: the header has a MAC.
    Connection::open(&path)
        .unwrap()
        .execute("UPDATE header SET host = ?1", [[0xbb_u8; 32]])
        .unwrap();
    let mut vault = Vault::open(path, [0xbb; 32]);
    assert_eq!(
        vault.unlock(SlotKey::Keyring(keyring_key())),
        Err(VaultError::Damaged)
    );
    assert_eq!(vault.state(), VaultState::Locked);
}

#[test]
fn a_newer_schema_is_left_untouched() {
    let rig = Rig::new();
    let path = rig.path();
    drop(rig.vault);
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 2)
        .unwrap();
    let before = fs::read(&path).unwrap();
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let mut vault = Vault::open(path.clone(), HOST);
    assert_eq!(refused(&vault), VaultError::Newer);
    assert_eq!(
        vault.create(source(), UnlockMode::Pin, NOW),
        Err(VaultError::Exists)
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified);
    assert!(!path.with_extension("db-wal").exists());
}

#[test]
fn what_is_no_vault_is_damaged_and_never_overwritten() {
    for content in [b"".as_slice(), b"not a database", &[0; 4096]] {
        let folder = TempDir::new().unwrap();
        let path = path_in(folder.path());
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let mut vault = Vault::open(path.clone(), HOST);
        assert_eq!(refused(&vault), VaultError::Damaged);
        assert_eq!(
            vault.create(source(), UnlockMode::Pin, NOW),
            Err(VaultError::Exists)
        );
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn another_database_is_no_vault() {
    let folder = TempDir::new().unwrap();
    let path = path_in(folder.path());
    fs::create_dir(path.parent().unwrap()).unwrap();
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t(a)")
        .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(refused(&Vault::open(path, HOST)), VaultError::Damaged);
}

#[test]
fn a_torn_file_is_damaged() {
    let mut rig = Rig::new();
    for number in 0..20 {
        rig.add(&format!("token {number}"), time_mode());
    }
    let path = rig.path();
    drop(rig.vault);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(refused(&Vault::open(path, HOST)), VaultError::Damaged);
}

// ---- the files ----

#[test]
fn files_are_the_users_alone() {
    // A umask belongs to a whole process: `vault_kill` tries the loosest and the tightest in a child.
    let mut rig = Rig::new();
    rig.add("vpn", time_mode());
    let folder = rig.path().parent().unwrap().to_owned();
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7777, 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().mode() & 0o7777,
            0o600,
            "{:?}",
            entry.path()
        );
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(
        names,
        ["vault.db", "vault.db-lock", "vault.db-shm", "vault.db-wal"]
    );
}

#[test]
fn what_others_can_write_is_refused() {
    for (name, mode) in [
        ("", 0o770),
        ("", 0o707),
        ("vault.db", 0o620),
        ("vault.db-lock", 0o602),
    ] {
        let rig = Rig::new();
        let path = rig.path();
        drop(rig.vault);
        let target = path.parent().unwrap().join(name);
        fs::set_permissions(&target, fs::Permissions::from_mode(mode)).unwrap();
        let vault = Vault::open(path, HOST);
        assert_eq!(refused(&vault), VaultError::Exposed, "{name} {mode:o}");
    }
}

#[test]
fn symbolic_links_are_refused() {
    for name in [
        "countersign",
        "countersign/vault.db",
        "countersign/vault.db-lock",
        "countersign/vault.db-wal",
    ] {
        let rig = Rig::new();
        let path = rig.path();
        drop(rig.vault);
        let target = rig.folder.path().join(name);
        let moved = rig.folder.path().join("moved");
        if target.exists() {
            fs::rename(&target, &moved).unwrap();
        }
        symlink(&moved, &target).unwrap();
        assert_eq!(
            refused(&Vault::open(path, HOST)),
            VaultError::Exposed,
            "{name}"
        );
    }
}

#[test]
fn a_stray_log_of_a_deleted_vault_is_not_replayed() {
    let mut rig = Rig::new();
    rig.add("old", time_mode());
    let path = rig.path();
    let log = path.with_extension("db-wal");
    let stray = fs::read(&log).unwrap();
    drop(rig.vault);
    fs::remove_file(&path).unwrap();
    fs::write(&log, stray).unwrap();
    let mut vault = Vault::open(path, HOST);
    assert_eq!(vault.state(), VaultState::Absent);
    vault.create(source(), UnlockMode::Session, NOW).unwrap();
    assert_eq!(vault.tokens(), Ok(Vec::new()));
}

#[test]
fn a_draft_left_by_a_crash_is_in_nobodys_way() {
    let folder = TempDir::new().unwrap();
    let path = path_in(folder.path());
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::write(path.with_extension("db-new"), b"half").unwrap();
    let mut vault = Vault::open(path.clone(), HOST);
    assert_eq!(vault.state(), VaultState::Absent);
    vault.create(source(), UnlockMode::Session, NOW).unwrap();
    assert!(!path.with_extension("db-new").exists());
}

#[test]
fn the_files_hold_no_secret() {
    let mut rig = Rig::new();
    rig.vault.put_service(&registration()).unwrap();
    rig.add("vpn", event_mode());
    rig.vault.record_request(&request(1), None).unwrap();
    let frame = SecretBytes::from(*b"frame with passcode 31415926");
    rig.vault
        .save_decision(request(1).id, SERVICE, &frame, NOW, None)
        .unwrap();
    let base64 = data_encoding::BASE64.encode(SEED);
    for secret in [
        SEED.as_slice(),
        base64.as_bytes(),
        b"31415926",
        &[6; 32],
        &[0x42; 32],
    ] {
        assert!(!rig.holds(secret));
    }
    assert!(rig.holds(b"vpn"), "the search itself works");
}

#[test]
fn what_is_deleted_is_erased_from_the_files() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", time_mode());
    rig.vault.put_service(&registration()).unwrap();
    rig.vault.record_request(&request(1), None).unwrap();
    let frame = SecretBytes::from(*b"frame");
    rig.vault
        .save_decision(request(1).id, SERVICE, &frame, NOW, None)
        .unwrap();
    let path = rig.path();
    let sealed = |sql: &str| -> Vec<u8> {
        Connection::open(&path)
            .unwrap()
            .query_row(sql, (), |row| row.get(0))
            .unwrap()
    };
    let blob = sealed("SELECT blob FROM tokens");
    let frame = sealed("SELECT frame FROM outbox");
    assert!(rig.holds(&blob[30..60]) && rig.holds(&frame));
    rig.vault.delete(id, &event(EventKind::Deleted)).unwrap();
    rig.vault
        .close_decision(request(1).id, RequestState::Approved, "", None)
        .unwrap();
    assert!(!rig.holds(&blob[30..60]));
    assert!(!rig.holds(&frame));
    assert_eq!(
        rig.vault.delete(id, &event(EventKind::Deleted)),
        Err(VaultError::TokenUnknown)
    );
}

// ---- changes from outside ----

#[test]
fn edited_columns_are_damaged() {
    for sql in [
        "UPDATE tokens SET counter = 1",
        "UPDATE tokens SET counter = NULL",
        "UPDATE tokens SET tries_left = 100",
        "UPDATE tokens SET state = 'revoked'",
        "UPDATE tokens SET autosend = 0",
        "UPDATE tokens SET name = 'other'",
        "UPDATE tokens SET serial = 'CS-2'",
        "UPDATE tokens SET columns_mac = zeroblob(32)",
        "UPDATE tokens SET id = id + 1",
    ] {
        let mut rig = Rig::new();
        rig.add("vpn", event_mode());
        let mut rig = rig.tamper(sql).unlocked();
        let row = &rig.vault.tokens().unwrap()[0];
        assert_eq!(
            (row.integrity, &row.secrets),
            (Integrity::Damaged, &None),
            "{sql}"
        );
        let id = row.id;
        assert_eq!(
            rig.vault.token_secrets(id),
            Err(VaultError::Damaged),
            "{sql}"
        );
        let taken = rig
            .vault
            .take_counter(id, &event(EventKind::PasscodeGenerated));
        assert_eq!(taken, Err(VaultError::Damaged), "{sql}");
        assert_eq!(
            rig.vault.raise_counter(id, 50),
            Err(VaultError::Damaged),
            "{sql}"
        );
        assert_eq!(
            rig.vault.begin_pin_attempt(id),
            Err(VaultError::Damaged),
            "{sql}"
        );
        rig.vault.delete(id, &event(EventKind::Deleted)).unwrap();
    }
}

#[test]
fn swapped_blobs_are_damaged() {
    let mut rig = Rig::new();
    let first = rig.add("first", time_mode());
    let second = rig.add("second", time_mode());
    let rig = rig
        .tamper(
            "CREATE TEMP TABLE both AS SELECT id, blob, columns_mac FROM tokens;
             UPDATE tokens SET (blob, columns_mac) =
                (SELECT blob, columns_mac FROM both WHERE both.id <> tokens.id);",
        )
        .unlocked();
    for id in [first, second] {
        assert_eq!(rig.vault.token_secrets(id), Err(VaultError::Damaged));
    }
}

#[test]
fn an_edited_header_does_not_unlock() {
    for sql in [
        "UPDATE header SET unlock_mode = 'pin'",
        "UPDATE header SET autosend = 0",
        "UPDATE header SET vault_id = zeroblob(16)",
    ] {
        let mut rig = Rig::new().tamper(sql);
        assert_eq!(
            rig.vault.unlock(SlotKey::Keyring(keyring_key())),
            Err(VaultError::Damaged),
            "{sql}"
        );
        assert_eq!(rig.vault.state(), VaultState::Locked);
    }
}

#[test]
fn an_edited_service_is_damaged() {
    for sql in [
        "UPDATE services SET url = 'https://evil.example'",
        "UPDATE services SET pins = zeroblob(32)",
        "UPDATE services SET identity_key = x'00'",
        "UPDATE services SET device_id = zeroblob(16)",
        "UPDATE services SET channel_key = x'00'",
    ] {
        let mut rig = Rig::new();
        rig.vault.put_service(&registration()).unwrap();
        let rig = rig.tamper(sql).unlocked();
        assert_eq!(rig.vault.services(), Err(VaultError::Damaged), "{sql}");
        assert_eq!(
            rig.vault.channel_key(SERVICE).err(),
            Some(VaultError::Damaged),
            "{sql}"
        );
    }
}

#[test]
fn cheaper_slot_parameters_do_not_open() {
    let rig = Rig::new();
    let mut rig = rig.tamper("UPDATE slots SET parameters = replace(parameters, 'test', 'tost')");
    assert_eq!(
        rig.vault.unlock(SlotKey::Keyring(keyring_key())),
        Err(VaultError::WrongKey)
    );
}

#[test]
fn triggers_in_the_file_do_not_run() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", event_mode());
    let mut rig = rig
        .tamper(
            "CREATE TRIGGER back AFTER INSERT ON events BEGIN
                UPDATE tokens SET counter = 1; DELETE FROM events; END;",
        )
        .unlocked();
    let taken = rig
        .vault
        .take_counter(id, &event(EventKind::PasscodeGenerated));
    assert_eq!(taken, Ok(7));
    assert_eq!(rig.vault.tokens().unwrap()[0].counter, Some(8));
    assert!(rig.vault.events(10).unwrap().len() >= 2);
}

// ---- tokens ----

#[test]
fn a_token_comes_with_its_service_or_not_at_all() {
    let mut rig = Rig::new();
    let enrolled = event(EventKind::Enrolled);
    let alone = rig
        .vault
        .add_token("vpn", &bound_token(), 0, None, &enrolled);
    assert_eq!(alone, Err(VaultError::ServiceUnknown));
    let events_before = rig.vault.events(10).unwrap();
    rig.vault
        .add_token("vpn", &bound_token(), 0, Some(&registration()), &enrolled)
        .unwrap();
    assert_eq!(rig.vault.events(10).unwrap().len(), events_before.len() + 1);
    assert_eq!(rig.vault.services(), Ok(vec![registration().service]));
    // A name that is taken undoes the service too.
    let mut other = registration();
    other.service.name = "Renamed".to_owned();
    let second = TokenSecrets {
        serial: "CS-2".to_owned(),
        ..bound_token()
    };
    let taken = rig
        .vault
        .add_token("VPN", &second, 0, Some(&other), &enrolled);
    assert_eq!(taken, Err(VaultError::NameTaken));
    assert_eq!(rig.vault.services(), Ok(vec![registration().service]));
    let twice = rig
        .vault
        .add_token("again", &bound_token(), 0, None, &enrolled);
    assert_eq!(twice, Err(VaultError::TokenExists));
    assert_eq!(
        rig.vault.remove_service(SERVICE),
        Err(VaultError::ServiceInUse)
    );
    let id = rig.vault.tokens().unwrap()[0].id;
    rig.vault.revoke(id, &event(EventKind::Revoked)).unwrap();
    rig.vault
        .add_token("again", &bound_token(), 0, None, &enrolled)
        .unwrap();
}

#[test]
fn names_are_checked_and_renames_last() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", time_mode());
    rig.add("mail", time_mode());
    let renamed = event(EventKind::Renamed);
    for (name, error) in [
        ("", VaultError::NameInvalid),
        ("  ", VaultError::NameInvalid),
        (&"x".repeat(65), VaultError::NameInvalid),
        ("Mail", VaultError::NameTaken),
    ] {
        assert_eq!(rig.vault.rename(id, name, &renamed), Err(error));
    }
    rig.vault.rename(id, "work", &renamed).unwrap();
    rig.vault.rename(id, "Work", &renamed).unwrap();
    let rig = rig.reopened().unlocked();
    assert_eq!(rig.vault.tokens().unwrap()[0].name, "Work");
    assert!(rig.vault.token_secrets(id).is_ok());
}

#[test]
fn ids_are_never_used_again() {
    let mut rig = Rig::new();
    let first = rig.add("vpn", time_mode());
    rig.vault.delete(first, &event(EventKind::Deleted)).unwrap();
    assert!(rig.add("vpn", time_mode()) > first);
}

#[test]
fn a_revoked_token_keeps_its_history_only() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", event_mode());
    rig.vault.lock();
    rig.vault.revoke(id, &event(EventKind::Revoked)).unwrap();
    rig.vault.revoke(id, &event(EventKind::Revoked)).unwrap();
    let mut rig = rig.unlocked();
    let row = &rig.vault.tokens().unwrap()[0];
    assert_eq!(
        (row.state, row.integrity, &row.secrets),
        (TokenState::Revoked, Integrity::Sound, &None)
    );
    assert_eq!(rig.vault.token_secrets(id), Err(VaultError::TokenRevoked));
    let taken = rig
        .vault
        .take_counter(id, &event(EventKind::PasscodeGenerated));
    assert_eq!(taken, Err(VaultError::TokenRevoked));
    let revoked = rig
        .vault
        .events(10)
        .unwrap()
        .iter()
        .filter(|event| event.kind == EventKind::Revoked)
        .count();
    assert_eq!(revoked, 1, "the second time changes nothing");
}

#[test]
fn autosend_is_kept_for_the_vault_and_for_each_token() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", time_mode());
    let changed = event(EventKind::AutosendChanged);
    rig.vault
        .set_autosend(None, Autosend::Off, &changed)
        .unwrap();
    rig.vault
        .set_autosend(Some(id), Autosend::Off, &changed)
        .unwrap();
    let mut rig = rig.reopened();
    assert_eq!(
        rig.vault.set_autosend(None, Autosend::On, &changed),
        Err(VaultError::Locked)
    );
    assert_eq!(rig.vault.autosend(), Ok(Autosend::Off));
    let mut rig = rig.unlocked();
    assert_eq!(rig.vault.tokens().unwrap()[0].autosend, Autosend::Off);
    rig.vault.lock();
    rig.vault
        .set_autosend(None, Autosend::On, &changed)
        .unwrap();
    assert_eq!(rig.vault.autosend(), Ok(Autosend::On));
    let unknown = rig
        .vault
        .set_autosend(Some(TokenId(99)), Autosend::On, &changed);
    assert_eq!(unknown, Err(VaultError::TokenUnknown));
}

#[test]
fn counters_only_rise() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", event_mode());
    let generated = event(EventKind::PasscodeGenerated);
    assert_eq!(rig.vault.take_counter(id, &generated), Ok(7));
    assert_eq!(rig.vault.take_counter(id, &generated), Ok(8));
    assert_eq!(rig.vault.raise_counter(id, 3), Ok(9));
    assert_eq!(rig.vault.raise_counter(id, 20), Ok(20));
    let mut rig = rig.reopened().unlocked();
    assert_eq!(rig.vault.take_counter(id, &generated), Ok(20));
    assert_eq!(
        rig.vault.events(1).unwrap()[0].kind,
        EventKind::PasscodeGenerated
    );
    let end = u64::try_from(i64::MAX).unwrap();
    assert_eq!(
        rig.vault.raise_counter(id, u64::MAX),
        Err(VaultError::CounterExhausted)
    );
    assert_eq!(rig.vault.raise_counter(id, end), Ok(end));
    assert_eq!(
        rig.vault.take_counter(id, &generated),
        Err(VaultError::CounterExhausted)
    );
    let timed = rig.add("mail", time_mode());
    assert_eq!(
        rig.vault.take_counter(timed, &generated),
        Err(VaultError::NoCounter)
    );
}

#[test]
fn no_pin_try_is_free() {
    let mut rig = Rig::new();
    let id = rig.add("vpn", time_mode());
    assert_eq!(rig.vault.begin_pin_attempt(id), Ok(2));
    let mut rig = rig.reopened().unlocked();
    assert_eq!(rig.vault.begin_pin_attempt(id), Ok(1));
    rig.vault.pin_succeeded(id).unwrap();
    for left in [2, 1, 0] {
        assert_eq!(rig.vault.begin_pin_attempt(id), Ok(left));
    }
    assert_eq!(
        rig.vault.begin_pin_attempt(id),
        Err(VaultError::PinExhausted)
    );
    rig.vault
        .exhaust(id, &event(EventKind::UnlockFailed))
        .unwrap();
    assert_eq!(rig.vault.token_secrets(id), Err(VaultError::PinExhausted));
    assert_eq!(rig.vault.pin_succeeded(id), Err(VaultError::PinExhausted));
    assert_eq!(
        rig.vault.tokens().unwrap()[0].state,
        TokenState::PinExhausted
    );
}

// ---- services, requests, outbox, events ----

#[test]
fn a_service_is_kept_with_its_channel_key() {
    let mut rig = Rig::new();
    rig.vault.put_service(&registration()).unwrap();
    let mut moved = registration();
    moved.service.url = "https://other.example".to_owned();
    rig.vault.put_service(&moved).unwrap();
    let rig = rig.reopened();
    assert_eq!(
        rig.vault.channel_key(SERVICE).err(),
        Some(VaultError::Locked)
    );
    let mut rig = rig.unlocked();
    assert_eq!(rig.vault.services(), Ok(vec![moved.service]));
    let key = rig.vault.channel_key(SERVICE).unwrap();
    assert_eq!(key.to_bytes().as_slice(), &[6; 32]);
    assert_eq!(
        rig.vault.channel_key(ServiceId([9; 16])).err(),
        Some(VaultError::ServiceUnknown)
    );
    rig.vault.remove_service(SERVICE).unwrap();
    assert_eq!(rig.vault.services(), Ok(Vec::new()));
    assert_eq!(
        rig.vault.remove_service(SERVICE),
        Err(VaultError::ServiceUnknown)
    );
}

#[test]
fn a_request_is_recorded_once() {
    let mut rig = Rig::new();
    let received = event(EventKind::RequestReceived);
    assert_eq!(
        rig.vault.record_request(&request(1), Some(&received)),
        Ok(Recorded::New)
    );
    assert_eq!(
        rig.vault.record_request(&request(1), Some(&received)),
        Ok(Recorded::Same)
    );
    let other = RequestRow {
        hash: [9; 32],
        ..request(1)
    };
    assert_eq!(
        rig.vault.record_request(&other, Some(&received)),
        Ok(Recorded::Different)
    );
    let elsewhere = RequestRow {
        service: ServiceId([9; 16]),
        ..request(1)
    };
    assert_eq!(
        rig.vault.record_request(&elsewhere, None),
        Ok(Recorded::Different)
    );
    assert_eq!(rig.vault.request(request(1).id), Ok(request(1)));
    assert_eq!(
        rig.vault.events(10).unwrap().len(),
        2,
        "setup and one request"
    );
    rig.vault.record_request(&request(2), None).unwrap();
    rig.vault
        .set_request_state(request(2).id, RequestState::Expired, "late", None)
        .unwrap();
    let history = rig.vault.requests(10).unwrap();
    assert_eq!(
        history.iter().map(|row| row.id.0[0]).collect::<Vec<_>>(),
        [2, 1]
    );
    assert_eq!(
        (history[0].state, history[0].detail.as_str()),
        (RequestState::Expired, "late")
    );
    let unknown = rig
        .vault
        .set_request_state(request(3).id, RequestState::Expired, "", None);
    assert_eq!(unknown, Err(VaultError::RequestUnknown));
}

#[test]
fn a_decision_lasts_until_the_service_has_spoken() {
    let mut rig = Rig::new();
    let frame = SecretBytes::from(*b"approve 123456");
    let id = request(1).id;
    let early = rig.vault.save_decision(id, SERVICE, &frame, NOW, None);
    assert_eq!(early, Err(VaultError::RequestUnknown));
    rig.vault.record_request(&request(1), None).unwrap();
    rig.vault.lock();
    rig.vault
        .save_decision(id, SERVICE, &frame, NOW, None)
        .unwrap();
    let second = rig
        .vault
        .save_decision(id, SERVICE, &SecretBytes::from(*b"deny"), NOW, None);
    assert_eq!(second, Err(VaultError::RequestAnswered));
    let report = SecretBytes::from(*b"report");
    rig.vault
        .save_report(id, SERVICE, &report, NOW, None)
        .unwrap();
    rig.vault
        .save_report(id, SERVICE, &report, NOW, None)
        .unwrap();
    let mut rig = rig.reopened().unlocked();
    let waiting = rig.vault.outbox(SERVICE).unwrap();
    let kept: Vec<_> = waiting
        .iter()
        .map(|waiting| (waiting.kind, waiting.frame.clone()))
        .collect();
    assert_eq!(
        kept,
        [(OutboxKind::Decision, frame), (OutboxKind::Report, report)]
    );
    assert!(rig.vault.outbox(ServiceId([9; 16])).unwrap().is_empty());
    let row = rig.vault.request(id).unwrap();
    assert_eq!((row.state, row.reported), (RequestState::Sending, true));
    rig.vault
        .close_decision(id, RequestState::Approved, "", None)
        .unwrap();
    rig.vault.close_report(id).unwrap();
    rig.vault.close_report(id).unwrap();
    assert!(rig.vault.outbox(SERVICE).unwrap().is_empty());
    assert_eq!(rig.vault.request(id).unwrap().state, RequestState::Approved);
}

#[test]
fn a_frame_moved_to_another_request_is_damaged() {
    let mut rig = Rig::new();
    for number in [1, 2] {
        rig.vault.record_request(&request(number), None).unwrap();
    }
    let frame = SecretBytes::from(*b"approve");
    rig.vault
        .save_decision(request(1).id, SERVICE, &frame, NOW, None)
        .unwrap();
    let sql = format!("UPDATE outbox SET request_id = x'{}'", "02".repeat(16));
    let rig = rig.tamper(&sql).unlocked();
    assert_eq!(rig.vault.outbox(SERVICE), Err(VaultError::Damaged));
}

#[test]
fn texts_are_bounded() {
    let mut rig = Rig::new();
    let long = NewEvent {
        detail: "ä".repeat(2000),
        token: "t".repeat(200),
        ..event(EventKind::Renamed)
    };
    rig.vault.append_event(&long).unwrap();
    let kept = &rig.vault.events(1).unwrap()[0];
    assert_eq!((kept.detail.chars().count(), kept.token.len()), (512, 64));
    let long = RequestRow {
        resource: "r".repeat(2000),
        ..request(1)
    };
    rig.vault.record_request(&long, None).unwrap();
    assert_eq!(
        rig.vault.request(request(1).id).unwrap().resource.len(),
        512
    );
}

#[test]
fn old_events_and_requests_are_forgotten_but_nothing_that_is_open() {
    let mut rig = Rig::new();
    rig.vault.record_request(&request(1), None).unwrap();
    // Filled from outside: through the vault each would be its own flush.
    let mut rig = rig
        .tamper(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10500)
             INSERT INTO events (at, kind, token, detail) SELECT i, 'locked', '', '' FROM n;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
             INSERT INTO login_requests SELECT randomblob(16), service_id, hash, token_id, serial, resource,
                user, address, place, program, number_required, created, received, ttl_ms, 'expired', detail,
                reported FROM login_requests, n;",
        )
        .unlocked();
    rig.vault
        .record_request(&request(2), Some(&event(EventKind::RequestReceived)))
        .unwrap();
    assert!(rig.vault.request(request(1).id).is_ok(), "still pending");
    let path = rig.path();
    drop(rig.vault);
    let count = |table: &str| -> i64 {
        Connection::open(&path)
            .unwrap()
            .query_row(&format!("SELECT count(*) FROM {table}"), (), |row| {
                row.get(0)
            })
            .unwrap()
    };
    assert_eq!(count("events"), 10_000);
    assert_eq!(count("login_requests"), 2_001);
}

// ---- errors ----

#[test]
fn every_refusal_has_its_reason_and_a_hint() {
    for (error, reason) in [
        (VaultError::Absent, Reason::VaultAbsent),
        (VaultError::Locked, Reason::VaultLocked),
        (VaultError::WrongPassphrase, Reason::WrongPassphrase),
        (VaultError::KeySourceAbsent, Reason::KeySourceAbsent),
        (VaultError::KeySourceLocked, Reason::KeySourceLocked),
        (VaultError::InUse, Reason::VaultInUse),
        (VaultError::OtherHost, Reason::VaultOtherHost),
        (VaultError::Newer, Reason::VaultNewer),
        (VaultError::Damaged, Reason::VaultDamaged),
        (VaultError::Exists, Reason::VaultExists),
        (VaultError::StorageFull, Reason::StorageFull),
        (VaultError::ReadOnly, Reason::StorageReadOnly),
        (VaultError::Failed(String::new()), Reason::StorageFailed),
    ] {
        assert_eq!(error.reason(), reason);
        assert!(!error.hint().is_empty());
    }
}

// ---- the handle ----

#[tokio::test]
async fn the_handle_serves_many_callers_and_closes_with_the_last() {
    let folder = TempDir::new().unwrap();
    let path = path_in(folder.path());
    let handle = VaultHandle::start(Vault::open(path.clone(), HOST)).unwrap();
    assert_eq!(handle.state().await, VaultState::Absent);
    handle
        .create(source(), UnlockMode::Session, NOW)
        .await
        .unwrap();
    let id = handle
        .call(|vault| {
            vault.add_token(
                "vpn",
                &token(event_mode()),
                0,
                None,
                &event(EventKind::Enrolled),
            )
        })
        .await
        .unwrap();
    let takers: Vec<_> = (0..20)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move {
                handle
                    .call(move |vault| vault.take_counter(id, &event(EventKind::PasscodeGenerated)))
                    .await
            })
        })
        .collect();
    let mut taken = Vec::new();
    for taker in takers {
        taken.push(taker.await.unwrap().unwrap());
    }
    taken.sort_unstable();
    assert_eq!(taken, (0..20).collect::<Vec<u64>>());
    handle.lock().await.unwrap();
    assert_eq!(handle.state().await, VaultState::Locked);
    let wrong = SlotKey::Keyring(SecretBytes::from([1; 32]));
    assert_eq!(handle.unlock(wrong).await, Err(VaultError::WrongKey));
    handle
        .unlock(SlotKey::Keyring(keyring_key()))
        .await
        .unwrap();
    // The thread ends with the last handle, and with it the lock on the file.
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    handle
        .call(move |_vault| {
            KEEP.with(|keep| keep.set(Some(ended)));
            Ok(())
        })
        .await
        .unwrap();
    drop(handle);
    assert!(
        end.await.is_err(),
        "the thread's locals are dropped when it ends"
    );
    assert_eq!(Vault::open(path, HOST).state(), VaultState::Locked);
}

thread_local! {
    static KEEP: std::cell::Cell<Option<tokio::sync::oneshot::Sender<()>>> = const { std::cell::Cell::new(None) };
}

#[tokio::test]
async fn a_passphrase_is_derived_beside_the_vaults_thread() {
    let folder = TempDir::new().unwrap();
    let handle = VaultHandle::start(Vault::open(path_in(folder.path()), HOST)).unwrap();
    let passphrase = || SecretBytes::from(b"correct horse".as_slice());
    handle
        .create(SlotSource::Passphrase(passphrase()), UnlockMode::Pin, NOW)
        .await
        .unwrap();
    let again = handle
        .create(SlotSource::Passphrase(passphrase()), UnlockMode::Pin, NOW)
        .await;
    assert_eq!(again, Err(VaultError::Exists));
    handle.lock().await.unwrap();
    // Others are served while the key is being derived: the unlock is under way when this is answered.
    let unlocking = tokio::spawn({
        let handle = handle.clone();
        async move { handle.unlock(SlotKey::Passphrase(passphrase())).await }
    });
    assert_eq!(handle.state().await, VaultState::Locked);
    unlocking.await.unwrap().unwrap();
    assert_eq!(handle.state().await, VaultState::Unlocked);
}

// ---- file systems that do not take it (root only: they are mounted) ----

/// A tmpfs of its own, gone with the test.
struct Mounted {
    folder: TempDir,
}

impl Mounted {
    /// Nothing, and a line that says so, where this process may not mount.
    fn new(options: &str) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(folder.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            Some(Self { folder })
        } else {
            eprintln!(
                "SKIPPED: this process may not mount a tmpfs, so a real full or read-only disk is not tested"
            );
            None
        }
    }

    fn remount(&self, options: &str) {
        let status = std::process::Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(self.folder.path())
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _gone = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.folder.path())
            .status()
            .is_err();
    }
}

#[test]
fn a_read_only_disk_is_said_to_be_one() {
    let Some(disk) = Mounted::new("size=4m") else {
        return;
    };
    let path = path_in(disk.folder.path());
    disk.remount("ro");
    let mut vault = Vault::open(path.clone(), HOST);
    assert_eq!(vault.state(), VaultState::Absent);
    assert_eq!(
        vault.create(source(), UnlockMode::Session, NOW),
        Err(VaultError::ReadOnly)
    );
    disk.remount("rw");
    vault.create(source(), UnlockMode::Session, NOW).unwrap();
    drop(vault);
    disk.remount("ro");
    let mut vault = Vault::open(path, HOST);
    assert_eq!(refused(&vault), VaultError::ReadOnly);
    disk.remount("rw");
    vault.unlock(SlotKey::Keyring(keyring_key())).unwrap();
}

#[test]
fn a_full_disk_leaves_no_half_vault() {
    let Some(disk) = Mounted::new("size=64k") else {
        return;
    };
    let path = path_in(disk.folder.path());
    let mut vault = Vault::open(path.clone(), HOST);
    assert_eq!(
        vault.create(source(), UnlockMode::Session, NOW),
        Err(VaultError::StorageFull)
    );
    assert_eq!(vault.state(), VaultState::Absent);
    assert!(!path.exists() && !path.with_extension("db-new").exists());
    disk.remount("size=4m");
    vault.create(source(), UnlockMode::Session, NOW).unwrap();
    let id = vault
        .add_token(
            "vpn",
            &token(event_mode()),
            0,
            None,
            &event(EventKind::Enrolled),
        )
        .unwrap();
    fs::write(disk.folder.path().join("filler"), vec![1; 8 << 20]).unwrap_err();
    let mut last = None;
    let refusal = loop {
        match vault.take_counter(id, &event(EventKind::PasscodeGenerated)) {
            Ok(counter) => last = Some(counter),
            Err(error) => break error,
        }
    };
    assert_eq!(refusal, VaultError::StorageFull);
    fs::remove_file(disk.folder.path().join("filler")).unwrap();
    let next = vault
        .take_counter(id, &event(EventKind::PasscodeGenerated))
        .unwrap();
    assert!(last.is_none_or(|last| next > last));
}
