//! `/validate/check`: a typed passcode, the end of an approved login, or the start of one.

use axum::extract::State;

use super::{
    Api,
    answer::{Answer, ApiError, Authentication},
    front::Asking,
    open,
    parameters::Parameters,
};
use crate::service::{LoginError, LoginState, PasscodeAttempt, PasscodeVerdict, Subject};

/// `user` or `serial`, `pass`, and `transaction_id` (also called `state`) for a login that is open.
pub(super) async fn check(
    State(api): State<Api>,
    asking: Asking,
    parameters: Parameters,
) -> Result<Answer, ApiError> {
    let pass = parameters.secret("pass").ok_or(ApiError::Missing("pass"))?;
    let transaction_id = match parameters.text("transaction_id")? {
        Some(id) => Some(id.to_owned()),
        None => parameters.text("state")?.map(str::to_owned),
    };
    let user = parameters.text("user")?.map(str::to_owned);
    let serial = parameters.text("serial")?.map(str::to_owned);
    let subject = match (user, serial) {
        (Some(user), None) => Subject::User(user),
        (None, Some(serial)) => Subject::Serial(serial),
        (Some(_), Some(_)) => {
            return Err(ApiError::Parameters("give user or serial, not both"));
        }
        (None, None) => return Err(ApiError::Missing("user")),
    };
    match (pass.is_empty(), transaction_id) {
        (true, None) => open::instead_of_a_passcode(&api, &asking, &parameters).await,
        (true, Some(id)) => finish(&api, &asking, &subject, &id).await,
        (false, id) => {
            let attempt = PasscodeAttempt {
                front: asking.front(),
                subject,
                passcode: pass,
                transaction_id: id,
                client_address: asking.client_address(&parameters)?,
            };
            passcode(&api, attempt).await
        }
    }
}

/// Takes an approval, once.
async fn finish(
    api: &Api,
    asking: &Asking,
    subject: &Subject,
    transaction_id: &str,
) -> Result<Answer, ApiError> {
    let now = api.service.now();
    let rejected = |message: &str| {
        Answer::new(false, now)
            .authentication(Authentication::Reject)
            .detail("message", message)
    };
    let Subject::User(user) = subject else {
        return Err(ApiError::Missing("user"));
    };
    let front = asking.front();
    match api.service.login(front, transaction_id).await {
        // Looked at before it is consumed: another user's approval stays as it is.
        Ok(login) if login.user != *user => {
            return Ok(rejected("Response did not match the challenge."));
        }
        Ok(_) => {}
        Err(LoginError::Storage(error)) => return Err(error.into()),
        Err(LoginError::Unknown | LoginError::State { .. }) => {
            return Ok(rejected("wrong otp pin"));
        }
    }
    match api.service.consume_login(front, transaction_id).await {
        Ok(consumed) => Ok(Answer::new(true, now)
            .authentication(Authentication::Accept)
            .detail("message", "Found matching challenge")
            .detail("type", "push")
            .detail("username", consumed.user)),
        Err(
            LoginError::Unknown
            | LoginError::State {
                state: LoginState::Consumed,
            },
        ) => Ok(rejected("wrong otp pin")),
        Err(LoginError::State { .. }) => Ok(rejected("Response did not match the challenge.")),
        Err(LoginError::Storage(error)) => Err(error.into()),
    }
}

async fn passcode(api: &Api, attempt: PasscodeAttempt) -> Result<Answer, ApiError> {
    let verdict = api.service.check_passcode(attempt).await?;
    let now = api.service.now();
    let message = match verdict {
        PasscodeVerdict::Accepted { serial } => {
            return Ok(Answer::new(true, now)
                .authentication(Authentication::Accept)
                .detail("message", "matching 1 tokens")
                .detail("serial", serial.unwrap_or_default()));
        }
        // Who is unknown, or has nothing to type with, looks like who has mistyped.
        PasscodeVerdict::Wrong | PasscodeVerdict::NoToken => "wrong otp value",
        PasscodeVerdict::UsedBefore => "wrong otp value. previous otp used again",
        PasscodeVerdict::Locked { .. } => "Failcounter exceeded",
        PasscodeVerdict::Suspended => "Token is disabled",
    };
    Ok(Answer::new(false, now)
        .authentication(Authentication::Reject)
        .detail("message", message))
}
