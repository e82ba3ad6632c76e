//! Passcodes that the PAM module checks itself: the record of one user, and what one try does to it.
//!
//! A try goes in two steps, so that a program that is killed anywhere gains nothing: [`Record::begin`] counts
//! it, and the record with the count (and without the challenge that it answers) is durable before
//! [`Try::judge`] looks at the passcode; the record that comes of an acceptance is durable before anybody is let in.
//!
//! Invariants: no step and no counter is accepted twice, whatever the order of tries, clocks and kills; a challenge is
//! answered once; wrong tries only slow down, for [`TryLimit::LONGEST_SECS`] at most, since whoever can make wrong tries could
//! otherwise lock the owner out.

pub mod foreign;
mod limit;
mod record;
mod text;
mod tries;

pub use limit::{TryLimit, TryLimitError};
pub use record::{Factor, FarOff, Record, RecordError};
pub use text::{MAX_TEXT, TextError};
pub use tries::{Acceptance, NotBegun, Refusal, Try, Verdict, Window, WindowError};

#[cfg(test)]
mod tests;
