//! An agent that a test plays for the PAM module: it listens as the sandbox's user, or as somebody else, and answers what
//! it likes.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{
        fs::chown,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result};
use countersign_core::{
    secret::SecretBytes,
    signing::{self, Label},
    sudo::{AcceptedKey, AcceptedKeys, Finger, Fingerprint, Least, challenge_hash},
};
use countersign_proto::{
    frame::{self, Received},
    sudo::v1::{
        AgentFrame, Answer, Approval, Ask, Level, ModuleFrame, Standing, agent_frame::Frame,
        module_frame,
    },
};
use p256::ecdsa::SigningKey;
use prost::Message as _;
use rustix::{
    net::{Shutdown, listen, shutdown},
    process::Uid,
    thread::set_thread_res_uid,
};

use crate::{
    PATIENCE,
    sandbox::{Sandbox, USER},
};

/// The key of a byte.
///
/// # Errors
///
/// The byte is zero.
pub fn key(seed: u8) -> Result<SigningKey> {
    signing::key_from_bytes(&SecretBytes::from([seed; 32])).context("no key of that byte")
}

/// What root's file says where the key of byte 1 is accepted.
///
/// # Errors
///
/// It would not be one that the module reads.
pub fn accepted(least: Least) -> Result<String> {
    let key = AcceptedKey::new(*key(1)?.verifying_key(), least, Finger::NotAsked, "test");
    Ok(AcceptedKeys::default().with(key)?.to_text())
}

/// Root of the sandbox accepts the key of byte 1 for its user.
///
/// # Errors
///
/// The file cannot be written.
pub fn accept(sandbox: &Sandbox, least: Least) -> Result<()> {
    let file = format!("/etc/countersign/pam/keys.d/{USER}");
    sandbox.write(&file, &accepted(least)?, 0o644)?;
    let folders = [
        "/etc/countersign",
        "/etc/countersign/pam",
        "/etc/countersign/pam/keys.d",
    ];
    sandbox.run(&[&["chmod", "755"], folders.as_slice()].concat(), "")?;
    Ok(())
}

/// An honest approval of that question, by the key of `seed`.
///
/// # Errors
///
/// See [`key`].
pub fn approval(ask: &Ask, seed: u8, level: Level) -> Result<Answer> {
    approval_with(ask, seed, level, "")
}

/// The same, with the number that was typed.
///
/// # Errors
///
/// See [`key`].
pub fn approval_with(ask: &Ask, seed: u8, level: Level, number: &str) -> Result<Answer> {
    let key = key(seed)?;
    let approval = Approval {
        challenge_sha256: challenge_hash(&ask.challenge).to_vec(),
        key: Fingerprint::of(key.verifying_key()).as_bytes().to_vec(),
        number: number.to_owned(),
        level: level.into(),
    }
    .encode_to_vec();
    Ok(Answer {
        signature: signing::sign(&key, Label::SudoChallenge, &approval).to_vec(),
        approval,
    })
}

/// The bytes of one frame of the agent's.
///
/// # Errors
///
/// It is too long.
pub fn framed(frame: Frame) -> Result<Vec<u8>> {
    Ok(frame::encode(&AgentFrame { frame: Some(frame) })?)
}

/// Reads the question; nothing if none comes.
pub fn question(stream: &mut UnixStream) -> Option<Ask> {
    let mut received = Received::default();
    let mut piece = [0; 512];
    loop {
        if let Some(frame) = received.take::<ModuleFrame>().ok()? {
            return match frame.frame {
                Some(module_frame::Frame::Ask(ask)) => Some(ask),
                _ => None,
            };
        }
        let most = received.wanted().ok()?.clamp(1, piece.len());
        let count = stream.read(piece.get_mut(..most)?).ok()?;
        if count == 0 {
            return None;
        }
        received.push(piece.get(..count)?);
    }
}

/// One answer to a question: the frames that `make` makes of it.
pub fn once(make: impl Fn(&Ask) -> Vec<u8>) -> impl Fn(UnixStream) {
    move |mut stream| {
        if let Some(ask) = question(&mut stream) {
            drop(stream.write_all(&make(&ask)));
            // Until the module has read it: a close would take it away.
            drop(stream.read(&mut [0; 64]));
        }
    }
}

