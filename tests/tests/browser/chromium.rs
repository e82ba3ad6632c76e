//! The extension in the real Chromium, from the first meeting to a login that is approved in its window.

use std::{fs, path::PathBuf};

use countersign_proto::native_messaging::CHROMIUM_ID;
use countersign_tests::{
    chromium::Page,
    stage::{PASSWORD, USER},
};
use serde_json::{Value, json};

use crate::{
    desk::{Desk, TOKEN},
    run::{POPUP, Run, SAID, parts_are_there, text},
};

/// The public half of a key that was thrown away: it gives the other extension an id that is known.
const OTHER_KEY: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAs7j/Nl/FmOB2az3kkBzWy4ZTSYHLhQcmjT7BVXmj5eOmu8IHzcm+8Fcp5uRoPfx+D/+V4mclpsyVmfQ3Rdqup8Zgr/FwNCUZRGgtPVTuverZaQE+NXJFkpyPx6rprVLFeVGItBZf+nw56Vfgh+Yu+pEQeIf5oBGrFo+5PmEirq0+iT9D8NmuuWSXecC1I93BU1i+OaH74Uqn+dQ0yQo051LNaxtgl32djGdHIrS/pVsy3Fw5JV0IKkqJF8T1e8o/p7HKX7B1K2VHKngkqE/TNTe4L3y3Soz7Jf1k7/f7Ydb7x8hzady9i7oblZ4GE4SKtBI7Zsq52FXnEv4gPHIDDQIDAQAB";
const OTHER_ID: &str = "enamjollgkhjohggcllmlephcplipkjp";

/// The digits in the boxes of a page once all are there.
const BOXES: &str = "(() => { const all = [...document.querySelectorAll('.box')].map((box) => box.value).join(''); return all.length === 6 ? all : ''; })()";
const CODE: &str = "document.querySelector('#code').value";

#[test]
fn chromium_from_the_first_meeting_to_an_approved_login() {
    if !parts_are_there("browser::chromium") {
        return;
    }
    let desk = Desk::new();
    let other = other_extension(&desk);
    let url = desk.site("/login");
    let mut run = Run::start(desk, &[&other]);

    let login = run.browser.open(&url).unwrap();
    run.first_meeting(&login);
    run.first_fill(&login);
    run.shortcut_fills_six_boxes();
    run.boxes_that_keep_only_what_is_pasted();
    run.embedded_and_sandboxed_pages_get_nothing();
    run.page_that_changes_in_between_gets_nothing();
    run.others_reach_nothing(&login);
    run.tokens_from_a_page();
    run.agent_that_goes_and_comes(&login);
    run.login_approved_in_the_popup();
}

impl Run {
    /// Nothing is filled before a token was said to belong to the page, in the agent's dialog.
    fn first_fill(&mut self, login: &Page) {
        let popup = self.browser.page_at(POPUP).unwrap();
        self.browser.click(&popup, "[data-focus=fill]").unwrap();
        let choose = format!(
            "(() => {{ const select = document.querySelector('#belongs'); const option = [...(select?.options ?? [])].find(({{ text }}) => text === '{TOKEN}');\
             if (option) select.value = option.value; return Boolean(option); }})()"
        );
        self.browser.wait_for(&popup, &choose).unwrap();
        assert_eq!(self.browser.evaluate(login, CODE).unwrap(), "");
        let Self { browser, desk } = self;
        // All of a domain only where there is one: what it is, the agent says.
        browser.click(&popup, "#widen").unwrap();
        browser.click(&popup, "[data-focus=use]").unwrap();
        let said = text(browser.wait_for(&popup, SAID).unwrap());
        assert!(said.contains("no domain of its own"), "{said:?}");
        assert_eq!(desk.confirmations.asked().unwrap().len(), 1);
        browser.click(&popup, "#widen").unwrap();
        browser.wait_for(&popup, &choose).unwrap();
        desk.is_passcode(|| {
            browser.click(&popup, "[data-focus=use]").unwrap();
            desk.confirmations.wait_for(2).unwrap();
            text(browser.wait_for(login, CODE).unwrap())
        });
        let asked = desk.confirmations.asked().unwrap();
        assert!(asked[1].contains("localhost"), "{asked:?}");
        browser.wait_until_closed(POPUP).unwrap();
        assert_eq!(browser.evaluate(login, "window.sent").unwrap(), 0);
    }

