//! privacyIDEA's adapter against servers that the test plays: whom it believes, what it reads, when it asks.

use core::time::Duration;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign_core::{
    ids::{LoginRequestId, ServiceId},
    login_request::Verdict,
    secret::SecretText,
    time::UnixMillis,
};
use countersignd::{
    agent::ports::{
        Delivery, HttpReply, Input, Pace, PollInput, PollProfile, PollSigner, PollWish, Polls as _,
        Posted, PushAnswer, TransportError, Trust,
    },
    push::privacyidea::PrivacyIdeaPolls,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
};

use crate::{
    gateway_double::{acceptor, listen},
    identity::{Identity, Shown, self_signed},
    patiently,
};

const SERVICE: ServiceId = ServiceId([1; 16]);
const ANSWER: &str =
    "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\n{}";

/// Says what is to be done, in order; then that nothing is.
struct Script(Mutex<Vec<PollWish>>);

#[async_trait]
impl PollSigner for Script {
    async fn next_poll(&self, _service: ServiceId) -> PollWish {
        let next = self.0.lock().unwrap().pop();
        next.unwrap_or_else(|| PollWish::NotNow {
            why: "it is over".to_owned(),
        })
    }
}

fn polls(wishes: Vec<PollWish>) -> (PrivacyIdeaPolls, mpsc::Receiver<Input>) {
    let (inputs, queue) = mpsc::channel(16);
    let signer = Arc::new(Script(Mutex::new(wishes)));
    (PrivacyIdeaPolls::new(inputs, signer), queue)
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, answer: &str) -> String {
    let mut request = vec![0; 4096];
    let length = stream.read(&mut request).await.unwrap_or_default();
    drop(stream.write_all(answer.as_bytes()).await);
    drop(stream.shutdown().await);
    request.truncate(length);
    String::from_utf8(request).unwrap()
}

/// What becomes of a form for a TLS server that shows this.
async fn posted(shown: Shown, trust: &Trust) -> Result<Posted, TransportError> {
    let (listener, url) = listen().await;
    let acceptor = acceptor(shown, b"http/1.1");
    let server = tokio::spawn(async move {
        let (tcp, _peer) = listener.accept().await.unwrap();
        if let Ok(stream) = acceptor.accept(tcp).await {
            answer(stream, ANSWER).await;
        }
    });
    let (polls, _queue) = polls(Vec::new());
    let posted = patiently(polls.post(&url, trust, SecretText::from("a=b"))).await;
    server.abort();
    posted
}

#[tokio::test]
async fn a_server_without_authority_is_known_by_its_first_key() {
    let (shown, pin) = self_signed("other.example");
    let first = posted(shown, &Trust::FirstUse).await.unwrap();
    assert_eq!(first.key, Some(pin));
    assert_eq!(first.reply.date, Some(UnixMillis(784_111_777_000)));

    // Another key is not believed, whatever its certificate says; nor is any where authorities decide.
    let (shown, _) = self_signed("127.0.0.1");
    let other = posted(shown, &Trust::Key(pin)).await;
    assert!(
        matches!(other, Err(TransportError::Untrusted { .. })),
        "{other:?}"
    );
    let leaf = Identity::new().leaf("127.0.0.1");
    let unknown = posted(leaf, &Trust::Authorities).await;
    assert!(
        matches!(unknown, Err(TransportError::Untrusted { .. })),
        "{unknown:?}"
    );
    let (shown, pin) = self_signed("127.0.0.1");
    assert!(posted(shown, &Trust::Key(pin)).await.is_ok());
}

#[tokio::test]
async fn what_was_accepted_for_one_scheme_is_not_accepted_for_the_other() {
    let (polls, _queue) = polls(Vec::new());
    for (url, trust) in [
        ("https://127.0.0.1:9/", Trust::Nothing),
        ("http://127.0.0.1:9/", Trust::Authorities),
        ("http://127.0.0.1:9/", Trust::FirstUse),
        ("http://127.0.0.1:9/", Trust::Key([1; 32])),
    ] {
        let posted = patiently(polls.post(url, &trust, SecretText::from("a=b"))).await;
        assert!(
            matches!(posted, Err(TransportError::Untrusted { .. })),
            "{url} {posted:?}"
        );
    }
}

