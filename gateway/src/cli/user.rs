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
use crate::{
    control,
    service::{LONGEST_USER_LIST, Operator, TakeOver, UserList},
};

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
        /// Users of the list who come from the directory become the gateway's own
        #[arg(long)]
        take_over: bool,
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Add and change users as the directory says ([ldap] in config.toml), and say who is gone there
    SyncLdap {
        /// Only say what it would do
        #[arg(long)]
        dry_run: bool,
        /// The gateway's own users of the same names become the directory's
        #[arg(long)]
        take_over: bool,
        /// Suspend the tokens of users who are gone from the directory
        #[arg(long)]
        suspend_gone: bool,
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
                take_over: take,
                json,
            } => {
                let list = UserList::from_csv(&read(&file)?)?;
                let effects = if dry_run {
                    operator.preview_users(&list, take_over(take)).await?
                } else {
                    operator.import_users(list, take_over(take)).await?
                };
                let effects: Vec<_> = effects
                    .into_iter()
                    .map(|(user, effect)| (user, effect.word()))
                    .collect();
                told(&effects, json)?;
                if dry_run {
                    output::explain("Nothing was changed.");
                }
                Ok(())
            }
            Self::SyncLdap {
                dry_run,
                take_over: take,
                suspend_gone,
                json,
            } => {
                let synced = if dry_run {
                    operator.preview_directory(take_over(take)).await?
                } else {
                    operator
                        .sync_directory(take_over(take), suspend_gone)
                        .await?
                };
                for change in &synced.changes {
                    control::announce(service.data(), change).await;
                }
                for entry in &synced.skipped {
                    output::warn(&format!("skipped: {entry}"));
                }
                let gone = synced.gone.into_iter().map(|user| (user, "gone"));
                let effects = synced.effects.into_iter();
                let effects = effects.map(|(user, effect)| (user, effect.word()));
                told(&effects.chain(gone).collect::<Vec<_>>(), json)?;
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

const fn take_over(wanted: bool) -> TakeOver {
    if wanted { TakeOver::Yes } else { TakeOver::No }
}

/// What a list does, or has done, to each user.
fn told(effects: &[(String, &'static str)], json: bool) -> anyhow::Result<()> {
    if json {
        let users: Vec<_> = effects
            .iter()
            .map(|(user, effect)| json!({ "user": user, "effect": effect }))
            .collect();
        return output::json(&json!({ "users": users }));
    }
    let mut rows = vec![["USER", "EFFECT"].map(str::to_owned).to_vec()];
    for (user, effect) in effects {
        rows.push(vec![user.clone(), (*effect).to_owned()]);
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
