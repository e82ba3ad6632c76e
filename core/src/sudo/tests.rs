use core::time::Duration;

use p256::ecdsa::SigningKey;
use proptest::prelude::*;

use super::*;
use crate::{secret::SecretBytes, time::BootTime};

const CHALLENGE: &[u8] = b"alice runs apt upgrade";

fn key(seed: u8) -> SigningKey {
    signing::key_from_bytes(&SecretBytes::from([seed.max(1); 32])).expect("in range")
}

fn accepted(seed: u8, least: Least) -> AcceptedKey {
    AcceptedKey::new(
        *key(seed).verifying_key(),
        least,
        Finger::NotAsked,
        "laptop",
    )
}

fn keys(least: Least) -> AcceptedKeys {
    AcceptedKeys::default().with(accepted(1, least)).unwrap()
}

/// An approval with the parts as given, signed by the key of `seed` over `signed`.
struct Made {
    signed: Vec<u8>,
    signature: [u8; 64],
    challenge: [u8; 32],
    key: [u8; 32],
}

fn made(seed: u8, challenge: &[u8]) -> Made {
    let signed = b"as sent".to_vec();
    Made {
        signature: signing::sign(&key(seed), Label::SudoChallenge, &signed),
        signed,
        challenge: challenge_hash(challenge),
        key: *Fingerprint::of(key(seed).verifying_key()).as_bytes(),
    }
}

impl Made {
    fn approval(&self, level: VerificationLevel) -> Approval<'_> {
        Approval {
            signed: &self.signed,
            signature: &self.signature,
            challenge: &self.challenge,
            key: &self.key,
            number: "",
            level,
        }
    }
}

fn check(approval: &Approval<'_>, least: Least) -> Result<(), NotApproved> {
    check_approval(approval, CHALLENGE, &keys(least), Least::Presence, None).map(|_key| ())
}

#[test]
fn a_signature_over_this_challenge_by_an_accepted_key_is_an_approval() {
    let good = made(1, CHALLENGE);
    assert_eq!(
        check(&good.approval(VerificationLevel::Pin), Least::User),
        Ok(())
    );
}

#[test]
fn another_key_signature_or_challenge_is_none() {
    let level = VerificationLevel::Pin;
    let foreign = made(2, CHALLENGE);
    assert_eq!(
        check(&foreign.approval(level), Least::User),
        Err(NotApproved::Key)
    );
    let mut posing = made(2, CHALLENGE);
    posing.key = made(1, CHALLENGE).key;
    assert_eq!(
        check(&posing.approval(level), Least::User),
        Err(NotApproved::Signature)
    );
    let mut altered = made(1, CHALLENGE);
    altered.signed.push(0);
    assert_eq!(
        check(&altered.approval(level), Least::User),
        Err(NotApproved::Signature)
    );
    let replayed = made(1, b"of before");
    assert_eq!(
        check(&replayed.approval(level), Least::User),
        Err(NotApproved::OtherChallenge)
    );
}

/// Every level with every demand: what is enough.
#[test]
fn each_demand_is_met_by_what_it_says() {
    use VerificationLevel::{Click, Finger as Touch, Pin, Tpm};
    for (least, enough) in [
        (Least::Presence, [true, true, true, true]),
        (Least::User, [false, true, true, true]),
        (Least::Pin, [false, false, true, true]),
    ] {
        for (level, enough) in [Click, Touch, Pin, Tpm].into_iter().zip(enough) {
            let good = made(1, CHALLENGE);
            let expected = if enough {
                Ok(())
            } else {
                Err(NotApproved::Level)
            };
            assert_eq!(
                check(&good.approval(level), least),
                expected,
                "{least:?} {level:?}"
            );
            // The module's own option counts as well as the key's line: the stricter one holds.
            let lenient = keys(Least::Presence);
            let by_option = check_approval(&good.approval(level), CHALLENGE, &lenient, least, None);
            assert_eq!(by_option.map(|_key| ()), expected);
        }
    }
}

