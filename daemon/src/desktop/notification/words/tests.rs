use core::time::Duration;

use countersign_core::{ids::LoginRequestId, login_origin::LoginOrigin, login_request::Subject};
use proptest::prelude::*;

use super::*;

const RICH: Features = Features {
    markup: true,
    actions: true,
};
const POOR: Features = Features {
    markup: false,
    actions: false,
};

fn notice() -> LoginRequestNotice {
    LoginRequestNotice {
        id: LoginRequestId([7; 16]),
        subject: Subject::Login,
        service: "Example".to_owned(),
        token: "Work".to_owned(),
        question: String::new(),
        resource: "Example Portal".to_owned(),
        user: "alice".to_owned(),
        origin: LoginOrigin::OtherAddress,
        client_address: "203.0.113.7".to_owned(),
        place: "Vienna".to_owned(),
        program: "Firefox on Linux".to_owned(),
        at: UnixMillis(1_700_000_000_000),
        left: Duration::from_mins(1),
        approval: Approval::Click,
        shown_there: ShownThere::Nothing,
        others: 0,
        extent: Extent::Short,
    }
}

fn asked(notice: &LoginRequestNotice, features: Features) -> Words {
    question(notice, notice.at.plus_ms(60_000), features)
}

fn told(outcome: NoticedOutcome, features: Features) -> Words {
    let notice = OutcomeNotice {
        id: LoginRequestId([7; 16]),
        subject: Subject::Login,
        resource: "Example Portal".to_owned(),
        user: "alice".to_owned(),
        outcome,
    };
    super::outcome(&notice, features)
}

fn every_outcome() -> [NoticedOutcome; 9] {
    [
        NoticedOutcome::CodeWaits,
        NoticedOutcome::ReportKept,
        NoticedOutcome::Approved,
        NoticedOutcome::LoggedIn,
        NoticedOutcome::Denied,
        NoticedOutcome::Reported,
        NoticedOutcome::Expired,
        NoticedOutcome::Cancelled,
        NoticedOutcome::Refused("the passcode was not accepted".to_owned()),
    ]
}

#[test]
fn a_question_says_who_where_and_until_when() {
    let words = asked(&notice(), RICH);
    let (asked, until) = (
        clock_time(notice().at),
        clock_time(notice().at.plus_ms(60_000)),
    );
    assert_eq!(words.summary, "Log in to Example Portal?");
    assert_eq!(
        words.body,
        format!(
            "alice · from another address: 203.0.113.7 (Vienna)\n\
             With Firefox on Linux\n\
             Asked at {asked} · answer by {until}\n\
             Approve only if you are logging in right now.\n\
             Answer here, or run: <i>countersign approve 07070707</i>"
        )
    );
    assert_eq!(
        words.actions,
        [Action::Deny, Action::Approve, Action::Details]
    );
    assert_eq!(words.tone, Tone::Question);
}

#[test]
fn what_is_not_known_leaves_no_hole() {
    let bare = LoginRequestNotice {
        origin: LoginOrigin::Unknown,
        client_address: String::new(),
        place: String::new(),
        program: String::new(),
        others: 2,
        ..notice()
    };
    let words = asked(&bare, POOR);
    assert!(words.body.starts_with("alice\nAsked "), "{}", words.body);
    assert!(!words.body.contains("\n\n"), "{}", words.body);
    assert!(
        words.body.ends_with("\n2 more login requests are waiting."),
        "{}",
        words.body
    );
}

#[test]
fn without_buttons_the_text_says_what_to_run() {
    for (approval, command) in [
        (Approval::Click, "countersign approve 07070707"),
        (
            Approval::NumberTyped,
            "countersign approve 07070707 --number N",
        ),
        (Approval::VaultLocked, "countersign unlock"),
    ] {
        for features in [RICH, POOR] {
            let notice = LoginRequestNotice {
                approval,
                ..notice()
            };
            let words = asked(&notice, features);
            assert!(words.body.contains(command), "{}", words.body);
        }
    }
}

#[test]
fn there_is_never_one_action_alone_and_approve_is_never_first() {
    let questions = [Approval::Click, Approval::Number, Approval::VaultLocked].map(|approval| {
        let notice = LoginRequestNotice {
            approval,
            ..notice()
        };
        asked(&notice, RICH)
    });
    let outcomes = every_outcome().map(|outcome| told(outcome, RICH));
    for words in questions.iter().chain(&outcomes) {
        assert_ne!(words.actions.len(), 1, "{words:?}");
        assert_ne!(words.actions.first(), Some(&Action::Approve), "{words:?}");
    }
    assert_eq!(asked(&notice(), POOR).actions, []);
    assert_eq!(told(NoticedOutcome::Denied, POOR).actions, []);
}

#[test]
fn only_a_click_that_can_approve_is_offered_as_one() {
    for approval in [Approval::NumberTyped, Approval::VaultLocked] {
        let notice = LoginRequestNotice {
            approval,
            shown_there: ShownThere::Number,
            ..notice()
        };
        assert_eq!(
            asked(&notice, RICH).actions,
            [Action::Deny, Action::Details]
        );
    }
    for outcome in every_outcome() {
        assert!(!told(outcome, RICH).actions.contains(&Action::Approve));
    }
}

