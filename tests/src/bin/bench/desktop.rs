//! The agent and its command line: what a user waits for, and what an idle session costs.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};
use countersign_client::{AgentClient, SocketPath};
use countersign_proto::agent::v1::{GeneratePasscodeRequest, LoginRequestState};
use countersign_tests::{
    agent::Session,
    block_on,
    example_portal::ExamplePortal,
    gateway::GatewayProcess,
    programs,
    stage::{CLICK_TOKEN, Stage},
    standin_notifications::{StandinNotifications, now},
};
use serde_json::Value;

use crate::{
    figures::{median, ratio, resident_kib, wake_ups},
    table::{Row, megabytes, milliseconds, say},
};

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

/// Every row of this part.
pub(crate) fn measure(peers: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let mut stage = Stage::new()?;
    stage.enroll_string("time", TIME)?;
    stage.enroll_string("event", EVENT)?;
    whole_processes(&stage, peers, rows)?;
    open_connection(&stage, rows)?;
    let gateway = stage.gateway()?;
    stage.enroll(&gateway, "Example", &CLICK_TOKEN)?;
    stage.wait_until_connected()?;
    logins(&stage, &gateway, rows)?;
    idle(&mut stage, rows)?;
    cold_start(&mut stage, rows)
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
    let folder = peers.join("bin");
    let rbw = folder.join("rbw");
    if rbw.exists() {
        let path = format!("{}:/usr/bin:/bin", folder.display());
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
        megabytes(resident_kib(id)?),
        note,
    ));
    rows.push(Row::new(
        "agent, idle: wake-ups in a minute",
        after.saturating_sub(before).to_string(),
        "all threads; the keep-alive is among them",
    ));
    Ok(())
}
