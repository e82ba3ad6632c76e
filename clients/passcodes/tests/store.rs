//! Records on a real file system: who may have touched them, two programs at once.
#![expect(
    clippy::unwrap_used,
    reason = "helper functions of tests: what fails ends the test"
)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    thread,
};

use countersign_core::{
    otp::{Digits, HashAlgorithm, OtpMode, Period, hotp},
    pam_passcode::{Acceptance, NotBegun, Record, Refusal, TryLimit, Verdict, Window},
    secret::{SecretBytes, SecretText},
    time::UnixMillis,
};
use countersign_passcodes::{
    Outcome, Passcodes, Question, Replacing, StoreError, Unsafe, UserName,
};
use rustix::{
    fs::{FlockOperation, Mode, flock},
    process::{Uid, geteuid},
};
use tempfile::TempDir;

const SECS: u64 = 1_800_000_000;
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const ACCEPTED: Outcome = Outcome::Judged(Verdict::Accepted(Acceptance::InWindow));
const USED: Outcome = Outcome::Judged(Verdict::Refused(Refusal::Used));
const WRONG: Outcome = Outcome::Judged(Verdict::Refused(Refusal::Wrong));

/// A folder of this process's user, with alice's record.
struct Stage {
    folder: TempDir,
    passcodes: Passcodes,
}

impl Stage {
    fn new(mode: OtpMode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let passcodes = Passcodes::open_or_make(&folder.path().join("p"), geteuid()).unwrap();
        let record = Record::new(mode, seed(), 0, TryLimit::DEFAULT).unwrap();
        passcodes
            .put(&alice(), &record, Replacing::Refused)
            .unwrap();
        Self { folder, passcodes }
    }

    fn path(&self, name: &str) -> String {
        format!("{}/p/{name}", self.folder.path().display())
    }

    fn judge(&self, typed: &str) -> Result<Outcome, StoreError> {
        let typed = SecretText::from(typed);
        self.passcodes
            .judge(&alice(), &typed, None, Window::DEFAULT, NOW)
    }

    /// Whatever was typed: nobody is asked and nobody is let in.
    fn is_refused(&self, why: Unsafe) {
        let refused = StoreError::Unsafe(why);
        assert_eq!(self.passcodes.question(&alice(), NOW), Err(refused));
        assert_eq!(self.judge(&right()), Err(refused));
        let other = SecretText::from("000000");
        let outcome = self
            .passcodes
            .judge(&alice(), &other, None, Window::DEFAULT, NOW);
        assert_eq!(outcome, Err(refused));
    }
}

fn alice() -> UserName {
    "alice".parse().unwrap()
}

fn seed() -> SecretBytes {
    SecretBytes::from(*b"12345678901234567890")
}

const fn time() -> OtpMode {
    OtpMode::Time {
        hash: HashAlgorithm::Sha1,
        digits: Digits::SIX,
        period: Period::THIRTY,
    }
}

fn right() -> String {
    let step = SECS / 30;
    hotp(&seed(), step, HashAlgorithm::Sha1, Digits::SIX)
        .expose()
        .to_owned()
}

#[test]
fn a_passcode_lets_in_once() {
    let stage = Stage::new(time());
    let asked = stage.passcodes.question(&alice(), NOW);
    assert_eq!(asked, Ok(Some(Question::Passcode)));
    assert_eq!(stage.judge("000000"), Ok(WRONG));
    assert_eq!(stage.judge(&right()), Ok(ACCEPTED));
    assert_eq!(stage.judge(&right()), Ok(USED));
    let again = Passcodes::open(stage.path("").as_ref(), geteuid())
        .unwrap()
        .unwrap();
    let typed = SecretText::from(right());
    let outcome = again.judge(&alice(), &typed, None, Window::DEFAULT, NOW);
    assert_eq!(outcome, Ok(USED), "also for who opens the folder anew");
}

