//! Personal links: the page that they lead to, what uses them up, and what does not.

use std::fs;

use countersign_core::{
    activation_string::{ActivationString, AllowHttp},
    otp::OtpMode,
    pskc::{PinPolicy, TokenPin},
    secret::SecretText,
    token::{PushPolicy, VerificationLevel},
};
use countersign_gateway::service::{EnrollmentLink, EnrollmentLinkError, TokenRules};
use http::{Method, StatusCode, header};

use crate::{
    device::Device,
    stage::{Stage, USER, event, time},
    web::{Client, Reply},
};

const PUSH: PushPolicy = PushPolicy::Allowed(VerificationLevel::Pin);

/// A token with a link: its path at the gateway.
async fn linked(stage: &Stage, mode: OtpMode, pin: PinPolicy) -> EnrollmentLink {
    let rules = TokenRules::new(mode, pin, PUSH);
    let issued = stage.operator().issue_token(USER, rules).await.unwrap();
    link(stage, &issued.serial).await
}

async fn link(stage: &Stage, serial: &str) -> EnrollmentLink {
    stage
        .operator()
        .make_enrollment_link(USER, Some(serial))
        .await
        .unwrap()
}

fn path(link: &EnrollmentLink) -> String {
    let origin = "https://127.0.0.1:8443";
    let path = link.url.expose().strip_prefix(origin).unwrap();
    assert!(path.starts_with("/enroll/link/"));
    path.to_owned()
}

/// The activation string on the page, as a person copies it.
fn activation(page: &Reply) -> SecretText {
    let (_, rest) = page.body.split_once("<textarea").unwrap();
    let (_, rest) = rest.split_once('>').unwrap();
    SecretText::from(rest.split_once('<').unwrap().0)
}

#[tokio::test]
async fn looking_at_the_page_uses_nothing_up_and_the_enrollment_does() {
    let stage = Stage::new().await;
    let link = linked(&stage, time(), PinPolicy::None).await;
    let mut client = Client::new(&stage).await;
    // A mail scanner, a preview, the user twice.
    for method in [Method::HEAD, Method::GET, Method::GET] {
        let reply = client.send(method, &path(&link), None, String::new()).await;
        assert_eq!(reply.status, StatusCode::OK);
    }
    let page = client.get(&path(&link)).await;
    assert!(page.body.contains("Add your token to this computer"));
    assert!(page.body.contains("127.0.0.1:8443"));
    let standing = format!("{}/standing", path(&link));
    assert_eq!(client.get(&standing).await.body, "open");

    let text = activation(&page);
    let parsed = ActivationString::parse(text.expose().as_bytes(), AllowHttp::Never).unwrap();
    assert_eq!(parsed.user, USER);
    // The button opens the same.
    assert!(page.body.contains(parsed.to_link().expose()));
    let device = Device::enroll(&stage, &text).await.unwrap();
    // A run that has not come to its end can be repeated: the page is still there.
    assert_eq!(client.get(&standing).await.body, "open");
    device.register(&stage).await.unwrap();

    assert_eq!(client.get(&standing).await.body, "enrolled");
    let page = client.get(&path(&link)).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("<h1>Enrolled</h1>") && page.body.contains(&link.serial));
    for secret in [text.expose(), parsed.to_link().expose()] {
        assert!(!page.body.contains(secret));
    }
    let refused = stage
        .operator()
        .make_enrollment_link(USER, Some(&link.serial))
        .await;
    assert!(matches!(refused, Err(EnrollmentLinkError::State(_))));
}

#[tokio::test]
async fn a_link_that_is_over_says_so_and_a_new_one_can_be_asked_for_once_a_day() {
    let stage = Stage::new().await;
    let first = linked(&stage, time(), PinPolicy::None).await;
    let mut client = Client::new(&stage).await;
    let ask = format!("{}/ask", path(&first));
    // While it works there is nothing to ask for.
    let page = client.post(&ask, &[]).await;
    assert!(page.body.contains("Your link still works"));

    let text = activation(&client.get(&path(&first)).await);
    stage.clock.advance_ms(72 * 3_600_000);
    let page = client.get(&path(&first)).await;
    assert_eq!(page.status, StatusCode::GONE);
    assert!(page.body.contains("This link is over"));
    assert!(!page.body.contains("textarea"));
    assert!(Device::enroll(&stage, &text).await.is_err());

    let page = client.post(&ask, &[]).await;
    assert!(
        page.body.contains("Your wish was passed on"),
        "{}",
        page.body
    );
    let page = client.post(&ask, &[]).await;
    assert!(page.body.contains("You have asked already"));
    assert_eq!(stage.audited("enrollment_link_asked").await, 1);
    let waiting = stage.service.enrollments().await.unwrap();
    assert_eq!(waiting[0].serial, first.serial);
    assert_eq!(waiting[0].asked_ms, Some(stage.service.now().0));
    assert_eq!(waiting[0].link_until_ms, None);

    let second = link(&stage, &first.serial).await;
    assert_ne!(path(&first), path(&second));
    let page = client.get(&path(&first)).await;
    assert!(page.body.contains("There is a newer link"));
    let waiting = stage.service.enrollments().await.unwrap();
    assert_eq!(waiting[0].asked_ms, None);
    assert_eq!(waiting[0].link_until_ms, Some(second.expires.0));
    let text = activation(&client.get(&path(&second)).await);
    Device::enroll(&stage, &text).await.unwrap();

    stage.clock.advance_ms(86_400_000);
    client.post(&ask, &[]).await;
    assert_eq!(stage.audited("enrollment_link_asked").await, 2);
    stage.operator().revoke_token(&first.serial).await.unwrap();
    let page = client.get(&path(&second)).await;
    assert!(page.body.contains("This token was ended"));
}