#[test]
fn a_wrong_number_is_no_approval() {
    let good = made(1, CHALLENGE);
    let (all, number) = (keys(Least::User), MatchNumber::new(&mut Fixed(7)));
    let ask = |typed: &str| {
        let approval = Approval {
            number: typed,
            ..good.approval(VerificationLevel::Pin)
        };
        check_approval(&approval, CHALLENGE, &all, Least::User, Some(&number)).map(|_key| ())
    };
    assert_eq!(ask(number.shown()), Ok(()));
    assert_eq!(ask(&format!(" {} ", number.shown())), Ok(()));
    for wrong in ["", "0", "1000", "10 7"] {
        assert_eq!(ask(wrong), Err(NotApproved::Number));
    }
}

#[test]
fn numbers_have_three_digits_and_do_not_print() {
    for seed in [0, 1, 899, 900, u32::MAX - 900] {
        let number = MatchNumber::new(&mut Fixed(seed));
        assert_eq!(number.shown().len(), 3);
        assert!(!format!("{number:?}").contains(number.shown()));
    }
}

#[test]
fn a_file_says_what_was_written() {
    let second = AcceptedKey::new(
        *key(2).verifying_key(),
        Least::Pin,
        Finger::ByRoot,
        "desk = 2",
    );
    let written = keys(Least::Presence).with(second).unwrap();
    let read = AcceptedKeys::parse(written.to_text().as_bytes()).unwrap();
    assert_eq!(read, written);
    assert_eq!(
        AcceptedKeys::parse(b"# nothing\n\n").unwrap(),
        AcceptedKeys::default()
    );
}

#[test]
fn one_bad_line_makes_the_file_worthless() {
    let good = keys(Least::User).to_text();
    let line = accepted(1, Least::User).to_line();
    for bad in [
        "hello".to_owned(),
        line.replace("countersign-sudo-1", "countersign-sudo-2"),
        line.replace("p256", "ed25519"),
        line.replace("verify=user", "verify=click"),
        line.replace("verify=user", "verify=user finger=agent"),
        line.replace("verify=user", "verify=user finger=root more"),
        line.replace("label=laptop", "label="),
        line.replace("label=laptop", "label=a\u{202e}b"),
        line.replace(" label=laptop", ""),
        line.replacen("p256 ", "p256 AAAA", 1),
    ] {
        let file = format!("{good}{bad}\n");
        assert!(
            matches!(
                AcceptedKeys::parse(file.as_bytes()),
                Err(KeyFileError::Line { line: 4, .. })
            ),
            "{bad}"
        );
    }
    assert_eq!(AcceptedKeys::parse(&[0xff]), Err(KeyFileError::NotText));
    assert_eq!(
        AcceptedKeys::parse(&vec![b'#'; MAX_KEY_FILE_LEN + 1]),
        Err(KeyFileError::TooLong)
    );
    let many = format!("{line}\n").repeat(33);
    assert_eq!(
        AcceptedKeys::parse(many.as_bytes()),
        Err(KeyFileError::TooMany)
    );
}

#[test]
fn a_key_is_taken_out_by_the_beginning_of_its_fingerprint() {
    let both = keys(Least::User).with(accepted(2, Least::User)).unwrap();
    let print = accepted(2, Least::User).fingerprint().to_string();
    let (left, gone) = both.without(&print.to_ascii_lowercase()).unwrap();
    assert_eq!((left, gone), (keys(Least::User), accepted(2, Least::User)));
    assert_eq!(both.without(&print[..3]), None, "too short");
    assert_eq!(both.without("ZZZZ"), None);
}

#[test]
fn a_fingerprint_is_groups_of_letters() {
    let print = accepted(1, Least::User).fingerprint().to_string();
    assert_eq!(print.len(), 24);
    assert!(print.split('-').all(|group| group.len() == 4));
}

#[test]
fn a_command_line_reads_as_it_was_typed() {
    for (words, shown) in [
        (&b"sudo\0apt\0upgrade\0"[..], "sudo apt upgrade"),
        (b"sudo\0sh\0-c\0id; reboot\0", "sudo sh -c 'id; reboot'"),
        (b"sudo\0echo\0it's\0\0", r"sudo echo 'it'\''s' ''"),
        (b"", ""),
        (b"cut", "cut"),
    ] {
        assert_eq!(command_line(words), shown);
    }
}

