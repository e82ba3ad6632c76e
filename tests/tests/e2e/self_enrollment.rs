//! The page behind a personal link in the real Chromium, with its script and under its content policy.

use std::{path::Path, process::Command};

use countersign_proto::agent::v1::Reason;
use countersign_tests::{
    gateway::GatewayProcess,
    parts, process,
    stage::{Stage, USER},
};

const CHROMIUM: &str = "chromium";

/// Chromium without a screen, in its own profile; it does not know the gateway's authority.
fn chromium(stage: &Stage, words: &[&str], url: &str) -> (String, String) {
    let mut command = Command::new("/usr/bin/chromium");
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", stage.workspace.join("home"))
        .arg(format!(
            "--user-data-dir={}",
            stage.workspace.join("chromium").display()
        ))
        .args([
            "--headless=new",
            // Tests may run as root.
            "--no-sandbox",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            "--ignore-certificate-errors",
            "--enable-logging=stderr",
        ])
        .args(words)
        .arg(url);
    let output = process::output(command, b"").unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

/// Width and height of a picture (PNG, section 11.2.2).
fn size(picture: &Path) -> (u32, u32) {
    let bytes = std::fs::read(picture).unwrap();
    let number = |at: usize| u32::from_be_bytes(*bytes[at..].first_chunk().unwrap());
    (number(16), number(20))
}

fn pictures(stage: &Stage, url: &str) {
    let mut seen = Vec::new();
    for (name, words, width) in [
        ("light", ["--window-size=1000,1400", ""], 1000),
        (
            "dark",
            [
                "--window-size=1000,1400",
                "--blink-settings=preferredColorScheme=0",
            ],
            1000,
        ),
        ("phone", ["--window-size=500,1400", ""], 500),
    ] {
        let path = stage.workspace.join(format!("{name}.png"));
        let to = format!("--screenshot={}", path.display());
        let words: Vec<&str> = [to.as_str()]
            .into_iter()
            .chain(words)
            .filter(|word| !word.is_empty())
            .collect();
        chromium(stage, &words, url);
        assert_eq!(size(&path).0, width, "{name}");
        seen.push(std::fs::read(path).unwrap());
    }
    assert_ne!(seen[0], seen[1], "dark is another picture than light");
}

fn link(gateway: &GatewayProcess) -> String {
    let words = ["policy", "add", "Staff", "--level", "2", "--mode", "event"];
    gateway.run(&words, "").unwrap();
    let link = gateway.add_token(USER, &["--policy", "Staff", "--link"]);
    link.unwrap()
}

#[test]
fn a_browser_shows_the_page_and_then_that_the_token_is_enrolled() {
    if !parts::are_there("self_enrollment::browser", &[CHROMIUM]) {
        return;
    }
    let stage = Stage::new().unwrap();
    let gateway = stage.gateway().unwrap();
    let url = link(&gateway);
    let (page, said) = chromium(&stage, &["--dump-dom"], &url);
    // The script has run: it found the button, and the policy let it.
    assert!(page.contains("id=\"copy\">"), "{page}\n{said}");
    assert!(
        page.contains("This page waits for your computer."),
        "{page}"
    );
    for complaint in ["Refused to", "Content Security Policy", "Uncaught"] {
        assert!(!said.contains(complaint), "{said}");
    }
    pictures(&stage, &url);

    // The code is read off the screenshot, also of the dark page and of the narrow one.
    for name in ["dark", "phone", "light"] {
        let shot = stage.workspace.join(format!("{name}.png"));
        let shot = shot.to_str().unwrap();
        let mut words = vec!["enroll", "--image", shot, "--name", "Example"];
        if name != "light" {
            stage
                .cli
                .refused(&words, "", Reason::EnrollmentNotConfirmed)
                .unwrap();
            continue;
        }
        words.push("--yes");
        assert_eq!(stage.cli.ask(&words).unwrap(), "Example");
    }
    let info = stage.cli.json(&["info", "Example"]).unwrap();
    assert_eq!(info["policy_name"], "Staff");
    assert_eq!(info["policy_level"], "2");
    let (page, _) = chromium(&stage, &["--dump-dom"], &url);
    assert!(page.contains("<h1>Enrolled</h1>"), "{page}");
    assert!(page.contains(info["serial"].as_str().unwrap()), "{page}");
}