    fn shortcut_fills_six_boxes(&mut self) {
        let url = self.desk.site("/boxes");
        let page = self.browser.open(&url).unwrap();
        let Self { browser, desk } = self;
        browser.bring_to_front(&page).unwrap();
        let window = desk.screen.wait_for_window("chromium").unwrap();
        desk.screen.focus(&window).unwrap();
        desk.is_passcode(|| {
            desk.screen.press("alt+shift+o").unwrap();
            text(browser.wait_for(&page, BOXES).unwrap())
        });
        assert_eq!(browser.evaluate(&page, "window.sent").unwrap(), 0);
    }

    fn boxes_that_keep_only_what_is_pasted(&mut self) {
        let url = self.desk.site("/pasted");
        let page = self.browser.open(&url).unwrap();
        let Self { browser, desk } = self;
        desk.is_passcode(|| {
            browser.press_action(CHROMIUM_ID, &page).unwrap();
            text(browser.wait_for(&page, BOXES).unwrap())
        });
    }

    fn embedded_and_sandboxed_pages_get_nothing(&mut self) {
        let url = self.desk.site("/framed");
        let page = self.browser.open(&url).unwrap();
        self.browser.wait_for(&page, "window.framed").unwrap();
        self.shortcut_is_refused(&page, "No field for a passcode");
        // Even where the user has clicked into it.
        self.browser.click(&page, "iframe").unwrap();
        self.browser
            .wait_for(&page, "document.activeElement?.tagName === 'IFRAME'")
            .unwrap();
        self.shortcut_is_refused(&page, "embedded in this one");
        let title = self.browser.evaluate(&page, "document.title").unwrap();
        assert_eq!(title, "/framed");
        self.browser.close(&page).unwrap();

        let url = self.desk.site("/sandboxed");
        let page = self.browser.open(&url).unwrap();
        self.shortcut_is_refused(&page, "no trustworthy address");
        assert_eq!(self.browser.evaluate(&page, CODE).unwrap(), "");
        self.browser.close(&page).unwrap();
    }

    /// Presses the shortcut on a page and waits for the popup that says why not.
    fn shortcut_is_refused(&mut self, page: &Page, why: &str) {
        let popup = self.popup_by_keys(page, "alt+shift+o");
        let said = text(self.browser.wait_for(&popup, SAID).unwrap());
        assert!(said.contains(why), "{said:?}");
        self.close(&popup);
    }

    /// The agent is stopped while it is asked, and the page leads elsewhere meanwhile.
    fn page_that_changes_in_between_gets_nothing(&mut self) {
        let url = self.desk.site("/login");
        let page = self.browser.open(&url).unwrap();
        self.desk.end_hosts();
        let agent = self.desk.stage.agent.process();
        agent.signal(rustix::process::Signal::STOP).unwrap();
        self.browser.press_action(CHROMIUM_ID, &page).unwrap();
        // A host starts only after the page was looked at.
        self.desk.wait_for_host(true);
        let url = self.desk.site("/elsewhere");
        self.browser.navigate(&page, &url).unwrap();
        let agent = self.desk.stage.agent.process();
        agent.signal(rustix::process::Signal::CONT).unwrap();
        let popup = self.browser.page_at(POPUP).unwrap();
        let said = text(self.browser.wait_for(&popup, SAID).unwrap());
        assert!(said.contains("changed meanwhile"), "{said:?}");
        assert_eq!(self.browser.evaluate(&page, CODE).unwrap(), "");
        self.close(&popup);
        self.browser.close(&page).unwrap();
    }

