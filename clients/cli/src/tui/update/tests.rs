use countersign_proto::agent::v1::{self as api, LoginRequestState, OtpMode, Reason, Verdict};
use zeroize::Zeroizing;

use super::*;
use crate::tui::{
    event::{Answer, News, PasscodeOf, Refusal, Reply},
    samples::{api_request, api_status, api_token, at, passcode, state},
    shown::Shown,
    state::{Detail, Filter, Guard, dialog::Dialog},
};

/// What a state says to a key, as one line each.
fn press(state: &mut State, key: Key, millis: u64) -> Vec<String> {
    let effects = update(state, Event::Key(key), at(millis));
    effects.iter().map(|effect| format!("{effect:?}")).collect()
}

fn key(state: &mut State, letter: char, millis: u64) -> Vec<String> {
    press(state, Key::Char(letter), millis)
}

fn news(state: &mut State, news: News, millis: u64) {
    update(state, Event::News(news), at(millis));
}

/// Two requests that have been on the screen for long.
fn with_requests() -> State {
    let mut state = state();
    let requests = vec![
        api_request("02", "VPN"),
        api_request("01", "Example Portal"),
    ];
    news(&mut state, News::Snapshot(requests), 0);
    state
}

fn the_call(effects: Vec<Effect>) -> Call {
    let calls: Vec<Call> = effects
        .into_iter()
        .filter_map(|effect| {
            let Effect::Call(call, _) = effect else {
                return None;
            };
            Some(call)
        })
        .collect();
    let [call] = calls.as_slice() else {
        panic!("one call, not {calls:?}");
    };
    call.clone()
}

fn answer(id: &str, resource: &str, verdict: Verdict, number: &str) -> Call {
    Call::Answer(Answer {
        id: id.to_owned(),
        verdict,
        number: number.to_owned(),
        resource: Shown::name(resource),
        token: Shown::name("Work"),
    })
}

fn refusal(reason: Reason, message: &str) -> Refusal {
    Refusal {
        reason,
        message: Shown::sentence(message),
        hint: Shown::default(),
    }
}

fn pressed_at(state: &mut State, letter: char, millis: u64) -> Vec<Effect> {
    update(state, Event::Key(Key::Char(letter)), at(millis))
}

fn says(state: &State) -> &str {
    state.notice.as_ref().map_or("", |notice| &notice.words)
}

fn ended(state: LoginRequestState) -> Reply {
    Reply::Answered(Box::new(api::LoginRequest {
        state: state.into(),
        left_ms: 0,
        ..api_request("02", "VPN")
    }))
}

#[test]
fn the_selected_request_is_answered() {
    let mut state = with_requests();
    assert_eq!(
        the_call(pressed_at(&mut state, 'a', 1_000)),
        answer("02", "VPN", Verdict::Approve, "")
    );
    let mut state = with_requests();
    key(&mut state, 'j', 900);
    assert_eq!(
        the_call(pressed_at(&mut state, 'd', 1_000)),
        answer("01", "Example Portal", Verdict::Deny, "")
    );
}

#[test]
fn a_request_that_comes_does_not_take_the_answer_meant_for_another() {
    let mut state = with_requests();
    let new = News::Changed(Box::new(api_request("03", "Attacker")));
    news(&mut state, new, 5_000);
    assert_eq!(
        the_call(pressed_at(&mut state, 'a', 5_001)),
        answer("02", "VPN", Verdict::Approve, ""),
        "the selection stays"
    );
}

