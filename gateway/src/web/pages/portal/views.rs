//! The pages of the sample resource. Each says what has happened and what to do next.

use http::StatusCode;

use super::{
    Portal,
    ending::Ending,
    session::{Notice, Proof, Push, Waiting},
    visitor::FORM_SECRET,
};
use crate::{
    push::Availability,
    random::SystemRandom,
    service::{DenyReason, FailReason},
    web::pages::{
        frame::{Page, Refresh},
        html::{Escaped, Text, html},
    },
};

/// What the login form says about the last try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginFormNotice {
    /// Name or password is wrong.
    Wrong,
    /// Too many wrong tries.
    Throttled {
        /// Wait so long.
        seconds: u128,
    },
}

const DESKTOP: &str = "<svg viewBox=\"0 0 24 24\"><rect x=\"3\" y=\"4\" width=\"18\" height=\"12\" rx=\"2\"/><path d=\"M8 20h8M12 16v4\"/></svg>";
const TICK: &str = "<svg viewBox=\"0 0 24 24\"><path d=\"M5 12.5l4.5 4.5L19 7\"/></svg>";
const CROSS: &str = "<svg viewBox=\"0 0 24 24\"><path d=\"M6.5 6.5l11 11M17.5 6.5l-11 11\"/></svg>";
const CLOCK: &str = "<svg viewBox=\"0 0 24 24\"><circle cx=\"12\" cy=\"12\" r=\"8\"/><path d=\"M12 7.5V12l3 2\"/></svg>";

fn hidden(form_secret: &str) -> Escaped {
    html![
        "<input type=\"hidden\" name=\"",
        FORM_SECRET,
        "\" value=\"",
        Text(form_secret),
        "\">"
    ]
}

fn notice_box(text: Escaped) -> Escaped {
    html!["<p class=\"notice\" role=\"alert\">", text, "</p>"]
}

/// Name and password.
pub(super) fn login_form(
    portal: &Portal,
    user: &str,
    notice: Option<LoginFormNotice>,
    form_secret: &str,
) -> Page {
    let status = match notice {
        None => StatusCode::OK,
        Some(LoginFormNotice::Wrong) => StatusCode::FORBIDDEN,
        Some(LoginFormNotice::Throttled { .. }) => StatusCode::TOO_MANY_REQUESTS,
    };
    let notice = notice.map(|notice| {
        notice_box(match notice {
            LoginFormNotice::Wrong => html!["The user name or the password is wrong."],
            LoginFormNotice::Throttled { seconds } => html![
                "Too many wrong tries. Wait ",
                Text(seconds),
                " seconds, then try again."
            ],
        })
    });
    portal.page("Log in").status(status).body(html![
        "<h1>Log in</h1><p class=\"lead\">First your password, then your desktop.</p>",
        notice,
        "<form method=\"post\" action=\"/example/password\">",
        hidden(form_secret),
        "<label for=\"user\">User name</label>\
         <input type=\"text\" id=\"user\" name=\"user\" value=\"",
        Text(user),
        "\" autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"128\" \
         required autofocus>\
         <label for=\"password\">Password</label>\
         <input type=\"password\" id=\"password\" name=\"password\" \
         autocomplete=\"current-password\" maxlength=\"1024\" required>\
         <button type=\"submit\">Continue</button></form>"
    ])
}

/// The second factor: the desktop, or a passcode.
pub(super) fn choose(
    portal: &Portal,
    user: &str,
    notice: Option<Notice>,
    form_secret: &str,
) -> Page {
    // Where the desktop cannot be asked, typing comes first.
    let focus = notice.is_some().then_some(" autofocus");
    portal.page("Confirm it is you").body(html![
        "<h1>Now confirm it is you</h1>\
         <p class=\"lead\">The password was right, ",
        Text(user),
        ". One step is left.</p>",
        notice.map(|notice| notice_box(said(notice))),
        "<form method=\"post\" action=\"/example/push\">",
        hidden(form_secret),
        attempt(),
        "<button type=\"submit\" name=\"push\" value=\"1\">Send a login request to my desktop</button>\
         </form><p class=\"either\">or</p>",
        passcode_form(form_secret, focus, "The command <code>countersign code</code> shows it."),
        "<div class=\"aside rows\"><form method=\"post\" action=\"/example/push\">",
        hidden(form_secret),
        attempt(),
        "Does your token answer challenges? \
         <button class=\"link\" type=\"submit\" name=\"challenge\" value=\"1\">Show me a challenge</button>\
         </form>",
        start_over(form_secret),
        "</div>"
    ])
}