/// What it does with each connection, until it is dropped.
#[derive(Debug)]
pub struct PlayedAgent {
    path: PathBuf,
    listener: UnixListener,
    listening: Option<JoinHandle<()>>,
}

impl PlayedAgent {
    /// Listens at the place of the user's agent as `uid`.
    ///
    /// # Errors
    ///
    /// The place cannot be made, or the thread cannot become that user.
    pub fn listen(
        sandbox: &Sandbox,
        uid: u32,
        behave: impl Fn(UnixStream) + Send + 'static,
    ) -> Result<Self> {
        Self::listen_for(sandbox, sandbox.user_id(), uid, behave)
    }

    /// Listens at the place of the agent of `user` as `uid`.
    ///
    /// # Errors
    ///
    /// See [`PlayedAgent::listen`].
    pub fn listen_for(
        sandbox: &Sandbox,
        user: u32,
        uid: u32,
        behave: impl Fn(UnixStream) + Send + 'static,
    ) -> Result<Self> {
        let folder = sandbox.path(&format!("/run/user/{user}/countersign"));
        fs::create_dir_all(&folder)?;
        chown(&folder, Some(user), Some(user))?;
        Self::listen_in(&folder, user, uid, behave)
    }

    /// Listens in that folder as `uid`; `owner` owns the socket.
    ///
    /// # Errors
    ///
    /// See [`PlayedAgent::listen`].
    pub fn listen_in(
        folder: &Path,
        owner: u32,
        uid: u32,
        behave: impl Fn(UnixStream) + Send + 'static,
    ) -> Result<Self> {
        let path = folder.join("sudo.sock");
        drop(fs::remove_file(&path));
        let listener = UnixListener::bind(&path)?;
        chown(&path, Some(owner), Some(owner))?;
        let kept = listener.try_clone()?;
        let (ready, is_ready) = mpsc::channel();
        let listening = thread::spawn(move || {
            // This thread alone becomes that user; whoever connects sees who has last called listen(2).
            let who = Uid::from_raw(uid);
            let listens = set_thread_res_uid(who, who, who).and_then(|()| listen(&listener, 1));
            // Whoever waits for it is told, also of a failure.
            if ready.send(listens).is_err() || listens.is_err() {
                return;
            }
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                if stream.set_read_timeout(Some(PATIENCE)).is_ok() {
                    behave(stream);
                }
            }
        });
        is_ready.recv()??;
        Ok(Self {
            path,
            listener: kept,
            listening: Some(listening),
        })
    }

    /// One answer to each question: the frames that `make` makes of it.
    ///
    /// # Errors
    ///
    /// See [`PlayedAgent::listen`].
    pub fn answering(
        sandbox: &Sandbox,
        make: impl Fn(&Ask) -> Vec<u8> + Send + 'static,
    ) -> Result<Self> {
        Self::listen(sandbox, sandbox.user_id(), once(make))
    }

    /// Approves each question at once, by the key that [`accept`] names.
    ///
    /// # Errors
    ///
    /// See [`PlayedAgent::listen`].
    pub fn approving(sandbox: &Sandbox) -> Result<Self> {
        Self::answering(sandbox, |ask| {
            let answered = || {
                let answer = approval(ask, 1, Level::Pin)?;
                let frames = [Frame::Standing(Standing {}), Frame::Answer(answer)];
                let frames: Result<Vec<_>> = frames.into_iter().map(framed).collect();
                Ok::<_, anyhow::Error>(frames?.concat())
            };
            // Without an answer the module finds the connection closed.
            answered().unwrap_or_default()
        })
    }
}

impl Drop for PlayedAgent {
    fn drop(&mut self) {
        // Wakes the thread, also where the sandbox and the socket's path are gone.
        let _woken = shutdown(&self.listener, Shutdown::Both).is_ok();
        drop(fs::remove_file(&self.path));
        if let Some(listening) = self.listening.take() {
            drop(listening.join());
        }
    }
}
