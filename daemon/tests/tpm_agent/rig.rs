//! An agent over a real vault and a TPM in software, which the test can take away.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign_core::secret::SecretBytes;
use countersign_tests::{
    Workspace, block_on, parts, patiently,
    tpm::{PROGRAMS, SoftwareTpm},
};
use countersignd::{
    agent::{
        caller::Caller,
        passcode::{Generated, PasscodeError, PasscodeWish},
        ports::{Tpm, TpmError, TpmGuard},
        setup::{Recovery, SetupWish, VaultMade},
        state::LockAfter,
    },
    config::VaultKey,
    tpm::{NoTpm, TpmDevice},
    vault::{TokenRow, UnlockMode, VaultHandle},
};
use tokio::sync::Notify;
use tss_esapi::{
    Context,
    constants::CapabilityType,
    handles::{NvIndexTpmHandle, TpmHandle},
    interface_types::{resource_handles::NvAuth, session_handles::AuthSession},
    structures::CapabilityData,
    tcti_ldr::TctiNameConf,
};

use crate::{outside::Outside, stage::Stage};

pub(crate) const PIN: &str = "246802";
pub(crate) const WRONG: &str = "135791";
/// Its issuer wants a PIN before each passcode.
const LINK: &str = "otpauth://totp/Example:alice?secret=JBSWY3DPEHPK3PXP&pin=true";

pub(crate) fn nobody() -> Caller {
    Caller::default()
}

pub(crate) fn giving(secret: &str) -> Caller {
    nobody().with(Some(SecretBytes::from(secret.as_bytes())))
}

/// What happens right after the TPM has made a count for a PIN.
pub(crate) enum Then {
    /// Nothing out of the ordinary.
    Nothing,
    /// The vault is locked, so that the PIN cannot be written.
    Lock(VaultHandle),
    /// The test is told.
    Tell(Arc<Notify>),
}

/// Where the machine's TPM is plugged in.
pub(crate) struct Socket {
    plugged: Mutex<Arc<dyn Tpm>>,
    then: Mutex<Then>,
    /// A count was freed, or could not be.
    forgotten: Notify,
}

impl Socket {
    fn plugged(&self) -> Arc<dyn Tpm> {
        Arc::clone(&self.plugged.lock().unwrap())
    }
}

#[async_trait]
impl Tpm for Socket {
    async fn seal(&self, key: &SecretBytes) -> Result<Vec<u8>, TpmError> {
        self.plugged().seal(key).await
    }

    async fn unseal(&self, blob: &[u8]) -> Result<SecretBytes, TpmError> {
        self.plugged().unseal(blob).await
    }

    async fn guard(
        &self,
        secret: &SecretBytes,
        auth: &SecretBytes,
        tries: u8,
    ) -> Result<TpmGuard, TpmError> {
        let guard = self.plugged().guard(secret, auth, tries).await?;
        let then = core::mem::replace(&mut *self.then.lock().unwrap(), Then::Nothing);
        match then {
            Then::Nothing => {}
            Then::Lock(vault) => vault.lock().await.unwrap(),
            Then::Tell(test) => test.notify_one(),
        }
        Ok(guard)
    }

    async fn open_guarded(
        &self,
        guard: &TpmGuard,
        auth: &SecretBytes,
    ) -> Result<SecretBytes, TpmError> {
        self.plugged().open_guarded(guard, auth).await
    }

    async fn forget(&self, guard: &TpmGuard) -> Result<(), TpmError> {
        let forgotten = self.plugged().forget(guard).await;
        self.forgotten.notify_one();
        forgotten
    }

    async fn maker(&self) -> Option<String> {
        self.plugged().maker().await
    }
}

/// The machine, and another one's TPM.
pub(crate) struct Rig {
    own: SoftwareTpm,
    other: SoftwareTpm,
    socket: Arc<Socket>,
    _workspace: Workspace,
}

impl Rig {
    /// Nothing if it cannot be run here.
    pub(crate) fn new(test: &str) -> Option<Self> {
        if !parts::are_there(test, &PROGRAMS) {
            return None;
        }
        let workspace = Workspace::new().unwrap();
        let start = |name| SoftwareTpm::start(workspace.join(name), workspace.logs()).unwrap();
        let (own, other) = (start("own"), start("other"));
        let socket = Arc::new(Socket {
            plugged: Mutex::new(device(&own)),
            then: Mutex::new(Then::Nothing),
            forgotten: Notify::new(),
        });
        Some(Self {
            own,
            other,
            socket,
            _workspace: workspace,
        })
    }

