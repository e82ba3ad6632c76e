//! What a notification says. Short and calm; enough to decide by; no passcode, no secret; safe for any server.

mod account;

use countersign_core::{ids::LoginRequestId, login_request::Subject, text, time::UnixMillis};
use jiff::{Timestamp, tz::TimeZone};

use super::screen::Features;
use crate::agent::ports::{
    Approval, Extent, FingerHint, LoginRequestNotice, NoticedOutcome, OutcomeNotice, ShownThere,
};

/// The longest foreign text of one field, in characters.
const FIELD: usize = 80;
/// The longest sentence of ours, in characters.
const SENTENCE: usize = 300;

/// One notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) summary: String,
    pub(super) body: String,
    pub(super) actions: Vec<Action>,
    pub(super) tone: Tone,
}

/// How much a notification wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// An answer: stays until it is answered, withdrawn or replaced.
    Question,
    /// Perhaps an answer, or something to do.
    FollowUp,
    /// Nothing.
    News,
}

impl Tone {
    /// How long it stays, in milliseconds; 0: until it is taken away.
    pub(super) const fn stays_ms(self) -> i32 {
        match self {
            Self::Question => 0,
            Self::FollowUp => 20_000,
            Self::News => 6_000,
        }
    }
}

/// What can be chosen. Never one alone, never a default: some servers invoke those at a click anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Deny,
    Approve,
    Details,
    Later,
    Report,
    Own,
}

impl Action {
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Approve => "approve",
            Self::Details => "details",
            Self::Later => "later",
            Self::Report => "report",
            Self::Own => "own",
        }
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Deny => "Deny",
            Self::Approve => "Approve",
            Self::Details => "Details",
            Self::Later => "Not now",
            Self::Report => "It wasn't me!",
            Self::Own => "It was me",
        }
    }
}

/// Foreign text, display-safe and of bounded length.
pub(super) fn shown(text: &str) -> String {
    text::display(text, FIELD)
}

/// Is this login yours? `until` is the end of its time, this machine's wall clock.
pub(super) fn question(
    notice: &LoginRequestNotice,
    until: UnixMillis,
    features: Features,
) -> Words {
    if notice.approval == Approval::SessionLocked {
        return held();
    }
    if notice.subject == Subject::Account {
        return account::question(notice, until, features);
    }
    let mut body = Body::new(features);
    if !notice.question.is_empty() {
        body.foreign(&shown(&notice.question));
    }
    match notice.extent {
        Extent::Short => short(notice, &mut body),
        Extent::Full => full(notice, &mut body),
    }
    body.own(&format!(
        "Asked at {} · answer by {}",
        clock_time(notice.at),
        clock_time(until)
    ));
    // A command names what it answers: another request may have come since.
    let which = short_id(notice.id);
    let approve = format!("countersign approve {which}");
    // Said in words as well: a server may take actions and show no buttons.
    let offered: &[Action] = match notice.approval {
        Approval::Click | Approval::Verified | Approval::Unlocked | Approval::Number
            if !features.actions && notice.shown_there == ShownThere::Nothing =>
        {
            body.command("If you are logging in right now, run", &approve);
            body.command("If not, run", &format!("countersign deny {which}"));
            &[]
        }
        Approval::Click => {
            body.own("Approve only if you are logging in right now.");
            body.command("Answer here, or run", &approve);
            &[Action::Deny, Action::Approve, Action::Details]
        }
        Approval::Number if features.actions => {
            body.own(there(notice.shown_there));
            body.own(
                "You are asked for it after Approve. Approve only if you are logging in right now.",
            );
            &[Action::Deny, Action::Approve, Action::Details]
        }
        Approval::Number | Approval::NumberTyped => {
            body.own(there(notice.shown_there));
            body.command("To approve, run", &format!("{approve} --number N"));
            &[Action::Deny, Action::Details]
        }
        Approval::Verified | Approval::Unlocked => {
            body.own("Approve only if you are logging in right now. Your finger or PIN is asked for next.");
            body.command("Answer here, or run", &approve);
            &[Action::Deny, Action::Approve, Action::Details]
        }
        Approval::SessionLocked => &[],
        Approval::VaultLocked => {
            body.own("Countersign is locked. Denying works all the same.");
            body.command("To approve, first run", "countersign unlock");
            &[Action::Deny, Action::Details]
        }
    };
    // All of it is said already: nothing more to ask for.
    let offered: Vec<Action> = match notice.extent {
        Extent::Short => offered.to_vec(),
        Extent::Full => offered
            .iter()
            .map(|action| {
                if *action == Action::Details {
                    Action::Later
                } else {
                    *action
                }
            })
            .collect(),
    };
    match notice.others {
        0 => {}
        1 => body.own("1 more login request is waiting."),
        more => body.own(&format!("{more} more login requests are waiting.")),
    }
    Words {
        summary: summary(&format!("Log in to {}?", shown(&notice.resource))),
        body: body.lines.join("\n"),
        actions: actions(&offered, features),
        tone: Tone::Question,
    }
}