#[test]
fn where_it_comes_from_is_told_apart() {
    for (origin, said) in [
        (LoginOrigin::ThisComputer, "alice · from this computer\n"),
        (
            LoginOrigin::SameNetwork,
            "alice · from your network: 203.0.113.7 (Vienna)\n",
        ),
        (
            LoginOrigin::OtherAddress,
            "alice · from another address: 203.0.113.7 (Vienna)\n",
        ),
        (LoginOrigin::Unknown, "alice · from 203.0.113.7 (Vienna)\n"),
    ] {
        let notice = LoginRequestNotice { origin, ..notice() };
        let body = asked(&notice, RICH).body;
        assert!(body.starts_with(said), "{body}");
    }
}

#[test]
fn the_details_say_all_of_it_and_offer_no_details() {
    let notice = LoginRequestNotice {
        extent: Extent::Full,
        question: "Log in from {client_ip}?".to_owned(),
        ..notice()
    };
    let words = asked(&notice, RICH);
    let lines: Vec<_> = words.body.lines().take(9).collect();
    assert_eq!(
        lines,
        [
            "Log in from {client_ip}?",
            "User: alice",
            "From: from another address: 203.0.113.7 (Vienna)",
            "Address: 203.0.113.7",
            "Place: Vienna",
            "With: Firefox on Linux",
            "Service: Example",
            "Token: Work",
            "Request: 07070707070707070707070707070707",
        ]
    );
    assert_eq!(
        words.actions,
        [Action::Deny, Action::Approve, Action::Later]
    );
}

#[test]
fn what_the_page_shows_is_asked_for_after_the_click_or_typed() {
    for (shown_there, said) in [
        (ShownThere::Number, "shows a number"),
        (ShownThere::Choice, "shows which choice is right"),
    ] {
        let number = |approval| LoginRequestNotice {
            approval,
            shown_there,
            ..notice()
        };
        let words = asked(&number(Approval::Number), RICH);
        assert!(words.body.contains(said), "{}", words.body);
        assert!(!words.body.contains("--number"), "{}", words.body);
        assert_eq!(
            words.actions,
            [Action::Deny, Action::Approve, Action::Details]
        );
        for (approval, features) in [(Approval::Number, POOR), (Approval::NumberTyped, RICH)] {
            let words = asked(&number(approval), features);
            assert!(words.body.contains("--number N"), "{}", words.body);
            assert!(!words.actions.contains(&Action::Approve), "{words:?}");
        }
    }
}

#[test]
fn after_a_deny_it_can_be_reported() {
    let words = told(NoticedOutcome::Denied, RICH);
    assert_eq!(words.actions, [Action::Report, Action::Own]);
    assert!(words.body.contains("countersign deny 07070707 --report"));
    assert!(words.tone.stays_ms() > 0);
}

#[test]
fn a_refusal_says_why() {
    let words = told(
        NoticedOutcome::Refused("the <passcode> was not accepted\u{202e}".to_owned()),
        RICH,
    );
    assert_eq!(words.summary, "Not logged in to Example Portal");
    assert_eq!(words.body, "The &lt;passcode&gt; was not accepted\u{fffd}");
}

#[test]
fn hostile_text_is_neither_markup_nor_control() {
    let hostile = LoginRequestNotice {
        resource: "<b>Bank</b> & \u{202e}lortnoc".to_owned(),
        user: "<a href=\"https://evil.example\">alice</a>\u{1b}[31m\nroot".to_owned(),
        ..notice()
    };
    let words = asked(&hostile, RICH);
    assert!(
        !words.summary.contains(['<', '>', '&', '\u{202e}']),
        "{}",
        words.summary
    );
    assert!(words.body.starts_with("&lt;a href="), "{}", words.body);
    assert_eq!(
        words.body.lines().count(),
        asked(&notice(), RICH).body.lines().count()
    );
    let plain = asked(&hostile, POOR);
    assert!(plain.body.starts_with("<a href="), "{}", plain.body);
}

proptest! {
    #[test]
    fn no_text_of_others_adds_markup_lines_or_length(
        texts in prop::array::uniform5("\\PC{0,200}|[<>&\"'\n\r\t\u{202e}\u{200b}a]{0,40}"),
    ) {
        let [resource, user, client_address, place, program] = texts;
        let notice = LoginRequestNotice {
            resource, user, client_address, place, program, ..notice()
        };
        let words = asked(&notice, RICH);
        prop_assert!(!words.summary.contains(['<', '>', '&', '\n']));
        prop_assert!(words.summary.chars().count() <= 100);
        prop_assert!(words.body.lines().count() <= 5);
        let ours = words.body.replace("<i>", "").replace("</i>", "");
        prop_assert!(!ours.contains(['<', '>']));
        let plain = asked(&notice, POOR);
        prop_assert!(plain.body.chars().count() <= 700);
    }
}