#[test]
fn who_has_no_record_is_not_asked() {
    let stage = Stage::new(time());
    let bob: UserName = "bob".parse().unwrap();
    assert_eq!(stage.passcodes.question(&bob, NOW), Ok(None));
    let typed = SecretText::from(right());
    let outcome = stage
        .passcodes
        .judge(&bob, &typed, None, Window::DEFAULT, NOW);
    assert_eq!(outcome, Ok(Outcome::NotEnrolled));
    let nowhere = format!("{}/nowhere", stage.folder.path().display());
    assert!(
        Passcodes::open(nowhere.as_ref(), geteuid())
            .unwrap()
            .is_none()
    );
}

#[test]
fn files_and_folder_are_the_owners_alone() {
    let stage = Stage::new(time());
    assert_eq!(stage.judge(&right()), Ok(ACCEPTED));
    for (name, mode) in [
        ("", 0o40700),
        ("alice", 0o100_600),
        (".alice.lock", 0o100_600),
    ] {
        let found = fs::metadata(stage.path(name)).unwrap();
        assert_eq!(found.permissions().mode(), mode, "{name}");
    }
    assert_eq!(fs::read_dir(stage.path("")).unwrap().count(), 2);
    assert_eq!(stage.passcodes.users().unwrap(), [alice()]);
}

#[test]
fn a_record_that_others_may_read_or_write_is_refused() {
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o666] {
        let stage = Stage::new(time());
        fs::set_permissions(stage.path("alice"), fs::Permissions::from_mode(mode)).unwrap();
        stage.is_refused(Unsafe::Mode);
    }
    let stage = Stage::new(time());
    fs::set_permissions(stage.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let opened = Passcodes::open(stage.path("").as_ref(), geteuid());
    assert_eq!(opened.unwrap_err(), StoreError::Unsafe(Unsafe::Mode));
}

