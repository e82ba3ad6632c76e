//! A device that is no agent: it enrolls at a gateway as one does, and the test knows its keys.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey, PublicEncryptingKey,
};
use countersign_core::{
    activation_string::{ActivationString, AllowHttp},
    dskpp::{AuthenticationCode, NonceEncryption, client},
    ids::DeviceId,
    secret::SecretBytes,
    signing::{self, Label},
};
use countersign_gateway::random::SystemRandom;
use countersign_proto::push::v1 as push;
use http::{Request, header};
use http_body_util::Full;
use hyper::body::Bytes;
use p256::ecdsa::SigningKey;
use prost::Message as _;

use crate::{
    gateway::GatewayProcess,
    http_connection::HttpConnection,
    patiently, pinned,
    push_connection::{self, PushConnection},
};

/// A token on a device of its own.
#[derive(Debug)]
pub struct Device {
    /// The token's serial.
    pub serial: String,
    /// What its passcodes are computed from.
    pub seed: SecretBytes,
    /// The device.
    pub id: DeviceId,
    /// Signs what the device says.
    pub channel_key: SigningKey,
    /// Signs approvals.
    pub decision_key: SigningKey,
}

/// What an enrollment needs to know of the gateway.
struct Gateway {
    address: SocketAddr,
    origin: String,
    pin: [u8; 32],
}

impl Device {
    /// Enrolls what an activation string stands for: DSKPP in four passes, then the registration.
    ///
    /// # Errors
    ///
    /// The gateway refuses.
    pub fn enroll(gateway: &GatewayProcess, activation: &str) -> Result<Self> {
        let activation = ActivationString::parse(activation.as_bytes(), AllowHttp::Never)?;
        let at = Gateway {
            address: gateway.address(),
            origin: gateway.origin(),
            pin: gateway.pin()?,
        };
        patiently("an enrollment", Self::enroll_at(&at, &activation))?
    }

    async fn enroll_at(gateway: &Gateway, activation: &ActivationString) -> Result<Self> {
        let provisioned = provision(gateway, activation).await?;
        let device = Self {
            serial: provisioned.package.serial,
            seed: provisioned.k_token,
            id: DeviceId(SystemRandom::bytes()),
            channel_key: signing::new_key(&mut SystemRandom),
            decision_key: signing::new_key(&mut SystemRandom),
        };
        device.register(gateway, &provisioned.k_mac).await?;
        Ok(device)
    }

    async fn register(&self, gateway: &Gateway, mac_key: &SecretBytes) -> Result<()> {
        let body = push::RegisterBody {
            serial: self.serial.clone(),
            device_id: self.id.0.to_vec(),
            channel_key: signing::public_to_sec1(self.channel_key.verifying_key()),
            decision_key: signing::public_to_sec1(self.decision_key.verifying_key()),
            device_name: "a device of the tests".to_owned(),
            server_pin: String::new(),
        }
        .encode_to_vec();
        let request = push::RegisterRequest {
            mac: signing::register_mac(mac_key, &body).to_vec(),
            channel_signature: signing::sign(&self.channel_key, Label::Register, &body).to_vec(),
            decision_signature: signing::sign(&self.decision_key, Label::Register, &body).to_vec(),
            body,
        };
        let tls = push_connection::tls(gateway.pin);
        let mut connection = PushConnection::open(gateway.address, tls).await?;
        connection.client.register(request).await?;
        Ok(())
    }
}

async fn provision(
    gateway: &Gateway,
    activation: &ActivationString,
) -> Result<client::Provisioned> {
    let short_code = activation.short_code().context("no short code")?;
    let code = AuthenticationCode::new(&short_code, &activation.passphrase)?;
    let tls = Arc::new(pinned::client(gateway.pin));
    let mut connection = HttpConnection::new(gateway.address, Some(tls));
    let url = activation.url_text();
    let path = url
        .strip_prefix(&gateway.origin)
        .context("another gateway's activation string")?;
    let (run, hello) = client::start(url);
    let answer = post(&mut connection, path, hello).await?;
    let run = run.on_server_hello(&answer, &mut SystemRandom)?;
    let encrypted = encrypt(run.encryption(), run.public_key(), run.nonce())?;
    // 100,000 rounds of PBKDF2: others go on meanwhile.
    let proven = tokio::task::spawn_blocking(move || run.client_nonce(&encrypted, &code));
    let (run, nonce) = proven.await?;
    let answer = post(&mut connection, path, nonce).await?;
    Ok(run.on_server_finished(&answer)?)
}

async fn post(connection: &mut HttpConnection, path: &str, body: Vec<u8>) -> Result<Vec<u8>> {
    let request = Request::post(path)
        .header(header::HOST, connection.address().to_string())
        .header(header::CONTENT_TYPE, "application/dskpp+xml")
        .body(Full::new(Bytes::from(body)))?;
    let answer = connection.exchange(request).await?;
    if !answer.status.is_success() {
        bail!("enrollment: {}: {}", answer.status, answer.body);
    }
    Ok(answer.body.into_bytes())
}

/// The client's nonce for the gateway's eyes only.
fn encrypt(encryption: NonceEncryption, public_key: &[u8], nonce: &SecretBytes) -> Result<Vec<u8>> {
    let key = PublicEncryptingKey::from_der(public_key)?;
    let mut encrypted = vec![0; key.key_size_bytes()];
    let length = match encryption {
        NonceEncryption::RsaOaep => OaepPublicEncryptingKey::new(key)?
            .encrypt(&OAEP_SHA1_MGF1SHA1, nonce.expose(), &mut encrypted, None)?
            .len(),
        NonceEncryption::RsaPkcs1 => Pkcs1PublicEncryptingKey::new(key)?
            .encrypt(nonce.expose(), &mut encrypted)?
            .len(),
    };
    encrypted.truncate(length);
    Ok(encrypted)
}
