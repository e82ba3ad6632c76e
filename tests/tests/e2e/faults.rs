//! Login requests through a fault server: none is lost, none answered twice, no passcode accepted twice.
//!
//! The seed is printed. `target/debug/fault-seed`, a file with a number, is the seed instead: the same faults, as far as
//! what the processes do in between is the same.

use core::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use countersign_client::{AgentClient, SocketPath};
use countersign_core::ids::LoginRequestId;
use countersign_proto::{
    agent::v1::{AnswerLoginRequestRequest, ListLoginRequestsRequest, LoginRequestState, Verdict},
    push::v1 as push,
};
use countersign_tests::{
    PATIENCE, block_on,
    dice::Dice,
    faults::{FaultServer, Record},
    gateway::{GatewayProcess, own_address},
    http_connection::HttpConnection,
    patiently, pinned, programs,
    stage::{PASSWORD, Stage, USER},
    standin_notifications::now,
};
use prost::Message as _;
use rusqlite::Connection;
use rustls::ClientConfig;
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet, time::MissedTickBehavior};

/// Logins that are open at a time, each at a resource of its own.
const OPEN: usize = 4;
/// Answers that are given at a time.
const ANSWERING: usize = 8;
/// One login of so many is denied.
const DENIED: u64 = 25;
/// An event-based token whose requests are approved by a click.
const TOKEN: [&str; 6] = ["--mode", "event", "--push", "on", "--push-level", "click"];

#[test]
fn five_hundred_logins_are_answered_once() {
    run(500, 8);
}

/// Run by `cargo xtask test --long`.
#[test]
#[ignore = "ten minutes alone; five_hundred_logins is the same story in every run"]
fn ten_thousand_logins_are_answered_once() {
    run(10_000, 40);
}

/// How a login ended, as its front saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    LoggedIn,
    /// The user's no.
    Refused,
}

struct Trial {
    seed: u64,
    count: usize,
    front: String,
    gateway: std::net::SocketAddr,
    tls: Arc<ClientConfig>,
    record: Arc<Record>,
    agent: SocketPath,
    next: AtomicUsize,
    done: watch::Sender<usize>,
    over: AtomicBool,
    ended: Mutex<HashMap<String, Seen>>,
    reuses: AtomicUsize,
}

fn seed() -> u64 {
    let file = programs::bin_dir().unwrap().join("fault-seed");
    match fs::read_to_string(file) {
        Ok(text) => text.trim().parse().unwrap(),
        Err(_) => {
            u64::from(std::process::id()) ^ u64::from(now().elapsed().subsec_nanos()) ^ clock()
        }
    }
}

fn clock() -> u64 {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    u64::try_from(at.tv_nsec).unwrap_or(0) << 20 ^ u64::try_from(at.tv_sec).unwrap_or(0)
}