    fn others_reach_nothing(&mut self, login: &Page) {
        let Self { browser, .. } = self;
        let address = format!("chrome-extension://{CHROMIUM_ID}/{POPUP}");
        let page = format!(
            "(async () => [typeof globalThis.chrome?.runtime?.sendMessage, await fetch('{address}').then(() => 'reached', () => 'refused'),\
             await import('chrome-extension://{CHROMIUM_ID}/host.js').then(() => 'reached', () => 'refused')])()"
        );
        let reached = browser.evaluate(login, &page).unwrap();
        assert_eq!(reached, json!(["undefined", "refused", "refused"]));

        let other = browser
            .open(&format!("chrome-extension://{OTHER_ID}/probe.html"))
            .unwrap();
        let probe = format!(
            "(async () => {{ const host = await chrome.runtime.sendNativeMessage('org.countersign.browser', {{ id: 1, op: 'status' }}).then(() => 'reached', ({{ message }}) => message);\
             const message = await chrome.runtime.sendMessage('{CHROMIUM_ID}', {{ n: 1, wish: 'tokens' }}).then(() => 'reached', ({{ message }}) => message);\
             const port = chrome.runtime.connect('{CHROMIUM_ID}', {{ name: 'popup' }});\
             const ended = new Promise((resolve) => {{ port.onDisconnect.addListener(() => resolve('ended')); port.onMessage.addListener(() => resolve('reached')); }});\
             try {{ port.postMessage({{ n: 1, wish: 'tokens' }}); }} catch {{ /* it has ended */ }} return [host, message, await ended]; }})()"
        );
        let reached = browser.evaluate(&other, &probe).unwrap();
        let [host, message, port] = [0, 1, 2].map(|at| text(reached[at].clone()));
        assert!(host.contains("forbidden"), "{host}");
        assert!(
            message.contains("Receiving end does not exist"),
            "{message}"
        );
        assert_eq!(port, "ended");
        browser.close(&other).unwrap();
    }

    /// A QR code in view and a link, as the entry of the context menu hands them over; each is confirmed in the agent's dialog.
    fn tokens_from_a_page(&mut self) {
        let url = self.desk.site("/code");
        let page = self.browser.open(&url).unwrap();
        let before = self.desk.tokens();
        let [one_more, two_more] = [1, 2].map(|more| before.saturating_add(more));
        let asked = self.desk.confirmations.asked().unwrap().len();
        let asked_twice_more = asked.saturating_add(2);
        // The button is the gesture here, for a driver cannot reach the browser's own menu.
        let popup = self.popup_on(&page);
        self.browser
            .wait_for(&popup, "document.querySelector('.token')")
            .unwrap();
        self.close(&popup);
        let choose = |info: Value| {
            format!(
                "chrome.tabs.query({{ active: true, lastFocusedWindow: true }}).then(([tab]) => {{ chrome.contextMenus.onClicked.dispatch({info}, tab); }})"
            )
        };
        let code = choose(json!({"menuItemId": "enroll", "frameId": 0}));
        self.enroll(&code);
        assert_eq!(self.desk.tokens(), one_more);
        let link = "otpauth://totp/Link:alice?secret=JBSWY3DPEHPK3PXB&issuer=Link";
        let link = choose(json!({"menuItemId": "enroll", "frameId": 0, "linkUrl": link}));
        self.enroll(&link);
        assert_eq!(self.desk.tokens(), two_more);
        let asked = self.desk.confirmations.asked().unwrap().len();
        assert_eq!(asked, asked_twice_more);
        self.browser.close(&page).unwrap();
    }

