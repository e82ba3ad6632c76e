//! What the holder of a link sees.

use countersign_core::{activation_string::ActivationString, secret::SecretText, time::UnixMillis};
use http::StatusCode;

use crate::{
    service::{Asked, EnrollmentView, Over, PinInfo, Service},
    web::pages::{
        frame::{Page, Refresh, Script},
        html::{Escaped, Text, Whole, html},
        marks::{CLOCK, CROSS, TICK},
        qr,
    },
};

/// The page of a link that is known.
pub(super) fn page(service: &Service, link: &SecretText, view: &EnrollmentView) -> Page {
    match view {
        EnrollmentView::Open {
            user,
            activation,
            pin,
            expires,
        } => open(service, user, activation, pin, *expires),
        EnrollmentView::Enrolled {
            user,
            serial,
            device,
            mode,
        } => enrolled(link, user, serial, device.as_deref(), mode),
        EnrollmentView::Over(why) => over(link, *why),
    }
}

fn open(
    service: &Service,
    user: &str,
    activation: &ActivationString,
    pin: &PinInfo,
    expires: UnixMillis,
) -> Page {
    let name = &service.settings().config.name;
    let (text, link) = (activation.to_text(), activation.to_link());
    let code = qr::code(link.expose(), "QR code of the activation string").map(|code| {
        html![
            "<section aria-labelledby=\"by-code\"><h2 id=\"by-code\">By QR code</h2>\
             <p>On this screen: <code>countersign enroll --screen</code>. From a picture of this page: \
             <code>countersign enroll --image FILE</code>.</p>",
            code,
            "</section>"
        ]
    });
    Page::new("Add your token")
        .refresh(Refresh::Script(Script::Enrollment))
        .body(html![
            "<p class=\"over\">",
            Text(name),
            "</p><h1>Add your token to this computer</h1><p class=\"lead\">For <strong>",
            Text(user),
            "</strong>. It takes a minute.</p>\
             <a class=\"button\" href=\"",
            Whole(link.expose()),
            "\">Open in Countersign</a>\
             <p class=\"hint\">The browser may ask whether it may open Countersign: say yes. Nothing happens? \
             Use the terminal below.</p>\
             <div class=\"parts\"><section aria-labelledby=\"by-terminal\"><h2 id=\"by-terminal\">In a terminal</h2>\
             <p>Run <code>countersign enroll</code> and paste the activation string:</p>\
             <label class=\"sr\" for=\"activation\">Activation string</label>\
             <textarea id=\"activation\" readonly rows=\"7\" spellcheck=\"false\" autocomplete=\"off\" \
             data-gramm=\"false\">",
            Whole(text.expose()),
            "</textarea><button class=\"quiet\" type=\"button\" id=\"copy\" hidden>Copy</button>\
             <p class=\"hint sr\" id=\"copied\" role=\"status\" aria-live=\"polite\"></p></section>",
            code,
            "<section aria-labelledby=\"next\"><h2 id=\"next\">What happens next</h2><ol>\
             <li>Countersign shows where it will enroll and for whom. Go on only if that is \
             <strong class=\"host\">",
            Text(activation.host_port()),
            "</strong> and <strong>",
            Text(user),
            "</strong>.</li>",
            pin_step(pin),
            "<li>The token appears in <code>countersign list</code>, and this page says so.</li></ol></section></div>\
             <div class=\"aside rows\"><p id=\"waiting\" role=\"status\" aria-live=\"polite\"></p>\
             <p>Added it? <a href=\"\">See whether it worked</a></p>\
             <p>Good until <time datetime=\"",
            Text(time(expires, "%Y-%m-%dT%H:%M:%SZ")),
            "\">",
            Text(time(expires, "%-d %B %Y, %H:%M UTC")),
            "</time>, for one token. Whoever has this page’s address can add it: do not pass it on.</p></div>"
        ])
}

fn pin_step(pin: &PinInfo) -> Option<Escaped> {
    let rules = |min: usize, max: usize, characters: &'static str| {
        let kind = match characters {
            "decimal" => "digits",
            "hexadecimal" => "digits and letters from a to f",
            _ => "letters and digits",
        };
        html![Text(min), " to ", Text(max), " ", kind]
    };
    match pin {
        PinInfo::None => None,
        PinInfo::Token {
            min_length,
            max_length,
            characters,
            ..
        } => Some(html![
            "<li>You choose a PIN for the token: ",
            // The agent asks for six at least, whatever a policy says.
            rules(
                usize::from((*min_length).max(6)),
                usize::from(*max_length),
                characters
            ),
            ". It stays on this computer.</li>"
        ]),
        PinInfo::Server { kept, .. } | PinInfo::InPasscode { kept } => Some(html![
            "<li>You choose a PIN that the service checks: ",
            rules(kept.min_length, kept.max_length, kept.characters),
            ".</li>"
        ]),
    }
}

