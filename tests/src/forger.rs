//! Somebody who says on a bus what only a service may say.

use std::{collections::BTreeSet, process::Command};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::StreamExt as _;
use zbus::{
    Connection,
    fdo::DBusProxy,
    names::{BusName, OwnedBusName},
};

use crate::{bus::PrivateBus, patiently, process};

/// The user and group `nobody`: never the one who runs a test.
const NOBODY: &str = "65534";

/// Another program on the bus, of the same user.
#[derive(Debug)]
pub struct Forger {
    connection: Connection,
}

/// A signal with two arguments of the usual kinds, for [`as_nobody`].
#[derive(Clone, Copy, Debug)]
pub struct Forged<'a> {
    /// The object that it claims to come from.
    pub path: &'a str,
    /// Interface and member, e.g. `org.example.Door.Opened`.
    pub member: &'a str,
    /// Arguments as `dbus-send` takes them, e.g. `boolean:true`.
    pub arguments: &'a [&'a str],
}

impl Forger {
    /// Connects to `bus`.
    ///
    /// # Errors
    ///
    /// The bus does not answer.
    pub fn new(bus: &PrivateBus) -> Result<Self> {
        Ok(Self {
            connection: bus.connect()?,
        })
    }

    /// Its name on the bus.
    #[must_use]
    pub fn name(&self) -> String {
        self.connection
            .unique_name()
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    /// Sends a signal to everybody, or past all match rules to one connection, and waits until the bus has
    /// passed it on.
    ///
    /// # Errors
    ///
    /// The bus does not answer.
    pub fn emit<B>(
        &self,
        to: Option<&str>,
        path: &str,
        interface: &str,
        member: &str,
        body: &B,
    ) -> Result<()>
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        let sent = async {
            self.connection
                .emit_signal(to, path, interface, member, body)
                .await?;
            // The bus handles one connection's messages in order: with this answer the signal has been
            // passed on.
            let bus = DBusProxy::new(&self.connection).await?;
            bus.get_id().await?;
            anyhow::Ok(())
        };
        patiently("the forged signal to be passed on", sent)?
    }

    /// Who is on the bus now, by unique name.
    ///
    /// # Errors
    ///
    /// The bus does not answer.
    pub fn present(&self) -> Result<BTreeSet<String>> {
        patiently("the names on the bus", async {
            let bus = DBusProxy::new(&self.connection).await?;
            Ok(unique(&bus.list_names().await?))
        })?
    }

    /// The one that has come to the bus since `before` was taken.
    ///
    /// # Errors
    ///
    /// Nobody has, or several.
    pub fn newcomer(&self, before: &BTreeSet<String>) -> Result<String> {
        let now = self.present()?;
        let new: Vec<_> = now.difference(before).collect();
        match new.as_slice() {
            [name] => Ok((*name).clone()),
            _ => bail!("not one newcomer: {new:?}"),
        }
    }

    /// Waits for the first one that was not there when `before` was taken.
    ///
    /// # Errors
    ///
    /// Nobody came in time.
    pub fn wait_for_newcomer(&self, before: &BTreeSet<String>) -> Result<String> {
        patiently("somebody new on the bus", async {
            let bus = DBusProxy::new(&self.connection).await?;
            let mut changes = bus.receive_name_owner_changed().await?;
            loop {
                let now = unique(&bus.list_names().await?);
                if let Some(name) = now.difference(before).next() {
                    return Ok(name.clone());
                }
                changes.next().await.context("the bus ended")?;
            }
        })?
    }

    /// Waits until a connection has ended.
    ///
    /// # Errors
    ///
    /// It did not in time.
    pub fn wait_until_gone(&self, name: &str) -> Result<()> {
        patiently("a connection to end", async {
            let bus = DBusProxy::new(&self.connection).await?;
            let mut changes = bus
                .receive_name_owner_changed_with_args(&[(0, name)])
                .await?;
            while bus.name_has_owner(BusName::try_from(name)?).await? {
                changes.next().await.context("the bus ended")?;
            }
            anyhow::Ok(())
        })?
    }
}

fn unique(names: &[OwnedBusName]) -> BTreeSet<String> {
    names
        .iter()
        .map(ToString::to_string)
        .filter(|name| name.starts_with(':'))
        .collect()
}

/// Sends a signal to one connection as another user of the machine. Needs root.
///
/// # Errors
///
/// The bus does not take it.
pub fn as_nobody(bus: &PrivateBus, to: &str, signal: Forged<'_>) -> Result<()> {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
        .arg("dbus-send")
        .arg(format!("--bus={}", bus.address()))
        .arg("--type=signal")
        .arg(format!("--dest={to}"))
        .args([signal.path, signal.member])
        .args(signal.arguments);
    let output = process::output(command, b"")?;
    ensure!(
        output.status.success(),
        "dbus-send: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
