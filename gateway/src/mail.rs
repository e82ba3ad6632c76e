//! Mail: a message (RFC 5322) of a text, and the program that sends it.

use std::{io, process::Stdio};

use core::time::Duration;
use countersign_core::{secret::SecretText, time::UnixMillis};
use data_encoding::{BASE64, BASE64_MIME};
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};
use zeroize::Zeroizing;

use crate::{random::SystemRandom, settings::MailSettings};

/// So many bytes of a text fit one encoded word (RFC 2047, section 2), whole characters.
const WORD: usize = 45;

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// There is no program for it.
    #[error("no program sends mail: [mail] command in config.toml; `--print` prints the message")]
    NoCommand,
    /// The program did not start, or did not take the message.
    #[error("{program} did not take the message")]
    Program {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The program failed.
    #[error("{program} ended with {status}")]
    Failed {
        /// Which.
        program: String,
        /// How.
        status: std::process::ExitStatus,
    },
    /// The program took too long.
    #[error("{0} did not end in time, and was ended")]
    TimedOut(String),
}

/// A message of a text. The addresses are plain ones (`name@host`): nothing in them can end a line.
pub fn message(
    from: &str,
    to: &str,
    subject: &str,
    text: &SecretText,
    now: UnixMillis,
) -> SecretText {
    let date = jiff::Timestamp::from_millisecond(now.0).map_or_else(
        |_out_of_range| String::new(),
        |at| {
            at.strftime("Date: %a, %d %b %Y %H:%M:%S +0000\r\n")
                .to_string()
        },
    );
    let host = from.rsplit('@').next().unwrap_or_default();
    let id = SystemRandom::base32(26);
    // As base64 every text arrives as it is, whatever is on the way.
    let body = Zeroizing::new(BASE64_MIME.encode(text.expose().as_bytes()));
    SecretText::new(format!(
        "From: {from}\r\nTo: {to}\r\nSubject: {}\r\n{date}Message-ID: <{id}@{host}>\r\n\
         Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
        encoded(subject),
        body.as_str(),
    ))
}

/// A header's text as encoded words, where it needs them.
fn encoded(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    if text.is_ascii() && text.len() < 70 && !text.contains("=?") {
        return text;
    }
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        if word.len().saturating_add(c.len_utf8()) > WORD {
            words.push(core::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    let words = words
        .iter()
        .map(|word| format!("=?utf-8?B?{}?=", BASE64.encode(word.as_bytes())));
    words.collect::<Vec<_>>().join("\r\n ")
}

/// Gives a message to the program that sends it.
///
/// # Errors
///
/// Every variant of [`SendError`].
pub async fn send(settings: &MailSettings, message: &SecretText) -> Result<(), SendError> {
    let Some((program, arguments)) = settings.command.split_first() else {
        return Err(SendError::NoCommand);
    };
    let failed = |source| SendError::Program {
        program: program.clone(),
        source,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let given = async {
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(message.expose().as_bytes()).await?;
            stdin.shutdown().await?;
        }
        child.wait().await
    };
    let limit = Duration::from_secs(settings.timeout_seconds.into());
    match timeout(limit, given).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(SendError::Failed {
            program: program.clone(),
            status,
        }),
        Ok(Err(source)) => Err(failed(source)),
        Err(_elapsed) => Err(SendError::TimedOut(program.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_of_any_text_stays_one_header() {
        assert_eq!(encoded("Your token"), "Your token");
        assert_eq!(encoded("a\r\nBcc: b@c"), "aBcc: b@c");
        let long = "Schl\u{fc}ssel ".repeat(20);
        for line in encoded(&long).split("\r\n") {
            assert!(
                line.len() <= 76 && line.trim_start().starts_with("=?utf-8?B?"),
                "{line}"
            );
        }
    }

    #[test]
    fn a_message_has_its_head_and_its_text() {
        let text = SecretText::from("Gr\u{fc}\u{df}e\n.\nhttps://x");
        let message = message("a@b", "c@d", "S", &text, UnixMillis(1_800_000_000_000));
        let (head, body) = message.expose().split_once("\r\n\r\n").unwrap();
        assert!(head.contains(
            "From: a@b\r\nTo: c@d\r\nSubject: S\r\nDate: Fri, 15 Jan 2027 08:00:00 +0000\r\n"
        ));
        let decoded = BASE64_MIME.decode(body.as_bytes()).unwrap();
        assert_eq!(decoded, text.expose().as_bytes());
    }
}
