//! The real Firefox ESR, driven over Marionette: the protocol that its own tests speak, on a local port.
//!
//! A packet is `LENGTH:JSON`; a command `[0, id, name, parameters]`, its answer `[1, id, error, result]`.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::{
    LOOK_EVERY, Workspace,
    agent::Session,
    chromium::is_true,
    patiently,
    process::{Process, Stdout},
};

/// What has to be installed.
pub const PROGRAM: &str = "firefox-esr";
/// The largest packet that is read, in bytes.
const LARGEST: usize = 1 << 20;
/// Chosen by the browser, and written to its profile.
const ANY_PORT: &str = "user_pref(\"marionette.port\", 0);\n";
/// Nothing is fetched, asked or shown by itself.
const QUIET: &str = "user_pref(\"browser.shell.checkDefaultBrowser\", false);\n\
    user_pref(\"browser.aboutwelcome.enabled\", false);\n\
    user_pref(\"browser.startup.page\", 0);\n\
    user_pref(\"ui.key.menuAccessKeyFocuses\", false);\n\
    user_pref(\"datareporting.policy.dataSubmissionEnabled\", false);\n\
    user_pref(\"app.normandy.enabled\", false);\n\
    user_pref(\"browser.safebrowsing.update.enabled\", false);\n\
    user_pref(\"extensions.getAddons.cache.enabled\", false);\n\
    user_pref(\"extensions.systemAddon.update.enabled\", false);\n\
    user_pref(\"network.captive-portal-service.enabled\", false);\n\
    user_pref(\"network.connectivity-service.enabled\", false);\n\
    user_pref(\"services.settings.server\", \"data:,\");\n\
    user_pref(\"toolkit.telemetry.enabled\", false);\n";

/// A browser with a profile of its own and one window. Killed on drop, by its own id.
#[derive(Debug)]
pub struct Firefox {
    stream: BufReader<TcpStream>,
    last: u32,
    _browser: Process,
}