/// A name for this attempt: sending the form twice opens one login.
fn attempt() -> Escaped {
    html![
        "<input type=\"hidden\" name=\"attempt\" value=\"",
        Text(SystemRandom::base32(26)),
        "\">"
    ]
}

fn start_over(form_secret: &str) -> Escaped {
    html![
        "<form method=\"post\" action=\"/example/sign-out\">",
        hidden(form_secret),
        "Not you? <button class=\"link\" type=\"submit\">Start over</button></form>"
    ]
}

fn passcode_form(form_secret: &str, focus: Option<&'static str>, hint: &'static str) -> Escaped {
    html![
        "<form method=\"post\" action=\"/example/passcode\">",
        hidden(form_secret),
        "<label for=\"passcode\">Passcode</label>\
         <input class=\"passcode\" type=\"text\" id=\"passcode\" name=\"passcode\" inputmode=\"numeric\" \
         autocomplete=\"one-time-code\" autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"160\" \
         aria-describedby=\"passcode-hint\" required",
        focus,
        "><p class=\"hint\" id=\"passcode-hint\">",
        hint,
        "</p><button class=\"quiet\" type=\"submit\">Log in with the passcode</button></form>"
    ]
}

fn said(notice: Notice) -> Escaped {
    match notice {
        Notice::NoPush => html!["None of your tokens answers login requests. Type a passcode."],
        Notice::AutosendOff => html![
            "Your desktop takes no login requests: autosend is off. Type a passcode, or turn it on \
             with <code>countersign autosend on</code>."
        ],
        Notice::SessionLocked => html![
            "Your desktop is locked. Unlock it and send the request again, or type a passcode."
        ],
        Notice::NotConnected => html![
            "Your desktop is not connected to the gateway. Type a passcode; \
             <code>countersign status</code> on your desktop says what is wrong."
        ],
        Notice::AlreadyOpen => html![
            "A login of yours is open in another window. Finish it there or let it run out. \
             A passcode works at once."
        ],
        Notice::PushRests => html![
            "Too many login requests were denied or left unanswered, so no more are sent for a few \
             minutes. Type a passcode."
        ],
        Notice::WrongPasscode => html![
            "This passcode is not right. Look at your token again: a time-based passcode changes \
             every half minute."
        ],
        Notice::UsedPasscode => {
            html!["This passcode was used before, and each one works once. Wait for the next one."]
        }
        Notice::TypingLocked { minutes } => html![
            "Too many wrong passcodes. Typing works again in ",
            Text(minutes),
            if minutes == 1 { " minute" } else { " minutes" },
            "; login requests to your desktop still work."
        ],
        Notice::NoToken => html![
            "You have no token that makes passcodes. Ask your administrator for an activation string, \
             then add it with <code>countersign enroll</code>."
        ],
        Notice::Suspended => html!["Your token is suspended. Ask your administrator to resume it."],
    }
}

fn time_left(left_ms: u32) -> Escaped {
    let seconds = left_ms.div_ceil(1000);
    html![
        "<div class=\"left\" data-left-ms=\"",
        Text(left_ms),
        "\"><progress max=\"",
        Text(left_ms),
        "\" value=\"",
        Text(left_ms),
        "\" aria-label=\"Time left\"></progress><span>",
        Text(seconds),
        if seconds == 1 {
            " second left"
        } else {
            " seconds left"
        },
        "</span></div>"
    ]
}

