//! `token add` and what becomes of tokens.

mod add;
mod rules;

pub(super) use rules::Rules;

use clap::{Subcommand, ValueEnum};
use countersign_core::secret::SecretText;
use serde_json::json;

use super::output;
use crate::{
    control,
    service::{Change, HelpdeskError, Operator, Service, TokenInfo},
};

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// Issue tokens, and say what becomes of them.
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Issue a token and print its activation string
    Add(add::Add),
    /// List the tokens
    List {
        /// Only this user's
        user: Option<String>,
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show one token, with the rules of its PIN
    Show {
        /// Serial
        serial: String,
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Stop a token until it is resumed
    Suspend {
        /// Serial
        serial: String,
    },
    /// Let a suspended token go on; also unlocks typing and the server PIN
    Resume {
        /// Serial
        serial: String,
    },
    /// End the locks after wrong passcodes and server PINs: of the token, its user, and every address of the user
    Unlock {
        /// Serial
        serial: String,
    },
    /// Print a one-time code for a user whose desktop is lost or locked out; it is typed like a passcode
    HelpdeskCode {
        /// User
        user: String,
        /// Good for so long
        #[arg(long, value_name = "MINUTES", default_value_t = 15)]
        minutes: u32,
    },
    /// Forget a token's server PIN; its agent asks the user for a new one
    PinReset {
        /// Serial
        serial: String,
    },
    /// End a token for good; its agent erases the secrets
    Revoke {
        /// Serial
        serial: String,
    },
    /// End a token for good and forget it
    Delete {
        /// Serial
        serial: String,
    },
    /// Find a token's counter or clock again from two passcodes in a row
    Resync {
        /// Serial
        serial: String,
        /// A passcode
        code1: String,
        /// The one that the token generated after it
        code2: String,
    },
}

impl Token {
    pub(super) async fn run(self, operator: &Operator) -> anyhow::Result<()> {
        let service = operator.service();
        match self {
            Self::Add(add) => add.run(operator).await,
            Self::List { user, json } => list(service, user.as_deref(), json).await,
            Self::Show { serial, json } => show(service, &serial, json).await,
            Self::Suspend { serial } => {
                told(service, operator.suspend_token(&serial).await?).await;
                output::explain(&format!("Suspended {serial}."));
                Ok(())
            }
            Self::Resume { serial } => {
                told(service, operator.resume_token(&serial).await?).await;
                output::explain(&format!("{serial} goes on."));
                Ok(())
            }
            Self::Unlock { serial } => {
                told(service, operator.unlock_token(&serial).await?).await;
                output::explain(&format!("{serial} is unlocked."));
                Ok(())
            }
            Self::HelpdeskCode { user, minutes } => helpdesk_code(operator, &user, minutes).await,
            Self::PinReset { serial } => {
                told(service, operator.reset_server_pin(&serial).await?).await;
                output::explain(&format!(
                    "{serial} has no server PIN any more. Until the user has chosen a new one in the agent, it\n\
                     approves nothing and its passcodes do not count."
                ));
                Ok(())
            }
            Self::Revoke { serial } => {
                told(service, operator.revoke_token(&serial).await?).await;
                output::explain(&format!("Revoked {serial}; its agent erases it."));
                Ok(())
            }
            Self::Delete { serial } => {
                told(service, operator.delete_token(&serial).await?).await;
                output::explain(&format!("Deleted {serial}."));
                Ok(())
            }
            Self::Resync {
                serial,
                code1,
                code2,
            } => {
                operator
                    .resynchronise_token(&serial, SecretText::new(code1), SecretText::new(code2))
                    .await?;
                output::explain(&format!("{serial} is found again."));
                Ok(())
            }
        }
    }
}

/// The serving process, if there is one, hears of the change.
async fn told(service: &Service, change: Change) {
    control::announce(service.data(), &change).await;
}

async fn helpdesk_code(operator: &Operator, user: &str, minutes: u32) -> anyhow::Result<()> {
    let issued =
        operator
            .issue_helpdesk_code(user, minutes)
            .await
            .map_err(|refused| match refused {
                HelpdeskError::TooMany { again } => {
                    let again = output::time(again.0);
                    anyhow::Error::from(refused).context(format!("no code before {again}"))
                }
                HelpdeskError::UnknownUser
                | HelpdeskError::Validity
                | HelpdeskError::Service(_) => refused.into(),
            })?;
    output::explain(&format!(
        "Be sure who asks. {user} types this instead of a passcode, once, until {}:",
        output::time(issued.expires.0)
    ));
    output::answer(issued.code.expose())
}

async fn list(service: &Service, user: Option<&str>, json: bool) -> anyhow::Result<()> {
    let Some(tokens) = service.tokens(user).await? else {
        anyhow::bail!("there is no such user");
    };
    if json {
        return output::json(&json!({ "tokens": tokens }));
    }
    let head = [
        "SERIAL", "USER", "STATE", "MODE", "PIN", "PUSH", "USED", "DEVICE",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for token in tokens {
        rows.push(vec![
            token.serial.clone(),
            token.user.clone(),
            state(&token),
            token.mode.clone(),
            token.pin.brief(),
            switch(token.push).to_owned(),
            token.last_used_ms.map(output::time).unwrap_or_default(),
            token.device.unwrap_or_default(),
        ]);
    }
    output::table(&rows)
}

async fn show(service: &Service, serial: &str, json: bool) -> anyhow::Result<()> {
    let Some(token) = service.token(serial).await? else {
        anyhow::bail!("there is no token with this serial");
    };
    if json {
        return output::json(&token);
    }
    let mut rows = vec![
        ("Serial", token.serial.clone()),
        ("User", token.user.clone()),
        ("State", state(&token)),
        ("Mode", token.mode.clone()),
        ("PIN", token.pin.to_string()),
        ("Push", switch(token.push).to_owned()),
        ("Device", token.device.clone().unwrap_or_default()),
        (
            "Last used",
            token.last_used_ms.map(output::time).unwrap_or_default(),
        ),
        ("Issued", output::time(token.created_ms)),
    ];
    if !token.policy_name.is_empty() {
        rows.push(("Policy", token.policy_name.clone()));
        rows.push(("Policy level", token.policy_level.clone()));
    }
    if token.number_matching {
        rows.push(("Numbers", "have to be typed".to_owned()));
    }
    if token.exportable {
        rows.push(("Exportable", "yes".to_owned()));
    }
    if token.drift != 0 {
        rows.push(("Drift", format!("{} time steps", token.drift)));
    }
    if token.next_counter != 0 {
        rows.push(("Next counter", token.next_counter.to_string()));
    }
    output::facts(&rows)
}

const fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// The state in words, and what is locked until when.
fn state(token: &TokenInfo) -> String {
    let locks = [
        ("typing", token.typing_locked_until_ms),
        ("server PIN", token.pin.locked_until_ms()),
    ];
    let locks = locks.into_iter().filter_map(|(what, until)| {
        let until = output::time(until?);
        Some(format!("{what} locked until {until}"))
    });
    let words: Vec<String> = [token.state.to_string()].into_iter().chain(locks).collect();
    words.join(", ")
}
