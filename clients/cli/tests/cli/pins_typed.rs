//! PINs on a terminal: the agent's dialog first, then what is typed here.

use countersign_proto::agent::v1::{Reason, UnlockMode, VaultKey};

use crate::{
    stage::Stage,
    typist::{Typist, start_plain},
};

/// Sees a question for a secret, and types it unseen.
fn answers(typist: &mut Typist, question: &str, secret: &str) {
    typist.sees(question);
    assert!(!typist.echo(), "{question}");
    typist.types(&format!("{secret}\n"));
}

#[test]
fn a_dialog_of_the_agent_is_enough() {
    let stage = Stage::new();
    let (code, screen) = start_plain(&stage, &["pin", "change", "Work"]).ends();
    assert_eq!(
        (code, screen.as_str()),
        (0, "The PIN of Work is changed.\r\n")
    );
    assert_eq!(stage.calls(), ["change Work [] []"]);
}

#[test]
fn without_a_dialog_the_current_pin_is_typed_once_and_the_new_one_twice() {
    let stage = Stage::new();
    stage.agent.script().tokens[0].pin_rules = "6 to 64 letters and digits".to_owned();
    stage.without_dialog(1);
    let mut typist = start_plain(&stage, &["pin", "change", "Work"]);
    answers(&mut typist, "Current PIN of Work: ", "old");
    typist.sees("The new PIN: 6 to 64 letters and digits.");
    answers(&mut typist, "New PIN: ", "one");
    answers(&mut typist, "The same PIN again: ", "two");
    typist.sees("These are not the same.");
    answers(&mut typist, "New PIN: ", "246810");
    answers(&mut typist, "The same PIN again: ", "246810");
    let (code, screen) = typist.ends();
    assert_eq!(code, 0);
    assert!(
        screen.ends_with("The PIN of Work is changed.\r\n"),
        "{screen}"
    );
    assert!(!screen.contains("246810"), "{screen}");
    assert_eq!(
        stage.calls(),
        [
            "change Work [] []",
            "describe Work",
            "change Work [old] [246810]"
        ]
    );
}

#[test]
fn after_a_reset_the_current_pin_is_not_asked_for() {
    let stage = Stage::new();
    stage.agent.script().tokens[0].server_pin_due = true;
    stage.without_dialog(1);
    let mut typist = start_plain(&stage, &["pin", "change", "Work"]);
    answers(&mut typist, "New PIN: ", "Amsel99");
    answers(&mut typist, "The same PIN again: ", "Amsel99");
    let (code, screen) = typist.ends();
    assert_eq!(code, 0);
    assert!(!screen.contains("Current PIN"), "{screen}");
}

#[test]
fn a_wrong_pin_is_asked_for_again_and_a_bad_new_one_too_and_nothing_twice() {
    let stage = Stage::new();
    stage.without_dialog(1);
    stage.refuses(Reason::PinWrong, "The PIN is wrong.", Some(2));
    stage.refuses(
        Reason::PinMalformed,
        "A PIN has 6 to 64 letters and digits.",
        None,
    );
    let mut typist = start_plain(&stage, &["pin", "change", "Work"]);
    answers(&mut typist, "Current PIN of Work: ", "bad");
    answers(&mut typist, "New PIN: ", "1");
    answers(&mut typist, "The same PIN again: ", "1");
    typist.sees("The PIN is wrong (2 tries left).");
    answers(&mut typist, "Current PIN of Work: ", "old");
    typist.sees("A PIN has 6 to 64 letters and digits.");
    answers(&mut typist, "New PIN: ", "246810");
    answers(&mut typist, "The same PIN again: ", "246810");
    assert_eq!(typist.ends().0, 0);
    assert_eq!(
        stage.calls()[2..],
        [
            "change Work [bad] [1]",
            "change Work [old] [1]",
            "change Work [old] [246810]"
        ]
    );
}

#[test]
fn what_went_wrong_in_a_dialog_is_not_asked_for_here() {
    for (reason, code) in [
        (Reason::PinWrong, 48),
        (Reason::PinMalformed, 52),
        (Reason::Cancelled, 88),
        (Reason::TooManyTries, 33),
        (Reason::Deadline, 14),
    ] {
        for arguments in [
            ["pin", "change", "Work"].as_slice(),
            &["biometric", "on"],
            &["code", "Work"],
            &["unlock"],
            &["vault", "slot", "add", "passphrase"],
        ] {
            let stage = Stage::new();
            stage.refuses(reason, "That was that.", None);
            let (ended, screen) = start_plain(&stage, arguments).ends();
            assert_eq!(ended, code, "{arguments:?}");
            assert!(screen.contains("countersign: That was that."), "{screen}");
        }
    }
}

