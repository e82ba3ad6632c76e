//! `user add`, `user list`.

use anyhow::bail;
use clap::Subcommand;
use serde_json::json;

use super::output;
use crate::service::Operator;

/// Add and list users.
#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a user
    Add {
        /// Name
        user: String,
        /// Read the password from standard input, one line
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the users
    List {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
}

impl User {
    pub(super) async fn run(self, operator: &Operator) -> anyhow::Result<()> {
        let service = operator.service();
        match self {
            Self::Add {
                user,
                password_stdin,
            } => {
                if !password_stdin {
                    bail!("give the password on standard input: --password-stdin");
                }
                operator.add_user(&user, output::secret_line()?).await?;
                output::explain(&format!(
                    "Added {user}. Next: `token add {user} --mode time`."
                ));
                Ok(())
            }
            Self::List { json: true } => output::json(&json!({ "users": service.users().await? })),
            Self::List { json: false } => {
                let mut rows = vec![["USER", "TOKENS", "SINCE"].map(str::to_owned).to_vec()];
                for user in service.users().await? {
                    rows.push(vec![
                        user.name,
                        user.tokens.to_string(),
                        output::time(user.created_ms),
                    ]);
                }
                output::table(&rows)
            }
        }
    }
}
