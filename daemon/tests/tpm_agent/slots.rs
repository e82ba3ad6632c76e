//! The vault's key in the TPM.

use countersign_core::secret::SecretBytes;
use countersign_proto::agent::v1::Reason;
use countersign_tests::block_on;
use countersignd::{
    agent::{
        explain::Explain as _,
        session::SessionError,
        setup::{Recovery, SetupWish},
        slots::NewSlot,
        unlocking::{Opening, UnlockWish},
    },
    config::VaultKey,
    vault::UnlockMode,
};

use crate::{
    rig::{Rig, giving, nobody, set_up},
    stage::Stage,
};

const AGENT_PIN: &str = "my own pin";
const PASSPHRASE: &str = "a passphrase of many words";

async fn reopened(stage: &Stage, secret: Option<&str>) -> Result<Opening, SessionError> {
    stage.agent.lock().await;
    let caller = secret.map_or_else(nobody, giving);
    stage.agent.unlock(UnlockWish::default(), &caller).await
}

fn assert_no_tpm(refused: &SessionError) {
    assert_eq!(refused.reason(), Reason::TpmUnavailable, "{refused}");
}

#[test]
fn the_tpm_opens_the_vault_and_another_one_does_not() {
    let Some(rig) = Rig::new("tpm_agent::alone") else {
        return;
    };
    block_on(async {
        let stage = rig.stage().await;
        let made = set_up(&stage, UnlockMode::Session, &nobody()).await;
        assert_eq!(
            (made.key, made.unlock),
            (VaultKey::Tpm, UnlockMode::Session)
        );
        assert_eq!(reopened(&stage, None).await.unwrap(), Opening::Machine);
        let stage = stage.restarted().await;

        rig.plug_other();
        let refused = reopened(&stage, None).await.unwrap_err();
        assert_no_tpm(&refused);
        assert!(refused.hint().contains("--recovery"), "{}", refused.hint());
        rig.plug_none();
        assert_no_tpm(&reopened(&stage, None).await.unwrap_err());
        assert_eq!(stage.agent.status().await.tpm, None);

        // The printed code needs no TPM.
        let code = made.recovery_code.unwrap();
        let by_code = UnlockWish {
            recovery_code: Some(SecretBytes::from(code.text().expose().as_bytes())),
        };
        stage.agent.unlock(by_code, &nobody()).await.unwrap();

        rig.plug_own();
        assert_eq!(reopened(&stage, None).await.unwrap(), Opening::Machine);
        assert_eq!(stage.agent.status().await.tpm.as_deref(), Some("IBM"));
    });
}

#[test]
fn with_a_pin_beside_it_neither_opens_alone() {
    let Some(rig) = Rig::new("tpm_agent::with_pin") else {
        return;
    };
    block_on(async {
        let stage = rig.stage().await;
        set_up(&stage, UnlockMode::Pin, &giving(AGENT_PIN)).await;
        let refused = reopened(&stage, None).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::PinRequired);
        let refused = reopened(&stage, Some("not my pin")).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::WrongPassphrase);
        assert_eq!(
            reopened(&stage, Some(AGENT_PIN)).await.unwrap(),
            Opening::Typed
        );
        rig.plug_other();
        let refused = reopened(&stage, Some(AGENT_PIN)).await.unwrap_err();
        assert_no_tpm(&refused);
        assert!(refused.hint().contains("--recovery"), "{}", refused.hint());
        rig.plug_own();
        reopened(&stage, Some(AGENT_PIN)).await.unwrap();
    });
}

#[test]
fn no_vault_is_left_where_there_is_no_tpm() {
    let Some(rig) = Rig::new("tpm_agent::none") else {
        return;
    };
    block_on(async {
        let stage = rig.stage().await;
        rig.plug_none();
        let wish = || SetupWish {
            key: Some(VaultKey::Tpm),
            ..SetupWish::default()
        };
        assert_no_tpm(&stage.agent.setup(wish(), &nobody()).await.unwrap_err());
        rig.plug_own();
        stage.agent.setup(wish(), &nobody()).await.unwrap();
    });
}

#[test]
fn a_tpm_is_added_and_the_passphrase_removed_and_the_other_way_round() {
    let Some(rig) = Rig::new("tpm_agent::slots") else {
        return;
    };
    block_on(async {
        let stage = rig.stage().await;
        let agent = &stage.agent;
        let user = giving(PASSPHRASE);
        let wish = SetupWish {
            key: Some(VaultKey::Passphrase),
            unlock: None,
            recovery: Recovery::None,
        };
        agent.setup(wish, &user).await.unwrap();
        let passphrase = agent.slots().await.unwrap()[0].id;
        let tpm = || NewSlot::Machine(VaultKey::Tpm);
        rig.plug_none();
        assert_no_tpm(&agent.add_slot(tpm(), None, &user).await.unwrap_err());
        assert_eq!(agent.slots().await.unwrap().len(), 1);
        rig.plug_own();
        let added = agent.add_slot(tpm(), None, &user).await.unwrap();

        // Now the TPM is what opens it, with what was the passphrase beside it.
        agent.remove_slot(passphrase, None, &user).await.unwrap();
        reopened(&stage, Some(PASSPHRASE)).await.unwrap();
        rig.plug_other();
        assert_no_tpm(&reopened(&stage, Some(PASSPHRASE)).await.unwrap_err());
        rig.plug_own();
        reopened(&stage, Some(PASSPHRASE)).await.unwrap();
        let last = agent.remove_slot(added.slot.id, None, &user).await;
        assert_eq!(last.unwrap_err().reason(), Reason::Usage);

        let given = Some(SecretBytes::from(PASSPHRASE.as_bytes()));
        let passphrase = NewSlot::Passphrase(given);
        agent.add_slot(passphrase, None, &user).await.unwrap();
        agent.remove_slot(added.slot.id, None, &user).await.unwrap();
        rig.plug_none();
        reopened(&stage, Some(PASSPHRASE)).await.unwrap();
    });
}
