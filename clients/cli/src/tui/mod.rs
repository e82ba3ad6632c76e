//! `countersign tui`: one screen that shows login requests, tokens and what happened, and takes keys.
//!
//! What happens ([`event`]) goes through [`update`], which changes the [`state`] and says what is to be done;
//! [`view`] paints the state. Both are pure: time is an argument. [`run()`] is the loop around them, with the
//! terminal ([`screen`]) on one side and the agent ([`link`], [`call`]) on the other.
//!
//! Invariants: text from elsewhere reaches the screen only as [`shown::Shown`]. An answer goes out only for a
//! login request that has been on the screen for a moment. Passcodes are shown when they are asked for, and go by
//! themselves. Nothing wakes up without a cause.

mod call;
mod event;
mod keys;
mod link;
mod list;
mod listening;
mod run;
mod screen;
mod shown;
mod state;
mod update;
mod view;

#[cfg(test)]
mod samples;

pub(crate) use run::run;
