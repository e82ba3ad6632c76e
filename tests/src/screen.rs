//! A screen in memory with somebody in front of it: Xvfb, looked at with import, typed on with xdotool.

use std::{collections::HashSet, path::Path, process::Command, time::Duration};

use anyhow::{Result, bail};

use crate::{
    Workspace, patiently,
    process::{Process, Stdout, output},
};

/// What it needs to be installed.
pub const PROGRAMS: [&str; 4] = ["Xvfb", "setxkbmap", "xdotool", "import"];

/// How often a state that nobody announces is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Fewer colours than letters with smooth edges have.
const FEWEST_COLOURS: usize = 16;

/// The screen. There is no window manager on it.
#[derive(Debug)]
pub struct Screen {
    display: String,
    _server: Process,
}

impl Screen {
    /// Starts the server and waits until it takes windows.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(workspace: &Workspace) -> Result<Self> {
        let mut command = Command::new("Xvfb");
        command
            .args(["-displayfd", "1", "-screen", "0", "800x500x24"])
            .args(["-nolisten", "tcp", "-noreset"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        let mut server = Process::spawn("screen", command, &workspace.logs(), Stdout::Lines, None)?;
        let display = format!(":{}", server.line()?);
        // A keyboard with the letters that tests type: for others xdotool changes the keyboard as it goes, and
        // a program may look at it too late.
        let mut command = Command::new("setxkbmap");
        command.args(["-display", &display, "-layout", "de"]);
        let laid_out = output(command, &[])?;
        if !laid_out.status.success() {
            bail!("setxkbmap: {}", String::from_utf8_lossy(&laid_out.stderr));
        }
        Ok(Self {
            display,
            _server: server,
        })
    }

    /// What `DISPLAY` is set to.
    #[must_use]
    pub fn display(&self) -> &str {
        &self.display
    }

    /// Waits for a window of the class `class` with a drawing that stays, and puts the pointer on it. Returns
    /// its id.
    ///
    /// # Errors
    ///
    /// There is none in time.
    pub fn wait_for_window(&self, class: &str) -> Result<String> {
        let found = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            loop {
                looks.tick().await;
                if let Some(window) = self.windows(class).await?.pop() {
                    return anyhow::Ok(window);
                }
            }
        };
        let window = patiently(&format!("a window of {class}"), found)??;
        self.xdotool(&["mousemove", "--window", &window, "20", "20"])?;
        self.settle()?;
        Ok(window)
    }

    /// Waits until no window of the class `class` is shown.
    ///
    /// # Errors
    ///
    /// One stays.
    pub fn wait_until_gone(&self, class: &str) -> Result<()> {
        let gone = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            while !self.windows(class).await?.is_empty() {
                looks.tick().await;
            }
            anyhow::Ok(())
        };
        patiently("the window to go", gone)?
    }

    /// Types `text` on the keyboard.
    ///
    /// # Errors
    ///
    /// xdotool fails.
    pub fn type_text(&self, text: &str) -> Result<()> {
        self.xdotool(&["type", "--delay", "30", "--", text])
            .map(drop)
    }

    /// Presses one key, by its name: `Return`, `Escape`, `Tab`.
    ///
    /// # Errors
    ///
    /// xdotool fails.
    pub fn press(&self, key: &str) -> Result<()> {
        self.xdotool(&["key", key]).map(drop)
    }

    /// Gives `window` the keyboard, as a window manager would.
    ///
    /// # Errors
    ///
    /// xdotool fails.
    pub fn focus(&self, window: &str) -> Result<()> {
        self.xdotool(&["windowfocus", "--sync", window]).map(drop)
    }

    /// Waits until something is drawn and two looks in a row see the same.
    ///
    /// # Errors
    ///
    /// The screen does not settle in time.
    pub fn settle(&self) -> Result<()> {
        let settled = async {
            let mut before = Vec::new();
            loop {
                let looked = tokio::process::Command::new("/usr/bin/import")
                    .args(["-window", "root", "-depth", "8", "rgb:-"])
                    .env("DISPLAY", &self.display)
                    .output()
                    .await?;
                if !looked.status.success() {
                    bail!("import failed ({})", looked.status);
                }
                let colours: HashSet<&[u8]> = looked.stdout.chunks(3).collect();
                if colours.len() >= FEWEST_COLOURS && looked.stdout == before {
                    return Ok(());
                }
                before = looked.stdout;
            }
        };
        patiently("the screen to settle", settled)?
    }

    /// A picture of the whole screen, as PNG.
    ///
    /// # Errors
    ///
    /// None can be taken.
    pub fn picture(&self, file: &Path) -> Result<()> {
        let mut command = Command::new("/usr/bin/import");
        command
            .args(["-window", "root"])
            .arg(file)
            .env("DISPLAY", &self.display);
        let taken = output(command, &[])?;
        if !taken.status.success() {
            bail!("import: {}", String::from_utf8_lossy(&taken.stderr));
        }
        Ok(())
    }

    /// The windows of a class that are shown. While one of the screen's windows is just going xdotool fails,
    /// and says so on stderr only: that is none.
    async fn windows(&self, class: &str) -> Result<Vec<String>> {
        let found = tokio::process::Command::new("xdotool")
            .args(["search", "--onlyvisible", "--class", class])
            .env("DISPLAY", &self.display)
            .output()
            .await?;
        let windows = String::from_utf8(found.stdout)?;
        Ok(windows.lines().map(str::to_owned).collect())
    }

    fn xdotool(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("xdotool");
        command
            .args(arguments)
            .env("DISPLAY", &self.display)
            .env("LC_ALL", "C.UTF-8");
        let done = output(command, &[])?;
        if !done.status.success() {
            bail!(
                "xdotool {}: {}",
                arguments.first().copied().unwrap_or_default(),
                String::from_utf8_lossy(&done.stderr)
            );
        }
        Ok(String::from_utf8(done.stdout)?)
    }
}