/// What becomes of a form for a server without TLS that says this.
async fn said(words: String) -> Result<HttpReply, TransportError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/ttype/push", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (tcp, _peer) = listener.accept().await.unwrap();
        answer(tcp, &words).await
    });
    let (polls, _queue) = polls(Vec::new());
    let posted = patiently(polls.post(&url, &Trust::Nothing, SecretText::from("a=b"))).await;
    server.abort();
    posted.map(|posted| posted.reply)
}

#[tokio::test]
async fn a_server_cannot_say_too_much_send_us_elsewhere_or_break_off_unseen() {
    let long = "x".repeat(300 * 1024);
    let too_long = said(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{long}",
        long.len()
    ))
    .await;
    assert!(
        matches!(too_long, Err(TransportError::Protocol { .. })),
        "{too_long:?}"
    );
    let cut = said("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort".to_owned()).await;
    assert!(
        matches!(cut, Err(TransportError::Protocol { .. })),
        "{cut:?}"
    );
    for garbage in ["", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200"] {
        let failed = said(garbage.to_owned()).await;
        assert!(
            matches!(failed, Err(TransportError::Unreachable { .. })),
            "{failed:?}"
        );
    }
    let elsewhere =
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(said(elsewhere.to_owned()).await.unwrap().status, 302);
}

async fn told(queue: &mut mpsc::Receiver<Input>) -> PollInput {
    let Input::Poll { input, .. } = patiently(queue.recv()).await.unwrap() else {
        panic!("not of a poll")
    };
    input
}

#[tokio::test]
async fn a_poll_is_asked_an_answer_posted_and_a_broken_connection_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/ttype/push", listener.local_addr().unwrap());
    let ask = PollWish::Ask {
        address: format!("{url}?serial=A"),
        pace: Pace::Calm,
    };
    let (polls, mut queue) = polls(vec![ask]);
    let profile = PollProfile {
        service: SERVICE,
        trust: Trust::Nothing,
    };
    polls.open(profile).await;
    let (tcp, _peer) = patiently(listener.accept()).await.unwrap();
    let asked = answer(tcp, ANSWER).await;
    assert!(
        asked.starts_with("GET /ttype/push?serial=A HTTP/1.1"),
        "{asked}"
    );
    let PollInput::Polled { reply, next_in } = told(&mut queue).await else {
        panic!("a poll is due")
    };
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"{}"[..]));
    assert!((10..=30).contains(&next_in.as_secs()), "{next_in:?}");

    // An answer does not wait for the next poll.
    let push = PushAnswer {
        request: LoginRequestId([7; 16]),
        verdict: Verdict::Deny,
        url: url.clone(),
        form: SecretText::from("decline=1"),
    };
    assert_eq!(polls.send(SERVICE, push.clone()).await, Delivery::Handed);
    let (tcp, _peer) = patiently(listener.accept()).await.unwrap();
    let posted = answer(tcp, ANSWER).await;
    assert!(posted.starts_with("POST /ttype/push HTTP/1.1"), "{posted}");
    let answered = told(&mut queue).await;
    assert!(
        matches!(answered, PollInput::Answered { request, verdict: Verdict::Deny, .. } if request == push.request),
        "{answered:?}"
    );

    drop(listener);
    assert_eq!(polls.send(SERVICE, push).await, Delivery::Handed);
    let away = told(&mut queue).await;
    assert!(
        matches!(&away, PollInput::Away { retry_in, .. } if *retry_in < Duration::from_secs(1)),
        "{away:?}"
    );
    polls.close(SERVICE).await;
    let gone = PushAnswer {
        request: LoginRequestId([8; 16]),
        verdict: Verdict::Deny,
        url,
        form: SecretText::default(),
    };
    assert_eq!(polls.send(SERVICE, gone).await, Delivery::NotConnected);
}
