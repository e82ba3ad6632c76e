//! The user's order of tokens.

use countersign_core::{
    otp::{Digits, HashAlgorithm, OtpMode},
    token_order::Place,
};
use countersign_proto::agent::v1::Reason;
use countersignd::{agent::explain::Explain as _, vault::EventKind};

use crate::stage::Stage;

async fn names(stage: &Stage) -> Vec<String> {
    let tokens = stage.agent.tokens().await.unwrap();
    tokens.into_iter().map(|token| token.name).collect()
}

#[tokio::test]
async fn a_token_goes_where_it_is_put_and_the_order_is_kept() {
    let mut stage = Stage::enrolled().await;
    for (name, serial) in [("bank", "CS2"), ("mail", "CS3")] {
        let mode = OtpMode::Event {
            hash: HashAlgorithm::Sha1,
            digits: Digits::SIX,
        };
        stage.add(name, serial, mode).await;
    }
    assert_eq!(names(&stage).await, ["work", "bank", "mail"]);
    for (token, place, order) in [
        ("mail", Place::First, ["mail", "work", "bank"]),
        ("CS3", Place::After("bank"), ["work", "bank", "mail"]),
        ("work", Place::Before("MAIL"), ["bank", "work", "mail"]),
        ("bank", Place::Last, ["work", "mail", "bank"]),
    ] {
        stage.agent.move_token(token, place).await.unwrap();
        assert_eq!(names(&stage).await, order);
    }
    let itself = stage.agent.move_token("bank", Place::After("bank")).await;
    assert_eq!(itself.unwrap_err().reason(), Reason::Usage);
    let unknown = stage.agent.move_token("bank", Place::After("none")).await;
    assert_eq!(unknown.unwrap_err().reason(), Reason::TokenUnknown);
    assert_eq!(names(&stage).await, ["work", "mail", "bank"]);
    let events = stage.agent.events(1).await.unwrap();
    assert_eq!(
        (events[0].kind, events[0].detail.as_str()),
        (EventKind::Moved, "to the end")
    );
}