#[test]
fn a_record_of_another_owner_is_refused() {
    let stage = Stage::new(time());
    let other = Uid::from_raw(geteuid().as_raw().wrapping_add(1));
    let opened = Passcodes::open(stage.path("").as_ref(), other);
    assert_eq!(opened.unwrap_err(), StoreError::Unsafe(Unsafe::Owner));
    if geteuid().is_root() {
        rustix::fs::chown(stage.path("alice"), Some(other), None).unwrap();
        stage.is_refused(Unsafe::Owner);
    }
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let stage = Stage::new(time());
    fs::rename(stage.path("alice"), stage.path("real")).unwrap();
    symlink(stage.path("real"), stage.path("alice")).unwrap();
    stage.is_refused(Unsafe::Kind);
    fs::remove_file(stage.path("alice")).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(
        rustix::fs::CWD,
        stage.path("alice"),
        fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    stage.is_refused(Unsafe::Kind);
    fs::remove_file(stage.path("alice")).unwrap();
    fs::create_dir(stage.path("alice")).unwrap();
    stage.is_refused(Unsafe::Kind);
    symlink(
        stage.path(""),
        format!("{}/link", stage.folder.path().display()),
    )
    .unwrap();
    let linked = format!("{}/link", stage.folder.path().display());
    let opened = Passcodes::open(linked.as_ref(), geteuid());
    assert_eq!(opened.unwrap_err(), StoreError::Unsafe(Unsafe::Kind));
}

#[test]
fn what_is_no_record_is_refused() {
    let stage = Stage::new(time());
    let whole = fs::read(stage.path("alice")).unwrap();
    fs::write(stage.path("alice"), &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(stage.judge(&right()), Err(StoreError::Damaged(_))));
    fs::write(stage.path("alice"), [0xff; 100]).unwrap();
    assert!(matches!(stage.judge(&right()), Err(StoreError::Damaged(_))));
    fs::write(stage.path("alice"), "").unwrap();
    assert!(matches!(stage.judge(&right()), Err(StoreError::Damaged(_))));
    fs::write(stage.path("alice"), vec![b'a'; 1 << 20]).unwrap();
    stage.is_refused(Unsafe::Size);
}

#[test]
fn wrong_ones_are_not_looked_at_after_a_while() {
    let stage = Stage::new(time());
    for _ in 0..5 {
        assert_eq!(stage.judge("000000"), Ok(WRONG));
    }
    let asked = stage.passcodes.question(&alice(), NOW);
    assert_eq!(asked, Ok(Some(Question::Wait { secs: 300 })));
    let refused = Outcome::NotBegun(NotBegun::TooMany { wait_secs: 300 });
    assert_eq!(stage.judge(&right()), Ok(refused));
    assert_eq!(stage.passcodes.unlock(&alice()), Ok(true));
    assert_eq!(stage.judge(&right()), Ok(ACCEPTED));
}

#[test]
fn a_challenge_is_asked_again_until_it_is_answered() {
    let suite = "OCRA-1:HOTP-SHA1-6:QN08".parse().unwrap();
    let stage = Stage::new(OtpMode::Challenge { suite });
    let ask = || stage.passcodes.question(&alice(), NOW).unwrap().unwrap();
    let first = ask();
    assert_eq!(ask(), first);
    let Question::Challenge(shown) = &first else {
        panic!("a challenge is asked: {first:?}");
    };
    let wrong = SecretText::from("000000");
    let judge = |shown| {
        stage
            .passcodes
            .judge(&alice(), &wrong, shown, Window::DEFAULT, NOW)
    };
    assert_eq!(judge(Some(shown)), Ok(WRONG));
    let over = Ok(Outcome::NotBegun(NotBegun::ChallengeOver));
    assert_eq!(judge(Some(shown)), over);
    assert_ne!(ask(), first);
}

#[test]
fn a_passcode_that_two_type_at_once_lets_one_in() {
    for _ in 0..20 {
        let stage = Stage::new(time());
        let outcomes: Vec<_> = thread::scope(|scope| {
            let tries: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| stage.judge(&right()).unwrap()))
                .collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let accepted = outcomes.iter().filter(|one| **one == ACCEPTED).count();
        assert_eq!(accepted, 1, "{outcomes:?}");
    }
}

#[test]
fn who_holds_the_lock_and_does_not_end_is_not_waited_for() {
    let stage = Stage::new(time());
    let held = fs::File::open(stage.path(".alice.lock")).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let before = fs::metadata(stage.path("alice")).unwrap().modified();
    assert_eq!(stage.judge(&right()), Err(StoreError::Busy));
    let after = fs::metadata(stage.path("alice")).unwrap().modified();
    assert_eq!(before.unwrap(), after.unwrap());
    flock(&held, FlockOperation::Unlock).unwrap();
    assert_eq!(stage.judge(&right()), Ok(ACCEPTED));
}

#[test]
fn records_are_replaced_and_removed_on_purpose_only() {
    let stage = Stage::new(time());
    let other = Record::new(time(), SecretBytes::from([7; 20]), 0, TryLimit::DEFAULT).unwrap();
    let put = |replacing| stage.passcodes.put(&alice(), &other, replacing);
    assert_eq!(put(Replacing::Refused), Err(StoreError::Exists));
    assert_ne!(
        stage.passcodes.record(&alice()).unwrap(),
        Some(other.clone())
    );
    assert_eq!(put(Replacing::Allowed), Ok(()));
    assert_eq!(
        stage.passcodes.record(&alice()).unwrap(),
        Some(other.clone())
    );
    assert_eq!(stage.passcodes.remove(&alice()), Ok(true));
    assert_eq!(stage.passcodes.remove(&alice()), Ok(false));
    assert_eq!(stage.passcodes.record(&alice()), Ok(None));
}

/// A program that was killed has left the draft of a record.
#[test]
fn what_a_killed_program_left_is_no_record_and_in_nobodys_way() {
    let stage = Stage::new(time());
    fs::write(stage.path(".alice.new"), "half").unwrap();
    assert_eq!(stage.judge(&right()), Ok(ACCEPTED));
    assert_eq!(stage.passcodes.users().unwrap(), [alice()]);
    assert!(!fs::exists(stage.path(".alice.new")).unwrap());
}
