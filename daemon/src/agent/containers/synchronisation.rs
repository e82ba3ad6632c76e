//! The tokens of a container become what its server says: new ones are enrolled, renewed ones replaced, those that it
//! does not have any more deleted. The history stays.

use countersign_core::{
    ids::ContainerId,
    otpauth::UnlockDemand,
    privacyidea::container::{
        self, Addition, ClientToken, ContainerCall, ContainerKey, ContainerPolicies, Held, LeftOut,
        Origin, Package, Plan, Standing, SyncRequest, TokenType,
    },
};
use tracing::{info, warn};

use super::{Aftermath, ContainerError, ContainerSync, base_of, trust};
use crate::{
    agent::{
        Agent,
        agreement::Agreement,
        caller::{About, Caller},
        enrollment::{EnrollmentError, first_trust},
    },
    vault::{ContainerKeys, ContainerRow, EventKind, Membership, TokenRow, VaultError},
};

impl Agent {
    /// Makes the tokens of one container, or of all (`None`), what their servers say. Failures are in the result of
    /// each where several are asked for.
    ///
    /// # Errors
    ///
    /// [`ContainerError::Unknown`], [`ContainerError::Ambiguous`], the vault's; with one container everything that can
    /// go wrong.
    pub async fn sync_containers(
        &self,
        selector: Option<&str>,
        caller: &Caller,
    ) -> Result<Vec<ContainerSync>, ContainerError> {
        self.started().await;
        let about = About::new("Synchronise containers");
        self.unlock_for(caller, about).await?;
        let rows = match selector {
            Some(selector) => vec![self.select_container(selector).await?],
            None => self.container_rows().await?,
        };
        let result = match rows.as_slice() {
            [only] => self
                .sync_container(only.id, Some(caller))
                .await
                .map(|synced| vec![synced]),
            _ => self.sync_each(rows, caller).await,
        };
        self.touch();
        result
    }

    async fn sync_each(
        &self,
        rows: Vec<ContainerRow>,
        caller: &Caller,
    ) -> Result<Vec<ContainerSync>, ContainerError> {
        let mut synced = Vec::new();
        for row in rows {
            let id = row.id;
            match self.sync_container(id, Some(caller)).await {
                Ok(done) => synced.push(done),
                Err(ContainerError::Vault(error)) => return Err(error.into()),
                // Its trouble is in its status.
                Err(_noted) => {
                    if let Some(row) = self.container_row(id).await? {
                        let status = self.container_status(row).await?;
                        synced.push(ContainerSync::nothing(status));
                    }
                }
            }
        }
        Ok(synced)
    }

    /// One container; without a caller nobody is asked for anything.
    pub(super) async fn sync_container(
        &self,
        id: ContainerId,
        caller: Option<&Caller>,
    ) -> Result<ContainerSync, ContainerError> {
        let _alone = self.container_exchange.lock().await;
        // As it stands now: another exchange may have been waited for.
        let row = self.container_row(id).await?;
        let row = row.ok_or(VaultError::ContainerUnknown)?;
        self.synchronise(row, caller).await
    }

    /// As [`Agent::sync_container`], with the exchange to itself.
    pub(super) async fn synchronise(
        &self,
        row: ContainerRow,
        caller: Option<&Caller>,
    ) -> Result<ContainerSync, ContainerError> {
        let id = row.id;
        let result = self.fetch_and_apply(row.clone(), caller).await;
        if let Err(error) = &result {
            info!(container = %id, %error, "a container was not synchronised");
            let left_out = {
                let facts = self.state.facts();
                let before = facts.containers.get(&id);
                before.map(|before| before.left_out.clone())
            };
            self.note_aftermath(
                id,
                Aftermath {
                    trouble: error.to_string(),
                    left_out: left_out.unwrap_or_default(),
                },
            );
            if matches!(error, ContainerError::Gone) && row.facts.standing == Standing::Registered {
                let mut row = row;
                row.facts.standing = Standing::Gone;
                self.vault
                    .call(move |vault| vault.put_container(&row, None, None))
                    .await?;
            }
        }
        result
    }

