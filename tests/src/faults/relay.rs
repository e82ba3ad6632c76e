//! One stream: its frames both ways, and what happens to them.

use core::{sync::atomic::Ordering, time::Duration};
use std::sync::Arc;

use countersign_core::signing::{self, Label};
use countersign_proto::push::v1::{
    self as push, agent_frame::Frame as FromAgent, gateway_frame::Frame as FromGateway,
};
use prost::Message as _;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tonic::{Status, Streaming};

use super::{
    Original, Record,
    door::Scissors,
    script::{End, Fate, Lie, Script},
};

/// A stream that has lost something ends within this time.
const DOOM: Duration = Duration::from_millis(100);
/// Longer than any message of the protocol.
const MEGABYTE: usize = 1 << 20;
/// An hour, in milliseconds.
const LONG_AGO_MS: i64 = 3_600_000;

pub(super) struct Relay {
    pub(super) original: Arc<Original>,
    pub(super) record: Arc<Record>,
    pub(super) script: Script,
    pub(super) scissors: Scissors,
    pub(super) to_agent: mpsc::Sender<Result<push::GatewayFrame, Status>>,
    pub(super) to_gateway: mpsc::Sender<push::AgentFrame>,
    /// Something was lost.
    pub(super) doomed: bool,
}

/// One end has closed the stream.
struct Closed;

impl Relay {
    pub(super) async fn run(
        mut self,
        mut from_agent: Streaming<push::AgentFrame>,
        mut from_gateway: Streaming<push::GatewayFrame>,
    ) {
        let record = Arc::clone(&self.record);
        record.streams.fetch_add(1, Ordering::SeqCst);
        // How it ended is known to both ends.
        drop(self.relay(&mut from_agent, &mut from_gateway).await);
        record.streams.fetch_sub(1, Ordering::SeqCst);
    }

    async fn relay(
        &mut self,
        from_agent: &mut Streaming<push::AgentFrame>,
        from_gateway: &mut Streaming<push::GatewayFrame>,
    ) -> Result<(), Closed> {
        let mut life = self.script.life();
        let mut doom: Option<Instant> = None;
        let (mut held_down, mut held_up) = (None, None);
        loop {
            if self.doomed && doom.is_none() {
                doom = Instant::now().checked_add(DOOM);
            }
            let doomed = async {
                match doom {
                    Some(at) => sleep_until(at).await,
                    None => core::future::pending().await,
                }
            };
            tokio::select! {
                () = doomed => return self.end().await,
                frame = from_gateway.message() => {
                    let frame = frame.map_err(|_broken| Closed)?.ok_or(Closed)?;
                    self.down(frame, &mut held_down).await?;
                }
                frame = from_agent.message() => {
                    let frame = frame.map_err(|_broken| Closed)?.ok_or(Closed)?;
                    self.up(frame, &mut held_up).await?;
                }
            }
            // A frame that waits for the next one does not wait for ever.
            if held_down.is_some() || held_up.is_some() {
                self.doomed = true;
            }
            life = life.saturating_sub(1);
            if life == 0 {
                return self.end().await;
            }
        }
    }

    async fn end(&mut self) -> Result<(), Closed> {
        match self.script.end() {
            End::Closed => {
                self.record.fault("closed");
                let word = Err(Status::unavailable("enough for today"));
                self.to_agent.send(word).await.map_err(|_gone| Closed)
            }
            End::Cut => {
                self.record.fault("cut in the middle of a frame");
                self.scissors.cut();
                let frame = push::Cancel {
                    request_id: vec![0; 16],
                    reason: push::CancelReason::ByResource.into(),
                };
                self.say(FromGateway::Cancel(frame)).await
            }
        }
    }

