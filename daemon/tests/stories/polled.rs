//! What of a privacyIDEA server's lists is believed, and what becomes of answers to it.

use core::time::Duration;
use std::sync::Arc;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use countersign_core::{
    ids::{LoginRequestId, ServiceId},
    login_request::{Closing, Verdict},
    privacyidea::{self, ServerUrl, Transport},
    secret::SecretBytes,
};
use countersignd::agent::{
    caller::Caller,
    enrollment::Accepted,
    login_request::{AnswerError, AnswerWish, RequestSelector, Standing},
    ports::{HttpReply, Input, LoginRequestNotice, PollInput, Posted, PushAnswer, Trust},
    setup::SetupWish,
};
use data_encoding::{BASE32, BASE64};
use serde_json::{Value, json};

use crate::{outside::Done, stage::Stage};

const URL: &str = "https://pi.example/ttype/push";
const LINK: &str = "otpauth://pipush/alice?url=https%3A//pi.example/ttype/push&ttl=10&issuer=Example\
    &enrollment_credential=2bcc37f315b1139a35a788ee37de05f2c642cd0b&v=1&serial=PIPU1&sslverify=1";

/// A server whose key the test holds, and an agent that is enrolled there.
struct Server {
    stage: Stage,
    key: KeyPair,
    service: ServiceId,
}

impl Server {
    async fn enrolled() -> Self {
        let mut stage = Stage::bare().await;
        stage
            .agent
            .setup(SetupWish::default(), &Caller::default())
            .await
            .unwrap();
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let detail = json!({"public_key": BASE64.encode(key.public_key().as_ref())});
        stage.outside.world.lock().unwrap().posted = Some(Posted {
            reply: reply(&json!(true), &detail),
            key: None,
        });
        let accepted = Accepted {
            host: "pi.example:443".to_owned(),
            transport: Transport::Verified,
        };
        let link = SecretBytes::from(LINK.as_bytes());
        stage
            .agent
            .enroll(&link, "work", accepted, &Caller::default())
            .await
            .unwrap();
        let profile = stage
            .until(|done| match done {
                Done::PollsOpened(profile) => Some(profile),
                _ => None,
            })
            .await;
        assert_eq!(profile.trust, Trust::Authorities);
        let service = privacyidea::service_id(&ServerUrl::parse(URL).unwrap(), "PIPU1");
        assert_eq!(profile.service, service);
        Self {
            stage,
            key,
            service,
        }
    }

    fn sign(&self, text: &str) -> String {
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        self.key
            .sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
            .unwrap();
        BASE32.encode(&signature)
    }

    fn challenge(&self, nonce: &str, title: &str, question: &str) -> Value {
        let signed = format!("{nonce}|{URL}|PIPU1|{question}|{title}|1");
        json!({
            "nonce": nonce, "url": URL, "serial": "PIPU1", "question": question, "title": title,
            "sslverify": "1", "signature": self.sign(&signed),
        })
    }

    async fn lists(&self, challenges: Value) {
        self.tell(PollInput::Polled {
            reply: reply(&challenges, &Value::Null),
            next_in: Duration::from_secs(2),
        })
        .await;
    }

    async fn takes(&self, answer: &PushAnswer, value: bool) {
        self.tell(PollInput::Answered {
            request: answer.request,
            verdict: answer.verdict,
            reply: reply(&json!(value), &Value::Null),
        })
        .await;
    }

    async fn tell(&self, input: PollInput) {
        let service = self.service;
        let input = Input::Poll { service, input };
        self.stage.inputs.send(input).await.unwrap();
    }

    async fn shown(&mut self) -> LoginRequestNotice {
        self.stage
            .until(|done| match done {
                Done::Asked(notice) => Some(notice),
                _ => None,
            })
            .await
    }

    async fn answer(&mut self) -> PushAnswer {
        self.stage
            .until(|done| match done {
                Done::Answered(answer) => Some(answer),
                _ => None,
            })
            .await
    }

    fn id(&self, nonce: &str) -> LoginRequestId {
        privacyidea::request_id(self.service, nonce)
    }
}

fn reply(value: &Value, detail: &Value) -> HttpReply {
    let body = json!({"result": {"status": true, "value": value}, "detail": detail});
    HttpReply {
        status: 200,
        body: body.to_string().into_bytes(),
        date: None,
    }
}