#[test]
fn a_machine_is_named_without_giving_its_id_away() {
    assert_eq!(machine_name(b"0123\n"), machine_name(b"0123"));
    assert_ne!(machine_name(b"0123"), machine_name(b"0124"));
}

fn at(secs: u64) -> BootTime {
    BootTime(Duration::from_secs(secs))
}

/// Each of the ways, in turn, in which a question is in vain.
fn in_vain(turn: u64) -> Ended {
    match turn % 3 {
        0 => Ended::Denied,
        1 => Ended::WrongNumber,
        _ => Ended::Withdrawn,
    }
}

#[test]
fn six_a_minute_are_asked() {
    let mut asking = Asking::default();
    for second in 0..6 {
        assert_eq!(asking.begin(at(second)), Ok(()));
    }
    assert_eq!(asking.begin(at(6)), Err(TooOften::Rate));
    assert_eq!(asking.begin(at(60)), Ok(()));
    asking.end(Ended::Proved, at(60));
    assert_eq!(asking.begin(at(60)), Ok(()));
}

#[test]
fn three_in_vain_bring_a_minute_of_quiet_and_no_more() {
    let mut asking = Asking::default();
    for second in 0..3 {
        assert_eq!(asking.begin(at(second)), Ok(()));
        asking.end(in_vain(second), at(second));
    }
    assert_eq!(asking.begin(at(3)), Err(TooOften::InVain));
    assert_eq!(asking.begin(at(61)), Err(TooOften::InVain));
    assert_eq!(asking.begin(at(62)), Ok(()));
}

#[test]
fn a_yes_between_two_no_ends_the_count() {
    let mut asking = Asking::default();
    for second in 0..20 {
        assert_eq!(asking.begin(at(second * 20)), Ok(()));
        let ended = if second % 3 == 2 {
            Ended::Proved
        } else {
            in_vain(second)
        };
        asking.end(ended, at(second * 20));
    }
}

#[test]
fn an_approval_that_came_to_nothing_counts_neither_way() {
    let mut asking = Asking::default();
    for (second, ended) in (0..).zip([
        Ended::Denied,
        Ended::NotAccepted,
        Ended::Withdrawn,
        Ended::TooLate,
        Ended::WrongNumber,
    ]) {
        assert_eq!(asking.begin(at(second)), Ok(()));
        asking.end(ended, at(second));
    }
    assert_eq!(asking.begin(at(5)), Err(TooOften::InVain));
}

proptest! {
    #[test]
    fn nothing_makes_reading_a_key_file_fail_hard(content in prop::collection::vec(any::<u8>(), 0..400)) {
        drop(AcceptedKeys::parse(&content));
    }

    /// Whatever is asked, and however it ends: at most six in any minute, and never quiet for longer than that.
    #[test]
    fn nobody_is_asked_too_often_or_locked_out(steps in prop::collection::vec((0_u64..40, 0_u8..4), 1..60)) {
        let mut asking = Asking::default();
        let (mut now, mut asked, mut refused_since) = (0_u64, Vec::new(), None::<u64>);
        for (wait, how) in steps {
            now = now.saturating_add(wait);
            if asking.begin(at(now)).is_ok() {
                refused_since = None;
                asked.push(now);
                match how {
                    0 => { asking.end(Ended::Proved, at(now)); asked.clear(); }
                    1 => asking.end(in_vain(now), at(now)),
                    2 => asking.end(Ended::TooLate, at(now)),
                    _ => {}
                }
            } else {
                let since = *refused_since.get_or_insert(now);
                prop_assert!(now.saturating_sub(since) <= 60);
            }
            prop_assert!(asked.iter().filter(|then| now.saturating_sub(**then) < 60).count() <= 6);
        }
    }
}

/// A generator that draws one number.
struct Fixed(u32);

impl rand_core::TryRng for Fixed {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(u64::from(self.0))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Self::Error> {
        buffer.fill(7);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Fixed {}