/// The desktop is asked.
pub(super) fn waiting(portal: &Portal, waiting: &Waiting, left_ms: u32, form_secret: &str) -> Page {
    let locked = waiting
        .push
        .as_ref()
        .is_some_and(|push| push.availability == Availability::SessionLocked);
    let (title, lead) = if locked {
        (
            "Unlock your desktop",
            "Your desktop is locked. The login request waits there and is shown when you unlock it.",
        )
    } else {
        (
            "Look at your desktop",
            "A login request is on its way. Approve it there, and this page goes on by itself.",
        )
    };
    let number = waiting.push.as_ref().and_then(number);
    portal
        .page(title)
        .refresh(Refresh::ScriptOrReload)
        .body(html![
            "<div class=\"state waiting\" aria-hidden=\"true\">",
            DESKTOP,
            "</div><h1>",
            title,
            "</h1><p class=\"lead\" role=\"status\" aria-live=\"polite\">",
            lead,
            "</p>",
            number,
            time_left(left_ms),
            "<div class=\"aside rows\">\
             <p>No request to be seen? <a href=\"/example/?way=passcode\">Type a passcode instead</a></p>",
            cancel(form_secret),
            "</div>"
        ])
}

fn number(push: &Push) -> Option<Escaped> {
    push.number.as_ref().map(|number| {
        html![
            "<div class=\"number\"><p><label for=\"number\">Enter this number on your desktop</label></p>\
             <output id=\"number\">",
            Text(number),
            "</output></div>"
        ]
    })
}

fn cancel(form_secret: &str) -> Escaped {
    html![
        "<form method=\"post\" action=\"/example/again\">",
        hidden(form_secret),
        "Changed your mind? <button class=\"link\" type=\"submit\">Cancel this login</button></form>"
    ]
}

/// A passcode, while a login is open.
pub(super) fn type_passcode(
    portal: &Portal,
    waiting: &Waiting,
    left_ms: u32,
    notice: Option<Notice>,
    form_secret: &str,
) -> Page {
    let (title, lead, hint) = if waiting.challenge.is_some() {
        (
            "Answer the challenge",
            "Give this challenge to your token, and type the passcode that it makes.",
            "For example: <code>countersign code TOKEN --challenge CHALLENGE</code>",
        )
    } else {
        (
            "Type a passcode",
            "The login request stays open: approving it on your desktop works too.",
            "The command <code>countersign code</code> shows it.",
        )
    };
    let challenge = waiting.challenge.as_ref().map(|challenge| {
        html![
            "<div class=\"number\"><p><label for=\"challenge\">Challenge</label></p>\
             <output id=\"challenge\"",
            (challenge.chars().count() > 4).then_some(" class=\"long\""),
            ">",
            Text(challenge),
            "</output></div>"
        ]
    });
    let back = waiting
        .push
        .is_some()
        .then_some("<p>Rather approve it? <a href=\"/example/\">Back to the login request</a></p>");
    portal.page(title).refresh(Refresh::Script).body(html![
        "<h1>",
        title,
        "</h1><p class=\"lead\">",
        lead,
        "</p>",
        notice.map(|notice| notice_box(said(notice))),
        challenge,
        passcode_form(form_secret, Some(" autofocus"), hint),
        time_left(left_ms),
        "<div class=\"aside rows\">",
        back,
        cancel(form_secret),
        "</div>"
    ])
}

/// The user is in.
pub(super) fn logged_in(portal: &Portal, user: &str, proof: Proof, form_secret: &str) -> Page {
    portal.page("Welcome").body(html![
        "<div class=\"state\" aria-hidden=\"true\">",
        TICK,
        "</div><h1>You are logged in as ",
        Text(user),
        "</h1><p class=\"lead\">",
        match proof {
            Proof::Approval =>
                "Your password was right, and you approved the login on your desktop.",
            Proof::Passcode => "Your password was right, and so was the passcode.",
        },
        "</p><form method=\"post\" action=\"/example/sign-out\">",
        hidden(form_secret),
        "<button class=\"quiet\" type=\"submit\">Log out</button></form>"
    ])
}

