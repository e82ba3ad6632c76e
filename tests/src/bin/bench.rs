//! `cargo xtask bench`: what a user waits for, beside peers in the same run. Medians.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use countersign_client::{AgentClient, SocketPath};
use countersign_proto::agent::v1::{GeneratePasscodeRequest, LoginRequestState};
use countersign_tests::{
    agent::Session,
    block_on, end_on_signals,
    example_portal::ExamplePortal,
    gateway::GatewayProcess,
    programs,
    stage::{CLICK_TOKEN, Stage},
    standin_notifications::{StandinNotifications, now},
    surroundings,
};
use serde_json::Value;

/// Runs of each whole process.
const PROCESSES: usize = 300;
/// Calls on an open connection.
const CALLS: usize = 2000;
/// Logins from end to end.
const LOGINS: usize = 60;
/// Starts of the agent.
const STARTS: usize = 40;
/// How long the idle agent is watched for wake-ups.
const IDLE: Duration = Duration::from_mins(1);

const TIME: &str = "otpauth://totp/time?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const EVENT: &str = "otpauth://hotp/event?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&counter=0";

fn main() -> ExitCode {
    match Arguments::parse().and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without stderr there is nobody to tell; the exit code still does.
            drop(writeln!(io::stderr(), "the bench failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    style: Style,
    programs: Option<PathBuf>,
    peers: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Aligned,
    Markdown,
}

impl Arguments {
    fn parse() -> Result<Self> {
        let mut arguments = Self {
            style: Style::Aligned,
            programs: None,
            peers: PathBuf::new(),
        };
        let mut words = surroundings::arguments();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--markdown" => arguments.style = Style::Markdown,
                "--programs" => arguments.programs = words.next().map(PathBuf::from),
                "--peers" => arguments.peers = words.next().context("--peers FOLDER")?.into(),
                other => bail!("unknown: {other}"),
            }
        }
        Ok(arguments)
    }
}

/// One line of the table.
struct Row {
    what: String,
    value: String,
    note: String,
}

