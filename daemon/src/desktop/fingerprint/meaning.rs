//! What fprintd's words mean for the port.

use zbus::fdo;

use crate::agent::ports::{FingerHint, FingerprintError, Scan};

/// What a `VerifyStatus` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// The scan is over.
    Whole(Scan),
    /// It goes on.
    Hint(FingerHint),
    /// The reader gave up; this is not a wrong finger.
    Broken,
}

/// Words that are not known are never a match, and never a wrong finger.
pub(super) fn status(result: &str, done: bool) -> Status {
    match (result, done) {
        ("verify-match", true) => Status::Whole(Scan::Match),
        ("verify-no-match", true) => Status::Whole(Scan::NoMatch),
        (_, true) => Status::Broken,
        ("verify-swipe-too-short" | "verify-too-fast", false) => Status::Hint(FingerHint::TooShort),
        ("verify-finger-not-centered", false) => Status::Hint(FingerHint::NotCentered),
        ("verify-remove-and-retry", false) => Status::Hint(FingerHint::RemoveAndRetry),
        (_, false) => Status::Hint(FingerHint::Again),
    }
}

/// Why a call failed.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an open enumeration of a library: what is not told apart is one failure"
)]
pub(super) fn error(error: &zbus::Error) -> FingerprintError {
    match error {
        zbus::Error::MethodError(name, ..) => named(name.as_str()),
        zbus::Error::FDO(error) => standard(error),
        _ => FingerprintError::Failed,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an open enumeration of a library: what is not told apart is one failure"
)]
fn standard(error: &fdo::Error) -> FingerprintError {
    match error {
        fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_) => {
            FingerprintError::NoService
        }
        fdo::Error::AccessDenied(_) => FingerprintError::NotAllowed,
        _ => FingerprintError::Failed,
    }
}

fn named(name: &str) -> FingerprintError {
    if let Some(kind) = name.strip_prefix("net.reactivated.Fprint.Error.") {
        return match kind {
            "NoSuchDevice" => FingerprintError::NoReader,
            "NoEnrolledPrints" => FingerprintError::NothingEnrolled,
            "AlreadyInUse" => FingerprintError::InUse,
            "PermissionDenied" => FingerprintError::NotAllowed,
            _ => FingerprintError::Failed,
        };
    }
    // systemd starts it for the bus: masked, or its unit is missing.
    if name.starts_with("org.freedesktop.systemd1.") {
        return FingerprintError::NoService;
    }
    match name.strip_prefix("org.freedesktop.DBus.Error.") {
        Some("ServiceUnknown" | "NameHasNoOwner") => FingerprintError::NoService,
        Some(kind) if kind.starts_with("Spawn.") => FingerprintError::NoService,
        Some("AccessDenied") => FingerprintError::NotAllowed,
        _ => FingerprintError::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_finished_match_is_a_match() {
        assert_eq!(status("verify-match", true), Status::Whole(Scan::Match));
        assert_eq!(
            status("verify-match", false),
            Status::Hint(FingerHint::Again)
        );
        for near in ["verify-match ", "Verify-Match", "verify-matched", ""] {
            assert_eq!(status(near, true), Status::Broken);
        }
    }

    #[test]
    fn a_reader_that_gives_up_is_not_a_wrong_finger() {
        assert_eq!(
            status("verify-no-match", true),
            Status::Whole(Scan::NoMatch)
        );
        for word in [
            "verify-unknown-error",
            "verify-disconnected",
            "verify-retry-scan",
            "enroll-completed",
        ] {
            assert_eq!(status(word, true), Status::Broken, "{word}");
        }
    }

    #[test]
    fn a_poor_scan_is_told_and_goes_on() {
        for (word, hint) in [
            ("verify-retry-scan", FingerHint::Again),
            ("verify-swipe-too-short", FingerHint::TooShort),
            ("verify-too-fast", FingerHint::TooShort),
            ("verify-finger-not-centered", FingerHint::NotCentered),
            ("verify-remove-and-retry", FingerHint::RemoveAndRetry),
            ("verify-something-new", FingerHint::Again),
        ] {
            assert_eq!(status(word, false), Status::Hint(hint), "{word}");
        }
    }

    #[test]
    fn errors_are_told_apart_by_name() {
        for (name, meaning) in [
            (
                "net.reactivated.Fprint.Error.NoSuchDevice",
                FingerprintError::NoReader,
            ),
            (
                "net.reactivated.Fprint.Error.NoEnrolledPrints",
                FingerprintError::NothingEnrolled,
            ),
            (
                "net.reactivated.Fprint.Error.AlreadyInUse",
                FingerprintError::InUse,
            ),
            (
                "net.reactivated.Fprint.Error.PermissionDenied",
                FingerprintError::NotAllowed,
            ),
            (
                "net.reactivated.Fprint.Error.Internal",
                FingerprintError::Failed,
            ),
            (
                "net.reactivated.Fprint.Error.ClaimDevice",
                FingerprintError::Failed,
            ),
            (
                "org.freedesktop.DBus.Error.ServiceUnknown",
                FingerprintError::NoService,
            ),
            (
                "org.freedesktop.DBus.Error.Spawn.ChildExited",
                FingerprintError::NoService,
            ),
            (
                "org.freedesktop.systemd1.UnitMasked",
                FingerprintError::NoService,
            ),
            (
                "org.freedesktop.DBus.Error.AccessDenied",
                FingerprintError::NotAllowed,
            ),
            (
                "org.freedesktop.DBus.Error.NoReply",
                FingerprintError::Failed,
            ),
            ("org.example.NoSuchDevice", FingerprintError::Failed),
        ] {
            assert_eq!(named(name), meaning, "{name}");
        }
    }
}
