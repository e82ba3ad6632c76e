//! A link that was clicked: the agent asks in a dialog of its own, and nothing is contacted without a yes.

use core::time::Duration;

use countersign_core::secret::SecretBytes;
use countersign_proto::agent::v1::Reason;
use countersignd::{
    agent::{caller::Caller, enrollment::Consent, explain::Explain as _},
    vault::EventKind,
};
use data_encoding::BASE64;

use crate::{outside::Typing, pin_rig::nobody, stage::Stage};

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_mins(1);

fn link() -> SecretBytes {
    let lines = "EnrollmentURL=https://se.example.com/selfenrollment/dskpp.aspx?sc=AbCdEf1234\nUserID=alice\nPassphrase=4821\n";
    SecretBytes::from(BASE64.encode(lines.as_bytes()).as_bytes())
}

fn answers(stage: &Stage, answers: &[Typing]) {
    let mut world = stage.outside.world.lock().unwrap();
    world.typed.extend(answers.iter().cloned());
}

fn questions(stage: &Stage) -> Vec<String> {
    let world = stage.outside.world.lock().unwrap();
    let asked = world.questions.iter();
    asked.map(|question| question.description.clone()).collect()
}

#[tokio::test]
async fn a_link_is_asked_about_with_its_host_and_user_before_anybody_is_contacted() {
    let stage = Stage::bare().await;
    answers(&stage, &[Typing::Cancels]);
    let refused = stage
        .agent
        .enroll(&link(), "", Consent::AskHere, &nobody())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::EnrollmentNotConfirmed);
    let asked = questions(&stage);
    assert_eq!(asked.len(), 1);
    for words in ["Service: se.example.com:443", "User: alice", "certificate"] {
        assert!(asked[0].contains(words), "{asked:?}");
    }
    assert!(!asked[0].contains("4821"), "the passphrase is not shown");

    // A yes leads there, and nowhere else.
    answers(&stage, &[Typing::Types("yes")]);
    let unreachable = stage
        .agent
        .enroll(&link(), "", Consent::AskHere, &nobody())
        .await
        .unwrap_err();
    assert_eq!(unreachable.reason(), Reason::GatewayUnreachable);
}

#[tokio::test]
async fn an_otpauth_link_is_added_after_a_yes_and_not_after_a_no() {
    let stage = Stage::bare().await;
    let text = SecretBytes::from(
        b"otpauth://totp/Forge:alice?secret=JBSWY3DPEHPK3PXP&issuer=Forge".as_slice(),
    );
    answers(&stage, &[Typing::Cancels, Typing::Types("yes")]);
    let refused = stage
        .agent
        .enroll(&text, "", Consent::AskHere, &nobody())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::EnrollmentNotConfirmed);
    assert!(
        stage.outside.world.lock().unwrap().keys.is_empty(),
        "no vault is made for it"
    );
    let enrolled = stage
        .agent
        .enroll(&text, "", Consent::AskHere, &nobody())
        .await
        .unwrap();
    assert_eq!(enrolled.token().unwrap().name, "Forge alice");
    assert!(questions(&stage)[1].contains("Issuer: Forge"));
}

/// Why a link that the agent asks about itself is not taken.
async fn refusal(stage: &Stage, link: &str) -> Reason {
    let link = SecretBytes::from(link.as_bytes());
    let caller = nobody();
    let refused = stage.agent.enroll(&link, "", Consent::AskHere, &caller);
    refused.await.unwrap_err().reason()
}

#[tokio::test]
async fn a_link_without_a_trustworthy_service_is_refused_without_a_question() {
    let stage = Stage::bare().await;
    for query in [
        "http%3A%2F%2Fpi.example%2Fttype%2Fpush&sslverify=1",
        "https%3A%2F%2Fpi.example%2Fttype%2Fpush&sslverify=0",
    ] {
        let text = format!(
            "otpauth://pipush/alice?url={query}&ttl=10&issuer=pi&serial=PIPU1&enrollment_credential=b0c58af8b9ba29dfbc4cbb31b8df4bc2bb8ee3bd&v=1"
        );
        assert_eq!(
            refusal(&stage, &text).await,
            Reason::EnrollmentNotConfirmed,
            "{query}"
        );
    }
    assert!(questions(&stage).is_empty());
}

#[tokio::test]
async fn hostile_links_are_refused_and_what_is_shown_of_one_is_safe() {
    let stage = Stage::bare().await;
    for hostile in [
        "countersign://",
        "countersign://%00",
        "javascript:alert(1)",
        "--yes",
        "countersign:\u{202e}txet",
    ] {
        let why = refusal(&stage, hostile).await;
        assert_eq!(why, Reason::EnrollmentInvalid, "{hostile}");
    }
    assert!(questions(&stage).is_empty());

    answers(&stage, &[Typing::Cancels]);
    let text =
        "otpauth://totp/Bank%E2%80%AEknab%0AService%3A%20bank.example?secret=JBSWY3DPEHPK3PXP";
    // It is a link, and asked about: the user says no.
    let why = refusal(&stage, text).await;
    assert_eq!(why, Reason::EnrollmentNotConfirmed);
    let shown = questions(&stage).concat();
    assert!(shown.contains("Bank"), "{shown}");
    assert!(!shown.contains('\u{202e}'), "{shown}");
    assert!(!shown.contains("\nService: bank.example"), "{shown}");
}

#[tokio::test]
async fn one_link_is_asked_about_at_a_time() {
    let stage = Stage::bare().await;
    answers(&stage, &[Typing::Waits]);
    let caller = Caller::default();
    let gone = caller.gone.clone();
    let agent = std::sync::Arc::clone(&stage.agent);
    let first =
        tokio::spawn(async move { agent.enroll(&link(), "", Consent::AskHere, &caller).await });
    let shown = async {
        while questions(&stage).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, shown).await.unwrap();
    let second = stage
        .agent
        .enroll(&link(), "", Consent::AskHere, &nobody())
        .await
        .unwrap_err();
    assert_eq!(second.reason(), Reason::EnrollmentNotConfirmed);
    assert_eq!(questions(&stage).len(), 1, "no second dialog");
    // Whoever opened the first goes, and its dialog with it.
    gone.cancel();
    let first = first.await.unwrap().unwrap_err();
    assert_eq!(first.reason(), Reason::EnrollmentNotConfirmed);
}

#[tokio::test]
async fn without_a_screen_a_link_is_refused_with_what_to_do() {
    let stage = Stage::bare().await;
    let refused = stage
        .agent
        .enroll(&link(), "", Consent::AskHere, &nobody())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::VerificationUnavailable);
    assert!(refused.hint().contains("countersign enroll"));
}

#[tokio::test]
async fn an_enrollment_that_its_service_fails_is_in_the_log() {
    let stage = Stage::enrolled().await;
    let failed = stage
        .agent
        .enroll(&link(), "", "se.example.com:443", &nobody())
        .await
        .unwrap_err();
    assert_eq!(failed.reason(), Reason::GatewayUnreachable);
    let events = stage.agent.events(10).await.unwrap();
    let event = &events[0];
    assert_eq!(event.kind, EventKind::EnrollmentFailed);
    assert!(event.detail.contains("se.example.com:443"), "{event:?}");
    assert!(!event.detail.contains("4821"), "{event:?}");
}