#[test]
fn what_has_only_just_come_under_the_selection_is_not_answered() {
    for verdict in ['a', 'd', 'r'] {
        let mut state = state();
        let new = News::Changed(Box::new(api_request("03", "Attacker")));
        news(&mut state, new, 5_000);
        assert!(key(&mut state, verdict, 5_400).is_empty(), "{verdict}");
        assert!(state.dialog.is_none());
        assert!(says(&state).contains("Look first: this is Attacker."));
        assert!(key(&mut state, verdict, 5_600).is_empty(), "held down");
    }
    // The selected one goes, and another stands in its place.
    let mut state = with_requests();
    let gone = api::LoginRequest {
        state: LoginRequestState::Expired.into(),
        ..api_request("02", "VPN")
    };
    news(&mut state, News::Changed(Box::new(gone)), 5_000);
    assert!(key(&mut state, 'a', 5_100).is_empty());
    assert_eq!(
        the_call(pressed_at(&mut state, 'a', 6_000)),
        answer("01", "Example Portal", Verdict::Approve, "")
    );
}

#[test]
fn a_key_that_is_held_down_answers_once() {
    let mut state = with_requests();
    assert_eq!(key(&mut state, 'd', 1_000).len(), 1);
    for held in (1_030..6_000).step_by(30) {
        assert!(key(&mut state, 'd', held).is_empty());
    }
}

#[test]
fn what_is_pasted_is_no_key() {
    let mut state = with_requests();
    let effects = update(&mut state, Event::Pasted("a".to_owned()), at(1_000));
    assert!(effects.is_empty());
    assert!(state.waiting.is_none());
}

#[test]
fn one_that_is_being_sent_is_not_answered_again() {
    let mut state = with_requests();
    let sending = api::LoginRequest {
        state: LoginRequestState::Sending.into(),
        ..api_request("02", "VPN")
    };
    news(&mut state, News::Changed(Box::new(sending)), 100);
    assert!(key(&mut state, 'a', 1_000).is_empty());
    assert!(key(&mut state, 'd', 2_000).is_empty());
}

#[test]
fn a_number_is_typed_before_an_approval_and_never_before_a_denial() {
    let mut state = state();
    let asks = api::LoginRequest {
        number_required: true,
        ..api_request("02", "VPN")
    };
    news(&mut state, News::Snapshot(vec![asks]), 0);
    assert!(key(&mut state, 'a', 1_000).is_empty());
    assert!(press(&mut state, Key::Enter, 1_001).is_empty(), "none yet");
    for letter in ['4', 'x', ' ', '2', '2'] {
        assert!(key(&mut state, letter, 1_002).is_empty());
    }
    press(&mut state, Key::Backspace, 1_003);
    let effects = update(&mut state, Event::Key(Key::Enter), at(1_004));
    assert_eq!(
        the_call(effects),
        answer("02", "VPN", Verdict::Approve, "42")
    );
    assert_eq!(
        the_call(pressed_at(&mut state, 'd', 2_000)),
        answer("02", "VPN", Verdict::Deny, "")
    );
}

#[test]
fn one_of_the_choices_is_sent_once_one_was_chosen() {
    let mut state = state();
    let asks = api::LoginRequest {
        number_required: true,
        choices: ["A", "B", "K", "K2"].map(str::to_owned).to_vec(),
        ..api_request("02", "VPN")
    };
    news(&mut state, News::Snapshot(vec![asks]), 0);
    key(&mut state, 'a', 1_000);
    assert!(press(&mut state, Key::Enter, 1_100).is_empty(), "none yet");
    for (keys, sent) in [
        (vec![Key::Right], "A"),
        (vec![Key::Left], "K2"),
        (vec![Key::Char('b')], "B"),
        (vec![Key::Char('b'), Key::Char('j')], "K"),
        (vec![Key::Down, Key::Up, Key::Up], "A"),
        (vec![Key::Char('k')], "K2"),
    ] {
        for key in keys {
            assert!(press(&mut state, key, 1_200).is_empty());
        }
        let effects = update(&mut state, Event::Key(Key::Enter), at(1_300));
        assert_eq!(
            the_call(effects),
            answer("02", "VPN", Verdict::Approve, sent)
        );
        state.waiting = None;
        state.guard = Guard::default();
        key(&mut state, 'a', 1_400);
    }
}