    /// From the gateway to the agent.
    async fn down(
        &mut self,
        frame: push::GatewayFrame,
        held: &mut Option<FromGateway>,
    ) -> Result<(), Closed> {
        let Some(mut frame) = frame.frame else {
            return Ok(());
        };
        match &mut frame {
            // Without a greeting there is nothing to try.
            FromGateway::Challenge(_) => return self.say(frame).await,
            FromGateway::Welcome(welcome) => {
                let skew = self.script.skew_ms();
                if skew != 0 {
                    self.record.fault("a wrong time");
                    welcome.time_ms = welcome.time_ms.saturating_add(skew);
                }
                return self.say(frame).await;
            }
            FromGateway::Request(signed) => self.note_request(signed),
            // What it says to a spoilt copy is for whoever spoilt it.
            FromGateway::Outcome(outcome) if outcome.result() == push::Result::RefusedSignature => {
                self.record.fault("spoilt, and the gateway said so");
                return Ok(());
            }
            FromGateway::Cancel(_) | FromGateway::Outcome(_) | FromGateway::Drain(_) => {}
        }
        if let Some(lie) = self.script.lie() {
            self.lie(lie).await?;
        }
        match self.script.fate() {
            Fate::Passes => self.say(frame).await?,
            Fate::Lost => self.lose(),
            Fate::Twice => {
                self.record.fault("twice, to the agent");
                self.say(frame.clone()).await?;
                self.say(frame).await?;
            }
            Fate::AfterTheNext => {
                self.record.fault("after the next, to the agent");
                if let Some(earlier) = held.replace(frame) {
                    self.say(earlier).await?;
                }
                return Ok(());
            }
            Fate::Waits(time) => {
                self.wait(time).await;
                self.say(frame).await?;
            }
            Fate::AndSpoilt => {
                self.say(frame.clone()).await?;
                if let FromGateway::Request(mut signed) = frame {
                    self.record.fault("and spoilt, to the agent");
                    self.script.spoil(&mut signed.body);
                    self.say(FromGateway::Request(signed)).await?;
                }
            }
        }
        match held.take() {
            Some(earlier) => self.say(earlier).await,
            None => Ok(()),
        }
    }

    /// From the agent to the gateway.
    async fn up(
        &mut self,
        frame: push::AgentFrame,
        held: &mut Option<push::AgentFrame>,
    ) -> Result<(), Closed> {
        match &frame.frame {
            Some(FromAgent::Hello(_)) => return self.pass(frame).await,
            Some(FromAgent::Decision(decision)) => self.note_decision(decision),
            Some(FromAgent::Ack(_) | FromAgent::Report(_) | FromAgent::Availability(_)) | None => {}
        }
        match self.script.fate() {
            Fate::Passes => self.pass(frame).await?,
            Fate::Lost => self.lose(),
            Fate::Twice => {
                self.record.fault("twice, to the gateway");
                self.pass(frame.clone()).await?;
                self.pass(frame).await?;
            }
            Fate::AfterTheNext => {
                self.record.fault("after the next, to the gateway");
                if let Some(earlier) = held.replace(frame) {
                    self.pass(earlier).await?;
                }
                return Ok(());
            }
            Fate::Waits(time) => {
                self.wait(time).await;
                self.pass(frame).await?;
            }
            Fate::AndSpoilt => {
                self.pass(frame.clone()).await?;
                if let Some(FromAgent::Decision(mut decision)) = frame.frame {
                    self.record.fault("and spoilt, to the gateway");
                    if let Some(signed) = &mut decision.signed {
                        self.script.spoil(&mut signed.signature);
                    }
                    let spoilt = Some(FromAgent::Decision(decision));
                    self.pass(push::AgentFrame { frame: spoilt }).await?;
                }
                // And one of before: it was good once.
                if let Some(before) = self.decision_of_before() {
                    self.record.fault("a decision of before");
                    let before = Some(FromAgent::Decision(before));
                    self.pass(push::AgentFrame { frame: before }).await?;
                }
            }
        }
        match held.take() {
            Some(earlier) => self.pass(earlier).await,
            None => Ok(()),
        }
    }

