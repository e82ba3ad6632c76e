//! nats-server and mosquitto with TLS, on loopback, for one measurement.

use core::net::SocketAddr;
use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use countersign_tests::{
    PATIENCE, Workspace,
    gateway::own_address,
    process::{Process, Stdout},
    standin_notifications::now,
    surroundings,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PublicKeyData as _};
use sha2::{Digest as _, Sha256};

use crate::fleet::Speaking;

/// A broker that runs.
pub(crate) struct Broker {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) pin: [u8; 32],
}

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brand {
    NatsServer,
    Mosquitto,
}

impl Brand {
    pub(crate) const fn program(self) -> &'static str {
        match self {
            Self::NatsServer => "nats-server",
            Self::Mosquitto => "mosquitto",
        }
    }

    pub(crate) const fn speaking(self) -> Speaking {
        match self {
            Self::NatsServer => Speaking::Nats,
            Self::Mosquitto => Speaking::Mqtt,
        }
    }

    /// Where it is installed, if it is.
    pub(crate) fn path(self) -> Option<PathBuf> {
        surroundings::search_path()
            .into_iter()
            .map(|folder| folder.join(self.program()))
            .find(|path| path.exists())
    }

    /// Starts it with a certificate of its own.
    pub(crate) fn start(self, path: &Path, workspace: &Workspace) -> Result<Broker> {
        let address = own_address();
        let (chain, key, pin) = certificate(self, workspace, address)?;
        let (chain, key) = (chain.display(), key.display());
        let text = match self {
            Self::NatsServer => format!(
                "listen: \"{address}\"\nmax_connections: 20000\ntls {{ cert_file: \"{chain}\", key_file: \"{key}\" }}\n"
            ),
            Self::Mosquitto => format!(
                "listener {} {}\ncertfile {chain}\nkeyfile {key}\nallow_anonymous true\npersistence false\n\
                 user root\nlog_dest none\n",
                address.port(),
                address.ip()
            ),
        };
        let config = workspace.join(format!("{}.conf", self.program()));
        fs::write(&config, text)?;
        let mut command = Command::new(path);
        command.env_clear().arg("-c").arg(&config);
        let process = Process::spawn(
            self.program(),
            command,
            &workspace.logs(),
            Stdout::Log,
            None,
        )?;
        let begin = now();
        // Neither tells when it is ready.
        while TcpStream::connect(address).is_err() {
            if begin.elapsed() > PATIENCE {
                bail!("{} does not listen:\n{}", self.program(), process.log());
            }
        }
        Ok(Broker {
            process,
            address,
            pin,
        })
    }
}

/// P-256 like the gateway's: a leaf, and the key that vouches for it. The files and the SHA-256 of that key.
fn certificate(
    brand: Brand,
    workspace: &Workspace,
    address: SocketAddr,
) -> Result<(PathBuf, PathBuf, [u8; 32])> {
    let identity = KeyPair::generate()?;
    let pin = Sha256::digest(identity.subject_public_key_info()).into();
    let mut parameters = CertificateParams::new(Vec::new())?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let identity_certificate = parameters.self_signed(&identity)?;
    let leaf_key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![address.ip().to_string()])?
        .signed_by(&leaf_key, &Issuer::new(parameters, identity))
        .context("a certificate of a peer")?;
    let chain = workspace.join(format!("{}.crt", brand.program()));
    let key = workspace.join(format!("{}.key", brand.program()));
    fs::write(&chain, [leaf.pem(), identity_certificate.pem()].concat())?;
    fs::write(&key, leaf_key.serialize_pem())?;
    Ok((chain, key, pin))
}
