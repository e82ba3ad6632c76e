//! The clock of a service beside ours: kept for it, and told with what depends on it.

use countersign_proto::push::v1 as push;
use countersignd::agent::{passcode::PasscodeWish, ports::PushInput};

use crate::{pin_rig::nobody, stage::Stage};

#[tokio::test]
async fn the_offset_of_a_service_is_told_with_its_tokens_and_passcodes() {
    let mut stage = Stage::enrolled().await;
    let generated = stage
        .agent
        .generate_passcode("work", PasscodeWish::Current, None, &nobody())
        .await
        .unwrap();
    assert_eq!(generated.clock_offset_ms, None, "nothing was heard yet");

    let now = stage.outside.world.lock().unwrap().wall;
    let welcome = push::Welcome {
        time_ms: now.plus_ms(42_000).0,
        ..push::Welcome::default()
    };
    stage.push(PushInput::Welcome(welcome)).await;
    let down = PushInput::Down {
        why: "the network is away".to_owned(),
        retry_in: core::time::Duration::from_secs(5),
    };
    stage.push(down).await;
    stage.done_until_marker().await;
    let generated = stage
        .agent
        .generate_passcode("work", PasscodeWish::Current, None, &nobody())
        .await
        .unwrap();
    assert_eq!(
        generated.clock_offset_ms,
        Some(42_000),
        "kept while it is away"
    );
}