    async fn fetch_and_apply(
        &self,
        mut row: ContainerRow,
        caller: Option<&Caller>,
    ) -> Result<ContainerSync, ContainerError> {
        let members = self.members(row.id).await?;
        let (package, policies) = self.fetch(&mut row, &members).await?;
        let base = base_of(&row)?;
        let held: Vec<_> = members
            .iter()
            .map(|token| Held {
                id: token.id,
                serial: token.serial.clone(),
            })
            .collect();
        let origin = Origin {
            url: &base,
            transport: row.facts.transport,
        };
        let plan = package.plan(origin, &held);
        let mut sync = self.apply(&row, plan, &members, caller).await?;
        row.facts.policies = policies;
        row.facts.standing = Standing::Registered;
        row.synced = Some(self.ports.clock.wall());
        let event = changes(&sync).map(|changes| {
            let detail = format!("{} ({}): {changes}", row.name, row.serial);
            self.event(EventKind::ContainerSynced, "", &detail)
        });
        let kept = row.clone();
        self.vault
            .call(move |vault| vault.put_container(&kept, None, event.as_ref()))
            .await?;
        self.note_aftermath(row.id, sync.status.aftermath.clone());
        self.remember_names(&self.rows().await?);
        sync.status = self.container_status(row).await?;
        Ok(sync)
    }

    /// What the server says, with the key that it knows: after an interrupted registration that may be either.
    async fn fetch(
        &self,
        row: &mut ContainerRow,
        members: &[TokenRow],
    ) -> Result<(Package, ContainerPolicies), ContainerError> {
        let key = self.registered_key(row).await?;
        let fetched = self.fetch_with(row, &key, members).await;
        if row.facts.standing != Standing::Registering {
            return fetched;
        }
        match fetched {
            Ok(fetched) => {
                self.settle_registration(row).await?;
                Ok(fetched)
            }
            Err(ContainerError::NotAccepted) => {
                let id = row.id;
                let keys = self
                    .vault
                    .call(move |vault| vault.container_keys(id))
                    .await?;
                let Some(current) = keys.current else {
                    return Err(ContainerError::NotAccepted);
                };
                let key = ContainerKey::from_bytes(&current)?;
                let fetched = self.fetch_with(row, &key, members).await?;
                // The server has never heard of the other one.
                row.facts.standing = Standing::Registered;
                let (kept, keys) = (
                    row.clone(),
                    ContainerKeys {
                        current: Some(current),
                        next: None,
                    },
                );
                self.vault
                    .call(move |vault| vault.put_container(&kept, Some(&keys), None))
                    .await?;
                Ok(fetched)
            }
            Err(error) => Err(error),
        }
    }

    async fn fetch_with(
        &self,
        row: &ContainerRow,
        key: &ContainerKey,
        members: &[TokenRow],
    ) -> Result<(Package, ContainerPolicies), ContainerError> {
        let (base, call) = (base_of(row)?, ContainerCall::Synchronize);
        let tokens: Vec<_> = members.iter().map(client_token).collect();
        let challenge = self.challenge(row, &base, call).await?;
        let agreement = Agreement::new()?;
        let request = SyncRequest {
            base: &base,
            serial: &row.serial,
            tokens: &tokens,
            public_key: &agreement.public,
        };
        let form = container::sync_form(request, &challenge, key)?;
        let body = self.post_to(row, &call.address(&base), form).await?;
        let (sealed, policies) = container::read_sync_reply(&body)?;
        let shared = agreement.with(sealed.server_key())?;
        Ok((sealed.open(&shared, &row.serial)?, policies))
    }

