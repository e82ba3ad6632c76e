//! `countersign vault slot list`: the ways in which the vault opens.

use countersign_proto::agent::v1 as api;
use serde::Serialize;

use super::session::Session;
use crate::{
    exit::Failure,
    output::{
        Answer, Paint, Style,
        table::{Cell, tabbed, table},
        words::{self, Word as _},
    },
};

/// Lists them as the agent orders them.
pub(crate) async fn run(session: &Session) -> Result<(), Failure> {
    let reply = session.agent().await?.list_slots().await?;
    session.output.answer(&SlotList {
        slots: reply.slots.into_iter().map(Slot::from).collect(),
    })
}

#[derive(Debug, Serialize)]
struct SlotList {
    slots: Vec<Slot>,
}

/// One way.
#[derive(Debug, Serialize)]
pub(super) struct Slot {
    pub(super) id: String,
    pub(super) kind: Option<String>,
    pub(super) pin: bool,
    #[serde(skip)]
    pub(super) key: api::VaultKey,
}

impl From<api::VaultSlot> for Slot {
    fn from(slot: api::VaultSlot) -> Self {
        let key = slot.kind();
        Self {
            id: slot.id,
            kind: key.word(),
            pin: slot.pin,
            key,
        }
    }
}

impl Slot {
    /// What it takes to open it.
    const fn takes(&self) -> &'static str {
        match (self.key, self.pin) {
            (api::VaultKey::Passphrase, _) => "your passphrase",
            (api::VaultKey::RecoveryCode, _) => "the printed code",
            (_, true) => "your PIN",
            (_, false) => "nothing that is asked",
        }
    }
}

impl Answer for SlotList {
    fn friendly(&self, style: &Style) -> String {
        if self.slots.is_empty() {
            return "There is no vault yet. `countersign setup` makes it.\n".to_owned();
        }
        let rows: Vec<Vec<Cell>> = self
            .slots
            .iter()
            .map(|slot| {
                vec![
                    Cell::new(Paint::Name, &slot.id),
                    Cell::plain(words::vault_key(slot.key)),
                    Cell::plain(slot.takes()),
                ]
            })
            .collect();
        table(&["ID", "OPENS WITH", "TAKES"], &rows, style)
    }

    fn bare(&self) -> String {
        self.slots
            .iter()
            .map(|slot| {
                let kind = slot.kind.as_deref().unwrap_or_default();
                tabbed(&[&slot.id, kind, words::yes(slot.pin)])
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    fn list() -> SlotList {
        let slot = |id: &str, kind: api::VaultKey, pin| {
            Slot::from(api::VaultSlot {
                id: id.to_owned(),
                kind: kind.into(),
                pin,
            })
        };
        SlotList {
            slots: vec![
                slot("1", api::VaultKey::SecretService, true),
                slot("2", api::VaultKey::RecoveryCode, false),
                slot("4", api::VaultKey::Tpm, false),
            ],
        }
    }

    #[test]
    fn each_reader_gets_the_same_ways() {
        assert_eq!(
            list().friendly(&Style::new(false, 80)),
            concat!(
                "ID  OPENS WITH      TAKES\n",
                "1   Secret Service  your PIN\n",
                "2   recovery code   the printed code\n",
                "4   TPM             nothing that is asked\n",
            )
        );
        assert_eq!(
            list().bare(),
            "1\tsecret_service\tyes\n2\trecovery_code\tno\n4\ttpm\tno\n"
        );
        assert_eq!(
            json::line(&list()),
            concat!(
                r#"{"slots":[{"id":"1","kind":"secret_service","pin":true},"#,
                r#"{"id":"2","kind":"recovery_code","pin":false},{"id":"4","kind":"tpm","pin":false}]}"#,
                "\n"
            )
        );
    }
}
