//! sudo asks: this computer's PAM module brings a challenge, the user is asked as for a login, and the sudo key signs.
//!
//! Invariants: nothing is signed but an approval of the very bytes that came. The key opens from its PIN, or a finger
//! that stands for it, and never from the vault's key alone. Whatever cannot be asked falls back on the password; nobody
//! is locked out, and a denial is final. A question ends with the process that asked it.

use core::time::Duration;

use countersign_core::{
    ids::{LoginRequestId, ServiceId, TokenId},
    login_request::{Closing, LoginRequest, NumberMatching, Phase, Subject, TTL},
    signing::{self, Label},
    sudo::{self, Ended, Fingerprint, Judgement, Least, MAX_OPEN},
    text,
    time::UnixMillis,
    token::VerificationLevel,
};
use countersign_proto::{
    limits,
    sudo::v1::{self as wire, Why},
};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::{
    Agent,
    autosend::Autosend,
    caller::Caller,
    login_request::{AnswerError, AnswerWish, Denial, RequestSelector, Word},
    ports::{Delivery, Outgoing, SudoReply, SudoWord},
    state::SudoQuestion,
    sudo_key::SudoKeyRow,
    verification::Verified,
};
use crate::vault::{UnlockMode, VaultError, VaultState};

/// The longest command line that is kept and shown, in characters.
const COMMAND: usize = 200;
/// The longest other text, in characters.
const TEXT: usize = 64;

/// A question that the user is being asked.
#[derive(Debug)]
pub struct SudoPending {
    /// Which.
    pub id: LoginRequestId,
    /// The answer; its sender is gone where the question has ended without one.
    pub answer: oneshot::Receiver<SudoWord>,
    /// How long the module waits for the answer, from its question on.
    pub life: Duration,
}

/// A challenge whose fields are in bounds, and display-safe where they are texts.
struct Challenge {
    user: String,
    service: String,
    command: String,
    place: String,
    from: String,
    least: Least,
    matching: NumberMatching,
    issued: UnixMillis,
    life: Duration,
}

impl Agent {
    /// Asks the user whether the account is to be proved.
    ///
    /// # Errors
    ///
    /// Why nobody is asked: the password is then.
    pub async fn ask_for_sudo(self: &Arc<Self>, ask: wire::Ask) -> Result<SudoPending, Why> {
        let challenge = read(&ask.challenge)?;
        self.started().await;
        if !self.state.facts().holds.is_empty() {
            return Err(Why::SessionLocked);
        }
        self.open_for_sudo().await?;
        let key = self.sudo_key_among(&ask.keys).await?;
        if self.autosend().await == Autosend::Off || self.muted_until().is_some() {
            return Err(Why::Muted);
        }
        let request = request(&challenge, &ask.challenge, &key);
        let (id, answer) = self.begin_sudo(&challenge, &request)?;
        info!(%id, service = %challenge.service, "an account of this computer is to be proved");
        if let Err(why) = self.admit(&key.token, request).await {
            warn!(%id, %why, "a question of the PAM module was dropped");
            self.forget_sudo(id);
            return Err(Why::Malformed);
        }
        self.show_for_sudo(id).await?;
        Ok(SudoPending {
            id,
            answer,
            life: challenge.life,
        })
    }

    /// The module has said what became of an answer, or has gone.
    pub async fn sudo_ended(&self, id: LoginRequestId, ending: Option<wire::Ending>) {
        let Some((service, phase)) = self.sudo_question(id) else {
            return;
        };
        self.forget_sudo(id);
        let ended = Ended::of(ending.and_then(judgement), phase);
        let now = self.ports.clock.boot();
        self.state.facts().sudo_asking.end(ended, now);
        if ended == Ended::Withdrawn {
            // Whoever answers in this moment is not overruled.
            self.on_cancel(service, id, ended.closing(), ended.why())
                .await;
        } else {
            let word = Word::Ended(ended.closing(), ended.why());
            self.on_outcome(service, id, word).await;
        }
    }

    /// How sure the user of that question has to be known.
    pub(super) fn least_for_sudo(&self, id: LoginRequestId) -> Result<Least, AnswerError> {
        let facts = self.state.facts();
        let question = facts.sudo.get(&id);
        question
            .map(|question| question.least)
            .ok_or_else(|| AnswerError::Refused("sudo no longer waits for the answer".to_owned()))
    }

    /// Is a click enough for that question now?
    pub(super) fn is_sudo_by_click(&self, id: LoginRequestId, token: TokenId) -> bool {
        let facts = self.state.facts();
        let presence = facts
            .sudo
            .get(&id)
            .is_some_and(|question| question.least == Least::Presence);
        presence && facts.open_tokens.contains_key(&token)
    }

