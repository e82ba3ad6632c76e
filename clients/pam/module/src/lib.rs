//! `pam_countersign.so`: libpam's way in. What it does is `countersign-pam`; here are only the entry points and the
//! places of an installed system, which nothing can change.
#![expect(
    missing_docs,
    reason = "the entry points that libpam calls are made by the macro of pam-bindings, which checks their arguments and catches panics"
)]

use std::ffi::CStr;

use countersign_pam::Places;
use pam::{
    constants::{PamFlag, PamResultCode},
    module::{PamHandle, PamHooks},
};

struct Countersign;

pam::pam_hooks!(Countersign);

impl PamHooks for Countersign {
    fn sm_authenticate(pamh: &mut PamHandle, args: Vec<&CStr>, _flags: PamFlag) -> PamResultCode {
        countersign_pam::authenticate(pamh, &args, &Places::SYSTEM)
    }

    /// There are no credentials to set. A module that says `PAM_IGNORE` here alone in its stack fails doas and others.
    fn sm_setcred(_pamh: &mut PamHandle, _args: Vec<&CStr>, _flags: PamFlag) -> PamResultCode {
        PamResultCode::PAM_SUCCESS
    }
}
