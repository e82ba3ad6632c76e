//! PINs between agent, command line and gateway: of a token, of the vault, of the service, in the computation.

use std::{
    fs,
    path::{Path, PathBuf},
};

use countersign_proto::agent::v1::{LoginRequestState, Reason};
use countersign_tests::{
    PATIENCE,
    cli::Said,
    example_portal::ExamplePortal,
    gateway::GatewayProcess,
    portal::Portal,
    requests::RequestWatch,
    stage::{PASSPHRASE, Stage, USER},
    standin_notifications::now,
};
use serde_json::Value;

const NAME: &str = "Example";
const TOKEN_PIN: [&str; 17] = [
    "--mode",
    "event",
    "--push-level",
    "pin",
    "--pin",
    "token",
    "--pin-min",
    "6",
    "--pin-max",
    "8",
    "--pin-chars",
    "decimal",
    "--pin-tries",
    "3",
    "--biometric",
    "refused",
    "--push=on",
];
const PIN: &str = "73920518";
const WRONG: &str = "73920519";
const SERVER_PIN: &str = "Amsel4711x";
const NEXT_SERVER_PIN: &str = "Drossel0815y";
const APPROVE: [&str; 2] = ["approve", "--pin-stdin"];
const CODE: [&str; 3] = ["code", NAME, "--pin-stdin"];

/// Agent, gateway, and the user's login requests.
struct Cast {
    stage: Stage,
    gateway: GatewayProcess,
    requests: RequestWatch,
}

impl Cast {
    fn new() -> Self {
        let stage = Stage::new().unwrap();
        let gateway = stage.gateway().unwrap();
        let requests = stage.requests().unwrap();
        Self {
            stage,
            gateway,
            requests,
        }
    }

    /// With a token that has a PIN which the user chose.
    fn with(words: &[&str], pin: &str) -> Self {
        let cast = Self::new();
        let activation = cast.gateway.add_token(USER, words).unwrap();
        let enrolled = cast.enroll(&activation, pin);
        assert_eq!(enrolled.code, Some(0), "{enrolled:?}");
        cast.stage.wait_until_connected().unwrap();
        cast
    }

    fn enroll(&self, activation: &str, pin: &str) -> Said {
        let words = ["enroll", "--yes", "--name", NAME, "--pin-stdin", "-"];
        self.say(&words, &format!("{activation}\n{pin}"))
    }

    /// Runs the command line with one line of standard input, or several.
    fn say(&self, words: &[&str], line: &str) -> Said {
        self.stage
            .cli
            .say_with(words, &format!("{line}\n"))
            .unwrap()
    }

    fn ask(&self, words: &[&str], line: &str) -> String {
        self.stage
            .cli
            .ask_with(words, &format!("{line}\n"))
            .unwrap()
    }

    fn refused(&self, words: &[&str], line: &str, reason: Reason) -> Said {
        let line = format!("{line}\n");
        self.stage.cli.refused(words, &line, reason).unwrap()
    }

    /// As [`Cast::refused`] with `--json`: the tries that are left.
    fn tries_left(&self, words: &[&str], line: &str, reason: Reason) -> Value {
        let said = self.refused(&[words, &["--json"]].concat(), line, reason);
        let error: Value = serde_json::from_str(said.stderr.trim()).unwrap();
        assert_eq!(error["error"]["reason"], reason.snake_case());
        error["error"]["tries_left"].clone()
    }

    fn info(&self) -> Value {
        self.stage.cli.json(&["info", NAME]).unwrap()
    }

    /// A login waits for the desktop.
    fn login(&mut self) -> ExamplePortal {
        let mut window = ExamplePortal::open(&self.gateway).unwrap();
        window.ask_the_desktop().unwrap();
        self.requests.pending().unwrap();
        window
    }

    /// A typed passcode: does it let the user in?
    fn lets_in(&self, typed: &str) -> bool {
        let mut window = ExamplePortal::open(&self.gateway).unwrap();
        window.type_passcode(typed).unwrap();
        window.logged_in().is_ok()
    }

    /// Approves a login with this PIN; the user must be in then.
    fn approves(&mut self, pin: &str) {
        let mut window = self.login();
        self.ask(&APPROVE, pin);
        assert_eq!(window.wait_for_outcome().unwrap(), "approved");
        window.logged_in().unwrap();
    }

