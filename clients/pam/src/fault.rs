//! A panic in here is refused, told to the log, and not to the user's terminal.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

use pam::constants::PamResultCode;

use crate::ffi;

/// What `step` comes to; `PAM_ABORT` where it panics. (The entry point catches panics too: none of this may leave the module.)
pub(crate) fn guarded(step: impl FnOnce() -> PamResultCode) -> PamResultCode {
    let _silence = Silence::new();
    // Whatever the step has half done is not looked at again.
    panic::catch_unwind(AssertUnwindSafe(step)).unwrap_or(PamResultCode::PAM_ABORT)
}

/// No panic's words go to stderr while this lives.
struct Silence(Option<Hook>);

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static>;

impl Silence {
    fn new() -> Self {
        let before = panic::take_hook();
        panic::set_hook(Box::new(tell_the_log));
        Self(Some(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        if let Some(before) = self.0.take() {
            panic::set_hook(before);
        }
    }
}

/// Where it was, for whoever mends it. Not what it said: that may quote anything.
fn tell_the_log(info: &PanicHookInfo<'_>) {
    let place = info.location().map_or_else(String::new, |location| {
        format!(" at {}:{}", location.file(), location.line())
    });
    ffi::log_fault(&place);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_panic_refuses_and_the_hook_of_before_comes_back() {
        static HEARD: AtomicUsize = AtomicUsize::new(0);
        let here = std::thread::current().id();
        let of_the_test_runner = panic::take_hook();
        panic::set_hook(Box::new(move |_info| {
            // Of this test alone: others run beside it.
            if std::thread::current().id() == here {
                HEARD.fetch_add(1, Ordering::Relaxed);
            }
        }));
        let panicked = guarded(|| panic!("a fault"));
        let heard_inside = HEARD.load(Ordering::Relaxed);
        drop(panic::catch_unwind(|| panic!("outside")));
        let heard_outside = HEARD.load(Ordering::Relaxed);
        panic::set_hook(of_the_test_runner);
        assert_eq!(panicked, PamResultCode::PAM_ABORT);
        assert_eq!((heard_inside, heard_outside), (0, 1));
        let fine = guarded(|| PamResultCode::PAM_AUTH_ERR);
        assert_eq!(fine, PamResultCode::PAM_AUTH_ERR);
    }
}
