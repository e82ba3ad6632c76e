//! The gateway ends and starts; every agent comes back by itself.

use anyhow::Result;
use countersign_tests::{Workspace, fleet::enlist, gateway::GatewayProcess};

use crate::{
    figures::{median, monotonic, since},
    fleet::{Fleet, Speaking},
    streams::possible_streams,
    table::{Row, say, seconds},
};

/// Restarts of each kind.
const RESTARTS: usize = 3;

/// How the gateway ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// SIGTERM: it tells every agent when to come back.
    Asked,
    /// SIGKILL.
    Killed,
}

/// Every row of this part.
pub(crate) fn measure(rows: &mut Vec<Row>) -> Result<()> {
    let streams = possible_streams()?;
    let workspace = Workspace::new()?;
    let mut gateway = GatewayProcess::init(&workspace)?;
    enlist(gateway.data(), streams)?;
    gateway.serve()?;
    let mut fleet = Fleet::start(
        Speaking::Gateway,
        gateway.address(),
        gateway.pin()?,
        streams,
        &workspace.logs(),
    )?;
    fleet.up()?;
    for (how, what) in [(Ending::Asked, "asked to end"), (Ending::Killed, "killed")] {
        say(&format!("restarts of the gateway, {what} ..."))?;
        let (mut from_ready, mut from_end) = (Vec::new(), Vec::new());
        for _ in 0..RESTARTS {
            let ending = monotonic();
            match how {
                Ending::Asked => gateway.stop()?,
                Ending::Killed => gateway.kill()?,
            }
            gateway.serve()?;
            let ready = monotonic();
            fleet.up()?;
            from_ready.push(since(ready, monotonic()));
            from_end.push(since(ending, monotonic()));
        }
        say(&format!("{from_ready:?}"))?;
        rows.push(Row::new(
            &format!("gateway {what}: ready again -> {streams} agents back"),
            seconds(median(from_ready)),
            &format!(
                "{} after the end was asked for; full handshakes, signed hellos, both ends on this machine",
                seconds(median(from_end))
            ),
        ));
    }
    Ok(())
}
