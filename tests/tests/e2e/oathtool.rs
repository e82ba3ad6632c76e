//! Passcodes equal those of oathtool, a foreign implementation.

use std::process::Command;

use countersign_core::{
    otp::{self, Digits, HashAlgorithm, Period},
    secret::SecretBytes,
};
use countersign_tests::{parts, process, stage::Stage};
use data_encoding::{BASE32_NOPAD, HEXLOWER};

use crate::dice::Dice;

fn oathtool(words: &[String]) -> Vec<String> {
    let mut command = Command::new("oathtool");
    command.args(words);
    let output = process::output(command, b"").unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_thousand_random_tokens() {
    if !parts::are_there("oathtool::a_thousand_random_tokens", &["oathtool"]) {
        return;
    }
    let mut dice = Dice::new(20_261_124);
    for number in 0..1000 {
        let key = dice.key();
        let digits = 6 + dice.below(3);
        let (hash, name) = [
            (HashAlgorithm::Sha1, "sha1"),
            (HashAlgorithm::Sha256, "sha256"),
            (HashAlgorithm::Sha512, "sha512"),
        ][usize::try_from(dice.below(3)).unwrap()];
        let event_based = number % 2 == 0;
        let (hash, counter, mut words) = if event_based {
            let counter = dice.below(1 << 40);
            (
                HashAlgorithm::Sha1,
                counter,
                vec!["--hotp".to_owned(), format!("--counter={counter}")],
            )
        } else {
            let seconds = dice.below(4_000_000_000);
            let period = 10 + dice.below(90);
            let step = otp::time_step(
                seconds,
                Period::try_from(u32::try_from(period).unwrap()).unwrap(),
            );
            let words = vec![
                format!("--totp={name}"),
                format!("--now=@{seconds}"),
                format!("--time-step-size={period}s"),
            ];
            (hash, step, words)
        };
        words.push(format!("--digits={digits}"));
        words.push(HEXLOWER.encode(&key));
        let digits = Digits::try_from(u8::try_from(digits).unwrap()).unwrap();
        let ours = otp::hotp(&SecretBytes::new(key), counter, hash, digits);
        assert_eq!(
            oathtool(&words),
            [ours.expose()],
            "token {number} of seed {}: {words:?}",
            dice.seed
        );
    }
}

#[test]
fn tokens_in_the_real_agent() {
    if !parts::are_there("oathtool::tokens_in_the_real_agent", &["oathtool"]) {
        return;
    }
    let stage = Stage::new().unwrap();
    let mut dice = Dice::new(7);
    for (number, algorithm) in ["SHA1", "SHA256", "SHA512"].into_iter().enumerate() {
        let key = dice.key();
        let name = format!("time-{number}");
        let secret = BASE32_NOPAD.encode(&key);
        let uri = format!(
            "otpauth://totp/{name}?secret={secret}&algorithm={algorithm}&digits=8&period=60"
        );
        stage.enroll_string(&name, &uri).unwrap();
        let theirs = || {
            let words = [
                format!("--totp={}", algorithm.to_lowercase()),
                "--time-step-size=60s".to_owned(),
                "--digits=8".to_owned(),
                HEXLOWER.encode(&key),
            ];
            oathtool(&words).remove(0)
        };
        // The step may change in between: what oathtool says before and after must frame ours.
        let before = theirs();
        let ours = stage.cli.ask(&["code", &name]).unwrap();
        let after = theirs();
        assert!([before, after].contains(&ours), "{algorithm}");
    }

    let key = dice.key();
    let secret = BASE32_NOPAD.encode(&key);
    stage
        .enroll_string(
            "event",
            &format!("otpauth://hotp/event?secret={secret}&counter=5"),
        )
        .unwrap();
    let theirs = oathtool(&[
        "--counter=5".to_owned(),
        "--window=4".to_owned(),
        HEXLOWER.encode(&key),
    ]);
    let ours: Vec<_> = (0..5)
        .map(|_| stage.cli.ask(&["next", "event"]).unwrap())
        .collect();
    assert_eq!(ours, theirs);
}
