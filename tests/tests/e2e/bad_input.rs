//! What can be wrong: each time a sentence, an exit code of its own, and nothing lost. The rows about
//! enrollment stand in `enrollment.rs`, those about the vault in `vault.rs`.

use countersign_proto::agent::v1::Reason;
use countersign_tests::{Workspace, agent::Session, cli::Cli, stage::Stage};
use serde_json::Value;

const EVENT: &str = "otpauth://hotp/Forge:alice?secret=JBSWY3DPEHPK3PXP&counter=0";

#[test]
fn an_unknown_token() {
    let stage = Stage::new().unwrap();
    for words in [
        ["code", "nobody"].as_slice(),
        &["next", "nobody"],
        &["info", "nobody"],
        &["rename", "nobody", "somebody"],
        &["delete", "nobody", "--yes"],
        &["autosend", "off", "nobody"],
    ] {
        let said = stage.cli.refused(words, "", Reason::TokenUnknown).unwrap();
        assert!(said.stderr.contains("nobody"), "{said:?}");
    }
}

#[test]
fn an_unknown_login_request() {
    let stage = Stage::new().unwrap();
    for words in [
        ["approve"].as_slice(),
        &["deny"],
        &["approve", "00ff00ff"],
        &["deny", "00ff00ff"],
    ] {
        stage
            .cli
            .refused(words, "", Reason::LoginRequestUnknown)
            .unwrap();
    }
}

#[test]
fn a_token_of_another_mode() {
    let stage = Stage::new().unwrap();
    stage
        .enroll_string("time", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP")
        .unwrap();
    stage
        .cli
        .refused(&["next", "time"], "", Reason::WrongMode)
        .unwrap();
}

#[test]
fn a_name_that_is_taken() {
    let stage = Stage::new().unwrap();
    stage.enroll_string("one", EVENT).unwrap();
    let other = "otpauth://totp/x?secret=JBSWY3DPEHPK3PXA";
    stage
        .cli
        .refused(
            &["enroll", "--yes", "--name", "one", "-"],
            other,
            Reason::TokenNameTaken,
        )
        .unwrap();
    stage.enroll_string("two", other).unwrap();
    stage
        .cli
        .refused(&["rename", "two", "one"], "", Reason::TokenNameTaken)
        .unwrap();
}

#[test]
fn no_vault_yet() {
    let stage = Stage::without_vault().unwrap();
    stage
        .cli
        .refused(&["code", "any"], "", Reason::VaultAbsent)
        .unwrap();
    assert!(!stage.workspace.vault().exists(), "a question made a vault");
}

#[test]
fn a_locked_vault() {
    let stage = Stage::new().unwrap();
    stage.enroll_string("one", EVENT).unwrap();
    stage.cli.ask(&["lock"]).unwrap();
    let said = stage
        .cli
        .refused(&["code", "one"], "", Reason::VaultLocked)
        .unwrap();
    assert!(
        said.stderr.contains("countersign unlock"),
        "what to do is missing: {said:?}"
    );
    stage
        .cli
        .refused(
            &["unlock", "--passphrase-stdin"],
            "wrong\n",
            Reason::WrongPassphrase,
        )
        .unwrap();
    stage.unlock().unwrap();
    stage.cli.ask(&["code", "one"]).unwrap();
}

#[test]
fn no_agent() {
    let workspace = Workspace::new().unwrap();
    let cli = Cli::new(&Session::new(&workspace, None));
    cli.refused(&["status"], "", Reason::AgentNotRunning)
        .unwrap();
}

#[test]
fn errors_are_json_for_scripts() {
    let stage = Stage::new().unwrap();
    let said = stage
        .cli
        .refused(&["code", "nobody", "--json"], "", Reason::TokenUnknown)
        .unwrap();
    let error: Value = serde_json::from_str(&said.stderr).unwrap();
    assert_eq!(error["error"]["reason"], "token_unknown", "{error}");
}

#[test]
fn a_vault_is_never_made_twice() {
    let stage = Stage::new().unwrap();
    stage.enroll_string("one", EVENT).unwrap();
    stage
        .cli
        .refused(
            &["setup", "--passphrase-stdin"],
            "other\n",
            Reason::VaultExists,
        )
        .unwrap();
    stage.cli.ask(&["code", "one"]).unwrap();
}