    /// Hands the answer to the connection that waits for it.
    pub(super) fn tell_sudo(&self, reply: SudoReply) -> Delivery {
        let waits = self
            .state
            .facts()
            .sudo
            .get_mut(&reply.id)
            .and_then(|question| question.waits.take());
        match waits.map(|waits| waits.send(reply.word)) {
            Some(Ok(())) => Delivery::Handed,
            Some(Err(_)) | None => Delivery::NotConnected,
        }
    }

    /// The question is over: whoever still waits for its answer hears that.
    pub(super) fn end_sudo(&self, id: LoginRequestId, closing: Closing) {
        let why = match closing {
            Closing::Expired => Why::Expired,
            Closing::Denied => Why::Denied,
            Closing::Approved | Closing::LoggedIn | Closing::Cancelled | Closing::Refused => {
                Why::Failed
            }
        };
        // Most have their answer by now.
        self.tell_sudo(SudoReply {
            id,
            word: SudoWord::Refusal(why),
        });
    }

    /// A locked vault is not opened for sudo, unless it opens with the session.
    async fn open_for_sudo(&self) -> Result<(), Why> {
        if self.is_unlocked().await {
            return Ok(());
        }
        match self.vault.state().await {
            VaultState::Absent => return Err(Why::NotEnrolled),
            VaultState::Unusable { .. } => return Err(Why::Failed),
            VaultState::Locked | VaultState::Unlocked => {}
        }
        let mode = self.vault.call(|vault| vault.unlock_mode()).await;
        if mode == Ok(UnlockMode::Session) {
            self.reopen_with_session().await;
        }
        if self.is_unlocked().await {
            Ok(())
        } else {
            Err(Why::Locked)
        }
    }

    /// Counts the question, and keeps the way back to whoever asks.
    fn begin_sudo(
        &self,
        challenge: &Challenge,
        request: &LoginRequest,
    ) -> Result<(LoginRequestId, oneshot::Receiver<SudoWord>), Why> {
        let now = self.ports.clock.boot();
        let (waits, answer) = oneshot::channel();
        let mut facts = self.state.facts();
        let busy = facts.sudo.len() >= MAX_OPEN
            || facts
                .sudo
                .values()
                .any(|open| open.place == challenge.place)
            || facts.sudo.contains_key(&request.id);
        if busy {
            return Err(Why::Busy);
        }
        facts
            .sudo_asking
            .begin(now)
            .map_err(|_too_often| Why::TooOften)?;
        let question = SudoQuestion {
            waits: Some(waits),
            least: challenge.least,
            place: challenge.place.clone(),
        };
        facts.sudo.insert(request.id, question);
        drop(facts);
        Ok((request.id, answer))
    }

    fn forget_sudo(&self, id: LoginRequestId) {
        self.state.facts().sudo.remove(&id);
    }

    /// This computer, as the service whose question that is, and where the question stands.
    fn sudo_question(&self, id: LoginRequestId) -> Option<(ServiceId, Phase)> {
        let facts = self.state.facts();
        facts
            .requests
            .get(&id)
            .filter(|tracked| tracked.request.subject == Subject::Account)
            .map(|tracked| (tracked.request.service, tracked.phase))
    }

    /// Without a notification server the dialog itself is the question.
    async fn show_for_sudo(self: &Arc<Self>, id: LoginRequestId) -> Result<(), Why> {
        if self.ports.notifications.server().await.is_some() {
            return Ok(());
        }
        if self.ports.pin_entry.program().is_none() {
            self.sudo_ended(id, None).await;
            return Err(Why::Nobody);
        }
        let agent = Arc::clone(self);
        tokio::spawn(async move { agent.ask_in_dialog(id).await });
        Ok(())
    }

    async fn ask_in_dialog(&self, id: LoginRequestId) {
        let wish = AnswerWish::Approve { number: None };
        let selector = RequestSelector::Id(id.to_string());
        let Err(error) = self.answer(selector, wish, &Caller::default()).await else {
            return;
        };
        info!(%id, %error, "a dialog did not approve");
        let pending = self.state.facts().is_pending(id);
        if !pending {
            return;
        }
        if error.nobody_asked() {
            self.tell_sudo(SudoReply {
                id,
                word: SudoWord::Refusal(Why::Nobody),
            });
        } else if let Err(error) = self.deny(id, Denial::User).await {
            warn!(%id, %error, "a closed dialog could not be taken for a no");
        }
    }
}

/// A word that this version does not know is none.
const fn judgement(ending: wire::Ending) -> Option<Judgement> {
    match ending {
        wire::Ending::Accepted => Some(Judgement::Accepted),
        wire::Ending::WrongNumber => Some(Judgement::WrongNumber),
        wire::Ending::NotAccepted => Some(Judgement::NotAccepted),
        wire::Ending::Unspecified => None,
    }
}

