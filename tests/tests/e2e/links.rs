//! Links that are clicked: the browser, the handler without a terminal, the agent's dialogs, the notification at the end.

use std::{fs, process::Command};

use countersign_core::activation_string::{ActivationString, AllowHttp};
use countersign_proto::agent::v1::Reason;
use countersign_tests::{
    LOOK_EVERY, Workspace,
    chromium::{self, Chromium, Furnishing},
    notices::NoticeWitness,
    parts, patiently,
    process::{Process, Stdout},
    programs::program,
    screen::{self, Screen},
    stage::{PASSPHRASE_KEY, Stage, USER},
    web_pages::WebPages,
};

const PINENTRY: &str = "pinentry-gtk-2";
const PIN: &str = "246802";
/// The file that registers the handler.
const HANDLER: &str = include_str!("../../../systemd/org.countersign.Enroll.desktop");

/// A desktop with a notification server, the agent with dialogs on it, and the handler registered.
struct Desk {
    stage: Stage,
    witness: NoticeWitness,
    _dunst: Process,
    screen: Screen,
}

impl Desk {
    fn new(test: &str, more: &[&str]) -> Option<Self> {
        let programs = [
            &[PINENTRY, "dbus-daemon", "dunst", "update-desktop-database"][..],
            &screen::PROGRAMS,
            more,
        ]
        .concat();
        if !parts::are_there(test, &programs) {
            return None;
        }
        let workspace = Workspace::new().unwrap();
        let screen = Screen::start(&workspace).unwrap();
        let config = format!("{PASSPHRASE_KEY}[pinentry]\nprogram = \"/usr/bin/{PINENTRY}\"\n");
        let display = screen.display().to_owned();
        let stage =
            Stage::in_session(workspace, &config, |session| session.on_display(&display)).unwrap();
        stage.set_up().unwrap();
        let dunst = stage.agent.session().command("/usr/bin/dunst".into());
        let dunst =
            Process::spawn("dunst", dunst, &stage.workspace.logs(), Stdout::Log, None).unwrap();
        stage
            .bus
            .wait_for_name("org.freedesktop.Notifications")
            .unwrap();
        let witness = NoticeWitness::new(&stage.bus).unwrap();
        Some(Self {
            stage,
            witness,
            _dunst: dunst,
            screen,
        })
    }

    /// As `cargo xtask install --user` does it.
    fn register(&self) {
        let data = self.stage.agent.session().variables().iter();
        let data = data
            .clone()
            .find(|(name, _)| name == "XDG_DATA_HOME")
            .map(|(_, folder)| std::path::PathBuf::from(folder))
            .unwrap();
        let folder = data.join("applications");
        fs::create_dir_all(&folder).unwrap();
        let own = program("countersign").unwrap();
        let text = HANDLER.replace("/usr/bin/countersign", own.to_str().unwrap());
        fs::write(folder.join("org.countersign.Enroll.desktop"), text).unwrap();
        let known = Command::new("update-desktop-database")
            .arg(&folder)
            .status();
        assert!(known.unwrap().success());
    }

    fn dialog(&self) {
        let window = self.screen.wait_for_window(PINENTRY).unwrap();
        self.screen.focus(&window).unwrap();
        self.screen.settle().unwrap();
    }

    fn press(&self, keys: &[&str]) {
        for key in keys {
            self.screen.press(key).unwrap();
        }
    }

