//! Login requests out, decisions in: the gRPC service `countersign.push.v1.Push`.

mod connection;
mod streams;

use core::{
    pin::Pin,
    task::{Context, Poll},
};
use std::net::SocketAddr;

use async_trait::async_trait;
use axum::Router;
use countersign_proto::{
    limits,
    push::v1::{
        self as push,
        push_server::{Push, PushServer},
    },
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use streams::Utterance;
pub(crate) use streams::{AWAY_MS, Said};
pub use streams::{Availability, Streams};

use crate::service::{RegistrationError, ServerPinError, Service};

/// Exported keying material of the TLS connection that a call came over ("EXPORTER-Channel-Binding",
/// RFC 9266). The TLS listener puts it among the extensions of every HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsExporter(pub [u8; 32]);

/// The push service as routes of the gateway's listener.
pub fn router(service: Service) -> Router {
    let server = PushServer::new(PushService(service))
        .max_decoding_message_size(limits::PUSH_MESSAGE)
        .max_encoding_message_size(limits::PUSH_MESSAGE);
    tonic::service::Routes::new(server).into_axum_router()
}

struct PushService(Service);

/// A stream's frames as tonic takes them.
struct Unboxed(ReceiverStream<Utterance>);

impl Stream for Unboxed {
    type Item = Result<push::GatewayFrame, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0)
            .poll_next(context)
            .map(|next| next.map(Utterance::into_result))
    }
}

#[async_trait]
impl Push for PushService {
    type ConnectStream = Unboxed;

    async fn connect(
        &self,
        request: Request<Streaming<push::AgentFrame>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let exporter = request.extensions().get::<TlsExporter>().copied();
        let service = self.0.clone();
        // Behind a proxy the peer is the proxy.
        let seen = request
            .extensions()
            .get::<SocketAddr>()
            .filter(|_| !service.settings().config.push.behind_proxy)
            .map(|peer| peer.ip().to_canonical());
        let (frames, outgoing) = streams::channel();
        let incoming = request.into_inner();
        tokio::spawn(connection::run(
            service,
            incoming,
            frames,
            connection::Peer { exporter, seen },
        ));
        Ok(Response::new(Unboxed(ReceiverStream::new(outgoing))))
    }

    async fn register(
        &self,
        request: Request<push::RegisterRequest>,
    ) -> Result<Response<push::RegisterReply>, Status> {
        match self.0.register(request.into_inner()).await {
            Ok(reply) => Ok(Response::new(reply)),
            Err(refused @ RegistrationError::Refused) => {
                Err(Status::permission_denied(refused.to_string()))
            }
            Err(malformed @ RegistrationError::ServerPin(_)) => {
                Err(Status::invalid_argument(malformed.to_string()))
            }
            Err(RegistrationError::Storage(error)) => {
                tracing::error!(%error, "a registration failed");
                Err(Status::unavailable(
                    "the gateway could not store it; try again",
                ))
            }
        }
    }

    async fn change_server_pin(
        &self,
        request: Request<push::ServerPinRequest>,
    ) -> Result<Response<push::ServerPinReply>, Status> {
        match self.0.change_server_pin(request.into_inner()).await {
            Ok(reply) => Ok(Response::new(reply)),
            Err(refused @ ServerPinError::Refused) => {
                Err(Status::permission_denied(refused.to_string()))
            }
            Err(replayed @ ServerPinError::Replayed) => {
                Err(Status::failed_precondition(replayed.to_string()))
            }
            Err(ServerPinError::Storage(error)) => {
                tracing::error!(%error, "a change of a server PIN failed");
                Err(Status::unavailable(
                    "the gateway could not store it; try again",
                ))
            }
        }
    }
}
