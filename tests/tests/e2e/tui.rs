//! The screen (`countersign tui`) between a real agent, a real gateway and somebody at a terminal.

use countersign_tests::{
    Workspace,
    cli::Typing,
    example_portal::ExamplePortal,
    gateway::GatewayProcess,
    parts,
    stage::{CLICK_TOKEN, PASSPHRASE_KEY, PASSWORD, Stage, USER},
    terminal::Terminal,
};

const PIN: &str = "246802";
/// A push token that wants its own PIN for an approval.
const PIN_TOKEN: [&str; 6] = ["--push", "on", "--push-level", "pin", "--pin", "token"];

/// Somebody before the screen, and a gateway that asks.
struct Seat {
    terminal: Terminal,
    screen: Typing,
    gateway: GatewayProcess,
    stage: Stage,
}

impl Seat {
    /// With a gateway that is set up like this before it serves, and a token that is enrolled like this.
    fn new(
        config: &str,
        furnish: impl FnOnce(&GatewayProcess),
        enroll: impl FnOnce(&Stage, &GatewayProcess),
    ) -> Self {
        let stage =
            Stage::in_session(Workspace::new().unwrap(), config, |session| session).unwrap();
        stage.set_up().unwrap();
        let mut gateway = GatewayProcess::init(&stage.workspace).unwrap();
        furnish(&gateway);
        gateway.add_user(USER, PASSWORD).unwrap();
        gateway.serve().unwrap();
        enroll(&stage, &gateway);
        stage.wait_until_connected().unwrap();
        let mut terminal = Terminal::open().unwrap();
        let screen = stage.cli.begin_on(&terminal, &["tui"]).unwrap();
        terminal.see("No login requests.").unwrap();
        terminal.see("Example connected").unwrap();
        Self {
            terminal,
            screen,
            gateway,
            stage,
        }
    }

    /// A login to the sample resource, that is on the screen for so long that it can be answered.
    fn login(&mut self) -> (ExamplePortal, String) {
        let mut window = ExamplePortal::open(&self.gateway).unwrap();
        let page = window.ask_the_desktop().unwrap().body;
        let seen = self
            .terminal
            .wait_until_seen("a countdown", |seen| seconds_left(seen).is_some())
            .unwrap();
        let first = seconds_left(&seen).unwrap();
        // Two seconds fewer: more than one has gone by.
        self.terminal
            .wait_until_seen("the countdown going on", |seen| {
                seconds_left(seen).is_some_and(|left| left.saturating_add(2) <= first)
            })
            .unwrap();
        (window, page)
    }

    fn leave(mut self) {
        self.terminal.press("q").unwrap();
        assert_eq!(self.screen.code().unwrap(), Some(0));
        self.terminal.wait_until_echo(true).unwrap();
        // Dropped in the order in which they need each other.
        drop(self.stage);
    }
}

/// What the countdown of the login request says.
fn seconds_left(seen: &str) -> Option<u64> {
    let line = seen.lines().find(|line| line.starts_with("▌ "))?;
    let words = line.trim_end().strip_suffix(" s")?;
    words.rsplit(' ').next()?.parse().ok()
}

fn click_token(stage: &Stage, gateway: &GatewayProcess) {
    stage.enroll(gateway, "Example", &CLICK_TOKEN).unwrap();
}

#[test]
fn a_login_is_approved_with_a_key_and_another_is_denied_and_reported() {
    let mut seat = Seat::new(PASSPHRASE_KEY, |_| (), click_token);
    let (mut window, _) = seat.login();
    for words in ["Example Portal", USER, "from this computer"] {
        seat.terminal.see(words).unwrap();
    }
    seat.terminal.press("a").unwrap();
    seat.terminal.see("Approved.").unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
    window.logged_in().unwrap();

    let (mut window, _) = seat.login();
    seat.terminal.press("d").unwrap();
    seat.terminal.see("Was it you? r: It wasn't me!").unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "denied");
    seat.terminal.press("r").unwrap();
    seat.terminal.see("know that it was not you.").unwrap();
    let listed = seat.stage.cli.json(&["requests", "--history"]).unwrap();
    assert_eq!(listed["requests"][0]["reported"], true);
    seat.terminal.press("3").unwrap();
    seat.terminal.see("denied, reported").unwrap();
    seat.leave();
}

#[test]
fn the_number_that_the_page_shows_is_typed_into_the_screen() {
    let mut seat = Seat::new(
        PASSPHRASE_KEY,
        |gateway| {
            gateway.configure("push", "number_matching = true").unwrap();
        },
        click_token,
    );
    let (mut window, page) = seat.login();
    let page = if page.contains("<output id=\"number\">") {
        page
    } else {
        window.look().unwrap().body
    };
    let (_, rest) = page.split_once("<output id=\"number\">").unwrap();
    let number = rest.split('<').next().unwrap();
    seat.terminal.press("a").unwrap();
    seat.terminal
        .see("Type the number that Example Portal shows.")
        .unwrap();
    seat.terminal.press(number).unwrap();
    seat.terminal.see(&format!("› {number}")).unwrap();
    seat.terminal.press("\r").unwrap();
    seat.terminal.see("Approved.").unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
    window.logged_in().unwrap();
    seat.leave();
}

#[test]
fn a_dialog_is_drawn_on_the_screens_own_terminal_and_the_screen_comes_back() {
    for (program, enter) in [("pinentry-tty", "\n"), ("pinentry-curses", "\r")] {
        if !parts::are_there("tui::a_dialog", &["dbus-daemon", "setsid", program]) {
            continue;
        }
        let config = format!("{PASSPHRASE_KEY}[pinentry]\nprogram = \"/usr/bin/{program}\"\n");
        let mut seat = Seat::new(
            &config,
            |_| (),
            |stage, gateway| {
                let activation = gateway.add_token(USER, &PIN_TOKEN).unwrap();
                stage.enroll_with_pin("Example", &activation, PIN).unwrap();
            },
        );
        let (mut window, _) = seat.login();
        seat.terminal.press("a").unwrap();
        seat.terminal.wait_for_secret_prompt("PIN:", 1).unwrap();
        seat.terminal.press(&format!("{PIN}{enter}")).unwrap();
        seat.terminal.see("Approved.").unwrap();
        seat.terminal.see("Countersign   Requests").unwrap();
        assert_eq!(window.wait_for_outcome().unwrap(), "approved");
        assert!(!seat.terminal.shown().contains(PIN));
        seat.leave();
    }
}
