//! The popup in the real Chromium, with all that it can do: tokens are searched, shown, answered with and copied, and login
//! requests approved by keyboard and by number, denied, and reported.

use countersign_proto::native_messaging;
use countersign_tests::{
    chromium::{Key, Page},
    example_portal::{ExamplePortal, shown_number},
    requests::RequestWatch,
    stage::{PASSWORD, USER},
};
use serde_json::Value;

use crate::{
    desk::Desk,
    run::{Run, parts_are_there},
};

/// Whose logins show a number.
const CAREFUL: &str = "bob";
const NUMBER_TOKEN: [&str; 8] = [
    "--mode",
    "time",
    "--push",
    "on",
    "--push-level",
    "click",
    "--numbers",
    "on",
];

const COUNTER: &str = "otpauth://hotp/Counter:alice?secret=JBSWY3DPEHPK3PXP&counter=0";
/// The first two passcodes of [`COUNTER`] (computed with oathtool), as they are shown.
const PASSCODES: [&str; 2] = ["282 760", "996 554"];
/// Bytes `1234…` of RFC 6287, appendix C.1.
const BANK: &str = "otpauth://ocra/Bank:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&suite=OCRA-1%3AHOTP-SHA1-6%3AQN08";
/// Questions of that appendix with their answers, as they are shown.
const ANSWERS: [(&str, &str); 2] = [("00000000", "237 653"), ("11111111", "243 178")];
/// With the others there are more than seven, which makes a field to search in.
const MORE: [&str; 3] = ["Library", "Observatory", "Workshop"];

/// Whose keyboard it is.
const FOCUS: &str = "(document.activeElement?.dataset.focus ?? '')";
/// What the window says.
const ALL_SAID: &str = "document.querySelector('#told').textContent";
/// How often Tab is pressed at most.
const TABS: usize = 60;

struct Window {
    run: Run,
    /// The tab in front of which the popup is.
    page: Page,
    popup: Page,
    requests: RequestWatch,
}

#[test]
fn the_popup_by_mouse_and_keyboard() {
    if !parts_are_there("browser::popup") {
        return;
    }
    let desk = Desk::new();
    furnish(&desk);
    let requests = desk.stage.requests().unwrap();
    let url = desk.site("/nothing");
    let mut run = Run::start(desk, &[]);
    let page = run.browser.open(&url).unwrap();
    let popup = run.first_meeting(&page);
    let mut window = Window {
        run,
        page,
        popup,
        requests,
    };
    window.tokens_are_searched();
    window.challenge_is_answered();
    window.next_passcode_of_a_counter();
    window.copied_by_keyboard_and_cleared();
    window.approved_by_keyboard_alone();
    window.number_is_missing_then_right();
    window.denied();
    window.number_is_wrong();
    window.it_was_not_me();
    window.each_answer_is_in_the_log();
}

fn furnish(desk: &Desk) {
    let Desk { stage, gateway, .. } = desk;
    gateway.add_user(CAREFUL, PASSWORD).unwrap();
    let activation = gateway.add_token(CAREFUL, &NUMBER_TOKEN).unwrap();
    stage.enroll_string("Numbers", &activation).unwrap();
    stage.enroll_string("Counter", COUNTER).unwrap();
    stage.enroll_string("Bank", BANK).unwrap();
    for name in MORE {
        let seed = format!("otpauth://totp/{name}:alice?secret=JBSWY3DPEHPK3PXP&issuer={name}");
        stage.enroll_string(name, &seed).unwrap();
    }
    stage.wait_until_connected().unwrap();
}

impl Window {
    fn tokens_are_searched(&mut self) {
        let shown = "[...document.querySelectorAll('.token strong')].map(({ textContent }) => textContent).join()";
        self.click("[data-focus=search]");
        self.type_text("unt");
        self.wait_for(&format!("{shown} === 'Counter'"));
        self.run.pictures(&self.popup, "search");
        self.type_text("ry");
        self.wait_for("document.querySelector('.tokens > .hint')?.textContent.includes('Nothing')");
        assert_eq!(self.look(shown), "");
        assert_eq!(self.look(FOCUS), "search", "the keyboard stays");
        let emptied = "(() => { const field = document.querySelector('.search'); field.select(); return field.value; })()";
        assert_eq!(self.look(emptied), "untry");
        // What was typed before is chosen, and is written over.
        self.type_text("LIBRARY");
        self.wait_for(&format!("{shown} === 'Library'"));
        self.look(emptied);
        self.type_text("r");
        self.wait_for(&format!("{shown}.startsWith('Counter')"));
        self.look("(() => { const field = document.querySelector('.search'); field.value = ''; field.dispatchEvent(new Event('input')); return true; })()");
        self.wait_for("document.querySelectorAll('.token').length > 7");
    }

