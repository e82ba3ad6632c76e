//! A finger in place of a PIN: the real agent with the real fprintd and a reader that the test lays fingers on.

use countersign_proto::agent::v1::Reason;
use countersign_tests::{
    Workspace,
    bus::PrivateBus,
    fingerprint_reader::{self, FingerprintReader, INTERFACE, READER},
    forger::Forger,
    parts,
    polkit::{self, Polkit},
    stage::{PASSPHRASE, PASSPHRASE_KEY, Stage},
    system_bus,
};

const TOKEN: &str = "otpauth://hotp/Bank:alice?secret=JBSWY3DPEHPK3PXP&counter=0&pin=True";
/// Its passcodes from counter 0 on, by RFC 4226's algorithm.
const PASSCODES: [&str; 5] = ["282760", "996554", "602287", "143627", "960129"];
const PIN: &str = "246802";
/// The finger that is enrolled.
const RIGHT: &str = "f1";
/// One that is not.
const WRONG: &str = "f2";

struct Desk {
    stage: Stage,
    reader: FingerprintReader,
    _polkit: Polkit,
    bus: PrivateBus,
}

impl Desk {
    /// With a passphrase vault, a token with a PIN, and an enrolled finger.
    fn new(test: &str) -> Option<Self> {
        if !parts::are_there(test, &["dbus-daemon", fingerprint_reader::DAEMON]) {
            return None;
        }
        let workspace = Workspace::new().unwrap();
        let bus = system_bus::start(&workspace).unwrap();
        let polkit = Polkit::start(&bus, &[polkit::VERIFY, polkit::ENROLL]).unwrap();
        let reader = FingerprintReader::start(&workspace, &bus).unwrap();
        reader.enroll(&bus, "right-index-finger", RIGHT).unwrap();
        let stage = Stage::in_session(workspace, PASSPHRASE_KEY, |session| {
            session.on_system_bus(&bus)
        })
        .unwrap();
        stage.set_up().unwrap();
        stage.enroll_with_pin("bank", TOKEN, PIN).unwrap();
        Some(Self {
            stage,
            reader,
            _polkit: polkit,
            bus,
        })
    }

    /// And the finger may stand for the token's PIN.
    fn with_finger(test: &str) -> Option<Self> {
        let desk = Self::new(test)?;
        assert_eq!(desk.biometric(), "off");
        desk.give_pin(&["biometric", "on", "bank"]);
        assert_eq!(desk.biometric(), "ready");
        Some(desk)
    }

    fn give_pin(&self, words: &[&str]) -> String {
        let words = [words, &["--pin-stdin"]].concat();
        let typed = format!("{PIN}\n");
        self.stage.cli.ask_with(&words, &typed).unwrap()
    }

    /// May a finger stand for the token's PIN?
    fn biometric(&self) -> String {
        let token = self.stage.cli.json(&["info", "bank"]).unwrap();
        token["biometric"].as_str().unwrap().to_owned()
    }

    /// Nobody can be asked but the finger, and that is not asked either.
    fn pin_is_due(&self) {
        assert_eq!(self.biometric(), "pin_due");
        self.pin_alone_counts();
    }

    fn pin_alone_counts(&self) {
        let cli = &self.stage.cli;
        cli.refused(&["code", "bank"], "", Reason::PinRequired)
            .unwrap();
    }

    fn lay(&self, finger: &str) {
        self.reader.scan(&self.bus, finger).unwrap();
    }

    fn wrong_fingers(&self) -> usize {
        let log = self.stage.cli.ask(&["log"]).unwrap();
        log.matches("finger_wrong").count()
    }
}

#[test]
fn a_finger_gives_a_passcode_and_five_wrong_ones_make_the_pin_due() {
    let Some(desk) = Desk::with_finger("finger::passcode") else {
        return;
    };
    let cli = &desk.stage.cli;
    let call = cli.begin(&["code", "bank"]);
    desk.lay(RIGHT);
    assert_eq!(call.answer().unwrap(), PASSCODES[0]);

    // A wrong one is told and counted, and the right one still counts.
    let call = cli.begin(&["code", "bank"]);
    desk.lay(WRONG);
    desk.lay(RIGHT);
    assert_eq!(call.answer().unwrap(), PASSCODES[1]);
    assert_eq!(desk.wrong_fingers(), 1);

    let call = cli.begin(&["code", "bank"]);
    for _ in 0..5 {
        desk.lay(WRONG);
    }
    call.refused(Reason::PinRequired).unwrap();
    assert_eq!(desk.wrong_fingers(), 6);
    desk.pin_is_due();

    assert_eq!(desk.give_pin(&["code", "bank"]), PASSCODES[2]);
    assert_eq!(desk.biometric(), "ready");
    let call = cli.begin(&["code", "bank"]);
    desk.lay(RIGHT);
    assert_eq!(call.answer().unwrap(), PASSCODES[3]);
}