fn run(count: usize, restarts: usize) {
    let seed = seed();
    countersign_tests::parts::note(&format!("faults: seed {seed}"));
    let mut dice = Dice::new(seed);
    let mut stage = Stage::new().unwrap();
    let mut gateway = GatewayProcess::init(&stage.workspace).unwrap();
    let door = std::net::SocketAddr::new(gateway.address().ip(), own_address().port());
    stand_behind(&gateway, door);
    gateway.add_user(USER, PASSWORD).unwrap();
    let front = gateway.add_front("trial").unwrap();
    let server = FaultServer::start(&gateway, door, dice.roll()).unwrap();
    gateway.serve().unwrap();
    stage.enroll(&gateway, "work", &TOKEN).unwrap();

    let trial = Arc::new(Trial {
        seed,
        count,
        front,
        gateway: gateway.address(),
        tls: Arc::new(pinned::client(gateway.pin().unwrap())),
        record: server.record(),
        agent: SocketPath::new(stage.agent.socket()),
        next: AtomicUsize::new(0),
        done: watch::Sender::new(0),
        over: AtomicBool::new(false),
        ended: Mutex::default(),
        reuses: AtomicUsize::new(0),
    });
    let mut done = trial.done.subscribe();
    let mut tasks = JoinSet::new();
    block_on(async {
        tasks.spawn(Arc::clone(&trial).answer_all());
        for resource in 0..OPEN {
            let dice = Dice::new(dice.roll());
            tasks.spawn(Arc::clone(&trial).log_in_again_and_again(resource, dice));
        }
    });
    for restart in 1..=restarts {
        let parts = restarts.saturating_add(1);
        let at = count.saturating_mul(restart).checked_div(parts).unwrap();
        wait_for(&mut done, at, &mut tasks, &trial);
        match dice.below(4) {
            0 => restart_agent(&mut stage),
            1 => {
                gateway.kill().unwrap();
                gateway.serve().unwrap();
            }
            2 => {
                gateway.stop().unwrap();
                gateway.serve().unwrap();
            }
            _ => {
                gateway.kill().unwrap();
                restart_agent(&mut stage);
                gateway.serve().unwrap();
            }
        }
    }
    wait_for(&mut done, count, &mut tasks, &trial);
    trial.over.store(true, Ordering::SeqCst);
    while let Some(ended) = patiently("the end of the tasks", tasks.join_next()).unwrap() {
        ended.unwrap();
    }
    settle(&trial);
    stage.agent.process().terminate().unwrap();
    gateway.stop().unwrap();
    check(
        &trial,
        &gateway,
        &stage
            .workspace
            .join("home/.local/share/countersign/vault.db"),
    );
    let faults = server.record().faults();
    countersign_tests::parts::note(&format!("faults: {faults:?}"));
    let kinds = faults.len();
    assert!(
        kinds >= 15,
        "seed {seed}: only {kinds} kinds of faults: {faults:?}"
    );
}

/// The gateway tells agents the fault server's address as its own.
fn stand_behind(gateway: &GatewayProcess, door: std::net::SocketAddr) {
    gateway.known_at(door).unwrap();
    for line in [
        "behind_proxy = true",
        "ttl_seconds = 300",
        "refusals_per_address = 100",
        "refusals_per_user = 1000",
    ] {
        gateway.configure("push", line).unwrap();
    }
}

fn restart_agent(stage: &mut Stage) {
    stage.agent.process().kill().unwrap();
    stage.agent.restart().unwrap();
    stage.unlock().unwrap();
}

/// Waits until so many logins are over, as long as one is over every now and then.
fn wait_for(
    done: &mut watch::Receiver<usize>,
    count: usize,
    tasks: &mut JoinSet<()>,
    trial: &Trial,
) {
    loop {
        if *done.borrow_and_update() >= count {
            return;
        }
        let changed = async {
            tokio::select! {
                changed = done.changed() => changed.unwrap(),
                ended = tasks.join_next() => if let Some(ended) = ended { ended.unwrap() },
            }
        };
        let what = format!(
            "a login to end (seed {}, {} of {} ended)",
            trial.seed,
            *trial.done.borrow(),
            trial.count
        );
        patiently(&what, changed).unwrap();
    }
}

