//! What `approve` and `deny` have in common: which request is meant, who asks, and what became of it.
//!
//! Without a terminal nothing is looked up first: the agent takes the only pending request, or refuses
//! when there are several. With one, the person sees who asks before the answer goes out, and the answer
//! is for exactly the request that was shown.

use countersign_client::AgentClient;
use countersign_proto::agent::v1::{self as api, LoginRequestState, Reason, Verdict};
use serde::Serialize;

use super::{
    secrets::{Secrets, Wanted},
    session::Session,
};
use crate::{
    exit::Failure,
    output::{
        self, Answer, Paint, Style,
        login_request::LoginRequest,
        table::{Cell, table},
    },
    prompt::Terminal,
    text,
};

/// What the user wants.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) verdict: Verdict,
    pub(crate) id: Option<String>,
    pub(crate) number: Option<String>,
    pub(crate) pin_stdin: bool,
}

/// Finds the request, answers it and shows what became of it.
pub(crate) async fn run(wish: Wish, session: &Session) -> Result<(), Failure> {
    let wanted = Wanted::pin_of("the token");
    let mut secrets = Secrets::begin(wish.pin_stdin, &wanted)?;
    let mut agent = session.agent().await?;
    let mut request = api::AnswerLoginRequestRequest {
        id: wish.id.unwrap_or_default(),
        verdict: wish.verdict.into(),
        number: wish.number.unwrap_or_default(),
        pin: Vec::new(),
        newest: false,
    };
    if let Some(terminal) = session.terminal() {
        look_first(&mut request, wish.verdict, &terminal, &mut agent, session).await?;
    }
    let reply = loop {
        let attempt = api::AnswerLoginRequestRequest {
            pin: secrets.current(),
            ..request.clone()
        };
        match session.patiently(agent.answer_login_request(attempt)).await {
            Ok(reply) => break reply,
            Err(refusal) => secrets.after(refusal, &wanted, session).await?,
        }
    };
    let outcome = Outcome::new(reply.request.unwrap_or_default(), wish.verdict);
    outcome.check()?;
    session.output.answer(&outcome)
}

/// Shows who asks, lets the person choose among several, and asks for the number where one is needed.
async fn look_first(
    request: &mut api::AnswerLoginRequestRequest,
    verdict: Verdict,
    terminal: &Terminal,
    agent: &mut AgentClient,
    session: &Session,
) -> Result<(), Failure> {
    let all = api::ListLoginRequestsRequest::default();
    let pending: Vec<LoginRequest> = agent
        .list_login_requests(all)
        .await?
        .requests
        .into_iter()
        .map(LoginRequest::from)
        .filter(|found| found.id.starts_with(&request.id))
        .collect();
    let chosen = match (pending.as_slice(), verdict) {
        ([one], _) => one,
        // One that is over can still be reported, and the agent knows best why an id is unknown.
        ([], Verdict::Report) => return Ok(()),
        ([], _) if !request.id.is_empty() => return Ok(()),
        ([], _) => {
            return Err(Failure::refused(
                Reason::LoginRequestUnknown,
                "No login request is pending.",
                "`countersign requests --check` asks the services now.",
            ));
        }
        (several, _) => choose(several, terminal, session).await?,
    };
    request.id.clone_from(&chosen.id);
    let card = chosen.card(session.output.error_style());
    output::note(&format!("\n{card}\n"));
    if verdict == Verdict::Approve && chosen.number_required && request.number.is_empty() {
        let resource = text::short(&chosen.resource);
        let question = if chosen.choices.is_empty() {
            format!("Number shown by {resource}: ")
        } else {
            let choices: Vec<_> = chosen
                .choices
                .iter()
                .map(|choice| text::short(choice))
                .collect();
            format!(
                "Which of these does {resource} show: {}? ",
                choices.join(", ")
            )
        };
        request.number = terminal.ask(&question).await?;
        if request.number.is_empty() {
            return Err(Failure::refused(
                Reason::NumberRequired,
                "This login is approved with the number that it shows.",
                "If you see no number, it is not your login: `countersign deny --report`.",
            ));
        }
    }
    Ok(())
}

