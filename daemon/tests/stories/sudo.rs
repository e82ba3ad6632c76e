//! sudo asks: what is signed, for whom, after what; and what falls back on the password.

use core::time::Duration;

use countersign_core::{
    login_request::Subject,
    sudo::{Least, machine_name},
    token::VerificationLevel,
};
use countersign_proto::{
    agent::v1::Reason,
    sudo::v1::{Ask, Challenge, Ending, Level, NumberMatching, Why},
};
use countersignd::{
    agent::{
        autosend::Autosend,
        explain::Explain as _,
        login_request::{AnswerWish, RequestSelector, Standing},
        ports::{Approval as Cost, NoticeChoice, NoticedOutcome, SessionEvent, SudoWord},
    },
    vault::EventKind,
};

use crate::{
    outside::{Done, Typing},
    pin_rig::nobody,
};

use crate::sudo_rig::{
    PIN, ask, asked, challenge, checked, clicks, refused, standing, with_sudo_key,
};

/// A browser that was taken over reaches no account of this computer.
#[tokio::test]
async fn a_browser_neither_sees_nor_answers_what_sudo_asks() {
    let (mut stage, key) = with_sudo_key().await;
    let pairing = crate::browsers::paired(&stage).await;
    let ask = ask(&challenge(&stage), &key);
    let pending = asked(&mut stage, &ask).await;
    assert_eq!(stage.agent.pending_login_requests().len(), 1);
    assert!(stage.agent.login_requests_for_browsers().is_empty());
    let id = pending.id.to_string();
    for wish in [AnswerWish::Approve { number: None }, AnswerWish::Deny] {
        let answered = stage
            .agent
            .answer_for_browser(&id, wish, &pairing, &nobody())
            .await;
        assert_eq!(answered.unwrap_err().reason(), Reason::LoginRequestUnknown);
    }
    assert_eq!(stage.agent.pending_login_requests().len(), 1);
}

#[tokio::test]
async fn an_approval_is_a_signature_over_the_question_after_the_pin() {
    let (mut stage, key) = with_sudo_key().await;
    let ask = ask(&challenge(&stage), &key);
    let pending = stage.agent.ask_for_sudo(ask.clone()).await.unwrap();
    let notice = stage
        .until(|done| match done {
            Done::Asked(notice) => Some(notice),
            _ => None,
        })
        .await;
    assert_eq!(notice.subject, Subject::Account);
    assert_eq!(notice.program, "sudo apt upgrade");
    assert_eq!(
        (notice.user.as_str(), notice.place.as_str()),
        ("alice", "laptop, pts/3")
    );
    assert_eq!(notice.approval, Cost::Verified);

    stage.outside.types(&[PIN]);
    clicks(&stage, pending.id, NoticeChoice::Approve);
    let word = pending.answer.await.unwrap();
    let (level, verdict, _) = checked(word, &ask, &key, Least::Pin);
    assert_eq!((level, verdict), (VerificationLevel::Pin, Ok(())));
    let (said, _) = stage.outside.dialogs().pop().unwrap();
    assert!(
        said.contains("alice runs sudo apt upgrade on laptop, pts/3"),
        "{said}"
    );

    stage
        .agent
        .sudo_ended(pending.id, Some(Ending::Accepted))
        .await;
    let id = pending.id;
    stage
        .until(|done| matches!(done, Done::Withdrawn(gone) if gone == id).then_some(()))
        .await;
    let events = stage.agent.events(10).await.unwrap();
    assert!(
        events
            .iter()
            .any(|event| event.kind == EventKind::RequestApproved
                && event.detail == "alice runs sudo apt upgrade on laptop, pts/3")
    );
}

#[tokio::test]
async fn a_denial_is_told_at_once_and_is_the_users() {
    let (mut stage, key) = with_sudo_key().await;
    let ask = ask(&challenge(&stage), &key);
    let pending = asked(&mut stage, &ask).await;
    clicks(&stage, pending.id, NoticeChoice::Deny);
    assert_eq!(
        pending.answer.await.unwrap(),
        SudoWord::Refusal(Why::Denied)
    );
    stage.agent.sudo_ended(pending.id, None).await;
    let told = stage
        .until(|done| match done {
            Done::Told(notice) => Some(notice),
            _ => None,
        })
        .await;
    assert_eq!(told.outcome, NoticedOutcome::Denied);
    assert_eq!(told.resource, "sudo apt upgrade");
}

