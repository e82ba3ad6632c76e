//! What the agent says without being asked.

use countersign_proto::agent::v1::{self as api, LoginRequestState, VaultState};

use super::{rows, watch_selection};
use crate::{
    output::{Paint, words},
    tui::{
        event::{Effect, Fetch, News, Now, Refusal},
        state::{
            Link, LogLine, State, Tab, dialog::Dialog, login_request::LoginRequest, status::Status,
            token::Token,
        },
    },
};

/// Takes it.
pub(super) fn take(state: &mut State, news: News, now: Now) -> Vec<Effect> {
    match news {
        News::Away(refusal) => {
            away(state, refusal);
            Vec::new()
        }
        News::Snapshot(requests) => {
            state.link = Link::Live;
            let requests = requests.into_iter().map(|one| LoginRequest::new(one, now));
            let selection = rows(&mut state.requests, requests);
            watch_selection(state, selection, now);
            close_dialog_of_the_past(state);
            vec![Effect::Fetch(Fetch::Status), Effect::Fetch(Fetch::Tokens)]
                .into_iter()
                .chain(fetch_of_the_past(state.tab))
                .collect()
        }
        News::Changed(request) => changed(state, *request, now),
        News::Status(status) => status_came(state, Status::from(*status)),
        News::Tokens(tokens) => {
            rows(&mut state.tokens, tokens.into_iter().map(Token::from));
            Vec::new()
        }
        News::History(requests) => {
            let over = requests
                .into_iter()
                .map(|one| LoginRequest::new(one, now))
                .filter(|request| !request.is_open());
            rows(&mut state.history, over);
            Vec::new()
        }
        News::Log(events) => {
            rows(&mut state.log, events.into_iter().map(LogLine::from));
            Vec::new()
        }
        News::Trouble(refusal) => {
            state.say(Paint::Attention, said(&refusal), now);
            Vec::new()
        }
    }
}

/// What is not known any more is not shown any more.
fn away(state: &mut State, refusal: Refusal) {
    let detail = state.detail;
    let tab = state.tab;
    let looked = state.looked;
    let guard = state.guard;
    *state = State {
        link: Link::Away(refusal),
        detail,
        tab,
        looked,
        guard,
        ..State::new()
    };
}

fn changed(state: &mut State, request: api::LoginRequest, now: Now) -> Vec<Effect> {
    let request = LoginRequest::new(request, now);
    let known = state.requests.find(&request.id).cloned();
    if let Some(words) = known
        .as_ref()
        .filter(|before| before.is_open() && !state.answering.contains(&before.id))
        .and_then(|_| outcome(&request))
    {
        let (_, paint) = words::request_state(request.state);
        state.say(paint, words, now);
    }
    fit(state, request, now);
    fetch_of_the_past(state.tab).into_iter().collect()
}

/// Puts a request that changed where it belongs.
pub(super) fn fit(state: &mut State, request: LoginRequest, now: Now) {
    let selection = state.requests.change(|rows| {
        let at = rows.iter().position(|row| row.id == request.id);
        match (at, request.is_open()) {
            (Some(at), true) => {
                if let Some(row) = rows.get_mut(at) {
                    // The bar goes on; the state is new.
                    let whole = row.whole.max(request.whole);
                    *row = LoginRequest { whole, ..request };
                }
            }
            (Some(at), false) => drop(rows.remove(at)),
            (None, true) => rows.insert(0, request),
            (None, false) => {}
        }
    });
    watch_selection(state, selection, now);
    close_dialog_of_the_past(state);
}

/// What became of a request that somebody else answered, or nobody.
fn outcome(request: &LoginRequest) -> Option<String> {
    let what = match request.state {
        LoginRequestState::Approved | LoginRequestState::LoggedIn => "was approved elsewhere",
        LoginRequestState::Denied => "was denied elsewhere",
        LoginRequestState::Expired => "has expired",
        LoginRequestState::Cancelled => "was taken back",
        LoginRequestState::Refused => "was refused",
        LoginRequestState::Unspecified
        | LoginRequestState::Pending
        | LoginRequestState::Sending => return None,
    };
    let why = match request.detail.some() {
        Some(why) => format!(" {why}"),
        None => String::new(),
    };
    Some(format!("{} {what}.{why}", request.resource))
}

/// A number for a request that can no longer be approved is of no use.
fn close_dialog_of_the_past(state: &mut State) {
    let Some(Dialog::Number(answer, _) | Dialog::Choice(answer, ..)) = &state.dialog else {
        return;
    };
    let open = state
        .requests
        .find(&answer.id)
        .is_some_and(LoginRequest::is_pending);
    if !open {
        state.dialog = None;
    }
}

/// Pages of what was are behind as soon as something changes.
const fn fetch_of_the_past(tab: Tab) -> Option<Effect> {
    match tab {
        Tab::History => Some(Effect::Fetch(Fetch::History)),
        Tab::Log => Some(Effect::Fetch(Fetch::Log)),
        Tab::Requests | Tab::Tokens => None,
    }
}

fn status_came(state: &mut State, status: Status) -> Vec<Effect> {
    let before = state.status.as_ref().map(|status| status.vault);
    let vault = status.vault;
    state.status = Some(status);
    if vault != VaultState::Unlocked {
        state.passcode = None;
    }
    // What is sealed comes and goes with the vault.
    if before.is_some_and(|before| before != vault) {
        return vec![Effect::Fetch(Fetch::Tokens)];
    }
    Vec::new()
}

/// A refusal as one line.
pub(super) fn said(refusal: &Refusal) -> String {
    match refusal.hint.some() {
        Some(hint) => format!("{} {hint}", refusal.message),
        None => refusal.message.to_string(),
    }
}
