//! What a notification says. Short and calm; enough to decide by; no passcode, no secret; safe for any server.

use countersign_core::{text, time::UnixMillis};
use jiff::{Timestamp, tz::TimeZone};

use crate::agent::ports::{Approval, LoginRequestNotice, NoticedOutcome, OutcomeNotice};

/// The longest foreign text of one field, in characters.
const FIELD: usize = 80;
/// How long an outcome stays, in milliseconds.
const OUTCOME_MS: i32 = 6_000;
/// How long the question after a denial stays.
const FOLLOW_UP_MS: i32 = 20_000;
/// Stays until it is answered, withdrawn or replaced.
const STAYS: i32 = 0;

/// One notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) summary: String,
    pub(super) body: String,
    pub(super) actions: Vec<Action>,
    pub(super) is_question: bool,
    pub(super) expires_ms: i32,
}

/// What can be chosen. Never one alone, never a default: some servers invoke those at a click anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Deny,
    Approve,
    Later,
    Report,
    Own,
}

impl Action {
    const ALL: [Self; 5] = [
        Self::Deny,
        Self::Approve,
        Self::Later,
        Self::Report,
        Self::Own,
    ];

    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Approve => "approve",
            Self::Later => "later",
            Self::Report => "report",
            Self::Own => "own",
        }
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Deny => "Deny",
            Self::Approve => "Approve",
            Self::Later => "Later",
            Self::Report => "It wasn't me!",
            Self::Own => "It was me",
        }
    }

    pub(super) fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.key() == key)
    }
}

/// Foreign text, display-safe and of bounded length.
pub(super) fn shown(text: &str) -> String {
    text::display(text, FIELD)
}

/// Summaries are plain text by the specification, and markup on some servers: the three characters that
/// would matter there become ones that look alike.
fn summary_safe(text: &str) -> String {
    text.replace('&', "\u{ff06}")
        .replace('<', "\u{2039}")
        .replace('>', "\u{203a}")
}

fn body(lines: &[String], markup: bool) -> String {
    let text = lines
        .iter()
        .filter(|line| !line.is_empty())
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    if markup {
        text::markup_escaped(&text)
    } else {
        text
    }
}

/// "Is this you?"
pub(super) fn question(notice: &LoginRequestNotice, markup: bool, actions: bool) -> Words {
    let resource = shown(&notice.resource);
    let until = notice
        .at
        .plus_ms(i64::try_from(notice.left.as_millis()).unwrap_or(0));
    let asked = format!(
        "Asked at {}, answer by {}.",
        clock_time(notice.at),
        clock_time(until)
    );
    let (how, choices) = match notice.approval {
        Approval::Click if actions => (
            "Approve only if this is you, now. Or run: countersign approve",
            vec![Action::Deny, Action::Approve],
        ),
        Approval::Click => (
            "Run \u{201c}countersign approve\u{201d} or \u{201c}countersign deny\u{201d}.",
            vec![],
        ),
        Approval::Number => (
            "Run \u{201c}countersign approve --number N\u{201d} with the number on the page.",
            vec![Action::Deny, Action::Later],
        ),
        Approval::VaultLocked => (
            "The vault is locked. Run \u{201c}countersign unlock\u{201d} before you approve.",
            vec![Action::Deny, Action::Approve],
        ),
    };
    let others = match notice.others {
        0 => String::new(),
        1 => "One more login request is waiting.".to_owned(),
        more => format!("{more} more login requests are waiting."),
    };
    Words {
        summary: summary_safe(&format!("Log in to {resource}?")),
        body: body(
            &[
                who(notice),
                shown(&notice.program),
                asked,
                how.to_owned(),
                others,
            ],
            markup,
        ),
        actions: if actions { choices } else { Vec::new() },
        is_question: true,
        expires_ms: STAYS,
    }
}

/// "alice, from 203.0.113.7 (Vienna)"
fn who(notice: &LoginRequestNotice) -> String {
    let (user, address, place) = (
        shown(&notice.user),
        shown(&notice.client_address),
        shown(&notice.place),
    );
    match (address.is_empty(), place.is_empty()) {
        (true, true) => user,
        (true, false) => format!("{user}, from {place}"),
        (false, true) => format!("{user}, from {address}"),
        (false, false) => format!("{user}, from {address} ({place})"),
    }
}

