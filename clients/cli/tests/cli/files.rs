//! `import` and `export`: what is handed over, what is confirmed, what is written.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, symlink},
    path::Path,
};

use countersign_proto::agent::v1::Reason;

use crate::{stage::Stage, typist::start_plain};

/// A path in the test's own folder, and a file of `length` bytes there if it is to hold something.
fn file(folder: &Path, name: &str, length: usize) -> String {
    let path = folder.join(name);
    if length > 0 {
        fs::write(&path, vec![b'x'; length]).unwrap();
    }
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_look_stores_nothing() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "a.json", 9);
    let said = stage.run(&["import", &path, "--dry-run"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(
        said.out,
        "new\tBank\t\talice\t\n\
         known\t\t\talice\tit is the token Work\n\
         conflict\tMail 2\t\talice\tbeside the token Mail\n\
         refused\t\t\talice\tit has no secret\n"
    );
    let said = stage.run(&["import", &path, "--dry-run", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["formats"][0], "Aegis");
    assert_eq!(json["entries"][2]["standing"], "conflict");
    assert_eq!(json["entries"][0]["mode"], "time");
    assert!(json["stored"].is_null());
    assert_eq!(stage.calls(), ["preview 1 9", "preview 1 9"]);
}

#[test]
fn without_a_yes_nothing_is_stored() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "a.json", 9);
    let said = stage.run(&["import", &path]);
    assert_eq!(said.code, i32::from(Reason::NotConfirmed.exit_code()));
    assert!(said.err.contains("--dry-run"), "{}", said.err);
    assert_eq!(stage.calls(), ["preview 1 9"]);
}

#[test]
fn with_a_yes_what_is_new_is_stored_and_with_a_word_more_what_is_in_conflict() {
    for (more, places, count) in [(None, "[1]", "1\n"), (Some("--keep-both"), "[1, 3]", "2\n")] {
        let stage = Stage::new();
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "a.json", 9);
        let mut words = vec!["import", path.as_str(), "--yes"];
        words.extend(more);
        let said = stage.run(&words);
        assert_eq!((said.code, said.out.as_str()), (0, count), "{}", said.err);
        assert_eq!(stage.calls()[1], format!("store 00ff {places}"));
    }
}

#[test]
fn several_files_go_over_in_pieces_with_their_passphrase() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (
        file(folder.path(), "1", 300_000),
        file(folder.path(), "2", 7),
    );
    let said = stage.run_with(
        &["import", &one, &two, "--yes", "--passphrase-stdin"],
        "open sesame\n",
    );
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(stage.calls()[0], "preview 2 300007 open sesame");
    // Standard input can be a file as well.
    let said = stage.run_with(&["import", "-", "--yes"], "otpauth://totp/a?secret=AA");
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(stage.calls()[2], "preview 1 26");
}

#[test]
fn what_cannot_be_a_file_to_import_is_said_before_the_agent_is_asked() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let absent = file(folder.path(), "absent", 0);
    let long = file(folder.path(), "long", 8 * 1024 * 1024 + 1);
    for (words, reason) in [
        (vec!["import", &absent, "--yes"], Reason::Usage),
        (vec!["import", &long, "--yes"], Reason::ImportInvalid),
        (vec!["import", "-", "-", "--yes"], Reason::Usage),
        (
            vec!["import", "-", "--yes", "--passphrase-stdin"],
            Reason::Usage,
        ),
    ] {
        let said = stage.run(&words);
        assert_eq!(
            said.code,
            i32::from(reason.exit_code()),
            "{words:?}: {}",
            said.err
        );
    }
    assert!(stage.calls().is_empty());
}

#[test]
fn on_a_terminal_the_passphrase_is_asked_for_and_the_table_is_shown() {
    let stage = Stage::new();
    stage.refuses(
        Reason::FilePassphraseRequired,
        "The export of Aegis is encrypted.",
        None,
    );
    stage.refuses(
        Reason::FilePassphraseWrong,
        "The passphrase does not open it.",
        None,
    );
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "a.json", 9);
    let mut typist = start_plain(&stage, &["import", &path]);
    typist.sees("The export of Aegis is encrypted.");
    for secret in ["first", "second"] {
        typist.sees("Passphrase of the file: ");
        assert!(!typist.echo());
        typist.types(&format!("{secret}\n"));
    }
    let shown = typist.sees("Import 1 token? [y/N] ");
    for words in [
        "new",
        "Bank",
        "known",
        "it is the token Work",
        "in conflict",
        "refused",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    typist.types("y\n");
    let (code, screen) = typist.ends();
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("1 token imported."), "{screen}");
    assert_eq!(
        stage.calls(),
        [
            "preview 1 9",
            "preview 1 9 first",
            "preview 1 9 second",
            "store 00ff [1]"
        ]
    );
}

#[test]
fn an_export_is_for_the_user_alone_and_overwrites_nothing() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "out.json", 0);
    let words = ["export", &path, "Bank", "--passphrase-stdin"];
    let said = stage.run_with(&words, "open sesame\n");
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    assert_eq!(fs::read(&path).unwrap(), b"the file");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let asked = stage.calls();
    assert_eq!(
        asked.last().unwrap(),
        "export EXPORT_FORMAT_ENCRYPTED [\"Bank\"] open sesame"
    );

    // Neither this one nor what a link leads to.
    let link = file(folder.path(), "link", 0);
    symlink(folder.path().join("nowhere"), &link).unwrap();
    for there in [&path, &link] {
        let said = stage.run_with(&["export", there, "--passphrase-stdin"], "open sesame\n");
        assert_eq!(said.code, 2, "{}", said.err);
    }
    assert_eq!(fs::read(&path).unwrap(), b"the file");
    assert!(!folder.path().join("nowhere").exists());
    assert_eq!(stage.calls(), asked);
}

#[test]
fn plain_text_needs_a_yes_of_its_own() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "links.txt", 0);
    let words = ["export", &path, "--format", "uri-list"];
    let said = stage.run(&words);
    assert_eq!(said.code, i32::from(Reason::NotConfirmed.exit_code()));
    assert!(said.err.contains("plain text"), "{}", said.err);
    assert!(stage.calls().is_empty());

    let mut typist = start_plain(&stage, &words);
    typist.sees("whoever reads it can make your passcodes");
    typist.sees("Write it in plain text? [y/N] ");
    typist.types("n\n");
    let (code, _) = typist.ends();
    assert_eq!(code, i32::from(Reason::Cancelled.exit_code()));
    assert!(!Path::new(&path).exists());

    let said = stage.run(&["export", &path, "--format", "uri-list", "--yes", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["tokens"], 2);
    assert_eq!(
        json["left_out"][0],
        "The policy of Work does not let it leave."
    );
    assert_eq!(
        stage.calls().last().unwrap(),
        "export EXPORT_FORMAT_URI_LIST []"
    );
}

#[test]
fn a_refused_export_leaves_no_file() {
    let stage = Stage::new();
    stage.agent.script().pin = Some("2468");
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "out.json", 0);
    let words = ["export", &path, "--passphrase-stdin", "--pin-stdin"];
    let said = stage.run_with(&words, "open sesame\n1357\n");
    assert_eq!(
        said.code,
        i32::from(Reason::PinWrong.exit_code()),
        "{}",
        said.err
    );
    assert!(!Path::new(&path).exists());
    let said = stage.run_with(&words, "open sesame\n2468\n");
    assert_eq!(said.code, 0, "{}", said.err);
}
