//! A container link is taken: the key is made and kept, the server told, the tokens fetched. Also with new keys in the
//! place of old ones.

use countersign_core::{
    privacyidea::{
        ReplyError,
        container::{
            self, ContainerCall, ContainerKey, ContainerLink, ContainerPolicies, Passphrase,
            Standing,
        },
    },
    secret::SecretText,
    text,
};
use tracing::info;

use super::{ContainerError, ContainerSync, base_of, trust};
use crate::{
    agent::{
        Agent,
        asking::{FingerUse, Given},
        caller::{About, Caller},
        ports::{PinDialog, PortRng},
        session::SessionError,
    },
    vault::{ContainerFacts, ContainerKeys, ContainerRow, EventKind, Vault, VaultError},
};

/// The longest question of a server that is shown, in characters.
const QUESTION: usize = 200;

/// The server's question for the passphrase that belongs to a link; empty if there is none to ask for.
pub(in crate::agent) fn passphrase_question(link: &ContainerLink) -> String {
    match link.passphrase.question() {
        None => String::new(),
        Some("") => "The passphrase that belongs to the link".to_owned(),
        Some(question) => text::display(question, QUESTION),
    }
}

impl Agent {
    /// Registers this device for the container of `link`, and fetches its tokens. An interrupted registration goes on
    /// with the same link.
    pub(in crate::agent) async fn register_container(
        &self,
        name: &str,
        link: &ContainerLink,
        caller: &Caller,
    ) -> Result<ContainerSync, ContainerError> {
        // The link is good once: a vault that cannot be written is found out before.
        self.vault.call(Vault::check_writable).await?;
        let passphrase = self.passphrase_for(link, caller).await?;
        let _alone = self.container_exchange.lock().await;
        // What came along was for the link.
        let caller = caller.clone().with(None);
        let (row, former) = self.begin_registration(name, link).await?;
        let row = match self.finish_registration(&row, link, passphrase).await {
            Ok(row) => row,
            // An earlier try may have reached the server, and its answer not us: then it knows the key.
            Err(ContainerError::RegistrationRefused) if former == Former::Unfinished => row,
            Err(error @ ContainerError::RegistrationRefused) => {
                self.give_up_registration(row, former).await?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        let id = row.id;
        match self.synchronise(row.clone(), Some(&caller)).await {
            Err(ContainerError::NotAccepted | ContainerError::Gone)
                if former == Former::Unfinished =>
            {
                self.give_up_registration(row, former).await?;
                Err(ContainerError::RegistrationRefused)
            }
            // The registration stands and its link is used up: the tokens come with the next try.
            Err(error) if error.is_of_the_service() => match self.container_row(id).await? {
                Some(row) if row.facts.standing == Standing::Registered => {
                    Ok(ContainerSync::nothing(self.container_status(row).await?))
                }
                Some(_) | None => Err(error),
            },
            synced => synced,
        }
    }

    /// Asks the container's server for new keys and secrets.
    ///
    /// # Errors
    ///
    /// [`ContainerError::Forbidden`], [`ContainerError::Gone`] and those of a registration.
    pub async fn renew_container(
        &self,
        selector: &str,
        caller: &Caller,
    ) -> Result<ContainerSync, ContainerError> {
        self.started().await;
        self.unlock_for(caller, About::new("Renew a container"))
            .await?;
        let (name, link) = {
            let _alone = self.container_exchange.lock().await;
            let row = self.select_container(selector).await?;
            let link = self.renewal_link(&row).await?;
            (row.name, link)
        };
        let synced = self.register_container(&name, &link, caller).await;
        self.touch();
        synced
    }

    async fn renewal_link(&self, row: &ContainerRow) -> Result<ContainerLink, ContainerError> {
        let (base, call) = (base_of(row)?, ContainerCall::Renew);
        let key = self.registered_key(row).await?;
        let challenge = self.challenge(row, &base, call).await?;
        let form = container::signed_call_form(&base, &row.serial, call, &challenge, &key)?;
        let body = self.post_to(row, &call.address(&base), form).await?;
        let link = match container::read_renewal_reply(&body) {
            Err(ReplyError::Refused(fault)) if fault.code == container::FORBIDDEN => {
                return Err(ContainerError::Forbidden("renews its keys by itself"));
            }
            link => link?,
        };
        // Nobody is asked again whether the server is right: it has to be the same one.
        let same = container::container_id(&link.url, &link.serial) == row.id
            && link.transport == row.facts.transport;
        if same {
            Ok(link)
        } else {
            let why = "the new link leads to another server or container";
            Err(ContainerError::Exchange(why.to_owned()))
        }
    }

    /// The key that the server knows.
    pub(super) async fn registered_key(
        &self,
        row: &ContainerRow,
    ) -> Result<ContainerKey, ContainerError> {
        let id = row.id;
        let keys = self
            .vault
            .call(move |vault| vault.container_keys(id))
            .await?;
        let key = match row.facts.standing {
            Standing::Registering => keys.next.or(keys.current),
            Standing::Registered | Standing::Gone => keys.current,
        };
        let key = key.ok_or(VaultError::Damaged)?;
        Ok(ContainerKey::from_bytes(&key)?)
    }

    /// The key is made and durable before the server hears of it.
    async fn begin_registration(
        &self,
        name: &str,
        link: &ContainerLink,
    ) -> Result<(ContainerRow, Former), ContainerError> {
        let id = container::container_id(&link.url, &link.serial);
        let known = self.container_row(id).await?;
        let mut keys = match &known {
            Some(_) => {
                self.vault
                    .call(move |vault| vault.container_keys(id))
                    .await?
            }
            None => ContainerKeys::default(),
        };
        let former = match (&known, &keys.next) {
            (None, _) => Former::None,
            (Some(_), Some(_)) => Former::Unfinished,
            (Some(row), None) => Former::Kept(row.facts.standing),
        };
        if keys.next.is_none() {
            let mut rng = PortRng::new(&*self.ports.random);
            let key = ContainerKey::new(&mut rng);
            rng.check()?;
            keys.next = Some(key.to_bytes());
        }
        let row = ContainerRow {
            id,
            name: name.to_owned(),
            serial: link.serial.clone(),
            url: link.url.as_str().to_owned(),
            facts: ContainerFacts {
                standing: Standing::Registering,
                transport: link.transport,
                server_key: known.as_ref().and_then(|row| row.facts.server_key),
                policies: known
                    .as_ref()
                    .map_or_else(ContainerPolicies::default, |row| row.facts.policies),
            },
            synced: known.and_then(|row| row.synced),
        };
        let kept = row.clone();
        self.vault
            .call(move |vault| vault.put_container(&kept, Some(&keys), None))
            .await?;
        Ok((row, former))
    }

    /// Tells the server the key; from its yes on the key counts.
    async fn finish_registration(
        &self,
        row: &ContainerRow,
        link: &ContainerLink,
        passphrase: Option<SecretText>,
    ) -> Result<ContainerRow, ContainerError> {
        let key = self.registered_key(row).await?;
        let form = container::registration_form(link, &key, passphrase.as_ref())?;
        let address = container::registration_address(&link.url);
        let posted = self.ports.polls.post(&address, &trust(row), form).await?;
        let policies = match container::read_registration_reply(&posted.reply.body) {
            Ok(policies) => policies,
            Err(ReplyError::Refused(fault))
                if [
                    container::NOT_ACCEPTED,
                    container::CONTAINER_FAULT,
                    container::NOT_REGISTERED,
                    container::UNKNOWN,
                ]
                .contains(&fault.code) =>
            {
                info!(container = %row.id, why = %fault.message, "a registration was refused");
                return Err(ContainerError::RegistrationRefused);
            }
            Err(error) => return Err(error.into()),
        };
        let mut row = row.clone();
        row.facts.policies = policies;
        // With a server of which nobody vouches: the key that it showed now is the one from now on.
        row.facts.server_key = row.facts.server_key.or(posted.key);
        self.settle_registration(&mut row).await?;
        Ok(row)
    }

    /// The server has confirmed the new key: it takes the place of the old one.
    pub(super) async fn settle_registration(
        &self,
        row: &mut ContainerRow,
    ) -> Result<(), ContainerError> {
        row.facts.standing = Standing::Registered;
        let event = self.event(
            EventKind::ContainerRegistered,
            "",
            &format!("{} ({})", row.name, row.serial),
        );
        let kept = row.clone();
        let settle = move |vault: &mut Vault| {
            let keys = vault.container_keys(kept.id)?;
            let keys = ContainerKeys {
                current: keys.next.or(keys.current),
                next: None,
            };
            vault.put_container(&kept, Some(&keys), Some(&event))
        };
        self.vault.call(settle).await?;
        self.schedule_containers();
        Ok(())
    }

    /// The server has said no: everything is as it was before.
    async fn give_up_registration(
        &self,
        mut row: ContainerRow,
        former: Former,
    ) -> Result<(), ContainerError> {
        let give_up = move |vault: &mut Vault| {
            let keys = ContainerKeys {
                next: None,
                ..vault.container_keys(row.id)?
            };
            if keys.current.is_none() {
                return vault.remove_container(row.id, None);
            }
            row.facts.standing = match former {
                Former::Kept(standing) => standing,
                Former::None | Former::Unfinished => Standing::Gone,
            };
            vault.put_container(&row, Some(&keys), None)
        };
        Ok(self.vault.call(give_up).await?)
    }

    /// What the user has to know beside the link.
    async fn passphrase_for(
        &self,
        link: &ContainerLink,
        caller: &Caller,
    ) -> Result<Option<SecretText>, ContainerError> {
        let question = passphrase_question(link);
        if question.is_empty() {
            return Ok(None);
        }
        let host = link.url.host_port();
        let typed = if let Some(given) = &caller.secret {
            given.clone()
        } else {
            let what = match link.passphrase {
                Passphrase::Sent(_) => format!("It is sent to {host}:"),
                Passphrase::Signed(_) | Passphrase::None => {
                    "It does not leave this computer:".to_owned()
                }
            };
            let about =
                About::new(&format!("Register for {} at {host}", link.serial)).and(&question);
            let dialog = PinDialog {
                title: "Passphrase of a container".to_owned(),
                description: about.description(&what),
                prompt: "Passphrase:".to_owned(),
                error: None,
                repeat: None,
                ok: "Register".to_owned(),
                within: about.within,
            };
            match self.ask(&dialog, FingerUse::No, caller).await {
                Ok(Given::Typed(typed)) => typed,
                Ok(Given::Finger) => return Err(ContainerError::Passphrase),
                Err(unasked) => return Err(SessionError::from(unasked).into()),
            }
        };
        let typed = typed.as_text().ok_or(ContainerError::Passphrase)?;
        Ok(Some(SecretText::from(typed)))
    }
}

/// What there was of the container before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Former {
    /// Nothing.
    None,
    /// A registration of which nobody knows whether the server heard.
    Unfinished,
    /// A whole one.
    Kept(Standing),
}
