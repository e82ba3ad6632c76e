//! `countersign container`: what this device is registered for at privacyIDEA servers.

use countersign_proto::agent::v1::{self as api, Reason};
use serde::Serialize;

use super::session::Session;
use crate::{
    cli,
    exit::Failure,
    output::{
        Answer, Paint, Style,
        container::{Container, ContainerList, ContainerSync, Synced},
        table::tabbed,
    },
    prompt, text,
};

/// Lists, synchronises, renews or unregisters.
pub(crate) async fn run(arguments: cli::Container, session: &Session) -> Result<(), Failure> {
    match arguments {
        cli::Container::List => list(session).await,
        cli::Container::Sync(arguments) => {
            sync(arguments.container.unwrap_or_default(), session).await
        }
        cli::Container::Renew(arguments) => renew(arguments.container, session).await,
        cli::Container::Unregister(arguments) => unregister(arguments, session).await,
    }
}

async fn list(session: &Session) -> Result<(), Failure> {
    let reply = session.agent().await?.list_containers().await?;
    session.output.answer(&ContainerList {
        containers: reply.containers.into_iter().map(Container::from).collect(),
    })
}

async fn sync(container: String, session: &Session) -> Result<(), Failure> {
    let mut agent = session.agent().await?;
    let reply = session.patiently(agent.sync_containers(container)).await?;
    let answer = Synced {
        synced: reply.synced.into_iter().map(ContainerSync::from).collect(),
    };
    session.output.answer(&answer)?;
    let trouble = answer.synced.iter().find_map(|synced| {
        let why = synced.container.trouble()?;
        Some(format!(
            "{} was not synchronised: {}",
            text::short(&synced.container.name),
            text::sentence(why)
        ))
    });
    match trouble {
        Some(trouble) => Err(Failure::refused(Reason::GatewayFailed, &trouble, "")),
        None => Ok(()),
    }
}

async fn renew(container: String, session: &Session) -> Result<(), Failure> {
    let mut agent = session.agent().await?;
    let reply = session.patiently(agent.renew_container(container)).await?;
    session.output.answer(&Synced {
        synced: reply.synced.into_iter().map(ContainerSync::from).collect(),
    })
}

async fn unregister(arguments: cli::ContainerUnregister, session: &Session) -> Result<(), Failure> {
    let container = arguments.container.container;
    if !arguments.yes {
        let terminal = prompt::or_refuse(
            session.terminal(),
            Reason::Usage,
            "Nobody confirmed that the registration is to be ended, and there is no terminal to ask on.",
            "Add --yes if it is to be ended.",
        )?;
        let tokens = if arguments.delete_tokens {
            "and delete its tokens"
        } else {
            "and keep its tokens as they are"
        };
        let question = format!(
            "End the registration for {} {tokens}?",
            text::short(&container)
        );
        if !terminal.confirm(&question).await? {
            return Err(Failure::cancelled("Nothing was changed."));
        }
    }
    let request = api::UnregisterContainerRequest {
        container,
        delete_tokens: arguments.delete_tokens,
        only_here: arguments.only_here,
    };
    let mut agent = session.agent().await?;
    let reply = session
        .patiently(agent.unregister_container(request))
        .await?;
    session.output.answer(&Unregistered {
        unregistered: reply.name,
        deleted: reply.deleted,
    })
}

#[derive(Debug, Serialize)]
struct Unregistered {
    unregistered: String,
    deleted: Vec<String>,
}

impl Answer for Unregistered {
    fn friendly(&self, style: &Style) -> String {
        let name = style.paint(Paint::Name, &text::short(&self.unregistered));
        let deleted = self.deleted.iter().map(|token| {
            let name = style.paint(Paint::Name, &text::short(token));
            format!("{name} is deleted.\n")
        });
        core::iter::once(format!("The registration for {name} is ended.\n"))
            .chain(deleted)
            .collect()
    }

    fn bare(&self) -> String {
        self.deleted.iter().map(|token| tabbed(&[token])).collect()
    }
}
