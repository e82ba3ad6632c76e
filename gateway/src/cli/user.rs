//! `user add`, `user password`, `user import`, `user list`.

use std::{
    fs,
    io::{self, Read as _},
    path::PathBuf,
};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::json;

use super::output;
use crate::service::{LONGEST_USER_LIST, ListEffect, Operator, UserList};

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
    /// Give a user another password
    Password {
        /// Name
        user: String,
        /// Read the password from standard input, one line
        #[arg(long)]
        password_stdin: bool,
    },
    /// Add and change users by a list in CSV: all of it, or nothing
    Import {
        /// The list; `-` reads standard input. Its first line names the columns: `user`, `full_name`, `mail`, `password`
        file: PathBuf,
        /// Only say what it would do
        #[arg(long)]
        dry_run: bool,
        /// As one JSON object
        #[arg(long)]
        json: bool,
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
            Self::Password {
                user,
                password_stdin,
            } => {
                if !password_stdin {
                    bail!("give the password on standard input: --password-stdin");
                }
                operator.set_password(&user, output::secret_line()?).await?;
                output::explain(&format!("{user} has another password."));
                Ok(())
            }
            Self::Import {
                file,
                dry_run,
                json,
            } => {
                let list = UserList::from_csv(&read(&file)?)?;
                let effects = if dry_run {
                    operator.preview_users(&list).await?
                } else {
                    operator.import_users(list).await?
                };
                told(&effects, json)?;
                if dry_run {
                    output::explain("Nothing was changed.");
                }
                Ok(())
            }
            Self::List { json: true } => output::json(&json!({ "users": service.users().await? })),
            Self::List { json: false } => {
                let mut rows = vec![
                    ["USER", "NAME", "MAIL", "FROM", "TOKENS", "SINCE"]
                        .map(str::to_owned)
                        .to_vec(),
                ];
                for user in service.users().await? {
                    rows.push(vec![
                        user.name,
                        user.details.full_name,
                        user.details.mail,
                        match user.details.directory_dn {
                            Some(_) => "directory".to_owned(),
                            None => String::new(),
                        },
                        user.tokens.to_string(),
                        output::time(user.created_ms),
                    ]);
                }
                output::table(&rows)
            }
        }
    }
}

/// What a list does, or has done, to each user.
fn told(effects: &[(String, ListEffect)], json: bool) -> anyhow::Result<()> {
    if json {
        let users: Vec<_> = effects
            .iter()
            .map(|(user, effect)| json!({ "user": user, "effect": effect.word() }))
            .collect();
        return output::json(&json!({ "users": users }));
    }
    let mut rows = vec![["USER", "EFFECT"].map(str::to_owned).to_vec()];
    for (user, effect) in effects {
        rows.push(vec![user.clone(), effect.word().to_owned()]);
    }
    output::table(&rows)
}

/// A list, up to a byte more than a list may have.
fn read(file: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    let most = u64::try_from(LONGEST_USER_LIST)?.saturating_add(1);
    let mut bytes = Vec::new();
    let read = if file.as_os_str() == "-" {
        io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        fs::File::open(file).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(bytes)
}