#[tokio::test]
async fn it_was_not_me_stays_in_the_history() {
    let (mut stage, key) = with_sudo_key().await;
    let ask = ask(&challenge(&stage), &key);
    let pending = asked(&mut stage, &ask).await;
    let report = stage.answering(RequestSelector::Only, AnswerWish::Report, nobody());
    assert_eq!(
        pending.answer.await.unwrap(),
        SudoWord::Refusal(Why::Denied)
    );
    stage.agent.sudo_ended(pending.id, None).await;
    assert!(report.await.unwrap().unwrap().reported);
}

#[tokio::test]
async fn what_is_not_a_question_of_this_machine_is_not_asked() {
    let (stage, key) = with_sudo_key().await;
    let good = challenge(&stage);
    let with = |change: &dyn Fn(&mut Challenge)| {
        let mut challenge = good.clone();
        change(&mut challenge);
        ask(&challenge, &key)
    };
    for bad in [
        with(&|challenge| challenge.machine = machine_name(b"another").to_vec()),
        with(&|challenge| challenge.machine.clear()),
        with(&|challenge| challenge.version = 2),
        with(&|challenge| challenge.nonce.truncate(31)),
        with(&|challenge| challenge.user = "a".repeat(257)),
        with(&|challenge| challenge.command = vec![b'a'; 4097]),
        with(&|challenge| challenge.expires_ms = challenge.issued_ms),
        with(&|challenge| challenge.expires_ms = challenge.issued_ms.saturating_add(3_600_000)),
        with(&|challenge| challenge.issued_ms = i64::MIN),
        with(&|challenge| challenge.least = 0),
        with(&|challenge| challenge.least = Level::Tpm.into()),
        with(&|challenge| challenge.matching = 0),
        Ask {
            challenge: vec![0xff; 40],
            ..with(&|_| ())
        },
    ] {
        assert_eq!(refused(&stage, bad).await, Why::Malformed);
    }
    let nothing = Ask {
        keys: vec![vec![1; 32]],
        ..with(&|_| ())
    };
    assert_eq!(refused(&stage, nothing).await, Why::NotEnrolled);
    assert!(stage.agent.pending_login_requests().is_empty());
}

#[tokio::test]
async fn a_foreign_text_is_shown_safely() {
    let (mut stage, key) = with_sudo_key().await;
    let mut hostile = challenge(&stage);
    hostile.command = "sudo\0x\u{202e}gpj\n\u{1b}[2J\0".as_bytes().to_vec();
    hostile.host = "lap\u{7}top".to_owned();
    asked(&mut stage, &ask(&hostile, &key)).await;
    let view = stage.agent.pending_login_requests().remove(0);
    for text in [view.program, view.place] {
        assert!(
            !text.contains(['\u{202e}', '\n', '\u{1b}', '\u{7}']),
            "{text:?}"
        );
    }
}

#[tokio::test]
async fn whoever_cannot_be_asked_is_asked_for_the_password() {
    let (mut stage, key) = with_sudo_key().await;
    let question = || ask(&challenge(&stage), &key);
    stage.agent.set_autosend(None, Autosend::Off).await.unwrap();
    assert_eq!(refused(&stage, question()).await, Why::Muted);
    stage.agent.set_autosend(None, Autosend::On).await.unwrap();
    stage.agent.lock().await;
    assert_eq!(refused(&stage, question()).await, Why::Locked);
    let again = ask(&challenge(&stage), &key);
    stage
        .agent
        .unlock(
            countersignd::agent::unlocking::UnlockWish::default(),
            &nobody(),
        )
        .await
        .unwrap();
    stage.session(SessionEvent::ScreenLocked).await;
    stage.done_until_marker().await;
    assert_eq!(refused(&stage, again).await, Why::SessionLocked);
}

