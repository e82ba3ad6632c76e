//! Servers and agents that go away, clocks that are wrong, requests that are too old.

use countersign_proto::agent::v1::{LoginRequestState, Reason};
use countersign_tests::{
    Workspace, parts,
    privacyidea::{PrivacyIdea, ServerClock, is_there, shared},
    stage::Stage,
};

use crate::rig::{Enrolled, TOKEN, enroll, service};

#[test]
fn a_clock_that_is_hours_off_loses_no_push() {
    if !is_there("privacyidea::clock") || !parts::are_there("privacyidea::clock", &["faketime"]) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let server = PrivacyIdea::start_at(&workspace, ServerClock::Ahead(5)).unwrap();
    let mut enrolled = Enrolled::at(&server).unwrap();
    let login = server.begin_login(&enrolled.user).unwrap();
    let request = enrolled.watch.pending().unwrap();
    assert!(request.left_ms > 60_000, "{request:?}");
    assert_eq!(
        enrolled.stage.cli.ask(&["approve", &request.id]).unwrap(),
        "approved"
    );
    assert_eq!(login.finish("").unwrap(), "ACCEPT");
    let status = service(&enrolled.stage, |service| service["connected"] == true).unwrap();
    let offset = status["clock_offset_ms"].as_i64().unwrap();
    assert!((17_990_000..18_010_000).contains(&offset), "{offset}");
}

#[test]
fn a_request_survives_the_agent_and_is_answered_once() {
    if !is_there("privacyidea::agent_restart") {
        return;
    }
    let mut enrolled = Enrolled::at(shared()).unwrap();
    let login = enrolled.server.begin_login(&enrolled.user).unwrap();
    let before = enrolled.pending().unwrap();
    enrolled.stage.agent.process().kill().unwrap();
    enrolled.stage.agent.restart().unwrap();
    enrolled.stage.unlock().unwrap();
    let mut watch = enrolled.stage.requests().unwrap();
    let after = watch.pending().unwrap();
    assert_eq!(after.id, before.id);
    enrolled.stage.cli.ask(&["approve", &after.id]).unwrap();
    assert_eq!(login.finish("").unwrap(), "ACCEPT");
    enrolled
        .stage
        .cli
        .refused(&["approve", &after.id], "", Reason::LoginRequestAnswered)
        .unwrap();
}

#[test]
fn an_answer_survives_a_server_that_is_away_and_an_agent_that_is_killed() {
    if !is_there("privacyidea::server_restart") {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let mut server = PrivacyIdea::start(&workspace).unwrap();
    let user = server.new_user().unwrap();
    let token = server.push_token(&user).unwrap();
    let mut stage = Stage::new().unwrap();
    enroll(&stage, TOKEN, &token.link).unwrap();
    let mut watch = stage.requests().unwrap();
    server.begin_login(&user).unwrap();
    let request = watch.pending().unwrap();
    server.stop().unwrap();
    stage
        .cli
        .refused(&["approve", &request.id], "", Reason::OutcomeUnknown)
        .unwrap();
    stage.agent.process().kill().unwrap();
    stage.agent.restart().unwrap();
    stage.unlock().unwrap();
    server.serve().unwrap();
    // Nobody answers a second time: what was decided goes out by itself.
    let approved = service(&stage, |_| {
        let history = stage.cli.json(&["requests", "--history"]).unwrap();
        history["requests"][0]["state"] == "approved"
    });
    approved.unwrap();
}

#[test]
fn what_is_too_old_is_over() {
    if !is_there("privacyidea::expiry") {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let server = PrivacyIdea::start(&workspace).unwrap();
    server.set_config("PushChallengeValidityTime", "4").unwrap();
    let mut enrolled = Enrolled::at(&server).unwrap();
    server.begin_login(&enrolled.user).unwrap();
    let request = enrolled.pending().unwrap();
    let ended = [LoginRequestState::Cancelled, LoginRequestState::Expired];
    enrolled.watch.wait(&ended).unwrap();
    let cli = &enrolled.stage.cli;
    let refused = cli.say(&["approve", &request.id]).unwrap();
    assert_ne!(refused.code, Some(0), "{refused:?}");
}

#[test]
fn tokens_of_two_servers_are_two_services() {
    if !is_there("privacyidea::two_servers") {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let other = PrivacyIdea::start(&workspace).unwrap();
    let mut enrolled = Enrolled::at(shared()).unwrap();
    let user = other.new_user().unwrap();
    let token = other.push_token(&user).unwrap();
    enroll(&enrolled.stage, "Other", &token.link).unwrap();
    let here = enrolled.server.begin_login(&enrolled.user).unwrap();
    let there = other.begin_login(&user).unwrap();
    enrolled.stage.cli.ask(&["requests", "--check"]).unwrap();
    for _ in 0..2 {
        let request = enrolled.watch.pending().unwrap();
        let word = if request.token == TOKEN {
            "approve"
        } else {
            "deny"
        };
        enrolled.stage.cli.ask(&[word, &request.id]).unwrap();
    }
    assert_eq!(here.finish("").unwrap(), "ACCEPT");
    assert_eq!(there.status().unwrap(), "declined");
}

#[test]
fn a_token_that_was_deleted_at_the_server_says_so() {
    if !is_there("privacyidea::deleted_there") {
        return;
    }
    let enrolled = Enrolled::at(shared()).unwrap();
    let path = format!("/token/{}", enrolled.token.serial);
    enrolled
        .server
        .as_administrator(&hyper::Method::DELETE, &path, &[])
        .unwrap();
    enrolled.stage.cli.ask(&["requests", "--check"]).unwrap();
    service(&enrolled.stage, |service| {
        let trouble = service["trouble"].as_str().unwrap_or_default();
        trouble.contains("deleted there")
    })
    .unwrap();
}
