//! One file a command: what is asked of the agent, in which order, and what is shown.

mod answer;
mod approve;
mod autosend;
mod biometric;
mod block;
mod browser;
mod code;
mod completions;
mod container;
mod delete;
mod deny;
mod doctor;
mod enroll;
mod export;
mod import;
mod info;
mod list;
mod lock;
mod log;
mod move_token;
mod mute;
mod next;
mod pin_asking;
mod pin_change;
mod rename;
mod requests;
mod secrets;
mod session;
mod setup;
mod slot_add;
mod slot_list;
mod slot_remove;
mod status;
mod sudo;
mod tui;
mod unlock;

use std::process::ExitCode;

pub(crate) use self::{
    answer::Outcome,
    secrets::{Question, asks_here},
    session::{Dialer, Session},
    unlock::{asks_for_a_passphrase, has_passphrase},
};
use crate::{
    cli::{Cli, Command, Pin, Slot, Vault},
    environment::Environment,
    exit::Failure,
    interrupts::Interrupts,
    output::Output,
};

/// Runs the command to its end.
pub(crate) fn main(cli: Cli, environment: Environment) -> ExitCode {
    let output = Output::new(cli.json, &environment);
    match run(cli, environment, output.clone()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&output),
    }
}

fn run(cli: Cli, environment: Environment, output: Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(Failure::Input)?;
    let interrupts = Interrupts::default();
    let session = Session::new(environment, cli.timeout, output, interrupts.clone());
    runtime.block_on(async {
        tokio::select! {
            biased;
            done = dispatch(cli.command, &session) => done,
            signal = interrupts.received() => Err(Failure::Interrupted { signal }),
        }
    })
}

async fn dispatch(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Code(arguments) => code::run(arguments, session).await,
        Command::Next(arguments) => next::run(arguments, session).await,
        Command::List(arguments) => list::run(&arguments, session).await,
        Command::Info(arguments) => info::run(arguments, session).await,
        Command::Requests(arguments) => requests::run(&arguments, session).await,
        Command::Approve(arguments) => approve::run(arguments, session).await,
        Command::Deny(arguments) => deny::run(arguments, session).await,
        Command::Autosend(arguments) => autosend::run(arguments, session).await,
        Command::Mute(arguments) => mute::run(&arguments, session).await,
        Command::Block(arguments) => block::run(arguments, session).await,
        Command::Enroll(arguments) => enroll::run(arguments, session).await,
        Command::Import(arguments) => import::run(arguments, session).await,
        Command::Export(arguments) => export::run(arguments, session).await,
        Command::Rename(arguments) => rename::run(arguments, session).await,
        Command::Move(arguments) => move_token::run(arguments, session).await,
        Command::Delete(arguments) => delete::run(arguments, session).await,
        Command::Container(arguments) => container::run(arguments, session).await,
        Command::Pin(Pin::Change(arguments)) => pin_change::run(arguments, session).await,
        Command::Pin(Pin::Ask(arguments)) => pin_asking::run(arguments, session).await,
        Command::Biometric(arguments) => biometric::run(arguments, session).await,
        Command::Browser(arguments) => browser::run(arguments, session).await,
        Command::Sudo(arguments) => sudo::run(arguments, session).await,
        Command::Tui(arguments) => tui::run(&arguments, session).await,
        Command::Status => status::run(session).await,
        Command::Setup(arguments) => setup::run(&arguments, session).await,
        Command::Unlock(arguments) => unlock::run(&arguments, session).await,
        Command::Lock => lock::run(session).await,
        Command::Vault(Vault::Slot(Slot::List)) => slot_list::run(session).await,
        Command::Vault(Vault::Slot(Slot::Add(arguments))) => {
            slot_add::run(&arguments, session).await
        }
        Command::Vault(Vault::Slot(Slot::Remove(arguments))) => {
            slot_remove::run(arguments, session).await
        }
        Command::Log(arguments) => log::run(&arguments, session).await,
        Command::Doctor => doctor::run(session).await,
        Command::Completions(arguments) => completions::run(&arguments),
    }
}