#[test]
fn a_code_for_the_login_page_stays_until_it_is_closed() {
    let mut state = with_requests();
    let call = the_call(pressed_at(&mut state, 'a', 1_000));
    let reply = api::LoginRequest {
        state: LoginRequestState::Approved.into(),
        display_code: "472913".to_owned(),
        ..api_request("02", "VPN")
    };
    let done = Event::Done(call, Ok(Reply::Answered(Box::new(reply))));
    update(&mut state, done, at(1_500));
    assert!(key(&mut state, 'a', 9_000).is_empty());
    let Some(Dialog::Code(code, _)) = &state.dialog else {
        panic!("{:?}", state.dialog);
    };
    assert_eq!(code.as_str(), "472913");
    press(&mut state, Key::Enter, 9_100);
    assert!(state.dialog.is_none());
}

#[test]
fn the_number_of_a_request_that_has_gone_is_no_longer_asked_for() {
    let mut state = state();
    let asks = api::LoginRequest {
        number_required: true,
        ..api_request("02", "VPN")
    };
    news(&mut state, News::Snapshot(vec![asks.clone()]), 0);
    key(&mut state, 'a', 1_000);
    assert!(state.dialog.is_some());
    let gone = api::LoginRequest {
        state: LoginRequestState::Cancelled.into(),
        detail: "answered on another device".to_owned(),
        ..asks
    };
    news(&mut state, News::Changed(Box::new(gone)), 2_000);
    assert!(state.dialog.is_none());
    assert_eq!(
        says(&state),
        "VPN was taken back. Answered on another device."
    );
}

#[test]
fn after_a_denial_one_key_reports_it() {
    let mut state = with_requests();
    let call = the_call(pressed_at(&mut state, 'd', 1_000));
    let denied = Event::Done(call, Ok(ended(LoginRequestState::Denied)));
    update(&mut state, denied, at(1_500));
    assert_eq!(says(&state), "Denied. VPN lets nobody in.");
    let watched = api::LoginRequest {
        state: LoginRequestState::Denied.into(),
        ..api_request("02", "VPN")
    };
    news(&mut state, News::Changed(Box::new(watched)), 1_600);
    assert_eq!(
        says(&state),
        "Denied. VPN lets nobody in.",
        "not elsewhere: here"
    );
    let Call::Answer(report) = the_call(pressed_at(&mut state, 'r', 3_000)) else {
        panic!("an answer");
    };
    assert_eq!(
        (report.id.as_str(), report.verdict),
        ("02", Verdict::Report)
    );
    assert!(state.afterthought.is_none());
}

#[test]
fn a_report_without_a_denial_is_asked_for_first() {
    let mut state = with_requests();
    assert!(key(&mut state, 'r', 1_000).is_empty());
    assert!(matches!(state.dialog, Some(Dialog::Report(_))));
    assert!(key(&mut state, 'n', 1_100).is_empty());
    assert!(state.dialog.is_none());
    key(&mut state, 'r', 2_000);
    assert_eq!(
        the_call(pressed_at(&mut state, 'y', 2_100)),
        answer("02", "VPN", Verdict::Report, "")
    );
}

#[test]
fn the_history_can_be_reported_later_and_once() {
    let mut state = state();
    let over = |reported| api::LoginRequest {
        state: LoginRequestState::Denied.into(),
        reported,
        ..api_request("02", "VPN")
    };
    key(&mut state, '3', 10);
    news(&mut state, News::History(vec![over(false)]), 20);
    key(&mut state, 'r', 1_000);
    assert_eq!(
        the_call(update(&mut state, Event::Key(Key::Enter), at(1_100))),
        answer("02", "VPN", Verdict::Report, "")
    );
    news(&mut state, News::History(vec![over(true)]), 1_200);
    key(&mut state, 'r', 1_300);
    assert!(state.dialog.is_none());
}

