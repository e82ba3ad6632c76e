//! What an administrator does, also beside a gateway that is serving.

use std::{collections::HashMap, fs, os::unix::fs::PermissionsExt as _};

use countersign_core::{ids::DeviceId, secret::SecretText};
use countersign_gateway::{
    control::{self, Control},
    service::{
        LoginState, NewUserError, OpenError, PasscodeVerdict, PasswordVerdict, Service, Subject,
        TokenError,
    },
    settings::Config,
};
use countersign_proto::push::v1::{self as push, gateway_frame::Frame};

use crate::stage::{Stage, USER, event, time};

fn standings(welcome: &push::Welcome) -> HashMap<&str, push::TokenStanding> {
    welcome
        .tokens
        .iter()
        .map(|token| (token.serial.as_str(), token.standing()))
        .collect()
}

#[tokio::test]
async fn a_revoked_token_is_cut_off_at_once_and_its_agent_learns_it() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let opened = stage.open().await.unwrap();
    channel.request().await;
    stage
        .operator()
        .revoke_token(device.serial())
        .await
        .unwrap();
    assert_eq!(channel.cancel().await, push::CancelReason::ByAdministrator);
    assert!(matches!(
        channel.next().await.unwrap(),
        Frame::Drain(push::Drain { after_ms: 0 })
    ));
    assert!(channel.next().await.is_err());
    assert_eq!(
        stage.ended(&opened.transaction_id).await,
        LoginState::Cancelled
    );
    let (_channel, welcome) = device.connect_as(&stage, |_hello| {}).await.unwrap();
    assert_eq!(
        standings(&welcome)[device.serial()],
        push::TokenStanding::Revoked
    );
    let refused = stage.operator().resume_token(device.serial()).await;
    assert!(matches!(refused, Err(TokenError::State(_))));
}

#[tokio::test]
async fn a_revoked_device_loses_every_token_and_its_stream() {
    let stage = Stage::new().await;
    let (lost, kept) = (stage.device(time()).await, stage.device(time()).await);
    let (mut channel, _other) = (lost.connect(&stage).await, kept.connect(&stage).await);
    let control = Control::bind(stage.folder.path()).await.unwrap();
    let serving = tokio::spawn(control.serve(stage.service.clone()));
    let devices = stage.service.devices().await.unwrap();
    assert_eq!(devices.len(), 2);
    let shown = devices.iter().find(|shown| shown.id == lost.id).unwrap();
    assert_eq!(shown.users, [USER]);
    assert_eq!(shown.tokens, [lost.serial()]);
    let ids = [lost.id, kept.id, DeviceId([7; 16])];
    let connected = control::are_connected(stage.folder.path(), &ids).await;
    assert_eq!(connected, Some([lost.id, kept.id].into()));

    // By another process, as the command line does it.
    let command = Service::open(stage.folder.path()).await.unwrap();
    let change = command
        .operator("grace")
        .revoke_device(lost.id)
        .await
        .unwrap();
    control::announce(stage.folder.path(), &change).await;
    assert!(matches!(channel.next().await.unwrap(), Frame::Drain(_)));
    assert!(channel.next().await.is_err());
    let (_channel, welcome) = lost.connect_as(&stage, |_hello| {}).await.unwrap();
    assert_eq!(
        standings(&welcome)[lost.serial()],
        push::TokenStanding::Revoked
    );
    assert_eq!(stage.service.tokens(None).await.unwrap().unwrap().len(), 2);
    let unknown = stage.operator().revoke_device(DeviceId([7; 16])).await;
    assert!(matches!(unknown, Err(TokenError::UnknownDevice)));
    stage.open().await.unwrap();
    serving.abort();
}

#[tokio::test]
async fn a_deleted_token_is_gone_and_its_agent_learns_it() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    stage
        .operator()
        .delete_token(device.serial())
        .await
        .unwrap();
    let (_channel, welcome) = device.connect_as(&stage, |_hello| {}).await.unwrap();
    assert_eq!(
        standings(&welcome)[device.serial()],
        push::TokenStanding::Revoked
    );
    assert!(matches!(
        stage.operator().delete_token(device.serial()).await,
        Err(TokenError::Unknown)
    ));
}