#[test]
fn neither_a_forged_match_nor_a_killed_fprintd_gives_a_passcode() {
    let Some(mut desk) = Desk::with_finger("finger::forged") else {
        return;
    };
    let forger = Forger::new(&desk.bus).unwrap();
    let before = forger.present().unwrap();
    let call = desk.stage.cli.begin(&["code", "bank"]);
    // While it is listened to: before and after a scan, to everybody and to each newcomer alone.
    let forge = || {
        desk.reader.wait_until_needed(&desk.bus).unwrap();
        let now = forger.present().unwrap();
        let newcomers = now.difference(&before).map(|name| Some(name.as_str()));
        for to in newcomers.chain([None]) {
            forger
                .emit(
                    to,
                    READER,
                    INTERFACE,
                    "VerifyStatus",
                    &("verify-match", true),
                )
                .unwrap();
        }
    };
    forge();
    desk.lay(WRONG);
    forge();
    assert!(call.waits());
    desk.reader.kill().unwrap();
    call.refused(Reason::PinRequired).unwrap();
    assert_eq!(desk.wrong_fingers(), 1);

    desk.reader.restart(&desk.bus).unwrap();
    let call = desk.stage.cli.begin(&["code", "bank"]);
    desk.lay(RIGHT);
    assert_eq!(
        call.answer().unwrap(),
        PASSCODES[0],
        "none was given before"
    );
}

#[test]
fn a_new_pin_switches_the_finger_off_and_a_restart_wants_the_pin_first() {
    let Some(mut desk) = Desk::with_finger("finger::restart") else {
        return;
    };
    assert!(desk.stage.agent.process().terminate().unwrap().success());
    desk.stage.agent.restart().unwrap();
    desk.stage.unlock().unwrap();
    desk.pin_is_due();
    assert_eq!(desk.give_pin(&["code", "bank"]), PASSCODES[0]);
    let call = desk.stage.cli.begin(&["code", "bank"]);
    desk.lay(RIGHT);
    assert_eq!(call.answer().unwrap(), PASSCODES[1]);

    let cli = &desk.stage.cli;
    cli.ask_with(
        &["pin", "change", "bank", "--pin-stdin"],
        &format!("{PIN}\n864200\n"),
    )
    .unwrap();
    assert_eq!(desk.biometric(), "off");
    desk.pin_alone_counts();
    let new = cli.ask_with(&["code", "bank", "--pin-stdin"], "864200\n");
    assert_eq!(new.unwrap(), PASSCODES[2]);
    desk.pin_alone_counts();
}

#[test]
fn a_finger_unlocks_after_the_passphrase_has() {
    let Some(mut desk) = Desk::new("finger::unlock") else {
        return;
    };
    let cli = desk.stage.cli.clone();
    let on = ["biometric", "on", "--pin-stdin"];
    cli.refused(&on, "not the passphrase\n", Reason::WrongPassphrase)
        .unwrap();
    cli.ask_with(&on, &format!("{PASSPHRASE}\n")).unwrap();
    cli.ask(&["lock"]).unwrap();
    let call = cli.begin(&["unlock"]);
    desk.lay(RIGHT);
    call.answer().unwrap();

    cli.ask(&["lock"]).unwrap();
    let call = cli.begin(&["unlock"]);
    for _ in 0..5 {
        desk.lay(WRONG);
    }
    call.refused(Reason::PinRequired).unwrap();
    cli.refused(&["unlock"], "", Reason::PinRequired).unwrap();
    desk.stage.unlock().unwrap();

    // What the finger opens with is gone with the process.
    desk.stage.agent.process().terminate().unwrap();
    desk.stage.agent.restart().unwrap();
    cli.refused(&["unlock"], "", Reason::PinRequired).unwrap();
    desk.stage.unlock().unwrap();
    cli.ask(&["lock"]).unwrap();
    let call = cli.begin(&["unlock"]);
    desk.lay(RIGHT);
    call.answer().unwrap();

    cli.ask(&["biometric", "off"]).unwrap();
    cli.ask(&["lock"]).unwrap();
    cli.refused(&["unlock"], "", Reason::PinRequired).unwrap();
}
