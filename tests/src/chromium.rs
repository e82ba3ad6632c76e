//! The real Chromium, driven over its debugging pipe: pages are opened, looked at, clicked on and typed into.

mod hands;
mod pipe;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, bail};
use data_encoding::BASE64;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{LOOK_EVERY, Workspace, agent::Session, block_on, patiently};

pub use hands::Key;

use pipe::Pipe;

/// What has to be installed.
pub const PROGRAM: &str = "chromium";
/// What a page shows and where its keyboard is.
const SHOWN: &str = "({ text: document.body?.innerText, size: [innerWidth, innerHeight, scrollY], focus: document.activeElement?.outerHTML.slice(0, 200), fields: [...document.querySelectorAll('input,select')].map(({ id, name, value, checked }) => ({ id, name, value, checked })) })";
/// The pipe is descriptors 3 and 4 of the browser.
const ON_A_PIPE: &str = "exec /usr/bin/chromium \"$@\" 3<&0 4>&1 1>&2";

/// How it is started, beside what every test wants.
#[derive(Clone, Debug, Default)]
pub struct Furnishing {
    words: Vec<String>,
    preferences: Value,
}

impl Furnishing {
    /// Links of `scheme` on pages of `origin` are opened without a question of the browser's, as after "always allow".
    #[must_use]
    pub fn opening_links(mut self, origin: &str, scheme: &str) -> Self {
        self.preferences = json!({"protocol_handler":
            {"allowed_origin_protocol_pairs": {origin: {scheme: true}}}});
        self
    }

    /// With these extensions, as they lie in their folders, and no others.
    #[must_use]
    pub fn with_extensions(mut self, folders: &[&Path]) -> Self {
        let folders: Vec<_> = folders
            .iter()
            .map(|folder| folder.display().to_string())
            .collect();
        for word in ["--load-extension", "--disable-extensions-except"] {
            self.words.push(format!("{word}={}", folders.join(",")));
        }
        self
    }

    /// With one more word on the command line.
    #[must_use]
    pub fn with(mut self, word: &str) -> Self {
        self.words.push(word.to_owned());
        self
    }
}

/// One page of the browser: a tab, or a window of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    target: String,
    session: String,
}

/// What is driven.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Page,
    Worker,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Worker => "service_worker",
        }
    }
}

/// A browser with a profile of its own. Killed on drop, by its own id.
#[derive(Debug)]
pub struct Chromium {
    _browser: Child,
    pipe: Pipe,
    pages: PathBuf,
}

