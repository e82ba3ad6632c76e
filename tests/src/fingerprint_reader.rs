//! The real fprintd with libfprint's reader without hardware, which a unix socket stands for: the test lays
//! the finger on it.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};
use zbus::{
    Connection,
    fdo::{ObjectManagerProxy, PropertiesProxy},
    names::InterfaceName,
    proxy,
    proxy::CacheProperties,
    zvariant::{OwnedObjectPath, OwnedValue},
};

use crate::{
    Workspace,
    bus::PrivateBus,
    patiently,
    process::{Process, Stdout},
};

/// The daemon.
pub const DAEMON: &str = "/usr/libexec/fprintd";
/// Its name on the system bus.
pub const NAME: &str = "net.reactivated.Fprint";
/// The object of the only reader.
pub const READER: &str = "/net/reactivated/Fprint/Device/0";
/// The interface of a reader.
pub const INTERFACE: &str = "net.reactivated.Fprint.Device";

#[proxy(
    interface = "net.reactivated.Fprint.Manager",
    default_service = "net.reactivated.Fprint",
    default_path = "/net/reactivated/Fprint/Manager",
    gen_blocking = false
)]
trait Readers {
    fn get_devices(&self) -> zbus::Result<Vec<OwnedObjectPath>>;
    fn get_default_device(&self) -> zbus::Result<OwnedObjectPath>;
}

#[proxy(
    interface = "net.reactivated.Fprint.Device",
    default_service = "net.reactivated.Fprint",
    default_path = "/net/reactivated/Fprint/Device/0",
    gen_blocking = false
)]
trait Reader {
    fn claim(&self, username: &str) -> zbus::Result<()>;
    fn release(&self) -> zbus::Result<()>;
    fn verify_start(&self, finger_name: &str) -> zbus::Result<()>;
    fn enroll_start(&self, finger_name: &str) -> zbus::Result<()>;
    fn enroll_stop(&self) -> zbus::Result<()>;
    #[zbus(signal)]
    fn enroll_status(&self, result: &str, done: bool) -> zbus::Result<()>;
}

/// What the reader itself says about a finger that lies badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Once more.
    General,
    /// Too short.
    TooShort,
    /// Off the centre.
    Center,
    /// Lift it first.
    RemoveFinger,
}

/// The daemon with its one reader, on a private system bus with a polkit.
#[derive(Debug)]
pub struct FingerprintReader {
    address: String,
    socket: PathBuf,
    state: PathBuf,
    logs: PathBuf,
    process: Process,
}

