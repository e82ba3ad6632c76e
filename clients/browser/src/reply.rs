//! What the extension is told: `countersign.browser.v1` to JSON.

use countersign_client::ClientError;
use countersign_proto::{
    agent::v1::{
        ErrorDetail, LoginOrigin, LoginRequest, LoginRequestState, OtpMode, Reason, TokenState,
        VaultState,
    },
    browser::v1::{self as wire, message::Content},
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::framing::LONGEST_REPLY;

/// What the agent said, as a message for the extension; nothing where there is nothing to tell.
#[must_use]
pub fn of_message(message: wire::Message) -> Option<Zeroizing<Vec<u8>>> {
    let id = message.id;
    let ok = match message.content? {
        Content::Error(detail) => return Some(of_detail(id, &detail)),
        Content::State(state) => return Some(bytes(&of_state(&state))),
        Content::Unpaired(wire::Unpaired {}) => return Some(bytes(&json!({"event": "unpaired"}))),
        Content::Hello(hello) => json!({
            "nonce": BASE64URL_NOPAD.encode(&hello.nonce),
            "agent": hello.agent,
            "fingerprint": hello.fingerprint,
        }),
        Content::Prove(prove) => json!({"paired": prove.paired, "name": prove.name}),
        Content::Pair(pair) => json!({"name": pair.name}),
        Content::Status(status) => of_status(&status),
        Content::Vault(vault) => json!({"vault": vault_word(vault.vault())}),
        Content::Fill(fill) => of_fill(fill),
        Content::Done(wire::Done {}) => json!({}),
        Content::Tokens(tokens) => {
            json!({"tokens": tokens.tokens.iter().map(of_token).collect::<Vec<_>>()})
        }
        Content::Passcode(passcode) => of_passcode(&passcode),
        Content::Answer(answer) => of_answer(&answer.request.unwrap_or_default()),
        Content::Enroll(enroll) => json!({"name": enroll.name}),
    };
    let whole = bytes(&json!({"id": id, "ok": ok}));
    if whole.len() > LONGEST_REPLY {
        return Some(refused(
            id,
            Reason::LimitReached,
            "The answer is too long for a browser.",
            "",
        ));
    }
    Some(whole)
}

/// Done, by the host itself.
#[must_use]
pub fn done(id: u64) -> Zeroizing<Vec<u8>> {
    bytes(&json!({"id": id, "ok": {}}))
}

/// The stream to the agent has ended.
#[must_use]
pub fn agent_gone() -> Zeroizing<Vec<u8>> {
    bytes(&json!({"event": "agent_gone"}))
}

/// Why the agent was not reached.
#[must_use]
pub fn of_client_error(id: u64, error: &ClientError) -> Zeroizing<Vec<u8>> {
    refused(id, error.reason(), &error.to_string(), &error.hint())
}

/// A refusal of the host's own.
#[must_use]
pub fn refused(id: u64, reason: Reason, message: &str, hint: &str) -> Zeroizing<Vec<u8>> {
    let detail = ErrorDetail {
        reason: reason.into(),
        message: message.to_owned(),
        hint: hint.to_owned(),
        tries_left: None,
    };
    of_detail(id, &detail)
}

fn of_detail(id: u64, detail: &ErrorDetail) -> Zeroizing<Vec<u8>> {
    // A reason of a newer agent is none that the extension knows.
    let known = Some(detail.reason()).filter(|reason| *reason != Reason::Unspecified);
    let reason = known.unwrap_or(Reason::Internal);
    let mut error = json!({
        "reason": reason.as_str_name().trim_start_matches("REASON_"),
        "message": detail.message,
        "hint": detail.hint,
    });
    put(&mut error, "tries_left", detail.tries_left);
    bytes(&json!({"id": id, "error": error}))
}

fn bytes(value: &Value) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(value.to_string().into_bytes())
}

/// Adds a field, if there is something in it.
fn put(object: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Some(fields), Some(value)) = (object.as_object_mut(), value) {
        fields.insert(name.to_owned(), value.into());
    }
}

/// Not the default of a number.
const fn said(number: u32) -> Option<u32> {
    if number == 0 { None } else { Some(number) }
}

fn of_status(status: &wire::StatusReply) -> Value {
    let mut told = json!({
        "agent": status.agent,
        "vault": vault_word(status.vault()),
        "vault_message": status.vault_message,
        "autosend": status.autosend,
        "pending": status.pending,
        "paired": status.paired,
    });
    put(&mut told, "locks_at", status.locks_at);
    if status.paired {
        put(
            &mut told,
            "pairing_name",
            Some(status.pairing_name.as_str()),
        );
    }
    told
}

fn of_fill(fill: wire::FillReply) -> Value {
    if let Some(passcode) = &fill.passcode {
        let mut told = of_passcode(passcode);
        let token = json!({"id": passcode.token, "name": passcode.name});
        put(&mut told, "token", Some(token));
        return told;
    }
    let choose = fill.choose.into_iter().map(|choice| {
        json!({
            "id": choice.id,
            "name": choice.name,
            "issuer": choice.issuer,
            "user": choice.user,
        })
    });
    json!({"choose": choose.collect::<Vec<_>>()})
}

fn of_passcode(passcode: &wire::PasscodeReply) -> Value {
    let mut told = json!({
        "passcode": passcode.passcode,
        "name": passcode.name,
        "now_ms": passcode.now_ms,
    });
    put(&mut told, "period", said(passcode.period));
    put(&mut told, "valid_from_ms", passcode.valid_from_ms);
    put(&mut told, "valid_until_ms", passcode.valid_until_ms);
    told
}

