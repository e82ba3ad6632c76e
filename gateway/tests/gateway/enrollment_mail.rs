//! Enrollment mail: a link in a message, and the program that sends it.

use std::fs;

use countersign_core::pskc::PinPolicy;
use countersign_core::token::PushPolicy;
use countersign_gateway::service::{MailError, TakeOver, TokenRules, UserList};
use data_encoding::BASE64_MIME;
use http::StatusCode;

use crate::{
    stage::{Stage, USER, time},
    web::Client,
};

async fn with_token(stage: &Stage, mail: &str) {
    let grace = stage.operator();
    let list = format!("user,full_name,mail\nada,Ada Lovelace,{mail}\n");
    let list = UserList::from_csv(list.as_bytes()).unwrap();
    grace.import_users(list, TakeOver::No).await.unwrap();
    let rules = TokenRules::new(time(), PinPolicy::None, PushPolicy::Off);
    grace.issue_token(USER, rules).await.unwrap();
}

fn text(message: &str) -> String {
    let (_, body) = message.split_once("\r\n\r\n").unwrap();
    String::from_utf8(BASE64_MIME.decode(body.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_message_brings_its_user_a_link_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let sent = folder.path().join("sent");
    let command = format!("cat > {}; exec sleep 0", sent.display());
    let stage = Stage::with(|config| {
        config.mail.command = ["/bin/sh", "-c", command.as_str()]
            .map(str::to_owned)
            .to_vec();
    })
    .await;
    with_token(&stage, "ada@example.org").await;
    let mail = stage.operator().enrollment_mail(USER, None).await.unwrap();
    assert_eq!(mail.to, "ada@example.org");
    assert!(!format!("{mail:?}").contains("/enroll/link/"));
    stage.service.send_mail(&mail).await.unwrap();
    let message = fs::read_to_string(&sent).unwrap();
    assert!(message.starts_with("From: countersign@127.0.0.1\r\nTo: ada@example.org\r\n"));
    assert!(message.contains("\r\nSubject: Your token for Example\r\n"));
    let text = text(&message);
    assert!(text.starts_with("Hello Ada Lovelace,"));
    let (_, link) = text.split_once("https://127.0.0.1:8443").unwrap();
    let page = Client::new(&stage)
        .await
        .get(link.lines().next().unwrap())
        .await;
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test]
async fn without_an_address_a_template_or_a_program_nothing_is_sent() {
    let stage = Stage::new().await;
    with_token(&stage, "").await;
    let refused = stage.operator().enrollment_mail(USER, None).await;
    assert!(matches!(refused, Err(MailError::NoAddress)));
    assert_eq!(stage.audited("enrollment_link_made").await, 0);

    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.txt");
    let stage = Stage::with(|config| {
        config.mail.command = vec!["/bin/false".to_owned()];
        config.mail.template_file.clone_from(&template);
    })
    .await;
    with_token(&stage, "ada@example.org").await;
    for (content, why) in [("{name}", "no {link}"), ("{link} {passwd}", "has {passwd}")] {
        fs::write(&template, content).unwrap();
        let refused = stage.operator().enrollment_mail(USER, None).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    // A template that is wrong makes no link.
    assert_eq!(stage.audited("enrollment_link_made").await, 0);
    fs::write(&template, "{link}").unwrap();
    let mail = stage.operator().enrollment_mail(USER, None).await.unwrap();
    let failed = stage.service.send_mail(&mail).await.unwrap_err();
    assert!(
        failed
            .to_string()
            .contains("/bin/false ended with exit status: 1")
    );
}
