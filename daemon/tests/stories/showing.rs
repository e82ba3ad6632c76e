//! Which login requests are on the screen.

use countersign_core::{ids::LoginRequestId, pskc::BiometricPin};
use countersign_proto::push::v1 as push;
use countersignd::{
    agent::{
        login_request::{AnswerWish, RequestSelector},
        ports::{Extent, Input, NoticeChoice, PushInput, Scan},
    },
    vault::FingerUnlock,
};

use crate::{
    outside::Done,
    pin_rig::{PIN, fingers, giving, nobody, touch, with_token_pin},
    stage::Stage,
};

const fn id(byte: u8) -> LoginRequestId {
    LoginRequestId([byte; 16])
}

#[tokio::test]
async fn the_newest_are_on_the_screen_and_the_others_follow() {
    let mut stage = Stage::enrolled().await;
    for number in 1..=5 {
        let notice = stage.asked(number, |_| {}).await;
        assert_eq!(notice.others, usize::from(number) - 1);
        stage.outside.pass(core::time::Duration::from_millis(10));
    }
    // The sixth takes the place of the oldest.
    stage
        .push(PushInput::Request(stage.request(6, |_| {})))
        .await;
    let gone = stage
        .until(|done| match done {
            Done::Withdrawn(id) => Some(id),
            _ => None,
        })
        .await;
    assert_eq!(gone, id(1));
    let newest = stage
        .until(|done| match done {
            Done::Asked(notice) => Some(notice),
            _ => None,
        })
        .await;
    assert_eq!((newest.id, newest.others), (id(6), 5));

    // One ends: the oldest comes back.
    let cancel = push::Cancel {
        request_id: vec![6; 16],
        reason: push::CancelReason::ByResource.into(),
    };
    stage.push(PushInput::Cancel(cancel)).await;
    let back = stage
        .until(|done| match done {
            Done::Asked(notice) => Some(notice),
            _ => None,
        })
        .await;
    assert_eq!((back.id, back.others), (id(1), 4));
    assert_eq!(stage.agent.pending_login_requests().len(), 5);
}

#[tokio::test]
async fn what_nobody_saw_ends_without_a_word() {
    let mut stage = Stage::enrolled().await;
    for number in 1..=6 {
        stage.asked(number, |_| {}).await;
        stage.outside.pass(core::time::Duration::from_millis(10));
    }
    for number in [1, 2] {
        let cancel = push::Cancel {
            request_id: vec![number; 16],
            reason: push::CancelReason::Expired.into(),
        };
        stage.push(PushInput::Cancel(cancel)).await;
    }
    let told = stage
        .until(|done| match done {
            Done::Told(notice) => Some(notice.id),
            _ => None,
        })
        .await;
    assert_eq!(told, id(2), "the first was not on the screen any more");
}

#[tokio::test]
async fn the_details_are_shown_in_place() {
    let mut stage = Stage::enrolled().await;
    let short = stage.asked(1, |_| {}).await;
    assert_eq!(short.extent, Extent::Short);
    let click = Input::Notice {
        id: id(1),
        choice: NoticeChoice::Details,
    };
    stage.inputs.send(click).await.unwrap();
    let full = stage
        .until(|done| match done {
            Done::Asked(notice) => Some(notice),
            _ => None,
        })
        .await;
    assert_eq!((full.id, full.extent), (id(1), Extent::Full));
    assert_eq!(
        (full.service.as_str(), full.token.as_str()),
        ("Example", "work")
    );
}

#[tokio::test]
async fn the_hint_to_touch_the_reader_goes_with_the_question() {
    let mut stage = with_token_pin(BiometricPin::Allowed).await;
    fingers(&stage, &["left-thumb"]);
    let agent = std::sync::Arc::clone(&stage.agent);
    agent
        .set_token_biometric("work", FingerUnlock::On, &giving(PIN))
        .await
        .unwrap();
    stage.asked(1, |_| {}).await;
    // A wrong finger first: the hint is on the screen. Then the PIN is typed.
    touch(&stage, &[Scan::NoMatch]);
    stage.outside.types(&[PIN]);
    let answer = stage.approving(nobody());
    stage.decision().await;
    stage.outcome(1, push::Result::Approved).await;
    answer.await.unwrap().unwrap();
    let hint_gone = async {
        while stage.outside.world.lock().unwrap().hint.is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(core::time::Duration::from_mins(1), hint_gone)
        .await
        .unwrap();
    let seen = stage.outside.world.lock().unwrap().hints_withdrawn;
    assert!(seen > 0, "the hint was never taken away");

    // A denial while the reader waits takes it away as well.
    stage.asked(2, |_| {}).await;
    stage.outside.world.lock().unwrap().hints_withdrawn = 0;
    {
        let mut world = stage.outside.world.lock().unwrap();
        world.typed.push_back(crate::outside::Typing::Waits);
    }
    let approving = stage.approving(nobody());
    let dialogs = stage.outside.dialogs().len();
    let asked = async {
        while stage.outside.dialogs().len() == dialogs {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(core::time::Duration::from_mins(1), asked)
        .await
        .unwrap();
    let denying = stage.answering(
        RequestSelector::Id("02020202".to_owned()),
        AnswerWish::Deny,
        nobody(),
    );
    stage.decision().await;
    approving.await.unwrap().unwrap_err();
    stage.outcome(2, push::Result::Denied).await;
    denying.await.unwrap().unwrap();
    let gone = async {
        while stage.outside.world.lock().unwrap().hints_withdrawn == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(core::time::Duration::from_mins(1), gone)
        .await
        .unwrap();
}
