//! `audit list`, `audit verify`, `audit head`, `audit prune`.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Subcommand;
use countersign_core::time::UnixMillis;
use serde_json::json;

use super::output;
use crate::service::Operator;

/// Rows that are read at a time.
const PAGE: u32 = 1000;
/// The longest head that is read, in bytes.
const HEAD: u64 = 4096;

/// Read, check and prune the audit log.
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
    /// Check that no row was changed, removed or added
    Verify {
        /// Also that the log holds what this exported head says: that it was not cut off or written anew
        #[arg(long, value_name = "FILE")]
        head: Option<PathBuf>,
    },
    /// Print the signed head of the log, to be kept on another machine
    Head,
    /// Check the log, remove what is older, and print the signed mark from which it goes on
    Prune {
        /// A day, as 2026-01-31; its rows stay
        #[arg(long, value_name = "DATE")]
        before: jiff::civil::Date,
    },
}

impl Audit {
    pub(super) async fn run(self, operator: &Operator) -> anyhow::Result<()> {
        let service = operator.service();
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
            Self::Verify { head } => {
                let head = head.map(|path| exported(&path)).transpose()?;
                let verified = service.verify_audit(head.as_deref()).await?;
                let first = verified.pruned.saturating_add(1);
                output::explain(&format!(
                    "Rows {first} to {} follow from each other{}.",
                    verified.last,
                    if head.is_some() {
                        ", and the head is among them"
                    } else {
                        ""
                    }
                ));
                Ok(())
            }
            Self::Head => output::answer(service.audit_head().await?.trim_end()),
            Self::Prune { before } => {
                let midnight = before.at(0, 0, 0, 0);
                let before = jiff::tz::TimeZone::UTC.to_timestamp(midnight)?;
                let before = UnixMillis(before.as_millisecond());
                let pruned = operator.prune_audit(before).await?;
                output::explain(&format!("Rows up to {} are gone.", pruned.last));
                output::answer(pruned.mark.trim_end())
            }
        }
    }
}

/// A head from a file. More than a head is never read.
fn exported(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(HEAD).read_to_string(&mut text));
    read.with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(text)
}
