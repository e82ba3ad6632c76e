//! What can be typed about containers of privacyIDEA.

use clap::{Args, Subcommand};

/// `container`.
#[derive(Debug, Subcommand)]
pub(crate) enum Container {
    /// List the containers that this device is registered for
    List,
    /// Fetch what is new, now; the agent does it by itself at the unlock and every hour or two
    Sync(ContainerSync),
    /// Ask for new keys and new secrets of all tokens
    Renew(ContainerName),
    /// End the registration, here and at the service
    Unregister(ContainerUnregister),
}

/// A container as an argument.
#[derive(Debug, Args)]
pub(crate) struct ContainerName {
    /// Name, serial or id of the container
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
}

/// `container sync`.
#[derive(Debug, Args)]
pub(crate) struct ContainerSync {
    /// Name, serial or id of the container; without it all of them
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: Option<String>,
}

/// `container unregister`.
#[derive(Debug, Args)]
#[command(
    after_help = "Its tokens stay and go on working until the service renews or deletes them, unless \
                        --delete-tokens takes them along."
)]
pub(crate) struct ContainerUnregister {
    #[command(flatten)]
    pub(crate) container: ContainerName,
    /// Delete its tokens as well
    #[arg(long)]
    pub(crate) delete_tokens: bool,
    /// Do not tell the service, for instance because it is no more
    #[arg(long)]
    pub(crate) only_here: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}
