//! The TLS listener: gRPC is relayed frame by frame, everything else byte by byte.

use core::{
    pin::Pin,
    sync::atomic::{AtomicI64, Ordering},
    task::{Context, Poll},
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use countersign_proto::push::v1::{
    self as push,
    push_server::{Push, PushServer},
};
use rustls::{ClientConfig, ServerConfig, crypto::aws_lc_rs, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, server::Connected},
};

use super::{Original, Record, relay::Relay, script::Script};
use crate::{dice::Dice, push_connection::PushConnection};

/// Larger than anything that is said.
const NO_BOUND: usize = usize::MAX;

pub(super) struct Door {
    acceptor: TlsAcceptor,
    original: Arc<Original>,
    record: Arc<Record>,
    dice: Dice,
}

impl Door {
    pub(super) fn new(original: Original, record: Arc<Record>, dice: Dice) -> Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(original.shown.chain.clone(), original.shown.key.clone_key())?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            original: Arc::new(original),
            record,
            dice,
        })
    }

    /// Takes connections until it is dropped.
    pub(super) async fn keep(self, listener: TcpListener) {
        let (connections, accepted) = mpsc::channel::<io::Result<Connection>>(8);
        let service = PushServer::new(Service {
            original: Arc::clone(&self.original),
            record: Arc::clone(&self.record),
            dice: Mutex::new(self.dice),
        })
        .max_encoding_message_size(NO_BOUND)
        .max_decoding_message_size(NO_BOUND);
        let serving = Server::builder()
            .add_service(service)
            .serve_with_incoming(ReceiverStream::new(accepted));
        let accepting = async {
            while let Ok((tcp, _peer)) = listener.accept().await {
                let acceptor = self.acceptor.clone();
                let connections = connections.clone();
                let original = Arc::clone(&self.original);
                tokio::spawn(async move {
                    // One that does not trust us hangs up.
                    let Ok(stream) = acceptor.accept(tcp).await else {
                        return;
                    };
                    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                        let connection = Connection {
                            stream: Box::new(stream),
                            scissors: Scissors::default(),
                        };
                        drop(connections.send(Ok(connection)).await);
                    } else {
                        // Who waits for an answer sees that it does not come.
                        drop(pass_bytes(stream, &original).await);
                    }
                });
            }
        };
        tokio::select! {
            () = accepting => {}
            served = serving => drop(served),
        }
    }
}

/// Enrollment: not what is tried here.
async fn pass_bytes(mut stream: TlsStream<TcpStream>, original: &Original) -> Result<()> {
    let mut config = ClientConfig::clone(&original.tls);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tcp = TcpStream::connect(original.address).await?;
    let name = ServerName::IpAddress(original.address.ip().into());
    let mut upstream = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
        .context("the gateway")?;
    copy_bidirectional(&mut stream, &mut upstream).await?;
    Ok(())
}

struct Service {
    original: Arc<Original>,
    record: Arc<Record>,
    dice: Mutex<Dice>,
}

impl Service {
    async fn upstream(&self) -> Result<PushConnection, Status> {
        PushConnection::open(self.original.address, Arc::clone(&self.original.tls))
            .await
            .map_err(|_away| Status::unavailable("the gateway is away"))
    }
}

#[async_trait::async_trait]
impl Push for Service {
    type ConnectStream = ReceiverStream<Result<push::GatewayFrame, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<push::AgentFrame>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let scissors = request
            .extensions()
            .get::<Scissors>()
            .cloned()
            .unwrap_or_default();
        let mut upstream = self.upstream().await?;
        let (to_gateway, frames) = mpsc::channel(8);
        let from_gateway = upstream
            .client
            .connect(ReceiverStream::new(frames))
            .await?
            .into_inner();
        let seed = self
            .dice
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .roll();
        let (to_agent, frames) = mpsc::channel(8);
        let relay = Relay {
            original: Arc::clone(&self.original),
            record: Arc::clone(&self.record),
            script: Script::new(seed),
            scissors,
            to_agent,
            to_gateway,
            doomed: false,
        };
        tokio::spawn(relay.run(request.into_inner(), from_gateway));
        Ok(Response::new(ReceiverStream::new(frames)))
    }

    async fn register(
        &self,
        request: Request<push::RegisterRequest>,
    ) -> Result<Response<push::RegisterReply>, Status> {
        let mut upstream = self.upstream().await?;
        upstream.client.register(request.into_inner()).await
    }

    async fn change_server_pin(
        &self,
        request: Request<push::ServerPinRequest>,
    ) -> Result<Response<push::ServerPinReply>, Status> {
        let mut upstream = self.upstream().await?;
        upstream
            .client
            .change_server_pin(request.into_inner())
            .await
    }
}

/// Cut a connection after so many more bytes; negative: not yet.
#[derive(Clone, Debug)]
pub(super) struct Scissors(Arc<AtomicI64>);

impl Default for Scissors {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(-1)))
    }
}

impl Scissors {
    /// After the next few bytes, which are fewer than any frame has.
    pub(super) fn cut(&self) {
        self.0.store(7, Ordering::SeqCst);
    }
}

struct Connection {
    stream: Box<TlsStream<TcpStream>>,
    scissors: Scissors,
}

impl Connected for Connection {
    type ConnectInfo = Scissors;

    fn connect_info(&self) -> Scissors {
        self.scissors.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.scissors.0.load(Ordering::SeqCst);
        if left < 0 {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        let left = usize::try_from(left).unwrap_or(0);
        if left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let part = bytes.get(..left).unwrap_or(bytes);
        let written = Pin::new(&mut self.stream).poll_write(context, part);
        if written.is_ready() {
            self.scissors.0.store(0, Ordering::SeqCst);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
