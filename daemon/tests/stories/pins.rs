//! PINs: what is asked, what it costs, what ends a question.

use countersign_core::{
    otp::OtpMode,
    pskc::{BiometricPin, PinPlace, PinPolicy},
    secret::SecretBytes,
    token::{PinAsking, PushPolicy, VerificationLevel},
};
use countersign_proto::{agent::v1::Reason, push::v1 as push};
use countersignd::{
    agent::{
        explain::Explain as _,
        login_request::{AnswerWish, RequestSelector},
        passcode::PasscodeWish,
        ports::{Approval, PushInput},
        setup::SetupWish,
        unlocking::UnlockWish,
    },
    vault::TokenState,
};

use crate::pin_rig::{PIN, TIME, code, giving, nobody, with_token_pin};
use crate::{
    outside::{Done, Typing},
    stage::Stage,
};

#[tokio::test]
async fn a_token_pin_is_asked_for_and_a_wrong_one_says_how_many_tries_are_left() {
    let stage = with_token_pin(BiometricPin::Refused).await;
    let refused = code(&stage, &giving("135791")).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::PinWrong);
    assert_eq!(refused.tries_left(), Some(2));
    stage.outside.types(&["135792", PIN]);
    code(&stage, &nobody()).await.unwrap();
    let dialogs = stage.outside.dialogs();
    assert!(
        dialogs[0].0.contains("PIN of the token work"),
        "{dialogs:?}"
    );
    assert_eq!(
        dialogs[1].1.as_deref(),
        Some("This PIN is wrong; 1 try is left.")
    );
    // All tries are back.
    let refused = code(&stage, &giving("135793")).await.unwrap_err();
    assert_eq!(refused.tries_left(), Some(2));
}

#[tokio::test]
async fn the_last_wrong_pin_erases_the_token() {
    let stage = with_token_pin(BiometricPin::Refused).await;
    for reason in [Reason::PinWrong, Reason::PinWrong, Reason::PinExhausted] {
        let refused = code(&stage, &giving("135791")).await.unwrap_err();
        assert_eq!(refused.reason(), reason);
    }
    let refused = code(&stage, &giving(PIN)).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::PinExhausted);
    assert!(refused.hint().contains("enroll"), "{}", refused.hint());
    let token = stage.agent.token("work").await.unwrap();
    assert_eq!(token.state, TokenState::PinExhausted);
}

#[tokio::test]
async fn two_clients_at_once_share_no_try() {
    let stage = with_token_pin(BiometricPin::Refused).await;
    let (first, second) = (giving("135791"), giving("135792"));
    let (first, second) = tokio::join!(code(&stage, &first), code(&stage, &second));
    let mut left: Vec<_> = [first, second]
        .into_iter()
        .map(|refused| refused.unwrap_err().tries_left().unwrap())
        .collect();
    left.sort_unstable();
    assert_eq!(left, [1, 2]);
}

#[tokio::test]
async fn nobody_is_asked_in_vain_and_a_cancelled_dialog_is_no_try() {
    let stage = with_token_pin(BiometricPin::Refused).await;
    let refused = stage
        .agent
        .generate_passcode("work", PasscodeWish::Current, Some("123456"), &nobody())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::ChallengeInvalid);
    assert!(stage.outside.dialogs().is_empty());
    stage
        .outside
        .world
        .lock()
        .unwrap()
        .typed
        .push_back(Typing::Cancels);
    let refused = code(&stage, &nobody()).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::Cancelled);
    let refused = code(&stage, &giving("135791")).await.unwrap_err();
    assert_eq!(refused.tries_left(), Some(2));
}

#[tokio::test]
async fn once_per_unlock_lasts_until_the_lock_and_never_for_approvals() {
    let mut stage = with_token_pin(BiometricPin::Refused).await;
    let once = PinAsking::OncePerUnlock;
    let refused = stage
        .agent
        .set_pin_asking("work", once, &giving("135791"))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::PinWrong);
    stage
        .agent
        .set_pin_asking("work", once, &giving(PIN))
        .await
        .unwrap();
    code(&stage, &giving(PIN)).await.unwrap();
    code(&stage, &nobody()).await.unwrap();
    let request = stage.request(1, |_| {});
    stage.push(PushInput::Request(request)).await;
    stage
        .until(|done| matches!(done, Done::Asked(_)).then_some(()))
        .await;
    let approve = AnswerWish::Approve { number: None };
    let refused = stage
        .agent
        .answer(RequestSelector::Only, approve, &nobody())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::PinRequired);
    stage.agent.lock().await;
    stage
        .agent
        .unlock(UnlockWish::default(), &nobody())
        .await
        .unwrap();
    let refused = code(&stage, &nobody()).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::PinRequired);
}

