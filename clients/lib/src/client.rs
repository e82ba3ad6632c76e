//! One method for each call of `countersign.agent.v1`.

mod files;

use core::{fmt, future::Future, time::Duration};

use countersign_proto::{
    agent::v1::{self as api, agent_client::AgentClient as Stub},
    limits::AGENT_MESSAGE,
};
use tokio::time::timeout;
use tonic::{
    Response, Status, Streaming, service::interceptor::InterceptedService, transport::Channel,
};

pub use self::files::{ExportedFile, Preview};
use crate::{ClientError, SocketPath, connection, screen::ScreenMetadata};

/// How long answers are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For what the agent does by itself, the connection included.
    pub alone: Duration,
    /// For what may need a person (a PIN, a finger, a keyring prompt) or a service on the network.
    pub with_others: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            alone: Duration::from_secs(30),
            with_others: Duration::from_mins(3),
        }
    }
}

/// A connection to the agent.
///
/// Every method fails with [`ClientError::Refused`] when the agent says no, with its reason;
/// with [`ClientError::Deadline`] when the answer is late, and with [`ClientError::Lost`] when the
/// connection ends first.
pub struct AgentClient {
    channel: Channel,
    stub: Stub<InterceptedService<Channel, ScreenMetadata>>,
    deadlines: Deadlines,
}

impl AgentClient {
    /// Dials the agent at `path`.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotRunning`] if nobody listens, [`ClientError::Untrusted`] if the socket, its folder
    /// or the peer is not the caller's own, [`ClientError::Deadline`] if nobody accepts.
    pub async fn connect(path: &SocketPath) -> Result<Self, ClientError> {
        Self::connect_within(path, Deadlines::default()).await
    }

    /// Dials the agent at `path` and waits for each answer no longer than `deadlines` say.
    ///
    /// # Errors
    ///
    /// As [`AgentClient::connect`].
    pub async fn connect_within(
        path: &SocketPath,
        deadlines: Deadlines,
    ) -> Result<Self, ClientError> {
        let channel = timeout(deadlines.alone, connection::open(path))
            .await
            .map_err(|_elapsed| late(deadlines.alone))??;
        let stub = stub(&channel, &api::CallerScreen::default());
        Ok(Self {
            channel,
            stub,
            deadlines,
        })
    }

    /// Tells the agent with every call from here on where a dialog can be shown to whoever asks. Without
    /// this nothing is told, and the agent shows dialogs on its own session's screen.
    #[must_use]
    pub fn with_screen(mut self, screen: &api::CallerScreen) -> Self {
        self.stub = stub(&self.channel, screen);
        self
    }

