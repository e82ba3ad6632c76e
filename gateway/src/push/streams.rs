//! Which devices are connected to this process, and how requests reach them.

use core::fmt;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use countersign_core::{ids::DeviceId, time::UnixMillis};
use countersign_proto::push::v1::{self as push, gateway_frame::Frame};
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

/// A device that was connected this long ago counts as connected, in milliseconds: it is on its way back.
pub(crate) const AWAY_MS: i64 = 30_000;
/// No agent is told to come back earlier than this after a drain, in milliseconds: a restart takes a moment.
const RESTART_MS: u64 = 500;
/// Frames that wait on one stream; a stream that falls further behind is dropped.
const WAITING_FRAMES: usize = 64;

/// Does an agent take login requests?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Availability {
    /// It does.
    On,
    /// It holds them until the session is unlocked.
    SessionLocked,
    /// Autosend is off.
    Off,
}

impl Availability {
    /// How a desktop can be reached, in one word for resources and their pages; where it cannot, typing is left.
    pub(crate) const fn word(reach: Option<Self>) -> &'static str {
        match reach {
            Some(Self::On) => "asked",
            Some(Self::SessionLocked) => "locked",
            Some(Self::Off) => "off",
            None => "away",
        }
    }

    /// What an agent said; anything that is not understood is a no.
    pub(crate) fn said(said: push::Availability) -> Self {
        match said {
            push::Availability::On => Self::On,
            push::Availability::SessionLocked => Self::SessionLocked,
            push::Availability::Off | push::Availability::Unspecified => Self::Off,
        }
    }
}

/// What a device said about itself and its tokens.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) device: Availability,
    pub(crate) tokens: HashMap<String, Availability>,
}

impl Said {
    /// What a Hello or an Availability says.
    pub(crate) fn new(device: push::Availability, tokens: &[push::TokenAvailability]) -> Self {
        Self {
            device: Availability::said(device),
            tokens: tokens
                .iter()
                .map(|token| {
                    (
                        token.serial.clone(),
                        Availability::said(token.availability()),
                    )
                })
                .collect(),
        }
    }

    fn of(&self, serial: &str) -> Availability {
        // The stricter of the two: a device that is off takes nothing for any token.
        self.tokens
            .get(serial)
            .map_or(self.device, |token| self.device.max(*token))
    }
}

/// What is said on a stream. Boxed: the queue of an idle stream has room for dozens.
pub(crate) struct Utterance(Box<Result<push::GatewayFrame, Status>>);

impl Utterance {
    /// A frame.
    pub(crate) fn frame(content: Frame) -> Self {
        Self(Box::new(Ok(push::GatewayFrame {
            frame: Some(content),
        })))
    }

    /// The last that is said on it.
    pub(crate) fn end(why: Status) -> Self {
        Self(Box::new(Err(why)))
    }

    /// As gRPC takes it.
    pub(crate) fn into_result(self) -> Result<push::GatewayFrame, Status> {
        *self.0
    }
}

/// The gateway's half of a stream.
pub(crate) type Frames = mpsc::Sender<Utterance>;

/// The streams of the agents that are connected to this process.
#[derive(Default)]
pub struct Streams(Mutex<State>);

#[derive(Default)]
struct State {
    devices: HashMap<DeviceId, Seen>,
    last_number: u64,
    /// The gateway stops: who comes now is sent away again.
    stopping: bool,
}

struct Seen {
    said: Said,
    stream: Option<Live>,
    /// When the stream ended.
    gone: UnixMillis,
}

struct Live {
    number: u64,
    frames: Frames,
    /// Dropped with this: the stream's task ends.
    _ended: oneshot::Sender<()>,
}

/// A stream's own end of its entry.
#[derive(Debug)]
pub(crate) struct Joined {
    number: u64,
    /// Resolves when the stream is to end: replaced, dropped, drained.
    pub(crate) ended: oneshot::Receiver<()>,
}

/// Frames on their way to an agent.
pub(crate) fn channel() -> (Frames, mpsc::Receiver<Utterance>) {
    mpsc::channel(WAITING_FRAMES)
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streams")
    }
}

impl Streams {
    /// A device's stream is open. A former one of the same device ends.
    pub(crate) fn join(&self, device: DeviceId, frames: Frames, said: Said) -> Joined {
        let (end, ended) = oneshot::channel();
        let mut state = self.state();
        state.last_number = state.last_number.wrapping_add(1);
        let number = state.last_number;
        let live = Live {
            number,
            frames,
            _ended: end,
        };
        let seen = Seen {
            said,
            // Dropped, and so ended at once, where the gateway stops.
            stream: (!state.stopping).then_some(live),
            gone: UnixMillis(0),
        };
        state.devices.insert(device, seen);
        Joined { number, ended }
    }

