//! From an authentic packet to its reply.

use core::net::IpAddr;

use countersign_core::radius::{AccessRequest, AccessRequestError, Code, Packet, Prompt, Reply};

use crate::service::{KnownClient, RadiusLogin, RadiusVerdict, Service};

/// The reply to a packet; `None`: there is none, and the client asks again or elsewhere.
pub(super) async fn answer(
    service: &Service,
    client: &KnownClient,
    from: IpAddr,
    packet: &Packet<'_>,
) -> Option<Vec<u8>> {
    let reply = match packet.code() {
        Code::StatusServer => Reply::accept(),
        Code::AccessRequest => match AccessRequest::read(packet, &client.secret) {
            Ok(request) => access(service, client, from, packet, request).await?,
            Err(error) => {
                tracing::info!(client = client.name, %error, "an Access-Request is rejected");
                refused(error)
            }
        },
        Code::AccessAccept | Code::AccessReject | Code::AccessChallenge => return None,
    };
    let result = match reply.code() {
        _ if packet.code() == Code::StatusServer => "status",
        Code::AccessAccept => "accepted",
        Code::AccessChallenge => "challenged",
        Code::AccessReject | Code::AccessRequest | Code::StatusServer => "rejected",
    };
    service.metrics().radius_packet(result);
    reply.seal(packet, &client.secret).ok()
}

fn refused(error: AccessRequestError) -> Reply {
    Reply::reject().message(match error {
        AccessRequestError::Method(_) => "This server understands passwords (PAP) only.",
        AccessRequestError::Missing(_)
        | AccessRequestError::Repeated(_)
        | AccessRequestError::Malformed(_) => "The request was malformed.",
    })
}

async fn access(
    service: &Service,
    client: &KnownClient,
    from: IpAddr,
    packet: &Packet<'_>,
    request: AccessRequest<'_>,
) -> Option<Reply> {
    let login = RadiusLogin {
        client: client.id,
        from,
        user: request.user.to_owned(),
        typed: request.password,
        state: request.state.map(<[u8]>::to_vec),
        calling_station: request.calling_station.map(str::to_owned),
        nas_identifier: request.nas_identifier.map(str::to_owned),
        packet: (packet.identifier(), *packet.authenticator()),
    };
    match service.radius_login(login).await {
        Ok(RadiusVerdict::Accept) => Some(Reply::accept()),
        Ok(RadiusVerdict::Reject { message }) => Some(Reply::reject().message(message)),
        Ok(RadiusVerdict::Challenge {
            message,
            state,
            secs,
        }) => Some(
            Reply::challenge()
                .message(&message)
                .state(&state)
                .session_timeout(secs)
                .prompt(Prompt::NoEcho),
        ),
        Err(error) => {
            tracing::error!(client = client.name, %error, "a RADIUS client gets no answer");
            None
        }
    }
}
