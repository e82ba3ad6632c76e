//! Starts the host for our extension, and for nobody else.

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
};

use countersign_browser::{environment::Environment, host};
use countersign_proto::native_messaging::is_started_for_us;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// As of the command line: it was called in a wrong way.
const USAGE: u8 = 2;
/// As of the command line: something that should not happen.
const INTERNAL: u8 = 1;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    if arguments.is_empty() {
        say(
            "a browser starts this program for the Countersign extension; `countersign browser install` tells browsers of it",
        );
        return ExitCode::from(USAGE);
    }
    if !is_started_for_us(&arguments) {
        host::refuse_stranger();
        say("started for another extension than Countersign's");
        return ExitCode::from(USAGE);
    }
    // Passcodes pass through: another program of the user need not look on. Best effort, as all against such programs.
    let _hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok();
    // One thread for all of it: it waits most of the time.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    match runtime {
        Ok(runtime) => {
            runtime.block_on(host::run(&Environment::read()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("the system gives no event loop ({error})"));
            ExitCode::from(INTERNAL)
        }
    }
}

/// The browser's own standard error.
fn say(sentence: &str) {
    // A standard error that is gone has nobody behind it.
    drop(writeln!(io::stderr(), "countersign-browser: {sentence}"));
}