fn enrolled(link: &SecretText, user: &str, serial: &str, device: Option<&str>, mode: &str) -> Page {
    let device = device
        .filter(|device| !device.is_empty())
        .map(|device| html!["<dt>Computer</dt><dd>", Text(device), "</dd>"]);
    Page::new("Enrolled").body(html![
        "<div class=\"state\" aria-hidden=\"true\">",
        TICK,
        "</div><h1>Enrolled</h1><p class=\"lead\">The token is on your computer. This link is used up.</p>\
         <dl><dt>Name</dt><dd>",
        Text(user),
        "</dd><dt>Serial number</dt><dd><code>",
        Text(serial),
        "</code></dd><dt>OTP mode</dt><dd>",
        Text(mode),
        "</dd>",
        device,
        "</dl><p>That was not you? Tell your administrator now, with the serial number.</p>\
         <div class=\"aside rows\">",
        ask_form(link, "Do you need it on another computer?"),
        "</div>"
    ])
}

fn over(link: &SecretText, why: Over) -> Page {
    let (mark, title, what) = match why {
        Over::Expired => (
            CLOCK,
            "This link is over",
            "Its time has passed, or it was tried too often.",
        ),
        Over::Replaced => (
            CLOCK,
            "There is a newer link",
            "A new link was made for you, and this one is good no longer. Look for the newer mail.",
        ),
        Over::Ended => (
            CROSS,
            "This token was ended",
            "Your administrator has ended the token that this link was for.",
        ),
    };
    Page::new(title).status(StatusCode::GONE).body(html![
        "<div class=\"state stop\" aria-hidden=\"true\">",
        mark,
        "</div><h1>",
        title,
        "</h1><p class=\"lead\">",
        what,
        "</p>",
        ask_button(link)
    ])
}

fn ask_form(link: &SecretText, question: &'static str) -> Escaped {
    html![
        "<form method=\"post\" action=\"/enroll/link/",
        Whole(link.expose()),
        "/ask\">",
        question,
        " <button class=\"link\" type=\"submit\">Ask for a new link</button></form>"
    ]
}

fn ask_button(link: &SecretText) -> Escaped {
    html![
        "<form method=\"post\" action=\"/enroll/link/",
        Whole(link.expose()),
        "/ask\"><button type=\"submit\">Ask for a new link</button></form>\
         <p class=\"hint\">Your administrator sees that you asked, and decides.</p>"
    ]
}

/// What a wish for a new link came to.
pub(super) fn asked(link: &SecretText, asked: Asked) -> Page {
    let (title, what) = match asked {
        Asked::Recorded => (
            "Your wish was passed on",
            "Your administrator sees that you need a new link. It comes to you the way that this one came.",
        ),
        Asked::Before => (
            "You have asked already",
            "Your administrator knows since your last wish, less than a day ago. If it is urgent, call.",
        ),
        Asked::NotNeeded => (
            "Your link still works",
            "Nothing was passed on: the link that you have is good.",
        ),
        Asked::Unknown => return unknown(),
    };
    Page::new(title).body(html![
        "<div class=\"state\" aria-hidden=\"true\">",
        TICK,
        "</div><h1>",
        title,
        "</h1><p class=\"lead\">",
        what,
        "</p><p class=\"next\"><a class=\"button quiet\" href=\"/enroll/link/",
        Whole(link.expose()),
        "\">Back to the link</a></p>"
    ])
}

/// No link of ours, or one of a token that was deleted.
pub(super) fn unknown() -> Page {
    stopped(
        "This link is not known",
        "It may be incomplete: copy all of it. If it is whole, ask your administrator for a new one.",
    )
    .status(StatusCode::NOT_FOUND)
}

/// A form that another site sent.
pub(super) fn foreign_form() -> Page {
    stopped(
        "This form was refused",
        "It did not come from this page. Nothing was done.",
    )
    .status(StatusCode::FORBIDDEN)
}

/// The gateway's own fault.
pub(super) fn failed() -> Page {
    stopped(
        "Something went wrong here",
        "It is not your fault, and nothing was used up. Try again in a moment.",
    )
}

fn stopped(title: &'static str, what: &'static str) -> Page {
    Page::new(title).body(html![
        "<div class=\"state stop\" aria-hidden=\"true\">",
        CROSS,
        "</div><h1>",
        title,
        "</h1><p class=\"lead\">",
        what,
        "</p>"
    ])
}

fn time(at: UnixMillis, format: &str) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(
        |_out_of_range| at.0.to_string(),
        |at| at.strftime(format).to_string(),
    )
}
