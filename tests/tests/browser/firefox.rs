//! The extension in the real Firefox ESR, from the first meeting to a login that is approved in its window.

use countersign_proto::native_messaging::{FIREFOX_ID, Family};
use countersign_tests::{
    example_portal::ExamplePortal,
    firefox::{self, Firefox},
    parts, screen,
    stage::{PASSWORD, USER},
};
use serde_json::Value;

use crate::{
    desk::{Desk, TOKEN},
    extension,
};

/// The digits in the boxes of a page once all are there.
const BOXES: &str = "const all = [...document.querySelectorAll('.box')].map((box) => box.value).join(''); return all.length === 6 ? all : '';";
const CODE: &str = "return document.querySelector('#code').value";

/// Looks for the window that the popup is in, every 20 ms and `looks` times, and closes it.
const PANELS: &str = "const { document } = Services.wm.getMostRecentWindow('navigator:browser');\
    return new Promise((done) => { const look = () => {\
    const panel = [...document.querySelectorAll('panel')].find((each) => each.state === 'open' && each.querySelector('browser'));\
    if (panel) { panel.addEventListener('popuphidden', () => done(true), { once: true }); panel.hidePopup(); }\
    else if ((looks -= 1) === 0) { done(false); } else { document.defaultView.setTimeout(look, 20); } }; look(); });";
/// So often it is looked for at most, which is 50 seconds.
const LOOKS: u32 = 2500;
/// How often the shortcut is pressed at most.
const PRESSES: usize = 10;

struct Run {
    browser: Firefox,
    desk: Desk,
    /// The tab with the pages.
    tab: String,
}

#[test]
fn firefox_from_the_first_meeting_to_an_approved_login() {
    let programs = [&screen::PROGRAMS[..], &[firefox::PROGRAM]].concat();
    if !parts::are_there("browser::firefox", &programs) {
        return;
    }
    let desk = Desk::new();
    let manifests = desk
        .stage
        .workspace
        .join("home/.mozilla/native-messaging-hosts");
    Desk::place_manifest(Family::Firefox, &manifests);
    let session = desk.stage.agent.session().clone();
    let mut browser = Firefox::start(&desk.stage.workspace, &session).unwrap();
    browser.install(&extension()).unwrap();
    let [tab] = <[String; 1]>::try_from(browser.tabs().unwrap()).unwrap();
    let mut run = Run { browser, desk, tab };

    run.first_meeting_and_first_fill();
    run.shortcut_fills_six_boxes();
    run.boxes_that_keep_only_what_is_pasted();
    run.embedded_and_sandboxed_pages_get_nothing();
    let popup = run.login_approved_in_the_popup();
    run.copied_and_cleared_by_a_gesture(&popup);
    run.it_was_not_me();
}

impl Run {
    /// The pairing is confirmed in the agent's dialog, and so is that a token belongs to the page.
    fn first_meeting_and_first_fill(&mut self) {
        let url = self.desk.site("/login");
        self.browser.navigate(&url).unwrap();
        let popup = self.press_and_open_the_popup();
        let Self { browser, desk, .. } = self;
        let mark = "return document.querySelector('.fingerprint')?.textContent";
        let mark = browser.wait_for(mark).unwrap();
        browser.click("[data-focus=pair]").unwrap();
        desk.confirmations.wait_for(1).unwrap();
        let asked = desk.confirmations.asked().unwrap();
        assert!(asked[0].contains(mark.as_str().unwrap()), "{asked:?}");
        browser.click("[data-focus=fill]").unwrap();
        let choose = format!(
            "const select = document.querySelector('#belongs'); const option = [...(select?.options ?? [])].find(({{ text }}) => text === '{TOKEN}');\
             if (option) select.value = option.value; return Boolean(option);"
        );
        browser.wait_for(&choose).unwrap();
        desk.is_passcode(|| {
            browser.click("[data-focus=use]").unwrap();
            desk.confirmations.wait_for(2).unwrap();
            browser.switch_to(&self.tab).unwrap();
            text(browser.wait_for(CODE).unwrap())
        });
        assert_eq!(browser.evaluate("return window.sent").unwrap(), 0);
        browser.switch_to(&popup).unwrap();
        browser.close().unwrap();
        browser.switch_to(&self.tab).unwrap();
        let listed = desk.stage.cli.ask(&["browser", "list"]).unwrap();
        assert!(listed.contains("Firefox"), "{listed}");
    }