#[test]
fn the_pin_of_the_vault_is_called_what_it_is() {
    use VaultKey::{Passphrase, SecretService, Tpm};
    for (unlock, slots, current, new, done) in [
        (
            UnlockMode::Session,
            [SecretService].as_slice(),
            None,
            "New PIN: ",
            "The PIN is set. `countersign unlock` asks for it from now on.",
        ),
        (
            UnlockMode::Pin,
            &[Tpm],
            Some("Current PIN of the vault: "),
            "New PIN: ",
            "The PIN is changed. The vault opens with the new one.",
        ),
        (
            UnlockMode::Pin,
            &[Passphrase],
            Some("Current passphrase of the vault: "),
            "New passphrase: ",
            "The passphrase is changed. The vault opens with the new one.",
        ),
    ] {
        let stage = Stage::new();
        {
            let mut script = stage.agent.script();
            script.status.unlock = unlock.into();
            script.status.slots = slots.iter().map(|slot| i32::from(*slot)).collect();
        }
        stage.without_dialog(1);
        let mut typist = start_plain(&stage, &["pin", "change"]);
        if let Some(question) = current {
            answers(&mut typist, question, "old");
        }
        answers(&mut typist, new, "246810");
        answers(&mut typist, " again: ", "246810");
        typist.sees(done);
        assert_eq!(typist.ends().0, 0);
        let old = if current.is_some() { "old" } else { "" };
        assert_eq!(
            stage.calls(),
            [
                "status".to_owned(),
                "change  [] []".to_owned(),
                format!("change  [{old}] [246810]")
            ]
        );
    }
}

#[test]
fn a_finger_is_switched_on_with_the_pin() {
    let stage = Stage::new();
    stage.agent.script().pin = Some("246810");
    let mut typist = start_plain(&stage, &["biometric", "on", "Work"]);
    answers(&mut typist, "PIN of Work: ", "1");
    typist.sees("The PIN is wrong (2 tries left).");
    answers(&mut typist, "PIN of Work: ", "246810");
    typist.sees("Biometric is on for Work. A finger may stand for its PIN.");
    assert_eq!(typist.ends().0, 0);
}

#[test]
fn a_finger_is_switched_off_and_approvals_are_told_apart() {
    for (arguments, words) in [
        (
            ["biometric", "off", "Work"].as_slice(),
            "Biometric is off for Work. Only its PIN counts.",
        ),
        (
            &["biometric", "on"],
            "Biometric is on. A finger may unlock the vault and confirm approvals.",
        ),
        (
            &["biometric", "off"],
            "Biometric is off. Fingers neither unlock nor approve.",
        ),
        (
            &["pin", "ask", "Work", "every-time"],
            "The PIN of Work is asked for every time.",
        ),
    ] {
        let (code, screen) = start_plain(&Stage::new(), arguments).ends();
        assert_eq!(code, 0);
        assert_eq!(screen, format!("{words}\r\n"));
    }
}

#[test]
fn asking_less_often_takes_the_pin() {
    let stage = Stage::new();
    stage.agent.script().pin = Some("246810");
    let mut typist = start_plain(&stage, &["pin", "ask", "Work", "once-per-unlock"]);
    answers(&mut typist, "PIN of Work: ", "246810");
    typist.sees("The PIN of Work is asked for once after each unlocking.");
    assert_eq!(typist.ends().0, 0);
    assert_eq!(
        stage.calls(),
        [
            "asking Work OncePerUnlock []",
            "asking Work OncePerUnlock [246810]"
        ]
    );
}

#[test]
fn the_last_wrong_pin_ends_it() {
    let stage = Stage::new();
    stage.refuses(Reason::PinRequired, "The token needs its PIN.", None);
    stage.refuses(Reason::PinWrong, "The PIN is wrong.", Some(1));
    stage.refuses(
        Reason::PinExhausted,
        "Too many wrong PINs: the token is erased.",
        None,
    );
    let mut typist = start_plain(&stage, &["code", "Work"]);
    answers(&mut typist, "PIN of Work: ", "1");
    typist.sees("(1 try left).");
    answers(&mut typist, "PIN of Work: ", "2");
    typist.sees("Too many wrong PINs: the token is erased.");
    assert_eq!(typist.ends().0, 49);
}

#[test]
fn a_question_is_ended_by_control_d_and_control_c() {
    for (keys, code) in [("\u{4}", 88), ("\u{3}", 130)] {
        let stage = Stage::new();
        stage.without_dialog(1);
        let mut typist = start_plain(&stage, &["pin", "change", "Work"]);
        typist.sees("Current PIN of Work: ");
        typist.types(keys);
        assert_eq!(typist.echo_after_end(), (code, true));
        assert!(!stage.calls().iter().any(|call| call.contains("[o")));
    }
}

#[test]
fn a_refusal_that_repeats_itself_after_a_pin_is_not_asked_about_for_ever() {
    let stage = Stage::new();
    stage.without_dialog(2);
    let mut typist = start_plain(&stage, &["biometric", "on"]);
    answers(&mut typist, "PIN or passphrase of the vault: ", "246810");
    assert_eq!(typist.ends().0, 51);
}
