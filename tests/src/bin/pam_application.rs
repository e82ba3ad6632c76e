//! An application of PAM's that tests drive: it proves an account by services in a folder of their own
//! (`pam_start_confdir(3)`), holds the conversation itself, and says what came of it.
//!
//! `pam_application FOLDER SERVICE USER [TRIES]`: each message of a module is a line `told STYLE "TEXT"`, each try ends with a
//! line of libpam's code, e.g. `PAM_SUCCESS`. All tries are of one handle, as sudo's are.
#![expect(
    unsafe_code,
    reason = "libpam's own interface for applications, which no well-kept crate has with a folder of services"
)]

use core::ffi::{CStr, c_char, c_int, c_void};
use std::{ffi::CString, io::Write as _, process::ExitCode};

use anyhow::{Context as _, Result, ensure};
use countersign_tests::surroundings;

/// `struct pam_message`.
#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

/// `struct pam_response`.
#[repr(C)]
struct Response {
    text: *mut c_char,
    code: c_int,
}

/// `struct pam_conv`.
#[repr(C)]
struct Conversation {
    converse: unsafe extern "C" fn(
        c_int,
        *const *const Message,
        *mut *mut Response,
        *mut c_void,
    ) -> c_int,
    data: *mut c_void,
}

/// `pam_handle_t`, which is libpam's.
#[repr(C)]
struct Handle([u8; 0]);

#[link(name = "pam")]
unsafe extern "C" {
    fn pam_start_confdir(
        service: *const c_char,
        user: *const c_char,
        conversation: *const Conversation,
        folder: *const c_char,
        handle: *mut *mut Handle,
    ) -> c_int;
    fn pam_authenticate(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_end(handle: *mut Handle, status: c_int) -> c_int;
}

unsafe extern "C" {
    // libpam frees the answers with free(3).
    fn calloc(count: usize, size: usize) -> *mut c_void;
}

const PAM_SUCCESS: c_int = 0;
const PAM_BUF_ERR: c_int = 5;
const PAM_CONV_ERR: c_int = 19;
/// The styles that want no answer: `PAM_ERROR_MSG` and `PAM_TEXT_INFO`.
const TOLD: [c_int; 2] = [3, 4];

/// Says what it is told; has no answer to anything.
unsafe extern "C" fn converse(
    count: c_int,
    messages: *const *const Message,
    answers: *mut *mut Response,
    _data: *mut c_void,
) -> c_int {
    let Ok(count) = usize::try_from(count) else {
        return PAM_CONV_ERR;
    };
    // SAFETY: Linux-PAM gives an array of `count` pointers.
    let messages = unsafe { core::slice::from_raw_parts(messages, count) };
    for message in messages {
        // SAFETY: each leads to a message, whose text ends with a zero byte.
        let message = unsafe { &**message };
        // SAFETY: as above.
        let text = unsafe { CStr::from_ptr(message.text) };
        say(&format!("told {} {text:?}", message.style));
        if !TOLD.contains(&message.style) {
            return PAM_CONV_ERR;
        }
    }
    // SAFETY: zeroed memory for `count` answers is what libpam expects of an application that has none.
    let empty = unsafe { calloc(count, size_of::<Response>()) };
    if empty.is_null() {
        return PAM_BUF_ERR;
    }
    // SAFETY: the caller gives a place for the answers, and frees them.
    unsafe { *answers = empty.cast() };
    PAM_SUCCESS
}

/// A line at once: a test waits for it.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever does not read it has gone.
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

/// The names that modules' codes have in libpam's headers.
fn name(code: c_int) -> String {
    match code {
        PAM_SUCCESS => "PAM_SUCCESS".to_owned(),
        6 => "PAM_PERM_DENIED".to_owned(),
        7 => "PAM_AUTH_ERR".to_owned(),
        9 => "PAM_AUTHINFO_UNAVAIL".to_owned(),
        25 => "PAM_IGNORE".to_owned(),
        26 => "PAM_ABORT".to_owned(),
        other => format!("code {other}"),
    }
}

fn run() -> Result<()> {
    let mut words = surroundings::arguments();
    let mut next =
        || CString::new(words.next().context("FOLDER SERVICE USER")?).map_err(anyhow::Error::from);
    let (folder, service, user) = (next()?, next()?, next()?);
    let tries: u32 = words.next().map_or(Ok(1), |tries| tries.parse())?;
    let conversation = Conversation {
        converse,
        data: core::ptr::null_mut(),
    };
    let mut handle = core::ptr::null_mut();
    // SAFETY: all texts end with a zero byte, and they and the conversation outlive the handle.
    let started = unsafe {
        pam_start_confdir(
            service.as_ptr(),
            user.as_ptr(),
            &raw const conversation,
            folder.as_ptr(),
            &raw mut handle,
        )
    };
    ensure!(
        started == PAM_SUCCESS,
        "pam_start_confdir: {}",
        name(started)
    );
    let mut last = PAM_SUCCESS;
    for _ in 0..tries {
        // SAFETY: the handle is the one that libpam has just made.
        last = unsafe { pam_authenticate(handle, 0) };
        say(&name(last));
    }
    // SAFETY: as above; it is not used after this.
    unsafe { pam_end(handle, last) };
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "{error:#}"));
            ExitCode::FAILURE
        }
    }
}
