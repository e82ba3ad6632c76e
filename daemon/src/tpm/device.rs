//! The port on a real TPM. Each operation runs on a thread that may block, one after the other.

use core::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use countersign_core::{secret::SecretBytes, text};
use rustix::fs::{Access, access};
use tss_esapi::{constants::PropertyTag, structures::Auth, tcti_ldr::TctiNameConf};

use super::{
    DEVICE,
    conversation::{self, Conversation, Veil, failed},
    counter::Counter,
    sealed::{Door, Sealed},
};
use crate::agent::ports::{Tpm, TpmError, TpmGuard};

/// The longest secret that is sealed, in bytes: what every TPM takes.
const LONGEST_SECRET: usize = 128;
/// The longest authorization, in bytes: the size of SHA-256, by which everything here is named.
const LONGEST_AUTH: usize = 32;

/// A TPM 2.0 on this machine.
#[derive(Clone, Debug)]
pub struct TpmDevice {
    line: Arc<Line>,
}

#[derive(Debug)]
struct Line {
    tcti: TctiNameConf,
    /// The file that must be ours to read and write, where the TCTI is a device.
    file: Option<String>,
    turn: Mutex<()>,
}

impl TpmDevice {
    /// The TPM at `tcti`, e.g. `device:/dev/tpmrm0` (the default), `swtpm:host=127.0.0.1,port=2321` or `tabrmd`.
    /// Whether it is there shows with the first use.
    ///
    /// # Errors
    ///
    /// [`TpmError::Failed`]: the text is not understood.
    pub fn new(tcti: Option<&str>) -> Result<Self, TpmError> {
        let system = format!("device:{DEVICE}");
        let text = tcti.unwrap_or(&system);
        let file = text.strip_prefix("device:").map(str::to_owned);
        let tcti = TctiNameConf::from_str(text).map_err(|_malformed| {
            TpmError::Failed(format!(
                "no way to a TPM is called {:?}",
                text::display(text, 80)
            ))
        })?;
        let turn = Mutex::new(());
        Ok(Self {
            line: Arc::new(Line { tcti, file, turn }),
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&TctiNameConf) -> Result<T, TpmError> + Send + 'static,
    ) -> Result<T, TpmError> {
        let line = Arc::clone(&self.line);
        let done = tokio::task::spawn_blocking(move || {
            // The TSS would write a line of its own about each device that is not there.
            if let Some(file) = &line.file
                && access(file.as_str(), Access::READ_OK | Access::WRITE_OK).is_err()
            {
                return Err(TpmError::Absent);
            }
            let _turn = line.turn.lock().unwrap_or_else(PoisonError::into_inner);
            operation(&line.tcti)
        });
        done.await
            .unwrap_or_else(|_ended| Err(TpmError::Failed("interrupted".to_owned())))
    }
}

#[async_trait]
impl Tpm for TpmDevice {
    async fn seal(&self, key: &SecretBytes) -> Result<Vec<u8>, TpmError> {
        let key = bounded(key)?;
        self.run(move |tcti| {
            let mut conversation = Conversation::open(tcti)?;
            Sealed::new(&mut conversation, &key, Door::Auth(Auth::default()))?.to_blob()
        })
        .await
    }

    async fn unseal(&self, blob: &[u8]) -> Result<SecretBytes, TpmError> {
        let sealed = Sealed::from_blob(blob)?;
        self.run(move |tcti| {
            let mut conversation = Conversation::open(tcti)?;
            let object = sealed.load(&mut conversation)?;
            conversation
                .with_session(Veil::Received, |context| context.unseal(object))
                .map(|secret| SecretBytes::from(secret.value()))
                .map_err(failed)
        })
        .await
    }

    async fn guard(
        &self,
        secret: &SecretBytes,
        auth: &SecretBytes,
        tries: u8,
    ) -> Result<TpmGuard, TpmError> {
        if tries == 0 {
            return Err(TpmError::Failed("a PIN without tries".to_owned()));
        }
        let (secret, auth) = (bounded(secret)?, authorization(auth)?);
        self.run(move |tcti| {
            let mut conversation = Conversation::open(tcti)?;
            let counter = Counter::new(&mut conversation, &auth, tries)?;
            let door = Door::Policy(counter.policy());
            let sealed =
                Sealed::new(&mut conversation, &secret, door).and_then(|sealed| sealed.to_blob());
            match sealed {
                Ok(blob) => Ok(TpmGuard {
                    index: counter.index(),
                    blob,
                }),
                Err(error) => {
                    // The first error is the one to tell.
                    let _left_behind = counter.undefine(&mut conversation).is_err();
                    Err(error)
                }
            }
        })
        .await
    }

    async fn open_guarded(
        &self,
        guard: &TpmGuard,
        auth: &SecretBytes,
    ) -> Result<SecretBytes, TpmError> {
        let (sealed, index) = (Sealed::from_blob(&guard.blob)?, guard.index);
        let auth = authorization(auth)?;
        self.run(move |tcti| {
            let mut conversation = Conversation::open(tcti)?;
            // Both before a try is spent.
            let object = sealed.load(&mut conversation)?;
            let counter = own_counter(&mut conversation, &sealed, index)?;
            let policy = counter.open(&mut conversation, auth)?;
            conversation
                .with_policy(policy, Veil::Received, |context| context.unseal(object))
                .map(|secret| SecretBytes::from(secret.value()))
                .map_err(failed)
        })
        .await
    }

    async fn forget(&self, guard: &TpmGuard) -> Result<(), TpmError> {
        let (sealed, index) = (Sealed::from_blob(&guard.blob)?, guard.index);
        self.run(move |tcti| {
            let mut conversation = Conversation::open(tcti)?;
            match own_counter(&mut conversation, &sealed, index) {
                Ok(counter) => counter.undefine(&mut conversation),
                // Somebody else's, or gone already: nothing of ours is there.
                Err(TpmError::Foreign) => Ok(()),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn maker(&self) -> Option<String> {
        let asked = self.run(|tcti| {
            conversation::open(tcti)?
                .get_tpm_property(PropertyTag::Manufacturer)
                .map_err(failed)
        });
        let letters = asked.await.ok()??.to_be_bytes();
        let name = String::from_utf8_lossy(&letters).replace('\0', "");
        Some(text::display(&name, letters.len()))
    }
}

/// The counter at `index`, if it is the one that `sealed` asks for.
fn own_counter(
    conversation: &mut Conversation,
    sealed: &Sealed,
    index: u32,
) -> Result<Counter, TpmError> {
    let counter = Counter::find(conversation, index)?;
    if counter.policy() == *sealed.policy() {
        Ok(counter)
    } else {
        Err(TpmError::Foreign)
    }
}

fn bounded(secret: &SecretBytes) -> Result<SecretBytes, TpmError> {
    if secret.is_empty() || secret.len() > LONGEST_SECRET {
        return Err(TpmError::Failed("no length for a secret".to_owned()));
    }
    Ok(secret.clone())
}

/// A TPM drops zeros at the end of an authorization, so both sides must.
fn authorization(auth: &SecretBytes) -> Result<Auth, TpmError> {
    let mut bytes = auth.expose();
    while let Some((0, shorter)) = bytes.split_last() {
        bytes = shorter;
    }
    if bytes.is_empty() || bytes.len() > LONGEST_AUTH {
        return Err(TpmError::Failed(
            "no length for an authorization".to_owned(),
        ));
    }
    Auth::try_from(bytes).map_err(failed)
}
