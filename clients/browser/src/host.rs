//! The loop: frames of the extension in, messages of the agent out, until the browser closes the pipe.

use core::future;
use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    thread,
};

use countersign_client::{
    ClientError,
    browser::{self, BrowserMessages, BrowserRequests},
};
use countersign_proto::{
    agent::v1::Reason,
    browser::v1::{self as wire, message::Content, request::Wish},
    limits::BROWSER_REQUESTS,
};
use tokio::{sync::mpsc, task::JoinSet};
use zeroize::Zeroizing;

use crate::{
    environment::Environment,
    framing::{self, FrameError},
    picture::{Grown, NoCode, Picture},
    reply,
    request::{self, Call, Incoming, Unreadable},
};

type Frame = Zeroizing<Vec<u8>>;

/// Frames that wait: the extension is not read faster than it is answered.
const WAITING: usize = BROWSER_REQUESTS * 2;

/// Tells an extension that is not ours so, on standard output, once.
pub fn refuse_stranger() {
    let refusal = reply::refused(
        0,
        Reason::PermissionDenied,
        "This host serves the Countersign extension only.",
        "",
    );
    if let Some(frame) = framing::framed(&refusal) {
        // One that does not listen has gone already.
        drop(io::stdout().lock().write_all(&frame));
    }
}

/// Serves the extension on the standard streams, until one of them ends.
pub async fn run(environment: &Environment) {
    let (frames, incoming) = mpsc::channel(WAITING);
    let (outgoing, messages) = mpsc::channel(WAITING);
    // Standard streams block; each has a thread. The reader's ends with the process.
    drop(thread::spawn(move || read_all(&frames)));
    let writer = thread::spawn(move || write_all(messages));
    let host = Host {
        environment,
        outgoing,
        agent: None,
        open: BTreeSet::new(),
        picture: None,
        reading: JoinSet::new(),
    };
    // A browser that is gone needs no last word.
    drop(host.serve(incoming).await);
    // What was said is written before the end.
    drop(writer.join());
}

fn read_all(frames: &mpsc::Sender<Result<Frame, FrameError>>) {
    let mut input = io::stdin().lock();
    while let Some(frame) = framing::read(&mut input).transpose() {
        let last = frame.is_err();
        if frames.blocking_send(frame).is_err() || last {
            return;
        }
    }
}

fn write_all(mut messages: mpsc::Receiver<Frame>) {
    let mut output = io::stdout().lock();
    while let Some(message) = messages.blocking_recv() {
        // A message that no browser takes is not made; a pipe that is closed (EPIPE) is the end.
        let Some(frame) = framing::framed(&message) else {
            continue;
        };
        if output
            .write_all(&frame)
            .and_then(|()| output.flush())
            .is_err()
        {
            return;
        }
    }
}

/// The browser does not listen, or must not be listened to any more.
#[derive(Debug)]
struct End;

struct Agent {
    requests: BrowserRequests,
    messages: BrowserMessages,
}

struct Host<'a> {
    environment: &'a Environment,
    outgoing: mpsc::Sender<Frame>,
    agent: Option<Agent>,
    /// Requests without an answer.
    open: BTreeSet<u64>,
    picture: Option<Picture>,
    reading: JoinSet<(u64, Result<Frame, NoCode>)>,
}

