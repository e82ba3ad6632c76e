//! `countersign block`: what is declined without a question.

use countersign_proto::agent::v1 as api;
use serde::Serialize;

use super::session::Session;
use crate::{
    cli, clock,
    exit::Failure,
    output::{
        Answer, Paint, Style,
        table::{Cell, tabbed, table},
        words::{self, Word as _},
    },
    text,
};

/// Lists, adds or removes.
pub(crate) async fn run(arguments: cli::Block, session: &Session) -> Result<(), Failure> {
    let (kind, value) = match arguments {
        cli::Block::List => return list(session).await,
        cli::Block::Remove(arguments) => return remove(arguments.id, session).await,
        cli::Block::Resource(arguments) => (api::BlockKind::Resource, arguments.value),
        cli::Block::Address(arguments) => (api::BlockKind::Address, arguments.value),
    };
    let request = api::AddBlockRequest {
        kind: kind.into(),
        value,
    };
    let reply = session.agent().await?.add_block(request).await?;
    session.output.answer(&Added {
        block: reply.block.unwrap_or_default().into(),
    })
}

async fn list(session: &Session) -> Result<(), Failure> {
    let reply = session.agent().await?.list_blocks().await?;
    session.output.answer(&BlockList {
        blocks: reply.blocks.into_iter().map(Block::from).collect(),
    })
}

async fn remove(id: String, session: &Session) -> Result<(), Failure> {
    session.agent().await?.remove_block(id.clone()).await?;
    session.output.answer(&Removed { removed: id })
}

/// One rule.
#[derive(Debug, Serialize)]
struct Block {
    id: String,
    kind: Option<String>,
    value: String,
    created: i64,
    #[serde(skip)]
    by: api::BlockKind,
}

impl From<api::Block> for Block {
    fn from(block: api::Block) -> Self {
        let by = block.kind();
        Self {
            id: block.id,
            kind: by.word(),
            value: block.value,
            created: block.created,
            by,
        }
    }
}

#[derive(Debug, Serialize)]
struct BlockList {
    blocks: Vec<Block>,
}

impl Answer for BlockList {
    fn friendly(&self, style: &Style) -> String {
        if self.blocks.is_empty() {
            return "Nothing is blocked: you are asked about every login request.\n".to_owned();
        }
        let rows: Vec<Vec<Cell>> = self
            .blocks
            .iter()
            .map(|block| {
                let since = clock::from_seconds(block.created)
                    .map(|at| clock::local(at, clock::now()))
                    .unwrap_or_default();
                vec![
                    Cell::new(Paint::Name, &block.id),
                    Cell::plain(words::block_kind(block.by)),
                    Cell::plain(&block.value),
                    Cell::new(Paint::Faint, &since),
                ]
            })
            .collect();
        table(&["ID", "BLOCKED", "VALUE", "SINCE"], &rows, style)
    }

    fn bare(&self) -> String {
        let lines = self.blocks.iter().map(|block| {
            tabbed(&[
                &block.id,
                block.kind.as_deref().unwrap_or_default(),
                &block.value,
            ])
        });
        lines.collect()
    }
}

#[derive(Debug, Serialize)]
struct Added {
    block: Block,
}

impl Answer for Added {
    fn friendly(&self, style: &Style) -> String {
        format!(
            "Login requests {} {} are declined from now on. `countersign block remove {}` ends it.\n",
            match self.block.by {
                api::BlockKind::Address => "from",
                api::BlockKind::Resource | api::BlockKind::Unspecified => "for",
            },
            style.paint(Paint::Name, &text::short(&self.block.value)),
            text::short(&self.block.id),
        )
    }

    fn bare(&self) -> String {
        tabbed(&[&self.block.id])
    }
}

#[derive(Debug, Serialize)]
struct Removed {
    removed: String,
}

impl Answer for Removed {
    fn friendly(&self, _style: &Style) -> String {
        "The rule is gone; you are asked again.\n".to_owned()
    }

    fn bare(&self) -> String {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    #[test]
    fn the_json_shape_is_stable() {
        let block = api::Block {
            id: "3".to_owned(),
            kind: api::BlockKind::Address.into(),
            value: "203.0.113.0/24".to_owned(),
            created: 1_795_487_000,
        };
        let list = BlockList {
            blocks: vec![block.into()],
        };
        assert_eq!(
            json::line(&list),
            "{\"blocks\":[{\"id\":\"3\",\"kind\":\"address\",\"value\":\"203.0.113.0/24\",\"created\":1795487000}]}\n"
        );
        assert_eq!(list.bare(), "3\taddress\t203.0.113.0/24\n");
    }
}