    fn shortcut_fills_six_boxes(&mut self) {
        let url = self.desk.site("/boxes");
        let Self { browser, desk, .. } = self;
        browser.navigate(&url).unwrap();
        desk.is_passcode(|| {
            press_the_shortcut(desk);
            text(browser.wait_for(BOXES).unwrap())
        });
        assert_eq!(browser.evaluate("return window.sent").unwrap(), 0);
    }

    fn boxes_that_keep_only_what_is_pasted(&mut self) {
        let url = self.desk.site("/pasted");
        let Self { browser, desk, .. } = self;
        browser.navigate(&url).unwrap();
        desk.is_passcode(|| {
            browser.press_action(FIREFOX_ID).unwrap();
            text(browser.wait_for(BOXES).unwrap())
        });
    }

    fn embedded_and_sandboxed_pages_get_nothing(&mut self) {
        let url = self.desk.site("/framed");
        self.browser.navigate(&url).unwrap();
        self.browser.wait_for("return window.framed").unwrap();
        self.shortcut_opens_the_popup();
        assert_eq!(
            self.browser.evaluate("return document.title").unwrap(),
            "/framed"
        );

        let url = self.desk.site("/sandboxed");
        self.browser.navigate(&url).unwrap();
        self.shortcut_opens_the_popup();
        assert_eq!(self.browser.evaluate(CODE).unwrap(), "");
    }

    /// Presses the shortcut until the popup is there: while the fill before it is still being looked after, it is nothing.
    fn shortcut_opens_the_popup(&mut self) {
        for _ in 0..PRESSES {
            press_the_shortcut(&self.desk);
            if self.popup_opens_and_is_closed(LOOKS / 20) {
                return;
            }
        }
        unreachable!("no popup");
    }

    fn popup_opens_and_is_closed(&mut self, looks: u32) -> bool {
        let panels = format!("let looks = {looks};{PANELS}");
        self.browser.evaluate_in_browser(&panels).unwrap() == true
    }

    /// A login at the sample resource, in this very browser, with a request to the desktop.
    fn login_approved_in_the_popup(&mut self) -> String {
        let url = format!("{}/example/", self.desk.gateway.origin());
        self.browser.navigate(&url).unwrap();
        self.browser.type_into("[name=user]", USER).unwrap();
        self.browser.type_into("[name=password]", PASSWORD).unwrap();
        self.browser.click("form button").unwrap();
        self.browser.click("button[name=push]").unwrap();
        self.desk.stage.wait_for_pending(1).unwrap();
        let popup = self.press_and_open_the_popup();
        let Self { browser, .. } = self;
        let card = "return document.querySelector('.card:has(.mine)')?.textContent";
        let card = text(browser.wait_for(card).unwrap());
        for said in ["Example", USER, "this very browser"] {
            assert!(card.contains(said), "{said:?} is missing in {card:?}");
        }
        let_stand(browser);
        browser.click(".card button[type=submit]").unwrap();
        browser.switch_to(&self.tab).unwrap();
        browser
            .wait_for("return document.body.textContent.includes('logged in')")
            .unwrap();
        popup
    }

