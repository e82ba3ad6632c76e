//! The browser's host: from its start to a passcode, beside the least that native messaging can take: one echo by a
//! program of a few instructions, started in the same way in the same rounds.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use countersign_tests::{
    Workspace,
    confirmations::Confirmations,
    native_host::{Extension, NativeHost},
    stage::{PASSPHRASE_KEY, Stage},
    standin_notifications::now,
};
use serde_json::{Value, json};

use crate::{
    figures::{median, ratio},
    table::{Row, milliseconds, say},
};

/// Starts of each program, and passcodes of a host that runs: what one paired browser gets at once.
const TIMES: usize = 28;
const TIME: &str = "otpauth://totp/time?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const PAGE: &str = "https://login.example.com";

/// Every row of this part.
pub(crate) fn measure(rows: &mut Vec<Row>) -> Result<()> {
    say("the browser's host ...")?;
    let workspace = Workspace::new()?;
    let dialogs = Confirmations::new(&workspace)?;
    let config = format!("{PASSPHRASE_KEY}{}", dialogs.config());
    let stage = Stage::in_session(workspace, &config, |session| session.on_display(":77"))?;
    stage.set_up()?;
    stage.enroll_string("time", TIME)?;
    let extension = Extension::new(1)?;
    let mut first = NativeHost::start(stage.agent.session(), &stage.workspace.logs())?;
    extension.pair(&mut first, "Bench")?;
    let tokens = first.ask("tokens", &json!({}))?;
    let token = tokens.pointer("/tokens/0/id").and_then(Value::as_str);
    let token = token.context("no token")?;
    let bind = json!({"origin": PAGE, "token": token, "scope": "origin"});
    first.ask("bind", &bind)?;
    let filled = fills(&mut first)?;
    // An allowance of its own.
    let second = Extension::new(2)?;
    second.pair(&mut first, "Bench")?;
    let (echoes, answers) = starts(&stage, &second)?;
    rows.push(Row::new(
        "native messaging: start of cat -> one echo (the floor)",
        milliseconds(echoes),
        "no browser in between",
    ));
    rows.push(Row::new(
        "countersign-browser: start, hello, proof of the key -> a passcode",
        milliseconds(answers),
        &format!("takes {:.2} x the floor", ratio(answers, echoes)),
    ));
    rows.push(Row::new(
        "countersign-browser: one passcode filled, by a host that runs",
        milliseconds(filled),
        "pairing, origin and token are looked at each time",
    ));
    Ok(())
}

fn fills(host: &mut NativeHost) -> Result<Duration> {
    let page = json!({"origin": PAGE});
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let begin = now();
        host.ask("fill", &page)?;
        times.push(begin.elapsed());
    }
    Ok(median(times))
}

/// In turns, so that a busy machine slows both.
fn starts(stage: &Stage, extension: &Extension) -> Result<(Duration, Duration)> {
    let page = json!({"origin": PAGE});
    let (session, logs) = (stage.agent.session(), stage.workspace.logs());
    let (mut echoes, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let begin = now();
        // A message comes back as it is: length and all.
        let mut cat = NativeHost::start_program(Path::new("/bin/cat"), session, &logs, &[])?;
        cat.begin("echo", &json!({}))?;
        cat.message()?.context("no echo")?;
        echoes.push(begin.elapsed());
        let begin = now();
        let mut host = NativeHost::start(session, &logs)?;
        extension.connect(&mut host)?;
        host.ask("fill", &page)?;
        answers.push(begin.elapsed());
    }
    Ok((median(echoes), median(answers)))
}
