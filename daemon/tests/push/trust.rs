//! Whom TLS believes.

use countersignd::{
    agent::ports::{EnrollmentTransport as _, TransportError},
    push::enrollment::HttpsEnrollment,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    gateway_double::{acceptor, listen},
    identity::{Identity, Shown, self_signed},
    patiently,
};

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Believed,
    Untrusted,
}

/// Does an agent with these pins talk to a server that shows this?
async fn verdict(shown: Shown, pins: &[[u8; 32]]) -> Verdict {
    let (listener, url) = listen().await;
    let acceptor = acceptor(shown, b"http/1.1");
    let server = tokio::spawn(async move {
        let (tcp, _peer) = listener.accept().await.unwrap();
        let Ok(mut stream) = acceptor.accept(tcp).await else {
            return;
        };
        let mut request = [0; 4096];
        drop(stream.read(&mut request).await);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/dskpp+xml\r\nContent-Length: 0\r\n\r\n").await);
        drop(stream.shutdown().await);
    });
    let posted = patiently(HttpsEnrollment.post(&url, pins, Vec::new())).await;
    patiently(server).await.unwrap();
    match posted {
        Ok(_) => Verdict::Believed,
        Err(TransportError::Untrusted { host }) => {
            assert!(url.ends_with(&host), "{host}");
            Verdict::Untrusted
        }
        Err(other) => panic!("neither believed nor untrusted: {other}"),
    }
}

#[tokio::test]
async fn the_pinned_identity_vouches_for_its_leaves() {
    let identity = Identity::new();
    let spare = Identity::new();
    let pins = [spare.pin(), identity.pin()];
    let ours = verdict(identity.leaf("127.0.0.1"), &pins).await;
    assert_eq!(ours, Verdict::Believed);
    let successor = verdict(spare.leaf("127.0.0.1"), &pins).await;
    assert_eq!(successor, Verdict::Believed);
    let foreign = verdict(Identity::new().leaf("127.0.0.1"), &pins).await;
    assert_eq!(foreign, Verdict::Untrusted);
}

#[tokio::test]
async fn the_pinned_key_may_be_the_leafs_own() {
    let (shown, pin) = self_signed("127.0.0.1");
    assert_eq!(verdict(shown, &[pin]).await, Verdict::Believed);
    let (shown, _) = self_signed("127.0.0.1");
    assert_eq!(verdict(shown, &[pin]).await, Verdict::Untrusted);
}

#[tokio::test]
async fn a_leaf_for_another_name_is_not_believed() {
    let identity = Identity::new();
    let shown = identity.leaf("other.example");
    assert_eq!(verdict(shown, &[identity.pin()]).await, Verdict::Untrusted);
}

/// The identity's certificate is public: anybody can show it after a leaf of their own.
#[tokio::test]
async fn a_borrowed_identity_certificate_vouches_for_nothing() {
    let identity = Identity::new();
    let mut shown = Identity::new().leaf("127.0.0.1");
    shown.chain.push(identity.certificate());
    assert_eq!(verdict(shown, &[identity.pin()]).await, Verdict::Untrusted);
    let (mut shown, _) = self_signed("127.0.0.1");
    shown.chain.push(identity.certificate());
    assert_eq!(verdict(shown, &[identity.pin()]).await, Verdict::Untrusted);
}

#[tokio::test]
async fn without_pins_the_systems_authorities_decide() {
    let shown = Identity::new().leaf("127.0.0.1");
    assert_eq!(verdict(shown, &[]).await, Verdict::Untrusted);
}