    /// None of these is in any file of agent and gateway, nor in what they tell about themselves.
    fn never_wrote(&self, secrets: &[&str]) {
        let json = |words: &[&str]| self.stage.cli.json(words).unwrap().to_string();
        let told = [
            json(&["info", NAME]),
            json(&["log"]),
            json(&["status"]),
            json(&["requests", "--history"]),
            self.gateway.run(&["audit", "list", "--json"], "").unwrap(),
        ];
        for secret in secrets {
            for text in &told {
                assert!(!text.contains(secret), "{secret} is told: {text}");
            }
            let files = scan(self.stage.workspace.path(), secret.as_bytes());
            for looked_at in [
                self.stage.workspace.vault(),
                self.gateway.data().join("gateway.db"),
            ] {
                assert!(files.contains(&looked_at), "{files:?}");
            }
        }
    }
}

/// Looks for `secret` in every file below; says which ones that were.
fn scan(folder: &Path, secret: &[u8]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Databases make and remove files beside themselves.
        let Ok(about) = fs::symlink_metadata(&path) else {
            continue;
        };
        if about.is_dir() {
            files.extend(scan(&path, secret));
        } else if about.is_file()
            && let Ok(bytes) = fs::read(&path)
        {
            let found = bytes.windows(secret.len()).any(|part| part == secret);
            assert!(!found, "a PIN is in {}", path.display());
            files.push(path);
        }
    }
    files
}

/// The policy's rules come before anything is used up.
#[test]
fn the_first_pin_keeps_the_rules_and_the_string_survives() {
    for (words, rules, bad, good) in [
        (
            TOKEN_PIN.as_slice(),
            "6 to 8 digits",
            ["12345", "123456789", "12345a"],
            PIN,
        ),
        (
            &["--pin", "server"],
            "4 to 64 letters and digits",
            ["123", "12 45", "pässe"],
            SERVER_PIN,
        ),
    ] {
        let cast = Cast::new();
        let activation = cast.gateway.add_token(USER, words).unwrap();
        let said = cast.refused(
            &["enroll", "--yes", "--name", NAME, "-"],
            &activation,
            Reason::PinRequired,
        );
        assert!(said.stderr.contains(rules), "{said:?}");
        for pin in bad {
            let said = cast.enroll(&activation, pin);
            let malformed = i32::from(Reason::PinMalformed.exit_code());
            assert_eq!(said.code, Some(malformed), "{pin}: {said:?}");
            assert!(said.stderr.contains(rules), "{said:?}");
            assert!(!said.stderr.contains(pin), "{said:?}");
        }
        assert_eq!(
            cast.stage.cli.json(&["list"]).unwrap()["tokens"],
            serde_json::json!([])
        );
        let said = cast.enroll(&activation, good);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert_eq!(cast.info()["pin_rules"], rules);
    }
}

#[test]
fn a_token_pin_opens_passcodes_and_approvals() {
    let mut cast = Cast::with(&TOKEN_PIN, PIN);
    let info = cast.info();
    assert_eq!(info["pin_type"], "token");
    assert_eq!(info["pin_rules"], "6 to 8 digits");
    assert_eq!(info["tries_left"], 3);
    assert_eq!(info["biometric"], "refused");

    cast.refused(&["code", NAME], "", Reason::PinRequired);
    assert_eq!(cast.tries_left(&CODE, WRONG, Reason::PinWrong), 2);
    assert_eq!(cast.info()["tries_left"], 2);
    let passcode = cast.ask(&CODE, PIN);
    assert_eq!(cast.info()["tries_left"], 3);
    assert!(cast.lets_in(&passcode));

    let mut window = cast.login();
    cast.refused(&["approve"], "", Reason::PinRequired);
    assert_eq!(cast.tries_left(&APPROVE, WRONG, Reason::PinWrong), 2);
    let listed = cast.stage.cli.json(&["requests"]).unwrap();
    assert_eq!(listed["requests"][0]["state"], "pending");
    assert_eq!(window.status().unwrap(), "pending");
    cast.ask(&APPROVE, PIN);
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
    window.logged_in().unwrap();
    cast.never_wrote(&[PIN, WRONG]);
}

