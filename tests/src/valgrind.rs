//! What a program loses of its memory and descriptors.

use std::{io::Write as _, process::Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::sandbox::{Sandbox, USER, said};

/// Ends it, in seconds. Beside many others a thousand logins under valgrind take minutes.
const LONGEST: &str = "900";
/// One lost descriptor a login is soon too many.
const DESCRIPTORS: &str = "--nofile=128";

/// Proves the account of [`USER`] so many times in one process, by the service of that name; `typed` is what is answered.
/// Returns what valgrind calls lost for good, e.g. `0 bytes`.
///
/// # Errors
///
/// Somebody was not let in, also for want of descriptors, or memory was used that is not the program's.
pub fn lost_by_logins(
    sandbox: &Sandbox,
    service: &str,
    times: usize,
    typed: &str,
) -> Result<String> {
    let mut words = vec![
        "timeout",
        LONGEST,
        "prlimit",
        DESCRIPTORS,
        "valgrind",
        "--leak-check=full",
        "--track-fds=no",
        "pamtester",
        service,
        USER,
    ];
    words.extend(vec!["authenticate"; times]);
    let mut logins = sandbox
        .command(&words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = logins.stdin.take() {
        // One that asks for nothing reads nothing. It fits a pipe: nobody waits here.
        drop(stdin.write_all(typed.as_bytes()));
    }
    let output = logins.wait_with_output()?;
    let text = said(&output);
    let tail = text.get(text.len().saturating_sub(4000)..).unwrap_or(&text);
    ensure!(output.status.success(), "{tail}");
    let let_in = text.matches("successfully authenticated").count();
    ensure!(let_in == times, "{let_in} of {times} were let in: {tail}");
    ensure!(
        !text.contains("Invalid read") && !text.contains("Invalid write"),
        "{tail}"
    );
    // Nothing lost at all is told in other words.
    if text.contains("no leaks are possible") {
        return Ok("0 bytes".to_owned());
    }
    let lost = text
        .split("definitely lost:")
        .nth(1)
        .and_then(|rest| rest.split(" in ").next())
        .with_context(|| format!("valgrind says nothing of leaks: {tail}"))?;
    Ok(lost.trim().to_owned())
}
