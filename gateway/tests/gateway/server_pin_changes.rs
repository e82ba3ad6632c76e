//! Changing a server PIN, and choosing one after a reset.

use countersign_core::{
    otp::OtpMode,
    pskc::{PinPlace, PinPolicy, TokenPin},
    signing::Label,
};
use countersign_gateway::{
    control::{self, Control},
    service::{PasscodeVerdict, Service, Subject, TokenError},
};
use countersign_proto::push::v1::{self as push, ServerPinResult, gateway_frame::Frame};
use prost::Message as _;
use tonic::Code;

use crate::{
    device::{Channel, Device, change_pin, sign},
    stage::{Stage, challenge_with_pin, event, time},
};

const PIN: &str = "4711";
const NEW: &str = "Amsel99";
const POLICY: PinPolicy = PinPolicy::Server(PinPlace::Prepend);

async fn change(stage: &Stage, device: &Device, pins: (&str, &str), sequence: u64) -> Changed {
    let body = device.pin_change(stage, pins.0, pins.1, sequence);
    let reply = device.change_pin(stage, &body).await.unwrap();
    (reply.result(), reply.tries_left, reply.retry_after_ms)
}

type Changed = (ServerPinResult, Option<u32>, u64);
const CHANGED: Changed = (ServerPinResult::Changed, None, 0);

const fn wrong(left: u32) -> Changed {
    (ServerPinResult::Wrong, Some(left), 0)
}

/// Is it the PIN now?
async fn counts(stage: &Stage, device: &mut Device, pin: &str) -> bool {
    pin.clone_into(&mut device.pin);
    let mut channel = device.connect(stage).await;
    approve(stage, device, &mut channel).await == push::Result::Approved
}

async fn approve(stage: &Stage, device: &Device, channel: &mut Channel) -> push::Result {
    stage.open().await.unwrap();
    let request = channel.request().await;
    let approval = device.approval(stage, &request);
    channel.decide(device.approve(&approval)).await
}

/// Compared, and computed with.
fn kinds() -> [(OtpMode, PinPolicy); 2] {
    [
        (time(), POLICY),
        (challenge_with_pin(), PinPolicy::InPasscode),
    ]
}

#[tokio::test]
async fn the_user_changes_the_pin() {
    for (mode, policy) in kinds() {
        let stage = Stage::new().await;
        let mut device = stage.device_with_pin(mode, policy, PIN).await;
        assert_eq!(change(&stage, &device, (PIN, NEW), 1).await, CHANGED);
        assert!(!counts(&stage, &mut device, PIN).await);
        assert!(counts(&stage, &mut device, NEW).await);
        assert_eq!(stage.audited("server_pin_changed").await, 1);
        let stage = stage.restarted().await;
        assert!(counts(&stage, &mut device, NEW).await);
    }
}

#[tokio::test]
async fn a_change_needs_the_pin_before_it_and_guesses_lock() {
    for (mode, policy) in kinds() {
        let stage = Stage::with(|config| config.server_pin.tries = 3).await;
        let device = stage.device_with_pin(mode, policy, PIN).await;
        assert_eq!(change(&stage, &device, ("0815", NEW), 1).await, wrong(2));
        assert_eq!(change(&stage, &device, ("", NEW), 2).await, wrong(1));
        let locked = |ms| (ServerPinResult::Locked, None, ms);
        assert_eq!(
            change(&stage, &device, ("0816", NEW), 3).await,
            locked(600_000)
        );
        stage.clock.advance_ms(200_000);
        assert_eq!(
            change(&stage, &device, (PIN, NEW), 4).await,
            locked(400_000)
        );
        stage.clock.advance_ms(400_000);
        assert_eq!(change(&stage, &device, (PIN, NEW), 5).await, CHANGED);
        // In a row: the right one has ended it.
        assert_eq!(change(&stage, &device, (PIN, NEW), 6).await, wrong(2));
    }
}

