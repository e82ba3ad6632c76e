//! Many idle streams: what each costs, how fast a login request gets through, and how soon all are back.

use core::time::Duration;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use countersign_tests::{
    Workspace, block_on, descriptors, fleet::enlist, gateway::GatewayProcess,
    http_connection::HttpConnection, pinned,
};
use serde_json::Value;

use crate::{
    brokers::Brand,
    figures::{median, monotonic, quantile, resident_kib, since},
    fleet::{Fleet, Speaking},
    table::{Row, milliseconds, say, seconds},
};

/// Streams, where the system lets a process have so many files open.
const STREAMS: u32 = 10_000;
/// Streams that come and go before the measurement.
const FEW: u32 = 100;
/// Files that a process needs beside its streams.
const SPARE: u64 = 200;
/// Between the last stream and the look at the memory: what was needed to connect has been given back.
const SETTLE: Duration = Duration::from_secs(5);
/// Login requests, one after the other.
const LOGINS: u32 = 1000;

/// As many streams as there are to be, or as this system allows.
pub(crate) fn possible_streams() -> Result<u32> {
    let possible = descriptors::raise_limit()?.saturating_sub(SPARE);
    let streams = STREAMS.min(u32::try_from(possible).unwrap_or(u32::MAX));
    if streams < STREAMS {
        say(&format!(
            "only {streams} streams: this system lets no process have more files open"
        ))?;
    }
    Ok(streams)
}

/// Every row of this part.
pub(crate) fn measure(rows: &mut Vec<Row>) -> Result<()> {
    let streams = possible_streams()?;
    let workspace = Workspace::new()?;
    say(&format!("{streams} idle streams ..."))?;
    let mut gateway = GatewayProcess::init(&workspace)?;
    // A user who ignores a request is not asked for long: each is asked once.
    enlist(gateway.data(), streams)?;
    let front = gateway.add_front("bench")?;
    gateway.serve()?;
    let id = gateway.id().context("the gateway ended")?;
    let start = |count| {
        Fleet::start(
            Speaking::Gateway,
            gateway.address(),
            gateway.pin()?,
            count,
            &workspace.logs(),
        )
    };
    let (mut fleet, took, ours) = grown(id, streams, start)?;
    rows.push(Row::new(
        &format!("gateway: memory per idle stream, {streams}"),
        format!("{ours:.1} KiB"),
        &format!(
            "TLS 1.3, HTTP/2, gRPC, signed hello; all connected in {}",
            seconds(took)
        ),
    ));
    for brand in [Brand::NatsServer, Brand::Mosquitto] {
        broker(brand, &workspace, streams, ours, rows)?;
    }
    requests(&gateway, &mut fleet, &front, streams, rows)
}

/// The same number of idle subscribers at a message broker.
fn broker(
    brand: Brand,
    workspace: &Workspace,
    streams: u32,
    ours: f64,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let what = format!("{}: memory per idle connection", brand.program());
    let Some(path) = brand.path() else {
        rows.push(Row::new(&what, "-".to_owned(), "NOT INSTALLED"));
        return Ok(());
    };
    say(&format!("{} ...", brand.program()))?;
    let broker = brand.start(&path, workspace)?;
    let id = broker.process.id().context("it ended")?;
    let start = |count| {
        Fleet::start(
            brand.speaking(),
            broker.address,
            broker.pin,
            count,
            &workspace.logs(),
        )
    };
    let (_fleet, took, theirs) = grown(id, streams, start)?;
    rows.push(Row::new(
        &what,
        format!("{theirs:.1} KiB"),
        &format!(
            "TLS, one subscription; the gateway takes {:.2} x this; all connected in {}",
            ours / theirs,
            seconds(took)
        ),
    ));
    Ok(())
}

/// Login requests that a front opens, until they are at their agents.
fn requests(
    gateway: &GatewayProcess,
    fleet: &mut Fleet,
    front: &str,
    streams: u32,
    rows: &mut Vec<Row>,
) -> Result<()> {
    say("login requests ...")?;
    let tls = Arc::new(pinned::client(gateway.pin()?));
    let mut connection = HttpConnection::new(gateway.address(), Some(tls));
    let (mut to_agent, mut to_front) = (Vec::new(), Vec::new());
    for number in 0..LOGINS.min(streams) {
        let user = format!("member{number}");
        let begin = monotonic();
        let answer = block_on(connection.post(
            "/validate/triggerchallenge",
            Some(front),
            &[("user", &user)],
        ))?;
        let answered = monotonic();
        ensure!(
            answer.json()?.pointer("/result/value") == Some(&Value::from(1)),
            "not opened: {}",
            answer.body
        );
        let arrived = fleet.request()?;
        to_agent.push(since(begin, arrived));
        to_front.push(since(begin, answered));
    }
    rows.push(Row::new(
        &format!("gateway: front's request -> login request at the agent, {streams} streams"),
        milliseconds(median(to_agent.clone())),
        &format!(
            "p99 {}; durable first, signed; the front has its answer after {}",
            milliseconds(quantile(to_agent, 99)),
            milliseconds(median(to_front))
        ),
    ));
    Ok(())
}

/// What a stream costs a server: what it grows by with all of them, over what it has after a few have come and gone.
/// Code that was read, caches and arenas that were filled are nobody's stream.
fn grown(
    id: u32,
    streams: u32,
    start: impl Fn(u32) -> Result<Fleet>,
) -> Result<(Fleet, Duration, f64)> {
    let mut few = start(FEW.min(streams))?;
    few.up()?;
    settle();
    drop(few);
    settle();
    let before = resident_kib(id)?;
    let mut fleet = start(streams)?;
    let took = fleet.up()?;
    settle();
    let each = per_stream(before, resident_kib(id)?, streams);
    Ok((fleet, took, each))
}

fn settle() {
    let elapsed =
        block_on(async { tokio::time::timeout(SETTLE, core::future::pending::<()>()).await });
    debug_assert!(elapsed.is_err());
}

fn per_stream(before: u64, after: u64, streams: u32) -> f64 {
    let grown = u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX);
    f64::from(grown) / f64::from(streams)
}
