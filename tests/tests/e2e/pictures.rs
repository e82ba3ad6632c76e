//! QR codes: of a file, the clipboard, the screen; several in one picture, and pictures that are meant to harm.

use std::{fs, os::unix::net::UnixListener, path::PathBuf, process::Command};

use countersign_proto::agent::v1::Reason;
use countersign_tests::{
    LOOK_EVERY, Workspace, parts, patiently, pictures,
    process::{Process, Stdout},
    programs::program,
    screen::{self, Screen},
    stage::{PASSPHRASE_KEY, Stage, USER},
    standin_desktop_portal::{Choice, StandinDesktopPortal},
    terminal::Terminal,
};

const ALICE: &str = "otpauth://totp/Forge:alice?secret=JBSWY3DPEHPK3PXP&issuer=Forge";
const BOB: &str = "otpauth://hotp/Mail:bob?secret=GEZDGNBVGY3TQOJQ&issuer=Mail&counter=0";

fn save(stage: &Stage, name: &str, bytes: &[u8]) -> String {
    let file = stage.workspace.join(name);
    fs::write(&file, bytes).unwrap();
    file.to_str().unwrap().to_owned()
}

fn tokens(stage: &Stage) -> Vec<String> {
    let list = stage.cli.json(&["list"]).unwrap();
    let tokens = list["tokens"].as_array().unwrap().clone();
    let names = tokens.iter().map(|token| token["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

#[test]
fn the_code_of_an_activation_string_enrolls_at_the_real_service() {
    let stage = Stage::new().unwrap();
    let gateway = stage.gateway().unwrap();
    let activation = gateway.add_token(USER, &["--mode", "event"]).unwrap();
    // Another code on the same page is passed over.
    let picture = pictures::png(&[activation.as_str(), "https://gateway.example/help"]).unwrap();
    let file = save(&stage, "code.png", &picture);
    let name = stage
        .cli
        .ask(&["enroll", "--image", &file, "--yes", "--name", "Example"])
        .unwrap();
    assert_eq!(name, "Example");
    let info = stage.cli.json(&["info", "Example"]).unwrap();
    assert_eq!(
        (&info["mode"], &info["user"]),
        (&"event".into(), &USER.into())
    );
}

#[test]
fn without_a_yes_the_host_of_a_code_is_asked_for_as_of_a_typed_string() {
    let stage = Stage::new().unwrap();
    let file = save(&stage, "code.png", &pictures::png(&[ALICE]).unwrap());
    stage
        .cli
        .refused(
            &["enroll", "--image", &file],
            "",
            Reason::EnrollmentNotConfirmed,
        )
        .unwrap();
    assert!(tokens(&stage).is_empty());
}

#[test]
fn several_codes_are_counted_when_piped_and_chosen_on_a_terminal() {
    let stage = Stage::new().unwrap();
    let picture = pictures::png(&[ALICE, BOB, "WIFI:S:home;;"]).unwrap();
    let file = save(&stage, "several.png", &picture);
    let said = stage
        .cli
        .refused(
            &["enroll", "--image", &file, "--yes"],
            "",
            Reason::EnrollmentAmbiguous,
        )
        .unwrap();
    assert!(said.stderr.contains("There are 2 QR codes"), "{said:?}");
    assert!(tokens(&stage).is_empty());

    let mut terminal = Terminal::open().unwrap();
    let mut call = stage
        .cli
        .begin_on(&terminal, &["enroll", "--image", &file, "--yes"])
        .unwrap();
    let seen = terminal
        .wait_until_seen("the question", |seen| seen.contains("Which one? [1 to 2]"))
        .unwrap();
    let row = seen
        .lines()
        .find(|line| line.contains("Mail"))
        .unwrap_or_default();
    assert!(row.contains("bob"), "{seen}");
    let number = if row.trim_start().starts_with('1') {
        "1\r"
    } else {
        "2\r"
    };
    terminal.press(number).unwrap();
    assert_eq!(call.code().unwrap(), Some(0));
    assert_eq!(tokens(&stage), ["Mail bob"]);
}

#[test]
fn hostile_and_broken_pictures_add_nothing_and_harm_nobody() {
    let stage = Stage::new().unwrap();
    let whole = pictures::png(&[ALICE]).unwrap();
    let half = whole.split_at(whole.len() / 2).0;
    let mut vast = whole.clone();
    vast[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    let blank = pictures::encode(64, 64, &[255; 64 * 64]).unwrap();
    for (name, bytes) in [
        ("half.png", half),
        ("vast.png", &vast),
        ("empty.png", b""),
        ("text.png", b"otpauth://totp/x?secret=AAAA"),
        ("gif.png", b"GIF89a\x01\x00\x01\x00"),
        ("page.png", b"<!DOCTYPE svg [<!ENTITY a \"b\">]><svg/>"),
        ("jpeg.png", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"),
        ("blank.png", &blank),
    ] {
        let file = save(&stage, name, bytes);
        let said = stage
            .cli
            .refused(
                &["enroll", "--image", &file, "--yes"],
                "",
                Reason::EnrollmentInvalid,
            )
            .unwrap();
        assert!(!said.stderr.contains("secret="), "{said:?}");
    }
    let large = stage.workspace.join("large.png");
    let sparse = fs::File::create(&large).unwrap();
    sparse.set_len(64 << 20).unwrap();
    let large = large.to_str().unwrap().to_owned();
    stage
        .cli
        .refused(
            &["enroll", "--image", &large, "--yes"],
            "",
            Reason::EnrollmentInvalid,
        )
        .unwrap();
    assert!(tokens(&stage).is_empty());
}

/// The export of a phone: one code a screen, photographed one after the other.
#[test]
fn codes_of_a_migration_are_imported_from_their_pictures() {
    let stage = Stage::new().unwrap();
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/import");
    let mut words = vec!["import".to_owned(), "--yes".to_owned()];
    for part in ["google-1", "google-2"] {
        let link = fs::read_to_string(format!("{samples}/{part}.txt")).unwrap();
        let picture = pictures::png(&[link.trim()]).unwrap();
        words.push(save(&stage, &format!("{part}.png"), &picture));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    stage.cli.ask(&words).unwrap();
    let names = tokens(&stage);
    assert_eq!(names.len(), 3, "{names:?}");
    // A picture without a code brings nothing.
    let white = pictures::encode(50, 50, &[255; 2500]).unwrap();
    let empty = save(&stage, "empty.png", &white);
    let said = stage.cli.say(&["import", "--yes", &empty]).unwrap();
    assert_ne!(said.code, Some(0), "{said:?}");
    assert_eq!(tokens(&stage).len(), 3);
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let stage = Stage::new().unwrap();
    let socket = stage.workspace.join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    let pipe = stage.workspace.join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for place in [
        stage.workspace.path().to_owned(),
        socket,
        pipe,
        PathBuf::from("/dev/zero"),
        stage.workspace.join("none.png"),
    ] {
        let place = place.to_str().unwrap().to_owned();
        stage
            .cli
            .refused(&["enroll", "--image", &place, "--yes"], "", Reason::Usage)
            .unwrap();
    }
}

/// Whoever reads a picture can do nothing but compute.
#[test]
fn the_reader_of_pictures_is_confined_before_it_reads() {
    let workspace = Workspace::new().unwrap();
    let mut command = Command::new(program("countersign-desktop").unwrap());
    command
        .arg("read-picture")
        .env_clear()
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null());
    let mut reader = command.spawn().unwrap();
    let status = format!("/proc/{}/status", reader.id());
    let confined = async {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let status = fs::read_to_string(&status).unwrap_or_default();
            let has = |line: &str| status.lines().any(|one| one == line);
            if has("Seccomp:\t2") && has("NoNewPrivs:\t1") {
                break;
            }
        }
    };
    patiently("the reader to be confined", confined).unwrap();
    drop(reader.stdin.take());
    let ended = reader.wait().unwrap();
    assert_eq!(ended.code(), Some(10), "an empty picture is none");
    drop(workspace);
}

/// Xvfb, and a clipboard in it that holds `bytes` as `format`.
struct Clipboard {
    stage: Stage,
    owner: Process,
    screen: Screen,
}

impl Clipboard {
    fn holding(test: &str, format: &str, bytes: &[u8]) -> Option<Self> {
        if !parts::are_there(test, &[&["xclip"], &screen::PROGRAMS[..]].concat()) {
            return None;
        }
        let workspace = Workspace::new().unwrap();
        let screen = Screen::start(&workspace).unwrap();
        let display = screen.display().to_owned();
        let stage = Stage::in_session(workspace, PASSPHRASE_KEY, |session| {
            session.on_display(&display)
        })
        .unwrap();
        stage.set_up().unwrap();
        let file = save(&stage, "copied", bytes);
        let mut command = Command::new("xclip");
        command
            .args([
                "-selection",
                "clipboard",
                "-quiet",
                "-t",
                format,
                "-in",
                &file,
            ])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("DISPLAY", &display);
        let owner =
            Process::spawn("xclip", command, &stage.workspace.logs(), Stdout::Log, None).unwrap();
        let mut clipboard = Self {
            stage,
            owner,
            screen,
        };
        clipboard.wait_until_owned(&display);
        Some(clipboard)
    }

    /// xclip says nothing when it has the selection.
    fn wait_until_owned(&mut self, display: &str) {
        let owned = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            loop {
                looks.tick().await;
                let mut ask = tokio::process::Command::new("xclip");
                ask.args(["-selection", "clipboard", "-o", "-t", "TARGETS"])
                    .env("DISPLAY", display)
                    .kill_on_drop(true);
                if ask.output().await.is_ok_and(|said| said.status.success()) {
                    break;
                }
            }
        };
        patiently("the clipboard", owned).unwrap();
        assert!(self.owner.ended().unwrap().is_none());
    }
}

#[test]
fn a_picture_and_a_text_are_taken_from_the_clipboard() {
    let picture = pictures::png(&[ALICE]).unwrap();
    for (format, bytes) in [
        ("image/png", picture.as_slice()),
        ("UTF8_STRING", BOB.as_bytes()),
    ] {
        let Some(clipboard) = Clipboard::holding("pictures::clipboard", format, bytes) else {
            return;
        };
        let stage = &clipboard.stage;
        let name = stage.cli.ask(&["enroll", "--clipboard", "--yes"]).unwrap();
        assert_eq!(tokens(stage), [name]);
    }
}

#[test]
fn a_clipboard_that_is_too_full_empty_or_away_is_said() {
    let Some(clipboard) = Clipboard::holding(
        "pictures::clipboard_full",
        "UTF8_STRING",
        "x".repeat(100_000).as_bytes(),
    ) else {
        return;
    };
    let words = ["enroll", "--clipboard", "--yes"];
    let cli = &clipboard.stage.cli;
    cli.refused(&words, "", Reason::EnrollmentInvalid).unwrap();
    let Clipboard {
        stage,
        owner,
        screen,
    } = clipboard;
    drop(owner);
    stage
        .cli
        .refused(&words, "", Reason::EnrollmentInvalid)
        .unwrap();
    drop(screen);
    stage
        .cli
        .refused(&words, "", Reason::EnrollmentUnsupported)
        .unwrap();
}

#[test]
fn a_code_is_read_from_the_screen_and_its_picture_does_not_stay() {
    let stage = Stage::new().unwrap();
    let words = ["enroll", "--screen", "--yes"];
    stage
        .cli
        .refused(&words, "", Reason::EnrollmentUnsupported)
        .unwrap();
    let file = PathBuf::from(save(&stage, "shot.png", &pictures::png(&[ALICE]).unwrap()));
    let portal = StandinDesktopPortal::start(&stage.bus, Choice::Picture(file.clone())).unwrap();
    assert_eq!(stage.cli.ask(&words).unwrap(), "Forge alice");
    assert!(!file.exists(), "a picture of a secret does not stay");
    drop(portal);
    let _portal = StandinDesktopPortal::start(&stage.bus, Choice::Cancel).unwrap();
    stage.cli.refused(&words, "", Reason::Cancelled).unwrap();
    assert_eq!(tokens(&stage), ["Forge alice"]);
}

#[test]
fn this_build_says_that_it_has_no_camera() {
    let stage = Stage::new().unwrap();
    stage
        .cli
        .refused(
            &["enroll", "--camera", "--yes"],
            "",
            Reason::EnrollmentUnsupported,
        )
        .unwrap();
}
