//! `countersign vault slot remove ID`: a way less in which the vault opens.

use countersign_client::AgentClient;
use countersign_proto::agent::v1::{self as api, Reason};
use serde::Serialize;

use super::{
    session::Session,
    slot_add::{proof, proved, sent},
    slot_list::Slot,
};
use crate::{
    cli,
    exit::Failure,
    output::{Answer, Style, words},
    prompt, text,
};

/// Removes it after a yes; the agent keeps the last one.
pub(crate) async fn run(arguments: cli::SlotRemove, session: &Session) -> Result<(), Failure> {
    let mut agent = session.agent().await?;
    if !arguments.yes {
        confirm(&arguments.id, &mut agent, session).await?;
    }
    let wanted = proof(&arguments.proof, &agent.status().await?);
    let mut secrets = proved(&arguments.proof, &wanted, session).await?;
    loop {
        let (current, recovery_code) = sent(&arguments.proof, &secrets);
        let attempt = api::RemoveSlotRequest {
            id: arguments.id.clone(),
            current,
            recovery_code,
        };
        match session.patiently(agent.remove_slot(attempt)).await {
            Ok(()) => break,
            Err(refusal) => secrets.after(refusal, &wanted, session).await?,
        }
    }
    session.output.answer(&Removed {
        removed: arguments.id,
    })
}

/// Shows what is removed and asks whether that is right.
async fn confirm(id: &str, agent: &mut AgentClient, session: &Session) -> Result<(), Failure> {
    let terminal = prompt::or_refuse(
        session.terminal(),
        Reason::Usage,
        "Nobody confirmed the removal, and there is no terminal to ask on.",
        "Add --yes if the vault shall no longer open in this way.",
    )?;
    let slots = agent.list_slots().await?.slots;
    let Some(slot) = slots.into_iter().map(Slot::from).find(|slot| slot.id == id) else {
        return Err(Failure::refused(
            Reason::SlotUnknown,
            format!("The vault has no slot {}.", text::short(id)),
            "`countersign vault slot list` shows the slots.",
        ));
    };
    let question = format!(
        "Remove slot {}? The vault will no longer open with the {}.",
        text::short(id),
        words::vault_key(slot.key)
    );
    if terminal.confirm(&question).await? {
        Ok(())
    } else {
        Err(Failure::cancelled("Nothing was removed."))
    }
}

#[derive(Debug, Serialize)]
struct Removed {
    removed: String,
}

impl Answer for Removed {
    fn friendly(&self, _style: &Style) -> String {
        let id = text::short(&self.removed);
        format!("Slot {id} is removed. `countersign vault slot list` shows what is left.\n")
    }

    fn bare(&self) -> String {
        String::new()
    }
}
