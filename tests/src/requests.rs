//! A second client of the agent that watches its login requests.

use std::path::Path;

use anyhow::{Context as _, Result};
use countersign_client::{AgentClient, LoginRequestWatch, SocketPath};
use countersign_proto::agent::v1::{LoginRequest, LoginRequestState};

use crate::patiently;

/// The agent's login requests as they change.
#[derive(Debug)]
pub struct RequestWatch {
    changes: LoginRequestWatch,
    seen: Vec<LoginRequest>,
}

impl RequestWatch {
    /// Begins to watch; has the snapshot when it returns.
    ///
    /// # Errors
    ///
    /// The agent does not answer.
    pub fn new(socket: &Path) -> Result<Self> {
        let begun = async {
            let mut client = AgentClient::connect(&SocketPath::new(socket)).await?;
            let mut changes = client.watch_login_requests().await?;
            let snapshot = changes.next().await?.context("the watch ended at once")?;
            anyhow::Ok(Self {
                changes,
                seen: snapshot.snapshot,
            })
        };
        patiently("the agent's login requests", begun)?
    }

    /// Waits until a request is, or has come, into one of these states, and takes it out.
    ///
    /// # Errors
    ///
    /// None did in time.
    pub fn wait(&mut self, states: &[LoginRequestState]) -> Result<LoginRequest> {
        let Self { changes, seen } = self;
        let wanted = async {
            loop {
                if let Some(at) = seen.iter().position(|one| states.contains(&one.state())) {
                    return anyhow::Ok(seen.swap_remove(at));
                }
                let change = changes.next().await?.context("the agent ended")?;
                let changed = change.changed.context("a change without a request")?;
                seen.retain(|one| one.id != changed.id);
                seen.push(changed);
            }
        };
        patiently(&format!("a login request in {states:?}"), wanted)?
    }

    /// Waits for a request that can be answered.
    ///
    /// # Errors
    ///
    /// None came in time.
    pub fn pending(&mut self) -> Result<LoginRequest> {
        self.wait(&[LoginRequestState::Pending])
    }
}
