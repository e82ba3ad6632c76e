//! A privacyIDEA push link becomes a token: our public key for the server's.

use countersign_core::{
    ids::TokenId,
    privacyidea::{self, Demand, PushLink, ReplyError, Transport},
    pskc::PinPolicy,
    secret::SecretBytes,
    text,
    token::{
        KeyHolder, PinAsking, PushPolicy, ServiceBinding, TokenKeys, TokenSecrets,
        VerificationLevel,
    },
};

use super::{EnrollmentError, SHOWN};
use crate::{
    agent::{Agent, polling::poll_profile, ports::Trust, rsa},
    vault::{
        EventKind, Membership, NewToken, PushToken, ServiceKind, ServiceRegistration, ServiceRow,
        Vault,
    },
};

/// The server knows no such token, or it was enrolled before.
const UNKNOWN_TOKEN: i64 = 601;
/// The credential is wrong, or a field is missing.
const PARAMETER: i64 = 905;

impl Agent {
    /// Exchanges keys with the server. The token is in the vault when this returns; until the server has answered,
    /// nothing is kept.
    pub(in crate::agent) async fn exchange_keys(
        &self,
        name: &str,
        link: &PushLink,
        trust: Trust,
        membership: Option<Membership>,
    ) -> Result<TokenId, EnrollmentError> {
        // The link is good once: a vault that cannot be written is found out before.
        self.vault.call(Vault::check_writable).await?;
        let service = privacyidea::service_id(&link.url, &link.serial);
        let membership = match (self.tokens_of(service).await.first(), membership) {
            (None, membership) => membership,
            (Some(_), None) => {
                return Err(EnrollmentError::Vault(
                    crate::vault::VaultError::TokenExists,
                ));
            }
            // The same server has renewed its token: the former key is good for nothing, wherever it came from.
            (Some(former), Some(membership)) => Some(Membership {
                replaces: Some(former.id),
                ..membership
            }),
        };
        let made = tokio::task::spawn_blocking(rsa::new_key);
        let key = made.await.map_err(|_panicked| rsa::RsaError::Generate)??;

        let form = privacyidea::enrollment_form(link, &key.public);
        let posted = self
            .ports
            .polls
            .post(link.url.as_str(), &trust, form)
            .await?;
        let identity_key = privacyidea::read_enrollment_reply(&posted.reply.body)?;
        if !rsa::is_usable(&identity_key) {
            return Err(EnrollmentError::Exchange(
                "the service's RSA key is unusable".to_owned(),
            ));
        }
        let pins = match trust {
            Trust::FirstUse => posted.key.into_iter().collect(),
            Trust::Key(key) => vec![key],
            Trust::Authorities | Trust::Nothing => Vec::new(),
        };
        let token = PushToken {
            serial: link.serial.clone(),
            transport: link.transport,
            demand: link.demand,
        };
        let row = ServiceRow {
            service,
            device: privacyidea::device_id(service),
            name: service_name(link),
            url: link.url.as_str().to_owned(),
            pins,
            identity_key,
            kind: ServiceKind::PrivacyIdea(token.clone()),
        };
        let secrets = self.push_token(link, &row);
        let renewed = membership.and_then(|membership| membership.replaces);
        let profile = poll_profile(&row, &token);
        self.state
            .facts()
            .names
            .services
            .insert(service, row.name.clone());
        let registration = ServiceRegistration {
            service: row,
            channel_key: key.private,
        };
        let event = self.event(EventKind::Enrolled, name, &link.serial);
        let name = name.to_owned();
        let add = move |vault: &mut Vault| {
            let token = NewToken {
                name: &name,
                secrets: &secrets,
                pin: None,
                counter: 0,
                service: Some(&registration),
                event: &event,
            };
            vault.insert_token(token, membership)
        };
        let id = self.vault.call(add).await?;
        if renewed.is_some() {
            // What the former key was asked is over.
            self.state
                .facts()
                .challenges
                .retain(|_, open| open.service != service);
        }
        self.ports.polls.open(profile).await;
        Ok(id)
    }

    fn push_token(&self, link: &PushLink, row: &ServiceRow) -> TokenSecrets {
        let user = if link.label == link.serial {
            ""
        } else {
            &link.label
        };
        TokenSecrets {
            mode: None,
            issuer: text::display(&link.issuer, SHOWN),
            user: text::display(user, SHOWN),
            serial: link.serial.clone(),
            pin: PinPolicy::None,
            asking: PinAsking::EveryTime,
            // Without a word of the administrator's a click approves, as in this service's own app.
            push: PushPolicy::Allowed(match link.demand {
                Demand::None => VerificationLevel::Click,
                Demand::PinOrFinger => VerificationLevel::Pin,
                Demand::Finger => VerificationLevel::Finger,
            }),
            service: Some(ServiceBinding {
                service: row.service,
                device: row.device,
                url: row.url.clone(),
                pins: row.pins.clone(),
                identity_key: row.identity_key.clone(),
            }),
            // Its key is the service's channel key: a locked agent can still be asked, and decline.
            keys: KeyHolder::Open(TokenKeys {
                seed: SecretBytes::default(),
                decision_key: None,
            }),
            exportable: false,
            policy_name: String::new(),
            policy_level: String::new(),
            created: self.ports.clock.wall(),
            origins: Vec::new(),
        }
    }
}

/// What makes a server the right one at the first contact, as the user has accepted it.
pub(in crate::agent) const fn first_trust(transport: Transport) -> Trust {
    match transport {
        Transport::Verified => Trust::Authorities,
        Transport::UnverifiedTls => Trust::FirstUse,
        Transport::PlainHttp => Trust::Nothing,
    }
}

/// The issuer, or the host where none is named.
fn service_name(link: &PushLink) -> String {
    let issuer = text::display(&link.issuer, SHOWN);
    if issuer.is_empty() {
        link.url.host_port()
    } else {
        issuer
    }
}

impl From<ReplyError> for EnrollmentError {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::Refused(fault) if fault.code == PARAMETER => Self::LinkRefused,
            ReplyError::Refused(fault) if fault.code == UNKNOWN_TOKEN => Self::LinkUsed,
            ReplyError::Refused(fault) => Self::Exchange(fault.message),
            ReplyError::Malformed => Self::Exchange("they are not those of privacyIDEA".to_owned()),
        }
    }
}

impl From<rsa::RsaError> for EnrollmentError {
    fn from(error: rsa::RsaError) -> Self {
        Self::Exchange(error.to_string())
    }
}