/// Something waits; what, is not for whoever stands before a locked screen.
fn held() -> Words {
    Words {
        summary: "A login request is waiting".to_owned(),
        body: "Unlock your desktop to see it.".to_owned(),
        actions: Vec::new(),
        tone: Tone::Question,
    }
}

/// What the fingerprint reader wants.
pub(super) const fn hint(hint: FingerHint) -> (&'static str, &'static str) {
    match hint {
        FingerHint::Touch => ("Touch the fingerprint reader", ""),
        FingerHint::Again => ("Not recognised", "Touch the fingerprint reader again."),
        FingerHint::TooShort => (
            "That was too short",
            "Keep your finger on the reader a little longer.",
        ),
        FingerHint::NotCentered => (
            "Not in the middle",
            "Put your finger on the middle of the reader.",
        ),
        FingerHint::RemoveAndRetry => (
            "Lift your finger",
            "Then touch the fingerprint reader again.",
        ),
    }
}

/// What one decides by.
fn short(notice: &LoginRequestNotice, body: &mut Body) {
    let who: Vec<String> = [shown(&notice.user), from(notice)]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    if !who.is_empty() {
        body.foreign(&who.join(" · "));
    }
    if !notice.program.is_empty() {
        body.foreign(&format!("With {}", shown(&notice.program)));
    }
}

/// All of it, a line each.
fn full(notice: &LoginRequestNotice, body: &mut Body) {
    let id = notice.id.to_string();
    for (name, text) in [
        ("User", notice.user.as_str()),
        ("From", &from(notice)),
        ("Address", &notice.client_address),
        ("Place", &notice.place),
        ("With", &notice.program),
        ("Service", &notice.service),
        ("Token", &notice.token),
        ("Request", &id),
    ] {
        if !text.is_empty() {
            body.foreign(&format!("{name}: {}", shown(text)));
        }
    }
}

/// "from another address: 203.0.113.7 (Vienna)". Where it comes from beside this computer is said first: it is what an
/// attacker cannot choose.
fn from(notice: &LoginRequestNotice) -> String {
    let (address, place) = (shown(&notice.client_address), shown(&notice.place));
    notice.origin.sentence(&address, &place)
}

/// What is to be read off the page.
const fn there(shown_there: ShownThere) -> &'static str {
    match shown_there {
        ShownThere::Nothing => "",
        ShownThere::Number => "The page that you log in to shows a number.",
        ShownThere::Choice => "The page that you log in to shows which choice is right.",
    }
}