#[tokio::test]
async fn a_newer_link_ends_the_activation_string_of_the_one_before() {
    let stage = Stage::new().await;
    let first = linked(&stage, event(), PinPolicy::None).await;
    let mut client = Client::new(&stage).await;
    let old = activation(&client.get(&path(&first)).await);
    let second = stage
        .operator()
        .make_enrollment_link(USER, None)
        .await
        .unwrap();
    assert_eq!(second.serial, first.serial);
    assert!(Device::enroll(&stage, &old).await.is_err());
    let new = activation(&client.get(&path(&second)).await);
    Device::enroll(&stage, &new).await.unwrap();

    // Which one, where there are several?
    linked(&stage, time(), PinPolicy::None).await;
    let refused = stage.operator().make_enrollment_link(USER, None).await;
    assert!(matches!(refused, Err(EnrollmentLinkError::Several(_))));
    let refused = stage.operator().make_enrollment_link("eve", None).await;
    assert!(matches!(refused, Err(EnrollmentLinkError::UnknownUser)));
    // A serial of somebody else's.
    stage
        .operator()
        .add_user("bob", "battery".into())
        .await
        .unwrap();
    let refused = stage
        .operator()
        .make_enrollment_link("bob", Some(&first.serial))
        .await;
    assert!(matches!(refused, Err(EnrollmentLinkError::UnknownToken)));
}

#[tokio::test]
async fn the_page_keeps_its_link_to_itself() {
    let stage = Stage::new().await;
    let link = linked(&stage, time(), PinPolicy::None).await;
    let mut client = Client::new(&stage).await;
    let page = client.get(&path(&link)).await;
    let header = |name| page.headers[&name].to_str().unwrap();
    assert_eq!(header(header::REFERRER_POLICY), "no-referrer");
    assert_eq!(header(header::CACHE_CONTROL), "no-store");
    let policy = header(header::CONTENT_SECURITY_POLICY);
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    // No inline script or style that the policy would refuse.
    for forbidden in ["<script>", "style=\"", "onclick"] {
        assert!(!page.body.contains(forbidden), "{forbidden}");
    }
    // Neither the link nor the string stands in the files or the audit log.
    let text = activation(&page);
    let path = path(&link);
    let secret = path.rsplit('/').next().unwrap();
    for entry in fs::read_dir(stage.folder.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap_or_default();
        for needle in [secret, text.expose()] {
            let needle = needle.as_bytes();
            assert!(!bytes.windows(needle.len()).any(|window| window == needle));
        }
    }
}

#[tokio::test]
async fn an_unknown_link_and_a_form_from_elsewhere_come_to_nothing() {
    let stage = Stage::new().await;
    let link = linked(&stage, time(), PinPolicy::None).await;
    let mut client = Client::new(&stage).await;
    let unknown = "A".repeat(43);
    for link in [unknown.as_str(), "x", "%00", &"A".repeat(4000)] {
        let page = client.get(&format!("/enroll/link/{link}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{link}");
        let page = client.post(&format!("/enroll/link/{link}/ask"), &[]).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{link}");
    }
    stage.clock.advance_ms(72 * 3_600_000);
    let mut elsewhere = client.other().with("sec-fetch-site", "cross-site");
    let page = elsewhere.post(&format!("{}/ask", path(&link)), &[]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(stage.audited("enrollment_link_asked").await, 0);
    // A token that was deleted takes its links along.
    stage.operator().delete_token(&link.serial).await.unwrap();
    let page = client.get(&path(&link)).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_page_says_which_pin_will_be_asked_for() {
    let stage = Stage::new().await;
    let mut client = Client::new(&stage).await;
    let limits = TokenPin {
        min_length: 4,
        max_length: 8,
        ..TokenPin::default()
    };
    let link = linked(&stage, time(), PinPolicy::Token(limits)).await;
    let page = client.get(&path(&link)).await;
    assert!(page.body.contains("6 to 8 letters and digits"));
    let link = linked(&stage, time(), PinPolicy::None).await;
    let page = client.get(&path(&link)).await;
    assert!(!page.body.contains("You choose a PIN"));
}
