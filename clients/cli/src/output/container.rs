//! A container of privacyIDEA as answers show it.

use countersign_proto::agent::v1::{self as api, ContainerState};
use serde::Serialize;

use super::{
    Answer, Paint, Style,
    table::{Cell, tabbed, table},
    words::{self, Word as _},
};
use crate::{clock, text};

/// A container.
#[derive(Debug, Serialize)]
pub(crate) struct Container {
    id: String,
    pub(crate) name: String,
    serial: String,
    service: String,
    state: Option<String>,
    insecure: Option<String>,
    tokens: u32,
    synced: Option<i64>,
    trouble: Option<String>,
    left_out: Vec<LeftOut>,
    may_renew: bool,
    may_delete_tokens: bool,
    may_unregister: bool,
    #[serde(skip)]
    standing: ContainerState,
    #[serde(skip)]
    transport: api::InsecureTransport,
}

/// A token that could not be taken.
#[derive(Debug, Serialize)]
struct LeftOut {
    token: String,
    why: String,
}

impl From<api::Container> for Container {
    fn from(container: api::Container) -> Self {
        let standing = container.state();
        let transport = container.insecure();
        Self {
            id: container.id,
            name: container.name,
            serial: container.serial,
            service: container.service,
            state: standing.word(),
            insecure: transport.word(),
            tokens: container.tokens,
            synced: container.synced,
            trouble: (!container.trouble.is_empty()).then_some(container.trouble),
            left_out: container
                .left_out
                .into_iter()
                .map(|left| LeftOut {
                    token: left.token,
                    why: left.why,
                })
                .collect(),
            may_renew: container.may_renew,
            may_delete_tokens: container.may_delete_tokens,
            may_unregister: container.may_unregister,
            standing,
            transport,
        }
    }
}

impl Container {
    /// Why the last try failed, if it did.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    fn row(&self) -> Vec<Cell> {
        let synced = self
            .synced
            .and_then(clock::from_seconds)
            .map(|at| clock::local(at, clock::now()))
            .unwrap_or_default();
        let (state, paint) = words::container_state(self.standing);
        vec![
            Cell::new(Paint::Name, &self.name),
            Cell::plain(&self.service),
            Cell::new(Paint::Faint, &self.serial),
            Cell::plain(&self.tokens.to_string()),
            Cell::plain(&synced),
            Cell::new(paint, state),
        ]
    }

    /// What is not as it should be, a line each.
    fn notes(&self, style: &Style) -> String {
        let warning = match words::insecure(self.transport) {
            "" => None,
            warning => {
                let said = format!("{}: {warning}", text::short(&self.name));
                Some(line(style, Paint::Bad, &said))
            }
        };
        let trouble = self.trouble().map(|why| {
            let said = format!("{}: {}", text::short(&self.name), text::sentence(why));
            line(style, Paint::Bad, &said)
        });
        let left_out = self.left_out.iter().map(|left| {
            let said = format!(
                "{}: {} is left out: {}",
                text::short(&self.name),
                text::short(&left.token),
                text::sentence(&left.why)
            );
            line(style, Paint::Attention, &said)
        });
        warning.into_iter().chain(trouble).chain(left_out).collect()
    }
}

fn line(style: &Style, paint: Paint, words: &str) -> String {
    format!("{}\n", style.paint(paint, words))
}

/// All containers.
#[derive(Debug, Serialize)]
pub(crate) struct ContainerList {
    pub(crate) containers: Vec<Container>,
}

impl Answer for ContainerList {
    fn friendly(&self, style: &Style) -> String {
        if self.containers.is_empty() {
            return "This device is registered for no container. `countersign enroll` takes a link.\n"
                .to_owned();
        }
        let rows: Vec<_> = self.containers.iter().map(Container::row).collect();
        let heading = ["NAME", "SERVICE", "SERIAL", "TOKENS", "SYNCED", "STATE"];
        let notes = self
            .containers
            .iter()
            .map(|container| container.notes(style));
        let notes: String = notes.collect();
        table(&heading, &rows, style) + &notes
    }

    fn bare(&self) -> String {
        self.containers
            .iter()
            .map(|container| {
                tabbed(&[
                    &container.name,
                    container.state.as_deref().unwrap_or_default(),
                    &container.serial,
                    &container.tokens.to_string(),
                    &container.service,
                    &container.id,
                ])
            })
            .collect()
    }
}

