//! A call has ended.

use countersign_proto::agent::v1::{self as api, Reason, VaultState, Verdict};

use super::news::{fit, said};
use crate::{
    commands::{Outcome, asks_for_a_passphrase, asks_here},
    output::{Paint, words},
    tui::{
        event::{Answer, Call, Effect, Fetch, Now, Refusal, Reply},
        shown::Shown,
        state::{
            AFTERTHOUGHT, Afterthought, State, Typed,
            dialog::{Dialog, Secret},
            login_request::LoginRequest,
            passcode::Passcode,
            status::Passphrase,
        },
    },
};

/// Takes what came of it.
pub(super) fn take(
    state: &mut State,
    call: &Call,
    end: Result<Reply, Refusal>,
    now: Now,
) -> Vec<Effect> {
    let mut typed = Typed::Nothing;
    if let (Call::Answer(answer), Err(_)) = (call, &end) {
        state.answering.remove(&answer.id);
    }
    if call.may_ask() {
        match state.waiting.take() {
            Some(waiting) if waiting.call == *call => typed = waiting.typed,
            // It was given up; what comes of it now was not waited for.
            other => {
                state.waiting = other;
                return vec![Effect::Fetch(Fetch::Status)];
            }
        }
    }
    match end {
        Ok(reply) => succeeded(state, call, reply, now),
        Err(refusal) => refused(state, call, &refusal, typed, now),
    }
}

fn succeeded(state: &mut State, call: &Call, reply: Reply, now: Now) -> Vec<Effect> {
    match (call, reply) {
        (Call::Answer(answer), Reply::Answered(request)) => answered(state, answer, *request, now),
        (Call::Passcode(of), Reply::Passcode(reply)) => {
            state.passcode = Some(Passcode::new(of, reply, now));
            Vec::new()
        }
        (Call::Unlock, _) => {
            state.say(Paint::Good, "The vault is unlocked.", now);
            vec![Effect::Fetch(Fetch::Status), Effect::Fetch(Fetch::Tokens)]
        }
        (Call::Lock, _) => {
            state.passcode = None;
            state.say(Paint::Plain, "The vault is locked.", now);
            vec![Effect::Fetch(Fetch::Status), Effect::Fetch(Fetch::Tokens)]
        }
        (Call::Autosend(on), _) => {
            let meaning = if *on {
                "Login requests come."
            } else {
                "No login requests come; log in with a passcode."
            };
            let words = format!("Autosend is {}. {meaning}", words::on(*on));
            state.say(Paint::Plain, words, now);
            vec![Effect::Fetch(Fetch::Status), Effect::Fetch(Fetch::Tokens)]
        }
        (Call::AutosendOf(id, on), _) => {
            let name = state
                .tokens
                .find(id)
                .map(|token| token.name.clone())
                .unwrap_or_default();
            let words = format!("Autosend is {} for {name}.", words::on(*on));
            state.say(Paint::Plain, words, now);
            vec![Effect::Fetch(Fetch::Tokens)]
        }
        (Call::Answer(_) | Call::Passcode(_), _) => Vec::new(),
    }
}

/// A login request was answered; it may have ended in another way than was wanted.
fn answered(
    state: &mut State,
    answer: &Answer,
    request: api::LoginRequest,
    now: Now,
) -> Vec<Effect> {
    // The watch says the same, perhaps later: then it is known already.
    fit(state, LoginRequest::new(request.clone(), now), now);
    state.answering.remove(&answer.id);
    let code = Shown::name(&request.display_code);
    let denied = request.state() == api::LoginRequestState::Denied;
    let outcome = Outcome::new(request, answer.verdict);
    let (paint, words) = outcome.said();
    state.say(paint, words, now);
    if let (Verdict::Approve, false) = (answer.verdict, code.is_empty()) {
        state.dialog = Some(Dialog::Code(code, answer.resource.clone()));
    }
    state.afterthought = (answer.verdict == Verdict::Deny && denied).then(|| Afterthought {
        id: answer.id.clone(),
        resource: answer.resource.clone(),
        until: now.at.saturating_add(AFTERTHOUGHT),
    });
    // An approval may have unlocked the vault on its way.
    vec![Effect::Fetch(Fetch::Status)]
}

fn refused(
    state: &mut State,
    call: &Call,
    refusal: &Refusal,
    typed: Typed,
    now: Now,
) -> Vec<Effect> {
    if call.may_ask() && is_asked_for_here(state, call, refusal.reason, typed) {
        let question = question(state, call, refusal.message.clone());
        state.dialog = Some(Dialog::Secret(question));
        return vec![Effect::Ask];
    }
    let paint = if refusal.reason == Reason::Cancelled {
        Paint::Faint
    } else {
        Paint::Bad
    };
    state.say(paint, said(refusal), now);
    // Whatever the reason is, the vault, the token or the request may be another now.
    vec![Effect::Fetch(Fetch::Status), Effect::Fetch(Fetch::Tokens)]
}

/// Can a secret that is typed here help?
fn is_asked_for_here(state: &State, call: &Call, reason: Reason, typed: Typed) -> bool {
    let has_typed = typed == Typed::Secret;
    match call {
        Call::Unlock => {
            let passphrase = state
                .status
                .as_ref()
                .is_some_and(|status| status.passphrase == Passphrase::Set);
            asks_for_a_passphrase(reason, has_typed, passphrase)
        }
        Call::Answer(_) | Call::Passcode(_) => asks_here(reason, has_typed),
        Call::Lock | Call::Autosend(_) | Call::AutosendOf(..) => false,
    }
}

/// What is asked: the vault's secret while it is locked, else the token's PIN.
fn question(state: &State, call: &Call, message: Shown) -> Secret {
    let vault = state
        .status
        .as_ref()
        .filter(|status| *call == Call::Unlock || status.vault == VaultState::Locked);
    let (what, question) = match (vault, call) {
        (Some(status), _) => (status.question.what, status.question.words.clone()),
        (None, Call::Answer(answer)) => ("PIN", format!("PIN of {}", answer.token)),
        (None, Call::Passcode(of)) => ("PIN", format!("PIN of {}", of.name)),
        (None, Call::Unlock | Call::Lock | Call::Autosend(_) | Call::AutosendOf(..)) => {
            ("PIN", "PIN or passphrase of the vault".to_owned())
        }
    };
    Secret {
        call: call.clone(),
        what,
        question,
        message,
    }
}
