//! One HTTP/2 connection over the agent's unix socket, to a peer that is ourselves.

use std::{io, time::Duration};

use countersign_proto::limits::AGENT_MESSAGE;
use hyper_util::rt::TokioIo;
use tokio::{
    net::UnixStream,
    time::{interval, timeout},
};
use tonic::transport::{Channel, Endpoint, Uri};

use crate::{ClientError, SocketPath, SocketProblem};

/// How long a socket that exists may refuse before the agent counts as not running: it is bound a moment
/// before it is listened on.
const STARTING: Duration = Duration::from_millis(500);
/// Between two tries in that time.
const RETRY: Duration = Duration::from_millis(20);
/// HTTP/2 flow control: the largest message fits in one window, so no update is ever waited for.
const WINDOW: u32 = {
    assert!(
        AGENT_MESSAGE <= 0x7fff_ffff,
        "the largest HTTP/2 window is 2^31 - 1 octets (RFC 9113, 6.9.1)"
    );
    262_144
};

/// Dials the agent and checks both the socket and the peer.
pub(crate) async fn open(path: &SocketPath) -> Result<Channel, ClientError> {
    path.check_private()?;
    let stream = dial(path).await?;
    check_peer(path, &stream)?;
    // The authority is never looked up: the stream below is the only connection this channel ever has.
    let mut stream = Some(stream);
    Endpoint::from_static("http://agent.countersign.invalid")
        .initial_connection_window_size(WINDOW)
        .initial_stream_window_size(WINDOW)
        .buffer_size(8)
        .connect_with_connector(tower::service_fn(move |_: Uri| {
            let stream = stream.take();
            async move {
                stream
                    .map(TokioIo::new)
                    .ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))
            }
        }))
        .await
        .map_err(|_transport| ClientError::Lost)
}

async fn dial(path: &SocketPath) -> Result<UnixStream, ClientError> {
    match UnixStream::connect(path.as_path()).await {
        Err(error) if is_starting(&error) => {}
        done => return done.map_err(|error| on_refusal(path, error)),
    }
    let retried = timeout(STARTING, async {
        let mut tries = interval(RETRY);
        loop {
            tries.tick().await;
            match UnixStream::connect(path.as_path()).await {
                Err(error) if is_starting(&error) => {}
                done => return done,
            }
        }
    });
    match retried.await {
        Ok(done) => done.map_err(|error| on_refusal(path, error)),
        Err(_elapsed) => Err(not_running(path)),
    }
}

/// The socket is there and nobody accepts yet, or the queue is full.
fn is_starting(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::WouldBlock
    )
}

fn on_refusal(path: &SocketPath, error: io::Error) -> ClientError {
    if error.kind() == io::ErrorKind::NotFound {
        not_running(path)
    } else {
        ClientError::Socket {
            path: path.as_path().to_owned(),
            source: error,
        }
    }
}

fn not_running(path: &SocketPath) -> ClientError {
    ClientError::NotRunning {
        socket: path.as_path().to_owned(),
    }
}

/// `SO_PEERCRED`: whoever began to listen must be us, whatever the file system says.
fn check_peer(path: &SocketPath, stream: &UnixStream) -> Result<(), ClientError> {
    let untrusted = |problem| ClientError::Untrusted {
        path: path.as_path().to_owned(),
        problem,
    };
    let peer =
        rustix::net::sockopt::socket_peercred(stream).map_err(|errno| ClientError::Socket {
            path: path.as_path().to_owned(),
            source: errno.into(),
        })?;
    let uid = peer.uid.as_raw();
    if uid == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err(untrusted(SocketProblem::OtherPeer { uid }))
    }
}
