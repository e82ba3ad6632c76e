//! What every page has around its content: head, headers, mark.

use axum::response::{IntoResponse, Response};
use countersign_core::role::{Role, Task};
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::{
    form::hidden,
    html::{Escaped, Text, html},
};

/// Nothing from elsewhere, no inline script or style, no frame around it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const RELOAD: &str = "<noscript><meta http-equiv=\"refresh\" content=\"3\"></noscript>";

/// Countersign's mark: a sign, given between question and answer.
const MARK: &str = "<svg class=\"mark\" viewBox=\"0 0 32 32\" width=\"32\" height=\"32\" aria-hidden=\"true\">\
    <path d=\"M10.5 5H8a4 4 0 0 0-4 4v14a4 4 0 0 0 4 4h2.5\"/>\
    <path d=\"M21.5 5H24a4 4 0 0 1 4 4v14a4 4 0 0 1-4 4h-2.5\"/>\
    <path class=\"sign\" d=\"M10.5 16.5l4 4 7-9\"/></svg>";

/// A page on its way out.
#[derive(Clone, Debug)]
pub(super) struct Page {
    title: &'static str,
    site: Site,
    status: StatusCode,
    refresh: Refresh,
    body: Escaped,
}

/// Whose page it is.
#[derive(Clone, Debug)]
pub(super) enum Site {
    /// The gateway's own.
    Gateway,
    /// The sample resource's; the gateway of this name protects it.
    ExamplePortal {
        /// The gateway's name.
        gateway: String,
    },
    /// The administration's, for somebody who is logged in.
    Administration {
        /// Who.
        user: String,
        /// As what.
        role: Role,
        /// The secret of the session's forms.
        form_secret: String,
    },
}

/// The ways through the administration.
fn navigation(title: &str, role: Role) -> Escaped {
    let ways = [
        (Task::SeeUsers, "/admin/users", "Users"),
        (Task::SeePolicies, "/admin/policies", "Policies"),
        (Task::ReadAudit, "/admin/audit", "Audit log"),
    ];
    let mut links = Escaped::default();
    for (_, path, words) in ways.into_iter().filter(|(task, ..)| role.may(*task)) {
        let here = (words == title).then_some(" aria-current=\"page\"");
        links = html![links, "<a href=\"", path, "\"", here, ">", words, "</a>"];
    }
    html!["<nav aria-label=\"Administration\">", links, "</nav>"]
}

/// Does the page change by itself?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresh {
    /// No.
    Never,
    /// With this script, at the change. Without one nothing happens: something is being typed or read.
    Script(Script),
    /// With this script, at the change. Without one it is loaded again every few seconds.
    ScriptOrReload(Script),
}

/// The scripts that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    /// Follows a login at the sample resource.
    Portal,
    /// Follows an enrollment, and copies its activation string.
    Enrollment,
}

impl Script {
    const fn tag(self) -> &'static str {
        match self {
            Self::Portal => "<script src=\"/example/portal.js\" defer></script>",
            Self::Enrollment => "<script src=\"/assets/enrollment.js\" defer></script>",
        }
    }
}

impl Page {
    /// A page of the gateway.
    pub(super) fn new(title: &'static str) -> Self {
        Self {
            title,
            site: Site::Gateway,
            status: StatusCode::OK,
            refresh: Refresh::Never,
            body: Escaped::default(),
        }
    }

    /// Whose page it is.
    pub(super) fn site(mut self, site: Site) -> Self {
        self.site = site;
        self
    }

    /// With this HTTP status.
    pub(super) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Changing by itself.
    pub(super) fn refresh(mut self, refresh: Refresh) -> Self {
        self.refresh = refresh;
        self
    }

    /// With this content.
    pub(super) fn body(mut self, body: Escaped) -> Self {
        self.body = body;
        self
    }

    fn markup(&self) -> Escaped {
        let (site, header, footer) = match &self.site {
            Site::Gateway => (
                html!["Countersign"],
                html![
                    "<a class=\"brand\" href=\"/\">",
                    MARK,
                    "<span>Countersign</span></a>"
                ],
                html!["Countersign, the second factor of the Linux desktop"],
            ),
            Site::ExamplePortal { gateway } => (
                html!["Example Portal"],
                html![
                    "<a class=\"brand portal\" href=\"/example/\">",
                    "<span class=\"monogram\" aria-hidden=\"true\">E</span>",
                    "<span>Example Portal</span></a>"
                ],
                html![
                    MARK,
                    "<span>Protected by Countersign at <a href=\"/\">",
                    Text(gateway),
                    "</a></span>"
                ],
            ),
            Site::Administration {
                user,
                role,
                form_secret,
            } => (
                html!["Administration"],
                html![
                    "<a class=\"brand\" href=\"/admin/\">",
                    MARK,
                    "<span>Countersign</span></a>",
                    navigation(self.title, *role),
                    "<form class=\"who\" method=\"post\" action=\"/admin/log-out\">",
                    hidden(form_secret),
                    Text(user),
                    " · ",
                    Text(role),
                    " <button class=\"link\">Log out</button></form>"
                ],
                html!["What you do here stands in the audit log under your name."],
            ),
        };
        let wide = matches!(self.site, Site::Administration { .. }).then_some(" class=\"wide\"");
        let (script, reload) = match self.refresh {
            Refresh::Never => (None, None),
            Refresh::Script(script) => (Some(script.tag()), None),
            Refresh::ScriptOrReload(script) => (Some(script.tag()), Some(RELOAD)),
        };
        html![
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\">\
             <meta name=\"robots\" content=\"noindex\">\n<title>",
            self.title,
            " · ",
            site,
            "</title>\n<link rel=\"icon\" href=\"/assets/icon.svg\" type=\"image/svg+xml\">\
             <link rel=\"stylesheet\" href=\"/assets/style.css\">",
            reload,
            script,
            "\n</head>\n<body",
            wide,
            ">\n<header>",
            header,
            "</header>\n<main>\n",
            &self.body,
            "\n</main>\n<footer>",
            footer,
            "</footer>\n</body>\n</html>\n"
        ]
    }
}

impl From<Page> for Response {
    fn from(page: Page) -> Self {
        page.into_response()
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        let body = self.markup().as_str().to_owned();
        let mut response = (self.status, [(header::CONTENT_TYPE, html)], body).into_response();
        guard(&mut response);
        response
    }
}

/// The headers of everything that a browser gets from here.
pub(super) fn guard(response: &mut Response) {
    const HEADERS: [(HeaderName, &str); 7] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
}
