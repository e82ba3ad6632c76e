//! The real dunst: shows, answers, closes, dies.

use std::path::{Path, PathBuf};

use countersign_tests::{desktop::Desktop, patiently};
use countersignd::agent::ports::{
    Approval, LoginRequestNotice, NoticeChoice, NoticedOutcome, Notifications as _,
};

use crate::rig::{Dunst, notice};

#[test]
fn approve_and_deny_are_chosen_in_the_notification() {
    let Some(mut dunst) = Dunst::new("notification::approve_and_deny") else {
        return;
    };
    for (key, choice) in [
        ("approve", NoticeChoice::Approve),
        ("deny", NoticeChoice::Deny),
        ("details", NoticeChoice::Details),
    ] {
        dunst.rig.ask(&notice()).unwrap();
        let shown = dunst.notices.wait().unwrap();
        assert_eq!(shown.summary, "Log in to Example Portal?");
        let keys: Vec<_> = shown.actions.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["deny", "approve", "details"]);
        dunst.desktop.choose(&shown, key).unwrap();
        assert_eq!(dunst.rig.choice(), choice);
    }
}

#[test]
fn a_question_is_replaced_by_its_outcome_and_a_deny_can_be_reported() {
    let Some(mut dunst) = Dunst::new("notification::replaced_by_its_outcome") else {
        return;
    };
    dunst.rig.ask(&notice()).unwrap();
    let question = dunst.notices.wait().unwrap();
    dunst.rig.tell(NoticedOutcome::Denied);
    let denied = dunst.notices.wait().unwrap();
    assert_eq!((denied.replaces, denied.id), (question.id, question.id));
    dunst.desktop.choose(&denied, "report").unwrap();
    assert_eq!(dunst.rig.choice(), NoticeChoice::Report);
    assert!(dunst.rig.unseen().is_none());
}

#[test]
fn a_closed_question_is_dismissed_and_a_withdrawn_one_says_nothing() {
    let Some(mut dunst) = Dunst::new("notification::dismissed") else {
        return;
    };
    dunst.rig.ask(&notice()).unwrap();
    dunst.notices.wait().unwrap();
    dunst.desktop.dismiss().unwrap();
    assert_eq!(dunst.rig.choice(), NoticeChoice::Dismissed);

    dunst.rig.ask(&notice()).unwrap();
    dunst.notices.wait().unwrap();
    dunst.rig.withdraw();
    // The next one's answer is the next thing that is heard: nothing came of the withdrawn one.
    dunst.rig.ask(&notice()).unwrap();
    let shown = dunst.notices.wait().unwrap();
    assert_eq!(shown.replaces, 0);
    dunst.desktop.choose(&shown, "deny").unwrap();
    assert_eq!(dunst.rig.choice(), NoticeChoice::Deny);
}

#[test]
fn another_server_shows_the_open_questions_again() {
    let Some(mut dunst) = Dunst::new("notification::another_server") else {
        return;
    };
    dunst.rig.ask(&notice()).unwrap();
    let before = dunst.notices.wait().unwrap();
    let Dunst {
        mut notices,
        desktop,
        mut rig,
    } = dunst;
    drop(desktop);
    let desktop = Desktop::start(&rig.workspace, &rig.bus).unwrap();
    let after = notices.wait().unwrap();
    assert_eq!(after.replaces, 0);
    assert_eq!(
        (&after.summary, &after.body),
        (&before.summary, &before.body)
    );
    desktop.choose(&after, "approve").unwrap();
    assert_eq!(rig.choice(), NoticeChoice::Approve);
}

#[test]
fn the_server_is_named() {
    let Some(dunst) = Dunst::new("notification::named") else {
        return;
    };
    let name = patiently("its name", dunst.rig.notifications.server()).unwrap();
    let name = name.unwrap();
    assert!(name.starts_with("dunst 1."), "{name}");
}

#[test]
fn hostile_text_stays_text() {
    let Some(mut dunst) = Dunst::new("notification::hostile_text") else {
        return;
    };
    let hostile = LoginRequestNotice {
        resource: "<b>Bank</b> & Co.\n\u{202e}".to_owned(),
        user: "<a href=\"https://evil.example\">alice</a>".to_owned(),
        place: "\u{1b}[31mVienna\nApprove this one".to_owned(),
        ..notice()
    };
    dunst.rig.ask(&hostile).unwrap();
    let shown = dunst.notices.wait().unwrap();
    assert!(!shown.summary.contains(['<', '&', '\n']), "{shown:?}");
    assert!(shown.body.starts_with("&lt;a href="), "{shown:?}");
    assert_eq!(shown.body.lines().count(), 5, "{shown:?}");
    // dunst offers to open the links that it finds: there is none among the actions of this one.
    dunst.desktop.choose(&shown, "deny").unwrap();
    assert_eq!(dunst.rig.choice(), NoticeChoice::Deny);
}

/// Draws every notification on the screen, for people to look at: `target/tmp/notifications/*.png`.
#[test]
fn pictures() {
    let Some(mut dunst) = Dunst::new("notification::pictures") else {
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("notifications");
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| -> PathBuf { folder.join(format!("{name}.png")) };
    for (name, approval) in [
        ("click", Approval::Click),
        ("number", Approval::Number),
        ("locked", Approval::VaultLocked),
    ] {
        let notice = LoginRequestNotice {
            approval,
            ..notice()
        };
        dunst.rig.ask(&notice).unwrap();
        dunst.notices.wait().unwrap();
        dunst.desktop.picture(&file(name)).unwrap();
        dunst.rig.withdraw();
    }
    for (name, outcome) in [
        ("logged-in", NoticedOutcome::LoggedIn),
        ("denied", NoticedOutcome::Denied),
        ("reported", NoticedOutcome::Reported),
        (
            "refused",
            NoticedOutcome::Refused("the service refused the passcode; try once more".to_owned()),
        ),
    ] {
        dunst.rig.tell(outcome);
        dunst.notices.wait().unwrap();
        dunst.desktop.picture(&file(name)).unwrap();
        dunst.rig.withdraw();
    }
}
