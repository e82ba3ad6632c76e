//! `countersign enroll --link URL`: the handler of links that are clicked in a browser or a mail.
//!
//! It has no terminal. The agent asks in dialogs of its own, and how it ended is told in a notification. The link is a
//! secret, and a handler gets it as an argument that every user can see; whoever started it (`xdg-open`) has the same
//! argument and waits. So the first thing that happens is that this program starts itself anew, with the link in a pipe
//! and not among the arguments, and ends: both are gone before anybody is asked anything.

use std::{
    env,
    ffi::OsString,
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use countersign_proto::{
    agent::v1::{self as api, EnrollmentConfirmation, Reason},
    limits::ENROLLMENT_TEXT,
};

use super::{super::session::Session, shown::Brought};
use crate::{
    desktop,
    exit::Failure,
    secret_line::{self, Secret},
};

/// The schemes that this program registers itself for, or may be registered for.
const SCHEMES: [&str; 3] = ["countersign://", "otpauth://", "pia://"];
const OPTION: &str = "--link";

/// Moves the link out of the arguments, or enrolls the one that came in the pipe.
pub(super) async fn run(link: &str, session: &Session) -> Result<(), Failure> {
    if link != "-" {
        return start_anew(link).map_err(Failure::Input);
    }
    let done = enroll(session).await;
    let told = match &done {
        Ok(brought) => {
            let (heading, words) = brought.told();
            desktop::tell(heading, &words).await
        }
        Err(failure) => desktop::tell("No token was added", &failure.said()).await,
    };
    if told.is_err() {
        session
            .output
            .warn("How it ended could not be shown as a notification.");
    }
    session.output.answer(&done?)
}

/// The same call without the link, which lies in its standard input; in a process group of its own, which does not end
/// with whoever started this one.
fn start_anew(link: &str) -> io::Result<()> {
    let (reader, mut writer) = io::pipe()?;
    // What is longer is refused at the other end; a pipe takes this much without a reader.
    let most = ENROLLMENT_TEXT.saturating_add(1).min(link.len());
    writer.write_all(link.as_bytes().get(..most).unwrap_or_default())?;
    drop(writer);
    let arguments = env::args_os().skip(1);
    let arguments = arguments.map(|argument| without(argument, link));
    Command::new("/proc/self/exe")
        .arg0("countersign")
        .args(arguments)
        .stdin(Stdio::from(reader))
        .process_group(0)
        .spawn()
        .map(drop)
}

/// The argument, without the link.
fn without(argument: OsString, link: &str) -> OsString {
    if argument == link {
        "-".into()
    } else if argument.to_str() == Some(&format!("{OPTION}={link}")) {
        format!("{OPTION}=-").into()
    } else {
        argument
    }
}

async fn enroll(session: &Session) -> Result<Brought, Failure> {
    let link = secret_line::read_all("link", ENROLLMENT_TEXT)?;
    if !is_link(&link) {
        return Err(Failure::refused(
            Reason::EnrollmentInvalid,
            "This is no link that adds a token.",
            "Such a link begins with countersign:// or otpauth://.",
        ));
    }
    let mut agent = session.agent_for_dialogs().await?;
    let request = api::EnrollRequest {
        text: link.to_vec(),
        confirmation: EnrollmentConfirmation::Dialog.into(),
        ..api::EnrollRequest::default()
    };
    Ok(agent.enroll(request).await?.into())
}

fn is_link(text: &Secret) -> bool {
    SCHEMES.iter().any(|scheme| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn only_links_are_links() {
        for (text, is_one) in [
            ("countersign://enroll/abc", true),
            ("OTPAUTH://totp/x", true),
            ("pia://pipush/x", true),
            ("countersign:x", false),
            ("https://gateway.example", false),
            ("--yes", false),
            ("", false),
        ] {
            let text = Zeroizing::new(text.as_bytes().to_vec());
            assert_eq!(is_link(&text), is_one);
        }
    }

    #[test]
    fn the_link_is_taken_out_of_the_arguments() {
        let link = "countersign://x";
        for (argument, left) in [
            ("countersign://x", "-"),
            ("--link=countersign://x", "--link=-"),
            ("--link", "--link"),
            ("--json", "--json"),
        ] {
            assert_eq!(without(argument.into(), link), left);
        }
    }
}
