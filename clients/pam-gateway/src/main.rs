//! `countersign-pam-gateway`: asks a gateway about one login for the PAM module, and ends.
//!
//! The module starts it with an empty environment, asks one question on standard input and reads words from standard output
//! ([`countersign_passcodes::gateway`]). It reads its settings as root and is nobody before it talks to the network.
//! Invariants: what it does not understand lets nobody in; that the gateway is away is said only of the network's own
//! failures, since whoever calls sudo can spoil everything else for this process.

mod confinement;
mod http;
mod login;
mod settings;
mod tls;

use std::{
    io::{self, Read as _, Write as _},
    process::ExitCode,
};

use core::time::Duration;

use countersign_core::secret::SecretBytes;
use countersign_passcodes::gateway::{LONGEST_QUESTION, Question, Word};

use self::{login::Trouble, settings::Settings};

fn main() -> ExitCode {
    let word = answer();
    say(&word);
    match word {
        Word::Accepted => ExitCode::SUCCESS,
        Word::Asked(_) | Word::Denied | Word::Unavailable | Word::NotAsked | Word::Fault => {
            ExitCode::FAILURE
        }
    }
}

fn answer() -> Word {
    if confinement::begin().is_err() {
        return Word::Fault;
    }
    let settings = match Settings::read() {
        Ok(settings) => settings,
        Err(error) => {
            // The module hears nothing of it; an administrator does, who starts this by hand.
            drop(writeln!(io::stderr(), "countersign-pam-gateway: {error}"));
            return Word::Fault;
        }
    };
    if confinement::become_nobody().is_err() {
        return Word::Fault;
    }
    let Some(question) = question() else {
        return Word::Fault;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    let Ok(runtime) = runtime else {
        return Word::Fault;
    };
    let within = Duration::from_secs(question.seconds.into());
    let asking =
        async { tokio::time::timeout(within, login::ask(&settings, &question, say)).await };
    match runtime.block_on(asking) {
        Ok(Ok(login::Answer::Accepted)) => Word::Accepted,
        Ok(Ok(login::Answer::Denied)) => Word::Denied,
        Ok(Err(Trouble::Away)) => settings.when_away(),
        Ok(Err(Trouble::Local)) => Word::Fault,
        // Nobody has answered on the desktop, or the gateway has not; both is no yes.
        Err(_elapsed) if login::is_shown() => Word::Denied,
        Err(_elapsed) => settings.when_away(),
    }
}

fn question() -> Option<Question> {
    let most = u64::try_from(LONGEST_QUESTION).ok()?.checked_add(1)?;
    let mut bytes = Vec::with_capacity(LONGEST_QUESTION.checked_add(1)?);
    let read = io::stdin().take(most).read_to_end(&mut bytes);
    let bytes = SecretBytes::new(bytes);
    read.ok()?;
    Question::decode(&bytes).ok()
}

/// One line. A module that is gone needs no answer.
fn say(word: &Word) {
    let mut output = io::stdout().lock();
    drop(writeln!(output, "{word}").and_then(|()| output.flush()));
}
