use countersign_proto::agent::v1::{self as api, LoginOrigin, LoginRequestState, OtpMode};
use proptest::prelude::*;
use ratatui::{Terminal, backend::TestBackend};

use super::*;
use crate::{
    output::Style,
    tui::{
        event::{Event, News},
        keys::Key,
        samples::{api_request, api_status, api_token, at, passcode, state},
        update::update,
    },
};

const PLAIN: Theme = Theme::new(&Style::new(false, 80));

/// The screen as lines of text, white space at their ends left out.
fn screen(state: &State, columns: u16, rows: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal
        .draw(|frame| paint(state, PLAIN, at(15_000), frame))
        .unwrap();
    let buffer = terminal.backend().buffer().clone();
    (0..rows)
        .map(|y| {
            let mut line = String::new();
            // A wide letter stands in one cell and hides the next.
            let mut hidden = 0_usize;
            for x in 0..columns {
                if hidden > 0 {
                    hidden = hidden.saturating_sub(1);
                    continue;
                }
                let symbol = buffer[(x, y)].symbol();
                hidden = ratatui::text::Span::raw(symbol).width().saturating_sub(1);
                line.push_str(symbol);
            }
            line.trim_end().to_owned()
        })
        .collect()
}

fn take(state: &mut State, news: News) {
    update(state, Event::News(news), at(0));
}

fn press(state: &mut State, key: Key) {
    update(state, Event::Key(key), at(15_000));
}

fn with_requests() -> State {
    let mut state = state();
    let wide = api::LoginRequest {
        place: String::new(),
        ..api_request("02", "重要なサービス")
    };
    take(
        &mut state,
        News::Snapshot(vec![api_request("01", "Example Portal"), wide]),
    );
    state
}

#[test]
fn login_requests_on_a_usual_terminal() {
    assert_eq!(
        screen(&with_requests(), 80, 24),
        [
            " Countersign   Requests 2  Tokens  History  Log",
            "────────────────────────────────────────────────────────────────────────────────",
            "▌ Example Portal                                               ━━━━━━━━╌╌  45 s",
            "▌ alice · 203.0.113.7 (Berlin)",
            "▌ Firefox · 15 s ago · Work",
            "",
            "  重要なサービス                                               ━━━━━━━━╌╌  45 s",
            "  alice · 203.0.113.7",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "────────────────────────────────────────────────────────────────────────────────",
            "",
            " a approve  d deny  r It wasn't me!  Enter details              ? help  q quit",
            " vault unlocked · Example connected · autosend on",
        ]
    );
}

#[test]
fn login_requests_in_a_small_pane() {
    assert_eq!(
        screen(&with_requests(), 40, 10),
        [
            " Requests 2  Tokens  History  Log",
            "▌ Example Portal       ━━━━━━━━╌╌  45 s",
            "▌ alice · 203.0.113.7 (Berlin)",
            "▌ Firefox · 15 s ago · Work",
            "  重要なサービス       ━━━━━━━━╌╌  45 s",
            "  alice · 203.0.113.7",
            "",
            "",
            " a approve  d deny      ? help  q quit",
            " vault unlocked · Example connected · a…",
        ]
    );
}

#[test]
fn details_of_the_selected_one() {
    let mut state = with_requests();
    press(&mut state, Key::Enter);
    let shown = screen(&state, 80, 24);
    assert_eq!(
        shown[2..10],
        [
            "▌ Example Portal                                               ━━━━━━━━╌╌  45 s",
            "▌ User     alice",
            "▌ From     203.0.113.7 (Berlin)",
            "▌ With     Firefox",
            "▌ Asked    02:38:27 (15 s ago)",
            "▌ Service  Example",
            "▌ Token    Work",
            "",
        ]
    );
}