/// Until the agent has heard the outcome of all that it decided: nothing waits in its outbox.
fn settle(trial: &Trial) {
    let settled = async {
        let mut looks = ticks(Duration::from_millis(200));
        loop {
            looks.tick().await;
            let Ok(mut client) = AgentClient::connect(&trial.agent).await else {
                continue;
            };
            let request = ListLoginRequestsRequest {
                check: trial.record.streams() == 0,
                history: true,
            };
            let Ok(reply) = client.list_login_requests(request).await else {
                continue;
            };
            // A request that the fault server invented is never over by itself, but its answer, too, is answered.
            let open = reply.requests.iter().any(|request| {
                request.state() == LoginRequestState::Sending
                    || (request.state() == LoginRequestState::Pending
                        && request.resource.starts_with("resource "))
            });
            if !open {
                return;
            }
        }
    };
    patiently("the agent's outbox", settled).unwrap();
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

impl Trial {
    /// Opens logins at one resource, one after the other, and takes what the user answers.
    async fn log_in_again_and_again(self: Arc<Self>, resource: usize, mut dice: Dice) {
        let mut connection = HttpConnection::new(self.gateway, Some(Arc::clone(&self.tls)));
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= self.count {
                return;
            }
            let begin = now();
            let transaction = self.open(&mut connection, resource, number).await;
            let seen = self.wait(&mut connection, &transaction).await;
            if seen == Seen::LoggedIn {
                self.finish(&mut connection, &transaction, &mut dice).await;
            }
            assert!(
                begin.elapsed() < PATIENCE.saturating_mul(4),
                "seed {}: login {number} took {:?}",
                self.seed,
                begin.elapsed()
            );
            let before = self.ended.lock().unwrap().insert(transaction, seen);
            assert_eq!(before, None, "seed {}: one login is two", self.seed);
            self.done.send_modify(|done| *done = done.saturating_add(1));
        }
    }

    /// The gateway may be away: asked until it answers. The idempotency key makes one login of it.
    async fn open(
        &self,
        connection: &mut HttpConnection,
        resource: usize,
        number: usize,
    ) -> String {
        let (resource, key) = (format!("resource {resource}"), format!("login {number}"));
        let client = format!("10.0.{}.{}", number / 250 % 250, number % 250);
        let fields = [
            ("user", USER),
            ("resource", &*resource),
            ("client", &*client),
            ("idempotency_key", &*key),
        ];
        let mut looks = ticks(Duration::from_millis(50));
        loop {
            looks.tick().await;
            let opened = connection
                .post("/validate/triggerchallenge", Some(&self.front), &fields)
                .await;
            let Some(answer) = opened.ok().and_then(|answer| answer.json().ok()) else {
                continue;
            };
            // Refused while the agent is not known to be connected.
            if let Some(id) = answer
                .pointer("/detail/transaction_id")
                .and_then(Value::as_str)
            {
                return id.to_owned();
            }
        }
    }

    async fn wait(&self, connection: &mut HttpConnection, transaction: &str) -> Seen {
        let path = format!("/validate/polltransaction?transaction_id={transaction}&wait=5");
        let mut looks = ticks(Duration::from_millis(20));
        loop {
            looks.tick().await;
            let Ok(answer) = connection.get(&path, &self.front).await else {
                continue;
            };
            let answer = answer.json().unwrap();
            match answer
                .pointer("/detail/challenge_status")
                .and_then(Value::as_str)
            {
                Some("accept") => return Seen::LoggedIn,
                Some("declined") => return Seen::Refused,
                _ => {}
            }
        }
    }

    /// Takes the approval, which is good once, and tries its passcode, which is used up.
    async fn finish(&self, connection: &mut HttpConnection, transaction: &str, dice: &mut Dice) {
        let fields = [
            ("user", USER),
            ("pass", ""),
            ("transaction_id", transaction),
        ];
        let mut looks = ticks(Duration::from_millis(20));
        let mut unsure = false;
        loop {
            looks.tick().await;
            let taken = connection
                .post("/validate/check", Some(&self.front), &fields)
                .await;
            let Ok(answer) = taken else {
                // The gateway went away: it may have been taken.
                unsure = true;
                continue;
            };
            let accepted = accepted(&answer.json().unwrap());
            assert!(accepted || unsure, "seed {}: {}", self.seed, answer.body);
            break;
        }
        if dice.once_in(4)
            && let Ok(answer) = connection
                .post("/validate/check", Some(&self.front), &fields)
                .await
        {
            let accepted = accepted(&answer.json().unwrap());
            assert!(!accepted, "seed {}: an approval was good twice", self.seed);
        }
        if dice.once_in(4) {
            self.type_again(connection, transaction).await;
        }
    }

    async fn type_again(&self, connection: &mut HttpConnection, transaction: &str) {
        let decisions = self.record.decisions(transaction);
        let decided = decisions.first().unwrap();
        let fields = [("user", USER), ("pass", &*decided.passcode)];
        if let Ok(answer) = connection
            .post("/validate/check", Some(&self.front), &fields)
            .await
        {
            assert!(
                !accepted(&answer.json().unwrap()),
                "seed {}: a passcode was accepted twice: {}",
                self.seed,
                answer.body
            );
            self.reuses.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// The user: answers each request that the agent shows, and asks it to connect when it is not.
    async fn answer_all(self: Arc<Self>) {
        let busy: Arc<Mutex<HashSet<String>>> = Arc::default();
        let mut answers = JoinSet::new();
        let mut looks = ticks(Duration::from_millis(10));
        let mut client = None;
        while !self.over.load(Ordering::SeqCst) {
            looks.tick().await;
            while answers.try_join_next().is_some() {}
            if client.is_none() {
                client = AgentClient::connect(&self.agent).await.ok();
            }
            let Some(open) = &mut client else { continue };
            let request = ListLoginRequestsRequest {
                check: self.record.streams() == 0,
                ..ListLoginRequestsRequest::default()
            };
            let Ok(reply) = open.list_login_requests(request).await else {
                client = None;
                continue;
            };
            for request in reply.requests {
                if answers.len() >= ANSWERING || !busy.lock().unwrap().insert(request.id.clone()) {
                    continue;
                }
                let (trial, busy) = (Arc::clone(&self), Arc::clone(&busy));
                answers.spawn(async move {
                    trial.answer(&request.id).await;
                    busy.lock().unwrap().remove(&request.id);
                });
            }
        }
        answers.shutdown().await;
    }

    async fn answer(&self, id: &str) {
        let Ok(mut client) = AgentClient::connect(&self.agent).await else {
            return;
        };
        // By its id, so that asked twice the user says the same.
        let number: LoginRequestId = id.parse().unwrap();
        let mut dice = Dice::new(u64::from_be_bytes(number.0[..8].try_into().unwrap()));
        let verdict = if dice.once_in(DENIED) {
            Verdict::Deny
        } else {
            Verdict::Approve
        };
        let request = AnswerLoginRequestRequest {
            id: id.to_owned(),
            verdict: verdict.into(),
            ..AnswerLoginRequestRequest::default()
        };
        // What became of it is told by the records.
        drop(client.answer_login_request(request).await);
    }
}

fn accepted(answer: &Value) -> bool {
    answer.pointer("/result/value") == Some(&Value::Bool(true))
}

/// What both sides have written must say the same, and once.
fn check(trial: &Trial, gateway: &GatewayProcess, vault: &Path) {
    let seed = trial.seed;
    let ended = trial.ended.lock().unwrap().clone();
    assert_eq!(ended.len(), trial.count, "seed {seed}");

    let rows = Connection::open(gateway.data().join("gateway.db")).unwrap();
    let states: HashMap<String, String> = pairs(&rows, "SELECT transaction_id, state FROM login");
    assert_eq!(
        states.len(),
        trial.count,
        "seed {seed}: logins at the gateway"
    );
    let changes = changes(&rows);
    let mut overtaken = Vec::new();
    for (transaction, seen) in &ended {
        let state = states.get(transaction).map(String::as_str);
        let (wanted, path): (_, &[&str]) = match seen {
            Seen::LoggedIn => ("consumed", &["approved", "consumed"]),
            Seen::Refused if state == Some("failed_passcode") => {
                overtaken.push(transaction);
                ("failed_passcode", &["failed_passcode"])
            }
            Seen::Refused => ("denied", &["denied"]),
        };
        assert_eq!(state, Some(wanted), "seed {seed}: {transaction}");
        // Each step once, in the audit log that nobody can change unseen.
        let steps: Vec<&str> = changes
            .get(transaction)
            .map_or_else(Vec::new, |steps| steps.iter().map(String::as_str).collect());
        assert_eq!(steps, path, "seed {seed}: {transaction}");
        once_and_the_same(trial, transaction);
    }
    gateway.run(&["audit", "verify"], "").unwrap();

    let agent = Connection::open(vault).unwrap();
    let kept = pairs(
        &agent,
        "SELECT lower(hex(request_id)), state FROM login_requests",
    );
    let mut at_agent: BTreeMap<(Seen, String), usize> = BTreeMap::new();
    let mut stmt = rows
        .prepare("SELECT lower(hex(request_id)), transaction_id FROM request")
        .unwrap();
    let requests = stmt
        .query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })
        .unwrap();
    for request in requests {
        let (request, transaction) = request.unwrap();
        let state = kept.get(&request).cloned().unwrap_or_default();
        let how = ended[&transaction];
        let count = at_agent.entry((how, state)).or_default();
        *count = count.saturating_add(1);
    }
    for ((seen, state), count) in &at_agent {
        let fits = match seen {
            Seen::LoggedIn => ["approved", "logged_in"].contains(&state.as_str()),
            Seen::Refused => ["denied", "refused"].contains(&state.as_str()),
        };
        assert!(
            fits,
            "seed {seed}: {count} logins are {seen:?} and {state:?} at the agent"
        );
    }
    let waiting: i64 = agent
        .query_row("SELECT count(*) FROM outbox", [], |row| row.get(0))
        .unwrap();
    assert_eq!(waiting, 0, "seed {seed}: decisions that nobody answered");
    factors_are_used_once(trial, &rows);
    // A counter that a later one has overtaken is as good in an approval.
    assert!(overtaken.is_empty(), "seed {seed}: refused: {overtaken:?}");
    assert!(
        trial.reuses.load(Ordering::SeqCst) >= trial.count / 20,
        "seed {seed}: too few passcodes were tried again"
    );
}

