//! The pages at the end of a login. Each says what has happened and what to do next.

use http::StatusCode;

use super::{Portal, ending::Ending, session::Proof, views::start_over};
use crate::{
    service::{DenyReason, FailReason},
    web::pages::{
        form::hidden,
        frame::Page,
        html::{Text, html},
        marks::{CLOCK, CROSS, TICK},
    },
};

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
