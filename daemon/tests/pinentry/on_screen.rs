//! pinentry-gnome3 with the real prompter, pinentry-gtk-2 and pinentry-qt.

use std::path::Path;

use countersign_tests::{
    Workspace,
    bus::{Activation, PrivateBus},
    parts, patiently,
    prompter::{self, Prompter},
    screen::{self, Screen},
    terminal::Terminal,
};
use countersignd::agent::ports::{CallerScreen, PinDialog, PinEntryError};

use crate::rig::{Asking, Rig, answer, dialog, new_pin, question, typed};

/// One flavour on a screen of its own.
struct Desk {
    name: &'static str,
    /// The class of its window.
    window: &'static str,
    /// From the first field to the second.
    to_second: &'static [&'static str],
    /// What says yes to a question.
    to_yes: &'static [&'static str],
    rig: Rig,
    screen: Screen,
    _parts: Option<(Prompter, PrivateBus)>,
}

impl Desk {
    fn gnome3(test: &str) -> Option<Self> {
        let programs = ["pinentry-gnome3", prompter::PROGRAM, "dbus-daemon"];
        if !parts::are_there(test, &[&programs[..], &screen::PROGRAMS].concat()) {
            return None;
        }
        let workspace = Workspace::new().unwrap();
        let bus = PrivateBus::start(&workspace, &Activation::Nothing).unwrap();
        let screen = Screen::start(&workspace).unwrap();
        let prompter = Prompter::start(&workspace, &bus, &screen).unwrap();
        let rig = rig(workspace, "pinentry-gnome3", &screen, bus.address());
        Some(Self {
            name: "gnome3",
            window: prompter::WINDOW,
            to_second: &["Tab"],
            to_yes: &["Return"],
            rig,
            screen,
            _parts: Some((prompter, bus)),
        })
    }

    fn alone(
        test: &str,
        name: &'static str,
        program: &'static str,
        to_second: &'static [&'static str],
        to_yes: &'static [&'static str],
    ) -> Option<Self> {
        if !parts::are_there(test, &[&[program][..], &screen::PROGRAMS].concat()) {
            return None;
        }
        let workspace = Workspace::new().unwrap();
        let screen = Screen::start(&workspace).unwrap();
        let nowhere = format!("unix:path={}", workspace.join("run/no-bus").display());
        let rig = rig(workspace, program, &screen, &nowhere);
        Some(Self {
            name,
            window: program,
            to_second,
            to_yes,
            rig,
            screen,
            _parts: None,
        })
    }

    fn gtk(test: &str) -> Option<Self> {
        Self::alone(
            test,
            "gtk",
            "pinentry-gtk-2",
            &["Tab", "Tab"],
            &["Tab", "Return"],
        )
    }

    fn qt(test: &str) -> Option<Self> {
        Self::alone(test, "qt", "pinentry-qt", &["Tab"], &["Tab", "Return"])
    }

    /// On the session's own screen.
    fn ask(&self, dialog: PinDialog) -> Asking {
        let asking = self.rig.ask(dialog, CallerScreen::default());
        self.wait();
        asking
    }

    fn wait(&self) {
        let window = self.screen.wait_for_window(self.window).unwrap();
        self.screen.focus(&window).unwrap();
        self.screen.settle().unwrap();
    }

    fn type_second(&self, text: &str) {
        for key in self.to_second {
            self.screen.press(key).unwrap();
        }
        self.screen.type_text(text).unwrap();
        self.screen.press("Return").unwrap();
    }

    fn picture(&self, what: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pinentry");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{}-{what}.png", self.name));
        self.screen.picture(&file).unwrap();
    }
}

fn rig(workspace: Workspace, program: &str, screen: &Screen, bus: &str) -> Rig {
    let home = workspace.join("home").display().to_string();
    let run = workspace.join("run").display().to_string();
    let variables = [
        ("PATH", "/usr/bin:/bin"),
        ("HOME", &home),
        ("XDG_RUNTIME_DIR", &run),
        ("DISPLAY", screen.display()),
        ("DBUS_SESSION_BUS_ADDRESS", bus),
    ];
    Rig::new(workspace, format!("/usr/bin/{program}"), &variables)
}

const DESKS: [fn(&str) -> Option<Desk>; 3] = [Desk::gnome3, Desk::gtk, Desk::qt];