    /// A device that was connected before this process began is on its way back.
    pub(crate) fn expect(&self, device: DeviceId, gone: UnixMillis) {
        let said = Said {
            device: Availability::On,
            tokens: HashMap::new(),
        };
        let stream = None;
        let seen = Seen { said, stream, gone };
        self.state().devices.insert(device, seen);
    }

    /// A stream has ended; whether it was the device's last one. Nothing happens if another one has taken its place.
    pub(crate) fn leave(&self, device: DeviceId, joined: &Joined, now: UnixMillis) -> bool {
        let mut state = self.state();
        let mut last = false;
        if let Some(seen) = state.devices.get_mut(&device)
            && seen
                .stream
                .as_ref()
                .is_none_or(|live| live.number == joined.number)
        {
            last = seen.stream.is_some();
            seen.stream = None;
            seen.gone = now;
        }
        state
            .devices
            .retain(|_, seen| seen.stream.is_some() || now.since_ms(seen.gone) <= AWAY_MS);
        last
    }

    /// A device has said anew what it takes.
    pub(crate) fn hear(&self, device: DeviceId, joined: &Joined, said: Said) {
        if let Some(seen) = self.state().devices.get_mut(&device)
            && seen
                .stream
                .as_ref()
                .is_some_and(|live| live.number == joined.number)
        {
            seen.said = said;
        }
    }

    /// Does the device take requests for this token? `None`: it is not connected and was not lately.
    pub(crate) fn availability(
        &self,
        device: DeviceId,
        serial: &str,
        now: UnixMillis,
    ) -> Option<Availability> {
        let state = self.state();
        let seen = state.devices.get(&device)?;
        let here = seen.stream.is_some() || now.since_ms(seen.gone) <= AWAY_MS;
        here.then(|| seen.said.of(serial))
    }

    /// Sends a frame to a device, if it is connected. Never waits: a stream whose agent does not read is
    /// dropped, and what was for it is sent again when it comes back.
    pub(crate) fn send(&self, device: DeviceId, frame: Frame) {
        let mut state = self.state();
        let Some(seen) = state.devices.get_mut(&device) else {
            return;
        };
        let Some(live) = &seen.stream else {
            return;
        };
        if live.frames.try_send(Utterance::frame(frame)).is_err() {
            tracing::warn!(%device, "the agent does not read its stream; dropped");
            seen.stream = None;
        }
    }

    /// Ends a device's stream: it connects again at once and learns how its tokens stand.
    pub(crate) fn renew(&self, device: DeviceId) {
        self.send(device, Frame::Drain(push::Drain { after_ms: 0 }));
        if let Some(seen) = self.state().devices.get_mut(&device) {
            seen.stream = None;
        }
    }

    /// Ends all streams, and every later one; `rate` agents a second come back. Which devices they were of.
    pub(crate) fn drain(&self, rate: u32) -> Vec<DeviceId> {
        let mut state = self.state();
        state.stopping = true;
        let mut ended = Vec::new();
        // The map's order is as good as a random one.
        for (device, seen) in &mut state.devices {
            if let Some(live) = seen.stream.take() {
                let turn = u64::try_from(ended.len()).unwrap_or(u64::MAX);
                let after = turn
                    .saturating_mul(1000)
                    .checked_div(u64::from(rate))
                    .unwrap_or(0)
                    .saturating_add(RESTART_MS);
                let after_ms = u32::try_from(after).unwrap_or(u32::MAX);
                let drain = Frame::Drain(push::Drain { after_ms });
                // A stream that is full ends without a word.
                drop(live.frames.try_send(Utterance::frame(drain)));
                ended.push(*device);
            }
        }
        ended
    }

    /// Is the device connected?
    #[must_use]
    pub fn is_connected(&self, device: DeviceId) -> bool {
        self.state()
            .devices
            .get(&device)
            .is_some_and(|seen| seen.stream.is_some())
    }

