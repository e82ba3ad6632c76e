//! The administration's pages but the form of a policy.

use countersign_core::{
    role::{Role, Task},
    text,
};
use http::StatusCode;
use url::form_urlencoded;

use super::{tokens::Order, visitor::Visitor};
use crate::{
    service::{
        EnrollmentInfo, EnrollmentLink, HelpdeskCode, OperatorLogin, Policy, PolicyInfo, TokenInfo,
    },
    store::{AuditEntry, TokenState, User},
    web::pages::{
        form::hidden,
        frame::{Page, Site},
        html::{Escaped, Text, Whole, html},
        marks::CROSS,
    },
};

/// The most users on one page.
const USERS: usize = 200;

/// The longest detail of the audit log that is shown, in characters.
const DETAIL: usize = 1000;

/// The address of a user's page.
pub(super) fn user_path(user: &str) -> String {
    let name: String = form_urlencoded::byte_serialize(user.as_bytes()).collect();
    format!("/admin/user?name={name}")
}

fn time(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms).map_or_else(
        |_out_of_range| unix_ms.to_string(),
        |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

/// Where there is nothing.
const NONE: &str = "<span class=\"none\">–</span>";

fn maybe_time(unix_ms: Option<i64>) -> Escaped {
    unix_ms.map_or_else(|| html![NONE], |at| html![Text(time(at))])
}

fn notice_box(notice: Option<&str>) -> Option<Escaped> {
    notice.map(|notice| html!["<p class=\"said\" role=\"status\">", Text(notice), "</p>"])
}

fn table(caption: &'static str, heads: &[&'static str], rows: Escaped) -> Escaped {
    let mut head = Escaped::default();
    for name in heads {
        head = html![head, "<th scope=\"col\">", *name, "</th>"];
    }
    html![
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"",
        caption,
        "\"><table><caption class=\"sr\">",
        caption,
        "</caption><thead><tr>",
        head,
        "</tr></thead><tbody>",
        rows,
        "</tbody></table></div>"
    ]
}

/// Name, password and passcode in one.
pub(super) fn login_form(user: &str, told: Option<OperatorLogin>, form_secret: &str) -> Page {
    let (status, told) = match told {
        None | Some(OperatorLogin::In(_)) => (StatusCode::OK, None),
        Some(OperatorLogin::Refused) => (
            StatusCode::FORBIDDEN,
            Some(html![
                "User name, password or passcode is wrong, or you have no role here."
            ]),
        ),
        Some(OperatorLogin::Wait { retry_after }) => (
            StatusCode::TOO_MANY_REQUESTS,
            Some(html![
                "Too many wrong tries. Wait ",
                Text(retry_after.as_millis().div_ceil(1000)),
                " seconds, then try again."
            ]),
        ),
    };
    let told = told.map(|told| html!["<p class=\"notice\" role=\"alert\">", told, "</p>"]);
    Page::new("Administration").status(status).body(html![
        "<h1>Administration</h1><p class=\"lead\">For who has a role here.</p>",
        told,
        "<form method=\"post\" action=\"/admin/log-in\">",
        hidden(form_secret),
        "<label for=\"user\">User name</label>\
         <input type=\"text\" id=\"user\" name=\"user\" value=\"",
        Text(user),
        "\" autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"128\" \
         required autofocus>\
         <label for=\"password\">Password</label>\
         <input type=\"password\" id=\"password\" name=\"password\" \
         autocomplete=\"current-password\" maxlength=\"1024\" required>\
         <label for=\"passcode\">Passcode</label>\
         <input class=\"passcode\" type=\"password\" id=\"passcode\" name=\"passcode\" \
         autocomplete=\"one-time-code\" autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"160\" \
         aria-describedby=\"passcode-hint\" required>\
         <p class=\"hint\" id=\"passcode-hint\">With your server PIN, if your token has one.</p>\
         <button type=\"submit\">Log in</button></form>"
    ])
}