#[tokio::test]
async fn one_question_a_terminal_three_in_all_six_a_minute() {
    let (mut stage, key) = with_sudo_key().await;
    let from = |terminal: &str, nonce: u8| {
        let mut challenge = challenge(&stage);
        challenge.terminal = terminal.to_owned();
        challenge.nonce = vec![nonce; 32];
        ask(&challenge, &key)
    };
    let (one, two, three) = (from("pts/1", 1), from("pts/2", 2), from("pts/3", 3));
    let (same, fourth) = (from("pts/1", 4), from("pts/4", 5));
    let open = [
        asked(&mut stage, &one).await,
        asked(&mut stage, &two).await,
        asked(&mut stage, &three).await,
    ];
    assert_eq!(refused(&stage, same).await, Why::Busy);
    assert_eq!(refused(&stage, fourth).await, Why::Busy);
    // sudo goes away three times: nobody answered, and for a minute nobody is asked.
    for pending in &open {
        stage.agent.sudo_ended(pending.id, None).await;
        assert_eq!(
            standing(&stage, pending.id),
            Standing::Ended(countersign_core::login_request::Closing::Cancelled)
        );
    }
    let fifth = {
        let mut challenge = challenge(&stage);
        challenge.nonce = vec![9; 32];
        ask(&challenge, &key)
    };
    assert_eq!(refused(&stage, fifth.clone()).await, Why::TooOften);
    stage.outside.pass(Duration::from_secs(61));
    asked(&mut stage, &fifth).await;
}

#[tokio::test]
async fn a_question_ends_with_its_time() {
    let (mut stage, key) = with_sudo_key().await;
    let ask = ask(&challenge(&stage), &key);
    let pending = asked(&mut stage, &ask).await;
    stage.outside.pass(Duration::from_secs(31));
    // Whatever wakes the agent: it looks at the clock.
    stage.done_until_marker().await;
    assert_eq!(
        pending.answer.await.unwrap(),
        SudoWord::Refusal(Why::Expired)
    );
}

#[tokio::test]
async fn a_number_is_typed_here_and_signed() {
    let (mut stage, key) = with_sudo_key().await;
    let mut challenge = challenge(&stage);
    challenge.matching = NumberMatching::Typed.into();
    let ask = ask(&challenge, &key);
    let pending = asked(&mut stage, &ask).await;
    stage.outside.types(&["472", PIN]);
    clicks(&stage, pending.id, NoticeChoice::Approve);
    let word = pending.answer.await.unwrap();
    assert_eq!(checked(word, &ask, &key, Least::User).2, "472");
    assert!(stage.outside.dialogs()[0].0.contains("the terminal shows"));
    // The module knows whether it is the right one.
    stage
        .agent
        .sudo_ended(pending.id, Some(Ending::WrongNumber))
        .await;
    assert_eq!(
        standing(&stage, pending.id),
        Standing::Ended(countersign_core::login_request::Closing::Denied)
    );
}

#[tokio::test]
async fn without_a_notification_server_the_dialog_is_the_question() {
    let (stage, key) = with_sudo_key().await;
    stage.outside.world.lock().unwrap().notification_server = None;
    let question = |nonce: u8| {
        let mut challenge = challenge(&stage);
        challenge.nonce = vec![nonce; 32];
        ask(&challenge, &key)
    };
    let first = question(1);
    stage.outside.types(&[PIN]);
    let pending = stage.agent.ask_for_sudo(first.clone()).await.unwrap();
    let word = pending.answer.await.unwrap();
    assert_eq!(checked(word, &first, &key, Least::Pin).1, Ok(()));
    stage
        .agent
        .sudo_ended(pending.id, Some(Ending::Accepted))
        .await;

    stage
        .outside
        .world
        .lock()
        .unwrap()
        .typed
        .push_back(Typing::Cancels);
    let pending = stage.agent.ask_for_sudo(question(2)).await.unwrap();
    assert_eq!(
        pending.answer.await.unwrap(),
        SudoWord::Refusal(Why::Denied)
    );
    stage.agent.sudo_ended(pending.id, None).await;

    // Neither a server nor a screen.
    let pending = stage.agent.ask_for_sudo(question(3)).await.unwrap();
    assert_eq!(
        pending.answer.await.unwrap(),
        SudoWord::Refusal(Why::Nobody)
    );
}
