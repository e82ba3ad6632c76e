//! The ways in which the vault opens: listed, added, taken away.

use countersign_proto::agent::v1::{Reason, UnlockMode};
use serde_json::{Value, json};

use crate::{stage::Stage, typist::start_plain};

const CODE: &str = "7KQF-2M9X-0001";

#[test]
fn piped_each_command_gives_the_bare_answer_and_nothing_else() {
    for (arguments, input, bare, calls) in [
        (
            ["vault", "slot", "list"].as_slice(),
            "",
            "1\tsecret_service\tyes\n3\tpassphrase\tno\n",
            ["slots"].as_slice(),
        ),
        (
            &["vault", "slot", "add", "tpm", "--passphrase-stdin"],
            "some words\nnot read\n",
            "4\n",
            &["status", "add Tpm [some words] [] []"],
        ),
        (
            &["vault", "slot", "add", "passphrase", "--passphrase-stdin"],
            "old words\nnew words\n",
            "4\n",
            &["status", "add Passphrase [old words] [] [new words]"],
        ),
        (
            &[
                "vault",
                "slot",
                "add",
                "passphrase",
                "--passphrase-stdin",
                "--recovery",
            ],
            "7KQF\nnew words\n",
            "4\n",
            &["status", "add Passphrase [] [7KQF] [new words]"],
        ),
        (
            &["vault", "slot", "add", "secret-service"],
            "",
            "4\n",
            &["status", "add SecretService [] [] []"],
        ),
        (
            &["vault", "slot", "add", "recovery-code"],
            "",
            "7KQF-2M9X-0001\n",
            &["status", "add RecoveryCode [] [] []"],
        ),
        (
            &["vault", "slot", "add", "credential"],
            "",
            "4\n",
            &["status", "add Credential [] [] []"],
        ),
        (
            &["vault", "slot", "remove", "3", "--yes"],
            "",
            "",
            &["status", "remove 3 [] []"],
        ),
        (
            &[
                "vault",
                "slot",
                "remove",
                "3",
                "--yes",
                "--passphrase-stdin",
            ],
            "some words\n",
            "",
            &["status", "remove 3 [some words] []"],
        ),
        (
            &[
                "vault",
                "slot",
                "remove",
                "3",
                "--yes",
                "--passphrase-stdin",
                "--recovery",
            ],
            "7KQF\n",
            "",
            &["status", "remove 3 [] [7KQF]"],
        ),
    ] {
        let stage = Stage::new();
        let said = stage.run_with(arguments, input);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments:?}");
        assert_eq!(said.out, bare, "{arguments:?}");
        assert_eq!(stage.calls(), calls, "{arguments:?}");
    }
}

#[test]
fn a_vault_that_opens_with_the_session_needs_no_current_secret() {
    let stage = Stage::new();
    stage.agent.script().status.unlock = UnlockMode::Session.into();
    let add = ["vault", "slot", "add", "passphrase", "--passphrase-stdin"];
    let said = stage.run_with(&add, "new words\n");
    assert_eq!((said.code, said.out.as_str()), (0, "4\n"), "{}", said.err);
    assert_eq!(
        stage.calls(),
        ["status", "add Passphrase [] [] [new words]"]
    );
}

#[test]
fn json_is_one_object_with_the_documented_fields() {
    let object = |arguments: &[&str]| -> Value {
        let said = Stage::new().run(arguments);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments:?}");
        serde_json::from_str(&said.out).unwrap()
    };
    assert_eq!(
        object(&["vault", "slot", "list", "--json"]),
        json!({"slots": [
            {"id": "1", "kind": "secret_service", "pin": true},
            {"id": "3", "kind": "passphrase", "pin": false},
        ]})
    );
    assert_eq!(
        object(&["vault", "slot", "add", "tpm", "--json"]),
        json!({"slot": {"id": "4", "kind": "tpm", "pin": false}, "recovery_code": null})
    );
    assert_eq!(
        object(&["vault", "slot", "add", "recovery-code", "--json"]),
        json!({
            "slot": {"id": "4", "kind": "recovery_code", "pin": false},
            "recovery_code": CODE,
        })
    );
    assert_eq!(
        object(&["vault", "slot", "remove", "3", "--yes", "--json"]),
        json!({"removed": "3"})
    );
}

#[test]
fn a_recovery_code_is_shown_by_the_command_that_makes_it_and_by_no_other() {
    let stage = Stage::new();
    stage.agent.script().keyring = true;
    let made = stage.run(&["vault", "slot", "add", "recovery-code"]);
    assert_eq!(made.out.matches(CODE).count(), 1);
    for arguments in [
        ["status"].as_slice(),
        &["vault", "slot", "list"],
        &["vault", "slot", "add", "tpm"],
        &["vault", "slot", "remove", "3", "--yes"],
        &["setup"],
        &["unlock"],
        &["pin", "change"],
        &["log"],
    ] {
        for json in [false, true] {
            let mut arguments = arguments.to_vec();
            if json {
                arguments.push("--json");
            }
            let said = stage.run(&arguments);
            assert_eq!(said.code, 0, "{arguments:?}: {}", said.err);
            assert!(!said.out.contains(CODE), "{arguments:?}");
            assert!(!said.err.contains(CODE), "{arguments:?}");
        }
    }
}

