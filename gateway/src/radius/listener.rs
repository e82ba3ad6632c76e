//! The UDP sockets: each datagram is held against its client's secret before anything is made of it.

use core::{convert::Infallible, time::Duration};
use std::{io, net::SocketAddr, sync::Arc};

use countersign_core::radius::{Code, Kind, LONGEST, MessageAuthenticator, Packet};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use tokio::{net::UdpSocket, task::JoinSet};

use super::{
    Dropped,
    answer::answer,
    drops::DropLog,
    exchanges::{Admission, Exchanges, Origin},
};
use crate::{
    service::{KnownClient, Service, ServiceError},
    store::MessageAuthenticatorPolicy,
};

/// After a failed receive the next one comes after this time.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket at `address`; one for all of IPv6 takes no IPv4, which has an address of its own.
///
/// # Errors
///
/// The address is not this machine's, or is taken.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::DGRAM, flags, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    UdpSocket::from_std(socket.into())
}

/// Answers clients at these sockets; ends by being dropped, and every login that waits with it.
///
/// # Errors
///
/// The clients cannot be read from the database.
pub async fn serve(service: Service, sockets: Vec<UdpSocket>) -> Result<Infallible, ServiceError> {
    service.reload_radius_clients().await?;
    let exchanges = Exchanges::default();
    let drops = Arc::new(DropLog::default());
    let mut listeners = JoinSet::new();
    for (number, socket) in sockets.into_iter().enumerate() {
        let listener = Listener {
            service: service.clone(),
            exchanges: exchanges.clone(),
            drops: Arc::clone(&drops),
            socket: Arc::new(socket),
            number,
        };
        listeners.spawn(listener.receive());
    }
    // None of them ends; with none there is nothing to do.
    while listeners.join_next().await.is_some() {}
    core::future::pending().await
}

struct Listener {
    service: Service,
    exchanges: Exchanges,
    drops: Arc<DropLog>,
    socket: Arc<UdpSocket>,
    number: usize,
}

impl Listener {
    async fn receive(self) -> Infallible {
        let mut logins = JoinSet::new();
        // One more than a packet may have: a longer one is seen to be.
        let mut buffer = vec![0; LONGEST.saturating_add(1)];
        loop {
            let received = tokio::select! {
                received = self.socket.recv_from(&mut buffer) => received,
                Some(_ended) = logins.join_next() => continue,
            };
            match received {
                Ok((length, peer)) => {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    if let Err(why) = self.take(datagram, peer, &mut logins) {
                        self.drops.dropped(why, peer.ip(), &self.service);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a RADIUS packet could not be received");
                    let now = tokio::time::Instant::now();
                    tokio::time::sleep_until(now.checked_add(PAUSE).unwrap_or(now)).await;
                }
            }
        }
    }

    /// Looks at one datagram; an answer that takes time is made in a task of its own.
    fn take(
        &self,
        datagram: &[u8],
        peer: SocketAddr,
        logins: &mut JoinSet<()>,
    ) -> Result<(), Dropped> {
        let from = peer.ip().to_canonical();
        let client = self.service.radius_client_at(from);
        let client = client.ok_or(Dropped::UnknownClient)?;
        let packet = Packet::parse(datagram).map_err(|_malformed| Dropped::Malformed)?;
        check_authenticity(&packet, &client)?;
        let origin = Origin {
            socket: self.number,
            peer,
            identifier: packet.identifier(),
        };
        let now = self.service.now();
        let place = match self
            .exchanges
            .admit(origin, packet.authenticator(), client.id, now)
        {
            Admission::New(place) => place,
            Admission::Waiting => {
                self.service.metrics().radius_packet("repeated");
                return Ok(());
            }
            Admission::Answered(answer) => {
                self.service.metrics().radius_packet("repeated");
                self.send(&answer, peer);
                return Ok(());
            }
            Admission::Dropped(why) => return Err(why),
        };
        let service = self.service.clone();
        let drops = Arc::clone(&self.drops);
        let socket = Arc::clone(&self.socket);
        let datagram = datagram.to_vec();
        logins.spawn(async move {
            let Ok(packet) = Packet::parse(&datagram) else {
                return;
            };
            let reply = answer(&service, &client, from, &packet).await;
            let Some(reply) = reply else {
                return drops.dropped(Dropped::Unanswered, from, &service);
            };
            if let Some(reply) = place.answered(reply, service.now()) {
                sent(socket.send_to(&reply, peer).await, peer);
            }
        });
        Ok(())
    }

    fn send(&self, answer: &[u8], peer: SocketAddr) {
        sent(self.socket.try_send_to(answer, peer), peer);
    }
}

/// A reply that does not leave is asked for again.
fn sent(result: io::Result<usize>, peer: SocketAddr) {
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "a RADIUS reply was not sent");
    }
}

/// Is the packet one that a client asks, and its sender who knows the secret?
fn check_authenticity(packet: &Packet<'_>, client: &KnownClient) -> Result<(), Dropped> {
    let may_lack_it = match packet.code() {
        // A Proxy-State comes back as it is: with it a reply can be forged for a packet that nobody has signed.
        Code::AccessRequest => {
            client.message_authenticator == MessageAuthenticatorPolicy::Optional
                && !packet.has(Kind::PROXY_STATE)
        }
        Code::StatusServer => false,
        Code::AccessAccept | Code::AccessReject | Code::AccessChallenge => {
            return Err(Dropped::Malformed);
        }
    };
    match packet.message_authenticator(&client.secret) {
        MessageAuthenticator::Right => Ok(()),
        MessageAuthenticator::Absent if may_lack_it => Ok(()),
        MessageAuthenticator::Absent => Err(Dropped::NotAuthentic),
        MessageAuthenticator::Wrong => Err(Dropped::WrongSecret),
    }
}