/// What a synchronisation has done.
#[derive(Debug, Serialize)]
pub(crate) struct ContainerSync {
    pub(crate) container: Container,
    added: Vec<String>,
    renewed: Vec<String>,
    removed: Vec<String>,
}

impl From<api::ContainerSync> for ContainerSync {
    fn from(synced: api::ContainerSync) -> Self {
        Self {
            container: synced.container.unwrap_or_default().into(),
            added: synced.added,
            renewed: synced.renewed,
            removed: synced.removed,
        }
    }
}

impl ContainerSync {
    /// In words and colours.
    pub(crate) fn said(&self, style: &Style) -> String {
        let changes = [
            (&self.added, "added", Paint::Good),
            (&self.renewed, "renewed", Paint::Good),
            (&self.removed, "removed", Paint::Attention),
        ];
        let mut lines: String = changes
            .into_iter()
            .flat_map(|(tokens, what, paint)| {
                let what = style.paint(paint, what);
                tokens.iter().map(move |token| {
                    let name = style.paint(Paint::Name, &text::short(token));
                    format!("{what} {name}\n")
                })
            })
            .collect();
        if lines.is_empty() && self.container.trouble.is_none() {
            let name = style.paint(Paint::Name, &text::short(&self.container.name));
            lines = format!("{name} is up to date.\n");
        }
        lines + &self.container.notes(style)
    }

    /// For a pipe: `added NAME`, a line each.
    pub(crate) fn bare(&self) -> String {
        [
            ("added", &self.added),
            ("renewed", &self.renewed),
            ("removed", &self.removed),
        ]
        .into_iter()
        .flat_map(|(what, tokens)| tokens.iter().map(move |token| tabbed(&[what, token])))
        .collect()
    }
}

/// What synchronisations have done.
#[derive(Debug, Serialize)]
pub(crate) struct Synced {
    pub(crate) synced: Vec<ContainerSync>,
}

impl Answer for Synced {
    fn friendly(&self, style: &Style) -> String {
        if self.synced.is_empty() {
            return "This device is registered for no container.\n".to_owned();
        }
        self.synced
            .iter()
            .map(|synced| synced.said(style))
            .collect()
    }

    fn bare(&self) -> String {
        self.synced.iter().map(ContainerSync::bare).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    fn container() -> api::Container {
        api::Container {
            id: "00".to_owned(),
            name: "Example".to_owned(),
            serial: "SMPH1".to_owned(),
            service: "pi.example:443".to_owned(),
            state: ContainerState::Registered.into(),
            tokens: 2,
            left_out: vec![api::LeftOutToken {
                token: "DYPW\u{1b}1".to_owned(),
                why: "of an unknown type".to_owned(),
            }],
            may_delete_tokens: true,
            ..api::Container::default()
        }
    }

    #[test]
    fn the_json_shape_is_stable() {
        let list = ContainerList {
            containers: vec![container().into()],
        };
        assert_eq!(
            json::line(&list),
            concat!(
                r#"{"containers":[{"id":"00","name":"Example","serial":"SMPH1","service":"pi.example:443","#,
                r#""state":"registered","insecure":null,"tokens":2,"synced":null,"trouble":null,"#,
                r#""left_out":[{"token":"DYPW\u001b1","why":"of an unknown type"}],"#,
                r#""may_renew":false,"may_delete_tokens":true,"may_unregister":false}]}"#,
                "\n"
            )
        );
        assert_eq!(
            list.bare(),
            "Example\tregistered\tSMPH1\t2\tpi.example:443\t00\n"
        );
    }

    #[test]
    fn people_read_what_changed_and_what_was_left_out() {
        let synced = Synced {
            synced: vec![
                api::ContainerSync {
                    container: Some(container()),
                    added: vec!["One".to_owned()],
                    renewed: Vec::new(),
                    removed: vec!["Two".to_owned()],
                }
                .into(),
            ],
        };
        let said = synced.friendly(&Style::new(false, 100));
        assert!(said.starts_with("added One\nremoved Two\n"), "{said}");
        assert!(said.contains("is left out"), "{said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
        assert_eq!(synced.bare(), "added\tOne\nremoved\tTwo\n");
    }
}