#[test]
fn three_wrong_pins_erase_the_token_and_a_new_string_brings_another() {
    let mut cast = Cast::with(&TOKEN_PIN, PIN);
    let mut window = cast.login();
    assert_eq!(cast.tries_left(&APPROVE, WRONG, Reason::PinWrong), 2);
    assert_eq!(cast.tries_left(&CODE, WRONG, Reason::PinWrong), 1);
    let said = cast.refused(&APPROVE, WRONG, Reason::PinExhausted);
    assert!(said.stderr.contains("enroll again"), "{said:?}");
    for words in [APPROVE.as_slice(), &CODE] {
        let said = cast.refused(words, PIN, Reason::PinExhausted);
        assert!(said.stderr.contains("enroll again"), "{said:?}");
    }
    assert_eq!(cast.info()["state"], "pin_exhausted");
    // Whoever cannot approve can still say no.
    cast.ask(&["deny"], "");
    assert_eq!(window.wait_for_outcome().unwrap(), "denied");

    cast.ask(&["delete", NAME, "--yes"], "");
    let activation = cast.gateway.add_token(USER, &TOKEN_PIN).unwrap();
    let said = cast.enroll(&activation, PIN);
    assert_eq!(said.code, Some(0), "{said:?}");
    let passcode = cast.ask(&CODE, PIN);
    assert!(cast.lets_in(&passcode));
}

#[test]
fn a_token_without_a_pin_is_approved_with_what_opens_the_vault() {
    let mut cast = Cast::new();
    cast.stage
        .enroll(&cast.gateway, NAME, &["--mode", "event"])
        .unwrap();
    cast.stage.wait_until_connected().unwrap();
    let info = cast.info();
    assert_eq!(info["pin_type"], "none");
    assert_eq!(info["push_verification"], "pin");

    let mut window = cast.login();
    cast.refused(&["approve"], "", Reason::PinRequired);
    cast.refused(&APPROVE, "another passphrase", Reason::WrongPassphrase);
    assert_eq!(window.status().unwrap(), "pending");
    cast.ask(&APPROVE, PASSPHRASE);
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");

    // A request comes while the vault is locked: the same words open it, once.
    cast.ask(&["lock"], "");
    let mut window = cast.login();
    let said = cast.refused(&["approve"], "", Reason::VaultLocked);
    assert!(said.stderr.contains("countersign unlock"), "{said:?}");
    cast.refused(&APPROVE, "another passphrase", Reason::WrongPassphrase);
    assert_eq!(window.status().unwrap(), "pending");
    cast.ask(&APPROVE, PASSPHRASE);
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
    window.logged_in().unwrap();

    cast.ask(&["lock"], "");
    cast.refused(&["code", NAME], "", Reason::VaultLocked);
    let passcode = cast.ask(&CODE, PASSPHRASE);
    assert!(cast.lets_in(&passcode));
    cast.never_wrote(&[PASSPHRASE]);
}

#[test]
fn a_server_pin_goes_with_approvals_and_stands_in_what_is_typed() {
    for place in ["append", "prepend"] {
        let words = ["--mode", "event", "--pin", "server", "--pin-place", place];
        let mut cast = Cast::with(&words, SERVER_PIN);
        let info = cast.info();
        assert_eq!(info["pin_type"], "server");
        assert_eq!(info["tries_left"], Value::Null);

        let mut window = cast.login();
        cast.refused(&["approve"], "", Reason::PinRequired);
        assert_eq!(window.status().unwrap(), "pending");
        // Nobody here knows whether it is right: the answer is out, and the service says no.
        let said = cast.refused(&APPROVE, NEXT_SERVER_PIN, Reason::LoginRequestRefused);
        assert!(said.stderr.contains("server PIN"), "{said:?}");
        assert_ne!(window.wait_for_outcome().unwrap(), "approved");
        assert!(window.logged_in().is_err());
        cast.approves(SERVER_PIN);

        let plain = cast.ask(&["code", NAME], "");
        assert_eq!(plain.len(), 6);
        assert!(!cast.lets_in(&plain), "a passcode without its PIN");
        let both = cast.ask(&CODE, SERVER_PIN);
        let at = if place == "append" { 6 } else { 0 };
        assert_eq!(both.find(SERVER_PIN), Some(at), "{both}");
        assert!(cast.lets_in(&both));
        // A passcode counts once, and the one beside a wrong PIN is spent.
        let wrong = cast
            .ask(&CODE, SERVER_PIN)
            .replace(SERVER_PIN, NEXT_SERVER_PIN);
        let both = cast.ask(&CODE, SERVER_PIN);
        let key = cast.gateway.add_front("vpn").unwrap();
        let mut front = Portal::open(&cast.gateway)
            .unwrap()
            .with_header("authorization", &key);
        for (pass, accepted) in [(&wrong, false), (&both, true)] {
            let fields = [("user", USER), ("pass", pass.as_str())];
            let reply = front.post("/validate/check", &fields).unwrap();
            let reply: Value = serde_json::from_str(&reply.body).unwrap();
            assert_eq!(reply["result"]["value"], accepted, "{reply}");
        }
        cast.never_wrote(&[SERVER_PIN, NEXT_SERVER_PIN]);
    }
}

