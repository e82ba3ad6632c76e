//! Log lines: to the journal under systemd, else to stderr.
//!
//! Invariant: nothing secret is ever logged. Our own lines name ids and reasons only; libraries are not
//! asked for more than `debug`, since their traces may show what they carry.

use std::{io, os::fd::AsFd as _};

use rustix::fs::fstat;
use tracing::{Level, Metadata, warn};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, filter::filter_fn, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::config;

/// The variable that sets the level, e.g. `debug` or `countersignd=debug,zbus=warn`.
const LEVEL: &str = "COUNTERSIGN_LOG";
/// Without it: our own news, and what worries others.
const USUAL: &str = "warn,countersignd=info";

/// Starts logging. Called once, at the start.
pub fn start() {
    let wanted = config::variable(LEVEL);
    let parsed = wanted.as_deref().map(EnvFilter::try_new);
    let malformed = matches!(parsed, Some(Err(_)));
    let filter = match parsed {
        Some(Ok(filter)) => filter,
        Some(Err(_)) | None => EnvFilter::new(USUAL),
    };
    let registry = Registry::default().with(filter);
    let journal = stderr_is_the_journal().then(tracing_journald::layer);
    if let Some(Ok(journal)) = journal {
        registry
            .with(journal.with_filter(filter_fn(may_be_logged)))
            .init();
    } else {
        let plain = tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(rustix::termios::isatty(io::stderr()))
            .with_target(false);
        registry
            .with(plain.with_filter(filter_fn(may_be_logged)))
            .init();
    }
    if malformed {
        warn!("{LEVEL} is not understood and is ignored; `debug` is, for instance");
    }
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::DEBUG || metadata.target().starts_with("countersign")
}

/// systemd names device and inode of the stream that it connected: compare, so that a redirection wins
/// (systemd.exec(5), `JOURNAL_STREAM`).
fn stderr_is_the_journal() -> bool {
    let Some(stream) = config::variable("JOURNAL_STREAM") else {
        return false;
    };
    fstat(io::stderr().as_fd())
        .is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}