#[test]
fn one_call_at_a_time_waits_for_a_person_and_a_denial_does_not_wait() {
    let mut state = with_requests();
    let approval = the_call(pressed_at(&mut state, 'a', 1_000));
    key(&mut state, 'j', 1_100);
    assert!(key(&mut state, 'a', 2_000).is_empty());
    assert!(says(&state).contains("One after the other"));
    assert_eq!(
        the_call(pressed_at(&mut state, 'd', 3_000)),
        answer("01", "Example Portal", Verdict::Deny, "")
    );
    assert_eq!(state.waiting.as_ref().map(|one| &one.call), Some(&approval));
    let effects = press(&mut state, Key::Escape, 4_000);
    assert!(effects.contains(&"Cancel".to_owned()), "{effects:?}");
    assert!(state.waiting.is_none());
    // What still comes of it is not taken for something else.
    let late = Event::Done(approval, Err(refusal(Reason::PinRequired, "A PIN.")));
    update(&mut state, late, at(5_000));
    assert!(state.dialog.is_none());
}

#[test]
fn where_nobody_else_can_ask_the_pin_is_asked_for_here_until_it_is_right() {
    let mut state = with_requests();
    let call = the_call(pressed_at(&mut state, 'a', 1_000));
    let end = Err(refusal(Reason::PinRequired, "the token needs its PIN"));
    let effects = update(&mut state, Event::Done(call, end), at(1_100));
    assert!(matches!(effects.as_slice(), [Effect::Ask]));
    let Some(Dialog::Secret(secret)) = &state.dialog else {
        panic!("{:?}", state.dialog);
    };
    assert_eq!(secret.question, "PIN of Work");
    assert_eq!(secret.message.as_str(), "The token needs its PIN.");

    let typed = Some(Zeroizing::new(b"1".to_vec()));
    let effects = update(&mut state, Event::Typed(typed), at(1_200));
    let [Effect::Call(call, Some(secret))] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!(secret.as_slice(), b"1");
    let wrong = Err(refusal(Reason::PinWrong, "the PIN is wrong (2 tries left)"));
    let effects = update(&mut state, Event::Done(call.clone(), wrong), at(1_300));
    assert!(matches!(effects.as_slice(), [Effect::Ask]));
    let effects = update(&mut state, Event::Typed(None), at(1_400));
    assert!(effects.is_empty());
    assert_eq!(says(&state), "Nothing was sent.");
}

#[test]
fn a_wrong_pin_of_a_dialog_is_not_asked_for_here() {
    for reason in [Reason::PinWrong, Reason::Cancelled, Reason::PinExhausted] {
        let mut state = with_requests();
        let call = the_call(pressed_at(&mut state, 'a', 1_000));
        let end = Err(refusal(reason, "no"));
        update(&mut state, Event::Done(call, end), at(1_100));
        assert!(state.dialog.is_none(), "{reason:?}");
        assert_eq!(says(&state), "No.");
    }
}

#[test]
fn a_passcode_is_shown_when_it_is_asked_for_and_goes_by_itself() {
    let mut state = state();
    key(&mut state, '2', 0);
    let call = the_call(pressed_at(&mut state, 'c', 100));
    assert_eq!(
        call,
        Call::Passcode(PasscodeOf {
            id: "1".to_owned(),
            name: Shown::name("Work"),
            challenge: String::new(),
        })
    );
    let reply = api::GeneratePasscodeReply {
        passcode: "755224".to_owned(),
        name: "Work".to_owned(),
        mode: OtpMode::Time.into(),
        valid_for_ms: Some(10_000),
        period: 30,
        clock_offset_ms: None,
    };
    update(
        &mut state,
        Event::Done(call, Ok(Reply::Passcode(reply))),
        at(1_000),
    );
    assert_eq!(state.due(at(1_000)).unwrap().as_millis(), 2_000, "counts");
    assert!(key(&mut state, 'y', 1_500)[0].starts_with("Copy"));
    update(&mut state, Event::Tick, at(10_999));
    assert!(state.passcode.is_some());
    update(&mut state, Event::Tick, at(11_000));
    assert!(state.passcode.is_none());
    assert!(key(&mut state, 'y', 11_500).is_empty(), "nothing to copy");
}

