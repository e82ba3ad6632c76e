//! One-time codes of the helpdesk.

use std::fs;

use countersign_core::secret::SecretText;
use countersign_gateway::service::{HelpdeskError, LoginState, PasscodeVerdict, Subject};
use countersign_proto::push::v1 as push;

use crate::stage::{Stage, USER, time};

async fn issued(stage: &Stage) -> SecretText {
    let code = stage.operator().issue_helpdesk_code(USER, 15).await;
    code.unwrap().code
}

async fn typed(stage: &Stage, code: &SecretText) -> PasscodeVerdict {
    let subject = Subject::User(USER.to_owned());
    stage.check(subject, code.clone(), None).await
}

const ACCEPTED: PasscodeVerdict = PasscodeVerdict::Accepted { serial: None };

#[tokio::test]
async fn a_code_is_good_once_for_its_time_and_until_the_next_one() {
    let stage = Stage::new().await;
    // The user has no token at all: the desktop was lost.
    let code = issued(&stage).await;
    assert_eq!(typed(&stage, &code).await, ACCEPTED);
    assert_eq!(typed(&stage, &code).await, PasscodeVerdict::UsedBefore);
    assert_eq!(stage.audited("passcode_reused").await, 1);

    let before = issued(&stage).await;
    let code = issued(&stage).await;
    assert_eq!(typed(&stage, &before).await, PasscodeVerdict::NoToken);
    stage.clock.advance_ms(15 * 60_000);
    assert_eq!(typed(&stage, &code).await, PasscodeVerdict::NoToken);

    // Three in an hour, and another user's is another's.
    let refused = stage.operator().issue_helpdesk_code(USER, 15).await;
    let Err(HelpdeskError::TooMany { again }) = refused else {
        panic!("a fourth code");
    };
    assert_eq!(again, stage.service.now().plus_ms(45 * 60_000));
    stage.clock.advance_ms(46 * 60_000);
    let code = issued(&stage).await;
    stage.operator().add_user("bob", "x".into()).await.unwrap();
    let other = stage
        .check(Subject::User("bob".to_owned()), code, None)
        .await;
    assert_eq!(other, PasscodeVerdict::NoToken);
    for minutes in [0, 1441] {
        let refused = stage
            .service
            .operator("grace")
            .issue_helpdesk_code(USER, minutes)
            .await;
        assert!(matches!(refused, Err(HelpdeskError::Validity)));
    }
    let refused = stage.operator().issue_helpdesk_code("eve", 15).await;
    assert!(matches!(refused, Err(HelpdeskError::UnknownUser)));
}

#[tokio::test]
async fn a_code_is_the_way_out_of_a_lock_and_ends_the_login_that_is_open() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    for _ in 0..10 {
        assert_eq!(
            typed(&stage, &"000000x".into()).await,
            PasscodeVerdict::Wrong
        );
    }
    let locked = typed(&stage, &"000000x".into()).await;
    assert!(matches!(locked, PasscodeVerdict::Locked { .. }));
    let opened = stage.open().await.unwrap();
    channel.request().await;
    let code = issued(&stage).await;
    let small = SecretText::new(code.expose().to_lowercase());
    let id = Some(opened.transaction_id.clone());
    let verdict = stage.check(Subject::User(USER.to_owned()), small, id).await;
    assert_eq!(verdict, ACCEPTED);
    assert_eq!(
        stage.state(&opened.transaction_id).await,
        LoginState::Consumed
    );
    assert_eq!(
        channel.cancel().await,
        push::CancelReason::AnsweredElsewhere
    );
}

#[tokio::test]
async fn a_code_is_kept_as_a_mac_and_who_issued_it_is_written() {
    let stage = Stage::new().await;
    let code = issued(&stage).await;
    let plain = code.expose().replace('-', "");
    for entry in fs::read_dir(stage.folder.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap_or_default();
        for text in [code.expose().as_bytes(), plain.as_bytes()] {
            assert!(!bytes.windows(text.len()).any(|window| window == text));
        }
    }
    let entries = stage.service.audit_after(0, 1000).await.unwrap();
    let issued = entries
        .iter()
        .find(|entry| entry.event == "helpdesk_code_issued")
        .unwrap();
    assert_eq!(
        (issued.subject.as_str(), issued.detail.as_str()),
        (USER, "by grace, for 15 minutes")
    );
    // A restart forgets nothing.
    let stage = stage.restarted().await;
    assert_eq!(typed(&stage, &code).await, ACCEPTED);
    assert_eq!(typed(&stage, &code).await, PasscodeVerdict::UsedBefore);
    assert_eq!(stage.audited("helpdesk_code_used").await, 1);
}
