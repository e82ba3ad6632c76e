//! pinentry-tty and pinentry-curses.

use core::time::Duration;

use countersign_tests::{Workspace, parts, terminal::Terminal};
use countersignd::agent::ports::{CallerScreen, PinDialog, PinEntryError};

use crate::rig::{Rig, answer, dialog, new_pin, typed};

/// A terminal that a caller sits at, and a pinentry that is shown there.
struct Seat {
    rig: Rig,
    terminal: Terminal,
    /// What the Enter key sends to it.
    enter: &'static str,
    /// What cancels it.
    cancel: &'static str,
}

impl Seat {
    fn new(test: &str, program: &str, enter: &'static str, cancel: &'static str) -> Option<Self> {
        if !parts::are_there(test, &[program]) {
            return None;
        }
        let workspace = Workspace::new().unwrap();
        let rig = Rig::new(
            workspace,
            format!("/usr/bin/{program}"),
            &[("PATH", "/usr/bin:/bin")],
        );
        Some(Self {
            rig,
            terminal: Terminal::open().unwrap(),
            enter,
            cancel,
        })
    }

    fn tty(test: &str) -> Option<Self> {
        Self::new(test, "pinentry-tty", "\n", "\u{4}")
    }

    fn curses(test: &str) -> Option<Self> {
        Self::new(test, "pinentry-curses", "\r", "\t\t\r")
    }

    /// The curses one that gnome3 has inside, when there is no display.
    fn gnome3(test: &str) -> Option<Self> {
        Self::new(test, "pinentry-gnome3", "\r", "\t\t\r")
    }

    fn screen(&self) -> CallerScreen {
        CallerScreen {
            tty: self.terminal.path().to_owned(),
            tty_type: "xterm".to_owned(),
            ..CallerScreen::default()
        }
    }

    fn type_in(&mut self, text: &str) {
        let keys = format!("{text}{}", self.enter);
        self.terminal.press(&keys).unwrap();
    }
}

const SEATS: [fn(&str) -> Option<Seat>; 3] = [Seat::tty, Seat::curses, Seat::gnome3];

#[test]
fn what_is_typed_arrives_byte_for_byte() {
    for seat in SEATS {
        let Some(mut seat) = seat("pinentry::byte_for_byte") else {
            continue;
        };
        for secret in ["1234", "10 % für \u{1F511} %41 \"x\"", ""] {
            let before = seat.terminal.count("PIN:");
            let asking = seat.rig.ask(dialog(), seat.screen());
            seat.terminal
                .wait_for_secret_prompt("PIN:", before + 1)
                .unwrap();
            let shown = seat.terminal.shown();
            assert!(
                shown.contains("Log in to Example Portal as alice?"),
                "{shown}"
            );
            assert!(shown.contains("100 % sure?"), "{shown}");
            seat.type_in(secret);
            assert_eq!(answer(asking), Ok(typed(secret)));
            assert!(seat.rig.children().is_empty());
            assert!(seat.terminal.echoes().unwrap());
        }
    }
}

#[test]
fn cancelling_is_told() {
    for seat in SEATS {
        let Some(mut seat) = seat("pinentry::cancelling") else {
            continue;
        };
        let asking = seat.rig.ask(dialog(), seat.screen());
        seat.terminal.wait_for_secret_prompt("PIN:", 1).unwrap();
        let cancel = seat.cancel;
        seat.terminal.press(cancel).unwrap();
        assert_eq!(answer(asking), Err(PinEntryError::Cancelled));
        seat.rig.wait_until_gone();
    }
}

#[test]
fn a_withdrawn_dialog_goes_and_leaves_the_terminal_as_it_was() {
    for seat in SEATS {
        let Some(mut seat) = seat("pinentry::withdrawn") else {
            continue;
        };
        let asking = seat.rig.ask(dialog(), seat.screen());
        seat.terminal.wait_for_secret_prompt("PIN:", 1).unwrap();
        seat.rig.withdraw(asking);
        assert!(seat.terminal.echoes().unwrap());
    }
}

#[test]
fn nobody_at_the_terminal() {
    for seat in SEATS {
        let Some(seat) = seat("pinentry::nobody") else {
            continue;
        };
        let short = PinDialog {
            within: Duration::from_secs(1),
            ..dialog()
        };
        let asking = seat.rig.ask(short, seat.screen());
        assert_eq!(answer(asking), Err(PinEntryError::TimedOut));
        seat.rig.wait_until_gone();
        seat.terminal.wait_until_echo(true).unwrap();
    }
}

#[test]
fn a_new_secret_is_typed_twice() {
    for seat in SEATS {
        let Some(mut seat) = seat("pinentry::typed_twice") else {
            continue;
        };
        let asking = seat.rig.ask(new_pin(), seat.screen());
        for (count, (first, second)) in [("4711", "4712"), ("4711", "4711")].into_iter().enumerate()
        {
            seat.terminal
                .wait_for_secret_prompt("New PIN:", count + 1)
                .unwrap();
            assert_eq!(
                seat.terminal.count("These are not the same"),
                count,
                "{}",
                seat.terminal.shown()
            );
            seat.type_in(first);
            seat.terminal
                .wait_for_secret_prompt("Once more:", count + 1)
                .unwrap();
            seat.type_in(second);
        }
        assert_eq!(answer(asking), Ok(typed("4711")));
    }
}

#[test]
fn what_was_wrong_is_shown() {
    for seat in SEATS {
        let Some(mut seat) = seat("pinentry::what_was_wrong") else {
            continue;
        };
        let again = PinDialog {
            error: Some("Wrong PIN, 2 tries left".to_owned()),
            ..dialog()
        };
        let asking = seat.rig.ask(again, seat.screen());
        seat.terminal.wait_for_secret_prompt("PIN:", 1).unwrap();
        let shown = seat.terminal.shown();
        assert!(shown.contains("2 tries left"), "{shown}");
        seat.rig.withdraw(asking);
    }
}
