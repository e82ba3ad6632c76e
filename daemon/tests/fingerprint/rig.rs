//! The adapter on a private system bus with the real fprintd, and what it says.

use core::time::Duration;
use std::sync::Arc;

use countersign_tests::{
    Workspace,
    bus::PrivateBus,
    fingerprint_reader::{self, FingerprintReader},
    parts, patiently,
    polkit::{self, Polkit},
    system_bus,
};
use countersignd::{
    agent::ports::{FingerHint, Fingerprint as _, FingerprintError, Scan},
    desktop::{fingerprint::FprintReader, system_bus::SystemBus},
};
use tokio::{sync::mpsc, task::JoinHandle};

/// Longer than a test waits.
pub(crate) const LONG: Duration = Duration::from_mins(10);
/// The finger that is enrolled.
pub(crate) const RIGHT: &str = "f1";
/// One that is not.
pub(crate) const WRONG: &str = "f2";

/// fprintd and the adapter on a bus of their own.
pub(crate) struct Rig {
    pub(crate) adapter: FprintReader,
    pub(crate) reader: FingerprintReader,
    pub(crate) polkit: Polkit,
    pub(crate) bus: PrivateBus,
    _workspace: Workspace,
}

impl Rig {
    /// With no finger enrolled.
    pub(crate) fn new(test: &str) -> Option<Self> {
        if !parts::are_there(test, &["dbus-daemon", fingerprint_reader::DAEMON]) {
            return None;
        }
        let workspace = Workspace::new().unwrap();
        let bus = system_bus::start(&workspace).unwrap();
        Some(Self::on(workspace, bus))
    }

    /// On this bus.
    pub(crate) fn on(workspace: Workspace, bus: PrivateBus) -> Self {
        let polkit = Polkit::start(&bus, &[polkit::VERIFY, polkit::ENROLL]).unwrap();
        let reader = FingerprintReader::start(&workspace, &bus).unwrap();
        Self {
            adapter: adapter(&bus),
            reader,
            polkit,
            bus,
            _workspace: workspace,
        }
    }

    /// With one finger enrolled.
    pub(crate) fn enrolled(test: &str) -> Option<Self> {
        let rig = Self::new(test)?;
        rig.reader
            .enroll(&rig.bus, "right-index-finger", RIGHT)
            .unwrap();
        Some(rig)
    }

    pub(crate) fn fingers(&self) -> Result<Vec<String>, FingerprintError> {
        patiently("the fingers", self.adapter.fingers()).unwrap()
    }

    /// Asks for a finger, and returns when the reader waits for it.
    pub(crate) fn ask(&self) -> Asked {
        Asked::waiting(&self.adapter)
    }

    /// Asks for a finger where that is refused.
    pub(crate) fn refusal(&self) -> FingerprintError {
        Asked::begin(&self.adapter, LONG).end().unwrap_err()
    }

    pub(crate) fn lay(&self, finger: &str) {
        self.reader.scan(&self.bus, finger).unwrap();
    }

    /// The right finger is recognised: the reader works.
    pub(crate) fn works(&self) {
        let asked = self.ask();
        self.lay(RIGHT);
        assert_eq!(asked.end(), Ok(Scan::Match));
    }
}

pub(crate) fn adapter(bus: &PrivateBus) -> FprintReader {
    FprintReader::new(SystemBus::At(bus.address().to_owned()))
}

/// A finger that is being asked for.
pub(crate) struct Asked {
    scan: JoinHandle<Result<Scan, FingerprintError>>,
    hints: mpsc::UnboundedReceiver<FingerHint>,
}

impl Asked {
    pub(crate) fn begin(adapter: &FprintReader, within: Duration) -> Self {
        let (sender, hints) = mpsc::unbounded_channel();
        let adapter = adapter.clone();
        let scan = tokio::spawn(async move {
            // Nobody asks for the hints any more.
            let hints = Arc::new(move |hint| _ = sender.send(hint));
            adapter.scan(within, hints).await
        });
        Self { scan, hints }
    }

    /// Returns when the reader waits.
    pub(crate) fn waiting(adapter: &FprintReader) -> Self {
        let mut asked = Self::begin(adapter, LONG);
        match patiently("a hint", asked.hints.recv()).unwrap() {
            Some(hint) => assert_eq!(hint, FingerHint::Touch),
            None => panic!("no finger is asked for: {:?}", asked.end()),
        }
        asked
    }

    pub(crate) fn hint(&mut self) -> FingerHint {
        patiently("a hint", self.hints.recv()).unwrap().unwrap()
    }

    pub(crate) fn end(self) -> Result<Scan, FingerprintError> {
        patiently("the end of the scan", self.scan)
            .unwrap()
            .unwrap()
    }

    /// Nobody wants the finger any more.
    pub(crate) fn drop_it(self) {
        self.scan.abort();
        let ended = patiently("the scan to be dropped", self.scan).unwrap();
        assert!(ended.unwrap_err().is_cancelled());
    }
}
