//! `token add`.

use clap::Args;
use countersign_core::token::{PushPolicy, VerificationLevel};

use super::Rules;
use crate::{
    cli::{enrollment, output},
    service::Operator,
};

/// Issue a token.
#[derive(Debug, Args)]
pub(in crate::cli) struct Add {
    /// Whose
    user: String,
    /// By this policy, in place of the options below
    #[arg(long, value_name = "NAME", conflicts_with = "Rules")]
    policy: Option<String>,
    /// Print a personal link to the enrollment page, in place of the activation string
    #[arg(long)]
    link: bool,
    #[command(flatten)]
    rules: Rules,
}

impl Add {
    pub(super) async fn run(self, operator: &Operator) -> anyhow::Result<()> {
        let user = self.user;
        let issued = if let Some(policy) = &self.policy {
            operator.issue_token_by_policy(&user, policy).await?
        } else {
            let rules = self.rules.rules()?;
            let click = rules.push == PushPolicy::Allowed(VerificationLevel::Click);
            let issued = operator.issue_token(&user, rules).await?;
            if click {
                output::warn(
                    "note: with --push-level click anybody at the unlocked desktop can approve logins of this user",
                );
            }
            issued
        };
        if self.link {
            let serial = Some(issued.serial.as_str());
            let link = operator.make_enrollment_link(&user, serial).await?;
            return enrollment::hand_over(&link);
        }
        output::explain(&format!(
            "Activation string of {}, for {user}. Good until {}. Hand it over so that nobody else\n\
             can read it; the user runs `countersign enroll` and pastes it:",
            issued.serial,
            output::time(issued.expires.0)
        ));
        output::answer(issued.activation.to_text().expose())
    }
}
