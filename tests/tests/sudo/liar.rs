//! An agent that the test plays: it listens as the sandbox's user, or as somebody else, and answers what it likes.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{
        fs::chown,
        net::{UnixListener, UnixStream},
    },
    path::PathBuf,
    sync::mpsc,
    thread::{self, JoinHandle},
};

use core::time::Duration;

use countersign_core::{
    secret::SecretBytes,
    signing::{self, Label},
    sudo::{AcceptedKey, AcceptedKeys, Finger, Fingerprint, Least, challenge_hash},
};
use countersign_proto::{
    frame::{self, Received},
    sudo::v1::{
        AgentFrame, Answer, Approval, Ask, Level, ModuleFrame, Refusal, Standing, Why,
        agent_frame::Frame, module_frame,
    },
};
use p256::ecdsa::SigningKey;
use prost::Message as _;
use rustix::{
    net::{Shutdown, listen, shutdown},
    process::Uid,
    thread::set_thread_res_uid,
};

use crate::desk::Desk;

/// The key of a byte.
pub(crate) fn key(seed: u8) -> SigningKey {
    signing::key_from_bytes(&SecretBytes::from([seed; 32])).unwrap()
}

/// Root accepts the key of byte 1 for the sandbox's user.
pub(crate) fn accept(desk: &Desk, least: Least) {
    let key = AcceptedKey::new(*key(1).verifying_key(), least, Finger::NotAsked, "test");
    let keys = AcceptedKeys::default().with(key).unwrap();
    desk.sandbox
        .write("/etc/countersign/pam/keys.d/alice", &keys.to_text(), 0o644)
        .unwrap();
    desk.root("chmod 755 /etc/countersign /etc/countersign/pam /etc/countersign/pam/keys.d");
}

/// An honest approval of that question, by the key of `seed`.
pub(crate) fn approval(ask: &Ask, seed: u8, level: Level) -> Answer {
    let key = key(seed);
    let approval = Approval {
        challenge_sha256: challenge_hash(&ask.challenge).to_vec(),
        key: Fingerprint::of(key.verifying_key()).as_bytes().to_vec(),
        number: String::new(),
        level: level.into(),
    }
    .encode_to_vec();
    Answer {
        signature: signing::sign(&key, Label::SudoChallenge, &approval).to_vec(),
        approval,
    }
}

pub(crate) fn framed(frame: Frame) -> Vec<u8> {
    frame::encode(&AgentFrame { frame: Some(frame) }).unwrap()
}

pub(crate) fn shown() -> Vec<u8> {
    framed(Frame::Standing(Standing {}))
}

pub(crate) fn refusal(why: Why) -> Vec<u8> {
    framed(Frame::Refusal(Refusal { why: why.into() }))
}

pub(crate) fn answer(answer: Answer) -> Vec<u8> {
    framed(Frame::Answer(answer))
}

/// Reads the question.
pub(crate) fn question(stream: &mut UnixStream) -> Option<Ask> {
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
        let count = stream.read(&mut piece[..most]).ok()?;
        if count == 0 {
            return None;
        }
        received.push(&piece[..count]);
    }
}

/// What it does with each connection, until it is dropped.
pub(crate) struct Liar {
    path: PathBuf,
    listener: UnixListener,
    listening: Option<JoinHandle<()>>,
}

impl Liar {
    /// Listens at the place of the user's agent as `uid`.
    pub(crate) fn listen(
        desk: &Desk,
        uid: u32,
        behave: impl Fn(UnixStream) + Send + 'static,
    ) -> Self {
        Self::listen_for(desk, desk.sandbox.user_id(), uid, behave)
    }

    /// Listens at the place of the agent of `user` as `uid`.
    pub(crate) fn listen_for(
        desk: &Desk,
        user: u32,
        uid: u32,
        behave: impl Fn(UnixStream) + Send + 'static,
    ) -> Self {
        let folder = desk.sandbox.path(&format!("/run/user/{user}/countersign"));
        fs::create_dir_all(&folder).unwrap();
        chown(&folder, Some(user), Some(user)).unwrap();
        let path = folder.join("sudo.sock");
        drop(fs::remove_file(&path));
        let listener = UnixListener::bind(&path).unwrap();
        chown(&path, Some(user), Some(user)).unwrap();
        let kept = listener.try_clone().unwrap();
        let (ready, is_ready) = mpsc::channel();
        let listening = thread::spawn(move || {
            // This thread alone becomes that user; whoever connects sees who has last called listen(2).
            let who = Uid::from_raw(uid);
            set_thread_res_uid(who, who, who).unwrap();
            listen(&listener, 1).unwrap();
            ready.send(()).unwrap();
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                stream
                    .set_read_timeout(Some(Duration::from_mins(1)))
                    .unwrap();
                behave(stream);
            }
        });
        is_ready.recv().unwrap();
        Self {
            path,
            listener: kept,
            listening: Some(listening),
        }
    }

    /// One answer to each question: what it shows, and what it makes of the question.
    pub(crate) fn answering(desk: &Desk, make: impl Fn(&Ask) -> Vec<u8> + Send + 'static) -> Self {
        Self::listen(desk, desk.sandbox.user_id(), move |mut stream| {
            if let Some(ask) = question(&mut stream) {
                drop(stream.write_all(&[shown(), make(&ask)].concat()));
                // Until the module has read it: a close would take it away.
                drop(stream.read(&mut [0; 64]));
            }
        })
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        // Wakes the thread, also where the sandbox and the socket's path are gone.
        let _woken = shutdown(&self.listener, Shutdown::Both).is_ok();
        drop(fs::remove_file(&self.path));
        if let Some(listening) = self.listening.take() {
            drop(listening.join());
        }
    }
}