/// The users, and who waits for an enrollment.
pub(super) fn users(
    visitor: &Visitor,
    search: &str,
    users: &[User],
    waiting: &[EnrollmentInfo],
) -> Page {
    let wanted = search.trim().to_lowercase();
    let found: Vec<&User> = users
        .iter()
        .filter(|user| {
            [&user.name, &user.details.full_name, &user.details.mail]
                .into_iter()
                .any(|text| text.to_lowercase().contains(&wanted))
        })
        .collect();
    let mut rows = Escaped::default();
    for user in found.iter().take(USERS) {
        rows = html![
            rows,
            "<tr><th scope=\"row\"><a href=\"",
            Whole(&user_path(&user.name)),
            "\">",
            Text(&user.name),
            "</a></th><td>",
            Text(&user.details.full_name),
            "</td><td>",
            Text(&user.details.mail),
            "</td><td class=\"number\">",
            Text(user.tokens),
            "</td></tr>"
        ];
    }
    let more = found.len().saturating_sub(USERS);
    let more = (more > 0).then(|| {
        html![
            "<p class=\"hint\">",
            Text(more),
            " more: search for a part of the name.</p>"
        ]
    });
    let list = if found.is_empty() {
        html!["<p>No user is called like that.</p>"]
    } else {
        table("Users", &["User", "Name", "Mail", "Tokens"], rows)
    };
    visitor.page("Users").body(html![
        "<h1>Users</h1>",
        asking(waiting),
        "<form class=\"search\" method=\"get\" action=\"/admin/users\" role=\"search\">\
         <label class=\"sr\" for=\"q\">Part of a name or address</label>\
         <input type=\"text\" id=\"q\" name=\"q\" value=\"",
        Text(search),
        "\" placeholder=\"Part of a name or address\" maxlength=\"128\">\
         <button class=\"quiet\">Search</button></form>",
        list,
        more
    ])
}

/// Who asks for a new link: the one thing that waits for the operator.
fn asking(waiting: &[EnrollmentInfo]) -> Option<Escaped> {
    let mut list = Escaped::default();
    let mut any = false;
    for one in waiting {
        let Some(asked) = one.asked_ms else { continue };
        any = true;
        list = html![
            list,
            "<li><a href=\"",
            Whole(&user_path(&one.user)),
            "\">",
            Text(&one.user),
            "</a>, <code>",
            Text(&one.serial),
            "</code>, since ",
            Text(time(asked)),
            "</li>"
        ];
    }
    any.then(|| {
        html![
            "<section class=\"said\" aria-labelledby=\"asking\"><h2 id=\"asking\">New links asked for</h2><ul>",
            list,
            "</ul></section>"
        ]
    })
}

/// One user, with the tokens.
pub(super) fn user(
    visitor: &Visitor,
    user: &User,
    owner: Option<Role>,
    tokens: &[TokenInfo],
    policies: &[Policy],
    notice: Option<&str>,
) -> Page {
    let may = |task| visitor.role.may_for(task, owner);
    let mut rows = Escaped::default();
    for token in tokens {
        let locks = [
            ("Typing", token.typing_locked_until_ms),
            ("Server PIN", token.pin.locked_until_ms()),
        ];
        let mut locked = Escaped::default();
        for (what, until) in locks {
            if let Some(until) = until {
                locked = html![
                    locked,
                    "<br><span class=\"lock\">",
                    what,
                    " locked until ",
                    Text(time(until)),
                    "</span>"
                ];
            }
        }
        let policy = match token.policy_name.as_str() {
            "" => html![NONE],
            name => html![Text(name)],
        };
        rows = html![
            rows,
            "<tr><th scope=\"row\"><code>",
            Text(&token.serial),
            "</code></th><td>",
            Text(token.state),
            locked,
            "</td><td>",
            Text(&token.mode),
            "</td><td>",
            Text(token.pin.brief()),
            "</td><td>",
            if token.push { "on" } else { "off" },
            "</td><td>",
            policy,
            "</td><td>",
            Text(token.device.as_deref().unwrap_or_default()),
            "</td><td>",
            maybe_time(token.last_used_ms),
            "</td><td class=\"do\">",
            orders(visitor, token, &may),
            "</td></tr>"
        ];
    }
    let list = if tokens.is_empty() {
        html!["<p>No tokens.</p>"]
    } else {
        let heads = [
            "Serial",
            "State",
            "Mode",
            "PIN",
            "Push",
            "Policy",
            "Computer",
            "Last used",
            "",
        ];
        table("Tokens", &heads, rows)
    };
    let role = owner.map(|role| html!["<dt>Role here</dt><dd>", Text(role), "</dd>"]);
    let only = (owner.is_some() && visitor.role.may(Task::HelpUser) && !may(Task::HelpUser))
        .then_some("<p class=\"hint\">Only administrators change accounts that have a role.</p>");
    visitor.page("User").body(html![
        "<p class=\"over\"><a href=\"/admin/users\">Users</a></p><h1>",
        Text(&user.name),
        "</h1>",
        notice_box(notice),
        "<dl><dt>Name</dt><dd>",
        Text(&user.details.full_name),
        "</dd><dt>Mail</dt><dd>",
        Text(&user.details.mail),
        "</dd><dt>Since</dt><dd>",
        Text(time(user.created_ms)),
        "</dd>",
        role,
        "</dl>",
        only,
        "<h2>Tokens</h2>",
        list,
        may(Task::ChangeTokens).then(|| issuing(visitor, &user.name, policies)),
        may(Task::HelpUser).then(|| code_form(visitor, &user.name))
    ])
}

