//! A desktop without a screen: an X server in memory and the real dunst as notification server.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use zbus::proxy;

use crate::{
    Workspace,
    bus::PrivateBus,
    notices::Notice,
    patiently,
    process::{Process, Stdout},
};

/// What the desktop needs to be installed.
pub const PROGRAMS: [&str; 4] = ["dbus-daemon", "Xvfb", "dunst", "import"];

/// Xvfb and dunst on a private bus.
#[derive(Debug)]
pub struct Desktop {
    display: String,
    choice: PathBuf,
    dunst: DunstProxy<'static>,
    // Ended in this order: the server first, then its display.
    _notifications: Process,
    _screen: Process,
}

#[proxy(
    interface = "org.dunstproject.cmd0",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications"
)]
trait Dunst {
    /// Opens the menu with the actions of all notifications on the screen.
    fn context_menu_call(&self) -> zbus::Result<()>;
    /// Closes the newest.
    fn notification_close_last(&self) -> zbus::Result<()>;
    /// How many are on the screen.
    #[zbus(property(emits_changed_signal = "false"), name = "displayedLength")]
    fn displayed_length(&self) -> zbus::Result<u32>;
}

impl Desktop {
    /// Starts both and waits until notifications are taken.
    ///
    /// # Errors
    ///
    /// One of them does not start.
    pub fn start(workspace: &Workspace, bus: &PrivateBus) -> Result<Self> {
        let choice = workspace.join("choice");
        let menu = workspace.join("menu");
        // dunst gives its menu program one line an action, `#Label (Summary) [ID,KEY]`, and invokes the
        // line that comes back: the user's finger.
        fs::write(
            &menu,
            format!(
                "#!/bin/sh\nexec grep -m1 -F -- \"[$(cat '{}')]\"\n",
                choice.display()
            ),
        )?;
        fs::set_permissions(&menu, fs::Permissions::from_mode(0o755))?;
        let config = workspace.join("dunstrc");
        fs::write(&config, dunst_config(&menu))?;

        let mut command = Command::new("Xvfb");
        command
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "580x220x24",
                "-nolisten",
                "tcp",
                "-noreset",
            ])
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        let mut screen = Process::spawn("xvfb", command, &workspace.logs(), Stdout::Lines, None)?;
        let display = format!(":{}", screen.line()?);

        let mut command = Command::new("dunst");
        command
            .arg("-conf")
            .arg(&config)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(workspace.user_environment())
            .env("DBUS_SESSION_BUS_ADDRESS", bus.address())
            .env("DISPLAY", &display);
        let notifications = Process::spawn("dunst", command, &workspace.logs(), Stdout::Log, None)?;
        bus.wait_for_name("org.freedesktop.Notifications")?;
        let connection = bus.connect()?;
        let dunst = patiently("dunst", DunstProxy::new(&connection))??;
        Ok(Self {
            display,
            choice,
            dunst,
            _notifications: notifications,
            _screen: screen,
        })
    }

    /// What `DISPLAY` is set to.
    #[must_use]
    pub fn display(&self) -> &str {
        &self.display
    }

    /// Chooses an action of a notification, as a user does in dunst's menu.
    ///
    /// # Errors
    ///
    /// The notification does not offer it, or dunst does not answer.
    pub fn choose(&self, notice: &Notice, action: &str) -> Result<()> {
        if !notice.actions.iter().any(|(key, _)| key == action) {
            bail!("the notification offers {:?}, not {action}", notice.actions);
        }
        fs::write(&self.choice, format!("{},{action}", notice.id))?;
        self.wait_until_shown()?;
        patiently("dunst's menu", self.dunst.context_menu_call())??;
        Ok(())
    }

    /// Closes the newest notification without an answer.
    ///
    /// # Errors
    ///
    /// dunst does not answer.
    pub fn dismiss(&self) -> Result<()> {
        self.wait_until_shown()?;
        Ok(patiently("dunst", self.dunst.notification_close_last())??)
    }

    /// A picture of the screen, as PNG, taken when something is drawn on it.
    ///
    /// # Errors
    ///
    /// No picture can be taken, or nothing is drawn in time.
    pub fn picture(&self, file: &Path) -> Result<()> {
        let taken = async {
            loop {
                let status = tokio::process::Command::new("/usr/bin/import")
                    .args(["-window", "root"])
                    .arg(file)
                    .env("DISPLAY", &self.display)
                    .status()
                    .await?;
                if !status.success() {
                    bail!("import failed ({status})");
                }
                let colours = tokio::process::Command::new("/usr/bin/convert")
                    .arg(file)
                    .args(["-format", "%k", "info:"])
                    .output()
                    .await?;
                let colours = String::from_utf8(colours.stdout)?;
                if colours
                    .trim()
                    .parse::<u32>()
                    .context("convert counts no colours")?
                    > 1
                {
                    return Ok(());
                }
            }
        };
        patiently("something on the screen", taken)?
    }

    /// dunst takes a notification first and shows it a moment later, and has no signal for it: it is
    /// asked until it does.
    fn wait_until_shown(&self) -> Result<()> {
        let shown = async {
            while self.dunst.displayed_length().await? == 0 {
                tokio::task::yield_now().await;
            }
            anyhow::Ok(())
        };
        patiently("the notification on the screen", shown)?
    }
}

fn dunst_config(menu: &Path) -> String {
    format!(
        r#"[global]
    width = 540
    height = 240
    origin = top-left
    offset = 16x16
    font = Monospace 11
    format = "<b>%s</b>\n%b"
    markup = full
    idle_threshold = 0
    show_age_threshold = -1
    dmenu = {}
    mouse_left_click = do_action
    mouse_right_click = close_current
[urgency_critical]
    timeout = 0
"#,
        menu.display()
    )
}