#[tokio::test]
async fn only_what_the_server_signed_is_shown() {
    let mut server = Server::enrolled().await;
    let good = server.challenge("GOOD", "VPN", "Log in?");
    let forged = |field: &str, value: Value| {
        let mut forged = good.clone();
        forged["nonce"] = json!(format!("BAD{}", field.to_uppercase().replace('_', "")));
        forged[field] = value;
        forged
    };
    server
        .lists(json!([
            forged("title", json!("Bank")),
            forged("question", json!("<b>Pay</b> \u{202e}!")),
            forged("serial", json!("PIPU2")),
            forged("url", json!("https://evil.example/ttype/push")),
            forged("signature", json!("A".repeat(824))),
            forged("require_presence", json!("1,2")),
            forged("capabilities", json!({"decline_reason": true})),
            forged("question", json!("x".repeat(2_000))),
            "no challenge",
            good,
        ]))
        .await;
    let notice = server.shown().await;
    assert_eq!(notice.id, server.id("GOOD"));
    let pending = server.stage.agent.pending_login_requests();
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].resource, "VPN");

    // A list beyond all bounds is not read at all, and the status says that something is wrong.
    let long = server.challenge("LONG", "VPN", &"x".repeat(1_000_000));
    server.lists(json!([long])).await;
    server
        .lists(json!([server.challenge("NEXT", "VPN", "Log in?")]))
        .await;
    assert_eq!(server.shown().await.id, server.id("NEXT"));
}

#[tokio::test]
async fn the_servers_own_texts_cannot_play_tricks() {
    let mut server = Server::enrolled().await;
    let (title, question) = ("<b>VPN</b>\u{202e}", "one\ntwo \u{200b}| three");
    server
        .lists(json!([server.challenge("N1", title, question)]))
        .await;
    server.shown().await;
    let view = &server.stage.agent.pending_login_requests()[0];
    assert_eq!(view.resource, "<b>VPN</b>\u{FFFD}");
    assert_eq!(view.question, "one two \u{FFFD}| three");
}

#[tokio::test]
async fn an_answer_is_sent_as_it_is_until_the_server_has_spoken() {
    let mut server = Server::enrolled().await;
    let list = json!([server.challenge("N1", "VPN", "Log in?")]);
    server.lists(list.clone()).await;
    server.shown().await;
    let approving = server.stage.approving(Caller::default());
    let first = server.answer().await;
    assert_eq!(first.verdict, Verdict::Approve);
    assert!(
        first
            .form
            .expose()
            .starts_with("serial=PIPU1&nonce=N1&signature=")
    );
    server
        .tell(PollInput::Away {
            why: "the connection broke".to_owned(),
            retry_in: Duration::from_secs(1),
        })
        .await;
    server.lists(list.clone()).await;
    let again = server.answer().await;
    assert_eq!(again, first);
    // The first one had been taken, and only its reply was lost; then both replies come.
    server.takes(&first, true).await;
    server.takes(&again, false).await;
    let view = approving.await.unwrap().unwrap();
    assert_eq!(view.standing, Standing::Ended(Closing::Approved));
    server.lists(json!([])).await;
    let after = server.stage.agent.login_request_history().await.unwrap();
    assert_eq!(after[0].standing, Standing::Ended(Closing::Approved));
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_asked_again_or_over() {
    let mut server = Server::enrolled().await;
    let list = json!([server.challenge("N1", "VPN", "Log in?")]);
    server.lists(list.clone()).await;
    server.shown().await;
    let approving = server.stage.approving(Caller::default());
    let answer = server.answer().await;
    server.takes(&answer, false).await;
    server.lists(list).await;
    let refused = approving.await.unwrap().unwrap_err();
    assert!(matches!(refused, AnswerError::NotTaken), "{refused}");
    server.shown().await;

    let approving = server.stage.approving(Caller::default());
    let answer = server.answer().await;
    server.takes(&answer, false).await;
    server.lists(json!([])).await;
    assert!(approving.await.unwrap().is_err());
    let history = server.stage.agent.login_request_history().await.unwrap();
    assert_eq!(history[0].standing, Standing::Ended(Closing::Expired));
}

#[tokio::test]
async fn what_the_server_lists_no_more_cannot_be_answered() {
    let mut server = Server::enrolled().await;
    let list = json!([server.challenge("N1", "VPN", "Log in?")]);
    server.lists(list).await;
    server.shown().await;
    server.lists(json!([])).await;
    server
        .stage
        .until(|done| matches!(done, Done::Told(_)).then_some(()))
        .await;
    assert!(server.stage.agent.pending_login_requests().is_empty());
    let id = RequestSelector::Id(server.id("N1").to_string());
    let late = server
        .stage
        .agent
        .answer(id, AnswerWish::Approve { number: None }, &Caller::default())
        .await;
    assert!(late.is_err());
}

#[tokio::test]
async fn a_locked_agent_can_decline() {
    let mut server = Server::enrolled().await;
    server
        .lists(json!([server.challenge("N1", "VPN", "Log in?")]))
        .await;
    server.shown().await;
    server.stage.agent.lock().await;
    let agent = Arc::clone(&server.stage.agent);
    let denying = tokio::spawn(async move {
        let only = RequestSelector::Only;
        agent
            .answer(only, AnswerWish::Deny, &Caller::default())
            .await
    });
    let answer = server.answer().await;
    assert_eq!(answer.verdict, Verdict::Deny);
    assert!(answer.form.expose().contains("decline=1"));
    // A reason goes only to a server that has said that it takes one.
    assert!(!answer.form.expose().contains("decline_reason"));
    server.takes(&answer, true).await;
    denying.await.unwrap().unwrap();
}