    fn next_passcode_of_a_counter(&mut self) {
        self.click("[aria-label=Counter] button");
        self.wait_for_code("Counter", PASSCODES[0]);
        self.click("[aria-label=Counter] [data-focus^=again]");
        self.wait_for_code("Counter", PASSCODES[1]);
        self.run.pictures(&self.popup, "next");
    }

    fn challenge_is_answered(&mut self) {
        let [(first, answer), (second, other)] = ANSWERS;
        self.click("[aria-label=Bank] button");
        self.wait_for("document.activeElement.matches('.challenge input')");
        self.type_text(first);
        self.run.pictures(&self.popup, "challenge");
        self.press(Key::Enter);
        self.wait_for_code("Bank", answer);
        self.click("[aria-label=Bank] [data-focus^=again]");
        self.wait_for("document.activeElement.matches('.challenge input')");
        self.type_text(second);
        self.click("[aria-label=Bank] button[type=submit]");
        self.wait_for_code("Bank", other);
    }

    /// Arrows lead to the token, `c` copies its passcode, and the time that it may stay in the clipboard ends it.
    fn copied_by_keyboard_and_cleared(&mut self) {
        // The time is the test's to end.
        self.look("(() => { const real = setTimeout; globalThis.setTimeout = (act, wait, ...more) => { if (wait !== 30_000) return real(act, wait, ...more); globalThis.timeIsUp = act; return 0; }; return true; })()");
        self.click("[data-focus=search]");
        for key in [Key::Down, Key::Down, Key::Down, Key::Up] {
            self.press(key);
        }
        self.wait_for(
            "document.activeElement.closest('.token')?.getAttribute('aria-label') === 'Counter'",
        );
        self.press(Key::Letter('c'));
        self.told("Copied");
        self.wait_for("document.querySelector('[aria-label=Counter] .icon-done')");
        self.run.pictures(&self.popup, "copied");
        let origin = native_messaging::chromium_origin();
        let Run { browser, .. } = &mut self.run;
        let copied = browser.clipboard(&self.popup, &origin).unwrap();
        assert_eq!(copied, PASSCODES[1].replace(' ', ""));
        self.look("(() => { timeIsUp(); return true; })()");
        self.told("Clipboard emptied");
        let Run { browser, .. } = &mut self.run;
        assert_eq!(browser.clipboard(&self.popup, &origin).unwrap(), "");
    }

    /// A login is waiting; the shortcut opens the popup, Tab leads to Approve, Enter presses it.
    fn approved_by_keyboard_alone(&mut self) {
        self.run.close(&self.popup);
        let mut portal = ExamplePortal::open(&self.run.desk.gateway).unwrap();
        portal.ask_the_desktop().unwrap();
        let request = self.requests.pending().unwrap().id;
        self.popup = self.run.popup_by_keys(&self.page, "alt+shift+k");
        self.wait_for(&card(&request));
        self.wait_for(&format!("{FOCUS} === 'search'"));
        let approve = format!("{FOCUS} === 'request-{request}-approve'");
        let reached = (0..TABS).any(|_| {
            self.press(Key::BackTab);
            self.look(&approve) == true
        });
        assert!(reached, "Tab does not lead to Approve");
        self.run.pictures(&self.popup, "keyboard");
        self.run.let_stand(&self.popup);
        self.press(Key::Enter);
        self.told("Approved");
        assert_eq!(portal.wait_for_outcome().unwrap(), "approved");
        portal.logged_in().unwrap();
        self.wait_for("!document.querySelector('.card')");
    }

    /// Nothing is sent without the number that the login page shows.
    fn number_is_missing_then_right(&mut self) {
        let (mut portal, number, request) = self.asked_with_a_number();
        self.run.pictures(&self.popup, "number");
        self.click(".card button[type=submit]");
        self.told("Type the number");
        self.wait_for(&format!("{FOCUS} === 'number-{request}'"));
        self.run.pictures(&self.popup, "number-missing");
        assert_eq!(portal.status().unwrap(), "pending");
        self.type_text(&number);
        self.click(".card button[type=submit]");
        self.told("Approved");
        assert_eq!(portal.wait_for_outcome().unwrap(), "approved");
        portal.logged_in().unwrap();
        self.wait_for("!document.querySelector('.card')");
    }

