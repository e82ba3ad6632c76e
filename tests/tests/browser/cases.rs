//! What needs no agent: the field finder against a table of pages in both browsers, and the popup's decisions.

use countersign_proto::native_messaging;
use countersign_tests::{
    Workspace,
    agent::Session,
    chromium::{self, Chromium, Furnishing},
    firefox::{self, Firefox},
    parts,
    web_pages::WebPages,
};
use serde_json::{Value, json};

use crate::{extension, source};

const TABLE: &str = include_str!("fields.txt");
const RUN: &str = include_str!("fields.js");
const LOGIC: &str = include_str!("logic.js");

struct Case<'a> {
    name: &'a str,
    found: &'a str,
    filled: &'a str,
    html: &'a str,
}

fn table() -> Vec<Case<'static>> {
    let cases = TABLE.split("\n== ").skip(1);
    cases
        .map(|case| {
            let (head, html) = case.split_once('\n').unwrap();
            let mut parts = head.split('|').map(str::trim);
            let [name, found, filled] = [(); 3].map(|()| parts.next().unwrap());
            Case {
                name,
                found,
                filled,
                html: html.trim(),
            }
        })
        .collect()
}

/// The script that runs the whole table with the finder's own text, as `executeScript` sends it.
fn script() -> String {
    let cases: Vec<_> = table()
        .iter()
        .map(|case| json!({"name": case.name, "html": case.html}))
        .collect();
    let finder = source("field.js");
    let (comment, finder) = finder.split_once("export ").unwrap();
    assert!(
        comment.trim_start().starts_with("/**"),
        "only a comment before it"
    );
    format!(
        "const passcodeField = {finder}; const cases = {};\n{RUN}",
        Value::from(cases)
    )
}

fn judge(browser: &str, said: &Value) {
    let mut wrong = Vec::new();
    let table = table();
    let answers = said["said"].as_array().unwrap();
    assert_eq!(answers.len(), table.len());
    for (case, answer) in table.iter().zip(answers) {
        assert_eq!(answer["name"], case.name);
        let [found, filled] = ["found", "filled"].map(|key| answer[key].as_str().unwrap_or("?"));
        if found != case.found || filled != case.filled {
            wrong.push(format!(
                "{}: {found} [{filled}] instead of {} [{}]",
                case.name, case.found, case.filled
            ));
        } else if answer["right"] != true || answer["changedByLooking"] != false {
            wrong.push(format!("{}: {answer}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{browser}:\n{}", wrong.join("\n"));
    assert_eq!(said["sent"], 0, "{browser}: a form was sent");
}

#[test]
fn chromium_finds_the_field_of_each_page_and_decides_as_it_should() {
    if !parts::are_there("browser::cases_chromium", &[chromium::PROGRAM]) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let session = Session::new(&workspace, None);
    let furnishing = Furnishing::default()
        .with_extensions(&[&extension()])
        .with("--headless=new");
    let mut browser = Chromium::start(&workspace, &session, &furnishing).unwrap();
    let pages = WebPages::one("<!DOCTYPE html><title>Fields</title><body></body>").unwrap();
    let page = browser.open(&pages.origin()).unwrap();
    let script = format!("(() => {{ {} }})()", returning(&script()));
    judge("Chromium", &browser.evaluate(&page, &script).unwrap());

    let popup = format!("{}popup/popup.html", native_messaging::chromium_origin());
    let page = browser.open(&popup).unwrap();
    let wrong = browser.evaluate(&page, LOGIC).unwrap();
    assert_eq!(wrong, json!([]));
}

#[test]
fn firefox_finds_the_field_of_each_page() {
    if !parts::are_there("browser::cases_firefox", &[firefox::PROGRAM]) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let session = Session::new(&workspace, None).with("MOZ_HEADLESS", "1");
    let mut browser = Firefox::start(&workspace, &session).unwrap();
    let pages = WebPages::one("<!DOCTYPE html><title>Fields</title><body></body>").unwrap();
    browser.navigate(&pages.origin()).unwrap();
    judge("Firefox", &browser.evaluate(&returning(&script())).unwrap());
}

/// The script with its last expression as what it returns.
fn returning(script: &str) -> String {
    script.replacen("\n(async", "\nreturn (async", 1)
}