    /// Each step is durable by itself. What breaks off is made again by the next synchronisation, with new secrets.
    async fn apply(
        &self,
        row: &ContainerRow,
        plan: Plan,
        members: &[TokenRow],
        caller: Option<&Caller>,
    ) -> Result<ContainerSync, ContainerError> {
        let mut sync = ContainerSync::nothing(self.container_status(row.clone()).await?);
        let mut left_out = plan.left_out;
        for id in plan.remove {
            if let Some(token) = self.row_of_member(id).await? {
                let detail = format!("{}: not in {} any more", token.serial, row.name);
                self.erase_token(&token, &detail).await?;
                sync.removed.push(token.name);
            }
        }
        for (id, counter) in plan.raise {
            let token = members.iter().find(|token| token.id == id);
            if token
                .and_then(|token| token.counter)
                .is_some_and(|ours| ours < counter)
                && let Err(error) = self
                    .vault
                    .call(move |vault| vault.raise_counter(id, counter))
                    .await
            {
                warn!(%error, token = %id, "the counter could not be raised");
            }
        }
        for (addition, replaces) in plan.add {
            let former = replaces.and_then(|id| members.iter().find(|token| token.id == id));
            let name = match former {
                Some(former) => former.name.clone(),
                None => self.free_name(&wish(&addition)).await,
            };
            let membership = Membership {
                container: row.id,
                replaces,
            };
            let serial = addition.serial().to_owned();
            match self.take(row, &name, addition, membership, caller).await {
                Ok(()) if former.is_some() => sync.renewed.push(name),
                Ok(()) => sync.added.push(name),
                Err(EnrollmentError::Vault(error @ VaultError::Locked)) => return Err(error.into()),
                Err(error) => left_out.push(LeftOut {
                    token: serial,
                    why: error.to_string(),
                }),
            }
        }
        sync.status.aftermath = Aftermath {
            trouble: String::new(),
            left_out,
        };
        Ok(sync)
    }

    async fn take(
        &self,
        row: &ContainerRow,
        name: &str,
        addition: Addition,
        membership: Membership,
        caller: Option<&Caller>,
    ) -> Result<(), EnrollmentError> {
        match (addition, caller) {
            (Addition::Passcode(uri), None) if uri.demand != UnlockDemand::None => {
                let why = "a PIN has to be chosen for it: `countersign container sync` asks";
                Err(EnrollmentError::Unsupported(why.to_owned()))
            }
            (Addition::Passcode(uri), caller) => {
                let nobody = Caller::default();
                let caller = caller.unwrap_or(&nobody);
                self.keep_otpauth(name, *uri, Some(membership), caller)
                    .await
                    .map(drop)
            }
            (Addition::Push(link), _) => {
                let trust = match link.transport {
                    // The same server: as it was accepted.
                    transport if transport == row.facts.transport => trust(row),
                    transport => first_trust(transport),
                };
                self.exchange_keys(name, &link, trust, Some(membership))
                    .await
                    .map(drop)
            }
        }
    }
}

fn client_token(token: &TokenRow) -> ClientToken {
    let mode = token.secrets.as_ref().map(|secrets| &secrets.mode);
    let kind = match mode {
        Some(Some(mode)) if mode.uses_counter() => TokenType::Hotp,
        Some(Some(_)) => TokenType::Totp,
        // What it was nobody can say any more of one that is erased; the server goes by the serial.
        Some(None) | None => TokenType::Push,
    };
    ClientToken {
        serial: token.serial.clone(),
        kind,
    }
}

/// What a new token would be called.
fn wish(addition: &Addition) -> String {
    let (issuer, label, serial) = match addition {
        Addition::Passcode(uri) => (&uri.issuer, &uri.account, &uri.serial),
        Addition::Push(link) => (&link.issuer, &link.label, &link.serial),
    };
    let label = if label.is_empty() { serial } else { label };
    format!("{issuer} {label}").trim().to_owned()
}

/// What has changed, in words; nothing if nothing has.
fn changes(sync: &ContainerSync) -> Option<String> {
    let parts = [
        (sync.added.len(), "added"),
        (sync.renewed.len(), "renewed"),
        (sync.removed.len(), "removed"),
    ];
    let said: Vec<_> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    (!said.is_empty()).then(|| said.join(", "))
}