    /// What the agent is doing.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn status(&mut self) -> Result<api::StatusReply, ClientError> {
        within(
            self.deadlines.alone,
            self.stub.status(api::StatusRequest {}),
        )
        .await
    }

    /// Makes the vault.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn setup(
        &mut self,
        request: api::SetupRequest,
    ) -> Result<api::SetupReply, ClientError> {
        within(self.deadlines.with_others, self.stub.setup(request)).await
    }

    /// Unlocks the vault; an empty request lets the agent take the key of the machine, and ask in a dialog
    /// for what else is needed.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn unlock(
        &mut self,
        request: api::UnlockRequest,
    ) -> Result<api::UnlockReply, ClientError> {
        within(self.deadlines.with_others, self.stub.unlock(request)).await
    }

    /// Locks the vault.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn lock(&mut self) -> Result<(), ClientError> {
        within(self.deadlines.alone, self.stub.lock(api::LockRequest {}))
            .await
            .map(|api::LockReply {}| ())
    }

    /// Reads what the user brought and says whom an enrollment would contact. Nothing is contacted or kept.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn inspect_enrollment(
        &mut self,
        text: Vec<u8>,
    ) -> Result<api::InspectEnrollmentReply, ClientError> {
        let request = api::InspectEnrollmentRequest { text };
        within(self.deadlines.alone, self.stub.inspect_enrollment(request)).await
    }

    /// Enrolls with the host that was inspected and confirmed.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn enroll(
        &mut self,
        request: api::EnrollRequest,
    ) -> Result<api::EnrollReply, ClientError> {
        within(self.deadlines.with_others, self.stub.enroll(request)).await
    }

    /// All tokens.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn list_tokens(&mut self) -> Result<api::ListTokensReply, ClientError> {
        let request = api::ListTokensRequest {};
        within(self.deadlines.alone, self.stub.list_tokens(request)).await
    }

    /// One token, by name, serial or id.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn describe_token(
        &mut self,
        token: String,
    ) -> Result<api::DescribeTokenReply, ClientError> {
        let request = api::DescribeTokenRequest { token };
        within(self.deadlines.alone, self.stub.describe_token(request)).await
    }

    /// Gives a token another name.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn rename_token(
        &mut self,
        token: String,
        name: String,
    ) -> Result<api::RenameTokenReply, ClientError> {
        let request = api::RenameTokenRequest { token, name };
        within(self.deadlines.alone, self.stub.rename_token(request)).await
    }

    /// Gives a token another place in the user's order.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn move_token(
        &mut self,
        request: api::MoveTokenRequest,
    ) -> Result<api::MoveTokenReply, ClientError> {
        within(self.deadlines.alone, self.stub.move_token(request)).await
    }

    /// Deletes a token and its secrets for good.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn delete_token(
        &mut self,
        token: String,
    ) -> Result<api::DeleteTokenReply, ClientError> {
        let request = api::DeleteTokenRequest { token };
        within(self.deadlines.with_others, self.stub.delete_token(request)).await
    }

    /// Generates a passcode; the agent may ask the user for a PIN.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn generate_passcode(
        &mut self,
        request: api::GeneratePasscodeRequest,
    ) -> Result<api::GeneratePasscodeReply, ClientError> {
        within(
            self.deadlines.with_others,
            self.stub.generate_passcode(request),
        )
        .await
    }

    /// The containers that this device is registered for.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn list_containers(&mut self) -> Result<api::ListContainersReply, ClientError> {
        let request = api::ListContainersRequest {};
        within(self.deadlines.alone, self.stub.list_containers(request)).await
    }

    /// Makes the tokens of a container, or with an empty name of all, what their services say.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn sync_containers(
        &mut self,
        container: String,
    ) -> Result<api::SyncContainersReply, ClientError> {
        let request = api::SyncContainersRequest { container };
        within(
            self.deadlines.with_others,
            self.stub.sync_containers(request),
        )
        .await
    }

    /// Asks a container's service for new keys and secrets.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn renew_container(
        &mut self,
        container: String,
    ) -> Result<api::RenewContainerReply, ClientError> {
        let request = api::RenewContainerRequest { container };
        within(
            self.deadlines.with_others,
            self.stub.renew_container(request),
        )
        .await
    }

    /// Ends the registration for a container.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn unregister_container(
        &mut self,
        request: api::UnregisterContainerRequest,
    ) -> Result<api::UnregisterContainerReply, ClientError> {
        within(
            self.deadlines.with_others,
            self.stub.unregister_container(request),
        )
        .await
    }

    /// Makes the key that approves sudo; a PIN that is left empty is asked for in a dialog.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn make_sudo_key(
        &mut self,
        request: api::MakeSudoKeyRequest,
    ) -> Result<api::MakeSudoKeyReply, ClientError> {
        within(self.deadlines.with_others, self.stub.make_sudo_key(request)).await
    }

    /// The keys that approve sudo.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn list_sudo_keys(&mut self) -> Result<api::ListSudoKeysReply, ClientError> {
        let request = api::ListSudoKeysRequest {};
        within(self.deadlines.alone, self.stub.list_sudo_keys(request)).await
    }

    /// Changes the PIN of a token, or with an empty name the agent's own; secrets that are left empty are
    /// asked for in a dialog.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn change_pin(
        &mut self,
        request: api::ChangePinRequest,
    ) -> Result<api::ChangePinReply, ClientError> {
        within(self.deadlines.with_others, self.stub.change_pin(request)).await
    }

    /// Says whether a finger may stand for the PIN of a token, or with an empty name for unlocking and
    /// approvals.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn set_biometric(
        &mut self,
        request: api::SetBiometricRequest,
    ) -> Result<api::SetBiometricReply, ClientError> {
        within(self.deadlines.with_others, self.stub.set_biometric(request)).await
    }

    /// Says how often the PIN of a token is asked for.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn set_pin_asking(
        &mut self,
        request: api::SetPinAskingRequest,
    ) -> Result<api::SetPinAskingReply, ClientError> {
        within(
            self.deadlines.with_others,
            self.stub.set_pin_asking(request),
        )
        .await
    }

    /// The ways in which the vault opens.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn list_slots(&mut self) -> Result<api::ListSlotsReply, ClientError> {
        let request = api::ListSlotsRequest {};
        within(self.deadlines.alone, self.stub.list_slots(request)).await
    }

    /// Adds a way in which the vault opens.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn add_slot(
        &mut self,
        request: api::AddSlotRequest,
    ) -> Result<api::AddSlotReply, ClientError> {
        within(self.deadlines.with_others, self.stub.add_slot(request)).await
    }

    /// Takes a way away in which the vault opens; the last one stays.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn remove_slot(
        &mut self,
        request: api::RemoveSlotRequest,
    ) -> Result<(), ClientError> {
        within(self.deadlines.with_others, self.stub.remove_slot(request))
            .await
            .map(|api::RemoveSlotReply {}| ())
    }

    /// Login requests, newest first.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn list_login_requests(
        &mut self,
        request: api::ListLoginRequestsRequest,
    ) -> Result<api::ListLoginRequestsReply, ClientError> {
        // `check` asks the services first.
        let limit = if request.check {
            self.deadlines.with_others
        } else {
            self.deadlines.alone
        };
        within(limit, self.stub.list_login_requests(request)).await
    }

    /// Login requests as they come, change and go.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn watch_login_requests(&mut self) -> Result<LoginRequestWatch, ClientError> {
        let request = api::WatchLoginRequestsRequest {};
        within(
            self.deadlines.alone,
            self.stub.watch_login_requests(request),
        )
        .await
        .map(LoginRequestWatch)
    }

    /// Approves, denies or reports; returns when the service has said what became of it.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn answer_login_request(
        &mut self,
        request: api::AnswerLoginRequestRequest,
    ) -> Result<api::AnswerLoginRequestReply, ClientError> {
        within(
            self.deadlines.with_others,
            self.stub.answer_login_request(request),
        )
        .await
    }

    /// Says whether login requests may come at all, for one token or, with an empty name, for all.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn set_autosend(&mut self, token: String, on: bool) -> Result<(), ClientError> {
        let request = api::SetAutosendRequest { token, on };
        within(self.deadlines.alone, self.stub.set_autosend(request))
            .await
            .map(|api::SetAutosendReply {}| ())
    }

    /// Mutes login requests for so many seconds; 0 ends it.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn mute_login_requests(
        &mut self,
        seconds: u32,
    ) -> Result<api::MuteLoginRequestsReply, ClientError> {
        let request = api::MuteLoginRequestsRequest { seconds };
        within(self.deadlines.alone, self.stub.mute_login_requests(request)).await
    }

    /// What is declined by rule.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn list_blocks(&mut self) -> Result<api::ListBlocksReply, ClientError> {
        let request = api::ListBlocksRequest {};
        within(self.deadlines.alone, self.stub.list_blocks(request)).await
    }

    /// Declines a resource or an address by rule.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn add_block(
        &mut self,
        request: api::AddBlockRequest,
    ) -> Result<api::AddBlockReply, ClientError> {
        within(self.deadlines.alone, self.stub.add_block(request)).await
    }

    /// Takes a rule away.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn remove_block(&mut self, id: String) -> Result<(), ClientError> {
        let request = api::RemoveBlockRequest { id };
        within(self.deadlines.alone, self.stub.remove_block(request))
            .await
            .map(|api::RemoveBlockReply {}| ())
    }

    /// The browser extensions that may ask for passcodes.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn list_pairings(&mut self) -> Result<api::ListPairingsReply, ClientError> {
        let request = api::ListPairingsRequest {};
        within(self.deadlines.alone, self.stub.list_pairings(request)).await
    }

    /// Lets a browser extension ask for nothing more.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn revoke_pairing(
        &mut self,
        pairing: String,
    ) -> Result<api::RevokePairingReply, ClientError> {
        let request = api::RevokePairingRequest { pairing };
        within(self.deadlines.alone, self.stub.revoke_pairing(request)).await
    }

    /// Fills a token on a page no more.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn unbind_origin(
        &mut self,
        request: api::UnbindOriginRequest,
    ) -> Result<api::UnbindOriginReply, ClientError> {
        within(self.deadlines.with_others, self.stub.unbind_origin(request)).await
    }

    /// The newest events, at most `limit`.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn list_events(&mut self, limit: u32) -> Result<api::ListEventsReply, ClientError> {
        let request = api::ListEventsRequest { limit };
        within(self.deadlines.alone, self.stub.list_events(request)).await
    }
}

