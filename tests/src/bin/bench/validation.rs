//! Typed passcodes through `/validate/check`, every accepted one durable before the answer.

use core::time::Duration;
use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use countersign_core::{
    otp::{self, Digits, HashAlgorithm},
    secret::SecretBytes,
};
use countersign_gateway::random::SystemRandom;
use countersign_tests::{
    Workspace, block_on, device::Device, gateway::GatewayProcess, http_connection::HttpConnection,
    pinned, standin_notifications::now,
};
use rustls::ClientConfig;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    figures::{median, quantile},
    privacyidea::PrivacyIdea,
    table::{Row, milliseconds, say},
};

/// Clients that each wait for their answer before they ask again.
const CLIENTS: [usize; 3] = [1, 8, 64];
/// How long one round asks.
const ROUND: Duration = Duration::from_secs(5);
/// Rounds of each number of clients, in turns.
const ROUNDS: usize = 3;

/// Where passcodes are checked.
#[derive(Clone)]
pub(crate) struct Validator {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// The header `Authorization`, where the service wants one.
    pub(crate) authorization: Option<String>,
}

/// A user with an event-based token, and the connection of whoever asks about them.
struct Client {
    connection: HttpConnection,
    authorization: Option<String>,
    user: String,
    seed: SecretBytes,
    counter: u64,
}

/// What a round came to.
struct Round {
    /// Accepted passcodes in a second.
    rate: f64,
    /// How long each answer took.
    times: Vec<Duration>,
}

impl Client {
    fn new(validator: &Validator, user: String, seed: SecretBytes) -> Self {
        Self {
            connection: HttpConnection::new(validator.address, validator.tls.clone()),
            authorization: validator.authorization.clone(),
            user,
            seed,
            counter: 0,
        }
    }

    /// One passcode, which must be accepted.
    async fn validate(&mut self) -> Result<()> {
        let passcode = otp::hotp(&self.seed, self.counter, HashAlgorithm::Sha1, Digits::SIX);
        self.counter = self.counter.saturating_add(1);
        let fields = [("user", &*self.user), ("pass", passcode.expose())];
        let answer = self
            .connection
            .post("/validate/check", self.authorization.as_deref(), &fields)
            .await?;
        let value = answer.json()?;
        ensure!(
            value.pointer("/result/value") == Some(&Value::Bool(true)),
            "not accepted: {}",
            answer.body
        );
        Ok(())
    }
}

/// Lets every client ask for as long as a round lasts. Gives the clients back.
async fn round(clients: Vec<Client>) -> Result<(Vec<Client>, Round)> {
    let begin = now();
    let mut running = JoinSet::new();
    for mut client in clients {
        running.spawn(async move {
            let mut times = Vec::new();
            while begin.elapsed() < ROUND {
                let asked = now();
                client.validate().await?;
                times.push(asked.elapsed());
            }
            anyhow::Ok((client, times))
        });
    }
    let (mut clients, mut times) = (Vec::new(), Vec::new());
    while let Some(ended) = running.join_next().await {
        let (client, taken) = ended??;
        clients.push(client);
        times.extend(taken);
    }
    let rate = f64::from(u32::try_from(times.len())?) / begin.elapsed().as_secs_f64();
    Ok((clients, Round { rate, times }))
}

/// Every row of this part.
pub(crate) fn measure(peers: &Path, rows: &mut Vec<Row>) -> Result<()> {
    say("validations ...")?;
    let workspace = Workspace::new()?;
    let most = CLIENTS.into_iter().max().context("no clients")?;
    let users: Vec<String> = (0..most).map(|number| format!("user{number}")).collect();
    let (_gateway, mut ours) = gateway(&workspace, &users)?;
    let peer = privacyidea(peers, &workspace, &users)?;
    let (peer, mut theirs) = match peer {
        Some((peer, clients)) => (Some(peer), clients),
        None => (None, Vec::new()),
    };
    for count in CLIENTS {
        let (mut our_rounds, mut their_rounds) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            our_rounds.push(one_round(&mut ours, count)?);
            if peer.is_some() {
                their_rounds.push(one_round(&mut theirs, count)?);
            }
        }
        let our_rate = median(our_rounds.iter().map(|round| round.rate).collect());
        rows.push(row(
            "gateway",
            count,
            our_rounds,
            "durable, HTTPS kept alive",
        ));
        if peer.is_some() {
            let their_rate = median(their_rounds.iter().map(|round| round.rate).collect());
            let note = format!("the gateway does {:.0} x as many", our_rate / their_rate);
            rows.push(row("privacyIDEA 3.14", count, their_rounds, &note));
        }
    }
    if peer.is_none() {
        rows.push(Row::new(
            "privacyIDEA 3.14: validations a second",
            "-".to_owned(),
            "NOT INSTALLED",
        ));
    }
    Ok(())
}

fn row(who: &str, count: usize, rounds: Vec<Round>, note: &str) -> Row {
    let rate = median(rounds.iter().map(|round| round.rate).collect());
    let times: Vec<Duration> = rounds.into_iter().flat_map(|round| round.times).collect();
    Row::new(
        &format!("{who}: validations a second, {count} clients"),
        format!("{rate:.0}"),
        &format!(
            "p50 {}, p99 {}; {note}",
            milliseconds(median(times.clone())),
            milliseconds(quantile(times, 99)),
        ),
    )
}

fn one_round(clients: &mut Vec<Client>, count: usize) -> Result<Round> {
    let asking = clients.drain(..count).collect();
    let (back, round) = block_on(round(asking))?;
    clients.splice(..0, back);
    Ok(round)
}

/// A gateway with these users, each with an event-based token.
fn gateway(workspace: &Workspace, users: &[String]) -> Result<(GatewayProcess, Vec<Client>)> {
    let mut gateway = GatewayProcess::init(workspace)?;
    let mut activations = Vec::new();
    for user in users {
        gateway.add_user(user, "a password of many words")?;
        activations.push(gateway.add_token(user, &["--mode", "event", "--push", "off"])?);
    }
    let front = gateway.add_front("bench")?;
    gateway.serve()?;
    let validator = Validator {
        address: gateway.address(),
        tls: Some(Arc::new(pinned::client(gateway.pin()?))),
        authorization: Some(front),
    };
    let mut clients = Vec::new();
    for (user, activation) in users.iter().zip(activations) {
        let device = Device::enroll(&gateway, &activation)?;
        clients.push(Client::new(&validator, user.clone(), device.seed));
    }
    Ok((gateway, clients))
}

/// The peer with the same users, if it is installed.
fn privacyidea(
    peers: &Path,
    workspace: &Workspace,
    users: &[String],
) -> Result<Option<(PrivacyIdea, Vec<Client>)>> {
    say("privacyIDEA is set up ...")?;
    let Some(peer) = PrivacyIdea::start(peers, workspace, users)? else {
        return Ok(None);
    };
    let mut clients = Vec::new();
    for user in users {
        let seed = SecretBytes::new(SystemRandom::bytes::<20>().to_vec());
        peer.enroll(user, &seed)?;
        clients.push(Client::new(&peer.validator(), user.clone(), seed));
    }
    Ok(Some((peer, clients)))
}
