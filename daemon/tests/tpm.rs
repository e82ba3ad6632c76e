//! The TPM port on a TPM 2.0 in software.
#![expect(
    clippy::unwrap_used,
    reason = "helper functions of tests: what fails ends the test"
)]

use countersign_core::secret::SecretBytes;
use countersign_tests::{
    Workspace, block_on, parts,
    tpm::{PROGRAMS, SoftwareTpm},
};
use countersignd::{
    agent::ports::{Tpm as _, TpmError, TpmGuard},
    tpm::{NoTpm, TpmDevice},
};
use tss_esapi::{
    Context,
    constants::PropertyTag,
    handles::{NvIndexHandle, NvIndexTpmHandle, TpmHandle},
    interface_types::{
        algorithm::HashingAlgorithm,
        resource_handles::{NvAuth, Provision},
        session_handles::AuthSession,
    },
    structures::{Auth, MaxNvBuffer, NvPublic},
    tcti_ldr::TctiNameConf,
};

/// A TPM and the port on it.
struct Rig {
    workspace: Workspace,
    software: SoftwareTpm,
    tpm: TpmDevice,
}

impl Rig {
    /// Nothing if it cannot be run here.
    fn new(test: &str) -> Option<Self> {
        if !parts::are_there(test, &PROGRAMS) {
            return None;
        }
        let workspace = Workspace::new().unwrap();
        let software = another(&workspace, "tpm");
        let tpm = port(&software);
        Some(Self {
            workspace,
            software,
            tpm,
        })
    }

    fn restart(&mut self) {
        self.software.restart().unwrap();
        self.tpm = port(&self.software);
    }

    fn guard(&self, auth: u8, tries: u8) -> TpmGuard {
        block_on(self.tpm.guard(&secret(), &pin(auth), tries)).unwrap()
    }

    fn open(&self, guard: &TpmGuard, auth: u8) -> Result<SecretBytes, TpmError> {
        block_on(self.tpm.open_guarded(guard, &pin(auth)))
    }

    /// What any program that may use the TPM can do beside ours.
    fn beside(&self) -> Context {
        let tcti: TctiNameConf = self.software.tcti().parse().unwrap();
        let mut context = Context::new(tcti).unwrap();
        context.set_sessions((Some(AuthSession::Password), None, None));
        context
    }

    fn lockout_counter(&self) -> u32 {
        let mut context = self.beside();
        context.clear_sessions();
        context
            .get_tpm_property(PropertyTag::LockoutCounter)
            .unwrap()
            .unwrap()
    }

    /// Count and limit, as the owner reads them.
    fn count(&self, guard: &TpmGuard) -> Vec<u8> {
        let mut context = self.beside();
        let handle = handle(&mut context, guard);
        let read = context.nv_read(NvAuth::Owner, handle, 8, 0).unwrap();
        read.value().to_vec()
    }
}

fn another(workspace: &Workspace, name: &str) -> SoftwareTpm {
    SoftwareTpm::start(workspace.join(name), workspace.logs()).unwrap()
}

fn port(software: &SoftwareTpm) -> TpmDevice {
    TpmDevice::new(Some(&software.tcti())).unwrap()
}

fn handle(context: &mut Context, guard: &TpmGuard) -> NvIndexHandle {
    let index = NvIndexTpmHandle::new(guard.index).unwrap();
    let found = context
        .execute_without_session(|context| context.tr_from_tpm_public(TpmHandle::NvIndex(index)));
    found.unwrap().into()
}

fn secret() -> SecretBytes {
    SecretBytes::from([7; 32])
}

fn pin(byte: u8) -> SecretBytes {
    SecretBytes::from([byte; 32])
}

#[test]
fn what_is_sealed_comes_back_also_after_a_restart() {
    let Some(mut rig) = Rig::new("tpm::seal") else {
        return;
    };
    let blob = block_on(rig.tpm.seal(&secret())).unwrap();
    assert!(blob.len() <= 600, "{}", blob.len());
    assert!(!blob.windows(32).any(|window| *window == *secret().expose()));
    assert_eq!(block_on(rig.tpm.unseal(&blob)).unwrap(), secret());
    rig.restart();
    assert_eq!(block_on(rig.tpm.unseal(&blob)).unwrap(), secret());
    // No object stays in the TPM: there is room for three.
    for _ in 0..5 {
        let blob = block_on(rig.tpm.seal(&secret())).unwrap();
        assert_eq!(block_on(rig.tpm.unseal(&blob)).unwrap(), secret());
    }
}