    fn denied(&mut self) {
        let (mut portal, _) = self.asked();
        self.click(".card .answers button.quiet");
        self.told("Denied");
        assert_eq!(portal.wait_for_outcome().unwrap(), "denied");
        self.wait_for("!document.querySelector('.card')");
        self.run.pictures(&self.popup, "denied");
        assert!(portal.logged_in().is_err());
    }

    /// It is the one try.
    fn number_is_wrong(&mut self) {
        let (mut portal, number, _) = self.asked_with_a_number();
        self.click(".card .number input");
        self.type_text(if number == "42" { "43" } else { "42" });
        self.click(".card button[type=submit]");
        self.told("counts as a denial");
        assert_eq!(portal.wait_for_outcome().unwrap(), "denied");
        self.wait_for("!document.querySelector('.card')");
        self.run.pictures(&self.popup, "number-wrong");
        assert!(portal.logged_in().is_err());
    }

    /// The login is denied, and the gateway hears that it was somebody else's.
    fn it_was_not_me(&mut self) {
        let (mut portal, request) = self.asked();
        self.click(".card .report");
        self.told("Denied and reported");
        assert_eq!(portal.wait_for_outcome().unwrap(), "denied");
        self.wait_for("!document.querySelector('.card')");
        self.run.pictures(&self.popup, "reported");
        let Desk { stage, gateway, .. } = &self.run.desk;
        let reported = gateway.wait_for_event("login_reported").unwrap();
        let detail = reported["detail"].as_str().unwrap();
        assert!(
            detail.starts_with(&format!("{USER} at Example Portal")),
            "{detail}"
        );
        let listed = stage.cli.json(&["requests", "--history"]).unwrap();
        let listed = listed["requests"].as_array().unwrap();
        let one = listed.iter().find(|one| one["id"] == request).unwrap();
        assert_eq!(one["reported"], true);
    }

    fn each_answer_is_in_the_log(&mut self) {
        let log = self.run.desk.stage.cli.json(&["log"]).unwrap();
        let mut words: Vec<_> = log["events"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| event["kind"] == "browser_answered")
            .filter_map(|event| event["detail"].as_str()?.split(':').next())
            .collect();
        words.reverse();
        assert_eq!(
            words,
            [
                "approved",
                "approved",
                "denied",
                "approved, which was not accepted",
                "reported"
            ]
        );
    }

    /// A login of [`USER`] at the sample resource, in some other browser; returns its window and its request's id.
    fn asked(&mut self) -> (ExamplePortal, String) {
        let mut portal = ExamplePortal::open(&self.run.desk.gateway).unwrap();
        portal.ask_the_desktop().unwrap();
        let request = self.pending_card();
        (portal, request)
    }

    /// The same of [`CAREFUL`], with the number that the page shows.
    fn asked_with_a_number(&mut self) -> (ExamplePortal, String, String) {
        let gateway = &self.run.desk.gateway;
        let mut portal = ExamplePortal::open_as(gateway, CAREFUL).unwrap();
        let number = shown_number(&portal.ask_the_desktop().unwrap()).unwrap();
        let request = self.pending_card();
        (portal, number, request)
    }

    fn pending_card(&mut self) -> String {
        let request = self.requests.pending().unwrap().id;
        self.wait_for(&card(&request));
        assert_eq!(self.look(ALL_SAID), "", "said of an earlier request");
        self.run.let_stand(&self.popup);
        request
    }

    /// Waits until the popup says this.
    fn told(&mut self, what: &str) {
        self.wait_for(&format!(
            "document.querySelector('.said')?.textContent.includes('{what}')"
        ));
    }

    fn wait_for_code(&mut self, token: &str, passcode: &str) {
        self.wait_for(&format!(
            "document.querySelector('[aria-label={token}] output')?.textContent === '{passcode}'"
        ));
    }

    fn wait_for(&mut self, script: &str) {
        self.run.browser.wait_for(&self.popup, script).unwrap();
    }

    fn look(&mut self, script: &str) -> Value {
        self.run.browser.evaluate(&self.popup, script).unwrap()
    }

    fn click(&mut self, selector: &str) {
        self.run.browser.click(&self.popup, selector).unwrap();
    }

    fn press(&mut self, key: Key) {
        self.run.browser.press_key(&self.popup, key).unwrap();
    }

    fn type_text(&mut self, text: &str) {
        self.run.browser.type_text(&self.popup, text).unwrap();
    }
}

/// Whether the card of a request is there.
fn card(request: &str) -> String {
    format!("document.querySelector('.card[data-request=\"{request}\"]') !== null")
}