impl Host<'_> {
    async fn serve(
        mut self,
        mut incoming: mpsc::Receiver<Result<Frame, FrameError>>,
    ) -> Result<(), End> {
        loop {
            tokio::select! {
                frame = incoming.recv() => match frame {
                    Some(Ok(frame)) => self.hear(&frame).await?,
                    Some(Err(error @ (FrameError::TooLong | FrameError::Cut))) => {
                        return self.give_up(&error.to_string()).await;
                    }
                    Some(Err(FrameError::Input(_))) | None => return Ok(()),
                },
                message = next(self.agent.as_mut()) => self.pass_on(message).await?,
                Some(read) = self.reading.join_next() => {
                    // One that panicked has no answer; there is none to give that is better.
                    if let Ok((id, link)) = read {
                        self.enroll(id, link).await?;
                    }
                }
                () = self.outgoing.closed() => return Err(End),
            }
        }
    }

    /// One message of the extension.
    async fn hear(&mut self, frame: &Frame) -> Result<(), End> {
        let Incoming { id, call } = match request::read(frame) {
            Ok(incoming) => incoming,
            Err(Unreadable::Wrong { id, why }) => {
                return self.refuse(id, Reason::Usage, why, "").await;
            }
            Err(garbage @ Unreadable::Garbage) => {
                return self.give_up(&garbage.to_string()).await;
            }
        };
        if self.open.contains(&id) {
            return self
                .refuse(
                    id,
                    Reason::Usage,
                    "A request with this id is under way.",
                    "",
                )
                .await;
        }
        match call {
            Call::Ask(wish) => {
                self.open.insert(id);
                self.ask(id, wish).await
            }
            Call::Picture { size } if self.picture.is_none() => {
                self.open.insert(id);
                self.picture = Some(Picture::new(id, size));
                Ok(())
            }
            Call::Picture { .. } => {
                self.refuse(id, Reason::RateLimited, "One picture at a time.", "")
                    .await
            }
            Call::Chunk { of, data } => self.grow(id, of, &data).await,
        }
    }

    async fn grow(&mut self, id: u64, of: u64, data: &[u8]) -> Result<(), End> {
        let Some(picture) = self.picture.take_if(|picture| picture.id == of) else {
            let why = "No picture of this id is awaited.";
            return self.refuse(id, Reason::Usage, why, "").await;
        };
        match picture.with(data) {
            Grown::Part(picture) => self.picture = Some(picture),
            Grown::Whole(picture) => {
                self.reading
                    .spawn(async move { (of, picture.link().await) });
            }
            Grown::TooLong => {
                let why = "The picture is longer than was said.";
                self.open.remove(&of);
                self.refuse(of, Reason::Usage, why, "").await?;
                return self.refuse(id, Reason::Usage, why, "").await;
            }
        }
        self.say(reply::done(id)).await
    }

    async fn enroll(&mut self, id: u64, link: Result<Frame, NoCode>) -> Result<(), End> {
        match link {
            Ok(link) => {
                let enroll = wire::Enroll {
                    text: link.to_vec(),
                };
                self.ask(id, Wish::Enroll(enroll)).await
            }
            Err(why) => {
                self.open.remove(&id);
                self.refuse(id, why.reason(), &why.to_string(), why.hint())
                    .await
            }
        }
    }

    /// Asks the agent, which is dialled for it if need be.
    async fn ask(&mut self, id: u64, wish: Wish) -> Result<(), End> {
        let request = wire::Request {
            id,
            wish: Some(wish),
        };
        let sent = match self.connected().await {
            Ok(agent) => agent.requests.send(request).await,
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) => Ok(()),
            // The end of the stream comes by itself, and answers this request too.
            Err(ClientError::Lost) if self.agent.is_some() => Ok(()),
            Err(error) => {
                self.open.remove(&id);
                self.say(reply::of_client_error(id, &error)).await
            }
        }
    }

    async fn connected(&mut self) -> Result<&Agent, ClientError> {
        let agent = if let Some(agent) = self.agent.take() {
            agent
        } else {
            let Environment { socket, screen } = self.environment;
            let (requests, messages) = browser::open(socket, screen).await?;
            Agent { requests, messages }
        };
        Ok(self.agent.insert(agent))
    }

    /// What the agent said, or that it is gone.
    async fn pass_on(
        &mut self,
        message: Result<Option<wire::Message>, ClientError>,
    ) -> Result<(), End> {
        let message = match message {
            Ok(Some(message)) => message,
            Ok(None) => return self.agent_is_gone(&ClientError::Lost).await,
            Err(error) => return self.agent_is_gone(&error).await,
        };
        let news = matches!(
            message.content,
            Some(Content::State(_) | Content::Unpaired(_))
        );
        // An answer to a question that nobody asked is none.
        if !news && !self.open.remove(&message.id) {
            return Ok(());
        }
        match reply::of_message(message) {
            Some(told) => self.say(told).await,
            None => Ok(()),
        }
    }

    /// Whatever was asked is answered; the pairing was the stream's and is gone with it.
    async fn agent_is_gone(&mut self, error: &ClientError) -> Result<(), End> {
        self.agent = None;
        let reading = self.picture.as_ref().map(|picture| picture.id);
        let lost: Vec<_> = self
            .open
            .iter()
            .copied()
            .filter(|id| Some(*id) != reading)
            .collect();
        for id in lost {
            self.open.remove(&id);
            self.say(reply::of_client_error(id, error)).await?;
        }
        self.say(reply::agent_gone()).await
    }

    async fn refuse(&self, id: u64, reason: Reason, why: &str, hint: &str) -> Result<(), End> {
        self.say(reply::refused(id, reason, why, hint)).await
    }

    /// There is no place to go on from.
    async fn give_up(&self, why: &str) -> Result<(), End> {
        self.refuse(0, Reason::Usage, why, "").await?;
        Err(End)
    }

    async fn say(&self, message: Frame) -> Result<(), End> {
        self.outgoing.send(message).await.map_err(|_closed| End)
    }
}

/// The agent's next message; never ready without an agent.
async fn next(agent: Option<&mut Agent>) -> Result<Option<wire::Message>, ClientError> {
    match agent {
        Some(agent) => agent.messages.next().await,
        None => future::pending().await,
    }
}
