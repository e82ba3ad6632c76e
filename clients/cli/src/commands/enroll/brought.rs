//! Where the text of an enrollment comes from: the argument, standard input, a terminal, or a QR code.

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
};

use countersign_client::AgentClient;
use countersign_proto::{
    agent::v1::Reason,
    desktop::Task,
    limits::{ENROLLMENT_TEXT, PASSPHRASE},
};
use zeroize::Zeroizing;

use super::{
    super::{secrets::Secrets, session::Session},
    codes, picture,
};
use crate::{
    cli,
    desktop::{self, FromClipboard},
    exit::Failure,
    prompt,
    secret_line::{self, Secret},
};

/// What an enrollment text is called in messages.
const WHAT: &str = "activation string";

/// What was brought, and the PIN that came along.
pub(super) async fn read(
    arguments: &cli::Enroll,
    agent: &mut AgentClient,
    session: &Session,
) -> Result<(Secret, Secrets), Failure> {
    let Some(source) = Source::of(&arguments.code) else {
        return typed_or_piped(arguments.text.clone(), arguments.pin_stdin, session).await;
    };
    secret_line::hide_process()?;
    let text = match source {
        Source::File(file) if arguments.pin_stdin && picture::is_stdin(&file) => {
            return Err(Failure::usage(
                "Standard input cannot be the picture and the PIN.",
                "Name the picture's file.",
            ));
        }
        Source::File(file) => {
            let picture = picture::read(&file)?;
            codes::choose(desktop::read_codes(&picture).await?, agent, session).await?
        }
        Source::Clipboard => match desktop::take_clipboard().await? {
            FromClipboard::Text(text) => secret_line::finish(WHAT, trimmed(text), ENROLLMENT_TEXT)?,
            FromClipboard::Picture(picture) => {
                codes::choose(desktop::read_codes(&picture).await?, agent, session).await?
            }
        },
        Source::Screen => {
            session
                .output
                .remark("Choose the part of the screen that shows the code.");
            let picture = desktop::take(Task::TakeScreen).await?;
            codes::choose(desktop::read_codes(&picture).await?, agent, session).await?
        }
        Source::Camera => {
            session.output.remark("Hold the code before the camera.");
            codes::choose(desktop::watch_camera().await?, agent, session).await?
        }
    };
    let secrets = if arguments.pin_stdin {
        Secrets::given(secret_line::read("PIN", PASSPHRASE)?)
    } else {
        Secrets::default()
    };
    Ok((text, secrets))
}

/// A place that pictures come from.
enum Source {
    File(PathBuf),
    Clipboard,
    Screen,
    Camera,
}

impl Source {
    fn of(code: &cli::QrCode) -> Option<Self> {
        if let Some(file) = &code.image {
            Some(Self::File(file.clone()))
        } else if code.clipboard {
            Some(Self::Clipboard)
        } else if code.screen {
            Some(Self::Screen)
        } else if code.camera {
            Some(Self::Camera)
        } else {
            None
        }
    }
}

fn trimmed(mut text: Secret) -> Secret {
    while text.last().is_some_and(u8::is_ascii_whitespace) {
        text.pop();
    }
    text
}

/// The text from where the user put it (the argument, standard input, or typed unseen), and the PIN that
/// standard input may hold as well.
async fn typed_or_piped(
    argument: Option<String>,
    pin_stdin: bool,
    session: &Session,
) -> Result<(Secret, Secrets), Failure> {
    match argument {
        Some(argument) if argument != "-" => {
            session.output.warn(
                "Other users of this machine can see the arguments of a program, and your shell may \
                 keep them. Next time give the string on standard input, or to the prompt.",
            );
            let argument = Zeroizing::new(argument.into_bytes());
            let text = secret_line::finish(WHAT, argument, ENROLLMENT_TEXT)?;
            let secrets = if pin_stdin {
                Secrets::given(secret_line::read("PIN", PASSPHRASE)?)
            } else {
                Secrets::default()
            };
            Ok((text, secrets))
        }
        None if io::stdin().is_terminal() => {
            let terminal = prompt::or_refuse(
                session.terminal(),
                Reason::Usage,
                "There is no activation string, and no terminal to ask for it on.",
                "Give it on standard input: `countersign enroll --yes < FILE`.",
            )?;
            if pin_stdin {
                return Err(Failure::usage(
                    "Standard input is the terminal, so no PIN is read from it.",
                    "Leave --pin-stdin out: the PIN is asked for.",
                ));
            }
            let question = "Activation string, enrollment link or otpauth URI (not shown)";
            let text = terminal.ask_hidden(WHAT, question, ENROLLMENT_TEXT).await?;
            Ok((text, Secrets::default()))
        }
        Some(_) | None if pin_stdin => {
            // Two line ends, and a byte more, so that what is too long is seen to be.
            let most = ENROLLMENT_TEXT.saturating_add(PASSPHRASE).saturating_add(5);
            let (text, pin) = parted(&secret_line::read_exactly_all(most)?)?;
            Ok((text, Secrets::given(pin)))
        }
        Some(_) | None => {
            let text = secret_line::read_all(WHAT, ENROLLMENT_TEXT)?;
            Ok((text, Secrets::default()))
        }
    }
}

/// The last line is the PIN, all before it the text: an activation string may have several lines.
fn parted(input: &Secret) -> Result<(Secret, Secret), Failure> {
    let owned = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
    let input = input.strip_suffix(b"\n").unwrap_or(input);
    let end = input.iter().rposition(|byte| *byte == b'\n');
    let Some((text, rest)) = end.and_then(|end| input.split_at_checked(end)) else {
        return Err(Failure::usage(
            "Standard input holds one line, so the activation string or the PIN is missing.",
            "With --pin-stdin the PIN is the last line, behind the string.",
        ));
    };
    let pin = rest.strip_prefix(b"\n").unwrap_or(rest);
    Ok((
        secret_line::finish(WHAT, owned(text.trim_ascii_end()), ENROLLMENT_TEXT)?,
        secret_line::finish("PIN", owned(pin), PASSPHRASE)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_pin_and_the_rest_the_text() {
        let text = |input: &str| parted(&Zeroizing::new(input.as_bytes().to_vec())).unwrap();
        for (input, string, pin) in [
            ("string\n1234", "string", "1234"),
            ("one\r\ntwo\r\n1234", "one\r\ntwo", "1234"),
            ("string\n\n 12 34 \r\n", "string", " 12 34 "),
        ] {
            let (found, typed) = text(input);
            assert_eq!(found.as_slice(), string.as_bytes());
            assert_eq!(typed.as_slice(), pin.as_bytes());
        }
        let missing = parted(&Zeroizing::new(b"string".to_vec())).err().unwrap();
        assert_eq!(missing.reason(), Reason::Usage);
    }
}