    /// Without a gesture this browser lets nobody near the clipboard: the popup says that the passcode is still there, and the
    /// next gesture clears it.
    fn copied_and_cleared_by_a_gesture(&mut self, popup: &str) {
        let Self { browser, .. } = self;
        browser.switch_to(popup).unwrap();
        browser
            .wait_for("return !document.querySelector('.card')")
            .unwrap();
        let held = "const real = setTimeout; window.setTimeout = (act, wait, ...more) => {\
            if (wait !== 30_000) return real(act, wait, ...more); window.timeIsUp = act; return 0; }; return true;";
        browser.evaluate(held).unwrap();
        let copy = format!("[aria-label={TOKEN}] [data-focus^=copy]");
        browser.click(&copy).unwrap();
        let said =
            |what: &str| format!("return document.querySelector('.said')?.textContent{what}");
        browser.wait_for(&said(" === 'Copied'")).unwrap();
        gestures_count_for(browser, 1);
        browser
            .wait_for("return !navigator.userActivation.isActive")
            .unwrap();
        browser.evaluate("window.timeIsUp(); return true;").unwrap();
        browser
            .wait_for(&said(".includes('still in the clipboard')"))
            .unwrap();
        gestures_count_for(browser, 5000);
        browser.click(".brand").unwrap();
        browser.wait_for(&said(" === 'Clipboard emptied'")).unwrap();
    }

    /// Somebody else's login is denied, and the gateway hears whose it was not.
    fn it_was_not_me(&mut self) {
        let Self { browser, desk, .. } = self;
        let mut stranger = ExamplePortal::open(&desk.gateway).unwrap();
        stranger.ask_the_desktop().unwrap();
        browser
            .wait_for("return document.querySelector('.card')")
            .unwrap();
        let_stand(browser);
        browser.click(".card .report").unwrap();
        browser
            .wait_for(
                "return document.querySelector('.said')?.textContent === 'Denied and reported'",
            )
            .unwrap();
        assert_eq!(stranger.wait_for_outcome().unwrap(), "denied");
        let reported = desk.gateway.wait_for_event("login_reported").unwrap();
        let detail = reported["detail"].as_str().unwrap();
        assert!(detail.starts_with(USER), "{detail}");
    }

    /// Presses the button on the page in front, which lets the extension see it, and opens the popup's page in a tab of its
    /// own, for what is inside the real one is out of a driver's reach.
    fn press_and_open_the_popup(&mut self) -> String {
        self.browser.press_action(FIREFOX_ID).unwrap();
        assert!(self.popup_opens_and_is_closed(LOOKS));
        let open = format!(
            "const {{ ExtensionParent }} = ChromeUtils.importESModule('resource://gre/modules/ExtensionParent.sys.mjs');\
             const {{ gBrowser }} = Services.wm.getMostRecentWindow('navigator:browser');\
             const id = ExtensionParent.apiManager.global.tabTracker.getId(gBrowser.selectedTab);\
             const address = WebExtensionPolicy.getByID('{FIREFOX_ID}').getURL('popup/popup.html');\
             gBrowser.selectedTab = gBrowser.addTrustedTab(`${{address}}?tab=${{id}}`); return true;"
        );
        self.browser.evaluate_in_browser(&open).unwrap();
        let popup = self.browser.tabs().unwrap().pop().unwrap();
        assert_ne!(popup, self.tab);
        self.browser.switch_to(&popup).unwrap();
        popup
    }
}

/// For so many milliseconds.
fn gestures_count_for(browser: &mut Firefox, time: u32) {
    let set = format!(
        "Services.prefs.setIntPref('dom.user_activation.transient.timeout', {time}); return true;"
    );
    browser.evaluate_in_browser(&set).unwrap();
}

/// An answer counts once the requests have stood for a while.
fn let_stand(browser: &mut Firefox) {
    browser
        .evaluate("return new Promise((stood) => { setTimeout(stood, 700); })")
        .unwrap();
}

fn press_the_shortcut(desk: &Desk) {
    let window = desk.screen.wait_for_window("firefox").unwrap();
    desk.screen.focus(&window).unwrap();
    desk.screen.press("alt+shift+o").unwrap();
}

fn text(value: Value) -> String {
    serde_json::from_value(value).unwrap()
}