#[test]
fn a_passcode_goes_with_its_page_its_vault_and_its_agent() {
    let shown = || {
        let mut state = state();
        key(&mut state, '2', 0);
        state.passcode = Some(passcode("755224"));
        state
    };
    let mut state = shown();
    key(&mut state, '1', 100);
    assert!(state.passcode.is_none());
    let mut state = shown();
    let locked = api::StatusReply {
        vault: api::VaultState::Locked.into(),
        ..api_status()
    };
    news(&mut state, News::Status(Box::new(locked)), 100);
    assert!(state.passcode.is_none());
    let mut state = shown();
    news(
        &mut state,
        News::Away(refusal(Reason::AgentNotRunning, "gone")),
        100,
    );
    assert!(state.passcode.is_none());
    let mut state = shown();
    assert!(key(&mut state, 'c', 100).is_empty());
    assert!(state.passcode.is_none());
}

#[test]
fn an_event_based_token_is_asked_about_and_a_challenge_is_asked_for() {
    let mut state = state();
    key(&mut state, '2', 0);
    key(&mut state, 'j', 10);
    assert!(press(&mut state, Key::Enter, 100).is_empty());
    assert!(matches!(state.dialog, Some(Dialog::NextPasscode(_))));
    assert!(key(&mut state, 'n', 200).is_empty());
    press(&mut state, Key::Enter, 300);
    assert!(matches!(
        the_call(pressed_at(&mut state, 'y', 400)),
        Call::Passcode(of) if of.id == "2"
    ));
    state.waiting = None;
    key(&mut state, 'j', 500);
    press(&mut state, Key::Enter, 600);
    update(&mut state, Event::Pasted("00 11\n22".to_owned()), at(700));
    assert!(matches!(
        the_call(update(&mut state, Event::Key(Key::Enter), at(800))),
        Call::Passcode(of) if of.id == "3" && of.challenge == "00 11"
    ));
}

#[test]
fn a_search_selects_among_what_it_finds() {
    let mut state = state();
    key(&mut state, '2', 0);
    key(&mut state, '/', 10);
    for letter in "qdoor".chars() {
        key(&mut state, letter, 20);
    }
    assert_eq!(state.filter.words(), "qdoor", "q is a letter here");
    press(&mut state, Key::Control('u'), 30);
    for letter in "DOOR".chars() {
        key(&mut state, letter, 40);
    }
    press(&mut state, Key::Enter, 50);
    assert_eq!(state.filter, Filter::Kept("DOOR".to_owned()));
    assert_eq!(
        state.tokens.selected().map(|one| one.name.as_str()),
        Some("Door")
    );
    press(&mut state, Key::Escape, 60);
    assert_eq!(state.filter, Filter::Off);
}

#[test]
fn an_agent_that_goes_takes_all_that_it_said_along() {
    let mut state = with_requests();
    key(&mut state, 'a', 1_000);
    news(
        &mut state,
        News::Away(refusal(Reason::AgentNotRunning, "it is not running")),
        2_000,
    );
    assert!(state.requests.rows().is_empty() && state.tokens.rows().is_empty());
    assert!(state.waiting.is_none() && state.dialog.is_none());
    assert!(key(&mut state, 'a', 3_000).is_empty());
    assert!(key(&mut state, 'L', 3_000).is_empty());
    news(&mut state, News::Snapshot(Vec::new()), 4_000);
    assert_eq!(state.link, Link::Live);
}

