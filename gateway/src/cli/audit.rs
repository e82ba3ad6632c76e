//! `audit list`, `audit verify`.

use anyhow::bail;
use clap::Subcommand;
use serde_json::json;

use super::output;
use crate::service::Service;

/// Rows that are read at a time.
const PAGE: u32 = 1000;

/// Read and check the audit log.
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// List what happened, oldest first
    List {
        /// As one JSON object
        #[arg(long)]
        json: bool,
        /// Only what follows this row
        #[arg(long, value_name = "ROW", default_value_t = 0)]
        after: i64,
    },
    /// Check that no row was changed or left out
    Verify,
}

impl Audit {
    pub(super) async fn run(self, service: &Service) -> anyhow::Result<()> {
        match self {
            Self::List { json, after } => {
                let mut entries = Vec::new();
                let mut last = after;
                loop {
                    let page = service.audit_after(last, PAGE).await?;
                    let Some(end) = page.last() else { break };
                    last = end.seq;
                    entries.extend(page);
                }
                if json {
                    return output::json(&json!({ "events": entries }));
                }
                let mut rows = vec![
                    ["ROW", "TIME", "EVENT", "SUBJECT", "DETAIL"]
                        .map(str::to_owned)
                        .to_vec(),
                ];
                for entry in entries {
                    rows.push(vec![
                        entry.seq.to_string(),
                        output::time(entry.at_ms),
                        entry.event,
                        entry.subject,
                        entry.detail,
                    ]);
                }
                output::table(&rows)
            }
            Self::Verify => match service.verify_audit().await? {
                Ok(count) => {
                    output::explain(&format!("All {count} rows follow from each other."));
                    Ok(())
                }
                Err(broken) => bail!(
                    "row {} of the audit log does not follow from the one before: rows were changed or removed",
                    broken.seq
                ),
            },
        }
    }
}
