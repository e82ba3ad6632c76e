//! What the agent protects the tokens with, in words.

use countersign_proto::agent::v1::{
    BiometricState, PinAsking, PinType, SessionState, UnlockMode, VaultKey,
};
use serde_json::{Value, json};

use crate::{stage::Stage, typist::start_plain};

fn full() -> Stage {
    let stage = Stage::new();
    {
        let mut script = stage.agent.script();
        let status = &mut script.status;
        status.slots = vec![VaultKey::Tpm.into(), VaultKey::RecoveryCode.into()];
        status.session = SessionState::Open.into();
        "/usr/bin/pinentry-gnome3".clone_into(&mut status.pinentry);
        status.biometric = BiometricState::Ready.into();
        "2 fingers enrolled".clone_into(&mut status.fingerprint);
        "dunst 1.9.0".clone_into(&mut status.notification_server);
        status.protection = vec![
            "Memory is locked and never written to swap.".to_owned(),
            "The agent reads and writes only its own folders, and starts no program but pinentry."
                .to_owned(),
        ];
        let token = &mut script.tokens[0];
        token.pin_type = PinType::Token.into();
        token.tries_left = Some(4);
        token.biometric = BiometricState::Off.into();
        token.pin_asking = PinAsking::EveryTime.into();
        "6 to 64 letters and digits".clone_into(&mut token.pin_rules);
    }
    stage
}

#[test]
fn a_person_reads_it_at_a_glance() {
    let (code, screen) = start_plain(&full(), &["status"]).ends();
    assert_eq!(code, 0);
    assert_eq!(
        screen.replace("\r\n", "\n"),
        concat!(
            "Agent          countersignd 0.1.0\n",
            "Vault          unlocked\n",
            "Opened by      TPM, recovery code\n",
            "Unlocking      asks for the PIN\n",
            "Fingerprint    unlocks; 2 fingers enrolled\n",
            "Session        open\n",
            "PIN dialog     /usr/bin/pinentry-gnome3\n",
            "Tokens         1\n",
            "Requests       none pending\n",
            "Autosend       on\n",
            "Notifications  dunst 1.9.0\n",
            "\n",
            "Protection\n",
            "  Memory is locked and never written to swap.\n",
            "  The agent reads and writes only its own folders, and starts no program but\n",
            "  pinentry.\n",
        )
    );
}

#[test]
fn a_vault_that_asks_for_nothing_is_said_to() {
    let stage = full();
    {
        let mut script = stage.agent.script();
        script.status.unlock = UnlockMode::Session.into();
        script.status.pinentry.clear();
    }
    let (_, screen) = start_plain(&stage, &["status"]).ends();
    assert!(
        screen.contains("Unlocking      opens with your session; no PIN is asked\r\n"),
        "{screen}"
    );
    assert!(screen.contains("PIN dialog     none: "), "{screen}");
}

#[test]
fn scripts_get_it_too() {
    let stage = full();
    let said = stage.run(&["status", "--json"]);
    let shown: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(shown["session"], "open");
    assert_eq!(shown["pinentry"], "/usr/bin/pinentry-gnome3");
    assert_eq!(shown["biometric"], "ready");
    assert_eq!(shown["fingerprint"], "2 fingers enrolled");
    assert_eq!(shown["protection"].as_array().unwrap().len(), 2);
    let bare = stage.run(&["status"]).out;
    assert!(bare.contains("\nsession\topen\n"), "{bare}");
    assert_eq!(bare.matches("\nprotection\t").count(), 2, "{bare}");
}

#[test]
fn a_token_shows_its_pin() {
    let stage = full();
    let (_, screen) = start_plain(&stage, &["info", "Work"]).ends();
    assert!(
        screen.replace("\r\n", "\n").contains(concat!(
            "PIN Type       token PIN, checked on this machine\n",
            "Tries left     4\n",
            "Finger         off\n",
            "PIN asked      every time\n",
            "PIN rules      6 to 64 letters and digits\n",
        )),
        "{screen}"
    );
    let said = stage.run(&["info", "Work", "--json"]);
    let shown: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(shown["tries_left"], 4);
    assert_eq!(shown["biometric"], "off");
    assert_eq!(shown["pin_asking"], "every_time");
    assert_eq!(shown["pin_rules"], json!("6 to 64 letters and digits"));
    assert!(
        stage
            .run(&["info", "Work"])
            .out
            .ends_with("tries_left\t4\nbiometric\toff\npin_asking\tevery_time\npin_rules\t6 to 64 letters and digits\nserver_pin_due\t\n")
    );
}
