//! A gateway whose part the test plays: each stream that is opened comes out as a [`Session`].

use core::{
    pin::Pin,
    task::{Context, Poll},
};
use std::{io, sync::Arc};

use async_trait::async_trait;
use countersign_proto::push::v1::{
    self as push, agent_frame, gateway_frame,
    push_server::{Push, PushServer},
};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, server::Connected},
};

use crate::{
    identity::{Identity, Shown},
    patiently,
};

/// Listens on loopback until it is dropped.
pub(crate) struct GatewayDouble {
    url: String,
    sessions: mpsc::Receiver<Session>,
    task: JoinHandle<()>,
}

/// One stream of an agent.
pub(crate) struct Session {
    pub(crate) exporter: [u8; 32],
    outgoing: mpsc::Sender<Result<push::GatewayFrame, Status>>,
    incoming: Streaming<push::AgentFrame>,
}

impl GatewayDouble {
    pub(crate) async fn start(identity: &Identity) -> Self {
        Self::showing(identity.leaf("127.0.0.1"), Register::refuse()).await
    }

    pub(crate) async fn showing(shown: Shown, register: Register) -> Self {
        let (listener, url) = listen().await;
        let acceptor = acceptor(shown, b"h2");
        let (opened, sessions) = mpsc::channel(8);
        let (connections, accepted) = mpsc::channel::<io::Result<Connection>>(8);
        let service = PushServer::new(Service { opened, register })
            .max_encoding_message_size(usize::MAX)
            .max_decoding_message_size(usize::MAX);
        let serving = Server::builder()
            .add_service(service)
            .serve_with_incoming(ReceiverStream::new(accepted));
        let task = tokio::spawn(async move {
            let accepting = async {
                loop {
                    let (tcp, _peer) = listener.accept().await.unwrap();
                    // One that does not trust us hangs up.
                    if let Ok(stream) = acceptor.accept(tcp).await {
                        drop(connections.send(Ok(Connection(stream))).await);
                    }
                }
            };
            tokio::select! {
                () = accepting => {}
                served = serving => served.unwrap(),
            }
        });
        Self {
            url,
            sessions,
            task,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The next stream that an agent opens.
    pub(crate) async fn session(&mut self) -> Session {
        patiently(self.sessions.recv()).await.unwrap()
    }
}

impl Drop for GatewayDouble {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Session {
    pub(crate) async fn send(&self, frame: gateway_frame::Frame) {
        let frame = push::GatewayFrame { frame: Some(frame) };
        patiently(self.outgoing.send(Ok(frame))).await.unwrap();
    }

    pub(crate) async fn challenge(&self, service: &[u8], nonce: [u8; 32]) {
        self.send(gateway_frame::Frame::Challenge(push::Challenge {
            server_nonce: nonce.to_vec(),
            service_id: service.to_vec(),
        }))
        .await;
    }

    pub(crate) async fn refuse(&self, status: Status) {
        patiently(self.outgoing.send(Err(status))).await.unwrap();
    }

    /// The agent's next frame; nothing when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<agent_frame::Frame> {
        patiently(self.incoming.message()).await.ok()??.frame
    }
}

/// What Register answers.
#[derive(Clone)]
pub(crate) struct Register(pub(crate) Result<push::RegisterReply, Status>);

impl Register {
    pub(crate) fn refuse() -> Self {
        Self(Err(Status::permission_denied("no such token")))
    }
}

struct Service {
    opened: mpsc::Sender<Session>,
    register: Register,
}

#[async_trait]
impl Push for Service {
    type ConnectStream = ReceiverStream<Result<push::GatewayFrame, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<push::AgentFrame>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let Exporter(exporter) = *request.extensions().get().unwrap();
        let (outgoing, frames) = mpsc::channel(8);
        let session = Session {
            exporter,
            outgoing,
            incoming: request.into_inner(),
        };
        drop(self.opened.send(session).await);
        Ok(Response::new(ReceiverStream::new(frames)))
    }

    async fn change_server_pin(
        &self,
        _request: Request<push::ServerPinRequest>,
    ) -> Result<Response<push::ServerPinReply>, Status> {
        Err(Status::unimplemented("not in this double"))
    }

    async fn register(
        &self,
        _request: Request<push::RegisterRequest>,
    ) -> Result<Response<push::RegisterReply>, Status> {
        self.register.0.clone().map(Response::new)
    }
}

pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    (listener, url)
}

pub(crate) fn acceptor(shown: Shown, protocol: &[u8]) -> TlsAcceptor {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(shown.chain, shown.key)
        .unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// A TLS connection that tells its handlers its exporter.
struct Connection(TlsStream<TcpStream>);

#[derive(Clone, Copy)]
struct Exporter([u8; 32]);

impl Connected for Connection {
    type ConnectInfo = Exporter;

    fn connect_info(&self) -> Exporter {
        let (_tcp, session) = self.0.get_ref();
        let exporter = session.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None);
        Exporter(exporter.unwrap())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