fn of_token(token: &wire::Token) -> Value {
    let mut told = json!({
        "id": token.id,
        "name": token.name,
        "issuer": token.issuer,
        "user": token.user,
        "mode": match token.mode() {
            OtpMode::Time => "time",
            OtpMode::Event => "event",
            OtpMode::Challenge => "challenge",
            OtpMode::Push | OtpMode::Sudo | OtpMode::Unspecified => "push",
        },
        "digits": token.digits,
        "verification": match token.verification() {
            wire::Verification::None | wire::Verification::Unspecified => "none",
            wire::Verification::Pin => "pin",
            wire::Verification::FingerOrPin => "finger_or_pin",
        },
        "state": match token.state() {
            TokenState::Active | TokenState::Unspecified => "active",
            TokenState::Revoked => "revoked",
            TokenState::PinExhausted => "pin_exhausted",
        },
        "bound": token.bound,
        "origins": token.origins,
    });
    put(&mut told, "period", said(token.period));
    told
}

fn of_answer(request: &LoginRequest) -> Value {
    let mut told = json!({
        "outcome": match request.state() {
            LoginRequestState::Pending | LoginRequestState::Unspecified => "pending",
            LoginRequestState::Sending => "sending",
            LoginRequestState::Approved => "approved",
            LoginRequestState::LoggedIn => "logged_in",
            LoginRequestState::Denied => "denied",
            LoginRequestState::Expired => "expired",
            LoginRequestState::Cancelled => "cancelled",
            LoginRequestState::Refused => "refused",
        },
        "reported": request.reported,
        "detail": request.detail,
    });
    let code = Some(request.display_code.as_str()).filter(|code| !code.is_empty());
    put(&mut told, "display_code", code);
    told
}

fn of_state(state: &wire::State) -> Value {
    let (vault, now_ms) = (state.vault(), state.now_ms);
    let pending: Vec<_> = state
        .pending
        .iter()
        .map(|request| of_request(request, now_ms))
        .collect();
    json!({
        "event": "state",
        "vault": vault_word(vault),
        "now_ms": now_ms,
        "pending": pending,
    })
}

fn of_request(request: &LoginRequest, now_ms: i64) -> Value {
    let approval = if !request.choices.is_empty() {
        "choice"
    } else if request.number_required {
        "number"
    } else {
        "click"
    };
    let origin = match request.origin() {
        LoginOrigin::ThisComputer => "this_computer",
        LoginOrigin::SameNetwork => "same_network",
        LoginOrigin::OtherAddress => "other_address",
        LoginOrigin::Unknown | LoginOrigin::Unspecified => "unknown",
    };
    let mut told = json!({
        "id": request.id,
        "token": request.token,
        "service": request.service,
        "resource": request.resource,
        "user": request.user,
        "client_address": request.client_address,
        "place": request.place,
        "program": request.program,
        "question": request.question,
        "created_ms": request.created_ms,
        "ends_ms": now_ms.saturating_add(request.left_ms.into()),
        "origin": origin,
        "from_this_computer": request.origin() == LoginOrigin::ThisComputer,
        "approval": approval,
    });
    let choices = Some(request.choices.clone()).filter(|choices| !choices.is_empty());
    put(&mut told, "choices", choices);
    told
}

const fn vault_word(state: VaultState) -> &'static str {
    match state {
        VaultState::Absent | VaultState::Unspecified => "absent",
        VaultState::Locked => "locked",
        VaultState::Unlocked => "unlocked",
        VaultState::Unusable => "unusable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(content: Content) -> Value {
        let message = wire::Message {
            id: 7,
            content: Some(content),
        };
        serde_json::from_slice(&of_message(message).unwrap()).unwrap()
    }

    #[test]
    fn the_shapes_are_those_of_the_contract() {
        let passcode = wire::PasscodeReply {
            passcode: "123456".to_owned(),
            token: "3".to_owned(),
            name: "Example".to_owned(),
            period: 30,
            valid_from_ms: Some(1_000),
            valid_until_ms: Some(31_000),
            now_ms: 5_000,
        };
        assert_eq!(
            told(Content::Fill(wire::FillReply {
                passcode: Some(passcode),
                choose: Vec::new(),
            })),
            json!({"id": 7, "ok": {"passcode": "123456", "name": "Example", "now_ms": 5000, "period": 30,
                "valid_from_ms": 1000, "valid_until_ms": 31000, "token": {"id": "3", "name": "Example"}}})
        );
        assert_eq!(
            told(Content::Error(ErrorDetail {
                reason: Reason::VaultLocked.into(),
                message: "locked".to_owned(),
                hint: "unlock it".to_owned(),
                tries_left: Some(2),
            })),
            json!({"id": 7, "error": {"reason": "VAULT_LOCKED", "message": "locked", "hint": "unlock it", "tries_left": 2}})
        );
        let state = wire::State {
            now_ms: 1_000,
            pending: vec![LoginRequest {
                left_ms: 500,
                choices: vec!["42".to_owned()],
                ..LoginRequest::default()
            }],
            ..wire::State::default()
        };
        let state = told(Content::State(state));
        assert_eq!(state["event"], "state");
        assert_eq!(state["pending"][0]["ends_ms"], 1_500);
        assert_eq!(state["pending"][0]["approval"], "choice");
        assert_eq!(state.get("id"), None);
    }

    #[test]
    fn a_reason_of_the_future_is_internal_and_a_long_answer_a_refusal() {
        let error = told(Content::Error(ErrorDetail {
            reason: 250,
            ..ErrorDetail::default()
        }));
        assert_eq!(error["error"]["reason"], "INTERNAL");
        let long = told(Content::Pair(wire::PairReply {
            name: "x".repeat(LONGEST_REPLY),
        }));
        assert_eq!(long["error"]["reason"], "LIMIT_REACHED");
    }
}
