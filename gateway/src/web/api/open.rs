//! Opening a login: `POST /validate/triggerchallenge`, and `/validate/check` with an empty `pass`.

use axum::extract::State;
use serde_json::{Value, json};

use super::{
    Api,
    answer::{Answer, ApiError, Authentication},
    front::Asking,
    parameters::Parameters,
};
use crate::{
    push::Availability,
    service::{OpenLogin, OpenLoginError, OpenedLogin, Way},
};

/// `result.value` is the number of challenges.
pub(super) async fn trigger(
    State(api): State<Api>,
    asking: Asking,
    parameters: Parameters,
) -> Result<Answer, ApiError> {
    Ok(match opened(&api, &asking, &parameters).await? {
        Ok(login) => challenge(&login, Answer::new(login.ways.len(), api.service.now())),
        Err(refusal) => refused(refusal, Answer::new(0, api.service.now())),
    })
}

/// The same as the answer of a check: nobody is let in yet.
pub(super) async fn instead_of_a_passcode(
    api: &Api,
    asking: &Asking,
    parameters: &Parameters,
) -> Result<Answer, ApiError> {
    let answer = Answer::new(false, api.service.now());
    Ok(match opened(api, asking, parameters).await? {
        Ok(login) => challenge(&login, answer),
        Err(refusal) => refused(refusal, answer),
    })
}

async fn opened(
    api: &Api,
    asking: &Asking,
    parameters: &Parameters,
) -> Result<Result<OpenedLogin, &'static str>, ApiError> {
    let login = OpenLogin {
        front: asking.front(),
        user: parameters
            .text("user")?
            .ok_or(ApiError::Missing("user"))?
            .to_owned(),
        resource: asking.resource(parameters)?,
        client_address: asking.client_address(parameters)?,
        program: asking.program(parameters)?,
        idempotency_key: parameters.text("idempotency_key")?.map(str::to_owned),
    };
    let refusal = match api.service.open_login(login).await {
        Ok(login) => return Ok(Ok(login)),
        // A user that does not exist looks like one without a token.
        Err(OpenLoginError::UnknownUser | OpenLoginError::NoPush) => {
            "No token of this user answers login requests. Please type a passcode."
        }
        Err(OpenLoginError::NotConnected) => {
            "The user's desktop is not connected. Please type a passcode."
        }
        Err(OpenLoginError::AutosendOff) => {
            "The user's desktop takes no login requests. Please type a passcode."
        }
        Err(OpenLoginError::SessionLocked) => {
            "The user's desktop is locked. Please unlock it or type a passcode."
        }
        // The other login may be somebody else's: its transaction is not handed out.
        Err(OpenLoginError::AlreadyOpen { .. }) => {
            "A login request of this user is open already. Please answer it, or wait."
        }
        Err(OpenLoginError::Throttled) => {
            "Too many login requests were denied or ignored. Please type a passcode."
        }
        Err(OpenLoginError::Invalid(_)) => {
            return Err(ApiError::Parameters(
                "user, resource, client, program or idempotency_key is too long or blank",
            ));
        }
        Err(OpenLoginError::Storage(error)) => return Err(error.into()),
    };
    Ok(Err(refusal))
}

fn refused(message: &'static str, answer: Answer) -> Answer {
    answer
        .authentication(Authentication::Reject)
        .detail("message", message)
}

/// `detail` of an open login, as privacyIDEA's plugins read it.
fn challenge(login: &OpenedLogin, answer: Answer) -> Answer {
    let challenges: Vec<Value> = login
        .ways
        .iter()
        .map(|way| one_challenge(way, &login.transaction_id))
        .collect();
    let messages: Vec<&str> = challenges
        .iter()
        .filter_map(|challenge| challenge.get("message").and_then(Value::as_str))
        .collect();
    let mut answer = answer
        .authentication(Authentication::Challenge)
        .detail("message", messages.join(", "))
        .detail("messages", json!(messages))
        .detail("transaction_id", login.transaction_id.as_str())
        .detail("transaction_ids", json!([login.transaction_id]))
        .detail("left_ms", login.ttl_ms);
    if let Some(Value::Object(first)) = challenges.first() {
        for (name, value) in first {
            if name != "message" && name != "transaction_id" {
                answer = answer.detail(name, value.clone());
            }
        }
        answer = answer.detail(
            "preferred_client_mode",
            first.get("client_mode").cloned().unwrap_or_default(),
        );
    }
    answer.detail("multi_challenge", challenges)
}

fn one_challenge(way: &Way, transaction_id: &str) -> Value {
    match way {
        Way::Push {
            number,
            availability,
        } => {
            let mut message = match availability {
                Availability::SessionLocked => {
                    "Please unlock your desktop and confirm the login there".to_owned()
                }
                Availability::On | Availability::Off => {
                    "Please confirm the login on your desktop".to_owned()
                }
            };
            if let Some(number) = number {
                message.push_str(". Please enter there: ");
                message.push_str(number);
            }
            let mut challenge = json!({
                "attributes": null,
                "client_mode": "poll",
                "image": "",
                "message": message,
                "serial": "",
                "transaction_id": transaction_id,
                "type": "push",
            });
            if let (Some(number), Some(challenge)) = (number, challenge.as_object_mut()) {
                challenge.insert("presence_answer".to_owned(), json!(number));
            }
            challenge
        }
        Way::Challenge { serial, challenge } => json!({
            "attributes": { "challenge": challenge },
            "client_mode": "interactive",
            "image": "",
            "message": format!("Please answer the challenge {challenge}"),
            "serial": serial,
            "transaction_id": transaction_id,
            "type": "ocra",
        }),
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::time::UnixMillis;

    use super::*;

    #[tokio::test]
    async fn a_login_with_two_ways_has_two_challenges_and_the_first_ones_fields_on_top() {
        let login = OpenedLogin {
            transaction_id: "abc".to_owned(),
            ways: vec![
                Way::Push {
                    number: Some("63".to_owned()),
                    availability: Availability::SessionLocked,
                },
                Way::Challenge {
                    serial: "CS1".to_owned(),
                    challenge: "12345678".to_owned(),
                },
            ],
            ttl_ms: 60_000,
        };
        let answer = challenge(&login, Answer::new(false, UnixMillis(1_500)));
        let response = axum::response::IntoResponse::into_response(answer);
        let body = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["result"]["authentication"], "CHALLENGE");
        assert_eq!(body["time"], 1.5);
        let detail = &body["detail"];
        assert_eq!(detail["transaction_id"], "abc");
        assert_eq!(detail["client_mode"], "poll");
        assert_eq!(detail["preferred_client_mode"], "poll");
        assert_eq!(detail["presence_answer"], "63");
        assert!(
            detail["message"]
                .as_str()
                .unwrap()
                .contains("enter there: 63")
        );
        assert_eq!(detail["multi_challenge"][0]["presence_answer"], "63");
        let typed = &detail["multi_challenge"][1];
        assert_eq!(typed["client_mode"], "interactive");
        assert_eq!(typed["attributes"]["challenge"], "12345678");
        assert_eq!(typed["serial"], "CS1");
    }
}
