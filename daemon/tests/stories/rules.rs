//! What the user does not want to be asked.

use core::time::Duration;

use countersign_core::login_rules::Block;
use countersign_proto::{agent::v1::Reason, push::v1 as push};
use countersignd::agent::{explain::Explain as _, ports::PushInput};
use prost::Message as _;

use crate::{outside::Done, stage::Stage};

fn availability(done: &Done) -> Option<push::Availability> {
    let Done::Sent(push::AgentFrame {
        frame: Some(push::agent_frame::Frame::Availability(signed)),
    }) = done
    else {
        return None;
    };
    let body = push::AvailabilityBody::decode(signed.body.as_slice()).unwrap();
    Some(body.availability())
}

async fn next_availability(stage: &mut Stage) -> push::Availability {
    stage.until(|done| availability(&done)).await
}

#[tokio::test]
async fn a_mute_is_told_to_the_service_declines_and_ends_by_itself() {
    let mut stage = Stage::enrolled().await;
    let until = stage.agent.mute(Duration::from_hours(1)).await.unwrap();
    assert!(until.is_some());
    assert_eq!(next_availability(&mut stage).await, push::Availability::Off);

    // One that was on its way.
    stage
        .push(PushInput::Request(stage.request(1, |_| {})))
        .await;
    let (_, body) = stage.decision().await;
    assert_eq!(body.verdict(), push::Verdict::DenyByRule);
    stage.outcome(1, push::Result::Denied).await;

    // A restart ends it no sooner.
    let mut stage = stage.restarted().await;
    assert_eq!(stage.agent.muted_until(), until);

    stage.outside.pass(Duration::from_mins(59));
    assert_eq!(stage.agent.muted_until(), until);
    stage.outside.pass(Duration::from_mins(1));
    assert_eq!(stage.agent.muted_until(), None);
    let notice = stage.asked(2, |_| {}).await;
    assert_eq!(notice.resource, "Example Portal");
}

#[tokio::test]
async fn a_clock_that_is_set_back_lengthens_no_mute() {
    let stage = Stage::enrolled().await;
    stage.agent.mute(Duration::from_mins(10)).await.unwrap();
    {
        let mut world = stage.outside.world.lock().unwrap();
        world.wall = world.wall.plus_ms(-86_400_000);
        world.boot = world.boot.plus(Duration::from_mins(10));
    }
    assert_eq!(stage.agent.muted_until(), None);
}

#[tokio::test]
async fn ending_a_mute_early_is_told_at_once() {
    let mut stage = Stage::enrolled().await;
    stage.agent.mute(Duration::from_hours(1)).await.unwrap();
    assert_eq!(next_availability(&mut stage).await, push::Availability::Off);
    assert_eq!(stage.agent.mute(Duration::ZERO).await.unwrap(), None);
    assert_eq!(next_availability(&mut stage).await, push::Availability::On);
    let refused = stage.agent.mute(Duration::from_hours(24 * 8)).await;
    assert_eq!(refused.unwrap_err().reason(), Reason::BlockInvalid);
}

#[tokio::test]
async fn what_is_blocked_is_declined_without_a_question_and_said_in_the_history() {
    let mut stage = Stage::enrolled().await;
    let resource = Block::resource("example PORTAL").unwrap();
    let address = Block::address("198.51.100.0/24").unwrap();
    let resource = stage.agent.add_block(resource).await.unwrap();
    let again = stage.agent.add_block(resource.block.clone()).await.unwrap();
    assert_eq!(again.id, resource.id);
    let address = stage.agent.add_block(address).await.unwrap();

    let mut decline = async |id, change: fn(&mut push::RequestBody)| {
        stage
            .push(PushInput::Request(stage.request(id, change)))
            .await;
        let (_, body) = stage.decision().await;
        assert_eq!(body.verdict(), push::Verdict::DenyByRule);
        stage.outcome(id, push::Result::Denied).await;
    };
    decline(1, |_| {}).await;
    decline(2, |body| {
        body.resource = "Other".to_owned();
        body.client_address = "198.51.100.200".to_owned();
    })
    .await;
    // Nothing was asked or told about them before the next question.
    let other = stage.request(3, |body| body.resource = "Other".to_owned());
    stage.push(PushInput::Request(other)).await;
    let first_seen = stage
        .until(|done| match done {
            Done::Asked(notice) => Some((notice.id.0, notice.others)),
            Done::Told(notice) => Some((notice.id.0, usize::MAX)),
            _ => None,
        })
        .await;
    assert_eq!(first_seen, ([3; 16], 0));
    let history = stage.agent.login_request_history().await.unwrap();
    let details: Vec<_> = history.iter().map(|view| view.detail.as_str()).collect();
    for said in [
        "declined by rule: the resource example PORTAL is blocked",
        "declined by rule: the address 198.51.100.0/24 is blocked",
    ] {
        assert!(details.contains(&said), "{details:?}");
    }

    stage.agent.remove_block(resource.id).await.unwrap();
    let gone = stage.agent.remove_block(resource.id).await.unwrap_err();
    assert_eq!(gone.reason(), Reason::BlockUnknown);
    stage.asked(4, |_| {}).await;
    let left = stage.agent.blocks().await.unwrap();
    assert_eq!(left, [address]);
}
