//! Making the vault: by words on the command line, and by what a person chooses.

use countersign_proto::agent::v1::{Reason, VaultState};
use serde_json::{Value, json};

use crate::{
    stage::Stage,
    typist::{Typist, start_plain},
};

const CODE: &str = "7KQF-2M9X-0001";
const CHOOSE: &str = "empty: it opens with your session): ";

fn without_vault(keyring: bool) -> Stage {
    let stage = Stage::new();
    {
        let mut script = stage.agent.script();
        script.status.vault = VaultState::Absent.into();
        script.status.slots.clear();
        script.keyring = keyring;
    }
    stage
}

fn types_twice(typist: &mut Typist, question: &str, secret: &str) {
    typist.sees(question);
    assert!(!typist.echo());
    typist.types(&format!("{secret}\n"));
    typist.sees(" again: ");
    assert!(!typist.echo());
    typist.types(&format!("{secret}\n"));
}

#[test]
fn words_on_the_command_line_say_it_all() {
    for (arguments, input, call) in [
        (
            ["setup", "--passphrase-stdin"].as_slice(),
            "some words\n",
            "setup Passphrase Unspecified some words",
        ),
        (
            &["setup", "--passphrase-stdin", "--recovery-code"],
            "some words\n",
            "setup Passphrase Unspecified some words recovery-code",
        ),
        (
            &["setup", "--unlock", "pin", "--passphrase-stdin"],
            "246810\n",
            "setup Unspecified Pin 246810",
        ),
        (
            &["setup", "--vault-key", "tpm", "--passphrase-stdin"],
            "246810\n",
            "setup Tpm Pin 246810",
        ),
        (
            &[
                "setup",
                "--vault-key",
                "credential",
                "--unlock",
                "pin",
                "--passphrase-stdin",
            ],
            "246810\n",
            "setup Credential Pin 246810",
        ),
        (&["setup"], "", "setup Unspecified Unspecified "),
        (
            &["setup", "--vault-key", "tpm", "--recovery-code"],
            "",
            "setup Tpm Unspecified  recovery-code",
        ),
    ] {
        let stage = without_vault(true);
        let said = stage.run_with(arguments, input);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments:?}");
        assert_eq!(stage.calls(), [call], "{arguments:?}");
        let code = if arguments.contains(&"--recovery-code") {
            "7KQF-2M9X-0001\n"
        } else {
            ""
        };
        assert_eq!(said.out, code, "{arguments:?}");
    }
}

#[test]
fn the_recovery_code_is_in_the_json_object_where_it_was_asked_for() {
    let stage = without_vault(true);
    let said = stage.run(&["setup", "--recovery-code", "--json"]);
    assert_eq!(
        serde_json::from_str::<Value>(&said.out).unwrap(),
        json!({"vault_key": "secret_service", "unlock": "session", "recovery_code": CODE})
    );
}

#[test]
fn a_person_chooses_a_pin_and_gets_a_recovery_code() {
    let stage = without_vault(true);
    let mut typist = start_plain(&stage, &["setup"]);
    typist.sees("A PIN keeps your tokens");
    types_twice(&mut typist, CHOOSE, "246810");
    typist.sees("Print a recovery code now? [Y/n] ");
    assert!(typist.echo());
    typist.types("\n");
    typist.sees("The vault is made. Its key: Secret Service.");
    let (code, screen) = typist.ends();
    assert_eq!(code, 0);
    assert_eq!(screen.matches(CODE).count(), 1);
    assert!(!screen.contains("246810"), "{screen}");
    assert_eq!(
        stage.calls(),
        ["status", "setup Unspecified Pin 246810 recovery-code"]
    );
}