    /// Says what no gateway says.
    async fn lie(&mut self, lie: Lie) -> Result<(), Closed> {
        let Some(mut signed) = self.request_of_before() else {
            return Ok(());
        };
        let name = match lie {
            Lie::WrongSignature => {
                self.script.spoil(&mut signed.signature);
                "a wrong signature"
            }
            Lie::Truncated => {
                signed.body.truncate(signed.body.len() / 2);
                "truncated"
            }
            Lie::OfBefore => "a request of before",
            Lie::OfAnotherToken => {
                signed = self.forged(&signed, |body| "CSNOBODY0001".clone_into(&mut body.serial));
                "of another token"
            }
            Lie::OfLongAgo => {
                let id = self.script.bytes(16);
                signed = self.forged(&signed, |body| {
                    body.request_id = id;
                    body.created_ms = body.created_ms.saturating_sub(LONG_AGO_MS);
                    body.ttl_ms = 1000;
                });
                "of long ago"
            }
            Lie::OfNoLogin => {
                let id = self.script.bytes(16);
                signed = self.forged(&signed, |body| {
                    body.request_id = id;
                    "nobody opened this".clone_into(&mut body.transaction_id);
                    "<b>\u{202e}everything".clone_into(&mut body.resource);
                });
                "of no login"
            }
            Lie::Garbage => {
                signed.body = self.script.bytes(300);
                signed.signature =
                    signing::sign(&self.original.identity, Label::Request, &signed.body).to_vec();
                "garbage, well signed"
            }
            Lie::Megabyte => {
                signed.body = vec![0x20; MEGABYTE];
                "a megabyte"
            }
        };
        self.record.fault(name);
        self.say(FromGateway::Request(signed)).await
    }

    /// The same request, changed and signed anew by the gateway's own key.
    fn forged(
        &self,
        signed: &push::Signed,
        change: impl FnOnce(&mut push::RequestBody),
    ) -> push::Signed {
        let mut body = push::RequestBody::decode(signed.body.as_slice()).unwrap_or_default();
        body.service_id = self.original.service.as_bytes().to_vec();
        change(&mut body);
        let body = body.encode_to_vec();
        let signature = signing::sign(&self.original.identity, Label::Request, &body).to_vec();
        push::Signed { body, signature }
    }

    fn note_request(&self, signed: &push::Signed) {
        if let Ok(body) = push::RequestBody::decode(signed.body.as_slice()) {
            self.record
                .seen()
                .requests
                .insert(body.request_id, (body.transaction_id, signed.clone()));
        }
    }

    fn note_decision(&self, decision: &push::Decision) {
        let body = decision
            .signed
            .as_ref()
            .map(|signed| signed.body.as_slice());
        if let Ok(body) = push::DecisionBody::decode(body.unwrap_or_default()) {
            let mut seen = self.record.seen();
            let times = seen.decisions.entry(body.request_id).or_default();
            times.push(decision.clone());
        }
    }

    fn request_of_before(&mut self) -> Option<push::Signed> {
        let seen = self.record.seen();
        let all: Vec<_> = seen.requests.values().take(50).collect();
        self.script.one(&all).map(|(_, signed)| signed.clone())
    }

    fn decision_of_before(&mut self) -> Option<push::Decision> {
        let seen = self.record.seen();
        let all: Vec<_> = seen.decisions.values().take(50).collect();
        self.script.one(&all)?.first().cloned()
    }

    fn lose(&mut self) {
        self.record.fault("lost");
        self.doomed = true;
    }

    async fn wait(&self, time: Duration) {
        self.record.fault("stalled");
        let now = Instant::now();
        sleep_until(now.checked_add(time).unwrap_or(now)).await;
    }

    async fn say(&self, frame: FromGateway) -> Result<(), Closed> {
        let frame = push::GatewayFrame { frame: Some(frame) };
        self.to_agent.send(Ok(frame)).await.map_err(|_gone| Closed)
    }

    async fn pass(&self, frame: push::AgentFrame) -> Result<(), Closed> {
        self.to_gateway.send(frame).await.map_err(|_gone| Closed)
    }
}
