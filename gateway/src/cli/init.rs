//! `init`.

use std::{net::SocketAddr, path::Path};

use clap::Args;
use url::Url;

use super::output;
use crate::{service::Service, settings::Config};

/// Make a new gateway.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// What users see
    #[arg(long)]
    name: String,
    /// Where to listen, e.g. 127.0.0.1:8443
    #[arg(long, value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// How agents and browsers reach it, if not there: `https://HOST` or `https://HOST:PORT`
    #[arg(long)]
    url: Option<Url>,
}

impl Init {
    pub(super) async fn run(self, data: &Path) -> anyhow::Result<()> {
        let config = Config::new(&self.name, self.listen, self.url)?;
        Service::init(data, &config).await?;
        output::explain(&format!(
            "Made the gateway \"{}\" in {}.\n\
             Keep a copy of master.key apart from the rest: without it no token can be used again.\n\
             Next: `user add`, `token add`, then `serve` at {}.",
            config.name,
            data.display(),
            config.origin(),
        ));
        Ok(())
    }
}
