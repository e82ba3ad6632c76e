//! The three things of the C library and libpam that no safe wrapper has.
#![expect(
    unsafe_code,
    reason = "syslog(3), which takes a variable number of arguments, pam_get_data(3), whose type only the caller knows, and pam_fail_delay(3)"
)]

use std::ffi::CString;

use countersign_core::text;
use pam::{
    items::{RHost, Service, Tty},
    module::PamHandle,
};

use crate::{
    options::LogAmount,
    verdict::{Unavailable, Verdict},
};

/// The name under which a handle keeps what a call came to.
const KEPT: &str = "countersign_verdict";
/// The longest text of others in a line of the log, in characters.
const TEXT: usize = 64;

/// The system's log, facility authpriv. No secrets, and no text that is not display-safe.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    service: String,
    details: String,
}

impl Log {
    /// For this call.
    pub(crate) fn of(pamh: &mut PamHandle) -> Self {
        let shown = |text: &std::ffi::CStr| text::display(&text.to_string_lossy(), TEXT);
        let item = |name: &str, text: String| format!(" {name}={text}");
        let user = pamh.get_user(None).unwrap_or_default();
        let service = pamh.get_item::<Service<'_>>().ok().flatten();
        let service = service.map_or_else(String::new, |service| shown(&service));
        let tty = pamh.get_item::<Tty<'_>>().ok().flatten();
        let rhost = pamh.get_item::<RHost<'_>>().ok().flatten();
        let details = [
            item("user", text::display(&user, TEXT)),
            item("ruid", rustix::process::getuid().as_raw().to_string()),
            tty.map_or_else(String::new, |tty| item("tty", shown(&tty))),
            rhost.map_or_else(String::new, |host| item("rhost", shown(&host))),
        ]
        .concat();
        Self { service, details }
    }

    /// How a call ended.
    pub(crate) fn verdict(&self, verdict: &Verdict, amount: LogAmount) {
        match verdict {
            Verdict::Proved { label } => {
                let label = text::display(label, TEXT);
                self.write(
                    libc::LOG_INFO,
                    &format!("approved with the key \"{label}\""),
                );
            }
            Verdict::Refused(why) => self.write(libc::LOG_NOTICE, &format!("refused: {why}")),
            Verdict::Unavailable(Unavailable::Options) => {}
            Verdict::Unavailable(why) if why.is_usual() && amount == LogAmount::Endings => {}
            Verdict::Unavailable(why) => self.write(libc::LOG_INFO, &format!("not asked: {why}")),
            Verdict::NotConcerned if amount == LogAmount::Endings => {}
            Verdict::NotConcerned => self.write(libc::LOG_INFO, "not concerned"),
        }
    }

    /// Somebody is let in.
    pub(crate) fn info(&self, text: &str) {
        self.write(libc::LOG_INFO, text);
    }

    /// Somebody is not.
    pub(crate) fn notice(&self, text: &str) {
        self.write(libc::LOG_NOTICE, text);
    }

    /// Something that an administrator has to mend.
    pub(crate) fn warning(&self, text: &str) {
        self.write(libc::LOG_WARNING, text);
    }

    fn write(&self, severity: libc::c_int, text: &str) {
        let line = format!(
            "countersign({}:auth): {}{}",
            self.service,
            text::display(text, 256),
            self.details
        );
        to_syslog(severity, line);
    }
}

/// A fault in the module, wherever it was.
pub(crate) fn log_fault(place: &str) {
    to_syslog(libc::LOG_ERR, format!("countersign: a fault{place}"));
}

fn to_syslog(severity: libc::c_int, line: String) {
    let Ok(line) = CString::new(line) else { return };
    // SAFETY: the format takes one string, and both end with a zero byte and outlive the call.
    unsafe {
        libc::syslog(libc::LOG_AUTHPRIV | severity, c"%s".as_ptr(), line.as_ptr());
    }
}

// libpam is linked by pam-bindings.
unsafe extern "C" {
    fn pam_fail_delay(pamh: *mut PamHandle, micros: libc::c_uint) -> libc::c_int;
}

/// If this login fails, libpam waits about so long before it says so.
pub(crate) fn delay_failure(pamh: &mut PamHandle, micros: u32) {
    // SAFETY: the handle is libpam's own, and borrowed for the call; nothing is kept of it.
    let _not_fatal = unsafe { pam_fail_delay(pamh, micros) };
}

/// What an earlier call in this handle came to, if the user had been asked by then.
pub(crate) fn remembered(pamh: &PamHandle) -> Option<Verdict> {
    // SAFETY: only `remember` stores under this name, and always this type.
    let kept = unsafe { pamh.get_data::<Verdict>(KEPT) };
    kept.ok().cloned()
}

/// Keeps what this call came to, unless the account is proved: sudo asks up to three times in one handle.
pub(crate) fn remember(pamh: &mut PamHandle, verdict: &Verdict) {
    match verdict {
        Verdict::Refused(_) | Verdict::Unavailable(_) => {
            // Without it the user is asked once more.
            drop(pamh.set_data(KEPT, Box::new(verdict.clone())));
        }
        Verdict::Proved { .. } | Verdict::NotConcerned => {}
    }
}
