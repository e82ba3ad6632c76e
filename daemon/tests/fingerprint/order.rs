//! Orders of messages that the real fprintd shows only now and then, from a stand-in that plays one script.
#![expect(
    clippy::unused_self,
    clippy::used_underscore_binding,
    reason = "what the interface macro makes of fprintd's methods"
)]

use core::time::Duration;

use countersign_tests::{
    Workspace, bus::PrivateBus, fingerprint_reader, parts, patiently, system_bus,
};
use countersignd::agent::ports::{FingerprintError, Scan};
use tokio::sync::mpsc;
use zbus::{
    Connection, connection, interface, object_server::SignalEmitter, zvariant::OwnedObjectPath,
};

use crate::rig::{Asked, LONG, adapter};

/// Verdicts that go out before the reply of a call.
#[derive(Clone, Copy, Default)]
struct Script {
    claim: Option<&'static str>,
    start: Option<&'static str>,
    stop: Option<&'static str>,
}

struct Readers;

#[interface(name = "net.reactivated.Fprint.Manager")]
impl Readers {
    fn get_default_device(&self) -> OwnedObjectPath {
        OwnedObjectPath::try_from(fingerprint_reader::READER).unwrap()
    }
}

struct Reader {
    script: Script,
    calls: mpsc::UnboundedSender<&'static str>,
}

impl Reader {
    async fn play(&self, call: &'static str, line: Option<&str>, emitter: &SignalEmitter<'_>) {
        self.calls.send(call).unwrap();
        if let Some(verdict) = line {
            Self::verify_status(emitter, verdict, true).await.unwrap();
        }
    }
}

#[interface(name = "net.reactivated.Fprint.Device")]
impl Reader {
    async fn claim(&self, _user: &str, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>) {
        self.play("Claim", self.script.claim, &emitter).await;
    }

    async fn verify_start(
        &self,
        _finger: &str,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) {
        self.play("VerifyStart", self.script.start, &emitter).await;
    }

    async fn verify_stop(&self, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>) {
        self.play("VerifyStop", self.script.stop, &emitter).await;
    }

    async fn release(&self, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>) {
        self.play("Release", None, &emitter).await;
    }

    #[zbus(signal)]
    async fn verify_status(
        emitter: &SignalEmitter<'_>,
        result: &str,
        done: bool,
    ) -> zbus::Result<()>;
}

struct Stage {
    _service: Connection,
    calls: mpsc::UnboundedReceiver<&'static str>,
    bus: PrivateBus,
    _workspace: Workspace,
}

impl Stage {
    fn new(test: &str, script: Script) -> Option<Self> {
        if !parts::are_there(test, &["dbus-daemon"]) {
            return None;
        }
        let workspace = Workspace::new().unwrap();
        let bus = system_bus::start(&workspace).unwrap();
        let (sender, calls) = mpsc::unbounded_channel();
        let reader = Reader {
            script,
            calls: sender,
        };
        let builder = connection::Builder::address(bus.address())
            .unwrap()
            .serve_at("/net/reactivated/Fprint/Manager", Readers)
            .unwrap()
            .serve_at(fingerprint_reader::READER, reader)
            .unwrap()
            .name(fingerprint_reader::NAME)
            .unwrap();
        let service = patiently("the stand-in", builder.build()).unwrap().unwrap();
        Some(Self {
            _service: service,
            calls,
            bus,
            _workspace: workspace,
        })
    }

    /// Asked once, with what it was called for.
    fn scan(mut self, within: Duration) -> (Result<Scan, FingerprintError>, Vec<&'static str>) {
        let scan = Asked::begin(&adapter(&self.bus), within).end();
        let mut calls = Vec::new();
        while let Ok(call) = self.calls.try_recv() {
            calls.push(call);
        }
        (scan, calls)
    }
}

const WHOLE_USE: [&str; 4] = ["Claim", "VerifyStart", "VerifyStop", "Release"];

#[test]
fn a_verdict_from_before_the_start_is_somebody_elses() {
    let script = Script {
        claim: Some("verify-match"),
        ..Script::default()
    };
    let Some(stage) = Stage::new("fingerprint::before_the_start", script) else {
        return;
    };
    let (scan, calls) = stage.scan(Duration::from_millis(300));
    assert_eq!(scan, Err(FingerprintError::TimedOut));
    assert_eq!(calls, WHOLE_USE);
}

#[test]
fn a_verdict_before_the_reply_to_the_start_counts() {
    let script = Script {
        start: Some("verify-match"),
        ..Script::default()
    };
    let Some(stage) = Stage::new("fingerprint::before_the_reply", script) else {
        return;
    };
    let (scan, calls) = stage.scan(LONG);
    assert_eq!(scan, Ok(Scan::Match));
    assert_eq!(calls, WHOLE_USE);
}

#[test]
fn a_verdict_after_the_stop_is_nobodys() {
    let script = Script {
        stop: Some("verify-match"),
        ..Script::default()
    };
    let Some(stage) = Stage::new("fingerprint::after_the_stop", script) else {
        return;
    };
    let (scan, calls) = stage.scan(Duration::from_millis(300));
    assert_eq!(scan, Err(FingerprintError::TimedOut));
    assert_eq!(calls, WHOLE_USE);
}