/// Shows several, numbered, and asks which one; Enter takes the newest.
async fn choose<'list>(
    several: &'list [LoginRequest],
    terminal: &Terminal,
    session: &Session,
) -> Result<&'list LoginRequest, Failure> {
    let rows: Vec<Vec<Cell>> = several
        .iter()
        .zip(1_usize..)
        .map(|(request, number)| {
            vec![
                Cell::new(Paint::Answer, &number.to_string()),
                Cell::plain(&request.resource),
                Cell::plain(&request.user),
                Cell::plain(&request.coming_from()),
                Cell::new(Paint::Faint, &request.when()),
                Cell::new(Paint::Faint, &request.short_id()),
            ]
        })
        .collect();
    let list = table(
        &["", "RESOURCE", "USER", "FROM", "WHEN", "ID"],
        &rows,
        session.output.error_style(),
    );
    output::note(&list);
    let answer = terminal.ask("Which one? [1, the newest] ").await?;
    let number = if answer.is_empty() {
        Some(1)
    } else {
        answer.parse::<usize>().ok()
    };
    number
        .and_then(|number| number.checked_sub(1))
        .and_then(|index| several.get(index))
        .ok_or_else(|| Failure::cancelled("No login request was chosen; nothing was answered."))
}

/// What became of the request.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    #[serde(flatten)]
    request: LoginRequest,
    #[serde(skip)]
    verdict: Verdict,
}

impl Outcome {
    /// Of the request as it is after the answer.
    pub(crate) fn new(request: api::LoginRequest, verdict: Verdict) -> Self {
        Self {
            request: request.into(),
            verdict,
        }
    }

    /// It in one line, for a screen.
    pub(crate) fn said(&self) -> (Paint, String) {
        match self.check() {
            Ok(()) => {
                let (done, rest, paint) = self.words();
                (paint, format!("{done} {rest}"))
            }
            Err(failure) => (Paint::Bad, failure.said()),
        }
    }

    /// Whether it is what was wanted.
    fn check(&self) -> Result<(), Failure> {
        let resource = text::short(&self.request.resource);
        let detail = match self.request.detail.as_str() {
            "" => String::new(),
            detail => format!(" {}", text::sentence(detail)),
        };
        let (reason, message, hint) = match (self.verdict, self.request.kind) {
            (_, LoginRequestState::LoggedIn | LoginRequestState::Approved)
                if self.verdict == Verdict::Approve =>
            {
                return Ok(());
            }
            (Verdict::Deny | Verdict::Cancel | Verdict::Report, LoginRequestState::Denied) => {
                return Ok(());
            }
            // What is over is reported all the same.
            (Verdict::Report, _) if self.request.reported => return Ok(()),
            (Verdict::Approve, LoginRequestState::Denied) => (
                Reason::LoginRequestRefused,
                format!("{resource} counts this as a denial.{detail}"),
                "Log in again if this was you.",
            ),
            (_, LoginRequestState::Expired) => (
                Reason::LoginRequestExpired,
                format!("The login request of {resource} has expired.{detail}"),
                "Log in again for a new one.",
            ),
            (_, LoginRequestState::Cancelled) => (
                Reason::LoginRequestAnswered,
                format!("{resource} has taken the login request back.{detail}"),
                "Log in again if this was you.",
            ),
            (_, LoginRequestState::Refused) => (
                Reason::LoginRequestRefused,
                format!("{resource} did not accept the answer.{detail}"),
                "Log in again, or type a passcode.",
            ),
            (_, LoginRequestState::LoggedIn | LoginRequestState::Approved) => (
                Reason::LoginRequestAnswered,
                format!("The login request of {resource} was approved before.{detail}"),
                "`countersign deny --report` with its id still reports it.",
            ),
            (
                _,
                LoginRequestState::Unspecified
                | LoginRequestState::Pending
                | LoginRequestState::Sending
                | LoginRequestState::Denied,
            ) => (
                Reason::OutcomeUnknown,
                format!("The answer is on its way; {resource} has not yet said what became of it."),
                "`countersign requests --history` shows it later.",
            ),
        };
        Err(Failure::refused(reason, message, hint))
    }
}

