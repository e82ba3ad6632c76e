//! The user is asked: a dialog for the PIN and, where a finger may stand for it, the reader at the same time.
//! Whichever comes first counts, and the other is withdrawn.

use core::{future, time::Duration};
use std::sync::Arc;

use countersign_core::{
    allowance::{Allowance, TooOften},
    biometric::{AfterMiss, Armed, PinDue},
    ids::TokenId,
    secret::SecretBytes,
};
use countersign_proto::agent::v1::Reason;
use tokio::sync::broadcast::error::RecvError;
use tracing::info;

use super::{
    Agent,
    caller::{Caller, UsedUp},
    explain::Explain,
    ports::{
        Confirmation, FingerHint, FingerprintError, Notifications, PinDialog, PinEntryError, Scan,
    },
};
use crate::vault::{EventKind, Vault};

/// What a finger stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FingerFor {
    /// The agent's own PIN.
    Agent,
    /// The PIN of a token.
    Token(TokenId),
}

/// May the finger be asked for in this question?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FingerUse {
    /// No: only the dialog.
    No,
    /// Beside the dialog.
    Beside(FingerFor),
    /// Nothing else will do.
    Alone(FingerFor),
}

/// What the user gave.
#[derive(Debug)]
pub(super) enum Given {
    /// A PIN or passphrase.
    Typed(SecretBytes),
    /// The right finger.
    Finger,
}

/// Why the user gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unasked {
    /// The dialog could not be shown, was cancelled or ran out.
    #[error(transparent)]
    Dialog(#[from] PinEntryError),
    /// No finger could be asked for.
    #[error(transparent)]
    Finger(#[from] FingerprintError),
    /// Too many wrong fingers.
    #[error("none of the fingers was recognised")]
    Misses,
    /// Whoever asked no longer waits.
    #[error("the program that asked has gone")]
    Gone,
    /// A finger that comes now is meant for the screen lock.
    #[error("the session is locked")]
    SessionLocked,
    /// One PIN came along, and it was needed for the vault.
    #[error("the one that came along has unlocked the vault")]
    UsedUp,
}

impl Unasked {
    /// Why nobody was asked at all; `None` where somebody was and gave nothing.
    pub(super) fn nobody_asked(&self) -> Option<String> {
        match self {
            Self::Dialog(
                why @ (PinEntryError::Missing | PinEntryError::NoScreen | PinEntryError::Failed(_)),
            ) => Some(why.to_string()),
            Self::UsedUp => Some(self.to_string()),
            Self::Dialog(PinEntryError::Cancelled | PinEntryError::TimedOut)
            | Self::Finger(_)
            | Self::Misses
            | Self::SessionLocked
            | Self::Gone => None,
        }
    }
}

/// Why the user has not said yes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unconfirmed {
    /// The user said no, nobody answered in time, or whoever asked has gone.
    #[error("it was not confirmed")]
    Declined,
    /// One question at a time.
    #[error("you are being asked about something else")]
    AskedAlready,
    /// The user is not there.
    #[error("the session is locked")]
    SessionLocked,
    /// No dialog can be shown.
    #[error("nobody can be asked: {0}")]
    Nobody(PinEntryError),
}

impl Explain for Unconfirmed {
    fn reason(&self) -> Reason {
        match self {
            Self::Declined => Reason::Cancelled,
            Self::AskedAlready => Reason::AskedAlready,
            Self::SessionLocked => Reason::SessionLocked,
            Self::Nobody(_) => Reason::VerificationUnavailable,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Declined => String::new(),
            Self::AskedAlready => "answer that dialog first".to_owned(),
            Self::SessionLocked => "unlock your desktop first".to_owned(),
            Self::Nobody(_) => {
                "install a pinentry for your desktop, for instance pinentry-gnome3".to_owned()
            }
        }
    }
}

/// Questions of browsers: a program that asks on and on is told to wait.
const QUESTIONS: Allowance = Allowance {
    burst: 10,
    every: Duration::from_secs(20),
};

impl Agent {
    /// Shows a question and waits for a yes. One question of this kind at a time.
    ///
    /// # Errors
    ///
    /// Every variant of [`Unconfirmed`].
    pub(super) async fn confirmed(
        &self,
        question: &Confirmation,
        caller: &Caller,
    ) -> Result<(), Unconfirmed> {
        let only = self.confirmation.try_lock();
        let _only = only.map_err(|_asking| Unconfirmed::AskedAlready)?;
        tokio::select! {
            biased;
            () = self.held() => Err(Unconfirmed::SessionLocked),
            answer = self.said_yes(question, caller) => answer,
        }
    }

