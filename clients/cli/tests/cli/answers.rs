//! Every command without a terminal: the bare answer, the JSON object, what the agent was asked.

use std::{fs::File, process::Stdio};

use countersign_proto::agent::v1::{LoginRequestState, OtpMode};
use serde_json::{Value, json};

use crate::{
    samples::{login_request, token},
    stage::{PROGRAM, Stage},
};

const ID: &str = "00112233445566778899aabbccddeeff";

fn answer(arguments: &[&str], input: &str) -> (String, Vec<String>) {
    let stage = Stage::new();
    stage.agent.script().requests = vec![login_request(ID, "Example Portal")];
    let said = stage.run_with(arguments, input);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments:?}");
    (said.out, stage.calls())
}

fn object(arguments: &[&str], input: &str) -> Value {
    let stage = Stage::new();
    stage.agent.script().requests = vec![login_request(ID, "Example Portal")];
    let mut arguments = arguments.to_vec();
    arguments.push("--json");
    let said = stage.run_with(&arguments, input);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments:?}");
    assert_eq!(said.out.lines().count(), 1, "{}", said.out);
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn piped_each_command_gives_the_bare_answer_and_nothing_else() {
    let line = format!("{ID}\tpending\tExample Portal\talice\t203.0.113.7\t55000\tWork\n");
    for (arguments, input, bare, call) in [
        (
            ["code", "Work"].as_slice(),
            "",
            "755224\n",
            "passcode Work Unspecified  ",
        ),
        (&["next", "Work"], "", "755224\n", "passcode Work Next  "),
        (
            &["code", "Work", "--challenge", "00 11", "--pin-stdin"],
            "246810\nnot read\n",
            "755224\n",
            "passcode Work Unspecified 00 11 246810",
        ),
        (
            &["list"],
            "",
            "Work\ttime\tCS01\tactive\tyes\ton\tgateway.example:8443\t7\n",
            "list",
        ),
        (
            &["requests"],
            "",
            &line,
            "requests history=false check=false",
        ),
        (
            &["requests", "--history", "--check"],
            "",
            &line,
            "requests history=true check=true",
        ),
        (
            &["approve"],
            "",
            "logged_in\n",
            "answer  Approve   newest=false",
        ),
        (
            &["approve", "0011", "--number", "42", "--pin-stdin"],
            "1234",
            "logged_in\n",
            "answer 0011 Approve 42 1234 newest=false",
        ),
        (&["autosend", "off"], "", "", "autosend false "),
        (&["autosend", "on", "Work"], "", "", "autosend true Work"),
        (
            &["rename", "Work", "Office"],
            "",
            "Office\n",
            "rename Work Office",
        ),
        (&["delete", "Work", "--yes"], "", "", "delete Work"),
        (
            &["setup", "--passphrase-stdin"],
            "some words\n",
            "",
            "setup Passphrase Unspecified some words",
        ),
        (
            &[
                "setup",
                "--vault-key",
                "secret-service",
                "--unlock",
                "session",
            ],
            "",
            "",
            "setup SecretService Session ",
        ),
        (&["unlock"], "", "", "unlock "),
        (
            &["unlock", "--passphrase-stdin"],
            "some words\r\n",
            "",
            "unlock some words",
        ),
        (&["lock"], "", "", "lock"),
        (
            &["log", "--limit", "5"],
            "",
            "2026-11-24T02:38:27.123Z\tpasscode_generated\tWork\tA passcode was generated.\n",
            "events 5",
        ),
    ] {
        let (out, calls) = answer(arguments, input);
        assert_eq!(out, bare, "{arguments:?}");
        assert_eq!(calls, [call], "{arguments:?}");
    }
}

#[test]
fn denied_and_reported_requests_say_so() {
    for (arguments, verdict) in [
        (["deny"].as_slice(), "Deny"),
        (&["deny", "--report"], "Report"),
    ] {
        let stage = Stage::new();
        stage.agent.script().outcome = LoginRequestState::Denied;
        let said = stage.run(arguments);
        assert_eq!((said.code, said.out.as_str()), (0, "denied\n"));
        assert_eq!(stage.calls(), [format!("answer  {verdict}   newest=false")]);
    }
}

#[test]
fn json_is_one_object_with_the_documented_fields() {
    assert_eq!(
        object(&["code", "Work"], ""),
        json!({"passcode": "755224", "token": "Work", "mode": "time", "valid_for_ms": 17500, "period": 30, "clock_offset_ms": null})
    );
    let listed = object(&["list"], "");
    assert_eq!(listed["tokens"][0]["id"], "7", "ids are strings");
    assert_eq!(object(&["info", "Work"], ""), listed["tokens"][0]);
    assert_eq!(object(&["requests"], "")["requests"][0]["id"], ID);
    assert_eq!(object(&["log"], "")["events"][0]["id"], "12");
    assert_eq!(object(&["approve"], "")["state"], "logged_in");
    assert_eq!(object(&["status"], "")["vault"], "unlocked");
    assert_eq!(
        object(&["autosend", "off"], ""),
        json!({"autosend": false, "token": null})
    );
    assert_eq!(
        object(&["rename", "Work", "Office"], "")["token"]["name"],
        "Office"
    );
    assert_eq!(
        object(&["delete", "Work", "--yes"], ""),
        json!({"deleted": "Work"})
    );
    assert_eq!(
        object(&["setup", "--passphrase-stdin"], "some words\n"),
        json!({"vault_key": "passphrase", "unlock": "pin", "recovery_code": null})
    );
    assert_eq!(
        object(&["unlock"], ""),
        json!({"vault": "unlocked", "was_unlocked": false})
    );
    assert_eq!(object(&["lock"], ""), json!({"vault": "locked"}));
    let enrolled = object(&["enroll", "--yes", "-"], "the string");
    assert_eq!(enrolled["token"]["name"], "Example");
    assert_eq!(enrolled["vault_created"], false);
}