    /// An agent on this machine, without a vault.
    pub(crate) async fn stage(&self) -> Stage {
        let (outside, done) = Outside::new();
        outside.world.lock().unwrap().tpm = Arc::<Socket>::clone(&self.socket);
        Stage::among((outside, done), LockAfter::default()).await
    }

    /// With a vault that the TPM opens alone.
    pub(crate) async fn stage_with_vault(&self) -> Stage {
        let stage = self.stage().await;
        set_up(&stage, UnlockMode::Session, &nobody()).await;
        stage
    }

    /// With a token whose PIN the TPM counts.
    pub(crate) async fn stage_with_token(&self) -> Stage {
        let stage = self.stage_with_vault().await;
        enroll(&stage).await.unwrap();
        assert_eq!(self.counts(), [(0, 5)]);
        stage
    }

    pub(crate) fn plug_own(&self) {
        self.plug(device(&self.own));
    }

    pub(crate) fn plug_other(&self) {
        self.plug(device(&self.other));
    }

    pub(crate) fn plug_none(&self) {
        self.plug(Arc::new(NoTpm));
    }

    fn plug(&self, tpm: Arc<dyn Tpm>) {
        *self.socket.plugged.lock().unwrap() = tpm;
    }

    /// When the next count has been made.
    pub(crate) fn then(&self, then: Then) {
        *self.socket.then.lock().unwrap() = then;
    }

    /// Wrong tries and their limit, of each count in the machine's TPM. Blocks the thread for a moment.
    pub(crate) fn counts(&self) -> Vec<(u32, u32)> {
        let tcti: TctiNameConf = self.own.tcti().parse().unwrap();
        let mut context = Context::new(tcti).unwrap();
        let (found, _more) = context
            .get_capability(CapabilityType::Handles, 0x0180_0000, 64)
            .unwrap();
        let CapabilityData::Handles(handles) = found else {
            unreachable!("handles were asked for");
        };
        let indices = handles.into_inner().into_iter().map(u32::from);
        let ours: Vec<_> = indices
            .filter(|index| (0x0180_0000..=0x01bf_ffff).contains(index))
            .collect();
        let mut counts = Vec::new();
        for index in ours {
            let index = TpmHandle::NvIndex(NvIndexTpmHandle::new(index).unwrap());
            context.clear_sessions();
            // The agent may be freeing it just now, before either of the two.
            let Ok(handle) = context.tr_from_tpm_public(index) else {
                continue;
            };
            context.set_sessions((Some(AuthSession::Password), None, None));
            let Ok(read) = context.nv_read(NvAuth::Owner, handle.into(), 8, 0) else {
                continue;
            };
            let (count, limit) = read.value().split_at(4);
            let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
            counts.push((number(count), number(limit)));
        }
        counts
    }

    /// Waits until the TPM holds so many counts: what nobody waits for is tidied up on the side.
    pub(crate) fn wait_for_counts(&self, many: usize) {
        patiently("the counts in the TPM", async {
            while self.counts().len() != many {
                self.socket.forgotten.notified().await;
            }
        })
        .unwrap();
    }
}

fn device(software: &SoftwareTpm) -> Arc<dyn Tpm> {
    Arc::new(TpmDevice::new(Some(&software.tcti())).unwrap())
}

pub(crate) async fn set_up(stage: &Stage, unlock: UnlockMode, caller: &Caller) -> VaultMade {
    let wish = SetupWish {
        key: Some(VaultKey::Tpm),
        unlock: Some(unlock),
        recovery: Recovery::Printed,
    };
    stage.agent.setup(wish, caller).await.unwrap()
}

pub(crate) async fn enroll(
    stage: &Stage,
) -> Result<(), countersignd::agent::enrollment::EnrollmentError> {
    let link = SecretBytes::from(LINK.as_bytes());
    let enrolled = stage.agent.enroll(&link, "work", "", &giving(PIN)).await;
    enrolled.map(drop)
}

pub(crate) async fn code(stage: &Stage, pin: &str) -> Result<Generated, PasscodeError> {
    let wish = PasscodeWish::Current;
    stage
        .agent
        .generate_passcode("work", wish, None, &giving(pin))
        .await
}

pub(crate) fn token(stage: &Stage) -> TokenRow {
    block_on(stage.agent.token("work")).unwrap()
}
