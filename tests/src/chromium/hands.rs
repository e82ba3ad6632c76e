//! The user's hands in the browser: the mouse and the keyboard.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{Chromium, Page, is_true};

/// How often the mouse is pressed at most until what is meant was hit.
const CLICKS: usize = 50;
/// As the debugging protocol counts the keys that are held down.
const SHIFT: u32 = 8;

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// To what comes next.
    Tab,
    /// Back, to what was before: with Shift.
    BackTab,
    /// Does what the keyboard is on.
    Enter,
    /// The arrow down.
    Down,
    /// The arrow up.
    Up,
    /// A small letter from a to z.
    Letter(char),
}

impl Key {
    /// What a page is told: the key, its place, its old number, what is typed, what is held down.
    fn event(self) -> Value {
        let named = |key: &str, number: u32, text: &str, held: u32| json!({"key": key, "code": key, "windowsVirtualKeyCode": number, "text": text, "modifiers": held});
        match self {
            Self::Tab => named("Tab", 9, "", 0),
            Self::BackTab => named("Tab", 9, "", SHIFT),
            Self::Enter => named("Enter", 13, "\r", 0),
            Self::Down => named("ArrowDown", 40, "", 0),
            Self::Up => named("ArrowUp", 38, "", 0),
            Self::Letter(letter) => {
                let upper = letter.to_ascii_uppercase();
                json!({
                    "key": letter, "code": format!("Key{upper}"), "windowsVirtualKeyCode": u32::from(upper), "text": letter,
                })
            }
        }
    }
}

impl Chromium {
    /// Clicks the first element that `selector` names, with the mouse, as soon as it is there and enabled.
    ///
    /// # Errors
    ///
    /// There is none in time.
    pub fn click(&mut self, page: &Page, selector: &str) -> Result<()> {
        let selector = Value::from(selector);
        let script = format!(
            "(() => {{ const it = document.querySelector({selector}); \
            if (!it || it.disabled || document.readyState !== 'complete') return null; \
            it.scrollIntoView({{ block: 'center', behavior: 'instant' }}); \
            window.missed = it.tagName !== 'IFRAME'; \
            const hit = ({{ target }}) => {{ if (target.closest({selector})) window.missed = false; }}; \
            document.addEventListener('click', hit, {{ capture: true, once: true }}); \
            const box = it.getBoundingClientRect(); \
            return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        );
        for _ in 0..CLICKS {
            let place = self.wait_for(page, &script)?;
            let [x, y]: [f64; 2] = serde_json::from_value(place)?;
            for kind in ["mousePressed", "mouseReleased"] {
                let mouse =
                    json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1});
                self.ask("Input.dispatchMouseEvent", mouse, Some(page))?;
            }
            // A window that fits itself to what it shows moves it away from under the mouse, and one that is drawn anew has
            // another in its place, which was meant just as well. One that has gone was hit.
            if !self
                .evaluate(page, "window.missed === true")
                .is_ok_and(|missed| is_true(&missed))
            {
                return Ok(());
            }
        }
        bail!("{selector} is not hit");
    }

    /// Opens `url` and clicks the first link on it.
    ///
    /// # Errors
    ///
    /// There is no link in time.
    pub fn click_link_of(&mut self, url: &str) -> Result<()> {
        let page = self.open(url)?;
        self.click(&page, "a")
    }

    /// Presses a key on a page and lets it go.
    ///
    /// # Errors
    ///
    /// The page has gone.
    pub fn press_key(&mut self, page: &Page, key: Key) -> Result<()> {
        for kind in ["keyDown", "keyUp"] {
            let mut event = key.event();
            if let Some(event) = event.as_object_mut() {
                event.insert("type".to_owned(), kind.into());
                if kind == "keyUp" {
                    event.remove("text");
                }
            }
            self.ask("Input.dispatchKeyEvent", event, Some(page))?;
        }
        Ok(())
    }

    /// Types `text` where the keyboard of a page is.
    ///
    /// # Errors
    ///
    /// The page has gone.
    pub fn type_text(&mut self, page: &Page, text: &str) -> Result<()> {
        self.ask("Input.insertText", json!({"text": text}), Some(page))
            .map(drop)
    }

    /// What is in the clipboard, as a page of `origin` reads it once it may.
    ///
    /// # Errors
    ///
    /// The browser refuses.
    pub fn clipboard(&mut self, page: &Page, origin: &str) -> Result<String> {
        let allowed = json!({
            "permission": {"name": "clipboard-read"}, "setting": "granted", "origin": origin,
        });
        self.ask("Browser.setPermission", allowed, None)?;
        let read = self.evaluate(page, "navigator.clipboard.readText()")?;
        Ok(serde_json::from_value(read)?)
    }
}
