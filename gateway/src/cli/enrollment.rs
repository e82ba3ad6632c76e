//! `enrollment link`, `enrollment mail`, `enrollment list`.

use clap::Subcommand;
use serde_json::json;

use super::output;
use crate::service::{EnrollmentLink, Operator};

/// Make personal enrollment links, and see who waits for what.
#[derive(Debug, Subcommand)]
pub(super) enum Enrollment {
    /// Print a new personal link to the enrollment page; the link and activation string before are good no longer
    Link {
        /// Whose
        user: String,
        /// Which of the user's tokens, where several wait for their enrollment
        #[arg(long, value_name = "SERIAL")]
        token: Option<String>,
    },
    /// Make a new personal link and mail it to its user ([mail] in config.toml)
    Mail {
        /// Whose
        user: String,
        /// Which of the user's tokens, where several wait for their enrollment
        #[arg(long, value_name = "SERIAL")]
        token: Option<String>,
        /// Print the message in place of sending it: to look at, to save, for another program
        #[arg(long)]
        print: bool,
    },
    /// List the tokens that wait for their enrollment, and who asks for a new link
    List {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
}

impl Enrollment {
    pub(super) async fn run(self, operator: &Operator) -> anyhow::Result<()> {
        match self {
            Self::Link { user, token } => {
                let link = operator
                    .make_enrollment_link(&user, token.as_deref())
                    .await?;
                hand_over(&link)
            }
            Self::Mail { user, token, print } => {
                let mail = operator.enrollment_mail(&user, token.as_deref()).await?;
                if print {
                    return output::answer(mail.message.expose().trim_end());
                }
                operator.service().send_mail(&mail).await?;
                output::explain(&format!("Mailed a new link to {}.", mail.to));
                Ok(())
            }
            Self::List { json } => list(operator, json).await,
        }
    }
}

/// Prints a link.
pub(super) fn hand_over(link: &EnrollmentLink) -> anyhow::Result<()> {
    output::explain(&format!(
        "Personal link of {}, for {}. Good until {}, and used up by the enrollment. Whoever has it can add\n\
         the token: send it so that nobody else can read it:",
        link.user,
        link.serial,
        output::time(link.expires.0)
    ));
    output::answer(link.url.expose())
}

async fn list(operator: &Operator, json: bool) -> anyhow::Result<()> {
    let enrollments = operator.service().enrollments().await?;
    if json {
        return output::json(&json!({ "enrollments": enrollments }));
    }
    let head = [
        "SERIAL",
        "USER",
        "STATE",
        "ACTIVATION UNTIL",
        "LINK UNTIL",
        "ASKS FOR A LINK",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for waiting in enrollments {
        let time = |at: Option<i64>| at.map(output::time).unwrap_or_default();
        rows.push(vec![
            waiting.serial,
            waiting.user,
            waiting.state.to_string(),
            time(waiting.activation_until_ms),
            time(waiting.link_until_ms),
            time(waiting.asked_ms),
        ]);
    }
    output::table(&rows)
}
