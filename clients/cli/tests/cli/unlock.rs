//! Unlocking: the agent first, the terminal second, the printed code last.

use countersign_proto::agent::v1::{Reason, UnlockMode, VaultKey};

use crate::{stage::Stage, typist::start_plain};

#[test]
fn a_keyring_or_a_dialog_is_enough() {
    let stage = Stage::new();
    let (code, screen) = start_plain(&stage, &["unlock"]).ends();
    assert_eq!((code, screen.as_str()), (0, "The vault is unlocked.\r\n"));
    assert_eq!(stage.calls(), ["unlock "], "nothing else is asked");
}

#[test]
fn a_wrong_passphrase_is_asked_for_again() {
    let stage = Stage::new();
    stage.agent.script().passphrase = Some("some words");
    let mut typist = start_plain(&stage, &["unlock"]);
    typist.sees("Passphrase of the vault: ");
    typist.types("other words\n");
    typist.sees("The passphrase is wrong (4 tries left).");
    typist.sees("Passphrase of the vault: ");
    assert!(!typist.echo());
    typist.types("some words\n");
    typist.sees("The vault is unlocked.");
    assert_eq!(typist.ends().0, 0);
    assert_eq!(
        stage.calls(),
        [
            "unlock ",
            "status",
            "unlock other words",
            "unlock some words"
        ]
    );
}

#[test]
fn too_many_tries_are_said_in_the_agents_words() {
    let stage = Stage::new();
    stage.agent.script().status.slots = vec![VaultKey::Tpm.into()];
    stage.without_dialog(1);
    stage.refuses(
        Reason::TooManyTries,
        "Too many wrong PINs; the next one counts in 4 minutes.",
        None,
    );
    let mut typist = start_plain(&stage, &["unlock"]);
    typist.sees("PIN of the vault: ");
    typist.types("246810\n");
    typist.sees("countersign: Too many wrong PINs; the next one counts in 4 minutes.");
    assert_eq!(typist.ends().0, 33);
}

#[test]
fn a_keyring_that_is_gone_leaves_the_passphrase_if_there_is_one() {
    for (slots, code) in [
        (
            [VaultKey::SecretService, VaultKey::Passphrase].as_slice(),
            0,
        ),
        (&[VaultKey::SecretService], 24),
    ] {
        let stage = Stage::new();
        {
            let mut script = stage.agent.script();
            script.status.unlock = UnlockMode::Session.into();
            script.status.slots = slots.iter().map(|slot| i32::from(*slot)).collect();
        }
        stage.refuses(Reason::KeySourceLocked, "The keyring is locked.", None);
        let mut typist = start_plain(&stage, &["unlock"]);
        if code == 0 {
            typist.sees("Passphrase of the vault: ");
            typist.types("some words\n");
        }
        assert_eq!(typist.ends().0, code);
    }
}

#[test]
fn the_recovery_code_is_asked_for_at_once_and_again_if_it_is_wrong() {
    let stage = Stage::new();
    stage.agent.script().passphrase = Some("7KQF-2M9X");
    let mut typist = start_plain(&stage, &["unlock", "--recovery"]);
    typist.sees("Recovery code: ");
    assert!(!typist.echo());
    typist.types("7kqf\n");
    typist.sees("is wrong (4 tries left).");
    typist.sees("Recovery code: ");
    typist.types("7KQF-2M9X\n");
    typist.sees("The vault is unlocked.");
    assert_eq!(typist.ends().0, 0);
    assert_eq!(
        stage.calls(),
        ["unlock-recovery 7kqf", "unlock-recovery 7KQF-2M9X"]
    );
}

#[test]
fn without_a_terminal_the_recovery_code_comes_from_standard_input() {
    let stage = Stage::new();
    let said = stage.run(&["unlock", "--recovery"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("--passphrase-stdin"), "{}", said.err);
    assert_eq!(stage.calls(), Vec::<String>::new());
    let said = stage.run_with(
        &["unlock", "--recovery", "--passphrase-stdin"],
        "7KQF 2M9X\r\nmore\n",
    );
    assert_eq!((said.code, said.out.as_str()), (0, ""));
    assert_eq!(stage.calls(), ["unlock-recovery 7KQF 2M9X"]);
}
