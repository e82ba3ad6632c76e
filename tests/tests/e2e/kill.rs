//! The agent is killed at random moments while it generates event-based passcodes: no counter is used
//! twice.

use std::{collections::HashMap, hint::spin_loop};

use countersign_client::{AgentClient, SocketPath};
use countersign_core::{
    otp::{self, Digits, HashAlgorithm},
    secret::SecretBytes,
};
use countersign_proto::agent::v1::{GeneratePasscodeRequest, PasscodeRequestKind};
use countersign_tests::{patiently, stage::Stage};
use data_encoding::BASE32_NOPAD;
use tokio::sync::mpsc;

use crate::dice::Dice;

const PASSCODES: usize = 1000;
/// Passcodes between two kills, on average.
const BETWEEN_KILLS: u64 = 40;
/// More than are asked for: some counters are lost to the kills, which is right.
const COUNTERS: u64 = 5_000;

/// Asks for passcodes until the agent is gone; sends on each that it got.
async fn generate(path: SocketPath, passcodes: mpsc::UnboundedSender<String>) {
    let Ok(mut client) = AgentClient::connect(&path).await else {
        return;
    };
    loop {
        let request = GeneratePasscodeRequest {
            token: "event".to_owned(),
            kind: PasscodeRequestKind::Next.into(),
            ..GeneratePasscodeRequest::default()
        };
        let Ok(reply) = client.generate_passcode(request).await else {
            return;
        };
        if passcodes.send(reply.passcode).is_err() {
            return;
        }
    }
}

#[test]
fn no_counter_is_used_twice() {
    let mut dice = Dice::new(1);
    let key = dice.key();
    let digits = Digits::try_from(10).unwrap();
    let secret = SecretBytes::new(key.clone());
    let counters: HashMap<String, u64> = (0..COUNTERS)
        .map(|counter| {
            let passcode = otp::hotp(&secret, counter, HashAlgorithm::Sha1, digits);
            (passcode.expose().to_owned(), counter)
        })
        .collect();
    assert_eq!(
        counters.len(),
        usize::try_from(COUNTERS).unwrap(),
        "each passcode is one counter"
    );

    let mut stage = Stage::new().unwrap();
    let secret = BASE32_NOPAD.encode(&key);
    stage
        .enroll_string(
            "event",
            &format!("otpauth://hotp/event?secret={secret}&digits=10&counter=0"),
        )
        .unwrap();
    let mut got: Vec<String> = Vec::new();
    let mut kills: u64 = 0;
    while got.len() < PASSCODES {
        let (sender, mut passcodes) = mpsc::unbounded_channel();
        let path = SocketPath::new(stage.agent.socket());
        let generating = tokio::spawn(generate(path, sender));
        for _ in 0..=dice.below(2 * BETWEEN_KILLS) {
            let passcode = patiently("a passcode", passcodes.recv()).unwrap();
            got.push(passcode.expect("the agent ended by itself"));
        }
        // Anywhere in the next passcode: between the request, the commit, the reply.
        for _ in 0..dice.below(200_000) {
            spin_loop();
        }
        stage.agent.process().kill().unwrap();
        kills += 1;
        patiently("the client's end", generating).unwrap().unwrap();
        // What was sent before the kill was used.
        while let Ok(passcode) = passcodes.try_recv() {
            got.push(passcode);
        }
        stage.agent.restart().unwrap();
        stage.unlock().unwrap();
    }

    let used: Vec<u64> = got
        .iter()
        .map(|passcode| *counters.get(passcode).expect("a passcode of no counter"))
        .collect();
    for pair in used.windows(2) {
        assert!(
            pair[0] < pair[1],
            "counter {} after {}, {kills} kills",
            pair[1],
            pair[0]
        );
    }
    // A kill may lose the one counter that was being served, never more.
    let lost = used[used.len() - 1] + 1 - u64::try_from(used.len()).unwrap();
    assert!(lost <= kills, "{lost} counters lost by {kills} kills");
    assert!(kills >= 5, "only {kills} kills");
}

#[test]
fn a_clean_end_loses_nothing() {
    let mut stage = Stage::new().unwrap();
    let secret = BASE32_NOPAD.encode(&Dice::new(2).key());
    stage
        .enroll_string(
            "event",
            &format!("otpauth://hotp/event?secret={secret}&counter=0"),
        )
        .unwrap();
    let first = stage.cli.ask(&["next", "event"]).unwrap();
    assert!(stage.agent.process().terminate().unwrap().success());
    stage.agent.restart().unwrap();
    stage.unlock().unwrap();
    assert_ne!(stage.cli.ask(&["next", "event"]).unwrap(), first);
}
