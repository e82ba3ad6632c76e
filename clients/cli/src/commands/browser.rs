//! `countersign browser`: which browsers are paired, where tokens are filled, and how browsers find the host.

mod install;
pub(crate) mod manifests;

use countersign_proto::agent::v1 as api;
use serde::Serialize;

use super::session::Session;
use crate::{
    cli, clock,
    exit::Failure,
    output::{
        Answer, Paint, Style,
        table::{Cell, tabbed, table},
    },
    text,
};

/// Lists, revokes, unbinds, installs.
pub(crate) async fn run(arguments: cli::Browser, session: &Session) -> Result<(), Failure> {
    match arguments {
        cli::Browser::List => list(session).await,
        cli::Browser::Revoke(arguments) => revoke(arguments.pairing, session).await,
        cli::Browser::Origins => origins(session).await,
        cli::Browser::Unbind(arguments) => unbind(arguments, session).await,
        cli::Browser::Install(arguments) => install::install(&arguments, session),
        cli::Browser::Uninstall(arguments) => install::uninstall(&arguments, session),
    }
}

async fn list(session: &Session) -> Result<(), Failure> {
    let reply = session.agent().await?.list_pairings().await?;
    session.output.answer(&BrowserList {
        browsers: reply.pairings.into_iter().map(Paired::from).collect(),
    })
}

async fn revoke(pairing: String, session: &Session) -> Result<(), Failure> {
    let reply = session.agent().await?.revoke_pairing(pairing).await?;
    session.output.answer(&Revoked {
        revoked: reply.name,
    })
}

async fn origins(session: &Session) -> Result<(), Failure> {
    let reply = session.agent().await?.list_tokens().await?;
    let sealed = reply
        .tokens
        .iter()
        .any(|token| token.mode() == api::OtpMode::Unspecified);
    let origins = reply.tokens.into_iter().flat_map(|token| {
        let name = token.name;
        token.origins.into_iter().map(move |origin| Bound {
            token: name.clone(),
            origin,
        })
    });
    session.output.answer(&Origins {
        origins: origins.collect(),
        sealed,
    })
}

async fn unbind(arguments: cli::BrowserUnbind, session: &Session) -> Result<(), Failure> {
    let request = api::UnbindOriginRequest {
        token: arguments.token,
        origin: arguments.origin.unwrap_or_default(),
    };
    let mut agent = session.agent().await?;
    let reply = session.patiently(agent.unbind_origin(request)).await?;
    session.output.answer(&Unbound {
        token: reply.name,
        origins: reply.origins,
    })
}

/// A paired browser.
#[derive(Debug, Serialize)]
struct Paired {
    id: String,
    name: String,
    browser: String,
    fingerprint: String,
    created: i64,
    used: Option<i64>,
}

impl From<api::Pairing> for Paired {
    fn from(pairing: api::Pairing) -> Self {
        Self {
            id: pairing.id,
            name: pairing.name,
            browser: pairing.browser,
            fingerprint: pairing.fingerprint,
            created: pairing.created,
            used: pairing.used,
        }
    }
}

#[derive(Debug, Serialize)]
struct BrowserList {
    browsers: Vec<Paired>,
}

impl Answer for BrowserList {
    fn friendly(&self, style: &Style) -> String {
        if self.browsers.is_empty() {
            return "No browser is paired. The extension's window does it.\n".to_owned();
        }
        let time = |seconds: i64| {
            clock::from_seconds(seconds)
                .map(|at| clock::local(at, clock::now()))
                .unwrap_or_default()
        };
        let rows: Vec<Vec<Cell>> = self
            .browsers
            .iter()
            .map(|browser| {
                let used = browser.used.map_or_else(|| "never".to_owned(), time);
                vec![
                    Cell::new(Paint::Name, &browser.id),
                    Cell::plain(&browser.name),
                    Cell::plain(&browser.browser),
                    Cell::plain(&browser.fingerprint),
                    Cell::new(Paint::Faint, &time(browser.created)),
                    Cell::new(Paint::Faint, &used),
                ]
            })
            .collect();
        let heads = ["ID", "NAME", "BROWSER", "CODE", "PAIRED", "USED"];
        table(&heads, &rows, style)
    }

    fn bare(&self) -> String {
        let lines = self.browsers.iter().map(|browser| {
            tabbed(&[
                &browser.id,
                &browser.name,
                &browser.browser,
                &browser.fingerprint,
            ])
        });
        lines.collect()
    }
}

#[derive(Debug, Serialize)]
struct Revoked {
    revoked: String,
}

impl Answer for Revoked {
    fn friendly(&self, style: &Style) -> String {
        let name = style.paint(Paint::Name, &text::short(&self.revoked));
        format!("{name} gets nothing more, and has to be paired again.\n")
    }

    fn bare(&self) -> String {
        String::new()
    }
}

/// A token is filled there.
#[derive(Debug, Serialize)]
struct Bound {
    token: String,
    origin: String,
}

#[derive(Debug, Serialize)]
struct Origins {
    origins: Vec<Bound>,
    /// Not all is told: the vault is locked.
    #[serde(skip)]
    sealed: bool,
}

impl Answer for Origins {
    fn friendly(&self, style: &Style) -> String {
        if self.sealed {
            return "The vault is locked, and pages are sealed. `countersign unlock` opens it.\n"
                .to_owned();
        }
        if self.origins.is_empty() {
            return "No token is filled on any page.\n".to_owned();
        }
        let rows: Vec<Vec<Cell>> = self
            .origins
            .iter()
            .map(|bound| {
                vec![
                    Cell::new(Paint::Name, &bound.token),
                    Cell::plain(&bound.origin),
                ]
            })
            .collect();
        table(&["TOKEN", "PAGE"], &rows, style)
    }

    fn bare(&self) -> String {
        let lines = self
            .origins
            .iter()
            .map(|bound| tabbed(&[&bound.token, &bound.origin]));
        lines.collect()
    }
}

#[derive(Debug, Serialize)]
struct Unbound {
    token: String,
    origins: Vec<String>,
}

impl Answer for Unbound {
    fn friendly(&self, style: &Style) -> String {
        let name = style.paint(Paint::Name, &text::short(&self.token));
        let pages: Vec<_> = self
            .origins
            .iter()
            .map(|origin| text::short(origin))
            .collect();
        format!("{name} is not filled any more at {}.\n", pages.join(", "))
    }

    fn bare(&self) -> String {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    #[test]
    fn the_json_shape_is_stable() {
        let list = BrowserList {
            browsers: vec![
                api::Pairing {
                    id: "3".to_owned(),
                    name: "Work".to_owned(),
                    browser: "Chromium 156, extension 0.1.0".to_owned(),
                    fingerprint: "ABCD-EFGH".to_owned(),
                    created: 1_795_487_000,
                    used: None,
                }
                .into(),
            ],
        };
        assert_eq!(
            json::line(&list),
            "{\"browsers\":[{\"id\":\"3\",\"name\":\"Work\",\"browser\":\"Chromium 156, extension 0.1.0\",\
             \"fingerprint\":\"ABCD-EFGH\",\"created\":1795487000,\"used\":null}]}\n"
        );
        assert_eq!(
            list.bare(),
            "3\tWork\tChromium 156, extension 0.1.0\tABCD-EFGH\n"
        );
    }
}
