//! `countersign requests`: login requests, now or as they come.

use countersign_proto::agent::v1 as api;
use serde::Serialize;

use super::session::Session;
use crate::{
    cli,
    exit::Failure,
    output::{
        Answer, Paint, Reader, Style,
        login_request::{HEADING, LoginRequest},
        table::table,
    },
    text,
};

/// Lists them, or stays and follows them.
pub(crate) async fn run(arguments: &cli::Requests, session: &Session) -> Result<(), Failure> {
    if arguments.watch {
        return watch(session).await;
    }
    let request = api::ListLoginRequestsRequest {
        history: arguments.history,
        check: arguments.check,
    };
    let reply = session.agent().await?.list_login_requests(request).await?;
    session.output.answer(&RequestList::from(reply.requests))
}

async fn watch(session: &Session) -> Result<(), Failure> {
    let mut watch = session.agent().await?.watch_login_requests().await?;
    while let Some(change) = watch.next().await? {
        if let Some(changed) = change.changed {
            session.output.answer(&Change {
                changed: changed.into(),
            })?;
            continue;
        }
        let snapshot = RequestList::from(change.snapshot);
        if session.output.reader() == Reader::Script || !snapshot.requests.is_empty() {
            session.output.answer(&snapshot)?;
        }
    }
    Err(Failure::refused(
        api::Reason::AgentNotRunning,
        "The agent ended the watch.",
        "It stops, or this program read too slowly; start the watch again.",
    ))
}

/// Login requests, newest first.
#[derive(Debug, Serialize)]
pub(super) struct RequestList {
    requests: Vec<LoginRequest>,
}

impl From<Vec<api::LoginRequest>> for RequestList {
    fn from(requests: Vec<api::LoginRequest>) -> Self {
        Self {
            requests: requests.into_iter().map(LoginRequest::from).collect(),
        }
    }
}

impl Answer for RequestList {
    fn friendly(&self, style: &Style) -> String {
        if self.requests.is_empty() {
            return "There are no login requests.\n".to_owned();
        }
        let rows: Vec<_> = self.requests.iter().map(LoginRequest::row).collect();
        let codes = self
            .requests
            .iter()
            .filter(|request| !request.display_code.is_empty());
        let codes: Vec<String> = codes
            .map(|request| {
                format!(
                    "Type this on the login page of {}: {}\n",
                    text::short(&request.resource),
                    style.paint(Paint::Answer, &text::short(&request.display_code))
                )
            })
            .collect();
        format!("{}{}", table(&HEADING, &rows, style), codes.concat())
    }

    fn bare(&self) -> String {
        self.requests.iter().map(LoginRequest::line).collect()
    }
}

/// One that changed.
#[derive(Debug, Serialize)]
struct Change {
    changed: LoginRequest,
}

impl Answer for Change {
    fn friendly(&self, style: &Style) -> String {
        let request = &self.changed;
        let (state, paint) = crate::output::words::request_state(request.kind);
        let origin = request.coming_from();
        let from = if origin.is_empty() {
            String::new()
        } else {
            format!(" from {}", text::short(&origin))
        };
        format!(
            "{}  {}  {}, {}{from}\n",
            style.paint(Paint::Name, &text::short(&request.short_id())),
            style.paint(paint, state),
            text::short(&request.resource),
            text::short(&request.user),
        )
    }

    fn bare(&self) -> String {
        self.changed.line()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    fn request() -> api::LoginRequest {
        api::LoginRequest {
            id: "00112233445566778899aabbccddeeff".to_owned(),
            token: "Work".to_owned(),
            service: "Example".to_owned(),
            resource: "Example Portal".to_owned(),
            user: "alice".to_owned(),
            client_address: "203.0.113.7".to_owned(),
            place: "Berlin".to_owned(),
            program: "Firefox".to_owned(),
            created_ms: 1_795_487_907_123,
            left_ms: 55_000,
            state: api::LoginRequestState::Pending.into(),
            detail: String::new(),
            reported: false,
            number_required: true,
            origin: api::LoginOrigin::OtherAddress.into(),
            question: String::new(),
            choices: Vec::new(),
            display_code: String::new(),
        }
    }

    #[test]
    fn the_json_shape_is_stable() {
        assert_eq!(
            json::line(&RequestList::from(vec![request()])),
            concat!(
                r#"{"requests":[{"id":"00112233445566778899aabbccddeeff","token":"Work","#,
                r#""service":"Example","resource":"Example Portal","user":"alice","#,
                r#""client_address":"203.0.113.7","place":"Berlin","program":"Firefox","#,
                r#""created_ms":1795487907123,"left_ms":55000,"state":"pending","detail":"","#,
                r#""reported":false,"number_required":true,"origin":"other_address","question":"","#,
                r#""choices":[],"display_code":""}]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn piped_there_is_one_line_a_request() {
        assert_eq!(
            RequestList::from(vec![request()]).bare(),
            "00112233445566778899aabbccddeeff\tpending\tExample Portal\talice\t203.0.113.7\t55000\tWork\n"
        );
    }

    #[test]
    fn a_hostile_resource_cannot_paint_the_terminal() {
        let hostile = api::LoginRequest {
            resource: "Bank\u{1b}[2J\u{202e}\nApproved.".to_owned(),
            ..request()
        };
        let shown = RequestList::from(vec![hostile]).friendly(&Style::new(false, 160));
        assert_eq!(shown.lines().count(), 2);
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
    }
}