/// What became of it.
pub(super) fn outcome(notice: &OutcomeNotice, markup: bool, actions: bool) -> Words {
    let (resource, user) = (shown(&notice.resource), shown(&notice.user));
    let (summary, line, choices, expires_ms) = match &notice.outcome {
        NoticedOutcome::Approved => (
            "Approved".to_owned(),
            format!("{resource} lets {user} in."),
            vec![],
            OUTCOME_MS,
        ),
        NoticedOutcome::LoggedIn => (
            format!("Logged in to {resource}"),
            format!("as {user}"),
            vec![],
            OUTCOME_MS,
        ),
        NoticedOutcome::Denied => (
            "Denied".to_owned(),
            format!(
                "{resource} did not let {user} in. If you did not start this login, report it: \
                 somebody knows your password."
            ),
            vec![Action::Report, Action::Own],
            FOLLOW_UP_MS,
        ),
        NoticedOutcome::Reported => (
            "Denied and reported".to_owned(),
            format!("The administrators of {resource} are told. Change your password there."),
            vec![],
            OUTCOME_MS,
        ),
        NoticedOutcome::Expired => (
            "Login request expired".to_owned(),
            format!("Nobody answered in time: {user} at {resource}."),
            vec![],
            OUTCOME_MS,
        ),
        NoticedOutcome::Cancelled => (
            "Login request withdrawn".to_owned(),
            format!("{user} at {resource}: nothing to answer any more."),
            vec![],
            OUTCOME_MS,
        ),
        NoticedOutcome::Refused(sentence) => (
            format!("Not logged in to {resource}"),
            sentence.clone(),
            vec![],
            FOLLOW_UP_MS,
        ),
    };
    Words {
        summary: summary_safe(&summary),
        body: body(&[line], markup),
        actions: if actions { choices } else { Vec::new() },
        is_question: false,
        expires_ms,
    }
}

/// "14:02:11", this machine's time zone.
fn clock_time(time: UnixMillis) -> String {
    Timestamp::from_millisecond(time.0).map_or_else(
        |_out_of_range| String::new(),
        |time| {
            time.to_zoned_datetime(TimeZone::system())
                .strftime("%H:%M:%S")
                .to_string()
        },
    )
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use countersign_core::ids::LoginRequestId;

    use super::*;

    fn notice() -> LoginRequestNotice {
        LoginRequestNotice {
            id: LoginRequestId([7; 16]),
            resource: "Example Portal".to_owned(),
            user: "alice".to_owned(),
            client_address: "203.0.113.7".to_owned(),
            place: "Vienna".to_owned(),
            program: String::new(),
            at: UnixMillis(1_700_000_000_000),
            left: Duration::from_mins(1),
            approval: Approval::Click,
            others: 0,
        }
    }

    #[test]
    fn a_question_says_who_where_and_how_long() {
        let words = question(&notice(), true, true);
        assert_eq!(words.summary, "Log in to Example Portal?");
        assert!(
            words
                .body
                .starts_with("alice, from 203.0.113.7 (Vienna)\nAsked at "),
            "{}",
            words.body
        );
        assert_eq!(words.actions, [Action::Deny, Action::Approve]);
        assert!(words.is_question);
    }

    #[test]
    fn hostile_text_is_neither_markup_nor_control() {
        let hostile = LoginRequestNotice {
            resource: "<b>Bank</b> & \u{202e}lortnoc".to_owned(),
            user: "<a href=\"https://evil.example\">alice</a>\u{1b}[31m\nroot".to_owned(),
            ..notice()
        };
        let words = question(&hostile, true, true);
        assert!(
            !words.summary.contains(['<', '>', '&', '\u{202e}']),
            "{}",
            words.summary
        );
        assert!(!words.body.contains(['<', '>', '\u{1b}']), "{}", words.body);
        assert!(words.body.contains("&lt;a href="), "{}", words.body);
        assert_eq!(
            words.body.lines().count(),
            question(&notice(), true, true).body.lines().count()
        );
    }

    #[test]
    fn there_is_never_one_action_alone() {
        for approval in [Approval::Click, Approval::Number, Approval::VaultLocked] {
            let words = question(
                &LoginRequestNotice {
                    approval,
                    ..notice()
                },
                true,
                true,
            );
            assert!(words.actions.len() != 1, "{approval:?}");
            assert_ne!(
                words.actions.first(),
                Some(&Action::Approve),
                "{approval:?}"
            );
            assert_eq!(question(&notice(), false, false).actions, []);
        }
    }

    #[test]
    fn without_buttons_the_text_says_what_to_run() {
        let words = question(&notice(), false, false);
        assert!(words.body.contains("countersign approve"), "{}", words.body);
    }

    #[test]
    fn a_long_field_is_clipped() {
        let long = LoginRequestNotice {
            resource: "x".repeat(5_000),
            ..notice()
        };
        assert!(question(&long, true, true).summary.chars().count() < 120);
    }
}
