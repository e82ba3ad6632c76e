//! The user at the gateway's sample resource, "Example Portal".

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{
    gateway::GatewayProcess,
    page::Page,
    portal::Portal,
    stage::{PASSWORD, USER},
};

/// Its page that takes a passcode while a login waits.
const TYPING: &str = "/example/?way=passcode";
/// Where the sample resource lies at the gateway.
pub const PATH: &str = "/example/";

/// A browser window at the sample resource.
#[derive(Debug)]
pub struct ExamplePortal {
    window: Portal,
    user: String,
}

impl ExamplePortal {
    /// Opens a window.
    ///
    /// # Errors
    ///
    /// The gateway's certificate cannot be read.
    pub fn open(gateway: &GatewayProcess) -> Result<Self> {
        Self::open_as(gateway, USER)
    }

    /// Opens a window of another user, whose password is the same.
    ///
    /// # Errors
    ///
    /// The gateway's certificate cannot be read.
    pub fn open_as(gateway: &GatewayProcess, user: &str) -> Result<Self> {
        Ok(Self {
            window: Portal::open(gateway)?,
            user: user.to_owned(),
        })
    }

    /// Name and password. Returns the page that offers the ways to go on.
    ///
    /// # Errors
    ///
    /// The pages are not as expected.
    pub fn enter_password(&mut self) -> Result<Page> {
        let page = self.window.visit(PATH)?;
        let form = page.form_with("password")?;
        let fields = [("user", self.user.as_str()), ("password", PASSWORD)];
        self.window.send(&page, &form, &fields, None)
    }

    /// Name and password, then a login request to the desktop.
    ///
    /// # Errors
    ///
    /// The page does not offer it.
    pub fn ask_the_desktop(&mut self) -> Result<Page> {
        let page = self.enter_password()?;
        self.send_login_request(&page)
    }

    /// On the page that [`ExamplePortal::enter_password`] led to: a login request to the desktop.
    ///
    /// # Errors
    ///
    /// The page does not offer it.
    pub fn send_login_request(&mut self, page: &Page) -> Result<Page> {
        let form = page
            .form_with("push")
            .context("the page offers no login request")?;
        self.window.send(page, &form, &[], Some(("push", "1")))
    }

    /// Name and password, then a passcode.
    ///
    /// # Errors
    ///
    /// The page takes none.
    pub fn type_passcode(&mut self, passcode: &str) -> Result<Page> {
        let page = self.enter_password()?;
        self.type_passcode_on(&page, passcode)
    }

    /// Name and password unless they were typed before, then the challenge that the page shows. Returns the page
    /// and the challenge.
    ///
    /// # Errors
    ///
    /// The page shows none.
    pub fn ask_for_challenge(&mut self) -> Result<(Page, String)> {
        let page = self.look()?;
        if page.form_with("password").is_ok() {
            let page = self.enter_password()?;
            let form = page
                .form_with("challenge")
                .context("the page offers no challenge")?;
            self.window
                .send(&page, &form, &[], Some(("challenge", "1")))?;
        }
        let page = self.window.visit(TYPING)?;
        let shown = page.body.split_once("<output id=\"challenge\"");
        let challenge = shown
            .and_then(|(_, rest)| rest.split_once('>'))
            .and_then(|(_, rest)| rest.split_once('<'))
            .map(|(challenge, _)| challenge.to_owned())
            .with_context(|| format!("no challenge on this page:\n{}", page.body))?;
        Ok((page, challenge))
    }

    /// On a page that takes a passcode: types one.
    ///
    /// # Errors
    ///
    /// The page takes none.
    pub fn type_passcode_on(&mut self, page: &Page, passcode: &str) -> Result<Page> {
        let form = page
            .form_with("passcode")
            .context("the page takes no passcode")?;
        self.window
            .send(page, &form, &[("passcode", passcode)], None)
    }

    /// Waits until the login is no longer pending, as the page's own script does. Returns the state's name.
    ///
    /// # Errors
    ///
    /// It stays pending for too long.
    pub fn wait_for_outcome(&mut self) -> Result<String> {
        loop {
            let status = self.status_at("/example/status?wait=25")?;
            if status != "pending" {
                return Ok(status);
            }
        }
    }

    /// How the login stands now.
    ///
    /// # Errors
    ///
    /// The page does not say.
    pub fn status(&mut self) -> Result<String> {
        self.status_at("/example/status")
    }

    fn status_at(&mut self, path: &str) -> Result<String> {
        let page = self.window.visit(path)?;
        let status: Value = serde_json::from_str(&page.body)
            .with_context(|| format!("no JSON ({}): {}", page.status, page.body))?;
        let state = status
            .get("state")
            .and_then(Value::as_str)
            .context("a status without a state")?;
        Ok(state.to_owned())
    }

    /// The page as it is now.
    ///
    /// # Errors
    ///
    /// The gateway does not answer.
    pub fn look(&mut self) -> Result<Page> {
        self.window.visit(PATH)
    }

    /// The page, which must say that the user is in.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn logged_in(&mut self) -> Result<Page> {
        let page = self.look()?;
        if !page.body.contains("logged in") || !page.body.contains(&self.user) {
            bail!("{} is not logged in:\n{}", self.user, page.body);
        }
        Ok(page)
    }
}

/// The number that a page shows to be typed on the desktop.
///
/// # Errors
///
/// It shows none.
pub fn shown_number(page: &Page) -> Result<String> {
    let shown = page.body.split_once("id=\"number\"");
    let number = shown
        .and_then(|(_, rest)| rest.split_once('>'))
        .and_then(|(_, rest)| rest.split_once('<'))
        .map(|(number, _)| number.trim().to_owned());
    number.with_context(|| format!("no number on this page:\n{}", page.body))
}