    fn tokens(&self) -> Vec<String> {
        let list = self.stage.cli.json(&["list"]).unwrap();
        let tokens = list["tokens"].as_array().unwrap().iter();
        tokens
            .map(|token| token["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn link_of(activation: &str) -> String {
    let string = ActivationString::parse(activation.as_bytes(), AllowHttp::Never).unwrap();
    string.to_link().expose().to_owned()
}

/// Waits until no process has `secret` among its arguments.
fn wait_until_in_no_arguments(secret: &str) {
    let gone = async {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let processes = fs::read_dir("/proc").unwrap().flatten();
            let shown = processes
                .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
                .any(|line| String::from_utf8_lossy(&line).contains(secret));
            if !shown {
                break;
            }
        }
    };
    patiently("the link to leave the arguments", gone).unwrap();
}

#[test]
fn a_click_in_the_browser_enrolls_through_the_handler_and_the_dialogs() {
    let Some(mut desk) = Desk::new("links::browser", &[chromium::PROGRAM, "xdg-open"]) else {
        return;
    };
    desk.register();
    let gateway = desk.stage.gateway().unwrap();
    let activation = gateway
        .add_token(USER, &["--mode", "time", "--pin", "token"])
        .unwrap();
    let link = link_of(&activation);
    let html = format!(
        "<!DOCTYPE html><title>Enroll</title><p><a href=\"{link}\">Add to this computer</a></p>"
    );
    let pages = WebPages::one(&html).unwrap();
    let session = desk.stage.agent.session().clone();
    let furnishing = Furnishing::default().opening_links(&pages.origin(), "countersign");
    let mut browser = Chromium::start(&desk.stage.workspace, &session, &furnishing).unwrap();
    browser.click_link_of(&pages.origin()).unwrap();

    // Whom it leads to is asked; the link is in nobody's arguments meanwhile.
    desk.dialog();
    wait_until_in_no_arguments(link.split_once('=').unwrap().1);
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("links");
    fs::create_dir_all(&folder).unwrap();
    desk.screen.picture(&folder.join("asked.png")).unwrap();
    assert!(desk.tokens().is_empty());
    desk.press(&["Tab", "Return"]);
    desk.screen.wait_until_gone(PINENTRY).unwrap();

    // The PIN that the policy wants is chosen.
    desk.dialog();
    desk.screen.type_text(PIN).unwrap();
    desk.press(&["Tab", "Tab"]);
    desk.screen.type_text(PIN).unwrap();
    desk.press(&["Return"]);

    let notice = desk.witness.wait_for("Enrollment Complete").unwrap();
    assert!(notice.actions.is_empty(), "{notice:?}");
    let list = desk.stage.cli.json(&["list"]).unwrap();
    let token = &list["tokens"][0];
    for said in [token["name"].as_str(), token["serial"].as_str()] {
        assert!(notice.body.contains(said.unwrap()), "{notice:?}");
    }
    assert!(notice.body.contains("time-based"), "{notice:?}");
    desk.screen.settle().unwrap();
    desk.screen.picture(&folder.join("told.png")).unwrap();
}

#[test]
fn a_no_adds_nothing_contacts_nobody_and_is_told() {
    let Some(mut desk) = Desk::new("links::no", &[]) else {
        return;
    };
    let gateway = desk.stage.gateway().unwrap();
    let activation = gateway.add_token(USER, &["--mode", "time"]).unwrap();
    let link = link_of(&activation);
    let call = desk.stage.cli.begin(&["enroll", "--link", &link]);
    desk.dialog();
    desk.press(&["Escape"]);
    let notice = desk.witness.wait_for("No token was added").unwrap();
    assert!(!notice.body.contains("Passphrase"), "{notice:?}");
    // The first process has gone long ago; its child said it.
    assert!(call.said().unwrap().stderr.contains("not confirmed"));
    assert!(desk.tokens().is_empty());
    desk.stage.enroll_string("Example", &activation).unwrap();
}

#[test]
fn what_is_no_link_is_refused_without_a_dialog_and_told_as_text() {
    let Some(mut desk) = Desk::new("links::hostile", &[]) else {
        return;
    };
    let long = format!("countersign://enroll?data={}", "A".repeat(9_000));
    for hostile in [
        "countersign://",
        "countersign://enroll?data=%00",
        "javascript:alert(1)",
        "https://gateway.example/<b>",
        "/etc/passwd",
        &long,
    ] {
        let said = desk.stage.cli.say(&["enroll", "--link", hostile]).unwrap();
        assert!(said.stdout.is_empty(), "{said:?}");
        let notice = desk.witness.wait_for("No token was added").unwrap();
        assert!(!notice.body.contains("<b>"), "{notice:?}");
    }
    desk.stage
        .cli
        .refused(
            &["enroll", "--link", "-"],
            "javascript:alert(1)",
            Reason::EnrollmentInvalid,
        )
        .unwrap();
    assert!(desk.stage.agent.dialogs().is_empty());
    assert!(desk.tokens().is_empty());
}