#[tokio::test]
async fn the_new_pin_meets_the_rules() {
    let stage = Stage::new().await;
    let device = stage.device_with_pin(time(), POLICY, PIN).await;
    let malformed = (ServerPinResult::Malformed, None, 0);
    for (sequence, new) in (1..).zip(["", "123", "12 34", &"x".repeat(65)]) {
        // Whether the current one is right is neither told nor counted.
        for (current, sequence) in [(PIN, 2 * sequence), ("0815", 2 * sequence + 1)] {
            let told = change(&stage, &device, (current, new), sequence).await;
            assert_eq!(told, malformed);
        }
    }
    assert_eq!(change(&stage, &device, ("0815", NEW), 100).await, wrong(9));
}

#[tokio::test]
async fn an_older_change_is_refused() {
    let stage = Stage::new().await;
    let device = stage.device_with_pin(time(), POLICY, PIN).await;
    let recorded = device.pin_change(&stage, PIN, NEW, 10);
    device.change_pin(&stage, &recorded).await.unwrap();
    assert_eq!(change(&stage, &device, (NEW, PIN), 11).await, CHANGED);
    // A wrong one, too, counts once however often it is played back.
    let guess = device.pin_change(&stage, "0815", NEW, 12);
    device.change_pin(&stage, &guess).await.unwrap();
    for old in [&recorded, &guess] {
        for _ in 0..20 {
            let refused = device.change_pin(&stage, old).await.unwrap_err();
            assert_eq!(refused.code(), Code::FailedPrecondition);
        }
    }
    let endless = device.pin_change(&stage, PIN, NEW, u64::MAX);
    let refused = device.change_pin(&stage, &endless).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(change(&stage, &device, (PIN, NEW), 13).await, CHANGED);
}

#[tokio::test]
async fn only_the_channel_key_of_the_tokens_device_can_ask() {
    let stage = Stage::new().await;
    let device = stage.device_with_pin(time(), POLICY, PIN).await;
    let other = stage.device_with_pin(event(), POLICY, PIN).await;
    let good = device.pin_change(&stage, PIN, NEW, 1);
    let elsewhere = push::ServerPinBody {
        service_id: vec![7; 16],
        ..good.clone()
    };
    let stranger = push::ServerPinBody {
        device_id: vec![7; 16],
        ..good.clone()
    };
    let mut altered = sign(&device.channel, Label::ServerPin, good.encode_to_vec());
    altered.body = device.pin_change(&stage, PIN, "0000", 1).encode_to_vec();
    for forged in [
        sign(&device.decision, Label::ServerPin, good.encode_to_vec()),
        sign(&other.channel, Label::ServerPin, good.encode_to_vec()),
        sign(&device.channel, Label::Hello, good.encode_to_vec()),
        sign(&device.channel, Label::ServerPin, elsewhere.encode_to_vec()),
        sign(&device.channel, Label::ServerPin, stranger.encode_to_vec()),
        sign(&device.channel, Label::ServerPin, vec![0xff; 9]),
        sign(&device.channel, Label::ServerPin, vec![0; 20_000]),
        altered,
    ] {
        let refused = change_pin(&stage, forged).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    }
    // The other device signs for itself, and names a token that is not its own.
    let foreign = push::ServerPinBody {
        serial: device.serial().to_owned(),
        ..other.pin_change(&stage, PIN, NEW, 1)
    };
    let reply = other.change_pin(&stage, &foreign).await.unwrap();
    assert_eq!(reply.result(), ServerPinResult::Token);
    // None of it was counted, and the good one is still the first.
    let reply = device.change_pin(&stage, &good).await.unwrap();
    assert_eq!(reply.result(), ServerPinResult::Changed);
}

#[tokio::test]
async fn a_token_without_a_server_pin_or_out_of_use_has_none_to_change() {
    let stage = Stage::new().await;
    let none = stage.device(time()).await;
    let own = PinPolicy::Token(TokenPin::default());
    let token_pin = stage.device_with_pin(time(), own, "").await;
    let suspended = stage.device_with_pin(time(), POLICY, PIN).await;
    stage
        .service
        .operator("grace")
        .suspend_token(suspended.serial())
        .await
        .unwrap();
    for device in [&none, &token_pin, &suspended] {
        let (result, ..) = change(&stage, device, ("", NEW), 1).await;
        assert_eq!(result, ServerPinResult::Token);
    }
    for device in [&none, &token_pin] {
        let refused = stage.operator().reset_server_pin(device.serial()).await;
        assert!(matches!(refused, Err(TokenError::NoServerPin)));
    }
}