impl Firefox {
    /// Starts it in `session`, whose display it is shown on.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(workspace: &Workspace, session: &Session) -> Result<Self> {
        let profile = workspace.join("firefox");
        fs::create_dir_all(&profile)?;
        fs::write(profile.join("user.js"), format!("{ANY_PORT}{QUIET}"))?;
        let mut command: Command = session.command("/usr/bin/firefox-esr".into());
        command.args(["-marionette", "-remote-allow-system-access", "-no-remote"]);
        command.args(["-width", "780", "-height", "480", "-profile"]);
        command.arg(&profile);
        let browser = Process::spawn("firefox", command, &workspace.logs(), Stdout::Log, None)?;
        let stream = patiently("Firefox", connect(&profile))??;
        let mut firefox = Self {
            stream: BufReader::new(stream),
            last: 0,
            _browser: browser,
        };
        let greeting = patiently("Firefox's greeting", firefox.packet())??;
        if greeting.get("marionetteProtocol") != Some(&json!(3)) {
            bail!("another protocol: {greeting}");
        }
        let capabilities = json!({"acceptInsecureCerts": true});
        firefox.ask("WebDriver:NewSession", capabilities)?;
        Ok(firefox)
    }

    /// Installs an add-on from its folder until the browser ends, and waits until its background runs: what comes before
    /// that is lost.
    ///
    /// # Errors
    ///
    /// The browser does not take it.
    pub fn install(&mut self, folder: &Path) -> Result<()> {
        let asked = json!({"path": folder, "temporary": true});
        let id = self.ask("Addon:Install", asked)?;
        let id = id.get("value").context("an add-on without an id")?;
        let runs = format!(
            "return new Promise((runs) => {{ const look = () => {{ \
            if (WebExtensionPolicy.getByID({id})?.extension?.backgroundState === 'running') runs(true); \
            else Services.wm.getMostRecentWindow('navigator:browser').setTimeout(look, 20); }}; look(); }});"
        );
        self.evaluate_in_browser(&runs).map(drop)
    }

    /// Leads the tab in front to `url` and waits until it is loaded.
    ///
    /// # Errors
    ///
    /// The page does not load.
    pub fn navigate(&mut self, url: &str) -> Result<()> {
        self.ask("WebDriver:Navigate", json!({"url": url}))
            .map(drop)
    }

    /// What the function body `script` returns on the page in front; a promise is waited for.
    ///
    /// # Errors
    ///
    /// It throws.
    pub fn evaluate(&mut self, script: &str) -> Result<Value> {
        patiently("an answer of the page", self.value(script))?
    }

    /// What the function body `script` returns in the browser's own context.
    ///
    /// # Errors
    ///
    /// It throws.
    pub fn evaluate_in_browser(&mut self, script: &str) -> Result<Value> {
        self.ask("Marionette:SetContext", json!({"value": "chrome"}))?;
        let value = self.evaluate(script);
        self.ask("Marionette:SetContext", json!({"value": "content"}))?;
        value
    }

    /// Waits until the function body `script` returns something that counts as true, and returns it.
    ///
    /// # Errors
    ///
    /// It does not in time.
    pub fn wait_for(&mut self, script: &str) -> Result<Value> {
        let come = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            loop {
                looks.tick().await;
                // While a page changes its scripts have nowhere to run.
                if let Ok(value) = self.value(script).await
                    && is_true(&value)
                {
                    return value;
                }
            }
        };
        patiently(script, come)
    }

    /// Clicks the first element that `selector` names, as soon as it is there.
    ///
    /// # Errors
    ///
    /// There is none in time.
    pub fn click(&mut self, selector: &str) -> Result<()> {
        loop {
            let element = self.element(selector)?;
            let clicked = self.ask("WebDriver:ElementClick", json!({"id": element}));
            // The page was drawn anew just then: the same thing stands there again.
            if !clicked
                .as_ref()
                .is_err_and(|error| error.to_string().contains("stale element"))
            {
                return clicked.map(drop);
            }
        }
    }

    /// Types into the first element that `selector` names.
    ///
    /// # Errors
    ///
    /// There is none in time.
    pub fn type_into(&mut self, selector: &str, text: &str) -> Result<()> {
        let element = self.element(selector)?;
        let asked = json!({"id": element, "text": text});
        self.ask("WebDriver:ElementSendKeys", asked).map(drop)
    }

    /// The windows and tabs, by their names.
    ///
    /// # Errors
    ///
    /// The browser has ended.
    pub fn tabs(&mut self) -> Result<Vec<String>> {
        let tabs = self.ask("WebDriver:GetWindowHandles", json!({}))?;
        Ok(serde_json::from_value(tabs)?)
    }

    /// Closes the tab that is looked at.
    ///
    /// # Errors
    ///
    /// The browser has ended.
    pub fn close(&mut self) -> Result<()> {
        self.ask("WebDriver:CloseWindow", json!({})).map(drop)
    }

    /// From now on the tab of this name is the one that is looked at.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn switch_to(&mut self, tab: &str) -> Result<()> {
        let asked = json!({"handle": tab, "focus": true});
        self.ask("WebDriver:SwitchToWindow", asked).map(drop)
    }

    /// Presses the toolbar's button of an add-on, as the user does: the browser takes it for a gesture on the tab in front.
    ///
    /// # Errors
    ///
    /// There is no such add-on.
    pub fn press_action(&mut self, addon: &str) -> Result<()> {
        let addon = Value::from(addon);
        self.evaluate_in_browser(&format!(
            "const {{ ExtensionParent }} = ChromeUtils.importESModule('resource://gre/modules/ExtensionParent.sys.mjs'); \
            const {{ extension }} = WebExtensionPolicy.getByID({addon}); \
            const window = Services.wm.getMostRecentWindow('navigator:browser'); \
            ExtensionParent.apiManager.global.browserActionFor(extension).triggerAction(window); return true;"
        ))
        .map(drop)
    }

    /// The first element that `selector` names, as soon as it is there and enabled.
    fn element(&mut self, selector: &str) -> Result<Value> {
        let quoted = Value::from(selector);
        self.wait_for(&format!(
            "const it = document.querySelector({quoted}); return it !== null && !it.disabled;"
        ))?;
        let asked = json!({"using": "css selector", "value": selector});
        let found = self.ask("WebDriver:FindElement", asked)?;
        let element = found.get("value").and_then(Value::as_object);
        let element = element.and_then(|element| element.values().next());
        Ok(element.context("no element")?.clone())
    }

    async fn value(&mut self, script: &str) -> Result<Value> {
        let asked = json!({"script": script, "args": []});
        let mut said = self.call("WebDriver:ExecuteScript", asked).await?;
        Ok(said.get_mut("value").map(Value::take).unwrap_or_default())
    }

    fn ask(&mut self, command: &str, parameters: Value) -> Result<Value> {
        patiently(command, self.call(command, parameters))?
    }

    async fn call(&mut self, command: &str, parameters: Value) -> Result<Value> {
        self.last = self.last.wrapping_add(1);
        let id = self.last;
        let body = json!([0, id, command, parameters]).to_string();
        let packet = format!("{}:{body}", body.len());
        self.stream.write_all(packet.as_bytes()).await?;
        loop {
            let answer = self.packet().await?;
            let Value::Array(parts) = answer else {
                bail!("no answer: {answer}");
            };
            let [_, answered, error, result] = <[Value; 4]>::try_from(parts)
                .map_err(|parts| anyhow::anyhow!("no answer: {parts:?}"))?;
            // One that was given up before is passed over.
            if answered != json!(id) {
                continue;
            }
            if !error.is_null() {
                bail!("{command}: {error}");
            }
            return Ok(result);
        }
    }

    async fn packet(&mut self) -> Result<Value> {
        let mut length = Vec::new();
        self.stream.read_until(b':', &mut length).await?;
        let length = length.strip_suffix(b":").context("the browser ended")?;
        let length: usize = str::from_utf8(length)?.parse()?;
        if length > LARGEST {
            bail!("a packet of {length} bytes");
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(serde_json::from_slice(&body)?)
    }
}

/// Waits until the browser says where it listens, and is there.
async fn connect(profile: &Path) -> Result<TcpStream> {
    let file = profile.join("MarionetteActivePort");
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        let port = fs::read_to_string(&file).unwrap_or_default();
        let Ok(port) = port.trim().parse::<u16>() else {
            continue;
        };
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await {
            return Ok(stream);
        }
    }
}
