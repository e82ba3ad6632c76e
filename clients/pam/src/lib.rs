//! What `pam_countersign.so` does when an account is to be proved: the agent of that account's user is asked over the
//! sudo socket, and believed only for a signature over this very question by a key that root has accepted.
//!
//! Invariants: no threads, no async runtime, nothing read from the environment. One deadline for everything. What is in
//! doubt is no success, and never `PAM_IGNORE`. The private key is not here: whoever controls the module's caller
//! gains nothing but a question.

mod account;
mod approval;
mod clock;
mod conversation;
mod fault;
mod ffi;
mod finger;
mod interrupt;
mod line;
mod options;
mod passcode;
mod places;
mod question;
mod root_file;
mod verdict;

use std::ffi::CStr;

use pam::{constants::PamResultCode, module::PamHandle};

use self::{account::Account, verdict::Verdict};
pub use self::{
    options::{Mode, Options, OptionsError},
    places::Places,
    root_file::{RootFileError, read_root_file},
};

/// libpam's `authenticate`. `arguments` are those of the line in the service's file. A fault in here is `PAM_ABORT`, which is
/// no success in any stack.
#[must_use]
pub fn authenticate(pamh: &mut PamHandle, arguments: &[&CStr], places: &Places) -> PamResultCode {
    fault::guarded(|| decide(pamh, arguments, places).code())
}

fn decide(pamh: &mut PamHandle, arguments: &[&CStr], places: &Places) -> Verdict {
    let log = ffi::Log::of(pamh);
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(error) => {
            log.warning(&format!("not asked: {error}"));
            return Verdict::Unavailable(verdict::Unavailable::Options);
        }
    };
    // A passcode can be mistyped, and what the approval's line came to is not this one's.
    match options.mode {
        Mode::Passcode => return passcode::authenticate(pamh, &options, places, &log),
        Mode::Gateway => return passcode::gateway::authenticate(pamh, &options, places, &log),
        Mode::Approval => {}
    }
    // sudo asks up to three times in one handle: the user is asked once.
    if let Some(before) = ffi::remembered(pamh) {
        return before;
    }
    let verdict = match Account::of(pamh, &options) {
        Err(verdict) => verdict,
        Ok(account) => approval::ask(pamh, &account, &options, places, &log),
    };
    log.verdict(&verdict, options.log);
    ffi::remember(pamh, &verdict);
    verdict
}