#[test]
fn the_switches_say_what_they_did() {
    let mut state = state();
    let call = the_call(pressed_at(&mut state, 'o', 100));
    assert_eq!(call, Call::Autosend(false));
    update(&mut state, Event::Done(call, Ok(Reply::Done)), at(200));
    assert_eq!(
        says(&state),
        "Autosend is off. No login requests come; log in with a passcode."
    );
    assert_eq!(the_call(pressed_at(&mut state, 'L', 300)), Call::Lock);
    let locked = api::StatusReply {
        vault: api::VaultState::Locked.into(),
        autosend: false,
        ..api_status()
    };
    news(&mut state, News::Status(Box::new(locked)), 400);
    assert_eq!(the_call(pressed_at(&mut state, 'L', 500)), Call::Unlock);
    assert_eq!(
        the_call(pressed_at(&mut state, 'o', 600)),
        Call::Autosend(true)
    );
    key(&mut state, '2', 700);
    assert_eq!(
        the_call(pressed_at(&mut state, 'p', 800)),
        Call::AutosendOf("1".to_owned(), false)
    );
}

#[test]
fn a_vault_that_nobody_can_ask_about_is_opened_with_what_is_typed() {
    let mut state = state();
    let locked = api::StatusReply {
        vault: api::VaultState::Locked.into(),
        ..api_status()
    };
    news(&mut state, News::Status(Box::new(locked)), 0);
    let call = the_call(pressed_at(&mut state, 'L', 100));
    let end = Err(refusal(
        Reason::VerificationUnavailable,
        "nobody can be asked",
    ));
    let effects = update(&mut state, Event::Done(call, end), at(200));
    assert!(matches!(effects.as_slice(), [Effect::Ask]));
    let Some(Dialog::Secret(secret)) = &state.dialog else {
        panic!("{:?}", state.dialog);
    };
    assert_eq!(secret.question, "Passphrase of the vault");
}

#[test]
fn pages_turn_in_a_circle_and_keys_of_letters_with_control_leave() {
    let mut state = state();
    for tab in [Tab::Tokens, Tab::History, Tab::Log, Tab::Requests] {
        press(&mut state, Key::Tab, 10);
        assert_eq!(state.tab, tab);
    }
    press(&mut state, Key::BackTab, 20);
    assert_eq!(state.tab, Tab::Log);
    key(&mut state, '?', 30);
    assert!(key(&mut state, 'a', 40).is_empty());
    assert!(matches!(state.dialog, Some(Dialog::Help)));
    assert!(key(&mut state, 'q', 50).is_empty(), "closes the help");
    assert_eq!(key(&mut state, 'q', 60), ["Quit"]);
    for dialog in ['?', '1'] {
        key(&mut state, dialog, 70);
        assert_eq!(press(&mut state, Key::Control('c'), 80), ["Quit"]);
    }
    assert_eq!(press(&mut state, Key::Control('z'), 90), ["Suspend"]);
}

#[test]
fn the_status_is_asked_for_now_and_then_while_somebody_looks() {
    let mut state = state();
    assert!(update(&mut state, Event::Tick, at(29_999)).is_empty());
    assert_eq!(update(&mut state, Event::Tick, at(30_000)).len(), 1);
    update(&mut state, Event::Looked(Looked::Away), at(31_000));
    assert!(update(&mut state, Event::Tick, at(99_000)).is_empty());
    assert_eq!(
        update(&mut state, Event::Looked(Looked::At), at(100_000)).len(),
        1
    );
}

#[test]
fn details_open_and_close() {
    let mut state = with_requests();
    press(&mut state, Key::Enter, 10);
    assert_eq!(state.detail, Detail::Full);
    press(&mut state, Key::Escape, 20);
    assert_eq!(state.detail, Detail::Short);
}

#[test]
fn a_sealed_token_is_opened_first() {
    let mut state = state();
    let sealed = api_token("1", "Work", OtpMode::Unspecified);
    news(&mut state, News::Tokens(vec![sealed]), 0);
    key(&mut state, '2', 10);
    assert_eq!(the_call(pressed_at(&mut state, 'c', 20)), Call::Unlock);
}