    /// As [`Agent::confirmed`], for whoever holds the place of the one question.
    ///
    /// # Errors
    ///
    /// [`Unconfirmed::Declined`], [`Unconfirmed::Nobody`].
    pub(super) async fn said_yes(
        &self,
        question: &Confirmation,
        caller: &Caller,
    ) -> Result<(), Unconfirmed> {
        tokio::select! {
            biased;
            () = caller.gone.cancelled() => Err(Unconfirmed::Declined),
            answer = self.ports.pin_entry.confirm(question, &caller.screen) => match answer {
                Ok(()) => Ok(()),
                Err(PinEntryError::Cancelled | PinEntryError::TimedOut) => Err(Unconfirmed::Declined),
                Err(why) => Err(Unconfirmed::Nobody(why)),
            },
        }
    }

    /// A browser is about to ask the user something.
    pub(super) fn spend_question(&self) -> Result<(), TooOften> {
        let now = self.ports.clock.boot();
        let mut facts = self.state.facts();
        facts.questions = Some(QUESTIONS.take(facts.questions, now)?);
        Ok(())
    }

    /// Asks until something was given.
    ///
    /// # Errors
    ///
    /// Every variant of [`Unasked`].
    pub(super) async fn ask(
        &self,
        dialog: &PinDialog,
        finger: FingerUse,
        caller: &Caller,
    ) -> Result<Given, Unasked> {
        if caller.used_up == UsedUp::ByTheVault && !matches!(finger, FingerUse::Alone(_)) {
            return Err(Unasked::UsedUp);
        }
        let asked = async {
            match finger {
                FingerUse::No => self.typed(dialog, caller).await,
                FingerUse::Alone(who) => self.touched(who, dialog.within).await,
                FingerUse::Beside(who) => self.either(dialog, who, caller).await,
            }
        };
        tokio::select! {
            biased;
            () = caller.gone.cancelled() => Err(Unasked::Gone),
            given = asked => given,
        }
    }

    async fn typed(&self, dialog: &PinDialog, caller: &Caller) -> Result<Given, Unasked> {
        let typed = self.ports.pin_entry.ask(dialog, &caller.screen).await?;
        Ok(Given::Typed(typed))
    }

    /// Asks for something that is no PIN: no finger stands for it, and nothing that came along.
    ///
    /// # Errors
    ///
    /// [`Unasked::Dialog`], [`Unasked::Gone`].
    pub(super) async fn ask_typed(
        &self,
        dialog: &PinDialog,
        caller: &Caller,
    ) -> Result<SecretBytes, Unasked> {
        tokio::select! {
            biased;
            () = caller.gone.cancelled() => Err(Unasked::Gone),
            typed = self.ports.pin_entry.ask(dialog, &caller.screen) => Ok(typed?),
        }
    }

    async fn either(
        &self,
        dialog: &PinDialog,
        who: FingerFor,
        caller: &Caller,
    ) -> Result<Given, Unasked> {
        let (typed, touched) = (self.typed(dialog, caller), self.touched(who, dialog.within));
        tokio::pin!(typed, touched);
        // Each may fail without ending the other; the user's own no ends both.
        let mut failed: Option<Unasked> = None;
        let mut finger_over = false;
        loop {
            tokio::select! {
                biased;
                given = &mut touched, if !finger_over => match given {
                    Ok(given) => return Ok(given),
                    Err(error) => {
                        info!(%error, "no finger is asked for any more");
                        finger_over = true;
                    }
                },
                given = &mut typed, if failed.is_none() => match given {
                    Err(error) if error.nobody_asked().is_some() => failed = Some(error),
                    given => return given,
                },
                else => return Err(failed.unwrap_or(Unasked::Misses)),
            }
        }
    }

    /// Waits for the right finger; wrong ones are counted, bad scans are said.
    async fn touched(&self, who: FingerFor, within: Duration) -> Result<Given, Unasked> {
        let until = self.ports.clock.boot().plus(within);
        // However this ends, also when whoever waits for it gives up: the hint goes.
        let _hint = ShownHint(Arc::clone(&self.ports.notifications));
        let notifications = Arc::clone(&self.ports.notifications);
        let hints: Arc<dyn Fn(FingerHint) + Send + Sync> = Arc::new(move |hint| {
            let notifications = Arc::clone(&notifications);
            tokio::spawn(async move { notifications.hint(hint).await });
        });
        loop {
            let left = until.since(self.ports.clock.boot());
            if left.is_zero() {
                break Err(FingerprintError::TimedOut.into());
            }
            let scanned = tokio::select! {
                biased;
                () = self.held() => break Err(Unasked::SessionLocked),
                scanned = self.ports.fingerprint.scan(left, Arc::clone(&hints)) => scanned,
            };
            match scanned {
                Ok(Scan::Match) => {
                    self.finger_was_right(who);
                    break Ok(Given::Finger);
                }
                Ok(Scan::NoMatch) => {
                    if self.finger_was_wrong(who).await == AfterMiss::PinDue {
                        break Err(Unasked::Misses);
                    }
                    self.ports.notifications.hint(FingerHint::Again).await;
                }
                Err(error) => break Err(error.into()),
            }
        }
    }

