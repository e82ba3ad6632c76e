//! An agent that the test plays for the desk's sudo: it listens as the sandbox's user, or as somebody else, and answers
//! what it likes.

use std::os::unix::net::UnixStream;

use countersign_core::sudo::Least;
use countersign_proto::sudo::v1::{Answer, Ask, Level, Refusal, Standing, Why, agent_frame::Frame};
pub(crate) use countersign_tests::sudo_agent::question;
use countersign_tests::sudo_agent::{self, PlayedAgent};
use p256::ecdsa::SigningKey;

use crate::desk::Desk;

/// Root accepts the key of byte 1 for the sandbox's user.
pub(crate) fn accept(desk: &Desk, least: Least) {
    sudo_agent::accept(&desk.sandbox, least).unwrap();
}

/// A desk whose agent's place is taken by this one: root accepts the key of byte 1.
pub(crate) fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.end_agent();
    accept(&desk, Least::User);
    desk
}

/// The key of a byte.
pub(crate) fn key(seed: u8) -> SigningKey {
    sudo_agent::key(seed).unwrap()
}

/// An honest approval of that question, by the key of `seed`.
pub(crate) fn approval(ask: &Ask, seed: u8, level: Level) -> Answer {
    sudo_agent::approval(ask, seed, level).unwrap()
}

pub(crate) fn framed(frame: Frame) -> Vec<u8> {
    sudo_agent::framed(frame).unwrap()
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

/// Listens at the place of the user's agent as `uid`.
pub(crate) fn listen(
    desk: &Desk,
    uid: u32,
    behave: impl Fn(UnixStream) + Send + 'static,
) -> PlayedAgent {
    PlayedAgent::listen(&desk.sandbox, uid, behave).unwrap()
}

/// Listens at the place of the agent of `user` as `uid`.
pub(crate) fn listen_for(
    desk: &Desk,
    user: u32,
    uid: u32,
    behave: impl Fn(UnixStream) + Send + 'static,
) -> PlayedAgent {
    PlayedAgent::listen_for(&desk.sandbox, user, uid, behave).unwrap()
}

/// One answer to each question: what it shows, and what it makes of the question.
pub(crate) fn answering(
    desk: &Desk,
    make: impl Fn(&Ask) -> Vec<u8> + Send + 'static,
) -> PlayedAgent {
    PlayedAgent::answering(&desk.sandbox, move |ask| [shown(), make(ask)].concat()).unwrap()
}