/// The buttons of a token: what can be done to it, by this operator.
fn orders(visitor: &Visitor, token: &TokenInfo, may: &dyn Fn(Task) -> bool) -> Option<Escaped> {
    let locked = token.typing_locked_until_ms.is_some() || token.pin.locked_until_ms().is_some();
    let wanted: &[(Order, &'static str)] = match token.state {
        TokenState::Issued | TokenState::Provisioned => &[(Order::Link, "New link")],
        TokenState::Active if locked => &[(Order::Unlock, "Unlock"), (Order::Suspend, "Suspend")],
        TokenState::Active => &[(Order::Suspend, "Suspend")],
        TokenState::Suspended => &[(Order::Resume, "Resume")],
        TokenState::Revoked => return None,
    };
    let mut buttons = Escaped::default();
    for (order, words) in wanted {
        if may(order.task()) {
            buttons = html![buttons, button(visitor, token, *order, words, "quiet")];
        }
    }
    let revoke = may(Order::Revoke.task()).then(|| {
        html![
            "<details class=\"danger\"><summary>Revoke</summary><p>For good: its agent erases it.</p>",
            button(visitor, token, Order::Revoke, "Revoke for good", "danger"),
            "</details>"
        ]
    });
    Some(html![buttons, revoke])
}

fn button(
    visitor: &Visitor,
    token: &TokenInfo,
    order: Order,
    words: &'static str,
    class: &'static str,
) -> Escaped {
    html![
        "<form method=\"post\" action=\"/admin/token\">",
        hidden(&visitor.cookie.form_secret()),
        "<input type=\"hidden\" name=\"serial\" value=\"",
        Text(&token.serial),
        "\"><button class=\"small ",
        class,
        "\" name=\"do\" value=\"",
        order.word(),
        "\" aria-label=\"",
        words,
        " ",
        Text(&token.serial),
        "\">",
        words,
        "</button></form>"
    ]
}

fn issuing(visitor: &Visitor, user: &str, policies: &[Policy]) -> Escaped {
    if policies.is_empty() {
        return html![
            "<h2>Issue a token</h2><p>There is no policy yet. <a href=\"/admin/policy\">Make one</a>.</p>"
        ];
    }
    let mut list = Escaped::default();
    for policy in policies {
        list = html![
            list,
            "<option value=\"",
            Text(&policy.name),
            "\">",
            Text(&policy.name),
            "</option>"
        ];
    }
    html![
        "<h2>Issue a token</h2><form class=\"line\" method=\"post\" action=\"/admin/issue\">",
        hidden(&visitor.cookie.form_secret()),
        user_field(user),
        "<label for=\"policy\">By policy</label><select id=\"policy\" name=\"policy\">",
        list,
        "</select><button class=\"quiet\">Issue, and make a link</button></form>"
    ]
}

fn code_form(visitor: &Visitor, user: &str) -> Escaped {
    html![
        "<h2>One-time code</h2><p>For a user whose computer is lost or locked out. It is typed like a passcode, once, \
         within 15 minutes. Be sure who asks.</p><form class=\"line\" method=\"post\" action=\"/admin/code\">",
        hidden(&visitor.cookie.form_secret()),
        user_field(user),
        "<button class=\"quiet\">Issue a code</button></form>"
    ]
}

fn user_field(user: &str) -> Escaped {
    html![
        "<input type=\"hidden\" name=\"user\" value=\"",
        Whole(user),
        "\">"
    ]
}

/// A code of the helpdesk, once.
pub(super) fn helpdesk_code(visitor: &Visitor, user: &str, code: &HelpdeskCode) -> Page {
    once(
        visitor,
        "One-time code",
        user,
        html![
            "<div class=\"number\"><p>For <strong>",
            Text(user),
            "</strong>, until ",
            Text(time(code.expires.0)),
            "</p><output class=\"long\">",
            Text(code.code.expose()),
            "</output></div>"
        ],
    )
}

/// A personal link, once.
pub(super) fn link(visitor: &Visitor, link: &EnrollmentLink) -> Page {
    once(
        visitor,
        "Personal link",
        &link.user,
        html![
            "<p>Of <strong>",
            Text(&link.user),
            "</strong>, for <code>",
            Text(&link.serial),
            "</code>, good until ",
            Text(time(link.expires.0)),
            ". Whoever has it can add the token: send it so that nobody else can read it.</p>\
             <label for=\"activation\">Link</label>\
             <textarea id=\"activation\" readonly rows=\"3\" spellcheck=\"false\">",
            Whole(link.url.expose()),
            "</textarea>"
        ],
    )
}

fn once(visitor: &Visitor, title: &'static str, user: &str, body: Escaped) -> Page {
    visitor.page(title).body(html![
        "<h1>",
        title,
        "</h1>",
        body,
        "<p class=\"hint\">It is not shown again.</p><p class=\"next\"><a class=\"button quiet\" href=\"",
        Whole(&user_path(user)),
        "\">Back to the user</a></p>"
    ])
}

/// All policies.
pub(super) fn policies(visitor: &Visitor, policies: &[Policy], notice: Option<&str>) -> Page {
    let may_change = visitor.role.may(Task::ChangePolicies);
    let yes = |on: bool| if on { "yes" } else { "no" };
    let mut rows = Escaped::default();
    for policy in policies {
        let info = PolicyInfo::from(policy);
        let name: String = form_urlencoded::byte_serialize(info.name.as_bytes()).collect();
        let name = if may_change {
            html![
                "<a href=\"/admin/policy?name=",
                Whole(&name),
                "\">",
                Text(&info.name),
                "</a>"
            ]
        } else {
            html![Text(&info.name)]
        };
        rows = html![
            rows,
            "<tr><th scope=\"row\">",
            name,
            "</th><td>",
            Text(&info.level),
            "</td><td>",
            Text(&info.mode),
            "</td><td>",
            Text(info.pin.to_string()),
            "</td><td>",
            info.push_word(),
            "</td><td>",
            yes(info.number_matching),
            "</td><td>",
            yes(info.exportable),
            "</td></tr>"
        ];
    }
    let list = if policies.is_empty() {
        html!["<p>There are none yet.</p>"]
    } else {
        let heads = [
            "Policy", "Level", "Mode", "PIN", "Push", "Numbers", "Export",
        ];
        table("Policies", &heads, rows)
    };
    let new = may_change.then_some(
        "<p class=\"next\"><a class=\"button quiet\" href=\"/admin/policy\">New policy</a></p>",
    );
    visitor
        .page("Policies")
        .body(html!["<h1>Policies</h1>", notice_box(notice), list, new])
}

/// One page of the audit log.
pub(super) fn audit(visitor: &Visitor, before: i64, entries: &[AuditEntry]) -> Page {
    let mut rows = Escaped::default();
    for entry in entries {
        rows = html![
            rows,
            "<tr><td class=\"number\">",
            Text(entry.seq),
            "</td><td>",
            Text(time(entry.at_ms)),
            "</td><th scope=\"row\"><code>",
            Text(&entry.event),
            "</code></th><td>",
            Text(&entry.subject),
            "</td><td>",
            Whole(&text::display(&entry.detail, DETAIL)),
            "</td></tr>"
        ];
    }
    let newest = (before != i64::MAX).then_some("<a href=\"/admin/audit\">Newest</a> ");
    let older = entries.last().filter(|last| last.seq > 1).map(|last| {
        html![
            "<a href=\"/admin/audit?before=",
            Text(last.seq),
            "\">Older</a>"
        ]
    });
    let heads = ["Row", "Time", "Event", "Subject", "Detail"];
    visitor.page("Audit log").body(html![
        "<h1>Audit log</h1>",
        table("Audit log", &heads, rows),
        "<p class=\"next\">",
        newest,
        older,
        "</p>"
    ])
}

/// A task of somebody else's.
pub(super) fn not_yours(role: Role) -> Page {
    let what = match role {
        Role::Administrator => "Nothing was done.",
        Role::Helpdesk => {
            "The role helpdesk does not do this. Ask an administrator. Nothing was done."
        }
        Role::Auditor => "The role auditor reads and changes nothing. Nothing was done.",
    };
    stopped(StatusCode::FORBIDDEN, "Not for your role", what)
}

/// A form that is not from one of our pages in this browser.
pub(super) fn foreign_form() -> Page {
    stopped(
        StatusCode::FORBIDDEN,
        "This form was refused",
        "It did not come from the page that is open in this browser, or that page was out of date. Nothing was done.",
    )
}

/// No such user, token or policy.
pub(super) fn no_such(what: &'static str) -> Page {
    let what = match what {
        "user" => "There is no such user. Nothing was done.",
        "token" => "There is no such token. Nothing was done.",
        _ => "There is no such policy. Nothing was done.",
    };
    stopped(StatusCode::NOT_FOUND, "Not found", what)
}

/// Why the page ends here.
pub(super) fn stopped(status: StatusCode, title: &'static str, what: &'static str) -> Page {
    Page::new(title)
        .site(Site::Gateway)
        .status(status)
        .body(html![
            "<div class=\"state stop\" aria-hidden=\"true\">",
            CROSS,
            "</div><h1>",
            title,
            "</h1><p class=\"lead\">",
            what,
            "</p><p class=\"next\"><a class=\"button quiet\" href=\"/admin/\">Back to the administration</a></p>"
        ])
}