#[test]
fn another_tpm_does_not_open_it() {
    let Some(rig) = Rig::new("tpm::foreign") else {
        return;
    };
    let blob = block_on(rig.tpm.seal(&secret())).unwrap();
    let guard = rig.guard(1, 3);
    let other = another(&rig.workspace, "other");
    let other = port(&other);
    assert_eq!(block_on(other.unseal(&blob)), Err(TpmError::Foreign));
    assert_eq!(
        block_on(other.open_guarded(&guard, &pin(1))),
        Err(TpmError::Foreign)
    );
    // There is nothing of ours to be freed there.
    block_on(other.forget(&guard)).unwrap();
    assert_eq!(rig.open(&guard, 1), Ok(secret()));
}

#[test]
fn a_damaged_blob_is_refused() {
    let Some(rig) = Rig::new("tpm::damaged") else {
        return;
    };
    let blob = block_on(rig.tpm.seal(&secret())).unwrap();
    for at in 0..blob.len() {
        let mut damaged = blob.clone();
        damaged[at] ^= 1;
        assert!(block_on(rig.tpm.unseal(&damaged)).is_err(), "byte {at}");
    }
    for length in [0, 1, blob.len() - 1] {
        assert!(block_on(rig.tpm.unseal(&blob[..length])).is_err());
    }
    assert_eq!(block_on(rig.tpm.unseal(&blob)).unwrap(), secret());
}

#[test]
fn the_right_pin_opens_and_gives_all_tries_back() {
    let Some(rig) = Rig::new("tpm::right") else {
        return;
    };
    let guard = rig.guard(1, 3);
    assert!((0x0180_0000..=0x01bf_ffff).contains(&guard.index));
    assert_eq!(rig.open(&guard, 1), Ok(secret()));
    for _ in 0..3 {
        assert_eq!(rig.open(&guard, 2), Err(TpmError::WrongAuth));
        assert_eq!(rig.open(&guard, 3), Err(TpmError::WrongAuth));
        assert_eq!(rig.count(&guard), [0, 0, 0, 2, 0, 0, 0, 3]);
        assert_eq!(rig.open(&guard, 1), Ok(secret()));
        assert_eq!(rig.count(&guard), [0, 0, 0, 0, 0, 0, 0, 3]);
    }
    assert_eq!(rig.lockout_counter(), 0);
}

#[test]
fn a_pin_may_end_in_zeros() {
    let Some(rig) = Rig::new("tpm::zeros") else {
        return;
    };
    let mut bytes = [1; 32];
    bytes[30..].fill(0);
    let auth = SecretBytes::from(bytes);
    let guard = block_on(rig.tpm.guard(&secret(), &auth, 3)).unwrap();
    assert_eq!(block_on(rig.tpm.open_guarded(&guard, &auth)), Ok(secret()));
    assert_eq!(rig.open(&guard, 1), Err(TpmError::WrongAuth));
}

#[test]
fn the_tpm_counts_across_restarts_and_then_never_opens_again() {
    let Some(mut rig) = Rig::new("tpm::exhausted") else {
        return;
    };
    let guard = rig.guard(1, 3);
    // Killed after each try: none is given twice.
    for _ in 0..2 {
        assert_eq!(rig.open(&guard, 2), Err(TpmError::WrongAuth));
        rig.restart();
    }
    assert_eq!(rig.open(&guard, 2), Err(TpmError::Exhausted));
    for _ in 0..2 {
        assert_eq!(rig.open(&guard, 1), Err(TpmError::Exhausted));
        rig.restart();
    }
    // That is this PIN's matter alone: the lockout that all users of the TPM share has not moved.
    assert_eq!(rig.lockout_counter(), 0);
    let other = rig.guard(1, 1);
    assert_eq!(rig.open(&other, 1), Ok(secret()));
}

#[test]
fn a_kill_at_any_moment_gives_no_free_try() {
    const TRIES: u8 = 5;
    let Some(mut rig) = Rig::new("tpm::kill") else {
        return;
    };
    let guard = rig.guard(1, TRIES);
    let mut told = 0_u8;
    for round in 0..u32::from(TRIES) * 3 {
        // Every second try is abandoned while it is under way: its future is dropped, and the TPM dies.
        if round % 2 == 0 {
            let wrong = pin(2);
            let abandoned = rig.tpm.open_guarded(&guard, &wrong);
            block_on(async {
                tokio::select! {
                    biased;
                    _ = abandoned => {}
                    () = tokio::task::yield_now() => {}
                }
            });
            rig.restart();
        } else {
            match rig.open(&guard, 2) {
                Err(TpmError::WrongAuth) => told = told.saturating_add(1),
                Err(TpmError::Exhausted) => break,
                other => panic!("{other:?}"),
            }
        }
        assert!(told < TRIES);
    }
    assert_eq!(rig.open(&guard, 1), Err(TpmError::Exhausted));
}

