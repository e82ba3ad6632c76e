//! The exchanges of an enrollment.

use countersign_proto::push::v1 as push;
use countersignd::{
    agent::ports::{EnrollmentTransport as _, TransportError},
    push::enrollment::HttpsEnrollment,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinHandle,
};
use tonic::Status;

use crate::{
    gateway_double::{GatewayDouble, Register, acceptor, listen},
    identity::Identity,
    patiently,
};

const BODY: &[u8] = b"<ClientHello/>";

/// Answers one request with `answer`, whatever it is; resolves to the request.
async fn answering(identity: &Identity, answer: Vec<u8>) -> (String, JoinHandle<String>) {
    let (listener, url) = listen().await;
    let acceptor = acceptor(identity.leaf("127.0.0.1"), b"http/1.1");
    let served = tokio::spawn(async move {
        let (tcp, _peer) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(tcp).await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(BODY) {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
        }
        // An agent that has seen enough hangs up.
        drop(stream.write_all(&answer).await);
        drop(stream.shutdown().await);
        String::from_utf8(request).unwrap()
    });
    (format!("{url}/enroll/dskpp?sc=Ab3dEf9hIj"), served)
}

fn http(status: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

async fn post(url: &str, pin: [u8; 32]) -> Result<Vec<u8>, TransportError> {
    patiently(HttpsEnrollment.post(url, &[pin], BODY.to_vec())).await
}

async fn outcome(answer: Vec<u8>) -> Result<Vec<u8>, TransportError> {
    let identity = Identity::new();
    let (url, _served) = answering(&identity, answer).await;
    post(&url, identity.pin()).await
}

#[tokio::test]
async fn a_dskpp_message_is_posted_and_answered() {
    let identity = Identity::new();
    let answer = http("200 OK", "application/dskpp+xml", b"<ServerHello/>");
    let (url, served) = answering(&identity, answer).await;
    assert_eq!(
        post(&url, identity.pin()).await,
        Ok(b"<ServerHello/>".to_vec())
    );
    let request = patiently(served).await.unwrap();
    assert!(
        request.starts_with("POST /enroll/dskpp?sc=Ab3dEf9hIj HTTP/1.1\r\n"),
        "{request}"
    );
    for header in [
        "host: 127.0.0.1:",
        "content-type: application/dskpp+xml\r\n",
        "cache-control: no-cache, no-store\r\n",
        "pragma: no-cache\r\n",
        "content-length: 14\r\n",
    ] {
        assert!(request.contains(header), "{header} is not in {request}");
    }
}

#[tokio::test]
async fn a_long_answer_is_refused_at_64_kib() {
    let whole = vec![b'x'; 64 * 1024];
    let answer = http("200 OK", "application/dskpp+xml", &whole);
    assert_eq!(outcome(answer).await, Ok(whole.clone()));
    let longer = [&whole[..], b"x"].concat();
    let answer = http("200 OK", "application/dskpp+xml", &longer);
    assert!(matches!(
        outcome(answer).await,
        Err(TransportError::Protocol { .. })
    ));
}

#[tokio::test]
async fn other_answers_are_not_enrollment() {
    let page = http("200 OK", "text/html", b"<html>");
    let why = outcome(page).await.unwrap_err().to_string();
    assert!(why.contains("this is not an enrollment address"), "{why}");
    let gone = http("404 Not Found", "text/html", b"");
    assert!(matches!(
        outcome(gone).await,
        Err(TransportError::Refused { .. })
    ));
    let elsewhere =
        b"HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n";
    assert!(matches!(
        outcome(elsewhere.to_vec()).await,
        Err(TransportError::Protocol { .. })
    ));
    assert!(matches!(
        outcome(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()).await,
        Err(TransportError::Protocol { .. })
    ));
    let cut =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/dskpp+xml\r\nContent-Length: 9\r\n\r\n<x";
    assert!(matches!(
        outcome(cut.to_vec()).await,
        Err(TransportError::Protocol { .. })
    ));
}

#[tokio::test]
async fn only_https_and_a_listener_are_dialled() {
    let (listener, url) = listen().await;
    drop(listener);
    let why = post(&url, [0; 32]).await.unwrap_err();
    assert!(matches!(why, TransportError::Unreachable { .. }), "{why}");
    assert!(why.to_string().contains("nobody listens there"), "{why}");
    for url in [
        "http://127.0.0.1:1/enroll",
        "not a url",
        "file:///etc/passwd",
    ] {
        let why = post(url, [0; 32]).await.unwrap_err();
        assert!(matches!(why, TransportError::Protocol { .. }), "{why}");
    }
}

#[tokio::test]
async fn a_registration_is_taken_or_refused_with_the_reason() {
    let register = async |answer: Result<push::RegisterReply, Status>| {
        let identity = Identity::new();
        let shown = identity.leaf("127.0.0.1");
        let gateway = GatewayDouble::showing(shown, Register(answer)).await;
        // Its path is the enrollment's; the call goes to the origin.
        let url = format!("{}/enroll/dskpp?sc=Ab3dEf9hIj", gateway.url());
        let pins = [identity.pin()];
        patiently(HttpsEnrollment.register(&url, &pins, push::RegisterRequest::default())).await
    };
    let reply = push::RegisterReply {
        service_name: "Example".to_owned(),
        push: true,
        ..push::RegisterReply::default()
    };
    assert_eq!(register(Ok(reply.clone())).await, Ok(reply));
    let refused = register(Err(Status::permission_denied("no such token"))).await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, TransportError::Refused { .. }),
        "{refused}"
    );
    assert!(refused.to_string().ends_with("refused: no such token"));
    let away = register(Err(Status::unavailable("try again"))).await;
    assert!(matches!(away, Err(TransportError::Unreachable { .. })));
}
