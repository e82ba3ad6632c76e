//! The desktop's notification server (Desktop Notifications Specification 1.2), through our own proxy.
//!
//! A signal is believed only from the owner of the server's name: zbus checks that for proxy streams, and for
//! them only. A click is intent, never a factor: any program of the session can make a server emit one.
//! `words.rs` says what stands there, `screen.rs` remembers what is shown, `desk.rs` talks to the server.

mod desk;
mod proxy;
mod screen;
mod words;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use countersign_core::ids::LoginRequestId;
use tokio::sync::{OnceCell, mpsc};
use zbus::Connection;

use self::desk::Desk;
use crate::{
    agent::ports::{
        FingerHint, Input, LoginRequestNotice, NotificationError, Notifications, OutcomeNotice,
    },
    config::NotificationsWanted,
};

/// [`Notifications`] over D-Bus. Says nothing on the bus before the first use.
#[derive(Debug)]
pub struct DesktopNotifications {
    wanted: Mutex<NotificationsWanted>,
    bus: Option<Connection>,
    inputs: mpsc::Sender<Input>,
    desk: OnceCell<Arc<Desk>>,
}

impl DesktopNotifications {
    /// Notifications on `bus`, as config.toml wants them; what the user chooses goes to `inputs`.
    #[must_use]
    pub fn new(
        wanted: NotificationsWanted,
        bus: Option<Connection>,
        inputs: mpsc::Sender<Input>,
    ) -> Self {
        Self {
            wanted: Mutex::new(wanted),
            bus,
            inputs,
            desk: OnceCell::new(),
        }
    }

    /// config.toml was read again.
    pub fn reconfigure(&self, wanted: NotificationsWanted) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
    }

    async fn desk(&self) -> Result<&Desk, NotificationError> {
        let wanted = *self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted == NotificationsWanted::No {
            return Err(NotificationError::SwitchedOff);
        }
        let bus = self.bus.as_ref().ok_or(NotificationError::NoServer)?;
        let desk = self
            .desk
            .get_or_try_init(|| Desk::open(bus, self.inputs.clone()))
            .await?;
        Ok(desk)
    }
}

#[async_trait]
impl Notifications for DesktopNotifications {
    async fn ask(&self, notice: &LoginRequestNotice) -> Result<(), NotificationError> {
        self.desk().await?.ask(notice).await
    }

    async fn tell(&self, notice: &OutcomeNotice) -> Result<(), NotificationError> {
        self.desk().await?.tell(notice).await
    }

    async fn withdraw(&self, id: LoginRequestId) {
        if let Some(desk) = self.desk.get() {
            desk.withdraw(id).await;
        }
    }

    async fn hint(&self, hint: FingerHint) {
        if let Ok(desk) = self.desk().await {
            desk.hint(hint).await;
        }
    }

    async fn withdraw_hint(&self) {
        if let Some(desk) = self.desk.get() {
            desk.withdraw_hint().await;
        }
    }

    async fn server(&self) -> Option<String> {
        self.desk().await.ok()?.server_name().await
    }
}
