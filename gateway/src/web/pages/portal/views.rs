//! The pages of the sample resource on the way in; `outcomes.rs` has those at its end.

use http::StatusCode;

use super::{
    Portal,
    session::{Notice, Push, Waiting},
};
use crate::{
    push::Availability,
    random::SystemRandom,
    service::TypedPin,
    web::pages::{
        form::hidden,
        frame::{Page, Refresh, Script},
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
    pin: TypedPin,
    notice: Option<Notice>,
    form_secret: &str,
) -> Page {
    let push = |class: &'static str| {
        html![
            "<form method=\"post\" action=\"/example/push\">",
            hidden(form_secret),
            attempt(),
            "<button ",
            class,
            "type=\"submit\" name=\"push\" value=\"1\">Send a login request to my desktop</button></form>"
        ]
    };
    let passcode = |rank| passcode_form(form_secret, rank, pin, &html![SHOW_PASSCODE]);
    // Where the desktop cannot be asked, or a passcode was mistyped, typing comes first.
    let ways = if notice.is_none() {
        html![push(""), OR, passcode(Rank::Second)]
    } else {
        html![passcode(Rank::First), OR, push("class=\"quiet\" ")]
    };
    portal.page("Confirm it is you").body(html![
        "<h1>Now confirm it is you</h1>\
         <p class=\"lead\">The password was right, ",
        Text(user),
        ". One step is left.</p>",
        notice.map(|notice| notice_box(said(notice))),
        ways,
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

/// Back to the login form.
pub(super) fn start_over(form_secret: &str) -> Escaped {
    html![
        "<form method=\"post\" action=\"/example/sign-out\">",
        hidden(form_secret),
        "Not you? <button class=\"link\" type=\"submit\">Start over</button></form>"
    ]
}

/// Is this the page's first way to go on?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    First,
    Second,
}

const OR: &str = "<p class=\"either\">or</p>";
const SHOW_PASSCODE: &str = "The command <code>countersign code</code> shows it.";

fn passcode_form(form_secret: &str, rank: Rank, pin: TypedPin, hint: &Escaped) -> Escaped {
    let (focus, class) = match rank {
        Rank::First => (" autofocus", ""),
        Rank::Second => ("", " class=\"quiet\""),
    };
    // A server PIN may have letters: no keypad for it. It is used again, unlike a passcode: nobody reads it over
    // the shoulder.
    let (kind, keyboard, pin_hint) = match pin {
        TypedPin::None => ("text", "numeric", ""),
        TypedPin::Prepend => (
            "password",
            "text",
            " Type your server PIN before it, without a space between.",
        ),
        TypedPin::Append => (
            "password",
            "text",
            " Type your server PIN behind it, without a space between.",
        ),
        TypedPin::Differs => (
            "password",
            "text",
            " If the token has a server PIN, type both together, without a space between.",
        ),
    };
    html![
        "<form method=\"post\" action=\"/example/passcode\">",
        hidden(form_secret),
        "<label for=\"passcode\">Passcode</label>\
         <input class=\"passcode\" type=\"",
        kind,
        "\" id=\"passcode\" name=\"passcode\" inputmode=\"",
        keyboard,
        "\" autocomplete=\"one-time-code\" autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"160\" \
         aria-describedby=\"passcode-hint\" required",
        focus,
        "><p class=\"hint\" id=\"passcode-hint\">",
        hint,
        pin_hint,
        "</p><button type=\"submit\"",
        class,
        ">Log in with the passcode</button></form>"
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
        .refresh(Refresh::ScriptOrReload(Script::Portal))
        .body(html![
            "<div class=\"state waiting\" aria-hidden=\"true\">",
            DESKTOP,
            "</div><h1>",
            title,
            "</h1><p class=\"lead\" role=\"status\" aria-live=\"polite\">",
            lead,
            "</p>",
            number,
            "<div data-desktop=\"",
            Text(Availability::word(
                waiting.push.as_ref().map(|push| push.availability)
            )),
            "\">",
            time_left(left_ms),
            "</div><div class=\"aside rows\">\
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
    pin: TypedPin,
    notice: Option<Notice>,
    form_secret: &str,
) -> Page {
    let (title, lead, hint) = match &waiting.challenge {
        Some(challenge) => (
            "Answer the challenge",
            "Give this challenge to your token, and type the passcode that it makes.",
            html![
                "In a terminal: <code>countersign code TOKEN</code> <code>--challenge ",
                Text(challenge),
                "</code>"
            ],
        ),
        None if waiting.push.is_none() => (
            "Type a passcode",
            "Your desktop takes no login requests now. A passcode logs you in.",
            html![SHOW_PASSCODE],
        ),
        None => (
            "Type a passcode",
            "The login request stays open: approving it on your desktop works too.",
            html![SHOW_PASSCODE],
        ),
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
    portal
        .page(title)
        .refresh(Refresh::Script(Script::Portal))
        .body(html![
            "<h1>",
            title,
            "</h1><p class=\"lead\">",
            lead,
            "</p>",
            notice.map(|notice| notice_box(said(notice))),
            challenge,
            passcode_form(form_secret, Rank::First, pin, &hint),
            time_left(left_ms),
            "<div class=\"aside rows\">",
            back,
            cancel(form_secret),
            "</div>"
        ])
}