/// What became of it.
pub(super) fn outcome(notice: &OutcomeNotice, features: Features) -> Words {
    if notice.subject == Subject::Account {
        return account::outcome(notice, features);
    }
    let resource = shown(&notice.resource);
    let user = shown(&notice.user);
    let mut body = Body::new(features);
    let (title, offered, tone): (String, &[Action], Tone) = match &notice.outcome {
        NoticedOutcome::Approved => {
            body.foreign(&at(&user, &resource));
            ("Login approved".to_owned(), &[], Tone::News)
        }
        NoticedOutcome::CodeWaits => {
            body.foreign(&at(&user, &resource));
            body.command(
                "The login page asks for a code. To see it, run",
                "countersign requests --history",
            );
            (
                "Login approved: a code is due".to_owned(),
                &[],
                Tone::FollowUp,
            )
        }
        NoticedOutcome::LoggedIn => {
            if !user.is_empty() {
                body.foreign(&format!("as {user}"));
            }
            (format!("Logged in to {resource}"), &[], Tone::News)
        }
        NoticedOutcome::Denied => {
            body.foreign(&not_let_in(&user, &resource));
            body.own("If it was not you, somebody may know your password.");
            let report = format!("countersign deny {} --report", short_id(notice.id));
            let when = if features.actions {
                "Report it here, or run"
            } else {
                "To report it, run"
            };
            body.command(when, &report);
            (
                "Login denied".to_owned(),
                &[Action::Report, Action::Own],
                Tone::FollowUp,
            )
        }
        NoticedOutcome::Reported => {
            body.foreign(&format!("The people who run {resource} have been told."));
            body.own("Change your password there.");
            ("Login denied and reported".to_owned(), &[], Tone::FollowUp)
        }
        NoticedOutcome::ReportKept => {
            body.foreign(&not_let_in(&user, &resource));
            body.own("This service takes no reports: it stays in your history.");
            body.own("Change your password there, and tell the people who run it.");
            ("Login denied".to_owned(), &[], Tone::FollowUp)
        }
        NoticedOutcome::Expired => {
            body.foreign(&not_let_in(&user, &resource));
            ("Login request not answered".to_owned(), &[], Tone::News)
        }
        NoticedOutcome::Cancelled => {
            body.foreign(&format!(
                "{}: there is nothing to answer.",
                at(&user, &resource)
            ));
            ("Login request withdrawn".to_owned(), &[], Tone::News)
        }
        NoticedOutcome::Refused(sentence) => {
            body.foreign(&sentence_of(&text::display(sentence, SENTENCE)));
            (format!("Not logged in to {resource}"), &[], Tone::FollowUp)
        }
    };
    Words {
        summary: summary(&title),
        body: body.lines.join("\n"),
        actions: actions(offered, features),
        tone,
    }
}

/// A service may not say which user it is about.
fn at(user: &str, resource: &str) -> String {
    if user.is_empty() {
        resource.to_owned()
    } else {
        format!("{user} at {resource}")
    }
}

fn not_let_in(user: &str, resource: &str) -> String {
    if user.is_empty() {
        format!("Nobody was let in to {resource}.")
    } else {
        format!("{user} was not let in to {resource}.")
    }
}

/// Some servers invoke an action that is alone at any click: so none is.
fn actions(offered: &[Action], features: Features) -> Vec<Action> {
    if features.actions {
        offered.to_vec()
    } else {
        Vec::new()
    }
}

/// The lines of a body, in the server's form.
struct Body {
    features: Features,
    lines: Vec<String>,
}

impl Body {
    const fn new(features: Features) -> Self {
        Self {
            features,
            lines: Vec::new(),
        }
    }

    /// A line with text of others in it, display-safe already.
    fn foreign(&mut self, line: &str) {
        self.lines.push(if self.features.markup {
            text::markup_escaped(line)
        } else {
            line.to_owned()
        });
    }

    /// A line of ours, with no character that is markup.
    fn own(&mut self, line: &str) {
        self.lines.push(line.to_owned());
    }

    /// A line that ends in a command to type.
    fn command(&mut self, when: &str, command: &str) {
        self.lines.push(if self.features.markup {
            format!("{when}: <i>{command}</i>")
        } else {
            format!("{when}: {command}")
        });
    }
}

/// Summaries are plain text by the specification, and markup on some servers: the three characters that
/// would matter there become ones that look alike.
fn summary(text: &str) -> String {
    text.replace('&', "\u{ff06}")
        .replace('<', "\u{2039}")
        .replace('>', "\u{203a}")
}

/// With a capital letter and a full stop.
fn sentence_of(text: &str) -> String {
    let mut letters = text.chars();
    let mut sentence: String = letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect());
    sentence.extend(letters);
    if sentence.ends_with(char::is_alphanumeric) {
        sentence.push('.');
    }
    sentence
}

/// As much of an id as a person types; `countersign` takes a unique beginning.
fn short_id(id: LoginRequestId) -> String {
    id.to_string().chars().take(8).collect()
}

/// "14:02:11", this machine's time zone.
fn clock_time(time: UnixMillis) -> String {
    Timestamp::from_millisecond(time.0).map_or_else(
        |_out_of_range| "--:--:--".to_owned(),
        |time| {
            let local = time.to_zoned_datetime(TimeZone::system());
            local.strftime("%H:%M:%S").to_string()
        },
    )
}

#[cfg(test)]
mod tests;
