//! The stream of a browser's native-messaging host, `countersign.browser.v1`.

use countersign_proto::{
    agent::v1::CallerScreen,
    browser::v1::{self as api, browser_client::BrowserClient as Stub},
    limits::{AGENT_MESSAGE, BROWSER_MESSAGE, BROWSER_REQUESTS},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::{ClientError, Deadlines, SocketPath, connection, screen::ScreenMetadata};

/// Dials the agent and opens the stream. What the agent knows of the host ends with it.
///
/// # Errors
///
/// As [`AgentClient::connect`](crate::AgentClient::connect); [`ClientError::VersionMismatch`] if the agent knows no browsers.
pub async fn open(
    path: &SocketPath,
    screen: &CallerScreen,
) -> Result<(BrowserRequests, BrowserMessages), ClientError> {
    let within = Deadlines::default().alone;
    let late = |_elapsed| ClientError::Deadline { waited: within };
    let channel = timeout(within, connection::open(path))
        .await
        .map_err(late)??;
    let mut stub = Stub::with_interceptor(channel, ScreenMetadata::new(screen))
        .max_decoding_message_size(AGENT_MESSAGE)
        .max_encoding_message_size(BROWSER_MESSAGE);
    let (requests, stream) = mpsc::channel(BROWSER_REQUESTS);
    let opened = timeout(within, stub.connect(ReceiverStream::new(stream))).await;
    let messages = opened
        .map_err(late)?
        .map_err(|status| ClientError::from_status(&status))?;
    Ok((
        BrowserRequests(requests),
        BrowserMessages(messages.into_inner()),
    ))
}

/// What the host asks.
#[derive(Clone, Debug)]
pub struct BrowserRequests(mpsc::Sender<api::Request>);

impl BrowserRequests {
    /// Sends a request; its answer is among the [`BrowserMessages`].
    ///
    /// # Errors
    ///
    /// [`ClientError::Lost`]: the stream has ended.
    pub async fn send(&self, request: api::Request) -> Result<(), ClientError> {
        let sent = self.0.send(request).await;
        sent.map_err(|_ended| ClientError::Lost)
    }
}

/// What the agent says.
#[derive(Debug)]
pub struct BrowserMessages(Streaming<api::Message>);

impl BrowserMessages {
    /// The next message; `None` when the agent ended the stream.
    ///
    /// # Errors
    ///
    /// [`ClientError::Lost`] if the connection broke, [`ClientError::Refused`] if the agent says why.
    pub async fn next(&mut self) -> Result<Option<api::Message>, ClientError> {
        let message = self.0.message().await;
        message.map_err(|status| ClientError::from_status(&status))
    }
}