#[test]
fn a_number_is_asked_for_in_front_of_the_page() {
    let mut state = state();
    let asks = api::LoginRequest {
        number_required: true,
        ..api_request("01", "Example Portal")
    };
    take(&mut state, News::Snapshot(vec![asks]));
    assert!(screen(&state, 80, 24)[4].contains("asks for a number"));
    press(&mut state, Key::Char('a'));
    press(&mut state, Key::Char('4'));
    press(&mut state, Key::Char('2'));
    let shown = screen(&state, 80, 24);
    assert_eq!(
        shown[5..14],
        [
            "          ┌ Number ──────────────────────────────────────────────────┐",
            "          │ Type the number that Example Portal shows.               │",
            "          │                                                          │",
            "          │ › 42                                                     │",
            "          │                                                          │",
            "          │ If you see no number, it is not your login: Esc, then d. │",
            "          │ Enter send   Esc back                                    │",
            "          └──────────────────────────────────────────────────────────┘",
            "",
        ]
    );
    // In a pane that is too low for all of it the last lines are there.
    let shown = screen(&state, 40, 6).join("\n");
    assert!(shown.contains("Enter send"), "{shown}");
}

#[test]
fn where_a_login_comes_from_beside_this_computer() {
    let mut state = state();
    for (origin, line) in [
        (LoginOrigin::ThisComputer, "▌ alice · from this computer"),
        (
            LoginOrigin::SameNetwork,
            "▌ alice · from your network · 203.0.113.7 (Berlin)",
        ),
        (
            LoginOrigin::OtherAddress,
            "▌ alice · from another address · 203.0.113.7 (Berlin)",
        ),
        (LoginOrigin::Unknown, "▌ alice · 203.0.113.7 (Berlin)"),
    ] {
        let request = api::LoginRequest {
            origin: origin.into(),
            ..api_request("01", "Example Portal")
        };
        take(&mut state, News::Snapshot(vec![request]));
        assert_eq!(screen(&state, 80, 24)[3], line);
    }
}

#[test]
fn choices_and_a_code_for_the_login_page() {
    let mut state = state();
    let asks = api::LoginRequest {
        number_required: true,
        question: "Confirm the login".to_owned(),
        choices: ["A", "B", "C"].map(str::to_owned).to_vec(),
        ..api_request("01", "Example Portal")
    };
    take(&mut state, News::Snapshot(vec![asks]));
    assert_eq!(
        screen(&state, 80, 24)[4],
        "▌ Confirm the login · asks what the login shows · Firefox · 15 s ago · Work"
    );
    press(&mut state, Key::Char('a'));
    press(&mut state, Key::Char('b'));
    let shown = screen(&state, 80, 24).join("\n");
    assert!(shown.contains("Which of these does Example Portal show?"));
    assert!(shown.contains("  A  [ B ]  C  "), "{shown}");
    state.dialog = Some(crate::tui::state::dialog::Dialog::Code(
        crate::tui::shown::Shown::name("472"),
        crate::tui::shown::Shown::name("Example Portal"),
    ));
    let shown = screen(&state, 80, 24).join("\n");
    assert!(shown.contains("Type this on the page of Example Portal:"));
    assert!(shown.contains("█ █  ███  ███"), "{shown}");
}

#[test]
fn tokens_and_the_passcode_that_was_asked_for() {
    let mut state = state();
    press(&mut state, Key::Char('2'));
    assert!(!screen(&state, 80, 24).join("").contains("755"));
    state.passcode = Some(passcode("755224"));
    let shown = screen(&state, 80, 24);
    assert_eq!(
        shown[2..10],
        [
            "▌ Work  Example · alice                                       push · time-based",
            "▌ 755 224   ━╌╌╌╌╌╌╌╌╌   3 s",
            "",
            "  Door  Example · alice                                             event-based",
            "",
            "  Bank  Example · alice                                      challenge-response",
            "",
            "",
        ]
    );
}