fn due(welcome: &push::Welcome) -> bool {
    welcome.tokens[0].server_pin_due
}

#[tokio::test]
async fn after_a_reset_the_user_chooses_anew_and_nothing_counts_before() {
    for (mode, policy) in kinds() {
        let stage = Stage::with(|config| config.server_pin.tries = 1).await;
        let mut device = stage.device_with_pin(mode, policy, PIN).await;
        let (mut channel, welcome) = device.connect_as(&stage, |_hello| {}).await.unwrap();
        assert!(!due(&welcome));
        // Locked when the administrator resets it: the lock goes with the PIN.
        let (locked, ..) = change(&stage, &device, ("0815", NEW), 1).await;
        assert_eq!(locked, ServerPinResult::Locked);
        stage
            .service
            .operator("grace")
            .reset_server_pin(device.serial())
            .await
            .unwrap();
        // A connected agent is sent to connect again, and learns it there.
        assert!(matches!(
            channel.next().await.unwrap(),
            Frame::Drain(push::Drain { after_ms: 0 })
        ));
        let (mut channel, welcome) = device.connect_as(&stage, |_hello| {}).await.unwrap();
        assert!(due(&welcome));
        assert_eq!(
            approve(&stage, &device, &mut channel).await,
            push::Result::RefusedServerPin
        );
        // The former one is not asked for, and not found out.
        assert_eq!(change(&stage, &device, (PIN, NEW), 2).await, wrong(1));
        assert_eq!(
            change(&stage, &device, ("", "12"), 3).await.0,
            ServerPinResult::Malformed
        );
        assert_eq!(change(&stage, &device, ("", NEW), 4).await, CHANGED);
        let (_channel, welcome) = device.connect_as(&stage, |_hello| {}).await.unwrap();
        assert!(!due(&welcome));
        assert!(counts(&stage, &mut device, NEW).await);
        // Only once.
        let (locked, ..) = change(&stage, &device, ("", PIN), 5).await;
        assert_eq!(locked, ServerPinResult::Locked);
    }
}

#[tokio::test]
async fn typed_passcodes_do_not_count_after_a_reset() {
    let stage = Stage::new().await;
    let device = stage.device_with_pin(event(), POLICY, PIN).await;
    stage
        .service
        .operator("grace")
        .reset_server_pin(device.serial())
        .await
        .unwrap();
    for (counter, pin) in (0..).zip([PIN, ""]) {
        let text = format!("{pin}{}", device.passcode(counter).expose());
        let subject = Subject::Serial(device.serial().to_owned());
        let verdict = stage.check(subject, text, None).await;
        assert_eq!(verdict, PasscodeVerdict::Wrong);
    }
}

#[tokio::test]
async fn a_reset_by_a_command_reaches_the_gateway_that_serves() {
    let stage = Stage::new().await;
    let device = stage.device_with_pin(time(), POLICY, PIN).await;
    let control = Control::bind(stage.folder.path()).await.unwrap();
    let serving = tokio::spawn(control.serve(stage.service.clone()));
    let mut channel = device.connect(&stage).await;
    let command = Service::open(stage.folder.path()).await.unwrap();
    let told = command
        .operator("grace")
        .reset_server_pin(device.serial())
        .await
        .unwrap();
    control::announce(stage.folder.path(), &told).await;
    assert!(matches!(channel.next().await.unwrap(), Frame::Drain(_)));
    let (_channel, welcome) = device.connect_as(&stage, |_hello| {}).await.unwrap();
    assert!(due(&welcome));
    assert_eq!(stage.audited("server_pin_reset").await, 1);
    serving.abort();
}
