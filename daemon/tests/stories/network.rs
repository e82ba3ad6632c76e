//! This computer on the network: changes, and where a login comes from beside it.

use std::net::IpAddr;

use countersign_core::login_origin::LoginOrigin;
use countersign_proto::push::v1 as push;
use countersignd::agent::ports::{Input, PushInput};

use crate::{outside::Done, stage::Stage};

#[tokio::test]
async fn new_addresses_are_told_to_the_streams() {
    let mut stage = Stage::enrolled().await;
    let address: IpAddr = "192.0.2.7".parse().unwrap();
    stage
        .outside
        .world
        .lock()
        .unwrap()
        .addresses
        .insert(address);
    stage.inputs.send(Input::NetworkChanged).await.unwrap();
    let own = stage
        .until(|done| match done {
            Done::NetworkChanged(own) => Some(own),
            _ => None,
        })
        .await;
    assert!(own.contains(&address));
}

#[tokio::test]
async fn a_login_from_this_computer_is_told_apart() {
    let mut stage = Stage::enrolled().await;
    let own: IpAddr = "192.0.2.7".parse().unwrap();
    stage.outside.world.lock().unwrap().addresses.insert(own);
    let welcome = push::Welcome {
        seen_address: "203.0.113.9".to_owned(),
        time_ms: stage.outside.world.lock().unwrap().wall.0,
        ..push::Welcome::default()
    };
    stage.push(PushInput::Welcome(welcome)).await;
    for (id, address, origin) in [
        (1, "192.0.2.7", LoginOrigin::ThisComputer),
        (2, "203.0.113.9", LoginOrigin::SameNetwork),
        (3, "198.51.100.1", LoginOrigin::OtherAddress),
        (4, "", LoginOrigin::Unknown),
    ] {
        let notice = stage
            .asked(id, |body| body.client_address = address.to_owned())
            .await;
        assert_eq!(notice.origin, origin, "{address}");
        let views = stage.agent.pending_login_requests();
        let view = views.iter().find(|view| view.id == notice.id).unwrap();
        assert_eq!(view.origin, origin, "{address}");
    }
}