/// A login that lets nobody in: what has happened, and what to do next.
pub(super) fn ended(portal: &Portal, ending: Ending, form_secret: &str) -> Page {
    let (icon, title, what, next) = told(ending);
    portal.page(title).body(html![
        "<div class=\"state stop\" aria-hidden=\"true\">",
        icon,
        "</div><h1>",
        title,
        "</h1><p class=\"lead\">",
        what,
        "</p><p>",
        next,
        "</p><form method=\"post\" action=\"/example/again\">",
        hidden(form_secret),
        "<button type=\"submit\">Try again</button></form>\
         <div class=\"aside\">",
        start_over(form_secret),
        "</div>"
    ])
}

const fn told(ending: Ending) -> (&'static str, &'static str, &'static str, &'static str) {
    match ending {
        Ending::Denied(DenyReason::User) => (
            CROSS,
            "The login was denied",
            "You, or somebody at your desktop, said no to this login.",
            "If that was a slip, try again. If it was not you who typed the password here, change your \
             password: somebody knows it.",
        ),
        Ending::Denied(DenyReason::Rule) => (
            CROSS,
            "Your desktop said no",
            "A rule on your desktop refuses this login request; nobody was asked.",
            "Type a passcode, or look at <code>countersign status</code> on your desktop.",
        ),
        Ending::Denied(DenyReason::WrongNumber) => (
            CROSS,
            "The number did not match",
            "The number that was entered on your desktop is not the one that this page showed, so the \
             login was denied.",
            "Try again; the number will be a new one. If you were looking at another page, somebody else \
             may have tried to log in as you.",
        ),
        Ending::Failed(FailReason::Passcode) => (
            CROSS,
            "The approval did not count",
            "The passcode that your token made for it was wrong: the token and the gateway are out of step.",
            "Type a passcode. If that fails too, ask your administrator to resynchronise the token.",
        ),
        Ending::Failed(FailReason::ServerPin) => (
            CROSS,
            "The approval did not count",
            "The server PIN that came with it was wrong.",
            "Try again with the right PIN. After too many wrong ones the token is locked for a while.",
        ),
        Ending::Failed(FailReason::LevelTooLow) => (
            CROSS,
            "The approval did not count",
            "It came without the PIN or fingerprint that is asked for here.",
            "Try again and confirm with your PIN or finger, or type a passcode.",
        ),
        Ending::Expired => (
            CLOCK,
            "No answer in time",
            "Nobody answered the login request, so it has expired.",
            "Try again when you are at your desktop, or type a passcode.",
        ),
        Ending::Lapsed => (
            CLOCK,
            "The approval came too long ago",
            "The login was approved, but this page did not go on in time.",
            "Try again, and keep the page open.",
        ),
        Ending::Cancelled => (
            CROSS,
            "The login was taken back",
            "It was cancelled before anybody answered.",
            "Try again if you want to log in.",
        ),
        Ending::Used => (
            CROSS,
            "This approval was used already",
            "Each approval opens one page, once. Perhaps it was another window of yours.",
            "Go to that window, or try again here.",
        ),
    }
}

/// A form that is not from one of our pages in this browser.
pub(super) fn foreign_form(portal: &Portal) -> Page {
    stopped(
        portal,
        StatusCode::FORBIDDEN,
        "This form was refused",
        "It did not come from the page that is open in this browser, or that page was out of date. \
         Nothing was done.",
    )
}

/// More than a form of ours can be.
pub(super) fn too_large(portal: &Portal) -> Page {
    stopped(
        portal,
        StatusCode::PAYLOAD_TOO_LARGE,
        "This form was refused",
        "It is larger than any form here can be. Nothing was done.",
    )
}

/// The gateway's own fault.
pub(super) fn failed(portal: &Portal) -> Page {
    stopped(
        portal,
        StatusCode::INTERNAL_SERVER_ERROR,
        "Something went wrong here",
        "It is not your fault, and nothing was accepted. Try again in a moment; if it stays so, tell your \
         administrator.",
    )
}

fn stopped(portal: &Portal, status: StatusCode, title: &'static str, what: &'static str) -> Page {
    portal.page(title).status(status).body(html![
        "<div class=\"state stop\" aria-hidden=\"true\">",
        CROSS,
        "</div><h1>",
        title,
        "</h1><p class=\"lead\">",
        what,
        "</p><p class=\"next\"><a class=\"button\" href=\"/example/\">Open the portal again</a></p>"
    ])
}