impl Answer for Outcome {
    fn friendly(&self, style: &Style) -> String {
        let (done, rest, paint) = self.words();
        let code = if self.request.display_code.is_empty() {
            String::new()
        } else {
            format!(
                "Type this on the login page: {}\n",
                style.paint(Paint::Answer, &text::short(&self.request.display_code))
            )
        };
        format!("{} {rest}\n{code}", style.paint(paint, done))
    }

    fn bare(&self) -> String {
        let state = self.request.state.as_deref().unwrap_or_default();
        if self.request.display_code.is_empty() {
            format!("{state}\n")
        } else {
            format!("{state}\n{}\n", text::short(&self.request.display_code))
        }
    }
}

impl Outcome {
    /// What was done, what that means, and its colour.
    fn words(&self) -> (&'static str, String, Paint) {
        let resource = text::short(&self.request.resource);
        match (self.verdict, self.request.kind) {
            (Verdict::Approve, LoginRequestState::LoggedIn) => (
                "Approved.",
                format!("Logged in to {resource}."),
                Paint::Good,
            ),
            (Verdict::Approve, _) => ("Approved.", format!("{resource} knows."), Paint::Good),
            (Verdict::Report, kind) => (
                if kind == LoginRequestState::Denied {
                    "Denied and reported."
                } else {
                    "Reported."
                },
                match self.request.detail.as_str() {
                    "" => format!(
                        "The administrators of {} know that it was not you.",
                        self.service()
                    ),
                    detail => text::sentence(detail),
                },
                Paint::Attention,
            ),
            (Verdict::Deny | Verdict::Cancel | Verdict::Unspecified, _) => (
                "Denied.",
                format!("{resource} lets nobody in."),
                Paint::Attention,
            ),
        }
    }

    fn service(&self) -> String {
        if self.request.service.is_empty() {
            text::short(&self.request.resource)
        } else {
            text::short(&self.request.service)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(verdict: Verdict, kind: LoginRequestState) -> Outcome {
        Outcome {
            request: api::LoginRequest {
                state: kind.into(),
                resource: "Example Portal".to_owned(),
                ..api::LoginRequest::default()
            }
            .into(),
            verdict,
        }
    }

    #[test]
    fn every_outcome_has_its_exit_code() {
        use LoginRequestState as S;
        use Verdict::{Approve, Deny, Report};
        let table = [
            (Approve, S::LoggedIn, None),
            (Approve, S::Approved, None),
            (Approve, S::Denied, Some(Reason::LoginRequestRefused)),
            (Approve, S::Expired, Some(Reason::LoginRequestExpired)),
            (Approve, S::Cancelled, Some(Reason::LoginRequestAnswered)),
            (Approve, S::Refused, Some(Reason::LoginRequestRefused)),
            (Approve, S::Sending, Some(Reason::OutcomeUnknown)),
            (Approve, S::Pending, Some(Reason::OutcomeUnknown)),
            (Approve, S::Unspecified, Some(Reason::OutcomeUnknown)),
            (Deny, S::Denied, None),
            (Deny, S::LoggedIn, Some(Reason::LoginRequestAnswered)),
            (Deny, S::Approved, Some(Reason::LoginRequestAnswered)),
            (Deny, S::Expired, Some(Reason::LoginRequestExpired)),
            (Deny, S::Cancelled, Some(Reason::LoginRequestAnswered)),
            (Deny, S::Refused, Some(Reason::LoginRequestRefused)),
            (Deny, S::Sending, Some(Reason::OutcomeUnknown)),
            (Report, S::Denied, None),
            (Report, S::Sending, Some(Reason::OutcomeUnknown)),
        ];
        for (verdict, state, reason) in table {
            let found = outcome(verdict, state).check().err();
            assert_eq!(
                found.map(|failure| failure.reason()),
                reason,
                "{verdict:?} {state:?}"
            );
        }
    }

    #[test]
    fn a_person_reads_what_became_of_it() {
        let style = Style::new(false, 80);
        assert_eq!(
            outcome(Verdict::Approve, LoginRequestState::LoggedIn).friendly(&style),
            "Approved. Logged in to Example Portal.\n"
        );
        assert_eq!(
            outcome(Verdict::Deny, LoginRequestState::Denied).friendly(&style),
            "Denied. Example Portal lets nobody in.\n"
        );
    }
}
