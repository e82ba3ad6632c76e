//! Named policies: what a token is issued by, and what its key package says of it.

use countersign_core::{
    pskc::{Exportable, NumberMatching, PinEncoding, PinPolicy, TokenPin},
    token::{PushPolicy, VerificationLevel},
};
use countersign_gateway::service::{NewTokenError, PolicyError, TokenRules};

use crate::{
    device::Device,
    stage::{Stage, USER, event, time},
};

fn strict() -> TokenRules {
    let pin = TokenPin {
        max_failed_attempts: 3,
        min_length: 6,
        max_length: 8,
        encoding: PinEncoding::Decimal,
        ..TokenPin::default()
    };
    TokenRules {
        number_matching: NumberMatching::Required,
        exportable: Exportable::Yes,
        ..TokenRules::new(
            time(),
            PinPolicy::Token(pin),
            PushPolicy::Allowed(VerificationLevel::Pin),
        )
    }
}

#[tokio::test]
async fn everything_that_a_policy_says_reaches_the_key_package() {
    let stage = Stage::new().await;
    let grace = stage.operator();
    grace.add_policy("Staff", "2", strict()).await.unwrap();
    let issued = grace.issue_token_by_policy(USER, "Staff").await.unwrap();
    // What becomes of the policy is no matter of a token that was issued by it.
    let other = TokenRules::new(event(), PinPolicy::None, PushPolicy::Off);
    grace.change_policy("Staff", "3", other).await.unwrap();
    grace.remove_policy("Staff").await.unwrap();

    let device = Device::enroll(&stage, &issued.activation.to_text()).await;
    let device = device.unwrap();
    let (package, rules) = (&device.package, strict());
    assert_eq!(package.policy_name, "Staff");
    assert_eq!(package.policy_level, "2");
    assert_eq!(package.mode, rules.mode);
    assert_eq!(package.pin, rules.pin);
    assert_eq!(package.push, rules.push);
    assert_eq!(package.number_matching, NumberMatching::Required);
    assert_eq!(package.exportable, Exportable::Yes);
    let shown = stage.service.token(&issued.serial).await.unwrap().unwrap();
    assert_eq!(
        (shown.policy_name.as_str(), shown.policy_level.as_str()),
        ("Staff", "2")
    );
    assert!(shown.number_matching && shown.exportable);
}

#[tokio::test]
async fn a_policy_that_wants_numbers_gets_them_though_the_settings_do_not_ask() {
    let stage = Stage::new().await;
    let grace = stage.operator();
    grace.add_policy("Staff", "", strict()).await.unwrap();
    let plain = stage.device(time()).await;
    let _open = plain.connect(&stage).await;
    let opened = stage.open().await.unwrap();
    let shown = format!("{opened:?}");
    assert!(shown.contains("number: None"), "{shown}");
    stage
        .service
        .cancel_login(stage.front, &opened.transaction_id)
        .await
        .unwrap();

    let issued = grace.issue_token_by_policy(USER, "Staff").await.unwrap();
    let device = Device::enroll(&stage, &issued.activation.to_text()).await;
    let device = device.unwrap();
    device.register(&stage).await.unwrap();
    let _also_open = device.connect(&stage).await;
    let opened = stage.open().await.unwrap();
    let shown = format!("{opened:?}");
    assert!(shown.contains("number: Some"), "{shown}");
}

#[tokio::test]
async fn a_policy_that_no_token_can_keep_is_refused() {
    let stage = Stage::new().await;
    let grace = stage.operator();
    let rules = || TokenRules::new(time(), PinPolicy::None, PushPolicy::Off);
    for name in ["", " a", "a\nb", "\u{202e}a", &"a".repeat(65)] {
        let refused = grace.add_policy(name, "", rules()).await;
        assert!(matches!(refused, Err(PolicyError::Name)), "{name}");
    }
    let refused = grace.add_policy("a", &"9".repeat(33), rules()).await;
    assert!(matches!(refused, Err(PolicyError::Level)));
    let greedy = TokenPin {
        max_failed_attempts: 21,
        ..TokenPin::default()
    };
    let greedy = TokenRules::new(time(), PinPolicy::Token(greedy), PushPolicy::Off);
    let refused = grace.add_policy("a", "", greedy).await;
    assert!(matches!(
        refused,
        Err(PolicyError::Rules(NewTokenError::PinTries))
    ));
    grace.add_policy("a", "", rules()).await.unwrap();
    let taken = grace.add_policy("a", "", rules()).await;
    assert!(matches!(taken, Err(PolicyError::Taken)));
    let unknown = grace.change_policy("b", "", rules()).await;
    assert!(matches!(unknown, Err(PolicyError::Unknown)));
    let unknown = grace.issue_token_by_policy(USER, "b").await;
    assert!(matches!(unknown, Err(NewTokenError::UnknownPolicy)));
}

#[tokio::test]
async fn whoever_administers_stands_in_the_audit_log() {
    let stage = Stage::new().await;
    let grace = stage.operator();
    let device = stage.device(time()).await;
    grace.add_policy("Staff", "1", strict()).await.unwrap();
    grace.suspend_token(device.serial()).await.unwrap();
    grace.resume_token(device.serial()).await.unwrap();
    grace.add_front("vpn", true).await.unwrap();
    grace.remove_front("vpn").await.unwrap();
    grace.revoke_device(device.id).await.unwrap();
    grace.delete_token(device.serial()).await.unwrap();
    grace.remove_policy("Staff").await.unwrap();
    let entries = stage.service.audit_after(0, 1000).await.unwrap();
    for event in [
        "user_added",
        "token_issued",
        "policy_added",
        "token_suspended",
        "token_resumed",
        "front_added",
        "front_removed",
        "token_revoked",
        "device_revoked",
        "token_deleted",
        "policy_removed",
    ] {
        let entry = entries
            .iter()
            .rfind(|entry| entry.event == event)
            .unwrap_or_else(|| panic!("no {event}"));
        assert!(entry.detail.starts_with("by grace"), "{entry:?}");
    }
}