/// Whatever was sent again was the same, byte for byte.
fn once_and_the_same(trial: &Trial, transaction: &str) {
    let decisions = trial.record.decisions(transaction);
    let first = decisions.first().map(prost::Message::encode_to_vec);
    for again in &decisions {
        assert_eq!(
            Some(again.encode_to_vec()),
            first,
            "seed {}: two answers to one login",
            trial.seed
        );
    }
    assert!(
        first.is_some(),
        "seed {}: nobody answered {transaction}",
        trial.seed
    );
}

/// The counter of the passcode that the agent sent for a login.
fn factor(trial: &Trial, transaction: &str) -> u64 {
    let decided = trial.record.decisions(transaction);
    let signed = decided
        .first()
        .and_then(|decision| decision.signed.as_ref());
    let body = push::DecisionBody::decode(signed.unwrap().body.as_slice());
    body.unwrap().moving_factor
}

/// No counter let two logins in, and the gateway is beyond all of them.
fn factors_are_used_once(trial: &Trial, rows: &Connection) {
    let mut used = HashSet::new();
    let mut highest = 0;
    for (transaction, seen) in &*trial.ended.lock().unwrap() {
        if *seen != Seen::LoggedIn {
            continue;
        }
        let factor = factor(trial, transaction);
        assert!(
            used.insert(factor),
            "seed {}: counter {factor} let two logins in",
            trial.seed
        );
        highest = highest.max(factor);
    }
    let next: i64 = rows
        .query_row("SELECT next_counter FROM token", [], |row| row.get(0))
        .unwrap();
    assert!(
        u64::try_from(next).unwrap() > highest,
        "seed {}",
        trial.seed
    );
}

fn pairs(database: &Connection, query: &str) -> HashMap<String, String> {
    let mut statement = database.prepare(query).unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

/// The steps of each login, as the audit log has them.
fn changes(rows: &Connection) -> HashMap<String, Vec<String>> {
    let mut statement = rows
        .prepare("SELECT subject, detail FROM audit WHERE event = 'login_changed' ORDER BY seq")
        .unwrap();
    let entries = statement
        .query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })
        .unwrap();
    let mut changes: HashMap<String, Vec<String>> = HashMap::new();
    for entry in entries {
        let (transaction, detail) = entry.unwrap();
        let step = detail.split(':').next().unwrap_or_default().to_owned();
        changes.entry(transaction).or_default().push(step);
    }
    changes
}
