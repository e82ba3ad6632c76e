//! The vault behind its thread.

use countersign_core::secret::SecretBytes;
use countersignd::vault::{
    EventKind, SlotKey, SlotSource, UnlockMode, Vault, VaultError, VaultHandle, VaultState,
};
use tempfile::TempDir;

use crate::rig::{
    HOST, NOW, PIN, event, event_mode, keyring_key, machine, new_pin, path_in, source, token,
};

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
                Some(&new_pin(PIN)),
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
    let wrong = machine(SecretBytes::from([1; 32]));
    assert_eq!(handle.unlock(wrong).await, Err(VaultError::WrongKey));
    handle.unlock(machine(keyring_key())).await.unwrap();
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
