//! `countersign lock`: seals the vault.

use serde::Serialize;

use super::session::Session;
use crate::{
    exit::Failure,
    output::{Answer, Style},
};

/// Locks it; one that is locked stays so.
pub(crate) async fn run(session: &Session) -> Result<(), Failure> {
    session.agent().await?.lock().await?;
    session.output.answer(&Locked { vault: "locked" })
}

#[derive(Debug, Serialize)]
struct Locked {
    vault: &'static str,
}

impl Answer for Locked {
    fn friendly(&self, _style: &Style) -> String {
        "The vault is locked.\n".to_owned()
    }

    fn bare(&self) -> String {
        String::new()
    }
}
