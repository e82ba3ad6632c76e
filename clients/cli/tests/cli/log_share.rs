//! `log --share`: what is in the file, who can read it, what is never overwritten.

use std::{fs, io::Read as _, os::unix::fs::PermissionsExt as _};

use zip::ZipArchive;

use crate::{
    stage::Stage,
    typist::{Typist, on_terminal},
};

#[test]
fn the_file_holds_what_was_promised_and_is_for_its_owner_alone() {
    let stage = Stage::new();
    let file = stage.place.runtime_folder().join("log.zip");
    let name = file.to_str().unwrap();
    let said = stage.run(&["log", "--share", name, "--yes"]);
    assert_eq!((said.code, said.out.trim_end()), (0, name), "{}", said.err);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut archive = ZipArchive::new(fs::File::open(&file).unwrap()).unwrap();
    let names: Vec<String> = archive
        .file_names()
        .map(|name| name.unwrap().into_owned())
        .collect();
    for part in [
        "README.txt",
        "status.json",
        "tokens.json",
        "requests.json",
        "events.json",
        "events.txt",
    ] {
        assert!(names.iter().any(|name| name == part), "{names:?}");
        let mut content = String::new();
        archive
            .by_name(part)
            .unwrap()
            .read_to_string(&mut content)
            .unwrap();
        if part.split('.').nth(1) == Some("json") {
            let value: serde_json::Value = serde_json::from_str(&content).unwrap();
            assert!(value.is_object(), "{part}: {content}");
        }
    }
    assert_eq!(names.len(), 6);

    // A second one goes nowhere.
    let before = fs::read(&file).unwrap();
    let said = stage.run(&["log", "--share", name, "--yes"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn without_a_look_or_a_yes_nothing_is_written() {
    let stage = Stage::new();
    let file = stage.place.runtime_folder().join("log.zip");
    let name = file.to_str().unwrap();
    let said = stage.run(&["log", "--share", name]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(!file.exists());

    let mut typist = Typist::start(on_terminal(&stage, &["log", "--share", name]));
    typist.sees("tokens.json");
    typist.sees("no keys, PINs or passcodes");
    typist.sees("Write it to");
    typist.types("n\n");
    assert_eq!(typist.ends().0, 88);
    assert!(!file.exists());
}
