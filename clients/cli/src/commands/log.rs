//! `countersign log`: what happened.

mod share;

use countersign_proto::agent::v1 as api;
use serde::Serialize;

use super::session::Session;
use crate::{
    cli, clock,
    exit::Failure,
    output::{
        Answer, Paint, Style,
        table::{Cell, tabbed, table},
        words::{self, Word as _},
    },
};

/// Shows the newest events first.
pub(crate) async fn run(arguments: &cli::Log, session: &Session) -> Result<(), Failure> {
    if let Some(file) = &arguments.share {
        return share::run(file, arguments.yes, session).await;
    }
    let reply = session.agent().await?.list_events(arguments.limit).await?;
    session.output.answer(&EventList::from(reply))
}

#[derive(Debug, Serialize)]
struct EventList {
    events: Vec<Event>,
}

impl From<api::ListEventsReply> for EventList {
    fn from(reply: api::ListEventsReply) -> Self {
        Self {
            events: reply.events.into_iter().map(Event::from).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Event {
    id: String,
    at_ms: i64,
    kind: Option<String>,
    token: String,
    detail: String,
    #[serde(skip)]
    kind_value: api::EventKind,
}

impl From<api::Event> for Event {
    fn from(event: api::Event) -> Self {
        let kind_value = event.kind();
        Self {
            id: event.id,
            at_ms: event.at_ms,
            kind: kind_value.word(),
            token: event.token,
            detail: event.detail,
            kind_value,
        }
    }
}

impl Answer for EventList {
    fn friendly(&self, style: &Style) -> String {
        if self.events.is_empty() {
            return "Nothing has happened yet.\n".to_owned();
        }
        let now = clock::now();
        let rows: Vec<Vec<Cell>> = self
            .events
            .iter()
            .map(|event| {
                let at = clock::from_millis(event.at_ms)
                    .map(|at| clock::local(at, now))
                    .unwrap_or_default();
                vec![
                    Cell::new(Paint::Faint, &at),
                    Cell::new(
                        words::event_paint(event.kind_value),
                        words::event(event.kind_value),
                    ),
                    Cell::new(Paint::Name, &event.token),
                    Cell::long(&event.detail),
                ]
            })
            .collect();
        table(&["WHEN", "WHAT", "TOKEN", "DETAIL"], &rows, style)
    }

    fn bare(&self) -> String {
        self.events
            .iter()
            .map(|event| {
                let at = clock::from_millis(event.at_ms)
                    .map(|at| at.to_string())
                    .unwrap_or_default();
                let kind = event.kind.as_deref().unwrap_or_default();
                tabbed(&[&at, kind, &event.token, &event.detail])
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    fn list() -> EventList {
        EventList {
            events: vec![
                api::Event {
                    id: "12".to_owned(),
                    at_ms: 1_795_487_907_123,
                    kind: api::EventKind::PasscodeGenerated.into(),
                    token: "Work".to_owned(),
                    detail: "A passcode was generated.".to_owned(),
                }
                .into(),
            ],
        }
    }

    #[test]
    fn the_json_shape_is_stable() {
        assert_eq!(
            json::line(&list()),
            concat!(
                r#"{"events":[{"id":"12","at_ms":1795487907123,"kind":"passcode_generated","#,
                r#""token":"Work","detail":"A passcode was generated."}]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn piped_there_is_one_line_an_event_in_universal_time() {
        assert_eq!(
            list().bare(),
            "2026-11-24T02:38:27.123Z\tpasscode_generated\tWork\tA passcode was generated.\n"
        );
    }
}
