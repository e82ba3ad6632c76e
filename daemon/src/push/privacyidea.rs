//! privacyIDEA's push over HTTP: one task a token, which asks the server for login requests and posts the answers. It
//! reads nothing of what comes: that is the agent's.

mod http;
mod poller;

use core::fmt;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use countersign_core::{ids::ServiceId, secret::SecretText};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
};

use self::{http::HttpClient, poller::Poller};
use crate::agent::ports::{
    Delivery, Input, PollProfile, PollSigner, Polls, Posted, PushAnswer, TransportError, Trust,
};

/// Answers that may wait for the wire.
const WAITING: usize = 64;

/// [`Polls`] over hyper.
pub struct PrivacyIdeaPolls {
    inputs: mpsc::Sender<Input>,
    signer: Arc<dyn PollSigner>,
    tasks: Mutex<HashMap<ServiceId, Polling>>,
}

/// What this side holds of a poller; its task ends with it.
struct Polling {
    profile: PollProfile,
    answers: mpsc::Sender<PushAnswer>,
    wake: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for Polling {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for PrivacyIdeaPolls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivacyIdeaPolls").finish_non_exhaustive()
    }
}

impl PrivacyIdeaPolls {
    /// Pollers that tell `inputs` what happens and let `signer` sign each poll.
    #[must_use]
    pub fn new(inputs: mpsc::Sender<Input>, signer: Arc<dyn PollSigner>) -> Self {
        Self {
            inputs,
            signer,
            tasks: Mutex::default(),
        }
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<ServiceId, Polling>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Polls for PrivacyIdeaPolls {
    async fn open(&self, profile: PollProfile) {
        let mut tasks = self.tasks();
        if let Some(task) = tasks.get(&profile.service)
            && task.profile == profile
        {
            task.wake.notify_one();
            return;
        }
        let service = profile.service;
        let (sender, answers) = mpsc::channel(WAITING);
        let wake = Arc::new(Notify::new());
        let poller = Poller {
            service,
            http: HttpClient::new(profile.trust.clone()),
            inputs: self.inputs.clone(),
            signer: Arc::clone(&self.signer),
            answers,
            wake: Arc::clone(&wake),
        };
        let task = Polling {
            profile,
            answers: sender,
            wake,
            task: tokio::spawn(poller.run()),
        };
        // A former one with another profile ends here.
        drop(tasks.insert(service, task));
    }

    async fn close(&self, service: ServiceId) {
        drop(self.tasks().remove(&service));
    }

    async fn send(&self, service: ServiceId, answer: PushAnswer) -> Delivery {
        let tasks = self.tasks();
        let handed = tasks
            .get(&service)
            .is_some_and(|task| task.answers.try_send(answer).is_ok());
        if handed {
            Delivery::Handed
        } else {
            Delivery::NotConnected
        }
    }

    fn now(&self) {
        for task in self.tasks().values() {
            task.wake.notify_one();
        }
    }

    async fn post(
        &self,
        url: &str,
        trust: &Trust,
        form: SecretText,
    ) -> Result<Posted, TransportError> {
        let mut http = HttpClient::new(trust.clone());
        let reply = http.post(url, &form).await?;
        Ok(Posted {
            reply,
            key: http.key(),
        })
    }
}
