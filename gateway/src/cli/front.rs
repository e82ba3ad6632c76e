//! `front add`, `front list`, `front remove`.

use clap::Subcommand;
use serde_json::json;

use super::{output, token::Switch};
use crate::{control, service::Operator};

/// Register the login pages, VPNs and modules that may ask about logins.
#[derive(Debug, Subcommand)]
pub(super) enum Front {
    /// Register a front and print its key, once
    Add {
        /// Name
        name: String,
        /// May it open login requests?
        #[arg(long, value_enum, default_value_t = Switch::On)]
        push: Switch,
    },
    /// List the fronts
    List {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove a front: its key is no longer good
    Remove {
        /// Name
        name: String,
    },
}

impl Front {
    pub(super) async fn run(self, operator: &Operator) -> anyhow::Result<()> {
        let service = operator.service();
        match self {
            Self::Add { name, push } => {
                let key = operator.add_front(&name, push == Switch::On).await?;
                output::explain(&format!("The key of {name}; it is not shown again:"));
                output::answer(key.expose())
            }
            Self::List { json: true } => {
                output::json(&json!({ "fronts": service.fronts().await? }))
            }
            Self::List { json: false } => {
                let mut rows = vec![["FRONT", "PUSH", "SINCE"].map(str::to_owned).to_vec()];
                for front in service.fronts().await? {
                    let push = if front.push { "on" } else { "off" };
                    rows.push(vec![
                        front.name,
                        push.to_owned(),
                        output::time(front.created_ms),
                    ]);
                }
                output::table(&rows)
            }
            Self::Remove { name } => {
                operator.remove_front(&name).await?;
                // It may have been a RADIUS client.
                control::announce_radius(service.data()).await;
                output::explain(&format!("Removed {name}."));
                Ok(())
            }
        }
    }
}
