//! A login through PAM, by a passcode and by the agent's approval, beside the other modules that check a passcode, and
//! beside none.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use core::time::Duration;

use anyhow::{Context as _, Result, ensure};
use countersign_core::{
    otp::{Digits, HashAlgorithm, hotp},
    secret::SecretBytes,
    sudo::Least,
};
use countersign_tests::{
    pam_module,
    sandbox::{Sandbox, USER},
    standin_notifications::now,
    sudo_agent::{self, PlayedAgent},
};
use data_encoding::{BASE32_NOPAD, HEXLOWER};

use crate::{
    figures::{median, ratio},
    table::{Row, milliseconds, say},
};

/// Rounds of each contestant in each program, the first ones not counted.
const ROUNDS: u64 = 110;
const WARM_UP: u64 = 10;
const SEED: [u8; 20] = *b"12345678901234567890";

/// A service of PAM, and how its passcodes go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contestant {
    /// In the table.
    pub(crate) name: &'static str,
    /// The service's name.
    pub(crate) service: &'static str,
    /// The counter of its first passcode.
    pub(crate) first: u64,
}

const PEERS: [Contestant; 5] = [
    Contestant {
        name: "pam_permit (the floor)",
        service: "bench-permit",
        first: 0,
    },
    Contestant {
        name: "pam_oath, HOTP",
        service: "bench-oath",
        first: 0,
    },
    Contestant {
        name: "pam_google_authenticator, HOTP",
        service: "bench-google",
        first: 1,
    },
    Contestant {
        name: "pam_countersign passcode, HOTP",
        service: "bench-ours",
        first: 0,
    },
    Contestant {
        name: "pam_countersign, the agent approves at once",
        service: "bench-approval",
        first: 0,
    },
];

/// Every row of this part.
pub(crate) fn measure(rows: &mut Vec<Row>) -> Result<()> {
    if !Sandbox::is_possible("bench: pam") {
        rows.push(Row::new("logins through PAM", "-".to_owned(), "needs root"));
        return Ok(());
    }
    say("logins through PAM ...")?;
    let sandbox = Sandbox::start()?;
    set_up(&sandbox)?;
    sudo_agent::accept(&sandbox, Least::User)?;
    let _agent = PlayedAgent::approving(&sandbox)?;
    compare(&sandbox, Program::Pamtester, &PEERS, rows)?;
    // The second program goes on where the first has ended.
    let later = PEERS.map(|peer| Contestant {
        first: peer.first.saturating_add(ROUNDS),
        ..peer
    });
    compare(&sandbox, Program::Sudo, &later, rows)?;
    sandbox.end()
}

/// What asks PAM.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    /// `pamtester`, as root.
    Pamtester,
    /// `sudo -S true`, as the user.
    Sudo,
}

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Self::Pamtester => "pamtester",
            Self::Sudo => "sudo -S true",
        }
    }

    /// The command that asks this service.
    fn command(self, sandbox: &Sandbox, service: &str) -> Result<Command> {
        Ok(match self {
            Self::Pamtester => sandbox.command(&["pamtester", service, USER, "authenticate"]),
            Self::Sudo => {
                let line = format!("Defaults:{USER} pam_service={service}\n");
                sandbox.write("/etc/sudoers.d/bench", &line, 0o440)?;
                sandbox.command_of_user(&["sudo", "-S", "-p", "", "true"])
            }
        })
    }
}

/// Puts the contestants in turns, so that a busy machine slows all of them. For others that are measured like these.
pub(crate) fn compare(
    sandbox: &Sandbox,
    program: Program,
    contestants: &[Contestant],
    rows: &mut Vec<Row>,
) -> Result<()> {
    let mut times = vec![Vec::new(); contestants.len()];
    for round in 0..ROUNDS {
        for (contestant, times) in contestants.iter().zip(&mut times) {
            let typed = passcode(contestant.first.saturating_add(round));
            let mut command = program.command(sandbox, contestant.service)?;
            let time = timed(&mut command, &typed).with_context(|| contestant.name)?;
            if round >= WARM_UP {
                times.push(time);
            }
        }
    }
    let medians: Vec<Duration> = times.into_iter().map(median).collect();
    let floor = medians.first().copied().unwrap_or_default();
    for (contestant, time) in contestants.iter().zip(medians) {
        let over = time.saturating_sub(floor);
        let note = format!(
            "{} over the floor, {:.2} x",
            milliseconds(over),
            ratio(time, floor)
        );
        let what = format!("{}: {}", program.name(), contestant.name);
        rows.push(Row::new(&what, milliseconds(time), &note));
    }
    Ok(())
}

/// From the start of a program to its end, which must be a success.
fn timed(command: &mut Command, typed: &str) -> Result<Duration> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begin = now();
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that asks for nothing has perhaps ended.
        drop(writeln!(stdin, "{typed}"));
    }
    let status = child.wait()?;
    let time = begin.elapsed();
    ensure!(status.success(), "was not let in: {status}");
    Ok(time)
}

fn passcode(counter: u64) -> String {
    let seed = SecretBytes::from(SEED);
    hotp(&seed, counter, HashAlgorithm::Sha1, Digits::SIX)
        .expose()
        .to_owned()
}

/// The same seed for everybody.
fn set_up(sandbox: &Sandbox) -> Result<()> {
    let (hex, base32) = (HEXLOWER.encode(&SEED), BASE32_NOPAD.encode(&SEED));
    let users = format!("HOTP {USER} - {hex}\n");
    sandbox.write("/etc/users.oath", &users, 0o600)?;
    sandbox.write(
        "/etc/google",
        &format!("{base32}\n\" HOTP_COUNTER 1\n"),
        0o400,
    )?;
    let words = ["passcode", "add", USER, "--mode", "event", "--seed-stdin"];
    let added = sandbox.run_own("countersign-pam", &words, &format!("{base32}\n"))?;
    ensure!(added.status.success(), "no passcodes: {added:?}");
    let module = pam_module::path()?;
    for (service, line) in [
        ("bench-permit", "pam_permit.so".to_owned()),
        (
            "bench-oath",
            "pam_oath.so usersfile=/etc/users.oath window=20 digits=6".to_owned(),
        ),
        (
            "bench-google",
            "pam_google_authenticator.so secret=/etc/google user=root".to_owned(),
        ),
        ("bench-ours", format!("{module} passcode")),
        ("bench-approval", module),
    ] {
        sandbox.service(service, &format!("auth required {line}"))?;
    }
    Ok(())
}