#[test]
fn a_person_sees_the_new_code_set_apart_and_how_to_keep_it() {
    let stage = Stage::new();
    let add = ["vault", "slot", "add", "recovery-code"];
    let (code, screen) = start_plain(&stage, &add).ends();
    assert_eq!(code, 0);
    assert_eq!(
        screen.replace("\r\n", "\n"),
        concat!(
            "\n",
            "  ┌──────────────────┐\n",
            "  │  Recovery code   │\n",
            "  │  7KQF-2M9X-0001  │\n",
            "  └──────────────────┘\n",
            "\n",
            "  Write it on paper and keep that away from this computer, not on this\n",
            "  disk. It opens the vault when nothing else does. It is not shown again.\n",
        )
    );
}

#[test]
fn what_proves_it_and_what_is_new_are_typed_where_there_is_no_dialog() {
    let stage = Stage::new();
    stage.without_dialog(1);
    stage.refuses(Reason::WrongPassphrase, "The passphrase is wrong.", Some(3));
    let mut typist = start_plain(&stage, &["vault", "slot", "add", "passphrase"]);
    typist.sees("Passphrase of the vault: ");
    assert!(!typist.echo());
    typist.types("bad words\n");
    typist.sees("New passphrase: ");
    typist.types("new words\n");
    typist.sees("The same passphrase again: ");
    typist.types("new words\n");
    typist.sees("The passphrase is wrong (3 tries left).");
    typist.sees("Passphrase of the vault: ");
    typist.types("old words\n");
    typist.sees("Added. The vault opens with the passphrase too (slot 4).");
    assert_eq!(typist.ends().0, 0);
    assert_eq!(
        stage.calls(),
        [
            "status",
            "add Passphrase [] [] []",
            "add Passphrase [bad words] [] [new words]",
            "add Passphrase [old words] [] [new words]",
        ]
    );
}

#[test]
fn the_printed_code_proves_it_too_and_the_new_passphrase_comes_in_a_dialog() {
    let stage = Stage::new();
    let add = ["vault", "slot", "add", "passphrase", "--recovery"];
    let mut typist = start_plain(&stage, &add);
    typist.sees("Recovery code: ");
    assert!(!typist.echo());
    typist.types("7KQF\n");
    typist.sees("Added.");
    assert_eq!(typist.ends().0, 0);
    assert_eq!(stage.calls(), ["status", "add Passphrase [] [7KQF] []"]);

    let said = stage.run(&add);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("--passphrase-stdin"), "{}", said.err);
}

#[test]
fn a_removal_is_asked_for_with_what_is_removed() {
    for (keys, code, removed) in [("y\n", 0, true), ("n\n", 88, false), ("\n", 88, false)] {
        let stage = Stage::new();
        let mut typist = start_plain(&stage, &["vault", "slot", "remove", "3"]);
        typist.sees("Remove slot 3? The vault will no longer open with the passphrase. [y/N] ");
        typist.types(keys);
        assert_eq!(typist.ends().0, code);
        assert_eq!(
            stage.calls().contains(&"remove 3 [] []".to_owned()),
            removed
        );
    }
}

#[test]
fn a_removal_without_a_yes_or_of_what_is_not_there_is_refused() {
    let stage = Stage::new();
    let said = stage.run(&["vault", "slot", "remove", "3"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert_eq!(stage.calls(), Vec::<String>::new());
    let (code, screen) = start_plain(&stage, &["vault", "slot", "remove", "9"]).ends();
    assert_eq!(code, 34);
    assert!(screen.contains("The vault has no slot 9."), "{screen}");
}

#[test]
fn refusals_have_their_exit_codes() {
    for (reason, code) in [
        (Reason::SlotUnknown, 34),
        (Reason::TpmUnavailable, 35),
        (Reason::KeySourceAbsent, 23),
    ] {
        for arguments in [
            ["vault", "slot", "add", "tpm"].as_slice(),
            &["vault", "slot", "remove", "3", "--yes"],
        ] {
            let stage = Stage::new();
            stage.refuses(reason, "It was refused.", None);
            assert_eq!(stage.run(arguments).code, code, "{arguments:?}");
        }
    }
}

#[test]
fn the_ways_are_listed_with_what_they_take() {
    let stage = Stage::new();
    let (_, screen) = start_plain(&stage, &["vault", "slot", "list"]).ends();
    assert_eq!(
        screen.replace("\r\n", "\n"),
        concat!(
            "ID  OPENS WITH      TAKES\n",
            "1   Secret Service  your PIN\n",
            "3   passphrase      your passphrase\n",
        )
    );
    stage.agent.script().slots.clear();
    let (_, screen) = start_plain(&stage, &["vault", "slot", "list"]).ends();
    assert!(screen.contains("There is no vault yet."), "{screen}");
}
