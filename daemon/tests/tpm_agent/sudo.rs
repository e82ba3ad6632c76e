//! The key that approves sudo, in a vault with a TPM: the tries of its PIN are counted there as well.

use std::sync::Arc;

use countersign_core::{ids::LoginRequestId, sudo::Least, token::VerificationLevel};
use countersign_proto::{
    agent::v1::Reason,
    sudo::v1::{Ending, Why},
};
use countersign_tests::block_on;
use countersignd::agent::{
    Agent,
    explain::Explain as _,
    login_request::{AnswerError, AnswerWish, RequestSelector},
};

use crate::{
    rig::{PIN, Rig, WRONG, giving},
    stage::Stage,
    sudo_rig::{ask, asked, challenge, checked, refused},
};

/// The user approves with that PIN; ends when it is known what came of it.
async fn approve(
    agent: Arc<Agent>,
    question: LoginRequestId,
    pin: &'static str,
) -> Result<(), AnswerError> {
    let id = RequestSelector::Id(question.to_string());
    let wish = AnswerWish::Approve { number: None };
    agent.answer(id, wish, &giving(pin)).await.map(drop)
}

/// It is not taken.
fn refused_pin(stage: &Stage, question: LoginRequestId, pin: &'static str) -> AnswerError {
    block_on(approve(Arc::clone(&stage.agent), question, pin)).unwrap_err()
}

#[test]
fn the_sudo_key_is_approved_with_and_erased_by_the_tpms_count() {
    let Some(rig) = Rig::new("tpm_agent::sudo") else {
        return;
    };
    let mut stage = block_on(rig.stage_with_vault());
    stage.outside.world.lock().unwrap().notification_server = Some("dunst".to_owned());
    let key = block_on(stage.agent.make_sudo_key(&giving(PIN))).unwrap();
    assert_eq!(rig.counts(), [(0, 5)]);

    let question = ask(&challenge(&stage), &key);
    let pending = block_on(asked(&mut stage, &question));
    let wrong = refused_pin(&stage, pending.id, WRONG);
    assert_eq!(
        (wrong.reason(), wrong.tries_left()),
        (Reason::PinWrong, Some(4))
    );
    assert_eq!(rig.counts(), [(1, 5)]);
    // A TPM that is away costs no try, and nothing is signed without it.
    rig.plug_other();
    let away = refused_pin(&stage, pending.id, PIN);
    assert_eq!(away.reason(), Reason::TpmUnavailable);
    rig.plug_own();
    assert_eq!(rig.counts(), [(1, 5)]);
    let agent = Arc::clone(&stage.agent);
    let (approving, word) = block_on(async {
        let approving = tokio::spawn(approve(agent, pending.id, PIN));
        (approving, pending.answer.await.unwrap())
    });
    assert_eq!(rig.counts(), [(0, 5)]);
    // The module takes it where the line asks for the PIN each time.
    let (level, verdict, _) = checked(word, &question, &key, Least::Pin);
    assert_eq!((level, verdict), (VerificationLevel::Tpm, Ok(())));
    block_on(stage.agent.sudo_ended(pending.id, Some(Ending::Accepted)));
    block_on(approving).unwrap().unwrap();

    let mut other = challenge(&stage);
    other.nonce = vec![8; 32];
    let question = ask(&other, &key);
    let pending = block_on(asked(&mut stage, &question));
    for left in [4, 3, 2, 1] {
        let wrong = refused_pin(&stage, pending.id, WRONG);
        assert_eq!(
            (wrong.reason(), wrong.tries_left()),
            (Reason::PinWrong, Some(left))
        );
    }
    let last = refused_pin(&stage, pending.id, WRONG);
    assert_eq!(last.reason(), Reason::PinExhausted);
    rig.wait_for_counts(0);
    block_on(stage.agent.sudo_ended(pending.id, None));
    other.nonce = vec![9; 32];
    let question = ask(&other, &key);
    assert_eq!(block_on(refused(&stage, question)), Why::NotEnrolled);
}
