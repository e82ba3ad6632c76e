//! The passcode records of the PAM module on the disk: one file a user in a folder of root's alone.
//!
//! The module and the administrator's program both go through [`Passcodes`]. Invariants: a file that somebody else could have
//! written or can read is refused; a record is replaced whole or not at all; one program at a time judges a user's passcode;
//! a try is durable before it is looked at, and what an acceptance uses up before anybody hears of it.

mod error;
mod file;
pub mod gateway;
mod lock;
mod random;
mod store;
mod user;

pub use error::{StoreError, Unsafe};
pub use file::read_secret;
pub use random::Kernel;
pub use store::{Outcome, Passcodes, Question, Replacing};
pub use user::{UserName, UserNameError};

/// Where the records lie.
pub const FOLDER: &str = "/etc/countersign/pam/passcodes";
