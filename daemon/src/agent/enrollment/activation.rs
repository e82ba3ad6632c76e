//! An activation string becomes a token: a run of DSKPP, then the registration of our keys.

use countersign_core::{
    activation_string::ActivationString,
    dskpp::client,
    ids::{DeviceId, ServiceId, TokenId},
    pskc::{Exportable, PinPolicy},
    secret::SecretBytes,
    signing::{self, Label},
    text,
    token::{
        KeyHolder, NewPin, PinAsking, PushPolicy, ServiceBinding, TokenKeys, TokenSecrets,
        VerificationLevel,
    },
};
use countersign_proto::push::v1 as push;
use p256::ecdsa::SigningKey;
use prost::Message as _;

use super::{EnrollmentError, SHOWN};
use crate::{
    agent::{Agent, caller::Caller, ports::PortRng, services::profile},
    vault::{EventKind, ServiceKind, ServiceRegistration, ServiceRow, Vault},
};

/// The longest serial that is believed, in characters.
const SERIAL: usize = 64;

/// What this device is at the service: made now, or known from an earlier enrollment there.
struct Device {
    id: DeviceId,
    channel_key: SigningKey,
}

impl Agent {
    /// Provisions and registers one token. It is in the vault when this returns, and not before all of it is right.
    pub(super) async fn provision(
        &self,
        name: &str,
        activation: &ActivationString,
        caller: &Caller,
    ) -> Result<TokenId, EnrollmentError> {
        // A vault that cannot be written is found out before the activation string is used up.
        self.vault.call(Vault::check_writable).await?;

        let provisioned = match self.take_unfinished(activation) {
            Some(provisioned) => provisioned,
            None => self.run_of_dskpp(activation).await?,
        };
        check_serial(&provisioned.package)?;
        // Before the registration: until then the activation string may be used again.
        let policy = provisioned.package.pin;
        let pin = match self.first_pin(policy, name, caller).await {
            Ok(pin) => pin,
            Err(error) => {
                self.keep_unfinished(activation, provisioned);
                return Err(error.into());
            }
        };
        let server_pin = match policy {
            PinPolicy::Server(_) | PinPolicy::InPasscode => pin.as_ref(),
            PinPolicy::None | PinPolicy::Token(_) => None,
        };
        let draft = match (policy, &pin) {
            (PinPolicy::Token(_), Some(pin)) => Some(self.draft_token_pin(pin, policy).await?),
            (PinPolicy::Token(_), None)
            | (PinPolicy::None | PinPolicy::Server(_) | PinPolicy::InPasscode, _) => None,
        };
        let mut rng = PortRng::new(&*self.ports.random);
        let device = self.device_at(activation, &mut rng).await?;
        let decision_key = signing::new_key(&mut rng);
        rng.check()?;
        let registered = self
            .register(activation, &provisioned, &device, &decision_key, server_pin)
            .await?;

        let package = provisioned.package;
        let row = service_row(activation, &registered, device.id)?;
        let push = match (registered.push, package.push) {
            (true, PushPolicy::Allowed(level)) => {
                PushPolicy::Allowed(level.max(core_level(registered.push_level())))
            }
            (false, _) | (true, PushPolicy::Off) => PushPolicy::Off,
        };
        let issuer = if package.issuer.is_empty() {
            &row.name
        } else {
            &package.issuer
        };
        let secrets = TokenSecrets {
            issuer: text::display(issuer, SHOWN),
            user: text::display(&package.user, SHOWN),
            serial: package.serial,
            pin: package.pin,
            asking: PinAsking::EveryTime,
            push,
            service: Some(ServiceBinding {
                service: row.service,
                device: row.device,
                url: row.url.clone(),
                pins: row.pins.clone(),
                identity_key: row.identity_key.clone(),
            }),
            keys: KeyHolder::Open(TokenKeys {
                seed: provisioned.k_token,
                decision_key: Some(signing::key_to_bytes(&decision_key)),
            }),
            exportable: package.exportable == Exportable::Yes,
            policy_name: text::display(&package.policy_name, SHOWN),
            policy_level: text::display(&package.policy_level, SHOWN),
            created: self.ports.clock.wall(),
            origins: Vec::new(),
            mode: Some(package.mode),
        };
        let profile = profile(&row);
        self.state
            .facts()
            .names
            .services
            .insert(row.service, row.name.clone());
        let channel_key = signing::key_to_bytes(&device.channel_key);
        let registration = ServiceRegistration {
            service: row,
            channel_key,
        };
        let event = self.event(EventKind::Enrolled, name, &secrets.serial);
        let (name, counter) = (name.to_owned(), package.counter);
        let add = move |vault: &mut Vault| {
            let mut add = |pin: Option<&NewPin>| {
                vault.add_token(&name, &secrets, pin, counter, Some(&registration), &event)
            };
            match draft {
                Some(draft) => draft.write(|pin| add(Some(pin))),
                None => add(None),
            }
        };
        let id = self.vault.call(add).await?;
        self.ports.push.open(profile).await;
        Ok(id)
    }