#[test]
fn an_agent_that_is_away_says_what_helps() {
    let mut state = state();
    let away = countersign_client::ClientError::NotRunning {
        socket: "/run/user/1000/countersign/agent.sock".into(),
    };
    take(&mut state, News::Away((&away).into()));
    let shown = screen(&state, 80, 24).join("\n");
    for words in [
        "The Countersign agent is not running.",
        "systemctl --user start countersignd.socket",
        "agent away",
    ] {
        assert!(shown.contains(words), "{shown}");
    }
}

#[test]
fn nothing_says_why_there_is_nothing() {
    let mut state = state();
    let status = |change: fn(&mut api::StatusReply)| {
        let mut status = api_status();
        change(&mut status);
        News::Status(Box::new(status))
    };
    for (change, words) in [
        (
            status(|status| status.autosend = false),
            "Autosend is off: none come. o turns it on.",
        ),
        (
            status(|status| {
                status.services[0].connected = false;
                "no route".clone_into(&mut status.services[0].trouble);
            }),
            "Example is not connected. No route.",
        ),
        (status(|_| ()), "They appear here as they come."),
    ] {
        take(&mut state, change);
        let shown = screen(&state, 80, 24).join("\n");
        assert!(shown.contains(words), "{shown}");
    }
}

#[test]
fn a_clock_that_is_off_is_told() {
    let mut state = state();
    let mut status = api_status();
    status.services[0].clock_offset_ms = Some(42_000);
    take(&mut state, News::Status(Box::new(status.clone())));
    let shown = screen(&state, 80, 24);
    assert!(shown[23].contains("clock 42 s behind Example"), "{shown:?}");
    status.services[0].clock_offset_ms = Some(-9_000);
    take(&mut state, News::Status(Box::new(status)));
    assert!(!screen(&state, 80, 24)[23].contains("clock"));
}

#[test]
fn history_and_log() {
    let mut state = state();
    press(&mut state, Key::Char('3'));
    let over = api::LoginRequest {
        state: LoginRequestState::Denied.into(),
        reported: true,
        ..api_request("02", "VPN")
    };
    take(&mut state, News::History(vec![over]));
    assert_eq!(
        screen(&state, 80, 24)[2],
        "▌ 02:38:27  VPN · alice · 203.0.113.7 (Berlin)                 denied, reported"
    );
    press(&mut state, Key::Char('4'));
    let event = api::Event {
        id: "12".to_owned(),
        at_ms: 1_795_487_907_123,
        kind: api::EventKind::PasscodeGenerated.into(),
        token: "Work".to_owned(),
        detail: "alice at Example Portal.".to_owned(),
    };
    take(&mut state, News::Log(vec![event]));
    assert_eq!(
        screen(&state, 80, 24)[2..4],
        [
            "▌ 02:38:27  passcode generated  Work",
            "▌   alice at Example Portal.",
        ]
    );
}

#[test]
fn the_keys_fit_on_a_usual_terminal() {
    let mut state = state();
    press(&mut state, Key::Char('?'));
    let shown = screen(&state, 80, 24).join("\n");
    for words in [
        "approve, deny",
        "It wasn't me!",
        "OSC 52",
        "requests --watch",
    ] {
        assert!(shown.contains(words), "{shown}");
    }
}

/// Everything on one state: each text of it is hostile.
fn hostile(text: &str) -> State {
    let mut state = State::new();
    let text = text.to_owned();
    let request = |id: &str| api::LoginRequest {
        id: id.to_owned(),
        token: text.clone(),
        service: text.clone(),
        resource: text.clone(),
        user: text.clone(),
        client_address: text.clone(),
        place: text.clone(),
        program: text.clone(),
        detail: text.clone(),
        question: text.clone(),
        display_code: text.clone(),
        number_required: true,
        choices: if id == "01" {
            vec![text.clone(); 50]
        } else {
            Vec::new()
        },
        ..api_request(id, "")
    };
    let token = api::Token {
        serial: text.clone(),
        issuer: text.clone(),
        user: text.clone(),
        service: text.clone(),
        ..api_token("1", &text, OtpMode::Challenge)
    };
    let mut status = api_status();
    status.vault_message.clone_from(&text);
    status.services[0].name.clone_from(&text);
    status.services[0].trouble.clone_from(&text);
    status.services[0].connected = false;
    status.services[0].clock_offset_ms = Some(i64::MIN);
    let event = api::Event {
        id: "1".to_owned(),
        at_ms: i64::MAX,
        token: text.clone(),
        detail: text.clone(),
        ..api::Event::default()
    };
    for news in [
        News::Snapshot(vec![request("01"), request("02")]),
        News::Status(Box::new(status)),
        News::Tokens(vec![token]),
        News::History(vec![api::LoginRequest {
            state: LoginRequestState::Refused.into(),
            ..request("03")
        }]),
        News::Log(vec![event]),
    ] {
        take(&mut state, news);
    }
    state
}

