//! `administrator add`, `administrator list`, `administrator remove`.

use clap::Subcommand;
use countersign_core::role::Role;
use serde_json::json;

use super::output;
use crate::service::Operator;

/// Say who may use the administration pages.
#[derive(Debug, Subcommand)]
pub(super) enum Administrator {
    /// Give a user a role, in place of the one before; the user logs in with password and passcode
    Add {
        /// User
        user: String,
        /// `administrator` does everything, `helpdesk` helps users, `auditor` reads everything
        #[arg(long)]
        role: Role,
    },
    /// List everybody with a role
    List {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Take a user's role
    Remove {
        /// User
        user: String,
    },
}

impl Administrator {
    pub(super) async fn run(self, operator: &Operator) -> anyhow::Result<()> {
        match self {
            Self::Add { user, role } => {
                operator.give_role(&user, role).await?;
                let origin = operator.service().settings().config.origin();
                output::explain(&format!(
                    "{user} is {role}. The pages are at {origin}/admin/; they ask for password and passcode."
                ));
                Ok(())
            }
            Self::List { json } => {
                let administrators = operator.service().administrators().await?;
                if json {
                    return output::json(&json!({ "administrators": administrators }));
                }
                let mut rows = vec![["USER", "ROLE", "SINCE"].map(str::to_owned).to_vec()];
                for administrator in administrators {
                    rows.push(vec![
                        administrator.user,
                        administrator.role.to_string(),
                        output::time(administrator.since_ms),
                    ]);
                }
                output::table(&rows)
            }
            Self::Remove { user } => {
                operator.take_role(&user).await?;
                output::explain(&format!("{user} has no role any more."));
                Ok(())
            }
        }
    }
}