    /// Chooses the entry of the context menu and waits until the button says that it is done.
    fn enroll(&mut self, choose: &str) {
        let badge = "chrome.tabs.query({ active: true, lastFocusedWindow: true }).then(([{ id: tabId }]) => chrome.action.getBadgeText({ tabId }))";
        for wanted in ["", "✓"] {
            self.browser
                .wait_in_background(
                    CHROMIUM_ID,
                    &format!("{badge}.then((badge) => badge === '{wanted}')"),
                )
                .unwrap();
            if wanted.is_empty() {
                self.browser
                    .evaluate_in_background(CHROMIUM_ID, choose)
                    .unwrap();
            }
        }
    }

    /// The popup says that the agent is away, and notices when it is there again.
    fn agent_that_goes_and_comes(&mut self, login: &Page) {
        let url = self.desk.site("/nothing");
        self.browser.navigate(login, &url).unwrap();
        let popup = self.popup_on(login);
        self.browser
            .wait_for(&popup, "document.querySelector('.token')")
            .unwrap();
        let show = format!("[aria-label='Show the passcode of {TOKEN}']");
        self.browser.click(&popup, &show).unwrap();
        self.browser
            .wait_for(&popup, "document.querySelector('.code output')")
            .unwrap();
        self.pictures(&popup, "tokens");
        self.desk.stage.agent.process().terminate().unwrap();
        let away = "document.querySelector('h1')?.textContent === 'The agent is not running'";
        self.browser.wait_for(&popup, away).unwrap();
        self.pictures(&popup, "away");
        self.desk.stage.agent.restart().unwrap();
        let locked = "document.querySelector('h1')?.textContent === 'The vault is locked'";
        self.browser.wait_for(&popup, locked).unwrap();
        self.pictures(&popup, "locked");
        self.desk.stage.unlock().unwrap();
        self.browser
            .wait_for(&popup, "document.querySelector('.token')")
            .unwrap();
        self.close(&popup);
        self.desk.stage.wait_until_connected().unwrap();
    }

    /// A login at the sample resource, in this very browser, with a request to the desktop.
    fn login_approved_in_the_popup(&mut self) {
        let Self { browser, desk } = self;
        let portal = browser
            .open(&format!("{}/example/", desk.gateway.origin()))
            .unwrap();
        let name = format!(
            "(() => {{ document.querySelector('[name=user]').value = '{USER}'; const password = document.querySelector('[name=password]'); \
             password.value = '{PASSWORD}'; password.form.requestSubmit(); }})()"
        );
        browser.evaluate(&portal, &name).unwrap();
        let push = "(() => { const push = document.querySelector('button[name=push]'); push?.form.requestSubmit(push); return Boolean(push); })()";
        browser.wait_for(&portal, push).unwrap();
        desk.stage.wait_for_pending(1).unwrap();
        let popup = self.popup_on(&portal);
        let card = self
            .browser
            .wait_for(
                &popup,
                "document.querySelector('.card:has(.mine)')?.textContent",
            )
            .unwrap();
        let card = text(card);
        for said in ["Example", USER, "this very browser"] {
            assert!(card.contains(said), "{said:?} is missing in {card:?}");
        }
        self.pictures(&popup, "request");
        self.let_stand(&popup);
        let Self { browser, .. } = self;
        browser.click(&popup, ".card button[type=submit]").unwrap();
        browser
            .wait_for(&portal, "document.body.textContent.includes('logged in')")
            .unwrap();
    }
}

/// An extension of somebody else that tries what ours does.
fn other_extension(desk: &Desk) -> PathBuf {
    let folder = desk.stage.workspace.join("other-extension");
    fs::create_dir_all(&folder).unwrap();
    let manifest = json!({
        "manifest_version": 3, "name": "Other", "version": "1", "key": OTHER_KEY, "permissions": ["nativeMessaging"],
    });
    fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(
        folder.join("probe.html"),
        "<!DOCTYPE html><title>Other</title>",
    )
    .unwrap();
    folder
}
