//! Browsers: who may ask, what a page gets, and when nobody gets anything.

use core::time::Duration;

use countersign_core::{
    autofill::Scope,
    signing::{Label, key_from_bytes, public_to_spki_der, sign},
};
use countersign_proto::agent::v1::Reason;
use countersignd::{
    agent::{
        Change,
        autofill::{AutofillError, Filling, Window},
        explain::Explain as _,
        pairing::{PairingError, Proven},
        ports::SessionEvent,
    },
    vault::PairingRow,
};

use crate::{
    outside::Typing,
    pin_rig::{AGENT_PIN, TIME, nobody, with_agent_pin},
    stage::Stage,
};

const PAGE: &str = "https://login.example.com";
/// As the agent allows it.
const AT_ONCE: usize = 30;

fn answers(stage: &Stage, answers: &[Typing]) {
    let mut world = stage.outside.world.lock().unwrap();
    world.typed.extend(answers.iter().cloned());
}

async fn proven(stage: &Stage) -> Proven {
    let key = key_from_bytes(&[9; 32].into()).unwrap();
    let spki = public_to_spki_der(key.verifying_key()).unwrap();
    let extension = stage
        .agent
        .greet_extension(1, &spki, "Chromium 156", "0.1.0");
    let extension = extension.unwrap();
    let body = [extension.nonce.as_slice(), &spki].concat();
    let signature = sign(&key, Label::BrowserHello, &body);
    let proven = stage.agent.prove_extension(&extension, &signature).await;
    proven.unwrap().0
}

pub(crate) async fn paired(stage: &Stage) -> PairingRow {
    let extension = proven(stage).await;
    answers(stage, &[Typing::Types("yes")]);
    stage
        .agent
        .pair(&extension, "Work", &nobody())
        .await
        .unwrap()
}

async fn bind(stage: &Stage, pairing: &PairingRow) -> Result<(), AutofillError> {
    let id = stage.agent.token("work").await.unwrap().id.to_string();
    let (agent, caller) = (&stage.agent, nobody());
    agent.bind(PAGE, &id, Scope::Origin, pairing, &caller).await
}

async fn fill(stage: &Stage, pairing: &PairingRow) -> Result<Filling, AutofillError> {
    let (agent, caller) = (&stage.agent, nobody());
    agent
        .fill(PAGE, None, Window::Ordinary, pairing, &caller)
        .await
}

/// Sends an event of the session and waits until the agent has heard it.
async fn session(stage: &Stage, event: SessionEvent) {
    let mut changes = stage.agent.watch_changes();
    stage.session(event).await;
    while changes.recv().await.unwrap() != Change::Session {}
}

#[tokio::test]
async fn nothing_is_paired_bound_or_filled_behind_a_locked_screen() {
    let stage = Stage::enrolled().await;
    let pairing = paired(&stage).await;
    answers(&stage, &[Typing::Types("yes")]);
    bind(&stage, &pairing).await.unwrap();
    session(&stage, SessionEvent::ScreenLocked).await;
    let asked = stage.outside.world.lock().unwrap().questions.len();
    answers(&stage, &[Typing::Types("yes"), Typing::Types("yes")]);
    let locked = Reason::SessionLocked;
    assert_eq!(fill(&stage, &pairing).await.unwrap_err().reason(), locked);
    assert_eq!(bind(&stage, &pairing).await.unwrap_err().reason(), locked);
    let id = stage.agent.token("work").await.unwrap().id.to_string();
    let shown = stage
        .agent
        .passcode_for_browser(&id, None, &pairing, &nobody())
        .await;
    assert_eq!(shown.unwrap_err().reason(), locked);
    let extension = proven(&stage).await;
    let again = stage.agent.pair(&extension, "Home", &nobody()).await;
    assert_eq!(again.unwrap_err().reason(), locked);
    assert_eq!(stage.outside.world.lock().unwrap().questions.len(), asked);
}

#[tokio::test]
async fn a_question_goes_when_the_screen_locks() {
    let stage = Stage::enrolled().await;
    let extension = proven(&stage).await;
    answers(&stage, &[Typing::Waits]);
    let agent = std::sync::Arc::clone(&stage.agent);
    let pairing = tokio::spawn(async move { agent.pair(&extension, "Work", &nobody()).await });
    while stage.outside.world.lock().unwrap().questions.is_empty() {
        tokio::task::yield_now().await;
    }
    stage.session(SessionEvent::ScreenLocked).await;
    let refused = pairing.await.unwrap().unwrap_err();
    assert!(
        matches!(&refused, PairingError::Unconfirmed(_)),
        "{refused}"
    );
    assert_eq!(refused.reason(), Reason::SessionLocked);
    assert!(stage.agent.pairings().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_page_that_is_filled_opens_the_vault_with_its_pin() {
    let mut stage = with_agent_pin().await;
    stage.add("work", "CS1", TIME).await;
    let pairing = paired(&stage).await;
    answers(&stage, &[Typing::Types("yes")]);
    bind(&stage, &pairing).await.unwrap();
    stage.agent.lock().await;
    answers(&stage, &[Typing::Cancels]);
    let refused = fill(&stage, &pairing).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::Cancelled);
    answers(&stage, &[Typing::Types(AGENT_PIN)]);
    let filled = fill(&stage, &pairing).await.unwrap();
    assert!(matches!(filled, Filling::Passcode(_)), "{filled:?}");
    let about = stage.outside.dialogs().pop().unwrap().0;
    assert!(about.contains(PAGE), "{about}");
}

#[tokio::test]
async fn passcodes_come_at_the_pace_of_a_person() {
    let stage = Stage::enrolled().await;
    let pairing = paired(&stage).await;
    answers(&stage, &[Typing::Types("yes")]);
    bind(&stage, &pairing).await.unwrap();
    for _ in 0..AT_ONCE {
        fill(&stage, &pairing).await.unwrap();
    }
    let limited = Reason::RateLimited;
    assert_eq!(fill(&stage, &pairing).await.unwrap_err().reason(), limited);
    stage.outside.pass(Duration::from_secs(2));
    fill(&stage, &pairing).await.unwrap();
    assert_eq!(fill(&stage, &pairing).await.unwrap_err().reason(), limited);
    // A refusal for a page that is not known costs one, too.
    stage.outside.pass(Duration::from_secs(2));
    let (agent, caller) = (&stage.agent, nobody());
    let unknown = agent
        .fill(
            "https://example.org",
            None,
            Window::Private,
            &pairing,
            &caller,
        )
        .await;
    assert_eq!(unknown.unwrap_err().reason(), Reason::OriginUnknown);
    assert_eq!(fill(&stage, &pairing).await.unwrap_err().reason(), limited);
    stage.outside.pass(Duration::from_hours(1));
    for _ in 0..AT_ONCE {
        fill(&stage, &pairing).await.unwrap();
    }
}
