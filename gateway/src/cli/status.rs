//! `status`.

use clap::Args;
use serde_json::{Value, json};

use super::output;
use crate::{control, service::Service};

/// Show how things stand.
#[derive(Debug, Args)]
pub(super) struct Status {
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) async fn run(self, service: &Service) -> anyhow::Result<()> {
        let overview = service.overview().await?;
        let connected = control::connected(service.data()).await;
        if self.json {
            let mut object = serde_json::to_value(&overview)?;
            if let Value::Object(fields) = &mut object {
                fields.insert("serving".to_owned(), json!(connected.is_some()));
                fields.insert("connected_agents".to_owned(), json!(connected));
            }
            return output::json(&object);
        }
        let serving = connected.map_or_else(
            || "no".to_owned(),
            |agents| format!("yes, {agents} agents connected"),
        );
        let rows = [
            ("Gateway", overview.name),
            ("URL", overview.url),
            ("Pin", overview.pin),
            ("Serving", serving),
            ("Users", overview.users.to_string()),
            (
                "Tokens",
                format!("{} active of {}", overview.active_tokens, overview.tokens),
            ),
            ("Pending logins", overview.pending_logins.to_string()),
        ];
        let rows: Vec<Vec<String>> = rows
            .into_iter()
            .map(|(name, value)| vec![name.to_owned(), value])
            .collect();
        output::table(&rows)
    }
}
