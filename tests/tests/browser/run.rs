//! Chromium at a desk, with the extension in it, and what every run of it does.

use std::{fs, path::Path};

use countersign_proto::native_messaging::{CHROMIUM_ID, Family};
use countersign_tests::{
    chromium::{self, Chromium, Furnishing, Page},
    parts, screen,
};
use serde_json::Value;

use crate::{
    desk::{Desk, TOKEN},
    extension,
};

/// Where the popup's page lies in the extension.
pub(crate) const POPUP: &str = "popup/popup.html";
/// What the popup says went wrong.
pub(crate) const SAID: &str = "document.querySelector('.said.urgent')?.textContent";

/// How often the button or a shortcut is pressed at most, and how often the popup is looked for after each.
const PRESSES: usize = 8;
const LOOKS: usize = 200;
/// What sticks out of the window or of the box that it is in, or lies over what comes after it.
const MISPLACED: &str = "(() => { const box = (it) => it.getBoundingClientRect(); const whole = document.documentElement.clientWidth;\
    const said = (it) => it.outerHTML.slice(0, 80);\
    const wide = [...document.querySelectorAll('body *:not(.sr, .sr *)')].filter((it) => box(it).right > whole + 1 || box(it).left < -1);\
    const over = [...document.querySelectorAll('.code > *, .token > *, .number > *, .answers > *, .here > *, .challenge > *, .do > *')].filter((it) => it.nextElementSibling\
      && box(it).right > box(it.nextElementSibling).left + 1 && box(it).left + 1 < box(it.nextElementSibling).right && box(it).bottom > box(it.nextElementSibling).top + 1 && box(it).top + 1 < box(it.nextElementSibling).bottom);\
    const cut = [...document.querySelectorAll('button, output, label, .said')].filter((it) => it.scrollWidth > it.clientWidth + 1 && it.clientWidth > 0);\
    return [...wide, ...over, ...cut].map(said).join('; '); })()";

/// The browser and what is around it.
pub(crate) struct Run {
    pub(crate) browser: Chromium,
    pub(crate) desk: Desk,
}

/// Whether all is installed that a run of this name needs.
pub(crate) fn parts_are_there(name: &str) -> bool {
    parts::are_there(
        name,
        &[&screen::PROGRAMS[..], &[chromium::PROGRAM]].concat(),
    )
}

impl Run {
    /// Starts Chromium with our extension and `others`.
    pub(crate) fn start(desk: Desk, others: &[&Path]) -> Self {
        let manifests = desk.stage.workspace.join("chromium/NativeMessagingHosts");
        Desk::place_manifest(Family::Chromium, &manifests);
        let ours = extension();
        let extensions = [&[ours.as_path()], others].concat();
        let furnishing = Furnishing::default()
            .with_extensions(&extensions)
            .with("--ignore-certificate-errors");
        let session = desk.stage.agent.session().clone();
        let mut browser = Chromium::start(&desk.stage.workspace, &session, &furnishing).unwrap();
        browser.wait_for_extension(CHROMIUM_ID).unwrap();
        Self { browser, desk }
    }

    /// The button on a page leads to the pairing, which is confirmed in the agent's dialog. Returns the popup.
    pub(crate) fn first_meeting(&mut self, page: &Page) -> Page {
        let popup = self.popup_on(page);
        let mark = "document.querySelector('.fingerprint')?.textContent";
        let mark = self.browser.wait_for(&popup, mark).unwrap();
        self.pictures(&popup, "pair");
        self.browser.click(&popup, "[data-focus=pair]").unwrap();
        self.desk.confirmations.wait_for(1).unwrap();
        let asked = self.desk.confirmations.asked().unwrap();
        assert!(asked[0].contains(mark.as_str().unwrap()), "{asked:?}");
        let listed = format!("document.body.textContent.includes('{TOKEN}')");
        self.browser.wait_for(&popup, &listed).unwrap();
        let listed = self.desk.stage.cli.ask(&["browser", "list"]).unwrap();
        assert!(listed.contains("Chromium"), "{listed}");
        popup
    }

    /// Presses the button on a page.
    pub(crate) fn press(&mut self, page: &Page) {
        self.browser.press_action(CHROMIUM_ID, page).unwrap();
    }

    /// Presses the button on a page where it opens the popup.
    pub(crate) fn popup_on(&mut self, page: &Page) -> Page {
        self.browser.bring_to_front(page).unwrap();
        self.popup_after(page, |run| run.press(page))
    }

    /// Gives a page the keyboard and presses `keys` where they open the popup.
    pub(crate) fn popup_by_keys(&mut self, page: &Page, keys: &str) -> Page {
        self.browser.bring_to_front(page).unwrap();
        let window = self.desk.screen.wait_for_window("chromium").unwrap();
        self.desk.screen.focus(&window).unwrap();
        self.popup_after(page, |run| run.desk.screen.press(keys).unwrap())
    }

    /// Does `press` until the popup is there: while the fill before it is still being looked after it is nothing, and a popup
    /// that comes while the tabs change goes with the former tab.
    fn popup_after(&mut self, page: &Page, mut press: impl FnMut(&mut Self)) -> Page {
        for _ in 0..PRESSES {
            press(self);
            for _ in 0..LOOKS {
                if let Some(popup) = self.browser.page_now_at(POPUP).unwrap() {
                    return popup;
                }
                let a_while = "new Promise((passed) => { setTimeout(passed, 50); })";
                self.browser.evaluate(page, a_while).unwrap();
            }
        }
        unreachable!("no popup");
    }

    /// Closes the popup.
    pub(crate) fn close(&mut self, popup: &Page) {
        self.browser.close(popup).unwrap();
        self.browser.wait_until_closed(POPUP).unwrap();
    }

    /// Waits until the requests have stood for as long as an answer counts.
    pub(crate) fn let_stand(&mut self, popup: &Page) {
        let stood = "import('/popup/model.js').then(({ STEADY }) => new Promise((stood) => { setTimeout(stood, STEADY + 50); }))";
        self.browser.evaluate(popup, stood).unwrap();
    }

    /// Pictures of the window in light and dark, to be looked at. Nothing of it lies beside the window or over its neighbour.
    pub(crate) fn pictures(&mut self, popup: &Page, name: &str) {
        // The window grows to what it shows.
        let settled = format!("{MISPLACED} === ''");
        if self.browser.wait_for(popup, &settled).is_err() {
            let misplaced = self.browser.evaluate(popup, MISPLACED).unwrap();
            assert_eq!(misplaced, "", "{name}");
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
        fs::create_dir_all(&folder).unwrap();
        let [light, dark] = ["light", "dark"].map(|scheme| {
            let file = folder.join(format!("{name}-{scheme}.png"));
            self.browser.picture(popup, scheme, &file).unwrap();
            fs::read(file).unwrap()
        });
        assert_ne!(light, dark, "{name}: dark is another picture than light");
    }
}

pub(crate) fn text(value: Value) -> String {
    serde_json::from_value(value).unwrap()
}
