//! `countersign.browser.v1`: one stream a native-messaging host. Who is behind it belongs to the stream.

use std::sync::Arc;

use countersign_core::{autofill::Scope, secret::SecretBytes};
use countersign_proto::{
    agent::v1::{ErrorDetail, Reason, Verdict},
    browser::v1::{self as wire, browser_server, message::Content, request::Wish},
    limits,
};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    task::{AbortHandle, JoinSet},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status, Streaming};
use tracing::info;

use super::{
    browser_convert::{choice, passcode, state, status, token, vault_state},
    convert::{self, login_request},
    service::{caller, optional},
};
use crate::{
    agent::{
        Agent, Change,
        autofill::{Filling, Window},
        caller::Caller,
        enrollment::{Consent, Gained},
        explain::{Explain, sentence},
        login_request::AnswerWish,
        pairing::{Extension, PairingError, Proven},
        tokens::Belonging,
        unlocking::UnlockWish,
    },
    vault::{PairingRow, VaultError},
};

/// Messages that wait for the host: replies to all that may be under way, and news.
const WAITING: usize = limits::BROWSER_REQUESTS * 2;

pub(super) struct BrowserService {
    agent: Arc<Agent>,
    /// The agent ends: every stream does.
    ending: CancellationToken,
}

impl BrowserService {
    pub(super) const fn new(agent: Arc<Agent>, ending: CancellationToken) -> Self {
        Self { agent, ending }
    }
}

type Messages = mpsc::Sender<Result<wire::Message, Status>>;

#[tonic::async_trait]
impl browser_server::Browser for BrowserService {
    type ConnectStream = ReceiverStream<Result<wire::Message, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<wire::Request>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (caller, here, requests) = caller(request);
        let (messages, stream) = mpsc::channel(WAITING);
        let connection = Connection {
            agent: Arc::clone(&self.agent),
            caller,
            _here: here,
            messages,
            extension: None,
            proven: None,
            watch: None,
            work: JoinSet::new(),
        };
        let ending = self.ending.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = ending.cancelled() => {}
                () = connection.serve(requests) => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// One host. What is under way for it ends with it.
struct Connection {
    agent: Arc<Agent>,
    caller: Caller,
    /// Dialogs for it go when it goes.
    _here: DropGuard,
    messages: Messages,
    extension: Option<Extension>,
    proven: Option<Proven>,
    watch: Option<AbortHandle>,
    work: JoinSet<()>,
}

impl Connection {
    async fn serve(mut self, mut requests: Streaming<wire::Request>) {
        loop {
            tokio::select! {
                () = self.messages.closed() => return,
                Some(_done) = self.work.join_next() => {}
                request = requests.message() => match request {
                    Ok(Some(request)) => {
                        if self.begin(request).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) | Err(_) => return,
                },
            }
        }
    }

    /// Who speaks is settled in the order of the stream; everything else goes on by itself.
    async fn begin(&mut self, request: wire::Request) -> Result<(), Gone> {
        let id = request.id;
        let Some(wish) = request.wish else {
            let unknown = refused(Reason::AgentVersion, "this agent does not know the request");
            return send(&self.messages, id, Content::Error(unknown)).await;
        };
        match wish {
            Wish::Hello(hello) => {
                let greeted = self.greet(&hello);
                send(&self.messages, id, reply(greeted)).await
            }
            Wish::Prove(prove) => {
                let proven = self.prove(&prove.signature).await;
                send(&self.messages, id, reply(proven)).await
            }
            _ if self.work.len() >= limits::BROWSER_REQUESTS => {
                let many = refused(Reason::RateLimited, "too many requests are under way");
                send(&self.messages, id, Content::Error(many)).await
            }
            Wish::Watch(wire::Watch {}) => {
                let errand = self.errand();
                let messages = self.messages.clone();
                if let Some(before) = self.watch.take() {
                    before.abort();
                }
                let watch = self.work.spawn(async move {
                    // Nobody listens any more.
                    drop(errand.watch(id, &messages).await);
                });
                self.watch = Some(watch);
                Ok(())
            }
            wish @ (Wish::Status(_)
            | Wish::Pair(_)
            | Wish::Unlock(_)
            | Wish::Lock(_)
            | Wish::Fill(_)
            | Wish::Bind(_)
            | Wish::Unbind(_)
            | Wish::Tokens(_)
            | Wish::Passcode(_)
            | Wish::Answer(_)
            | Wish::Enroll(_)) => {
                let errand = self.errand();
                let messages = self.messages.clone();
                self.work.spawn(async move {
                    let done = errand.perform(wish).await;
                    drop(send(&messages, id, reply(done)).await);
                });
                Ok(())
            }
        }
    }

    fn errand(&self) -> Errand {
        Errand {
            agent: Arc::clone(&self.agent),
            caller: self.caller.clone(),
            proven: self.proven.clone(),
        }
    }

