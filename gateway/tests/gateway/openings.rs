//! Which logins are opened, and which not.

use countersign_core::token::{PushPolicy, VerificationLevel};
use countersign_gateway::{
    push::Availability,
    service::{FrontCredential, OpenLoginError, Way},
};
use countersign_proto::push::v1 as push;

use crate::stage::{Stage, challenge, time};

#[tokio::test]
async fn only_a_user_with_a_connected_agent_is_asked() {
    let stage = Stage::new().await;
    let mut stranger = stage.attempt();
    stranger.user = "eve".to_owned();
    let refused = stage.service.open_login(stranger).await;
    assert!(matches!(refused, Err(OpenLoginError::UnknownUser)));
    assert!(matches!(stage.open().await, Err(OpenLoginError::NoPush)));

    let _typed_only = stage.device_with(time(), PushPolicy::Off).await;
    assert!(matches!(stage.open().await, Err(OpenLoginError::NoPush)));

    let device = stage.device(time()).await;
    assert!(matches!(
        stage.open().await,
        Err(OpenLoginError::NotConnected)
    ));
    let channel = device.connect(&stage).await;
    assert!(stage.open().await.is_ok());
    drop(channel);
}

#[tokio::test]
async fn what_the_agent_says_about_itself_counts() {
    let off = |hello: &mut push::HelloBody| hello.availability = push::Availability::Off.into();
    let locked =
        |hello: &mut push::HelloBody| hello.availability = push::Availability::SessionLocked.into();

    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let (_channel, _welcome) = device.connect_as(&stage, off).await.unwrap();
    assert!(matches!(
        stage.open().await,
        Err(OpenLoginError::AutosendOff)
    ));
    let (_channel, _welcome) = device.connect_as(&stage, locked).await.unwrap();
    let held = stage.open().await.unwrap();
    let way = Way::Push {
        number: None,
        availability: Availability::SessionLocked,
    };
    assert_eq!(held.ways, [way]);

    let stage = Stage::with(|config| config.push.hold_while_session_locked = false).await;
    let device = stage.device(time()).await;
    let (_channel, _welcome) = device.connect_as(&stage, locked).await.unwrap();
    assert!(matches!(
        stage.open().await,
        Err(OpenLoginError::SessionLocked)
    ));
}

#[tokio::test]
async fn one_login_is_open_for_a_user_at_a_resource() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let _channel = device.connect(&stage).await;
    let mut tries = Vec::new();
    for _ in 0..20 {
        let (service, attempt) = (stage.service.clone(), stage.attempt());
        tries.push(tokio::spawn(
            async move { service.open_login(attempt).await },
        ));
    }
    let (mut opened, mut told) = (Vec::new(), Vec::new());
    for result in tries {
        match result.await.unwrap() {
            Ok(login) => opened.push(login.transaction_id),
            Err(OpenLoginError::AlreadyOpen { transaction_id }) => told.push(transaction_id),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(opened.len(), 1);
    assert!(told.iter().all(|id| *id == opened[0]));
    // The time of the first one is over, and nobody has written so yet.
    stage.clock.advance_ms(60_000);
    assert!(stage.open().await.is_ok());
}

#[tokio::test]
async fn the_same_attempt_opens_one_login() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let mut attempt = stage.attempt();
    attempt.idempotency_key = Some("attempt 1".to_owned());
    let first = stage.service.open_login(attempt.clone()).await.unwrap();
    channel.request().await;
    assert_eq!(stage.service.open_login(attempt).await.unwrap(), first);
    assert_eq!(stage.audited("login_opened").await, 1);
}

#[tokio::test]
async fn a_front_without_push_opens_nothing() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let _channel = device.connect(&stage).await;
    let key = stage.operator().add_front("vpn", false).await.unwrap();
    let front = FrontCredential::Name {
        name: "vpn".to_owned(),
        key: key.clone(),
    };
    let mut attempt = stage.attempt();
    attempt.front = stage.service.authenticate_front(front).await.unwrap().id;
    let refused = stage.service.open_login(attempt).await;
    assert!(matches!(refused, Err(OpenLoginError::NoPush)));

    let wrong_name = FrontCredential::Name {
        name: "portal".to_owned(),
        key: key.clone(),
    };
    assert!(stage.service.authenticate_front(wrong_name).await.is_err());
    stage.operator().remove_front("vpn").await.unwrap();
    assert!(
        stage
            .service
            .authenticate_front(FrontCredential::Key(key))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_challenge_is_offered_without_any_agent() {
    let stage = Stage::new().await;
    let device = stage
        .device_with(challenge(), PushPolicy::Allowed(VerificationLevel::Click))
        .await;
    let opened = stage.open().await.unwrap();
    let [Way::Challenge { serial, challenge }] = opened.ways.as_slice() else {
        panic!("{:?}", opened.ways);
    };
    assert_eq!(serial, device.serial());
    assert_eq!(challenge.len(), 8);
}

#[tokio::test]
async fn denied_and_ignored_logins_stop_push_from_their_address_first() {
    let stage = Stage::with(|config| {
        config.push.refusals_per_address = 3;
        config.push.refusals_per_user = 5;
    })
    .await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let from = |address: &str| {
        let mut attempt = stage.attempt();
        address.clone_into(&mut attempt.client_address);
        stage.service.open_login(attempt)
    };
    for address in [
        "192.0.2.1",
        "192.0.2.1",
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.3",
    ] {
        from(address).await.unwrap();
        let request = channel.request().await;
        channel.decide(device.deny(&stage, &request)).await;
        if address == "192.0.2.1" {
            continue;
        }
        assert!(matches!(
            from("192.0.2.1").await,
            Err(OpenLoginError::Throttled)
        ));
    }
    assert!(matches!(
        from("192.0.2.9").await,
        Err(OpenLoginError::Throttled)
    ));
    stage.clock.advance_ms(600_001);
    assert!(from("192.0.2.1").await.is_ok());
}
