//! What a notification says when an account of this computer is to be proved: sudo, su, a login here.

use super::{
    Action, Body, Tone, Words, actions, clock_time, sentence_of, short_id, shown, summary,
};
use crate::{
    agent::ports::{
        Approval, Extent, LoginRequestNotice, NoticedOutcome, OutcomeNotice, ShownThere,
    },
    desktop::notification::screen::Features,
};
use countersign_core::{text, time::UnixMillis};

/// The longest command line, in characters: one wants to see what it does.
const COMMAND: usize = 160;
/// The longest sentence of ours, in characters.
const SENTENCE: usize = 300;

/// Is this command yours? `until` is the end of its time, this machine's wall clock.
pub(super) fn question(
    notice: &LoginRequestNotice,
    until: UnixMillis,
    features: Features,
) -> Words {
    let mut body = Body::new(features);
    if !notice.program.is_empty() {
        body.foreign(&text::display(&notice.program, COMMAND));
    }
    let who = [shown(&notice.user), shown(&notice.place)];
    let who: Vec<_> = who.into_iter().filter(|part| !part.is_empty()).collect();
    body.foreign(&who.join(" on "));
    if !notice.client_address.is_empty() {
        body.foreign(&format!("from {}", shown(&notice.client_address)));
    }
    if notice.extent == Extent::Full {
        body.foreign(&format!("Key: {}", shown(&notice.token)));
        body.foreign(&format!("Request: {}", notice.id));
    }
    body.own(&format!(
        "Asked at {} · answer by {}",
        clock_time(notice.at),
        clock_time(until)
    ));
    let which = short_id(notice.id);
    let approve = format!("countersign approve {which}");
    let offered: &[Action] = match (notice.shown_there, notice.approval) {
        (ShownThere::Nothing, _) if !features.actions => {
            body.command("If you have just typed this, run", &approve);
            body.command("If not, run", &format!("countersign deny {which}"));
            &[]
        }
        (ShownThere::Nothing, Approval::Click) => {
            body.own("Approve only if you have just typed this.");
            &[Action::Deny, Action::Approve]
        }
        (ShownThere::Nothing, _) => {
            body.own(
                "Approve only if you have just typed this. Your finger or PIN is asked for next.",
            );
            &[Action::Deny, Action::Approve]
        }
        (_, Approval::NumberTyped) => {
            body.command("To approve, run", &format!("{approve} --number N"));
            body.own("N is the number on your terminal.");
            &[Action::Deny, Action::Later]
        }
        (_, _) if !features.actions => {
            body.command("To approve, run", &format!("{approve} --number N"));
            body.own("N is the number on your terminal.");
            &[]
        }
        (_, _) => {
            body.own("The terminal shows a number: you are asked for it after Approve.");
            &[Action::Deny, Action::Approve]
        }
    };
    Words {
        summary: summary(&title(&notice.resource)),
        body: body.lines.join("\n"),
        actions: actions(offered, features),
        tone: Tone::Question,
    }
}

fn title(service: &str) -> String {
    match shown(service).as_str() {
        "sudo" | "sudo-i" => "Run this as root?".to_owned(),
        "su" | "su-l" => "Become another user?".to_owned(),
        "polkit-1" => "Allow this on your computer?".to_owned(),
        other => format!("Is this you at {other}?"),
    }
}

/// What became of it.
pub(super) fn outcome(notice: &OutcomeNotice, features: Features) -> Words {
    let command = text::display(&notice.resource, COMMAND);
    let mut body = Body::new(features);
    if !command.is_empty() {
        body.foreign(&command);
    }
    let (title, offered, tone): (&str, &[Action], Tone) = match &notice.outcome {
        NoticedOutcome::Approved | NoticedOutcome::CodeWaits | NoticedOutcome::LoggedIn => {
            ("Approved", &[], Tone::News)
        }
        NoticedOutcome::Denied => {
            body.own("If it was not you, a program on this computer asked in your name.");
            let report = format!("countersign deny {} --report", short_id(notice.id));
            let when = if features.actions {
                "Keep it in your history here, or run"
            } else {
                "To keep it in your history, run"
            };
            body.command(when, &report);
            ("Denied", &[Action::Report, Action::Own], Tone::FollowUp)
        }
        NoticedOutcome::Reported | NoticedOutcome::ReportKept => {
            body.own("It stays in your history.");
            body.own(
                "Look for what runs in your name on this computer, and tell who looks after it.",
            );
            ("Denied: it was not you", &[], Tone::FollowUp)
        }
        NoticedOutcome::Expired => ("Not answered", &[], Tone::News),
        NoticedOutcome::Cancelled => ("Withdrawn", &[], Tone::News),
        NoticedOutcome::Refused(sentence) => {
            body.foreign(&sentence_of(&text::display(sentence, SENTENCE)));
            ("Not approved", &[], Tone::FollowUp)
        }
    };
    Words {
        summary: summary(title),
        body: body.lines.join("\n"),
        actions: actions(offered, features),
        tone,
    }
}
