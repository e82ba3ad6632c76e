//! How browsers find the host, and what `doctor` says of it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use countersign_proto::agent::v1::Reason;
use countersign_tests::{native_host::NativeHost, programs::program, stage::Stage};
use serde_json::{Value, json};

/// The findings of `doctor` about browsers; it ends with `code`.
fn findings(stage: &Stage, code: i32) -> Vec<Value> {
    let said = stage.cli.say(&["doctor", "--json"]).unwrap();
    assert_eq!(said.code, Some(code), "{said:?}");
    let said: Value = serde_json::from_str(&said.stdout).unwrap();
    let findings = said["findings"].as_array().unwrap().clone();
    let about = findings.into_iter().filter(|one| one["check"] == "browser");
    about.collect()
}

fn placed(stage: &Stage, browser: &str) -> PathBuf {
    let words = ["browser", "install", "--browser", browser];
    let said = stage.cli.json(&words).unwrap();
    PathBuf::from(said["manifests"][0]["path"].as_str().unwrap())
}

#[test]
fn install_tells_browsers_of_the_host_and_doctor_looks_at_it() {
    let stage = Stage::new().unwrap();
    assert!(findings(&stage, 0).is_empty());
    stage
        .cli
        .refused(&["browser", "install"], "", Reason::Usage)
        .unwrap();
    for (browser, list) in [
        ("chromium", "allowed_origins"),
        ("chrome", "allowed_origins"),
        ("brave", "allowed_origins"),
        ("edge", "allowed_origins"),
        ("firefox", "allowed_extensions"),
    ] {
        let path = placed(&stage, browser);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "{browser}");
        let read: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(read["name"], "org.countersign.browser");
        assert_eq!(read[list].as_array().unwrap().len(), 1, "{read}");
        let host = program("countersign-browser").unwrap();
        assert_eq!(read["path"], json!(host.display().to_string()));
    }
    let sound = findings(&stage, 0);
    assert_eq!(sound.len(), 5);
    assert!(
        sound.iter().all(|one| one["standing"] == "good"),
        "{sound:?}"
    );

    // A host that the manifest leads to answers.
    let mut host = NativeHost::start(stage.agent.session(), &stage.workspace.logs()).unwrap();
    assert_eq!(host.ask("status", &json!({})).unwrap()["paired"], false);

    let firefox = placed(&stage, "firefox");
    fs::set_permissions(&firefox, fs::Permissions::from_mode(0o666)).unwrap();
    let bad = findings(&stage, i32::from(Reason::ConfigInvalid.exit_code()));
    let bad: Vec<_> = bad.iter().filter(|one| one["standing"] == "bad").collect();
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert!(
        bad[0]["message"].as_str().unwrap().contains("Firefox"),
        "{bad:?}"
    );
    // Writing it anew mends it.
    placed(&stage, "firefox");
    findings(&stage, 0);

    let gone = stage.cli.json(&["browser", "uninstall"]).unwrap();
    assert_eq!(gone["removed"].as_array().unwrap().len(), 5);
    assert!(!firefox.exists());
    // The browsers' folders are there; they do not know of the host.
    let advice = findings(&stage, 0);
    assert!(
        advice.iter().all(|one| one["standing"] == "advice"),
        "{advice:?}"
    );
}