    fn greet(&mut self, hello: &wire::Hello) -> Result<Content, ErrorDetail> {
        self.proven = None;
        self.extension = None;
        let extension = self
            .agent
            .greet_extension(hello.version, &hello.key, &hello.browser, &hello.extension)
            .map_err(|error| detail(&error, None))?;
        let said = wire::HelloReply {
            nonce: extension.nonce.to_vec(),
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            fingerprint: extension.key.fingerprint(),
        };
        self.extension = Some(extension);
        Ok(Content::Hello(said))
    }

    /// A number is signed once: another try begins with another hello.
    async fn prove(&mut self, signature: &[u8]) -> Result<Content, ErrorDetail> {
        let Some(extension) = self.extension.take() else {
            return Err(detail(&PairingError::NotProven, None));
        };
        let (proven, row) = self
            .agent
            .prove_extension(&extension, signature)
            .await
            .map_err(|error| detail(&error, None))?;
        info!(browser = %proven, paired = row.is_some(), "a browser is connected");
        self.proven = Some(proven);
        Ok(Content::Prove(wire::ProveReply {
            paired: row.is_some(),
            name: row.map(|row| row.name).unwrap_or_default(),
        }))
    }
}

/// The host does not listen any more.
#[derive(Debug)]
struct Gone;

async fn send(messages: &Messages, id: u64, content: Content) -> Result<(), Gone> {
    let message = wire::Message {
        id,
        content: Some(content),
    };
    messages.send(Ok(message)).await.map_err(|_closed| Gone)
}

fn reply(done: Result<Content, ErrorDetail>) -> Content {
    done.unwrap_or_else(Content::Error)
}

/// In whole sentences: the extension shows them as they are.
fn detail(error: &impl Explain, tries_left: Option<u32>) -> ErrorDetail {
    let said = convert::detail(error, tries_left);
    let hint = if said.hint.is_empty() {
        String::new()
    } else {
        sentence(&said.hint)
    };
    ErrorDetail {
        message: sentence(&said.message),
        hint,
        ..said
    }
}

fn refused(reason: Reason, message: &str) -> ErrorDetail {
    ErrorDetail {
        reason: reason.into(),
        message: sentence(message),
        hint: String::new(),
        tries_left: None,
    }
}

/// One request, with who asks.
struct Errand {
    agent: Arc<Agent>,
    caller: Caller,
    proven: Option<Proven>,
}

impl Errand {
    /// Who has not shown a key that the user let in gets no further. Looked up each time: a pairing may be revoked.
    async fn pairing(&self) -> Result<PairingRow, ErrorDetail> {
        let proven = self.proven.as_ref();
        let proven = proven.ok_or_else(|| detail(&PairingError::NotPaired, None))?;
        let row = self.agent.paired(proven).await;
        row.map_err(|error| detail(&error, None))
    }

    async fn perform(&self, wish: Wish) -> Result<Content, ErrorDetail> {
        if let Wish::Status(wire::Status {}) = wish {
            let row = self.pairing().await.ok();
            return Ok(Content::Status(status(&self.agent.status().await, row)));
        }
        if let Wish::Pair(pair) = &wish {
            return self.pair(&pair.name).await;
        }
        let pairing = self.pairing().await?;
        self.perform_for(wish, &pairing).await
    }

    async fn pair(&self, name: &str) -> Result<Content, ErrorDetail> {
        let Some(proven) = &self.proven else {
            return Err(detail(&PairingError::NotProven, None));
        };
        let row = self.agent.pair(proven, name, &self.caller).await;
        let row = row.map_err(|error| detail(&error, None))?;
        Ok(Content::Pair(wire::PairReply { name: row.name }))
    }

    async fn perform_for(&self, wish: Wish, pairing: &PairingRow) -> Result<Content, ErrorDetail> {
        let (agent, caller) = (&self.agent, &self.caller);
        match wish {
            Wish::Unlock(wire::Unlock {}) => {
                let opened = agent.unlock(UnlockWish::default(), caller).await;
                opened.map_err(|error| detail(&error, None))?;
                Ok(self.vault().await)
            }
            Wish::Lock(wire::Lock {}) => {
                agent.lock().await;
                Ok(self.vault().await)
            }
            Wish::Fill(fill) => self.fill(&fill, pairing).await,
            Wish::Bind(bind) => {
                let scope = match bind.scope() {
                    wire::Scope::Origin => Scope::Origin,
                    wire::Scope::Domain => Scope::Domain,
                    wire::Scope::Unspecified => {
                        return Err(refused(Reason::Usage, "the page alone, or its domain?"));
                    }
                };
                agent
                    .bind(&bind.origin, &bind.token, scope, pairing, caller)
                    .await
                    .map_err(|error| detail(&error, error.tries_left()))?;
                Ok(Content::Done(wire::Done {}))
            }
            Wish::Unbind(unbind) => {
                let unbound = agent.unbind_at(&unbind.origin, &unbind.token, caller).await;
                unbound.map_err(|error| detail(&error, error.tries_left()))?;
                Ok(Content::Done(wire::Done {}))
            }
            Wish::Tokens(tokens) => self.tokens(&tokens.origin).await,
            Wish::Passcode(wish) => {
                let challenge = optional(&wish.challenge);
                let (row, generated) = agent
                    .passcode_for_browser(&wish.token, challenge, pairing, caller)
                    .await
                    .map_err(|error| detail(&error, error.tries_left()))?;
                Ok(Content::Passcode(passcode(agent, &row, &generated)))
            }
            Wish::Answer(answer) => self.answer(answer, pairing).await,
            Wish::Enroll(enroll) => self.enroll(enroll).await,
            Wish::Hello(_) | Wish::Prove(_) | Wish::Pair(_) | Wish::Status(_) | Wish::Watch(_) => {
                Err(refused(Reason::Internal, "the agent mixed up a request"))
            }
        }
    }