impl FingerprintReader {
    /// Starts the daemon and waits for its name.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(workspace: &Workspace, bus: &PrivateBus) -> Result<Self> {
        let socket = workspace.join("run/reader");
        let state = workspace.join("fprint");
        std::fs::create_dir_all(&state)?;
        let logs = workspace.logs();
        let mut command = daemon(bus.address(), &state);
        command.env("FP_VIRTUAL_DEVICE", &socket);
        let process = Process::spawn("fprintd", command, &logs, Stdout::Log, None)?;
        bus.wait_for_name(NAME)?;
        Ok(Self {
            address: bus.address().to_owned(),
            socket,
            state,
            logs,
            process,
        })
    }

    /// Kills the daemon as a fault would, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// It cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        Ok(())
    }

    /// Starts it anew, with the reader plugged in and the same fingers.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn restart(&mut self, bus: &PrivateBus) -> Result<()> {
        self.start_again(bus, Plugged::In)
    }

    /// Starts it anew without any reader.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn restart_without_reader(&mut self, bus: &PrivateBus) -> Result<()> {
        self.start_again(bus, Plugged::Out)
    }

    fn start_again(&mut self, bus: &PrivateBus, plugged: Plugged) -> Result<()> {
        if self.process.ended()?.is_none() {
            self.process.kill()?;
        }
        let mut command = daemon(&self.address, &self.state);
        match plugged {
            Plugged::In => command.env("FP_VIRTUAL_DEVICE", &self.socket),
            // No driver of real hardware either: the machine may have some.
            Plugged::Out => command
                .env("FP_DRIVERS_WHITELIST", "none")
                .env("FP_DRIVERS_ALLOWLIST", "none"),
        };
        self.process = Process::spawn("fprintd", command, &self.logs, Stdout::Log, None)?;
        bus.wait_for_name(NAME)
    }

    /// Stops the daemon's process without ending it: it answers nothing until [`FingerprintReader::thaw`].
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn freeze(&self) -> Result<()> {
        self.process.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn thaw(&self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// Enrolls the finger `identity` of whoever runs the test under fprintd's name for it, e.g.
    /// `right-index-finger`.
    ///
    /// # Errors
    ///
    /// fprintd refuses.
    pub fn enroll(&self, bus: &PrivateBus, finger: &str, identity: &str) -> Result<()> {
        let connection = bus.connect()?;
        patiently("the finger to be enrolled", async {
            let reader = reader(&connection).await?;
            reader.claim("").await?;
            let mut statuses = reader.receive_enroll_status().await?;
            reader.enroll_start(finger).await?;
            loop {
                self.say(&connection, &format!("SCAN {identity}")).await?;
                let signal = statuses.next().await.context("the bus ended")?;
                let status = signal.args()?;
                match (status.result, status.done) {
                    ("enroll-completed", true) => break,
                    (_, false) => {}
                    (result, true) => bail!("fprintd enrolls nothing: {result}"),
                }
            }
            reader.enroll_stop().await?;
            reader.release().await?;
            anyhow::Ok(())
        })?
    }

    /// Lays the finger `identity` on the reader, once it waits for one.
    ///
    /// # Errors
    ///
    /// Nobody asks for a finger in time.
    pub fn scan(&self, bus: &PrivateBus, identity: &str) -> Result<()> {
        self.tell(bus, &format!("SCAN {identity}"))
    }

    /// Waits until somebody asks for a finger.
    ///
    /// # Errors
    ///
    /// Nobody does in time.
    pub fn wait_until_needed(&self, bus: &PrivateBus) -> Result<()> {
        let connection = bus.connect()?;
        patiently("a finger to be asked for", wait_until_needed(&connection))?
    }

    /// The finger lies badly.
    ///
    /// # Errors
    ///
    /// As [`FingerprintReader::scan`].
    pub fn retry(&self, bus: &PrivateBus, how: Retry) -> Result<()> {
        let number = match how {
            Retry::General => 0,
            Retry::TooShort => 1,
            Retry::Center => 2,
            Retry::RemoveFinger => 3,
        };
        self.tell(bus, &format!("RETRY {number}"))
    }

    /// The reader fails with one of libfprint's `FpDeviceError`s.
    ///
    /// # Errors
    ///
    /// As [`FingerprintReader::scan`].
    pub fn fail(&self, bus: &PrivateBus, error: u32) -> Result<()> {
        self.tell(bus, &format!("ERROR {error}"))
    }

    /// The reader is pulled out. [`FingerprintReader::restart`] plugs it in again.
    ///
    /// # Errors
    ///
    /// As [`FingerprintReader::scan`].
    pub fn unplug(&self, bus: &PrivateBus) -> Result<()> {
        self.tell(bus, "UNPLUG")
    }

    /// Waits until fprintd, too, knows that no reader is there any more.
    ///
    /// # Errors
    ///
    /// It still has one.
    pub fn wait_until_forgotten(&self, bus: &PrivateBus) -> Result<()> {
        let connection = bus.connect()?;
        patiently("the reader to be forgotten", async {
            let objects = ObjectManagerProxy::builder(&connection)
                .destination(NAME)?
                .path("/net/reactivated/Fprint")?
                .build()
                .await?;
            let mut removals = objects.receive_interfaces_removed().await?;
            let readers = ReadersProxy::new(&connection).await?;
            while !readers.get_devices().await?.is_empty() {
                removals.next().await.context("the bus ended")?;
            }
            anyhow::Ok(())
        })?
    }

    fn tell(&self, bus: &PrivateBus, command: &str) -> Result<()> {
        let connection = bus.connect()?;
        patiently("the reader", self.say(&connection, command))?
    }

    /// The socket is there while the reader is claimed, and what is said too early would wait for the next
    /// verification: so first the reader has to want a finger. The end of the answer says that it was taken.
    async fn say(&self, connection: &Connection, command: &str) -> Result<()> {
        wait_until_needed(connection).await?;
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(command.as_bytes()).await?;
        stream.shutdown().await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(())
    }
}

/// Whether the reader is there when the daemon starts.
#[derive(Clone, Copy)]
enum Plugged {
    In,
    Out,
}

fn daemon(address: &str, state: &std::path::Path) -> Command {
    let mut command = Command::new(DAEMON);
    command
        // Never idle: the test ends it.
        .arg("-t")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("DBUS_SYSTEM_BUS_ADDRESS", address)
        .env("STATE_DIRECTORY", state)
        .env("G_MESSAGES_DEBUG", "all");
    command
}

async fn reader(connection: &Connection) -> Result<ReaderProxy<'static>> {
    // It announces its readers a moment after its name.
    ReadersProxy::new(connection)
        .await?
        .get_default_device()
        .await?;
    Ok(ReaderProxy::builder(connection)
        .cache_properties(CacheProperties::No)
        .build()
        .await?)
}

async fn wait_until_needed(connection: &Connection) -> Result<()> {
    let properties = PropertiesProxy::builder(connection)
        .destination(NAME)?
        .path(READER)?
        .build()
        .await?;
    let mut changes = properties.receive_properties_changed().await?;
    let interface = InterfaceName::try_from(INTERFACE)?;
    loop {
        let needed: OwnedValue = properties.get(interface.clone(), "finger-needed").await?;
        if bool::try_from(needed)? {
            return Ok(());
        }
        changes.next().await.context("the bus ended")?;
    }
}

/// Another program that has the reader.
#[derive(Debug)]
pub struct OtherUse {
    connection: Connection,
}

impl OtherUse {
    /// Claims the reader and waits for a finger, as the lock screen does.
    ///
    /// # Errors
    ///
    /// fprintd refuses.
    pub fn begin(bus: &PrivateBus) -> Result<Self> {
        let used = Self::claim(bus)?;
        patiently("a verification of somebody else", async {
            let reader = reader(&used.connection).await?;
            anyhow::Ok(reader.verify_start("any").await?)
        })??;
        Ok(used)
    }

    /// Claims the reader.
    ///
    /// # Errors
    ///
    /// fprintd refuses.
    pub fn claim(bus: &PrivateBus) -> Result<Self> {
        let connection = bus.connect()?;
        patiently("somebody else's claim", async {
            let reader = reader(&connection).await?;
            anyhow::Ok(reader.claim("").await?)
        })??;
        Ok(Self { connection })
    }

    /// Lets it go.
    ///
    /// # Errors
    ///
    /// The bus does not answer.
    pub fn end(self) -> Result<()> {
        patiently("somebody else to go", self.connection.close())??;
        Ok(())
    }
}