#[tokio::test]
async fn a_changed_pin_shuts_the_old_one_out() {
    let stage = with_token_pin(BiometricPin::Refused).await;
    let new = SecretBytes::from(b"975310".as_slice());
    let short = SecretBytes::from(b"97531".as_slice());
    let agent = &stage.agent;
    let refused = agent
        .change_token_pin("work", Some(&short), &giving(PIN))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::PinMalformed);
    agent
        .change_token_pin("work", Some(&new), &giving(PIN))
        .await
        .unwrap();
    let refused = code(&stage, &giving(PIN)).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::PinWrong);
    code(&stage, &giving("975310")).await.unwrap();
    // In dialogs: the present one, a new one against the rules, a new one.
    stage.outside.types(&["975310", "1", "864200"]);
    agent
        .change_token_pin("work", None, &nobody())
        .await
        .unwrap();
    code(&stage, &giving("864200")).await.unwrap();
}

#[tokio::test]
async fn an_approval_that_asks_for_a_pin_is_not_given_by_a_click() {
    let mut stage = Stage::bare().await;
    stage
        .agent
        .setup(SetupWish::default(), &nobody())
        .await
        .unwrap();
    let push = PushPolicy::Allowed(VerificationLevel::Pin);
    stage
        .add_with("work", "CS1", TIME, push, PinPolicy::None, None)
        .await;
    let request = stage.request(1, |_| {});
    stage.push(PushInput::Request(request)).await;
    let approval = stage
        .until(|done| match done {
            Done::Asked(notice) => Some(notice.approval),
            _ => None,
        })
        .await;
    assert_eq!(approval, Approval::Verified);
    let refused = stage
        .agent
        .answer(
            RequestSelector::Only,
            AnswerWish::Approve { number: None },
            &nobody(),
        )
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::VerificationUnavailable);
    assert!(refused.hint().contains("pin change"));
}

#[tokio::test]
async fn a_server_pin_goes_to_the_service_and_stands_in_what_is_typed() {
    let mut stage = Stage::bare().await;
    stage
        .agent
        .setup(SetupWish::default(), &nobody())
        .await
        .unwrap();
    let push = PushPolicy::Allowed(VerificationLevel::Pin);
    let policy = PinPolicy::Server(PinPlace::Append);
    stage
        .add_with("work", "CS1", TIME, push, policy, None)
        .await;
    let plain = code(&stage, &nobody()).await.unwrap();
    let plain = plain.typed.expose();
    let both = code(&stage, &giving("4711")).await.unwrap();
    assert_eq!(both.typed.expose(), format!("{plain}4711"));
    let request = stage.request(1, |_| {});
    stage.push(PushInput::Request(request)).await;
    stage
        .until(|done| matches!(done, Done::Asked(_)).then_some(()))
        .await;
    stage.outside.types(&["4711"]);
    let answer = stage.approving(nobody());
    let (decision, body) = stage.decision().await;
    assert_eq!(decision.server_pin, "4711");
    assert_eq!(decision.passcode, plain);
    assert_eq!(body.level(), push::Level::Pin);
    answer.abort();
}

#[tokio::test]
async fn a_pin_in_the_computation_is_never_said_to_be_right() {
    let mut stage = Stage::bare().await;
    stage
        .agent
        .setup(SetupWish::default(), &nobody())
        .await
        .unwrap();
    let suite = "OCRA-1:HOTP-SHA1-6:QN08-PSHA1".parse().unwrap();
    let mode = OtpMode::Challenge { suite };
    stage
        .add_with(
            "work",
            "CS1",
            mode,
            PushPolicy::Off,
            PinPolicy::InPasscode,
            None,
        )
        .await;
    let mut answers = Vec::new();
    for pin in ["1234", "1235", "1234"] {
        let generated = stage
            .agent
            .generate_passcode(
                "work",
                PasscodeWish::Current,
                Some("12345678"),
                &giving(pin),
            )
            .await
            .unwrap();
        answers.push(generated.typed.expose().to_owned());
    }
    assert_eq!(answers[0], answers[2]);
    assert_ne!(answers[0], answers[1]);
}