/// Goes everywhere, and looks at each size.
fn everywhere(state: &mut State, sizes: &[(u16, u16)], look: impl Fn(Vec<String>)) {
    let keys = [
        Key::Enter,
        Key::Char('a'),
        Key::Char('7'),
        Key::Escape,
        Key::Char('r'),
        Key::Escape,
        Key::Char('2'),
        Key::Char('i'),
        Key::Enter,
        Key::Char('x'),
        Key::Escape,
        Key::Char('/'),
        Key::Char('x'),
        Key::Escape,
        Key::Char('3'),
        Key::Enter,
        Key::Char('4'),
        Key::Char('?'),
        Key::Escape,
        Key::Char('1'),
        Key::Char('d'),
        Key::Escape,
    ];
    for (key, millis) in keys.into_iter().zip((20_000..).step_by(1_000)) {
        let now = at(millis);
        update(state, Event::Key(key), now);
        for (columns, rows) in sizes {
            look(screen(state, *columns, *rows));
        }
    }
}

#[test]
fn no_size_is_too_small() {
    let mut state = hostile("重要なサービス and many words that do not fit anywhere");
    let sizes: Vec<(u16, u16)> = [1, 2, 3, 7, 20, 40, 80, 200]
        .into_iter()
        .flat_map(|columns| [1, 2, 3, 5, 10, 24, 60].map(|rows| (columns, rows)))
        .collect();
    everywhere(&mut state, &sizes, |_| ());
}

#[test]
fn a_thousand_requests_are_one_page() {
    let mut state = state();
    let many = (0..1_000)
        .map(|at| api_request(&format!("{at:04}"), &format!("Portal {at}")))
        .collect();
    take(&mut state, News::Snapshot(many));
    press(&mut state, Key::Char('G'));
    let shown = screen(&state, 80, 24).join("\n");
    assert!(shown.contains("Requests 1000"), "{shown}");
    assert!(shown.contains("▌ Portal 999"), "{shown}");
}

#[test]
fn hostile_texts_paint_nothing_but_themselves() {
    for text in [
        "\u{1b}[2J\u{1b}]0;owned\u{7}",
        "\u{9b}31m\u{90}q\u{9c}",
        "bank\u{202e}moc.\u{2066}x\u{2069}",
        "a\u{200b}\u{200d}\u{feff}b\nc\rd\te",
        "e\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}",
        "👩\u{200d}👩\u{200d}👧 ﷽ 🏳\u{fe0f}",
        &"x".repeat(100_000),
    ] {
        let mut state = hostile(text);
        everywhere(&mut state, &[(80, 24), (40, 10)], |lines| {
            for line in lines {
                let bad = line.chars().find(|letter| crate::text::is_unsafe(*letter));
                assert_eq!(bad, None, "{line:?}");
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_text_breaks_the_screen(text in any::<String>(), columns in 1_u16..90, rows in 1_u16..30) {
        let mut state = hostile(&text);
        everywhere(&mut state, &[(columns, rows)], |lines| {
            for line in lines {
                assert!(!line.chars().any(crate::text::is_unsafe), "{line:?}");
            }
        });
    }
}
