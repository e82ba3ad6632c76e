//! Containers: how their servers are known, and when they are asked without a command.

use core::time::Duration;

use countersign_core::{
    privacyidea::{Transport, container::Standing},
    secret::SecretBytes,
};
use countersign_proto::agent::v1::Reason;
use countersignd::agent::{
    caller::Caller,
    enrollment::Accepted,
    explain::Explain as _,
    ports::{HttpReply, Posted, SessionEvent, Trust},
    setup::SetupWish,
};
use serde_json::json;

use crate::{outside::Done, stage::Stage};

const KEY: [u8; 32] = [7; 32];
const LINK: &str = "pia://container/SMPH1?issuer=privacyIDEA&ttl=10&nonce=c238392af49250804c25bbd7d86408839e91fe97\
    &time=2026-11-23T17%3A53%3A58.819183%2B00%3A00&url=https%3A//pi.example&serial=SMPH1\
    &key_algorithm=secp384r1&hash_algorithm=SHA256&ssl_verify=False&passphrase=&send_passphrase=False";
const CHALLENGE: &str = "https://pi.example/container/challenge";

/// An agent, and a server that says yes to a registration and makes no sense otherwise.
async fn registered(transport: Transport) -> (Stage, Result<(), Reason>) {
    let stage = Stage::bare().await;
    stage
        .agent
        .setup(SetupWish::default(), &Caller::default())
        .await
        .unwrap();
    let yes = json!({"result": {"status": true, "value": {"success": true, "policies": {}}}});
    stage.outside.world.lock().unwrap().posted = Some(Posted {
        reply: HttpReply {
            status: 200,
            body: yes.to_string().into_bytes(),
            date: None,
        },
        key: Some(KEY),
    });
    let accepted = Accepted {
        host: "pi.example:443".to_owned(),
        transport,
    };
    let link = SecretBytes::from(LINK.as_bytes());
    let enrolled = stage
        .agent
        .enroll(&link, "", accepted, &Caller::default())
        .await;
    let enrolled = enrolled.map(drop).map_err(|error| error.reason());
    (stage, enrolled)
}

async fn posted(stage: &mut Stage) -> (String, Trust) {
    stage
        .until(|done| match done {
            Done::Posted(url, trust) => Some((url, trust)),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn an_unchecked_server_is_held_to_the_key_of_its_first_time() {
    let (mut stage, enrolled) = registered(Transport::UnverifiedTls).await;
    // The registration stands, though the server's list is none.
    assert_eq!(enrolled, Ok(()));
    let containers = stage.agent.containers().await.unwrap();
    assert_eq!(containers[0].row.facts.standing, Standing::Registered);
    assert_eq!(containers[0].row.facts.server_key, Some(KEY));
    assert!(!containers[0].trouble().is_empty());
    let (url, trust) = posted(&mut stage).await;
    assert_eq!(url, "https://pi.example/container/register/finalize");
    assert_eq!(trust, Trust::FirstUse);
    let (url, trust) = posted(&mut stage).await;
    assert_eq!((url.as_str(), trust), (CHALLENGE, Trust::Key(KEY)));
}

#[tokio::test]
async fn what_nobody_vouches_for_is_not_registered_by_a_yes_to_the_host() {
    let (stage, enrolled) = registered(Transport::Verified).await;
    assert_eq!(enrolled, Err(Reason::EnrollmentNotConfirmed));
    assert!(stage.agent.containers().await.unwrap().is_empty());
}

#[tokio::test]
async fn containers_are_asked_now_and_then_while_the_vault_is_open() {
    let (mut stage, enrolled) = registered(Transport::UnverifiedTls).await;
    assert_eq!(enrolled, Ok(()));
    for _ in ["finalize", "challenge"] {
        posted(&mut stage).await;
    }
    stage.outside.pass(Duration::from_hours(2));
    // Whatever happens makes the agent look at its clock.
    stage.session(SessionEvent::ScreenUnlocked).await;
    assert_eq!(posted(&mut stage).await.0, CHALLENGE);
    // And at the unlock.
    stage.agent.lock().await;
    stage
        .agent
        .unlock(
            countersignd::agent::unlocking::UnlockWish::default(),
            &Caller::default(),
        )
        .await
        .unwrap();
    assert_eq!(posted(&mut stage).await.0, CHALLENGE);
}
