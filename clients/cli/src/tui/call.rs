//! One call to the agent, from a wish to what came of it.

use countersign_client::{AgentClient, ClientError};
use countersign_proto::agent::v1::{self as api, CallerScreen, PasscodeRequestKind};

use super::event::{Answer, Call, Fetch, News, PasscodeOf, Refusal, Reply};
use crate::{commands::Dialer, secret_line::Secret};

/// How many events the log shows.
const EVENTS: u32 = 200;

/// Asks the agent on a connection of its own, which ends with this: a dialog that is open for it goes then.
///
/// # Errors
///
/// The agent refuses, or is away.
pub(super) async fn perform(
    dialer: &Dialer,
    screen: &CallerScreen,
    call: &Call,
    secret: Option<Secret>,
) -> Result<Reply, Refusal> {
    let done = async {
        let mut agent = dialer.dial(screen).await?;
        ask(&mut agent, call, secret).await
    };
    done.await
        .map_err(|error: ClientError| Refusal::from(&error))
}

async fn ask(
    agent: &mut AgentClient,
    call: &Call,
    secret: Option<Secret>,
) -> Result<Reply, ClientError> {
    let secret = secret.map(|secret| secret.to_vec()).unwrap_or_default();
    match call {
        Call::Answer(answer) => {
            let request = request_of(answer, secret);
            let reply = agent.answer_login_request(request).await?;
            Ok(Reply::Answered(Box::new(reply.request.unwrap_or_default())))
        }
        Call::Passcode(PasscodeOf { id, challenge, .. }) => {
            let request = api::GeneratePasscodeRequest {
                token: id.clone(),
                kind: PasscodeRequestKind::Unspecified.into(),
                challenge: challenge.clone(),
                pin: secret,
            };
            agent.generate_passcode(request).await.map(Reply::Passcode)
        }
        Call::Unlock => {
            let request = api::UnlockRequest {
                passphrase: secret,
                recovery_code: Vec::new(),
            };
            agent.unlock(request).await.map(|_unlocked| Reply::Done)
        }
        Call::Lock => agent.lock().await.map(|()| Reply::Done),
        Call::Autosend(on) => {
            let done = agent.set_autosend(String::new(), *on).await;
            done.map(|()| Reply::Done)
        }
        Call::AutosendOf(token, on) => {
            let done = agent.set_autosend(token.clone(), *on).await;
            done.map(|()| Reply::Done)
        }
    }
}

fn request_of(answer: &Answer, pin: Vec<u8>) -> api::AnswerLoginRequestRequest {
    api::AnswerLoginRequestRequest {
        id: answer.id.clone(),
        verdict: answer.verdict.into(),
        number: answer.number.clone(),
        pin,
        newest: false,
    }
}

/// Fetches what a page shows. Nothing comes of it if the agent is away: that is told already.
pub(super) async fn fetch(dialer: &Dialer, what: Fetch) -> Option<News> {
    let fetched = async {
        let mut agent = dialer.dial(&CallerScreen::default()).await?;
        look_up(&mut agent, what).await
    };
    match fetched.await {
        Ok(news) => news,
        Err(error @ ClientError::Refused(_)) => Some(News::Trouble(Refusal::from(&error))),
        Err(_away) => None,
    }
}

async fn look_up(agent: &mut AgentClient, what: Fetch) -> Result<Option<News>, ClientError> {
    Ok(match what {
        Fetch::Status => Some(News::Status(Box::new(agent.status().await?))),
        Fetch::Tokens => match agent.list_tokens().await {
            Ok(reply) => Some(News::Tokens(reply.tokens)),
            // A vault that is not there has no tokens; the status says why.
            Err(ClientError::Refused(_)) => Some(News::Tokens(Vec::new())),
            Err(away) => return Err(away),
        },
        Fetch::History => {
            let request = api::ListLoginRequestsRequest {
                history: true,
                check: false,
            };
            let reply = agent.list_login_requests(request).await?;
            Some(News::History(reply.requests))
        }
        Fetch::Log => Some(News::Log(agent.list_events(EVENTS).await?.events)),
        Fetch::Check => {
            let request = api::ListLoginRequestsRequest {
                history: false,
                check: true,
            };
            // What it finds comes through the watch.
            agent.list_login_requests(request).await?;
            None
        }
    })
}
