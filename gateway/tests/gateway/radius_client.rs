//! A RADIUS client of its own making, so that no fault of the gateway's code is shared.

use core::net::IpAddr;
use std::{net::SocketAddr, time::Duration};

use countersign_core::secret::SecretText;
use countersign_gateway::{
    radius,
    random::SystemRandom,
    service::{NewRadiusClient, Service},
    store::{Caller, FirstFactor, MessageAuthenticatorPolicy},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use tokio::{net::UdpSocket, task::JoinHandle, time::timeout};

pub(crate) const SECRET: &str = "0123456789abcdef";
pub(crate) const USER_NAME: u8 = 1;
pub(crate) const USER_PASSWORD: u8 = 2;
pub(crate) const REPLY_MESSAGE: u8 = 18;
pub(crate) const STATE: u8 = 24;
pub(crate) const PROXY_STATE: u8 = 33;
pub(crate) const MESSAGE_AUTHENTICATOR: u8 = 80;
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// A client with everything at its default, at one loopback address.
pub(crate) fn registration(name: &str, at: [u8; 4]) -> NewRadiusClient {
    NewRadiusClient {
        name: name.to_owned(),
        networks: vec![IpAddr::from(at).into()],
        resource: None,
        first_factor: FirstFactor::Password,
        push: true,
        client_address: Caller::Nas,
        message_authenticator: MessageAuthenticatorPolicy::Required,
    }
}

/// The gateway's RADIUS listener in this process.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listener {
    /// Serves the clients; registered clients must be there before.
    pub(crate) async fn serve(service: &Service, clients: Vec<NewRadiusClient>) -> Self {
        for client in clients {
            service
                .operator("grace")
                .add_radius_client(client, Some(SECRET.into()))
                .await
                .unwrap();
        }
        let socket = radius::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let service = service.clone();
        let task = tokio::spawn(async move {
            drop(radius::serve(service, vec![socket]).await);
        });
        Self { address, task }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Who asks, from one socket.
pub(crate) struct Peer {
    socket: UdpSocket,
    pub(crate) secret: Vec<u8>,
    identifier: u8,
}

/// A reply whose authenticators are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: u8,
    pub(crate) attributes: Vec<(u8, Vec<u8>)>,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn values(&self, kind: u8) -> Vec<Vec<u8>> {
        let of_kind = self.attributes.iter().filter(|(other, _)| *other == kind);
        of_kind.map(|(_, value)| value.clone()).collect()
    }

    pub(crate) fn message(&self) -> String {
        String::from_utf8(self.values(REPLY_MESSAGE).concat()).unwrap()
    }

    /// The State of a challenge.
    pub(crate) fn state(&self) -> Vec<u8> {
        assert_eq!(self.code, 11, "{self:?}");
        self.values(STATE).remove(0)
    }

    pub(crate) fn is_accept(&self) -> bool {
        self.code == 2
    }

    /// Of a rejection.
    pub(crate) fn refusal(&self) -> String {
        assert_eq!(self.code, 3, "{self:?}");
        self.message()
    }
}

#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
impl Peer {
    pub(crate) async fn new(listener: &Listener, at: [u8; 4]) -> Self {
        let socket = UdpSocket::bind(SocketAddr::from((at, 0))).await.unwrap();
        socket.connect(listener.address).await.unwrap();
        Self {
            socket,
            secret: SECRET.as_bytes().to_vec(),
            identifier: 0,
        }
    }

    /// An Access-Request with a Message-Authenticator behind `attributes`.
    pub(crate) fn request(&mut self, attributes: &[(u8, &[u8])]) -> Vec<u8> {
        let mut all = attributes.to_vec();
        all.push((MESSAGE_AUTHENTICATOR, &[0; 16]));
        let datagram = self.unsigned(1, &all);
        self.signed(datagram)
    }

    /// A packet as it is; every User-Password is hidden.
    pub(crate) fn unsigned(&mut self, code: u8, attributes: &[(u8, &[u8])]) -> Vec<u8> {
        self.identifier = self.identifier.wrapping_add(1);
        let authenticator: [u8; 16] = SystemRandom::bytes();
        let mut body = Vec::new();
        for (kind, value) in attributes {
            let value = match *kind {
                USER_PASSWORD => self.hidden(value, authenticator),
                _ => value.to_vec(),
            };
            body.extend_from_slice(&[*kind, u8::try_from(value.len() + 2).unwrap()]);
            body.extend_from_slice(&value);
        }
        let [high, low] = u16::try_from(body.len() + 20).unwrap().to_be_bytes();
        let head = [code, self.identifier, high, low];
        [&head, authenticator.as_slice(), &body].concat()
    }

    /// Fills the last Message-Authenticator.
    pub(crate) fn signed(&self, mut datagram: Vec<u8>) -> Vec<u8> {
        let mut mac = Hmac::<Md5>::new_from_slice(&self.secret).unwrap();
        mac.update(&datagram);
        let place = datagram.len() - 16;
        datagram[place..].copy_from_slice(&mac.finalize().into_bytes());
        datagram
    }

    fn hidden(&self, password: &[u8], authenticator: [u8; 16]) -> Vec<u8> {
        let mut hidden = password.to_vec();
        hidden.resize(password.len().max(1).next_multiple_of(16), 0);
        let mut before = authenticator;
        for block in hidden.chunks_mut(16) {
            let mask = Md5::new().chain_update(&self.secret).chain_update(before);
            for (byte, mask) in block.iter_mut().zip(mask.finalize()) {
                *byte ^= mask;
            }
            before.copy_from_slice(block);
        }
        hidden
    }

    pub(crate) async fn send(&self, datagram: &[u8]) {
        self.socket.send(datagram).await.unwrap();
    }

    /// The next reply, which must be genuine and belong to this request.
    pub(crate) async fn receive(&self, request: &[u8]) -> Answer {
        let mut buffer = vec![0; 8192];
        let received = timeout(PATIENCE, self.socket.recv(&mut buffer)).await;
        buffer.truncate(received.unwrap().unwrap());
        let bytes = buffer;
        assert_eq!(bytes[1], request[1], "the answer to another request");
        assert_eq!(
            usize::from(u16::from_be_bytes([bytes[2], bytes[3]])),
            bytes.len()
        );
        let response = Md5::new()
            .chain_update(&bytes[..4])
            .chain_update(&request[4..20])
            .chain_update(&bytes[20..])
            .chain_update(&self.secret);
        assert_eq!(
            response.finalize()[..],
            bytes[4..20],
            "Response Authenticator"
        );
        assert_eq!(bytes[20..22], [80, 18], "Message-Authenticator comes first");
        let mut as_signed = bytes.clone();
        as_signed[4..20].copy_from_slice(&request[4..20]);
        as_signed[22..38].fill(0);
        let mut mac = Hmac::<Md5>::new_from_slice(&self.secret).unwrap();
        mac.update(&as_signed);
        assert_eq!(
            mac.finalize().into_bytes()[..],
            bytes[22..38],
            "Message-Authenticator"
        );
        let mut attributes = Vec::new();
        let mut rest = &bytes[20..];
        while let [kind, length, ..] = rest {
            let (attribute, behind) = rest.split_at(usize::from(*length));
            attributes.push((*kind, attribute[2..].to_vec()));
            rest = behind;
        }
        Answer {
            code: bytes[0],
            attributes,
            bytes,
        }
    }

    pub(crate) async fn exchange(&self, request: &[u8]) -> Answer {
        self.send(request).await;
        self.receive(request).await
    }

    /// Asks with a password and waits for the answer.
    pub(crate) async fn ask(&mut self, user: &str, password: &str) -> Answer {
        let request = self.pap(user, password, None);
        self.exchange(&request).await
    }

    /// Answers a challenge.
    pub(crate) async fn answer(&mut self, user: &str, password: &str, state: &[u8]) -> Answer {
        let request = self.pap(user, password, Some(state));
        self.exchange(&request).await
    }

    pub(crate) fn pap(&mut self, user: &str, password: &str, state: Option<&[u8]>) -> Vec<u8> {
        let mut attributes = vec![
            (USER_NAME, user.as_bytes()),
            (USER_PASSWORD, password.as_bytes()),
        ];
        attributes.extend(state.map(|state| (STATE, state)));
        self.request(&attributes)
    }

    /// Sends a packet that must get no answer: the one to the question behind it comes first.
    pub(crate) async fn is_silent(&mut self, datagram: &[u8]) {
        self.send(datagram).await;
        self.is_there().await;
    }

    /// Status-Server, which is answered.
    pub(crate) async fn is_there(&mut self) {
        let status = self.unsigned(12, &[(MESSAGE_AUTHENTICATOR, &[0; 16])]);
        let status = self.signed(status);
        assert!(self.exchange(&status).await.is_accept());
    }
}

/// A password with a passcode behind it.
pub(crate) fn with_passcode(password: &str, passcode: &SecretText) -> String {
    format!("{password}{}", passcode.expose())
}
