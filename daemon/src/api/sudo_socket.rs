//! The socket that this computer's PAM module asks on: frames of `countersign.sudo.v1`, from uid 0 only.
//!
//! Whoever runs as the user can start a program, and that program can call sudo; but it cannot put a question here, nor
//! relay one: the kernel says who is at the other end.

use core::time::Duration;
use std::{io, sync::Arc};

use countersign_proto::{
    frame::{self, FrameError, Received},
    sudo::v1::{
        AgentFrame, Ending, ModuleFrame, Refusal, Standing, Why, agent_frame::Frame, module_frame,
    },
};
use prost::Message;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::{Instant, timeout},
};
use tracing::{info, warn};

use crate::agent::{Agent, ports::SudoWord, sudo_approval::SudoPending};

/// Who may ask.
const ROOT: u32 = 0;
/// Connections at a time; more wait in the kernel's queue.
const CONNECTIONS: usize = 8;
/// How long a question may take to come, and the word after an answer once the question's time is over.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a connection is of no more use.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("nothing came in time")]
    Late,
    #[error("it was closed")]
    Closed,
}

/// Serves `listener` until the task is ended.
pub async fn serve(agent: Arc<Agent>, listener: UnixListener) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "the sudo socket could not accept");
                // Out of descriptors, for instance: the next connection may work.
                tokio::task::yield_now().await;
                continue;
            }
        };
        match stream.peer_cred() {
            Ok(peer) if peer.uid() == ROOT => {}
            Ok(peer) => {
                warn!(
                    uid = peer.uid(),
                    "refused a question for sudo that is not root's"
                );
                continue;
            }
            Err(_gone) => continue,
        }
        let agent = Arc::clone(&agent);
        tokio::spawn(async move {
            if let Err(error) = converse(&agent, stream).await {
                info!(%error, "a question for sudo broke off");
            }
            drop(place);
        });
    }
}

/// One question, its answer, and what became of it.
async fn converse(agent: &Arc<Agent>, mut stream: UnixStream) -> Result<(), Broken> {
    let mut received = Received::default();
    let asked = timeout(PATIENCE, read::<ModuleFrame>(&mut stream, &mut received));
    let asked = asked.await.map_err(|_elapsed| Broken::Late)??;
    let Some(module_frame::Frame::Ask(ask)) = asked.frame else {
        return refuse(&mut stream, Why::Malformed).await;
    };
    let pending = match agent.ask_for_sudo(ask).await {
        Ok(pending) => pending,
        Err(why) => return refuse(&mut stream, why).await,
    };
    // However this goes on, the question ends with the connection.
    let id = pending.id;
    let ending = answered(pending, &mut stream, &mut received).await;
    let known = *ending.as_ref().unwrap_or(&None);
    agent.sudo_ended(id, known).await;
    ending.map(|_told| ())
}

/// Waits for the user, and for sudo to go away.
async fn answered(
    pending: SudoPending,
    stream: &mut UnixStream,
    received: &mut Received,
) -> Result<Option<Ending>, Broken> {
    let begun = Instant::now();
    write(stream, Frame::Standing(Standing {})).await?;
    let word = tokio::select! {
        biased;
        word = pending.answer => word,
        () = gone(stream) => return Err(Broken::Closed),
    };
    match word {
        Ok(SudoWord::Answer(answer)) => {
            write(stream, Frame::Answer(answer)).await?;
            // A sudo that was stopped with Ctrl-Z may yet take it, until the question's own end.
            let left = pending.life.saturating_sub(begun.elapsed());
            let word = read::<ModuleFrame>(stream, received);
            let told = timeout(left.saturating_add(PATIENCE), word).await;
            match told.map_err(|_elapsed| Broken::Late)??.frame {
                Some(module_frame::Frame::Outcome(outcome)) => Ok(Some(outcome.ending())),
                Some(module_frame::Frame::Ask(_)) | None => Err(Broken::Closed),
            }
        }
        Ok(SudoWord::Refusal(why)) => refuse(stream, why).await.map(|()| None),
        // It has ended without an answer: its time is over.
        Err(_dropped) => refuse(stream, Why::Expired).await.map(|()| None),
    }
}

/// Ready when the other end has closed, or says something: nothing is to come before the answer.
async fn gone(stream: &UnixStream) {
    loop {
        let readable = stream.readable().await;
        let mut byte = [0];
        match readable.and_then(|()| stream.try_read(&mut byte)) {
            // It only seemed so.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => return,
        }
    }
}

async fn refuse(stream: &mut UnixStream, why: Why) -> Result<(), Broken> {
    write(stream, Frame::Refusal(Refusal { why: why.into() })).await
}

async fn write(stream: &mut UnixStream, frame: Frame) -> Result<(), Broken> {
    let bytes = frame::encode(&AgentFrame { frame: Some(frame) })?;
    let written = timeout(PATIENCE, stream.write_all(&bytes)).await;
    written.map_err(|_elapsed| Broken::Late)??;
    Ok(())
}

async fn read<M: Message + Default>(
    stream: &mut UnixStream,
    received: &mut Received,
) -> Result<M, Broken> {
    loop {
        if let Some(message) = received.take()? {
            return Ok(message);
        }
        let mut piece = [0; 1024];
        let most = received.wanted()?.clamp(1, piece.len());
        let count = stream
            .read(piece.get_mut(..most).unwrap_or_default())
            .await?;
        if count == 0 {
            return Err(Broken::Closed);
        }
        received.push(piece.get(..count).unwrap_or_default());
    }
}
