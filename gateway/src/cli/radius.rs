//! `radius client add`, `list`, `remove`, `rotate`.

use clap::{Args, Subcommand, ValueEnum};
use ipnet::IpNet;
use serde_json::json;

use super::{output, token::Switch};
use crate::{
    control,
    service::{NewRadiusClient, Operator, Service},
    store::{Caller, FirstFactor, MessageAuthenticatorPolicy},
};

/// Register what asks by RADIUS.
#[derive(Debug, Subcommand)]
pub(super) enum Radius {
    /// Clients: VPNs, firewalls, PAM, RADIUS proxies
    #[command(subcommand)]
    Client(Client),
}

#[derive(Debug, Subcommand)]
pub(super) enum Client {
    /// Register a client and print the secret to share with it, once
    Add(Add),
    /// List the clients
    List {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove a client: it gets no answer any more
    Remove {
        /// Name
        name: String,
    },
    /// Share another secret with a client and print it, once; the old one is no longer good
    Rotate {
        /// Name
        name: String,
        /// Read the secret from standard input, one line, in place of a new one
        #[arg(long)]
        secret_stdin: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum First {
    /// The gateway checks the user's password: users type it, with a passcode behind it or without
    Password,
    /// The client checks one before it asks: users type a passcode, or nothing to have their desktop asked
    Client,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Address {
    /// Only the client's own is known
    Nas,
    /// What the client says in Calling-Station-Id
    CallingStationId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MessageAuthenticator {
    /// A request without one gets no answer
    Required,
    /// For old clients on a network that nobody else can write to (CVE-2024-3596)
    Optional,
}

/// Register a client.
#[derive(Debug, Args)]
pub(super) struct Add {
    /// Name; what users are shown unless --resource says otherwise
    name: String,
    /// Where it sends from, as 192.0.2.7/32; again for another one
    #[arg(long, value_name = "CIDR", required = true)]
    network: Vec<IpNet>,
    /// What users are shown that they log in to
    #[arg(long, value_name = "TEXT")]
    resource: Option<String>,
    /// Who checks the first factor
    #[arg(long, value_enum, default_value_t = First::Password)]
    first_factor: First,
    /// May it have the user's desktop asked? With `--first-factor client` that asks whoever is named
    #[arg(long, value_enum, default_value_t = Switch::On)]
    push: Switch,
    /// Whose word the user's address is
    #[arg(long, value_enum, default_value_t = Address::Nas)]
    client_address: Address,
    /// Must a request carry a Message-Authenticator?
    #[arg(long, value_enum, default_value_t = MessageAuthenticator::Required)]
    message_authenticator: MessageAuthenticator,
    /// Read the secret from standard input, one line of 16 to 128 characters, in place of a new one
    #[arg(long)]
    secret_stdin: bool,
}

impl Radius {
    pub(super) async fn run(self, operator: &Operator) -> anyhow::Result<()> {
        let service = operator.service();
        let Self::Client(client) = self;
        match client {
            Client::Add(add) => add.run(operator).await,
            Client::List { json: true } => {
                output::json(&json!({ "clients": service.radius_clients().await? }))
            }
            Client::List { json: false } => list(service).await,
            Client::Remove { name } => {
                operator.remove_radius_client(&name).await?;
                control::announce_radius(service.data()).await;
                output::explain(&format!("Removed {name}."));
                Ok(())
            }
            Client::Rotate { name, secret_stdin } => {
                let given = secret_stdin.then(output::secret_line).transpose()?;
                let secret = operator.rotate_radius_secret(&name, given).await?;
                control::announce_radius(service.data()).await;
                if secret_stdin {
                    return Ok(());
                }
                output::explain(&format!("The new secret of {name}; it is not shown again:"));
                output::answer(secret.expose())
            }
        }
    }
}

impl Add {
    async fn run(self, operator: &Operator) -> anyhow::Result<()> {
        let service = operator.service();
        let given = self.secret_stdin.then(output::secret_line).transpose()?;
        let client = NewRadiusClient {
            name: self.name.clone(),
            networks: self.network,
            resource: self.resource,
            first_factor: match self.first_factor {
                First::Password => FirstFactor::Password,
                First::Client => FirstFactor::Client,
            },
            push: self.push == Switch::On,
            client_address: match self.client_address {
                Address::Nas => Caller::Nas,
                Address::CallingStationId => Caller::CallingStationId,
            },
            message_authenticator: match self.message_authenticator {
                MessageAuthenticator::Required => MessageAuthenticatorPolicy::Required,
                MessageAuthenticator::Optional => MessageAuthenticatorPolicy::Optional,
            },
        };
        let secret = operator.add_radius_client(client, given).await?;
        control::announce_radius(service.data()).await;
        if service.settings().config.radius.listen.is_empty() {
            output::explain("RADIUS is off: name an address in config.toml, [radius] listen.");
        }
        if self.secret_stdin {
            return Ok(());
        }
        output::explain(&format!(
            "The secret of {}; it is not shown again:",
            self.name
        ));
        output::answer(secret.expose())
    }
}

async fn list(service: &Service) -> anyhow::Result<()> {
    let heads = [
        "CLIENT",
        "NETWORKS",
        "RESOURCE",
        "FIRST FACTOR",
        "PUSH",
        "CLIENT ADDRESS",
        "MESSAGE-AUTHENTICATOR",
        "SINCE",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for client in service.radius_clients().await? {
        let networks: Vec<_> = client.networks.iter().map(IpNet::to_string).collect();
        let push = if client.push { "on" } else { "off" };
        rows.push(vec![
            client.name,
            networks.join(" "),
            client.resource,
            client.first_factor.to_string(),
            push.to_owned(),
            client.client_address.to_string(),
            client.message_authenticator.to_string(),
            output::time(client.created_ms),
        ]);
    }
    output::table(&rows)
}
