//! `policy add`, `policy set`, `policy list`, `policy show`, `policy remove`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{output, token::Rules};
use crate::service::{Operator, PolicyInfo};

/// Name the rules that tokens are issued by.
#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Make a policy
    Add(Named),
    /// Make a policy say what the options say; what is left out gets its default. Tokens keep what they were issued by
    Set(Named),
    /// List the policies
    List {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show one policy
    Show {
        /// Name
        name: String,
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove a policy; tokens that were issued by it stay as they are
    Remove {
        /// Name
        name: String,
    },
}

/// Rules under a name.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// Name: the policy string that the agent shows
    name: String,
    /// Level, as the agent shows it
    #[arg(long, default_value = "")]
    level: String,
    #[command(flatten)]
    rules: Rules,
}

impl Policy {
    pub(super) async fn run(self, operator: &Operator) -> anyhow::Result<()> {
        match self {
            Self::Add(Named { name, level, rules }) => {
                operator.add_policy(&name, &level, rules.rules()?).await?;
                output::explain(&format!(
                    "Made {name}. Next: `token add USER --policy {name}`."
                ));
                Ok(())
            }
            Self::Set(Named { name, level, rules }) => {
                operator
                    .change_policy(&name, &level, rules.rules()?)
                    .await?;
                output::explain(&format!(
                    "Changed {name}. Tokens that were issued by it stay as they are."
                ));
                Ok(())
            }
            Self::List { json } => list(operator, json).await,
            Self::Show { name, json } => show(operator, &name, json).await,
            Self::Remove { name } => {
                operator.remove_policy(&name).await?;
                output::explain(&format!("Removed {name}."));
                Ok(())
            }
        }
    }
}

async fn list(operator: &Operator, json: bool) -> anyhow::Result<()> {
    let policies = operator.service().policies().await?;
    let policies: Vec<PolicyInfo> = policies.iter().map(PolicyInfo::from).collect();
    if json {
        return output::json(&json!({ "policies": policies }));
    }
    let head = [
        "POLICY", "LEVEL", "MODE", "PIN", "PUSH", "NUMBERS", "CHANGED",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for policy in policies {
        rows.push(vec![
            policy.name.clone(),
            policy.level.clone(),
            policy.mode.clone(),
            policy.pin.brief(),
            policy.push_word().to_owned(),
            yes(policy.number_matching),
            output::time(policy.changed_ms),
        ]);
    }
    output::table(&rows)
}

async fn show(operator: &Operator, name: &str, json: bool) -> anyhow::Result<()> {
    let policy = PolicyInfo::from(&operator.service().policy(name).await?);
    if json {
        return output::json(&policy);
    }
    output::facts(&[
        ("Policy", policy.name.clone()),
        ("Level", policy.level.clone()),
        ("Mode", policy.mode.clone()),
        ("PIN", policy.pin.to_string()),
        ("Push", policy.push_word().to_owned()),
        ("Numbers", yes(policy.number_matching)),
        ("Exportable", yes(policy.exportable)),
        ("Changed", output::time(policy.changed_ms)),
    ])
}

fn yes(on: bool) -> String {
    if on { "yes" } else { "no" }.to_owned()
}