#[test]
fn the_owner_cannot_give_tries_back() {
    let Some(rig) = Rig::new("tpm::owner") else {
        return;
    };
    let guard = rig.guard(1, 2);
    assert_eq!(rig.open(&guard, 2), Err(TpmError::WrongAuth));
    let mut context = rig.beside();
    let index = handle(&mut context, &guard);
    let none = MaxNvBuffer::try_from(vec![0, 0, 0, 0, 0, 0, 0, 9]).unwrap();
    context
        .tr_set_auth(index.into(), Auth::try_from([1; 32].as_slice()).unwrap())
        .unwrap();
    for by in [NvAuth::Owner, NvAuth::NvIndex(index)] {
        context
            .nv_write(by, index, none.clone(), 0)
            .expect_err("the count was written");
    }
    drop(context);
    assert_eq!(rig.count(&guard), [0, 0, 0, 1, 0, 0, 0, 2]);
    assert_eq!(rig.open(&guard, 2), Err(TpmError::Exhausted));
}

#[test]
fn an_index_that_was_made_anew_with_another_pin_opens_nothing() {
    let Some(rig) = Rig::new("tpm::anew") else {
        return;
    };
    let guard = rig.guard(1, 2);
    let mut context = rig.beside();
    let index = handle(&mut context, &guard);
    let (public, _name) = context
        .execute_without_session(|context| context.nv_read_public(index))
        .unwrap();
    context.nv_undefine_space(Provision::Owner, index).unwrap();
    // The same in every respect that can be chosen, with a PIN of the attacker's.
    let same = NvPublic::builder()
        .with_nv_index(public.nv_index())
        .with_index_name_algorithm(HashingAlgorithm::Sha256)
        .with_index_attributes({
            let bits = tss_esapi::tss2_esys::TPMA_NV::try_from(public.attributes()).unwrap();
            // TPMA_NV_WRITTEN is the TPM's to set.
            (bits & !(1 << 29)).try_into().unwrap()
        })
        .with_index_auth_policy(public.authorization_policy().clone())
        .with_data_area_size(8)
        .build()
        .unwrap();
    let theirs = Auth::try_from([9; 32].as_slice()).unwrap();
    let made = context
        .nv_define_space(Provision::Owner, Some(theirs), same)
        .unwrap();
    let count = MaxNvBuffer::try_from(vec![0, 0, 0, 0, 0, 0, 0, 9]).unwrap();
    for by in [NvAuth::Owner, NvAuth::NvIndex(made)] {
        context
            .nv_write(by, made, count.clone(), 0)
            .expect_err("the count was written");
    }
    drop(context);
    for auth in [1, 9] {
        assert_eq!(rig.open(&guard, auth), Err(TpmError::Foreign));
    }
    // It is not ours, so it stays.
    block_on(rig.tpm.forget(&guard)).unwrap();
    handle(&mut rig.beside(), &guard);
}

#[test]
fn what_is_forgotten_leaves_its_place() {
    let Some(rig) = Rig::new("tpm::forget") else {
        return;
    };
    let guard = rig.guard(1, 3);
    block_on(rig.tpm.forget(&guard)).unwrap();
    assert_eq!(rig.open(&guard, 1), Err(TpmError::Foreign));
    block_on(rig.tpm.forget(&guard)).unwrap();
    // A TPM has room for a few dozen indices; ours do not pile up.
    for _ in 0..100 {
        let guard = rig.guard(1, 3);
        block_on(rig.tpm.forget(&guard)).unwrap();
    }
}

#[test]
fn operations_wait_for_each_other() {
    let Some(rig) = Rig::new("tpm::turns") else {
        return;
    };
    let blob = block_on(rig.tpm.seal(&secret())).unwrap();
    block_on(async {
        let (own, auth) = (secret(), pin(1));
        let (one, two, three, four) = tokio::join!(
            rig.tpm.unseal(&blob),
            rig.tpm.seal(&own),
            rig.tpm.guard(&own, &auth, 3),
            rig.tpm.maker(),
        );
        assert_eq!(one, Ok(secret()));
        two.unwrap();
        three.unwrap();
        assert_eq!(four.as_deref(), Some("IBM"));
    });
}

#[test]
fn no_tpm_is_absent() {
    let tcti = "device:/nonexistent/tpm";
    let absent = TpmDevice::new(Some(tcti)).unwrap();
    let nobody = TpmDevice::new(Some("swtpm:host=127.0.0.1,port=1")).unwrap();
    let guard = TpmGuard {
        index: 0x0180_0000,
        blob: Vec::new(),
    };
    block_on(async {
        for tpm in [&absent, &nobody] {
            assert_eq!(tpm.seal(&secret()).await, Err(TpmError::Absent));
            assert_eq!(tpm.maker().await, None);
        }
        assert_eq!(NoTpm.seal(&secret()).await, Err(TpmError::Absent));
        assert_eq!(NoTpm.forget(&guard).await, Err(TpmError::Absent));
        assert_eq!(NoTpm.maker().await, None);
    });
    assert!(matches!(
        TpmDevice::new(Some("http://tpm")),
        Err(TpmError::Failed(_))
    ));
}
