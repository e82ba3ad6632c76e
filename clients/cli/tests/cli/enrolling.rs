//! A new token's PIN: in the agent's dialog, on the terminal, on standard input.

use countersign_proto::agent::v1::Reason;

use crate::{
    stage::Stage,
    typist::{Typist, on_terminal, start_plain},
};

const HOST: &str = "gateway.example:8443";

#[test]
fn on_standard_input_the_pin_is_the_last_line() {
    for (arguments, input, text, pin) in [
        (
            ["enroll", "--yes", "--pin-stdin", "-"].as_slice(),
            "the string\n246810\n",
            "the string",
            "246810",
        ),
        (
            &["enroll", "--yes", "--pin-stdin"],
            "line one\nline two\n\n 24 68 ",
            "line one\nline two",
            " 24 68 ",
        ),
    ] {
        let stage = Stage::new();
        let said = stage.run_with(arguments, input);
        assert_eq!(
            (said.code, said.out.as_str()),
            (0, "Example\n"),
            "{}",
            said.err
        );
        assert_eq!(
            stage.calls(),
            [
                format!("inspect {text}"),
                format!("enroll {text} Example {HOST} {pin}")
            ]
        );
    }
}

#[test]
fn with_the_string_as_an_argument_standard_input_is_the_pin() {
    let stage = Stage::new();
    let said = stage.run_with(
        &["enroll", "--yes", "--pin-stdin", "Zm9v"],
        "246810\nmore\n",
    );
    assert_eq!((said.code, said.out.as_str()), (0, "Example\n"));
    assert_eq!(
        stage.calls()[1],
        format!("enroll Zm9v Example {HOST} 246810")
    );
}

#[test]
fn a_missing_or_endless_part_is_refused_before_the_agent_is_asked() {
    let endless = format!("{}\n246810\n", "x".repeat(5_000));
    for input in [
        "",
        "the string",
        "the string\n",
        "\n246810\n",
        endless.as_str(),
    ] {
        let stage = Stage::new();
        let said = stage.run_with(&["enroll", "--yes", "--pin-stdin", "-"], input);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{input:.20}");
        assert_eq!(stage.calls(), Vec::<String>::new());
    }
}

#[test]
fn without_a_terminal_a_pin_that_is_missing_is_a_refusal() {
    let stage = Stage::new();
    stage.refuses(Reason::PinRequired, "The token needs a PIN.", None);
    let said = stage.run_with(&["enroll", "--yes", "-"], "the string");
    assert_eq!((said.code, said.out.as_str()), (47, ""));
}

#[test]
fn on_a_terminal_the_pin_is_chosen_by_the_rules_that_are_said() {
    let stage = Stage::new();
    stage.refuses(
        Reason::PinRequired,
        "The token needs a PIN of 6 to 64 letters and digits.",
        None,
    );
    stage.refuses(Reason::PinMalformed, "Too many of the same digit.", None);
    let mut typist = start_plain(&stage, &["enroll", "--yes"]);
    typist.sees("(not shown): ");
    typist.types("the string\n");
    typist.sees("The token needs a PIN of 6 to 64 letters and digits.");
    for (pin, then) in [
        ("111111", "Too many of the same digit."),
        ("246810", "Enrollment Complete"),
    ] {
        typist.sees("New PIN: ");
        assert!(!typist.echo());
        typist.types(&format!("{pin}\n"));
        typist.sees("The same PIN again: ");
        typist.types(&format!("{pin}\n"));
        typist.sees(then);
    }
    assert_eq!(typist.ends().0, 0);
    assert_eq!(
        stage.calls()[1..],
        [
            format!("enroll the string Example {HOST}"),
            format!("enroll the string Example {HOST} 111111"),
            format!("enroll the string Example {HOST} 246810"),
        ]
    );
}

#[test]
fn a_terminal_is_not_read_as_standard_input() {
    let stage = Stage::new();
    let (code, screen) =
        Typist::start(on_terminal(&stage, &["enroll", "--yes", "--pin-stdin"])).ends();
    assert_eq!(code, 2);
    assert!(screen.contains("Leave --pin-stdin out"), "{screen}");
}
