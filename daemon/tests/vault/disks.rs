//! File systems that do not take it. Root only: they are mounted.

use std::fs;

use countersignd::vault::{EventKind, UnlockMode, Vault, VaultError, VaultState};
use tempfile::TempDir;

use crate::rig::{
    HOST, NOW, PIN, event, event_mode, keyring_key, machine, new_pin, path_in, refused, source,
    token,
};

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
    vault.unlock(machine(keyring_key())).unwrap();
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
            Some(&new_pin(PIN)),
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
    // Emptied, not only removed: a child of another test that is between fork and exec holds it for a moment.
    fs::write(disk.folder.path().join("filler"), []).unwrap();
    let next = vault
        .take_counter(id, &event(EventKind::PasscodeGenerated))
        .unwrap();
    assert!(last.is_none_or(|last| next > last));
}