    /// A device has one channel key a service: a second token there uses the first one's.
    async fn device_at(
        &self,
        activation: &ActivationString,
        rng: &mut PortRng<'_>,
    ) -> Result<Device, EnrollmentError> {
        let services = self.vault.call(|vault| vault.services()).await?;
        let known = services.into_iter().find(|row| {
            row.url == activation.origin()
                && row
                    .pins
                    .iter()
                    .any(|pin| activation.service_pins.contains(pin))
        });
        if let Some(row) = known {
            let service = row.service;
            let channel_key = self
                .vault
                .call(move |vault| vault.channel_key(service))
                .await?;
            return Ok(Device {
                id: row.device,
                channel_key,
            });
        }
        Ok(Device {
            id: DeviceId(self.random()?),
            channel_key: signing::new_key(rng),
        })
    }

    async fn register(
        &self,
        activation: &ActivationString,
        provisioned: &client::Provisioned,
        device: &Device,
        decision_key: &SigningKey,
        server_pin: Option<&SecretBytes>,
    ) -> Result<push::RegisterReply, EnrollmentError> {
        let body = push::RegisterBody {
            serial: provisioned.package.serial.clone(),
            device_id: device.id.0.to_vec(),
            channel_key: signing::public_to_sec1(device.channel_key.verifying_key()),
            decision_key: signing::public_to_sec1(decision_key.verifying_key()),
            device_name: device_name(),
            server_pin: server_pin
                .and_then(SecretBytes::as_text)
                .unwrap_or_default()
                .to_owned(),
        }
        .encode_to_vec();
        let request = push::RegisterRequest {
            mac: signing::register_mac(&provisioned.k_mac, &body).to_vec(),
            channel_signature: signing::sign(&device.channel_key, Label::Register, &body).to_vec(),
            decision_signature: signing::sign(decision_key, Label::Register, &body).to_vec(),
            body,
        };
        let transport = &self.ports.transport;
        Ok(transport
            .register(activation.url_text(), &activation.service_pins, request)
            .await?)
    }
}

/// Is the serial one that can be shown as it is?
fn check_serial(package: &countersign_core::pskc::KeyPackage) -> Result<(), EnrollmentError> {
    if package.serial.chars().count() > SERIAL
        || text::display(&package.serial, SERIAL) != package.serial
    {
        return Err(EnrollmentError::Exchange(
            "the serial number is malformed".to_owned(),
        ));
    }
    Ok(())
}

/// The service as its registration gave it; its key must be the one that was pinned.
fn service_row(
    activation: &ActivationString,
    registered: &push::RegisterReply,
    device: DeviceId,
) -> Result<ServiceRow, EnrollmentError> {
    let malformed = || EnrollmentError::Exchange("the registration was answered badly".to_owned());
    let service =
        ServiceId::try_from(registered.service_id.as_slice()).map_err(|_length| malformed())?;
    signing::public_from_spki_der(&registered.identity_key).map_err(|_not_p256| malformed())?;
    let pin = signing::spki_sha256(&registered.identity_key);
    let mut pins = activation.service_pins.clone();
    if pins.is_empty() {
        // Without a pin the system's authorities vouched for the connection: pinned from here on.
        pins.push(pin);
    } else if !pins.contains(&pin) {
        return Err(EnrollmentError::Exchange(
            "the service signs with a key that is not pinned".to_owned(),
        ));
    }
    if let Ok(spare) = <[u8; 32]>::try_from(registered.spare_pin.as_slice())
        && !pins.contains(&spare)
    {
        pins.push(spare);
    }
    Ok(ServiceRow {
        service,
        device,
        name: text::display(&registered.service_name, SHOWN),
        url: activation.origin(),
        pins,
        identity_key: registered.identity_key.clone(),
        kind: ServiceKind::Gateway,
    })
}

const fn core_level(level: push::Level) -> VerificationLevel {
    match level {
        push::Level::Click => VerificationLevel::Click,
        // Nothing said is not "a click is enough".
        push::Level::Unspecified | push::Level::Pin => VerificationLevel::Pin,
        push::Level::Finger => VerificationLevel::Finger,
        push::Level::Tpm => VerificationLevel::Tpm,
    }
}

/// What the administrator sees in the list of devices: "Countersign 0.1.0 on laptop".
fn device_name() -> String {
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    format!(
        "Countersign {} on {}",
        env!("CARGO_PKG_VERSION"),
        text::display(&host, SHOWN)
    )
}