#[test]
fn a_server_pin_is_changed_and_chosen_anew_after_a_reset() {
    let mut cast = Cast::with(&["--mode", "event", "--pin", "server"], SERVER_PIN);
    let change = ["pin", "change", NAME, "--pin-stdin"];
    let two = |current: &str, new: &str| format!("{current}\n{new}");
    let left = cast.tries_left(&change, &two("Fink1234", NEXT_SERVER_PIN), Reason::PinWrong);
    assert_eq!(left, 9);
    cast.refused(&change, &two(SERVER_PIN, "12 4"), Reason::PinMalformed);
    let said = cast.say(
        &[change.as_slice(), &["--json"]].concat(),
        &two(SERVER_PIN, NEXT_SERVER_PIN),
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    let json: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(json, serde_json::json!({"pin": "changed", "token": NAME}));
    let mut window = cast.login();
    cast.refused(&APPROVE, SERVER_PIN, Reason::LoginRequestRefused);
    window.wait_for_outcome().unwrap();
    cast.approves(NEXT_SERVER_PIN);
    // One right after the other.
    cast.ask(&change, &two(NEXT_SERVER_PIN, SERVER_PIN));
    cast.ask(&change, &two(SERVER_PIN, NEXT_SERVER_PIN));

    let info = cast.info();
    assert_eq!(info["server_pin_due"], false);
    let serial = info["serial"].as_str().unwrap();
    cast.gateway
        .run(&["token", "pin-reset", serial], "")
        .unwrap();
    let begin = now();
    while cast.info()["server_pin_due"] != true {
        assert!(begin.elapsed() < PATIENCE, "the reset does not arrive");
    }
    let mut window = cast.login();
    cast.refused(&APPROVE, NEXT_SERVER_PIN, Reason::LoginRequestRefused);
    window.wait_for_outcome().unwrap();
    let both = cast.ask(&CODE, NEXT_SERVER_PIN);
    assert!(!cast.lets_in(&both));
    // Only the new one is asked for.
    cast.ask(&change, SERVER_PIN);
    assert_eq!(cast.info()["server_pin_due"], false);
    cast.approves(SERVER_PIN);
    let both = cast.ask(&CODE, SERVER_PIN);
    assert!(cast.lets_in(&both));
    cast.never_wrote(&[SERVER_PIN, NEXT_SERVER_PIN, "Fink1234"]);
}

#[test]
fn a_pin_in_the_computation_is_judged_by_the_service_alone() {
    let suite = "OCRA-1:HOTP-SHA1-6:QN08-PSHA1";
    let words = ["--mode", "challenge", "--suite", suite];
    let mut cast = Cast::with(&words, SERVER_PIN);
    assert_eq!(cast.info()["suite"], suite);

    let mut window = ExamplePortal::open(&cast.gateway).unwrap();
    for (pin, right) in [(NEXT_SERVER_PIN, false), (SERVER_PIN, true)] {
        let (page, challenge) = window.ask_for_challenge().unwrap();
        let words = ["code", NAME, "--challenge", &challenge, "--pin-stdin"];
        cast.refused(&words[..4], "", Reason::PinRequired);
        // The same words whether it is right or not.
        let said = cast.say(&words, pin);
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
        let passcode = said.stdout.trim();
        assert_eq!(passcode.len(), 6, "the passcode and nothing else");
        window.type_passcode_on(&page, passcode).unwrap();
        assert_eq!(window.logged_in().is_ok(), right, "{pin}");
    }
    // The login was shown on the desktop as well, and is over there.
    cast.requests
        .wait(&[LoginRequestState::Cancelled, LoginRequestState::LoggedIn])
        .unwrap();

    let mut window = cast.login();
    cast.refused(&APPROVE, NEXT_SERVER_PIN, Reason::LoginRequestRefused);
    assert_ne!(window.wait_for_outcome().unwrap(), "approved");
    cast.requests.wait(&[LoginRequestState::Refused]).unwrap();
    cast.approves(SERVER_PIN);
    cast.never_wrote(&[SERVER_PIN, NEXT_SERVER_PIN]);
}