    /// Ready when the session is locked, away or asleep.
    async fn held(&self) {
        let mut changes = self.changes.subscribe();
        while !self.holds() {
            if let Err(RecvError::Closed) = changes.recv().await {
                return never().await;
            }
        }
    }

    fn finger_was_right(&self, who: FingerFor) {
        if let Some(armed) = self.state.facts().armed.get_mut(&who) {
            armed.matched();
        }
    }

    async fn finger_was_wrong(&self, who: FingerFor) -> AfterMiss {
        let after = {
            let mut facts = self.state.facts();
            let armed = facts.armed.get_mut(&who);
            armed.map_or(AfterMiss::PinDue, Armed::missed)
        };
        let name = match who {
            FingerFor::Agent => String::new(),
            FingerFor::Token(id) => self.token_name(Some(id)).await,
        };
        self.record_event(EventKind::FingerWrong, &name, "").await;
        if after == AfterMiss::PinDue {
            self.disarm(who).await;
        }
        after
    }

    /// The PIN was right: from now on a finger may stand for it, where that is switched on.
    pub(super) async fn arm(&self, who: FingerFor) {
        match self.ports.fingerprint.fingers().await {
            Ok(fingers) => {
                let armed = Armed::new(self.ports.clock.boot(), fingers);
                self.state.facts().armed.insert(who, armed);
            }
            Err(error) => {
                info!(%error, "no finger will be asked for");
                self.disarm(who).await;
            }
        }
    }

    /// The PIN is due before the next finger.
    pub(super) async fn disarm(&self, who: FingerFor) {
        self.state.facts().armed.remove(&who);
        if who == FingerFor::Agent {
            let forget = |vault: &mut Vault| {
                vault.forget_finger();
                Ok(())
            };
            // A vault whose thread has ended has wiped it already.
            drop(self.vault.call(forget).await);
        }
    }

    /// Wipes what fingers stand for when their time is over.
    pub(super) async fn expire_fingers(&self) {
        let now = self.ports.clock.boot();
        let over: Vec<_> = {
            let facts = self.state.facts();
            let over = facts.armed.iter().filter(|(_, armed)| armed.ends() <= now);
            over.map(|(who, _)| *who).collect()
        };
        for who in over {
            self.disarm(who).await;
        }
    }

    /// May a finger be asked for now? Asks the reader's service which fingers there are.
    pub(super) async fn finger_ready(&self, who: FingerFor) -> Result<(), FingerRefusal> {
        if self.holds() {
            return Err(FingerRefusal::SessionLocked);
        }
        let armed = self.state.facts().armed.get(&who).cloned();
        let armed = armed.ok_or(PinDue::NotYet)?;
        let fingers = self.ports.fingerprint.fingers().await?;
        if let Err(due) = armed.check(self.ports.clock.boot(), &fingers) {
            self.disarm(who).await;
            return Err(due.into());
        }
        Ok(())
    }

    /// As [`Agent::finger_ready`], without asking anybody: for views.
    pub(super) fn finger_armed(&self, who: FingerFor) -> bool {
        let now = self.ports.clock.boot();
        let facts = self.state.facts();
        let armed = facts.armed.get(&who);
        armed.is_some_and(|armed| armed.check_time(now).is_ok())
    }
}

/// What the reader wants is on the screen as long as this lives.
struct ShownHint(Arc<dyn Notifications>);

impl Drop for ShownHint {
    fn drop(&mut self) {
        let notifications = Arc::clone(&self.0);
        tokio::spawn(async move { notifications.withdraw_hint().await });
    }
}

/// Why no finger may be asked for now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FingerRefusal {
    /// The PIN is due first.
    #[error(transparent)]
    PinDue(#[from] PinDue),
    /// The reader.
    #[error(transparent)]
    Reader(#[from] FingerprintError),
    /// A finger that comes now is meant for the screen lock.
    #[error("the session is locked")]
    SessionLocked,
}

/// A wait that something else ends.
pub(super) async fn never<T>() -> T {
    future::pending().await
}
