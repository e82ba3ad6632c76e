//! The administrator's command line: one file a family of commands.
//!
//! Standard output carries the answer and nothing else; explanations go to standard error, and only on a
//! terminal. Secrets come by standard input, never as arguments.

mod administrator;
mod audit;
mod device;
mod enrollment;
mod front;
mod init;
mod operator;
mod output;
mod policy;
mod radius;
mod serve;
mod status;
mod token;
mod user;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::service::{OpenError, Service};

/// Countersign's authentication service.
#[derive(Debug, Parser)]
#[command(name = "countersign-gateway", version, about, propagate_version = true)]
pub struct Cli {
    /// The gateway's data folder.
    #[arg(
        long,
        value_name = "DIR",
        global = true,
        default_value = "/var/lib/countersign-gateway"
    )]
    data: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new gateway: data folder, keys, certificates, settings
    Init(init::Init),
    /// Serve agents, resources and browsers
    Serve,
    /// Add and list users
    #[command(subcommand)]
    User(user::User),
    /// Issue tokens, and say what becomes of them
    #[command(subcommand)]
    Token(token::Token),
    /// Make personal enrollment links, and see who waits for what
    #[command(subcommand)]
    Enrollment(enrollment::Enrollment),
    /// Name the rules that tokens are issued by
    #[command(subcommand)]
    Policy(policy::Policy),
    /// List devices, and end all tokens of one
    #[command(subcommand)]
    Device(device::Device),
    /// Register the login pages, VPNs and modules that may ask about logins
    #[command(subcommand)]
    Front(front::Front),
    /// Register the VPNs, firewalls and PAM modules that ask by RADIUS
    #[command(subcommand)]
    Radius(radius::Radius),
    /// Say who may use the administration pages
    #[command(subcommand)]
    Administrator(administrator::Administrator),
    /// Read, check and prune the audit log
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Show how things stand
    Status(status::Status),
}

impl Cli {
    /// Runs the command.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let mut runtime = if matches!(self.command, Command::Serve) {
            tokio::runtime::Builder::new_multi_thread()
        } else {
            tokio::runtime::Builder::new_current_thread()
        };
        let runtime = runtime.enable_all().build();
        let result = match runtime {
            Ok(runtime) => runtime.block_on(self.dispatch()),
            Err(error) => Err(error.into()),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                output::failure(&error);
                ExitCode::FAILURE
            }
        }
    }

    async fn dispatch(self) -> anyhow::Result<()> {
        let data = self.data;
        let operator = async || {
            let service = Service::open(&data).await?;
            Ok::<_, OpenError>(service.operator(&operator::name()))
        };
        match self.command {
            Command::Init(init) => init.run(&data).await,
            Command::Serve => serve::run(&data).await,
            Command::User(command) => command.run(&operator().await?).await,
            Command::Token(command) => command.run(&operator().await?).await,
            Command::Enrollment(command) => command.run(&operator().await?).await,
            Command::Policy(command) => command.run(&operator().await?).await,
            Command::Device(command) => command.run(&operator().await?).await,
            Command::Front(command) => command.run(&operator().await?).await,
            Command::Radius(command) => command.run(&operator().await?).await,
            Command::Administrator(command) => command.run(&operator().await?).await,
            Command::Audit(command) => command.run(&operator().await?).await,
            Command::Status(command) => command.run(operator().await?.service()).await,
        }
    }
}
