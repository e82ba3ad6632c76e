//! Countersign's harness: the real parts of a desktop and a service, started for one test and ended with it.
//!
//! Each test has its own [`Workspace`] (a temporary folder), its own buses and its own processes, so tests
//! run beside each other. Nothing sleeps: every wait is for an event, with [`PATIENCE`] as the deadline.
//! Every process is ended by its own id when its value is dropped. A real part that is not installed is
//! skipped visibly ([`parts`]).

pub mod agent;
pub mod bus;
pub mod chromium;
pub mod cli;
pub mod confirmations;
pub mod descriptors;
pub mod desktop;
pub mod device;
pub mod dice;
pub mod example_portal;
pub mod faults;
pub mod fingerprint_reader;
pub mod firefox;
pub mod fleet;
pub mod forger;
pub mod gateway;
pub mod http_connection;
pub mod keyring;
pub mod logind;
pub mod memory;
pub mod native_host;
pub mod notices;
pub mod notify_socket;
pub mod page;
pub mod pam_module;
pub mod parts;
pub mod pictures;
pub mod pinned;
pub mod polkit;
pub mod portal;
pub mod privacyidea;
pub mod process;
pub mod programs;
pub mod prompter;
pub mod push_connection;
pub mod radius;
pub mod requests;
mod runtime;
pub mod sandbox;
pub mod screen;
pub mod slapd;
pub mod slow_line;
pub mod stage;
pub mod standin_desktop_portal;
pub mod standin_notifications;
pub mod sudo_agent;
pub mod surroundings;
pub mod system_bus;
pub mod systemd_logind;
pub mod terminal;
pub mod tpm;
pub mod user_manager;
pub mod user_namespace;
pub mod valgrind;
pub mod web_pages;
pub mod workspace;

use core::time::Duration;

pub use runtime::{block_on, end_on_signals, patiently, wait_for_signal};
pub use workspace::Workspace;

/// The longest that anything is waited for. Generous: it ends a hanging test, it measures nothing.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// How often a state that nobody announces is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);