/// The user's yes, signed.
pub(super) fn sudo_approval(
    request: &LoginRequest,
    number: String,
    verified: &Verified,
) -> Result<Outgoing, AnswerError> {
    let key = verified
        .keys
        .decision_key
        .as_ref()
        .ok_or(VaultError::Damaged)?;
    let key = signing::key_from_bytes(key).map_err(|_damaged| VaultError::Damaged)?;
    let approval = wire::Approval {
        challenge_sha256: request.hash.to_vec(),
        key: Fingerprint::of(key.verifying_key()).as_bytes().to_vec(),
        number,
        level: wire_level(verified.level).into(),
    }
    .encode_to_vec();
    let signature = signing::sign(&key, Label::SudoChallenge, &approval).to_vec();
    Ok(Outgoing::Sudo(SudoReply {
        id: request.id,
        word: SudoWord::Answer(wire::Answer {
            approval,
            signature,
        }),
    }))
}

/// The user's no, or that of a rule, which falls back on the password.
pub(super) const fn sudo_denial(id: LoginRequestId, denial: Denial) -> Outgoing {
    let why = match denial {
        Denial::User | Denial::NotMe | Denial::Cancelled => Why::Denied,
        Denial::Rule => Why::Muted,
    };
    Outgoing::Sudo(SudoReply {
        id,
        word: SudoWord::Refusal(why),
    })
}

/// Bounds, version, machine.
fn read(bytes: &[u8]) -> Result<Challenge, Why> {
    let body = wire::Challenge::decode(bytes).map_err(|_malformed| Why::Malformed)?;
    let texts = [
        &body.host,
        &body.service,
        &body.user,
        &body.terminal,
        &body.remote_host,
    ];
    let in_bounds = texts.iter().all(|text| text.len() <= limits::SUDO_TEXT)
        && body.command.len() <= limits::SUDO_COMMAND
        && body.nonce.len() == 32
        && body.version == limits::SUDO_PROTOCOL;
    let life = body.expires_ms.checked_sub(body.issued_ms);
    let life = life
        .and_then(|ms| u64::try_from(ms).ok())
        .map(Duration::from_millis);
    let life = life
        .filter(|life| TTL.contains(life))
        .ok_or(Why::Malformed)?;
    let machine = crate::hardening::machine_id()
        .map(|id| sudo::machine_name(&id))
        .ok_or(Why::Malformed)?;
    if !in_bounds || body.machine != machine {
        return Err(Why::Malformed);
    }
    let least = match body.least() {
        wire::Level::Presence => Least::Presence,
        wire::Level::Finger => Least::User,
        wire::Level::Pin => Least::Pin,
        wire::Level::Tpm | wire::Level::Unspecified => return Err(Why::Malformed),
    };
    let matching = match body.matching() {
        wire::NumberMatching::Off => NumberMatching::Off,
        wire::NumberMatching::Typed => NumberMatching::Typed,
        wire::NumberMatching::Unspecified => return Err(Why::Malformed),
    };
    let (host, terminal) = (shown(&body.host), shown(&body.terminal));
    let place = if terminal.is_empty() {
        format!("{host}, process {}", body.pid)
    } else {
        format!("{host}, {terminal}")
    };
    Ok(Challenge {
        user: shown(&body.user),
        service: shown(&body.service),
        command: text::display(&sudo::command_line(&body.command), COMMAND),
        place,
        from: shown(&body.remote_host),
        least,
        matching,
        issued: UnixMillis(body.issued_ms),
        life,
    })
}

fn request(challenge: &Challenge, bytes: &[u8], key: &SudoKeyRow) -> LoginRequest {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    let mut id = [0; 16];
    id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    let what = if challenge.command.is_empty() {
        &challenge.service
    } else {
        &challenge.command
    };
    LoginRequest {
        id: LoginRequestId(id),
        subject: Subject::Account,
        service: key.service,
        token: key.token.id,
        serial: key.token.serial.clone(),
        hash,
        challenge: String::new(),
        question: format!("{} runs {what} on {}", challenge.user, challenge.place),
        resource: challenge.service.clone(),
        user: challenge.user.clone(),
        client_address: challenge.from.clone(),
        place: challenge.place.clone(),
        program: challenge.command.clone(),
        matching: challenge.matching.clone(),
        created: challenge.issued,
        ttl: challenge.life,
    }
}

fn shown(text: &str) -> String {
    text::display(text, TEXT)
}

const fn wire_level(level: VerificationLevel) -> wire::Level {
    match level {
        VerificationLevel::Click => wire::Level::Presence,
        VerificationLevel::Finger => wire::Level::Finger,
        VerificationLevel::Pin => wire::Level::Pin,
        VerificationLevel::Tpm => wire::Level::Tpm,
    }
}