impl Row {
    fn new(what: &str, value: String, note: &str) -> Self {
        Self {
            what: what.to_owned(),
            value,
            note: note.to_owned(),
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    end_on_signals()?;
    if let Some(folder) = &arguments.programs {
        programs::take_from(folder.clone());
    }
    let mut rows = Vec::new();
    let mut stage = Stage::new()?;
    stage.enroll_string("time", TIME)?;
    stage.enroll_string("event", EVENT)?;
    whole_processes(&stage, &arguments.peers, &mut rows)?;
    open_connection(&stage, &mut rows)?;
    let gateway = stage.gateway()?;
    stage.enroll(&gateway, "Example", &CLICK_TOKEN)?;
    stage.wait_until_connected()?;
    logins(&stage, &gateway, &mut rows)?;
    idle(&mut stage, &mut rows)?;
    cold_start(&mut stage, &mut rows)?;
    print(&rows, arguments.style)?;
    Ok(())
}

fn say(text: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{text}")
}

/// `countersign code` and its peers, in turns, so that a busy machine slows all of them.
fn whole_processes(stage: &Stage, peers: &Path, rows: &mut Vec<Row>) -> Result<()> {
    say("whole processes ...")?;
    let session = stage.agent.session();
    let mut contestants: Vec<(&str, Command)> = Vec::new();
    contestants.push(("/bin/true (the floor)", session.command("/bin/true".into())));
    let mut code = session.command(programs::program("countersign")?);
    code.args(["code", "time"]);
    contestants.push(("countersign code", code));
    let mut oathtool = session.command("oathtool".into());
    oathtool.args(["--totp", "--base32", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"]);
    contestants.push(("oathtool --totp", oathtool));
    let gnupg = session.command("gpg-connect-agent".into());
    let mut nop = clone_of(&gnupg, session);
    nop.args(["NOP", "/bye"]);
    contestants.push(("gpg-connect-agent NOP /bye", nop));
    let rbw = peers.join("rbw");
    if rbw.exists() {
        let path = format!("{}:/usr/bin:/bin", peers.display());
        let mut unlocked = session.command(rbw.clone());
        unlocked.arg("unlocked").env("PATH", path);
        contestants.push(("rbw unlocked", unlocked));
    }
    let mut times: Vec<Vec<Duration>> = contestants.iter().map(|_| Vec::new()).collect();
    for round in 0..PROCESSES.saturating_add(10) {
        for ((_, command), times) in contestants.iter_mut().zip(&mut times) {
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let begin = now();
            command.status()?;
            // The first rounds start the peers' agents.
            if round >= 10 {
                times.push(begin.elapsed());
            }
        }
    }
    let medians: Vec<_> = times.into_iter().map(median).collect();
    let ours = medians.get(1).copied().unwrap_or_default();
    for ((name, _), time) in contestants.iter().zip(&medians) {
        let note = if *name == "countersign code" {
            "whole process, one unary call".to_owned()
        } else {
            format!("countersign code takes {:.2} x this", ratio(ours, *time))
        };
        rows.push(Row::new(name, milliseconds(*time), &note));
    }
    let mut end = clone_of(&gnupg, session);
    end.args(["KILLAGENT", "/bye"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if rbw.exists() {
        session
            .command(rbw)
            .arg("stop-agent")
            .stderr(Stdio::null())
            .status()?;
    }
    Ok(())
}

fn clone_of(command: &Command, session: &Session) -> Command {
    session.command(PathBuf::from(command.get_program()))
}

fn open_connection(stage: &Stage, rows: &mut Vec<Row>) -> Result<()> {
    say("an open connection ...")?;
    let path = SocketPath::new(stage.agent.socket());
    for (token, note) in [
        ("time", "nothing is written"),
        ("event", "the counter is durable before the answer"),
    ] {
        let times = block_on(async {
            let mut client = AgentClient::connect(&path).await?;
            let mut times = Vec::new();
            for _ in 0..CALLS {
                let request = GeneratePasscodeRequest {
                    token: token.to_owned(),
                    ..GeneratePasscodeRequest::default()
                };
                let begin = now();
                client.generate_passcode(request).await?;
                times.push(begin.elapsed());
            }
            anyhow::Ok(times)
        })?;
        let what = format!("one passcode on an open connection, {token}-based");
        rows.push(Row::new(&what, milliseconds(median(times)), note));
    }
    Ok(())
}

fn logins(stage: &Stage, gateway: &GatewayProcess, rows: &mut Vec<Row>) -> Result<()> {
    say("logins from end to end ...")?;
    let mut server = StandinNotifications::start(&stage.bus)?;
    let mut requests = stage.requests()?;
    let (mut to_notify, mut to_accepted) = (Vec::new(), Vec::new());
    for _ in 0..LOGINS {
        let mut window = ExamplePortal::open(gateway)?;
        let page = window.enter_password()?;
        let begin = now();
        window.send_login_request(&page)?;
        let call = loop {
            let call = server.call()?;
            if call.actions.iter().any(|key| key == "approve") {
                break call;
            }
        };
        to_notify.push(call.at.saturating_duration_since(begin));
        // No person is faster than the reply to Notify: the agent has it when it answers this.
        stage.cli.json(&["requests"])?;
        let chosen = server.choose(call.id, "approve")?;
        requests.wait(&[LoginRequestState::Approved, LoginRequestState::LoggedIn])?;
        to_accepted.push(chosen.elapsed());
        window.wait_for_outcome()?;
    }
    rows.push(Row::new(
        "login request sent by the page -> Notify call",
        milliseconds(median(to_notify)),
        "HTTPS request, gateway's commit, stream, agent's commit",
    ));
    rows.push(Row::new(
        "Approve -> accepted, as a watching client sees it",
        milliseconds(median(to_accepted)),
        "every counter durable on both sides",
    ));
    Ok(())
}

fn cold_start(stage: &mut Stage, rows: &mut Vec<Row>) -> Result<()> {
    say("starts of the agent ...")?;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        stage.agent.process().terminate()?;
        let begin = now();
        stage.agent.restart()?;
        times.push(begin.elapsed());
    }
    rows.push(Row::new(
        "agent: start -> ready",
        milliseconds(median(times)),
        "vault with three tokens",
    ));
    Ok(())
}

/// Memory and wake-ups of the agent with one stream to its gateway and nothing to do.
fn idle(stage: &mut Stage, rows: &mut Vec<Row>) -> Result<()> {
    say("the idle agent, for a minute ...")?;
    stage.agent.process().terminate()?;
    stage.agent.restart()?;
    stage.unlock()?;
    stage.wait_until_connected()?;
    let id = stage.agent.id().context("the agent ended")?;
    let before = wake_ups(id)?;
    let ended = block_on(async { tokio::time::timeout(IDLE, core::future::pending::<()>()).await });
    debug_assert!(ended.is_err());
    let after = wake_ups(id)?;
    let status = stage.cli.json(&["status"])?;
    let connected = status
        .pointer("/services/0/connected")
        .and_then(Value::as_bool)
        .unwrap_or_default();
    let note = if connected {
        "one open TLS stream"
    } else {
        "NOT CONNECTED"
    };
    rows.push(Row::new(
        "agent, idle: resident memory",
        format!("{:.1} MB", resident_megabytes(id)?),
        note,
    ));
    rows.push(Row::new(
        "agent, idle: wake-ups in a minute",
        after.saturating_sub(before).to_string(),
        "all threads; the keep-alive is among them",
    ));
    Ok(())
}

fn wake_ups(id: u32) -> Result<u64> {
    let mut sum = 0_u64;
    for thread in fs::read_dir(format!("/proc/{id}/task"))? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        sum = sum.saturating_add(field(&status, "voluntary_ctxt_switches:")?);
    }
    Ok(sum)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "megabytes for people"
)]
fn resident_megabytes(id: u32) -> Result<f64> {
    let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
    Ok(field(&rollup, "Rss:")? as f64 / 1024.0)
}

fn field(text: &str, name: &str) -> Result<u64> {
    let line = text
        .lines()
        .find(|line| line.starts_with(name))
        .context("no such field")?;
    let number = line.split_whitespace().nth(1).context("no number")?;
    Ok(number.parse()?)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn print(rows: &[Row], style: Style) -> Result<()> {
    let widths = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).len()).max().unwrap_or(0);
    let (what, value) = (widths(|row| &row.what), widths(|row| &row.value));
    let mut text = String::new();
    if style == Style::Markdown {
        writeln!(text, "| what | median | note |\n|---|---:|---|")?;
    }
    for row in rows {
        match style {
            Style::Aligned => {
                writeln!(
                    text,
                    "{:what$}  {:>value$}  {}",
                    row.what, row.value, row.note
                )?;
            }
            Style::Markdown => {
                writeln!(text, "| {} | {} | {} |", row.what, row.value, row.note)?;
            }
        }
    }
    Ok(io::stdout().write_all(text.as_bytes())?)
}