#[test]
fn an_empty_line_lets_it_open_with_the_session() {
    let stage = without_vault(true);
    let mut typist = start_plain(&stage, &["setup", "--vault-key", "tpm"]);
    typist.sees(CHOOSE);
    typist.types("\n");
    typist.sees("Print a recovery code now? [Y/n] ");
    typist.types("n\n");
    typist.sees("It opens with your session; no PIN is asked.");
    let (code, screen) = typist.ends();
    assert_eq!(code, 0);
    assert!(!screen.contains(CODE), "{screen}");
    assert_eq!(stage.calls(), ["status", "setup Tpm Session "]);
}

#[test]
fn a_pin_that_the_rules_do_not_allow_is_chosen_again() {
    let stage = without_vault(true);
    stage.refuses(
        Reason::PinMalformed,
        "A PIN has 6 characters or more.",
        None,
    );
    let mut typist = start_plain(&stage, &["setup", "--recovery-code"]);
    types_twice(&mut typist, CHOOSE, "1234");
    typist.sees("A PIN has 6 characters or more.");
    types_twice(&mut typist, "New PIN: ", "246810");
    typist.sees(CODE);
    assert_eq!(typist.ends().0, 0);
    assert_eq!(
        stage.calls()[1..],
        [
            "setup Unspecified Pin 1234 recovery-code",
            "setup Unspecified Pin 246810 recovery-code"
        ]
    );
}

#[test]
fn a_new_passphrase_is_asked_for_twice_where_no_keyring_answers() {
    let stage = without_vault(false);
    let mut typist = start_plain(&stage, &["setup"]);
    typist.sees(CHOOSE);
    typist.types("\n");
    typist.sees("[Y/n] ");
    typist.types("no\n");
    typist.sees("No Secret Service answers, so a passphrase will protect the vault.");
    typist.sees("New passphrase: ");
    typist.types("one\n");
    typist.sees("The same passphrase again: ");
    typist.types("two\n");
    typist.sees("These are not the same.");
    types_twice(&mut typist, "New passphrase: ", "some words");
    typist.sees("The vault is made.");
    assert_eq!(typist.ends().0, 0);
    assert_eq!(
        stage.calls(),
        [
            "status",
            "setup Unspecified Session ",
            "setup Passphrase Unspecified some words"
        ]
    );
}

#[test]
fn a_passphrase_is_asked_for_where_config_toml_wants_one() {
    let stage = without_vault(false);
    stage.refuses(Reason::PinRequired, "The vault needs a passphrase.", None);
    let mut typist = start_plain(&stage, &["setup", "--recovery-code"]);
    typist.sees(CHOOSE);
    typist.types("\n");
    types_twice(&mut typist, "New passphrase: ", "some words");
    typist.sees(CODE);
    assert_eq!(typist.ends().0, 0);
    assert_eq!(
        stage.calls()[2],
        "setup Passphrase Unspecified some words recovery-code"
    );
}

#[test]
fn words_leave_nothing_to_be_asked() {
    let stage = without_vault(true);
    let (code, _) = start_plain(&stage, &["setup", "--unlock", "session"]).ends();
    assert_eq!(code, 0);
    assert_eq!(stage.calls(), ["status", "setup Unspecified Session "]);

    let stage = without_vault(true);
    let mut typist = start_plain(&stage, &["setup", "--unlock", "pin", "--recovery-code"]);
    types_twice(&mut typist, "New PIN: ", "246810");
    assert_eq!(typist.ends().0, 0);
}

#[test]
fn a_vault_that_is_there_is_refused_before_anything_is_asked() {
    let stage = Stage::new();
    stage.refuses(Reason::VaultExists, "There is a vault already.", None);
    let (code, screen) = start_plain(&stage, &["setup"]).ends();
    assert_eq!(code, 29);
    assert!(!screen.contains("Choose a PIN"), "{screen}");
}

#[test]
fn a_passphrase_needs_somebody_to_type_it() {
    let stage = without_vault(true);
    let said = stage.run(&["setup", "--vault-key", "passphrase"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert_eq!(stage.calls(), Vec::<String>::new());
}
