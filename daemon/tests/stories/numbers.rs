//! What the login page shows is asked for in a dialog, sent signed, and never guessed.

use countersign_core::ids::LoginRequestId;
use countersign_proto::{agent::v1::Reason, push::v1 as push};
use countersignd::agent::{
    caller::Caller,
    explain::Explain as _,
    login_request::{AnswerWish, RequestSelector},
    ports::{Approval, Input, NoticeChoice, NoticedOutcome, ShownThere},
};

use crate::{
    outside::{Done, Typing},
    stage::Stage,
};

const APPROVE: AnswerWish = AnswerWish::Approve { number: None };

fn number(body: &mut push::RequestBody) {
    body.match_mode = push::MatchMode::Number.into();
}

#[tokio::test]
async fn a_click_asks_for_the_number_until_it_can_be_one() {
    let mut stage = Stage::enrolled().await;
    let notice = stage.asked(1, number).await;
    assert_eq!(notice.approval, Approval::Number);
    assert_eq!(notice.shown_there, ShownThere::Number);
    stage.outside.types(&["4x", " 42 "]);
    let click = Input::Notice {
        id: LoginRequestId([1; 16]),
        choice: NoticeChoice::Approve,
    };
    stage.inputs.send(click).await.unwrap();
    let (_, body) = stage.decision().await;
    assert_eq!(
        (body.verdict(), body.number.as_str()),
        (push::Verdict::Approve, "42")
    );
    let dialogs = stage.outside.dialogs();
    assert_eq!(dialogs.len(), 2, "{dialogs:?}");
    let (said, error) = dialogs.last().unwrap();
    assert!(
        said.contains("Log in to Example Portal as alice?"),
        "{said}"
    );
    assert!(said.contains("number that the login page shows"), "{said}");
    assert!(error.as_ref().unwrap().contains("digits only"), "{error:?}");
}

#[tokio::test]
async fn a_closed_dialog_answers_nothing_and_the_request_stays() {
    let mut stage = Stage::enrolled().await;
    stage.asked(1, number).await;
    {
        let mut world = stage.outside.world.lock().unwrap();
        world.typed.push_back(Typing::Cancels);
    }
    let given_up = stage
        .agent
        .answer(RequestSelector::Only, APPROVE, &Caller::default())
        .await
        .unwrap_err();
    assert_eq!(given_up.reason(), Reason::Cancelled);
    assert_eq!(stage.agent.pending_login_requests().len(), 1);
    let before = stage.done_until_marker().await;
    let sent = before.iter().any(|done| {
        matches!(
            done,
            Done::Sent(push::AgentFrame {
                frame: Some(push::agent_frame::Frame::Decision(_))
            })
        )
    });
    assert!(!sent, "{before:?}");
}

#[tokio::test]
async fn a_denial_while_the_dialog_is_open_wins() {
    let mut stage = Stage::enrolled().await;
    stage.asked(1, number).await;
    {
        let mut world = stage.outside.world.lock().unwrap();
        world.typed.push_back(Typing::Waits);
    }
    let approving = stage.approving(Caller::default());
    let asked = async {
        while stage.outside.dialogs().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(core::time::Duration::from_mins(1), asked)
        .await
        .unwrap();
    let denying = stage.answering(
        RequestSelector::Id("01010101".to_owned()),
        AnswerWish::Deny,
        Caller::default(),
    );
    let (_, body) = stage.decision().await;
    assert_eq!(body.verdict(), push::Verdict::Deny);
    assert_eq!(
        approving.await.unwrap().unwrap_err().reason(),
        Reason::LoginRequestAnswered
    );
    stage.outcome(1, push::Result::Denied).await;
    denying.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_wrong_number_is_told_as_the_denial_that_it_is() {
    let mut stage = Stage::enrolled().await;
    stage.asked(1, number).await;
    let wish = AnswerWish::Approve {
        number: Some("41".to_owned()),
    };
    let answer = stage.answering(RequestSelector::Only, wish, Caller::default());
    stage.decision().await;
    stage.outcome(1, push::Result::RefusedNumber).await;
    let refused = answer.await.unwrap().unwrap_err();
    assert_eq!(refused.reason(), Reason::LoginRequestRefused);
    let told = stage
        .until(|done| match done {
            Done::Told(notice) => Some(notice.outcome),
            _ => None,
        })
        .await;
    assert!(
        matches!(&told, NoticedOutcome::Refused(why) if why.contains("counts as a denial")),
        "{told:?}"
    );
}
