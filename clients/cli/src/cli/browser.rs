//! What can be typed about browsers.

use clap::{Args, Subcommand, ValueEnum};

/// `browser`.
#[derive(Debug, Subcommand)]
pub(crate) enum Browser {
    /// List the browsers that are paired
    List,
    /// Let a paired browser ask for nothing more
    Revoke(BrowserRevoke),
    /// List the pages where tokens are filled
    Origins,
    /// Fill a token on a page no more
    Unbind(BrowserUnbind),
    /// Tell browsers where the program is that the extension talks to
    Install(BrowserInstall),
    /// Take back what `browser install` has written
    Uninstall(BrowserInstall),
}

/// `browser revoke`.
#[derive(Debug, Args)]
pub(crate) struct BrowserRevoke {
    /// The number or the name that `countersign browser list` shows
    #[arg(value_name = "BROWSER")]
    pub(crate) pairing: String,
}

/// `browser unbind`.
#[derive(Debug, Args)]
pub(crate) struct BrowserUnbind {
    /// Name, serial or id of the token
    #[arg(value_name = "TOKEN")]
    pub(crate) token: String,
    /// The page as `countersign browser origins` shows it; without it all pages of the token
    #[arg(value_name = "ORIGIN")]
    pub(crate) origin: Option<String>,
}

/// `browser install` and `browser uninstall`.
#[derive(Debug, Args)]
pub(crate) struct BrowserInstall {
    /// Which browser; without it every one that has a folder for this user, with --system all
    #[arg(long, value_name = "BROWSER")]
    pub(crate) browser: Option<BrowserKind>,
    /// For all users of this computer; takes the rights of an administrator
    #[arg(long)]
    pub(crate) system: bool,
}

/// The browsers that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BrowserKind {
    /// Chromium
    Chromium,
    /// Google Chrome
    Chrome,
    /// Brave
    Brave,
    /// Microsoft Edge
    Edge,
    /// Firefox, also the ESR
    Firefox,
    /// All of them
    All,
}
