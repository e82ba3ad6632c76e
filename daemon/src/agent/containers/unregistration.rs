//! A registration ends: here and at the server, or here only.

use countersign_core::privacyidea::{
    ReplyError,
    container::{self, ContainerCall, Permission, Standing},
};

use super::{ContainerError, base_of};
use crate::{
    agent::{
        Agent,
        caller::{About, Caller},
    },
    vault::{ContainerRow, EventKind, Vault},
};

/// What becomes of the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MembersFate {
    /// They stay as tokens of their own.
    Stay,
    /// They are deleted.
    Deleted,
}

/// Does the server hear of it?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerTold {
    /// Yes; without its yes nothing happens.
    Yes,
    /// No.
    No,
}

/// What was done.
#[derive(Debug)]
pub struct Unregistered {
    /// The container's name.
    pub name: String,
    /// The tokens that were deleted, by name.
    pub deleted: Vec<String>,
}

impl Agent {
    /// Ends the registration for a container.
    ///
    /// # Errors
    ///
    /// [`ContainerError::Forbidden`] when the server's policy says no; [`ContainerError::Transport`] when it was not
    /// reached: nothing is changed then.
    pub async fn unregister_container(
        &self,
        selector: &str,
        members: MembersFate,
        told: ServerTold,
        caller: &Caller,
    ) -> Result<Unregistered, ContainerError> {
        self.started().await;
        self.unlock_for(caller, About::new("Unregister a container"))
            .await?;
        let _alone = self.container_exchange.lock().await;
        let row = self.select_container(selector).await?;
        match (told, row.facts.standing) {
            // The server has ended it already.
            (_, Standing::Gone) => {}
            (ServerTold::Yes, Standing::Registered | Standing::Registering) => {
                self.tell_unregistration(&row).await?;
            }
            (ServerTold::No, Standing::Registered | Standing::Registering) => {
                if row.facts.policies.unregistration == Permission::Forbidden {
                    return Err(FORBIDDEN);
                }
            }
        }
        let mut deleted = Vec::new();
        if members == MembersFate::Deleted {
            for token in self.members(row.id).await? {
                let detail = format!("{}: with the container {}", token.serial, row.name);
                self.erase_token(&token, &detail).await?;
                deleted.push(token.name);
            }
        }
        let event = self.event(
            EventKind::ContainerUnregistered,
            "",
            &format!("{} ({})", row.name, row.serial),
        );
        let id = row.id;
        let remove = move |vault: &mut Vault| vault.remove_container(id, Some(&event));
        self.vault.call(remove).await?;
        self.state.facts().containers.remove(&id);
        self.touch();
        Ok(Unregistered {
            name: row.name,
            deleted,
        })
    }

    async fn tell_unregistration(&self, row: &ContainerRow) -> Result<(), ContainerError> {
        match self.unregister_at_server(row).await {
            // It does not know us, which is what was wanted.
            Err(ContainerError::Gone) => Ok(()),
            // An unfinished registration that it has never heard of.
            Err(ContainerError::NotAccepted) if row.facts.standing == Standing::Registering => {
                Ok(())
            }
            told => told,
        }
    }

    async fn unregister_at_server(&self, row: &ContainerRow) -> Result<(), ContainerError> {
        let (base, call) = (base_of(row)?, ContainerCall::Unregister);
        let key = self.registered_key(row).await?;
        let challenge = self.challenge(row, &base, call).await?;
        let form = container::signed_call_form(&base, &row.serial, call, &challenge, &key)?;
        let body = self.post_to(row, &call.address(&base), form).await?;
        match container::read_done_reply(&body) {
            Err(ReplyError::Refused(fault)) if fault.code == container::FORBIDDEN => Err(FORBIDDEN),
            done => Ok(done?),
        }
    }
}

const FORBIDDEN: ContainerError = ContainerError::Forbidden("ends its registration by itself");