impl fmt::Debug for AgentClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentClient")
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}

/// Login requests as they come: a snapshot of the pending ones first, then each change.
#[derive(Debug)]
pub struct LoginRequestWatch(Streaming<api::LoginRequestsChange>);

impl LoginRequestWatch {
    /// The next message; `None` when the agent ended the watch, because it stops or because this watcher
    /// fell behind. Waits as long as nothing changes.
    ///
    /// # Errors
    ///
    /// [`ClientError::Lost`] if the connection broke, [`ClientError::Refused`] if the agent says why.
    pub async fn next(&mut self) -> Result<Option<api::LoginRequestsChange>, ClientError> {
        self.0
            .message()
            .await
            .map_err(|status| ClientError::from_status(&status))
    }
}

fn stub(
    channel: &Channel,
    screen: &api::CallerScreen,
) -> Stub<InterceptedService<Channel, ScreenMetadata>> {
    Stub::with_interceptor(channel.clone(), ScreenMetadata::new(screen))
        .max_decoding_message_size(AGENT_MESSAGE)
        .max_encoding_message_size(AGENT_MESSAGE)
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, ClientError> {
    match timeout(limit, call).await {
        Ok(Ok(reply)) => Ok(reply.into_inner()),
        Ok(Err(status)) => Err(ClientError::from_status(&status)),
        Err(_elapsed) => Err(late(limit)),
    }
}

fn late(waited: Duration) -> ClientError {
    ClientError::Deadline { waited }
}