impl Chromium {
    /// Starts it in `session`, whose display it is shown on.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(
        workspace: &Workspace,
        session: &Session,
        furnishing: &Furnishing,
    ) -> Result<Self> {
        let profile = workspace.join("chromium");
        fs::create_dir_all(profile.join("Default"))?;
        if furnishing.preferences.is_object() {
            let file = profile.join("Default/Preferences");
            fs::write(file, furnishing.preferences.to_string())?;
        }
        let mut command = session.command("/bin/sh".into());
        command.args(["-c", ON_A_PIPE, "sh"]);
        command.arg(format!("--user-data-dir={}", profile.display()));
        command.args([
            // Tests may run as root.
            "--no-sandbox",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--disable-sync",
            "--password-store=basic",
            "--window-position=0,0",
            "--window-size=780,480",
            "--remote-debugging-pipe",
        ]);
        command.args(&furnishing.words).arg("about:blank");
        let log = fs::File::create(workspace.logs().join("chromium.log"))?;
        let mut command = Command::from(command);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        let mut browser = block_on(async { command.spawn() })?;
        let to = browser.stdin.take().context("no pipe to the browser")?;
        let from = browser.stdout.take().context("no pipe from the browser")?;
        Ok(Self {
            _browser: browser,
            pipe: Pipe::new(to, from),
            pages: workspace.logs().join("chromium-pages.log"),
        })
    }

    /// Opens `url` in a tab of its own and waits until it is loaded.
    ///
    /// # Errors
    ///
    /// The page does not load.
    pub fn open(&mut self, url: &str) -> Result<Page> {
        let made = self.ask("Target.createTarget", json!({"url": "about:blank"}), None)?;
        let target = made.get("targetId").and_then(Value::as_str);
        let page = self.attach(target.context("no tab")?)?;
        self.navigate(&page, url)?;
        Ok(page)
    }

    /// Leads a page elsewhere and waits until that is loaded.
    ///
    /// # Errors
    ///
    /// The page does not load.
    pub fn navigate(&mut self, page: &Page, url: &str) -> Result<()> {
        self.evaluate(page, "window.left = true")?;
        let asked = json!({"url": url});
        let said = self.ask("Page.navigate", asked, Some(page))?;
        if let Some(error) = said.get("errorText").and_then(Value::as_str) {
            bail!("{url}: {error}");
        }
        self.wait_for(
            page,
            "!window.left && document.readyState === 'complete' && location.href !== 'about:blank'",
        )
        .map(drop)
    }

    /// Waits for a page whose address holds `part`, e.g. the window of an extension.
    ///
    /// # Errors
    ///
    /// There is none in time.
    pub fn page_at(&mut self, part: &str) -> Result<Page> {
        self.found(part, Kind::Page)
    }

    /// Waits until no page's address holds `part`.
    ///
    /// # Errors
    ///
    /// One stays.
    pub fn wait_until_closed(&mut self, part: &str) -> Result<()> {
        let gone = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            while self.target_at(part, Kind::Page).await?.is_some() {
                looks.tick().await;
            }
            anyhow::Ok(())
        };
        patiently(&format!("the end of the page at {part}"), gone)?
    }

    /// The page whose address holds `part`, if there is one now.
    ///
    /// # Errors
    ///
    /// The browser has ended.
    pub fn page_now_at(&mut self, part: &str) -> Result<Option<Page>> {
        let found = patiently("the list of pages", self.target_at(part, Kind::Page))??;
        // One that has gone meanwhile is none.
        Ok(found.and_then(|target| self.attach(&target).ok()))
    }

    /// Closes a page.
    ///
    /// # Errors
    ///
    /// The browser has ended.
    pub fn close(&mut self, page: &Page) -> Result<()> {
        let asked = json!({"targetId": page.target});
        self.ask("Target.closeTarget", asked, None).map(drop)
    }

    /// Puts a page in front.
    ///
    /// # Errors
    ///
    /// It has gone.
    pub fn bring_to_front(&mut self, page: &Page) -> Result<()> {
        self.ask("Page.bringToFront", json!({}), Some(page))
            .map(drop)
    }

    /// What `script` comes to on a page; a promise is waited for.
    ///
    /// # Errors
    ///
    /// It throws, or the page has gone.
    pub fn evaluate(&mut self, page: &Page, script: &str) -> Result<Value> {
        patiently("an answer of the page", self.value(page, script))?
    }

    /// Waits until `script` comes to something that counts as true on a page, and returns it.
    ///
    /// # Errors
    ///
    /// It does not in time, or throws.
    pub fn wait_for(&mut self, page: &Page, script: &str) -> Result<Value> {
        let come = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            loop {
                looks.tick().await;
                // While a page changes its scripts have nowhere to run.
                if let Ok(value) = self.value(page, script).await
                    && is_true(&value)
                {
                    return value;
                }
            }
        };
        patiently(script, come)
    }

    /// Presses the toolbar's button of an extension on a tab, as the user does: the browser takes it for a gesture.
    ///
    /// # Errors
    ///
    /// There is no such tab or extension.
    pub fn press_action(&mut self, extension: &str, page: &Page) -> Result<()> {
        let url = self.evaluate(page, "location.href")?;
        let targets = self.ask("Target.getTargets", json!({"filter": [{}]}), None)?;
        let targets = targets.get("targetInfos").and_then(Value::as_array);
        let tab = targets.into_iter().flatten().find(|target| {
            target.get("type") == Some(&json!("tab")) && target.get("url") == Some(&url)
        });
        let tab = tab.with_context(|| format!("no tab with {url}"))?;
        let asked = json!({"id": extension, "targetId": tab.get("targetId")});
        self.ask("Extensions.triggerAction", asked, None).map(drop)
    }

    /// Waits until the background of an extension listens to the toolbar's button: what comes before that is lost.
    ///
    /// # Errors
    ///
    /// There is no such extension.
    pub fn wait_for_extension(&mut self, extension: &str) -> Result<()> {
        let worker = self.worker(extension)?;
        self.wait_for(&worker, "chrome.action.onClicked.hasListeners()")?;
        self.detach(&worker)
    }

    /// What `script` comes to in the background of an extension.
    ///
    /// # Errors
    ///
    /// It throws, or there is no such extension.
    pub fn evaluate_in_background(&mut self, extension: &str, script: &str) -> Result<Value> {
        let worker = self.worker(extension)?;
        let value = self.evaluate(&worker, script)?;
        self.detach(&worker)?;
        Ok(value)
    }

    /// Waits until `script` comes to something that counts as true in the background of an extension.
    ///
    /// # Errors
    ///
    /// It does not in time, or there is no such extension.
    pub fn wait_in_background(&mut self, extension: &str, script: &str) -> Result<Value> {
        let worker = self.worker(extension)?;
        let value = self.wait_for(&worker, script)?;
        self.detach(&worker)?;
        Ok(value)
    }

    fn worker(&mut self, extension: &str) -> Result<Page> {
        self.found(&format!("chrome-extension://{extension}/"), Kind::Worker)
    }

    /// Whoever is attached to a background keeps it from ending as it does for a user.
    fn detach(&mut self, worker: &Page) -> Result<()> {
        let asked = json!({"sessionId": worker.session});
        self.ask("Target.detachFromTarget", asked, None).map(drop)
    }

    /// A picture of a page as it is, for readers of `light` or `dark` pages, as PNG.
    ///
    /// # Errors
    ///
    /// None can be taken.
    pub fn picture(&mut self, page: &Page, scheme: &str, file: &Path) -> Result<()> {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.ask("Emulation.setEmulatedMedia", media, Some(page))?;
        let taken = self.ask("Page.captureScreenshot", json!({}), Some(page))?;
        let data = taken.get("data").and_then(Value::as_str);
        let data = BASE64.decode(data.context("no picture")?.as_bytes())?;
        Ok(fs::write(file, data)?)
    }

    /// Waits for a target of this kind whose address holds `part`.
    fn found(&mut self, part: &str, kind: Kind) -> Result<Page> {
        let found = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            loop {
                looks.tick().await;
                if let Some(target) = self.target_at(part, kind).await? {
                    return anyhow::Ok(target);
                }
            }
        };
        let target = patiently(&format!("a target at {part}"), found)??;
        self.attach(&target)
    }

    fn attach(&mut self, target: &str) -> Result<Page> {
        let asked = json!({"targetId": target, "flatten": true});
        let attached = self.ask("Target.attachToTarget", asked, None)?;
        let session = attached.get("sessionId").and_then(Value::as_str);
        Ok(Page {
            target: target.to_owned(),
            session: session.context("no session")?.to_owned(),
        })
    }

    /// What every page shows, for whoever asks why a test failed.
    fn shown(&mut self) -> Result<String> {
        let targets = self.ask("Target.getTargets", json!({}), None)?;
        let targets = targets.get("targetInfos").and_then(Value::as_array);
        let mut shown = String::new();
        for target in targets.into_iter().flatten() {
            let [kind, url, id] = ["type", "url", "targetId"].map(|field| {
                target
                    .get(field)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            });
            writeln!(shown, "{kind} {url}")?;
            if kind == Kind::Page.name() {
                let page = self.attach(id)?;
                writeln!(shown, "{:#}", self.evaluate(&page, SHOWN)?)?;
            }
        }
        Ok(shown)
    }

    async fn target_at(&mut self, part: &str, kind: Kind) -> Result<Option<String>> {
        let targets = self.call("Target.getTargets", json!({}), None).await?;
        let targets = targets.get("targetInfos").and_then(Value::as_array);
        let target = targets.into_iter().flatten().find(|target| {
            let url = target.get("url").and_then(Value::as_str);
            url.is_some_and(|url| url.contains(part))
                && target.get("type") == Some(&json!(kind.name()))
        });
        let id = target.and_then(|target| target.get("targetId"));
        Ok(id.and_then(Value::as_str).map(str::to_owned))
    }

    async fn value(&mut self, page: &Page, script: &str) -> Result<Value> {
        let asked = json!({"expression": script, "returnByValue": true, "awaitPromise": true});
        let mut said = self.call("Runtime.evaluate", asked, Some(page)).await?;
        if let Some(thrown) = said.get("exceptionDetails") {
            bail!("{script}: {thrown}");
        }
        let value = said.pointer_mut("/result/value");
        Ok(value.map(Value::take).unwrap_or_default())
    }

    fn ask(&mut self, method: &str, params: Value, page: Option<&Page>) -> Result<Value> {
        patiently(method, self.call(method, params, page))?
    }

    async fn call(&mut self, method: &str, params: Value, page: Option<&Page>) -> Result<Value> {
        let session = page.map(|page| page.session.as_str());
        self.pipe.call(method, params, session).await
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let shown = self
            .shown()
            .unwrap_or_else(|error| format!("the pages cannot be looked at: {error:#}"));
        // The test has failed already, and says so.
        drop(fs::write(&self.pages, shown));
    }
}

/// As a page's script takes it.
pub(crate) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}