#[tokio::test]
async fn a_command_in_another_process_reaches_the_live_stream() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let control = Control::bind(stage.folder.path()).await.unwrap();
    assert!(Control::bind(stage.folder.path()).await.is_err());
    let serving = tokio::spawn(control.serve(stage.service.clone()));
    let mut channel = device.connect(&stage).await;
    assert_eq!(control::connected(stage.folder.path()).await, Some(1));
    let opened = stage.open().await.unwrap();
    channel.request().await;

    let command = Service::open(stage.folder.path()).await.unwrap();
    let change = command
        .operator("grace")
        .suspend_token(device.serial())
        .await
        .unwrap();
    control::announce(stage.folder.path(), &change).await;
    assert_eq!(channel.cancel().await, push::CancelReason::ByAdministrator);
    assert!(matches!(channel.next().await.unwrap(), Frame::Drain(_)));
    assert_eq!(
        stage.ended(&opened.transaction_id).await,
        LoginState::Cancelled
    );
    let (_channel, welcome) = device.connect_as(&stage, |_hello| {}).await.unwrap();
    assert_eq!(
        standings(&welcome)[device.serial()],
        push::TokenStanding::Suspended
    );
    serving.abort();
}

#[tokio::test]
async fn a_lost_counter_or_clock_is_found_again() {
    let stage = Stage::new().await;
    let device = stage.device(event()).await;
    let check = |passcode| {
        let subject = Subject::User(USER.to_owned());
        stage.check(subject, passcode, None)
    };
    assert_eq!(check(device.passcode(500)).await, PasscodeVerdict::Wrong);
    let grace = stage.operator();
    let resync = |first, second| grace.resynchronise_token(device.serial(), first, second);
    assert!(
        resync(device.passcode(500), device.passcode(502))
            .await
            .is_err()
    );
    resync(device.passcode(500), device.passcode(501))
        .await
        .unwrap();
    assert_eq!(
        check(device.passcode(501)).await,
        PasscodeVerdict::UsedBefore
    );
    assert!(matches!(
        check(device.passcode(502)).await,
        PasscodeVerdict::Accepted { .. }
    ));

    let clock = stage.device(time()).await;
    let step = clock.step(&stage) + 100;
    stage
        .service
        .operator("grace")
        .resynchronise_token(
            clock.serial(),
            clock.passcode(step),
            clock.passcode(step + 1),
        )
        .await
        .unwrap();
    stage.clock.advance_ms(60_000);
    let passcode = clock.passcode(clock.step(&stage) + 101);
    assert!(matches!(
        check(passcode).await,
        PasscodeVerdict::Accepted { .. }
    ));
}

#[tokio::test]
async fn passwords_are_checked_and_guessing_is_slowed_down() {
    let stage = Stage::new().await;
    let check = |user: &'static str, password: &'static str| {
        stage
            .service
            .check_password(user, SecretText::from(password))
    };
    assert_eq!(
        check(USER, "correct horse").await.unwrap(),
        PasswordVerdict::Right
    );
    for user in [USER, "nobody"] {
        for _ in 0..5 {
            assert_eq!(check(user, "wrong").await.unwrap(), PasswordVerdict::Wrong);
        }
        let throttled = check(user, "correct horse").await.unwrap();
        assert!(matches!(throttled, PasswordVerdict::Throttled { .. }));
    }
    stage.clock.advance_ms(60_000);
    assert_eq!(
        check(USER, "correct horse").await.unwrap(),
        PasswordVerdict::Right
    );

    let taken = stage.operator().add_user(USER, "x".into()).await;
    assert!(matches!(taken, Err(NewUserError::Taken)));
    for name in ["", " ada", "a\nb", &"a".repeat(129)] {
        assert!(matches!(
            stage.operator().add_user(name, "x".into()).await,
            Err(NewUserError::Name)
        ));
    }
    let empty = stage
        .operator()
        .add_user("bob", SecretText::default())
        .await;
    assert!(matches!(empty, Err(NewUserError::Password)));
}

#[tokio::test]
async fn a_gateway_is_made_once_and_only_its_owner_can_read_it() {
    let stage = Stage::new().await;
    let config = Config::new("Other", "127.0.0.1:1".parse().unwrap(), None).unwrap();
    let again = Service::init(stage.folder.path(), &config).await;
    assert!(matches!(again, Err(OpenError::Exists(_))));
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(stage.folder.path().to_owned()), 0o700);
    for file in ["master.key", "gateway.db"] {
        assert_eq!(mode(stage.folder.path().join(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn the_identity_stays_when_the_tls_certificate_is_renewed() {
    let stage = Stage::new().await;
    let (pin, leaf) = (
        stage.service.keys().pin(),
        stage.service.settings().tls.chain[0].clone(),
    );
    let stage = stage.restarted().await;
    assert_eq!(stage.service.settings().tls.chain[0], leaf);
    stage.clock.advance_ms(300 * 86_400_000);
    let stage = stage.restarted().await;
    assert_ne!(stage.service.settings().tls.chain[0], leaf);
    assert_eq!(stage.service.keys().pin(), pin);
}

#[tokio::test]
async fn no_seed_stands_in_the_files() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let seed = device.seed.expose();
    for entry in fs::read_dir(stage.folder.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(seed.len()).any(|window| window == seed));
    }
}
