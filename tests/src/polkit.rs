//! polkit, which says who may use the fingerprint reader: a stand-in that a test tells what to say, and the
//! real one.
#![expect(
    clippy::unused_self,
    clippy::used_underscore_binding,
    reason = "what the interface macro makes of polkit's methods"
)]

use std::{
    collections::{BTreeSet, HashMap},
    process::Command,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use zbus::{Connection, connection, interface, zvariant::OwnedValue};

use crate::{
    Workspace,
    bus::PrivateBus,
    patiently,
    process::{Process, Stdout},
};

const NAME: &str = "org.freedesktop.PolicyKit1";
/// The real daemon.
pub const DAEMON: &str = "/usr/lib/polkit-1/polkitd";
/// To verify with a finger.
pub const VERIFY: &str = "net.reactivated.fprint.device.verify";
/// To enroll a finger.
pub const ENROLL: &str = "net.reactivated.fprint.device.enroll";

/// A polkit that allows the same actions to everybody.
#[derive(Debug)]
pub struct Polkit {
    allowed: Arc<Mutex<BTreeSet<&'static str>>>,
    _connection: Connection,
}

struct Authority {
    allowed: Arc<Mutex<BTreeSet<&'static str>>>,
}

/// Authorized, challenge, details: one argument on the bus.
type Verdict = ((bool, bool, HashMap<String, String>),);

#[interface(name = "org.freedesktop.PolicyKit1.Authority")]
impl Authority {
    fn check_authorization(
        &self,
        _subject: (String, HashMap<String, OwnedValue>),
        action: &str,
        _details: HashMap<String, String>,
        _flags: u32,
        _cancellation: &str,
    ) -> Verdict {
        let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        ((allowed.contains(action), false, HashMap::new()),)
    }

    fn cancel_check_authorization(&self, _cancellation: &str) {}

    #[zbus(property)]
    fn backend_name(&self) -> &'static str {
        "test"
    }

    #[zbus(property)]
    fn backend_version(&self) -> &'static str {
        "1"
    }

    #[zbus(property)]
    fn backend_features(&self) -> u32 {
        0
    }
}

impl Polkit {
    /// Takes polkit's name on `bus`.
    ///
    /// # Errors
    ///
    /// The bus refuses.
    pub fn start(bus: &PrivateBus, allowed: &[&'static str]) -> Result<Self> {
        let allowed = Arc::new(Mutex::new(allowed.iter().copied().collect()));
        let authority = Authority {
            allowed: Arc::clone(&allowed),
        };
        let builder = connection::Builder::address(bus.address())?
            .serve_at("/org/freedesktop/PolicyKit1/Authority", authority)?
            .name(NAME)?;
        let connection = patiently("polkit's name", builder.build())??;
        Ok(Self {
            allowed,
            _connection: connection,
        })
    }

    /// From now on these actions are allowed and no others.
    pub fn allow(&self, actions: &[&'static str]) {
        let mut allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        *allowed = actions.iter().copied().collect();
    }
}

/// The real polkitd with the policy as it is installed. Needs root; root may do everything.
///
/// # Errors
///
/// It does not start.
pub fn start_real(workspace: &Workspace, bus: &PrivateBus) -> Result<Process> {
    let mut command = Command::new(DAEMON);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("DBUS_SYSTEM_BUS_ADDRESS", bus.address());
    let process = Process::spawn("polkitd", command, &workspace.logs(), Stdout::Log, None)?;
    bus.wait_for_name(NAME)?;
    Ok(process)
}
