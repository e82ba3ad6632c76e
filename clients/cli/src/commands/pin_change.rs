//! `countersign pin change [TOKEN]`: another PIN, of a token or of the vault.

use countersign_client::AgentClient;
use countersign_proto::agent::v1::{self as api, StatusReply, UnlockMode};
use serde::Serialize;

use super::{
    secrets::{self, Question, Rules, Secrets, Wanted},
    session::Session,
};
use crate::{
    cli,
    exit::Failure,
    output::{Answer, Paint, Style},
    text,
};

/// Changes it, or sets the vault's where there is none.
pub(crate) async fn run(arguments: cli::PinChange, session: &Session) -> Result<(), Failure> {
    let mut agent = session.agent().await?;
    let (mut wanted, what) = match &arguments.token {
        Some(token) => (of_token(token), What::Token),
        None => of_vault(&agent.status().await?),
    };
    let token = arguments.token.unwrap_or_default();
    if what == What::Token && arguments.pin_stdin {
        // How many lines are read depends on it.
        wanted = described(wanted, &token, &mut agent).await;
    }
    let mut secrets = Secrets::begin(arguments.pin_stdin, &wanted)?;
    let reply = loop {
        let attempt = api::ChangePinRequest {
            token: token.clone(),
            current: secrets.current(),
            new: secrets.new_one(),
        };
        match session.patiently(agent.change_pin(attempt)).await {
            Ok(reply) => break reply,
            Err(refusal) => {
                if what == What::Token && secrets.is_empty() {
                    wanted = described(wanted, &token, &mut agent).await;
                }
                secrets.after(refusal, &wanted, session).await?;
            }
        }
    };
    session.output.answer(&Changed {
        pin: if what == What::FirstOfVault {
            "set"
        } else {
            "changed"
        },
        token: Some(reply.name).filter(|name| !name.is_empty()),
        what,
    })
}

fn of_token(token: &str) -> Wanted {
    let words = format!("Current PIN of {}", text::short(token));
    Wanted {
        current: Some(Question::new("PIN", words)),
        new: Some("PIN"),
        ..Wanted::default()
    }
}

/// A vault that opens with the session has nothing that could be asked for first.
fn of_vault(status: &StatusReply) -> (Wanted, What) {
    if status.unlock() == UnlockMode::Session {
        let wanted = Wanted {
            new: Some("PIN"),
            ..Wanted::default()
        };
        return (wanted, What::FirstOfVault);
    }
    let new = secrets::word_for_the_vault(status);
    let current = Question::of_the_vault(status);
    let wanted = Wanted {
        current: Some(Question::new(
            current.what,
            format!("Current {new} of the vault"),
        )),
        new: Some(new),
        ..Wanted::default()
    };
    (wanted, What::Vault(new))
}

/// With what the token's policy asks of a PIN, and without the current one where it was reset. A token that cannot
/// be described changes nothing.
async fn described(wanted: Wanted, token: &str, agent: &mut AgentClient) -> Wanted {
    let described = agent.describe_token(token.to_owned()).await.ok();
    let Some(token) = described.and_then(|reply| reply.token) else {
        return wanted;
    };
    Wanted {
        current: wanted.current.filter(|_| !token.server_pin_due),
        rules: if token.pin_rules.is_empty() {
            Rules::Unknown
        } else {
            Rules::Known(token.pin_rules)
        },
        ..wanted
    }
}

/// Whose PIN it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Token,
    /// The vault's, by its name.
    Vault(&'static str),
    /// The vault's, which had none.
    FirstOfVault,
}

#[derive(Debug, Serialize)]
struct Changed {
    pin: &'static str,
    token: Option<String>,
    #[serde(skip)]
    what: What,
}

impl Answer for Changed {
    fn friendly(&self, style: &Style) -> String {
        match (self.what, &self.token) {
            (What::FirstOfVault, _) => {
                let set = style.paint(Paint::Good, "The PIN is set.");
                format!("{set} `countersign unlock` asks for it from now on.\n")
            }
            (What::Vault(word), _) => {
                let changed = style.paint(Paint::Good, &format!("The {word} is changed."));
                format!("{changed} The vault opens with the new one.\n")
            }
            (What::Token, name) => {
                let name = text::short(name.as_deref().unwrap_or_default());
                let changed = style.paint(Paint::Good, &format!("The PIN of {name} is changed."));
                format!("{changed}\n")
            }
        }
    }

    fn bare(&self) -> String {
        String::new()
    }
}