    /// How many devices are connected.
    #[must_use]
    pub fn connected(&self) -> usize {
        let state = self.state();
        state
            .devices
            .values()
            .filter(|seen| seen.stream.is_some())
            .count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: DeviceId = DeviceId([1; 16]);
    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn said(device: Availability) -> Said {
        Said {
            device,
            tokens: HashMap::from([("OFF".to_owned(), Availability::Off)]),
        }
    }

    fn drain() -> Frame {
        Frame::Drain(push::Drain { after_ms: 1 })
    }

    #[test]
    fn the_stricter_word_counts() {
        let streams = Streams::default();
        let (frames, _receiver) = channel();
        let _joined = streams.join(DEVICE, frames, said(Availability::SessionLocked));
        assert_eq!(
            streams.availability(DEVICE, "A", NOW),
            Some(Availability::SessionLocked)
        );
        assert_eq!(
            streams.availability(DEVICE, "OFF", NOW),
            Some(Availability::Off)
        );
        assert_eq!(streams.availability(DeviceId([2; 16]), "A", NOW), None);
    }

    #[test]
    fn a_device_that_left_counts_for_a_while() {
        let streams = Streams::default();
        let (frames, _receiver) = channel();
        let joined = streams.join(DEVICE, frames, said(Availability::On));
        streams.leave(DEVICE, &joined, NOW);
        assert_eq!(streams.connected(), 0);
        assert_eq!(
            streams.availability(DEVICE, "A", NOW.plus_ms(AWAY_MS)),
            Some(Availability::On)
        );
        assert_eq!(
            streams.availability(DEVICE, "A", NOW.plus_ms(AWAY_MS + 1)),
            None
        );
    }

    #[test]
    fn a_second_stream_replaces_the_first() {
        let streams = Streams::default();
        let (first, _receiver) = channel();
        let (second, mut frames) = channel();
        let mut one = streams.join(DEVICE, first, said(Availability::Off));
        let two = streams.join(DEVICE, second, said(Availability::On));
        assert_eq!(
            one.ended.try_recv(),
            Err(oneshot::error::TryRecvError::Closed)
        );
        // The first one's late leave and words change nothing.
        streams.hear(DEVICE, &one, said(Availability::Off));
        streams.leave(DEVICE, &one, NOW);
        assert_eq!(
            streams.availability(DEVICE, "A", NOW),
            Some(Availability::On)
        );
        streams.send(DEVICE, drain());
        assert!(frames.try_recv().is_ok());
        drop(two);
    }

    #[test]
    fn a_drain_spreads_the_way_back_over_the_rate_and_lets_nobody_stay() {
        let streams = Streams::default();
        let mut receivers = Vec::new();
        for n in 0..20 {
            let (frames, receiver) = channel();
            let device = DeviceId([n; 16]);
            receivers.push((
                receiver,
                streams.join(device, frames, said(Availability::On)),
            ));
        }
        assert_eq!(streams.drain(10).len(), 20);
        let mut pauses: Vec<u32> = receivers
            .iter_mut()
            .map(
                |(receiver, _)| match receiver.try_recv().unwrap().0.unwrap().frame {
                    Some(Frame::Drain(drain)) => drain.after_ms,
                    other => panic!("{other:?}"),
                },
            )
            .collect();
        pauses.sort_unstable();
        let expected: Vec<u32> = (0..20).map(|turn| 500 + turn * 100).collect();
        assert_eq!(pauses, expected);
        let (frames, mut receiver) = channel();
        let mut late = streams.join(DEVICE, frames, said(Availability::On));
        assert!(late.ended.try_recv().is_err());
        assert!(receiver.try_recv().is_err());
        assert_eq!(streams.connected(), 0);
    }

    #[test]
    fn a_device_that_is_expected_counts_as_connected_for_a_while() {
        let streams = Streams::default();
        streams.expect(DEVICE, NOW);
        assert_eq!(
            streams.availability(DEVICE, "A", NOW),
            Some(Availability::On)
        );
        assert!(!streams.is_connected(DEVICE));
        assert_eq!(
            streams.availability(DEVICE, "A", NOW.plus_ms(AWAY_MS + 1)),
            None
        );
    }

    #[test]
    fn a_stream_that_is_not_read_is_dropped() {
        let streams = Streams::default();
        let (frames, receiver) = channel();
        let mut joined = streams.join(DEVICE, frames, said(Availability::On));
        for _ in 0..WAITING_FRAMES {
            streams.send(DEVICE, drain());
        }
        assert_eq!(streams.connected(), 1);
        streams.send(DEVICE, drain());
        assert_eq!(streams.connected(), 0);
        assert!(joined.ended.try_recv().is_err());
        drop(receiver);
    }
}
