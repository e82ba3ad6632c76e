//! `org.countersign.Agent1` on the session bus: the same stories, nothing of its own.
//!
//! Invariant: no PIN, seed or passcode in a property, signal or reply: other programs can read the bus.

#![expect(
    missing_docs,
    reason = "the interface macro makes a public trait for the signal"
)]

use std::{collections::HashMap, sync::Arc};

use countersign_proto::dbus;
use tokio::sync::broadcast::error::RecvError;
use tracing::{info, warn};
use zbus::{
    Connection, DBusError, Message, fdo::RequestNameFlags, interface, message::Header,
    names::ErrorName, object_server::SignalEmitter, zvariant::OwnedValue, zvariant::Value,
};

use crate::agent::{
    Agent, Change,
    autosend::Autosend,
    caller::Caller,
    explain::{Explain, sentences},
    login_request::{AnswerWish, RequestSelector, RequestView},
};

/// A refusal under its D-Bus name.
#[derive(Debug)]
struct Refusal {
    name: String,
    description: String,
}

impl<E: Explain> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self {
            name: error.reason().dbus_name(),
            description: sentences(&error),
        }
    }
}

impl DBusError for Refusal {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        Message::error(call, self.name())?.build(&self.description)
    }

    fn name(&self) -> ErrorName<'_> {
        ErrorName::try_from(self.name.as_str()).unwrap_or_else(|_never| {
            ErrorName::from_static_str_unchecked("org.countersign.Agent1.Error.Internal")
        })
    }

    fn description(&self) -> Option<&str> {
        Some(&self.description)
    }
}

struct AgentObject {
    agent: Arc<Agent>,
}

#[interface(name = "org.countersign.Agent1")]
impl AgentObject {
    /// The vault is not open.
    #[zbus(property)]
    async fn locked(&self) -> bool {
        !self.agent.is_unlocked().await
    }

    /// Login requests that wait for an answer.
    #[zbus(property)]
    fn pending_count(&self) -> u32 {
        u32::try_from(self.agent.pending_login_requests().len()).unwrap_or(u32::MAX)
    }

    /// Login requests are taken at all.
    #[zbus(property)]
    async fn autosend(&self) -> zbus::fdo::Result<bool> {
        Ok(self.agent.autosend().await == Autosend::On)
    }

    #[zbus(property)]
    async fn set_autosend(&self, on: bool) -> zbus::Result<()> {
        self.agent
            .set_autosend(None, if on { Autosend::On } else { Autosend::Off })
            .await
            .map_err(|error| zbus::Error::Failure(error.to_string()))
    }

    /// The agent's version.
    #[zbus(property(emits_changed_signal = "const"))]
    #[expect(clippy::unused_self, reason = "a property has a self")]
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// Pending login requests, newest first: dictionaries with `id`, `resource`, `user`,
    /// `client_address`, `place`, `program`, `token`, `created_ms`, `left_ms`, `number_required`, `origin`
    /// (`unknown`, `this_computer`, `same_network`, `other_address`), `question`, `service`.
    fn list_login_requests(&self) -> Vec<HashMap<String, OwnedValue>> {
        self.agent
            .pending_login_requests()
            .iter()
            .map(dictionary)
            .collect()
    }

    /// Starts the approval of a pending login request; the verification that its token asks for follows.
    async fn approve(&self, id: &str) -> Result<String, Refusal> {
        self.answer(id, AnswerWish::Approve { number: None }).await
    }

    /// Denies a pending login request.
    async fn deny(&self, id: &str) -> Result<String, Refusal> {
        self.answer(id, AnswerWish::Deny).await
    }

    /// "It wasn't me!": denies if that is still possible, and reports.
    async fn report(&self, id: &str) -> Result<String, Refusal> {
        self.answer(id, AnswerWish::Report).await
    }

    /// Locks the vault.
    async fn lock(&self) {
        self.agent.lock().await;
    }

    /// Names of the tokens.
    async fn list_tokens(&self) -> Result<Vec<String>, Refusal> {
        Ok(self
            .agent
            .tokens()
            .await?
            .into_iter()
            .map(|token| token.name)
            .collect())
    }

    /// A login request came, changed or ended. Call `ListLoginRequests` for what is pending now.
    #[zbus(signal)]
    async fn login_request_changed(
        emitter: &SignalEmitter<'_>,
        id: &str,
        state: &str,
    ) -> zbus::Result<()>;
}

impl AgentObject {
    async fn answer(&self, id: &str, wish: AnswerWish) -> Result<String, Refusal> {
        let view = self
            .agent
            .answer(RequestSelector::Id(id.to_owned()), wish, &Caller::default())
            .await?;
        Ok(view.standing.word().to_owned())
    }
}

fn dictionary(view: &RequestView) -> HashMap<String, OwnedValue> {
    let left = u32::try_from(view.left.as_millis()).unwrap_or(u32::MAX);
    let fields: [(&str, Value<'_>); 13] = [
        ("id", view.id.to_string().into()),
        ("resource", view.resource.as_str().into()),
        ("user", view.user.as_str().into()),
        ("client_address", view.client_address.as_str().into()),
        ("place", view.place.as_str().into()),
        ("program", view.program.as_str().into()),
        ("token", view.token.as_str().into()),
        ("created_ms", view.created.0.into()),
        ("left_ms", left.into()),
        ("number_required", view.number_required().into()),
        ("origin", view.origin.word().into()),
        ("question", view.question.as_str().into()),
        ("service", view.service.as_str().into()),
    ];
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.try_to_owned().ok()?)))
        .collect()
}

/// Takes the name on the session bus and serves until the agent ends. Without a session bus the agent
/// goes on without: every other way still answers.
pub async fn serve(agent: Arc<Agent>, bus: Option<Connection>) {
    let Some(connection) = bus else {
        info!("no session bus: no D-Bus interface");
        return;
    };
    match publish(Arc::clone(&agent), &connection).await {
        Ok(()) => announce(&agent, &connection).await,
        Err(error) => warn!(%error, "no D-Bus interface in this session"),
    }
}

/// The object first, then the name: whoever sees the name can call.
async fn publish(agent: Arc<Agent>, connection: &Connection) -> zbus::Result<()> {
    connection
        .object_server()
        .at(dbus::PATH, AgentObject { agent })
        .await?;
    connection
        .request_name_with_flags(dbus::NAME, RequestNameFlags::DoNotQueue.into())
        .await?;
    Ok(())
}

/// Emits what changes, for as long as the agent lives.
async fn announce(agent: &Arc<Agent>, connection: &Connection) {
    let Ok(object) = connection
        .object_server()
        .interface::<_, AgentObject>(dbus::PATH)
        .await
    else {
        return;
    };
    let mut changes = agent.watch_changes();
    loop {
        let emitter = object.signal_emitter();
        let said = match changes.recv().await {
            Ok(Change::LoginRequest(id)) => {
                let view = agent.login_request_view(id);
                let word = view.map_or("closed", |view| view.standing.word());
                let said = AgentObject::login_request_changed(emitter, &id.to_string(), word).await;
                said.and(object.get().await.pending_count_changed(emitter).await)
            }
            Ok(Change::Vault) => object.get().await.locked_changed(emitter).await,
            Ok(Change::Autosend) => object.get().await.autosend_changed(emitter).await,
            Ok(Change::Services | Change::Session | Change::Pairings)
            | Err(RecvError::Lagged(_)) => Ok(()),
            Err(RecvError::Closed) => return,
        };
        if let Err(error) = said {
            warn!(%error, "the session bus went away");
            return;
        }
    }
}