#[test]
fn what_is_typed_arrives_byte_for_byte() {
    for desk in DESKS {
        let Some(desk) = desk("pinentry::screen_byte_for_byte") else {
            continue;
        };
        for secret in ["1234", "10 % für %41 \"x\""] {
            let asking = desk.ask(dialog());
            desk.picture("pin");
            desk.screen.type_text(secret).unwrap();
            desk.screen.press("Return").unwrap();
            // Nobody's PIN: shown if it is wrong.
            let got = answer(asking).unwrap();
            assert_eq!(got.as_text(), Some(secret), "{}", desk.name);
            desk.screen.wait_until_gone(desk.window).unwrap();
            desk.rig.wait_until_gone();
        }
    }
}

#[test]
fn cancelling_is_told() {
    for desk in DESKS {
        let Some(desk) = desk("pinentry::screen_cancelling") else {
            continue;
        };
        let asking = desk.ask(dialog());
        desk.screen.press("Escape").unwrap();
        assert_eq!(
            answer(asking),
            Err(PinEntryError::Cancelled),
            "{}",
            desk.name
        );
        desk.screen.wait_until_gone(desk.window).unwrap();
    }
}

#[test]
fn a_question_takes_a_yes_or_a_no() {
    for desk in DESKS {
        let Some(desk) = desk("pinentry::screen_question") else {
            continue;
        };
        for (keys, answered) in [
            (desk.to_yes, Ok(())),
            (&["Escape"][..], Err(PinEntryError::Cancelled)),
        ] {
            let asking = desk.rig.confirm(question(), CallerScreen::default());
            desk.wait();
            desk.picture("question");
            for key in keys {
                desk.screen.press(key).unwrap();
            }
            let answer = patiently("the answer", asking).unwrap().unwrap();
            assert_eq!(answer, answered, "{}", desk.name);
            desk.screen.wait_until_gone(desk.window).unwrap();
            desk.rig.wait_until_gone();
        }
    }
}

#[test]
fn a_withdrawn_dialog_goes() {
    for desk in DESKS {
        let Some(desk) = desk("pinentry::screen_withdrawn") else {
            continue;
        };
        let asking = desk.ask(dialog());
        desk.rig.withdraw(asking);
        desk.screen.wait_until_gone(desk.window).unwrap();
    }
}

#[test]
fn a_new_secret_is_typed_twice() {
    for desk in DESKS {
        let Some(desk) = desk("pinentry::screen_typed_twice") else {
            continue;
        };
        let asking = desk.ask(new_pin());
        desk.picture("new-pin");
        desk.screen.type_text("4711").unwrap();
        desk.type_second("4712");
        desk.screen.settle().unwrap();
        desk.picture("not-the-same");
        assert!(!asking.is_finished(), "{}", desk.name);
        desk.rig.withdraw(asking);
        desk.screen.wait_until_gone(desk.window).unwrap();

        let asking = desk.ask(new_pin());
        desk.screen.type_text("4711").unwrap();
        desk.type_second("4711");
        assert_eq!(answer(asking), Ok(typed("4711")), "{}", desk.name);
    }
}

#[test]
fn what_was_wrong_and_foreign_marks_are_shown() {
    for desk in DESKS {
        let Some(desk) = desk("pinentry::screen_what_was_wrong") else {
            continue;
        };
        let again = PinDialog {
            description: "<b>Log in</b> to <i>Bank</i> & Co?\nFrom <a href=\"https://evil.example\">here</a> 5 % \u{202e}off\nEnter the PIN of this token."
                .to_owned(),
            error: Some("Wrong PIN, 2 tries left".to_owned()),
            ..dialog()
        };
        let asking = desk.ask(again);
        desk.picture("wrong-pin");
        desk.rig.withdraw(asking);
    }
}

#[test]
fn a_caller_on_a_terminal_is_asked_there_and_not_on_the_desktop() {
    let Some(desk) = Desk::gnome3("pinentry::asked_on_the_terminal") else {
        return;
    };
    let mut terminal = Terminal::open().unwrap();
    let caller = CallerScreen {
        tty: terminal.path().to_owned(),
        tty_type: "xterm".to_owned(),
        ..CallerScreen::default()
    };
    let asking = desk.rig.ask(dialog(), caller);
    terminal.wait_for_secret_prompt("PIN:", 1).unwrap();
    terminal.press("1234\r").unwrap();
    assert_eq!(answer(asking), Ok(typed("1234")));
}