#[test]
fn json_of_other_modes_has_the_same_keys() {
    let stage = Stage::new();
    stage.agent.script().mode = OtpMode::Event;
    let said = stage.run(&["next", "Work", "--json"]);
    assert_eq!(
        serde_json::from_str::<Value>(&said.out).unwrap(),
        json!({"passcode": "755224", "token": "Work", "mode": "event", "valid_for_ms": null, "period": null, "clock_offset_ms": null})
    );
}

#[test]
fn a_watch_gives_the_snapshot_and_then_each_change_a_line() {
    let stage = Stage::new();
    stage.agent.script().requests = vec![login_request(ID, "Example Portal")];
    let said = stage.run(&["requests", "--watch", "--json"]);
    let lines: Vec<Value> = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["requests"][0]["state"], "pending");
    assert_eq!(lines[1]["changed"]["state"], "logged_in");
    assert_eq!(said.code, 10, "the agent ended it");
}

#[test]
fn an_enrollment_needs_a_yes_and_says_so() {
    let stage = Stage::new();
    let said = stage.run_with(&["enroll", "-"], "the string\n");
    assert_eq!((said.code, said.out.as_str()), (64, ""));
    assert!(said.err.contains("gateway.example:8443"), "{}", said.err);
    assert!(said.err.contains("hint: Add --yes"), "{}", said.err);
    assert_eq!(
        stage.calls(),
        ["inspect the string"],
        "nothing was enrolled"
    );
}

#[test]
fn yes_accepts_the_host_that_would_be_shown_and_the_offered_name() {
    let stage = Stage::new();
    let said = stage.run_with(&["enroll", "--yes"], "  \nthe string\n\n");
    assert_eq!((said.code, said.out.as_str()), (0, "Example\n"));
    assert_eq!(
        stage.calls()[1].trim_start_matches("enroll").trim(),
        "the string Example gateway.example:8443"
    );
}

#[test]
fn a_string_as_an_argument_works_and_warns() {
    let stage = Stage::new();
    let said = stage.run(&["enroll", "--yes", "--name", "Office", "Zm9vYmFy"]);
    assert_eq!((said.code, said.out.as_str()), (0, "Office\n"));
    assert!(said.err.starts_with("warning: Other users"), "{}", said.err);
    assert!(!said.err.contains("Zm9vYmFy"));
}

#[test]
fn a_deletion_without_a_yes_is_refused_before_anything_is_asked() {
    let stage = Stage::new();
    let said = stage.run(&["delete", "Work"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert_eq!(stage.calls(), Vec::<String>::new());
}

#[test]
fn several_requests_need_an_id() {
    let stage = Stage::new();
    stage.agent.script().requests = vec![login_request(ID, "A"), login_request(ID, "B")];
    let said = stage.run(&["approve"]);
    assert_eq!((said.code, said.out.as_str()), (83, ""));
    assert!(said.err.contains("hint: Say which one"), "{}", said.err);
}

#[test]
fn hostile_names_reach_no_terminal_and_no_other_field() {
    let stage = Stage::new();
    let hostile = "Work\u{1b}]0;owned\u{7}\n1\t2\u{202e}\u{9b}2J";
    stage.agent.script().tokens = vec![token(hostile)];
    let said = stage.run(&["list"]);
    assert_eq!(said.out.lines().count(), 1);
    assert_eq!(said.out.split('\t').count(), 8);
    for dangerous in ['\u{1b}', '\u{7}', '\u{202e}', '\u{9b}'] {
        assert!(!said.out.contains(dangerous));
    }
    let said = stage.run(&["list", "--json"]);
    assert!(
        said.out
            .chars()
            .all(|letter| letter == '\n' || !letter.is_control())
    );
    let listed: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        listed["tokens"][0]["name"], hostile,
        "and the name is exact"
    );
}

#[test]
fn a_reader_that_has_gone_is_no_failure_and_a_full_disk_is_one() {
    let stage = Stage::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let gone = stage
        .place
        .command(PROGRAM)
        .arg("list")
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(
        (gone.status.code(), gone.stderr.as_slice()),
        (Some(0), b"".as_slice())
    );

    let full = stage
        .place
        .command(PROGRAM)
        .arg("list")
        .stdin(Stdio::null())
        .stdout(File::options().write(true).open("/dev/full").unwrap())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(full.status.code(), Some(1));
    let said = String::from_utf8(full.stderr).unwrap();
    assert!(said.contains("could not be written"), "{said}");
}

#[test]
fn help_version_and_completions_need_no_agent() {
    let place = crate::stage::Place::new();
    for arguments in [
        ["--help"].as_slice(),
        &["--version"],
        &["help", "code"],
        &["completions", "bash"],
        &["completions", "fish"],
        &["completions", "zsh"],
    ] {
        let said = place.run_with(arguments, "");
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments:?}");
        assert!(said.out.contains("countersign"));
    }
}