    async fn vault(&self) -> Content {
        Content::Vault(wire::VaultReply {
            vault: vault_state(&self.agent.vault_state().await).into(),
        })
    }

    async fn fill(&self, fill: &wire::Fill, pairing: &PairingRow) -> Result<Content, ErrorDetail> {
        // What is not said is taken for what tells less.
        let window = match fill.window() {
            wire::Window::Ordinary => Window::Ordinary,
            wire::Window::Private | wire::Window::Unspecified => Window::Private,
        };
        let filling = self
            .agent
            .fill(
                &fill.origin,
                optional(&fill.token),
                window,
                pairing,
                &self.caller,
            )
            .await
            .map_err(|error| detail(&error, error.tries_left()))?;
        Ok(Content::Fill(match filling {
            Filling::Passcode(both) => {
                let (row, generated) = &*both;
                wire::FillReply {
                    passcode: Some(passcode(&self.agent, row, generated)),
                    choose: Vec::new(),
                }
            }
            Filling::Choose(rows) => wire::FillReply {
                passcode: None,
                choose: rows.into_iter().map(choice).collect(),
            },
        }))
    }

    async fn tokens(&self, origin: &str) -> Result<Content, ErrorDetail> {
        if !self.agent.is_unlocked().await {
            return Err(detail(&VaultError::Locked, None));
        }
        let rows = self.agent.tokens().await;
        let rows = rows.map_err(|error| detail(&error, None))?;
        let mut tokens = Vec::with_capacity(rows.len());
        for row in rows {
            // Nothing that a browser has to do with.
            if self.agent.belonging(&row).await != Some(Belonging::Sudo) {
                tokens.push(token(&self.agent, row, origin));
            }
        }
        Ok(Content::Tokens(wire::TokensReply { tokens }))
    }

    async fn answer(
        &self,
        answer: wire::Answer,
        pairing: &PairingRow,
    ) -> Result<Content, ErrorDetail> {
        let wish = match answer.verdict() {
            Verdict::Approve => AnswerWish::Approve {
                number: optional(&answer.number).map(str::to_owned),
            },
            Verdict::Deny => AnswerWish::Deny,
            Verdict::Cancel => AnswerWish::Cancel,
            Verdict::Report => AnswerWish::Report,
            Verdict::Unspecified => {
                return Err(refused(Reason::Usage, "no verdict was given"));
            }
        };
        let (agent, caller) = (Arc::clone(&self.agent), self.caller.clone());
        let pairing = pairing.clone();
        // As for other clients: what was decided is decided, also when the browser ends meanwhile.
        let answered = tokio::spawn(async move {
            agent
                .answer_for_browser(&answer.request, wish, &pairing, &caller)
                .await
        });
        let view = answered
            .await
            .map_err(|_panicked| refused(Reason::Internal, "the agent failed"))?
            .map_err(|error| detail(&error, error.tries_left()))?;
        Ok(Content::Answer(wire::AnswerReply {
            request: Some(login_request(view)),
        }))
    }

    async fn enroll(&self, enroll: wire::Enroll) -> Result<Content, ErrorDetail> {
        let text = SecretBytes::new(enroll.text);
        let enrolled = self
            .agent
            .enroll(&text, "", Consent::AskHere, &self.caller)
            .await
            .map_err(|error| detail(&error, None))?;
        let name = match enrolled.gained {
            Gained::Token(row) => row.name,
            Gained::Container(synced) => synced.status.row.name,
        };
        Ok(Content::Enroll(wire::EnrollReply { name }))
    }

    /// How things are now, and after each change, until the pairing is revoked. A host that falls behind hears less
    /// often, and always how things are then.
    async fn watch(&self, id: u64, messages: &Messages) -> Result<(), Gone> {
        let mut changes = self.agent.watch_changes();
        if let Err(refusal) = self.pairing().await {
            return send(messages, id, Content::Error(refusal)).await;
        }
        send(messages, id, Content::Done(wire::Done {})).await?;
        loop {
            send(messages, 0, Content::State(state(&self.agent).await)).await?;
            loop {
                match changes.recv().await {
                    Ok(Change::Autosend | Change::Services) => {}
                    Ok(Change::Pairings) => {
                        if self.pairing().await.is_err() {
                            return send(messages, 0, Content::Unpaired(wire::Unpaired {})).await;
                        }
                    }
                    Ok(Change::LoginRequest(_) | Change::Vault | Change::Session)
                    | Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return Ok(()),
                }
            }
        }
    }
}
