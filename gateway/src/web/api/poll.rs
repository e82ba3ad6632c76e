//! `GET /validate/polltransaction`: how a login stands.

use axum::extract::{RawPathParams, State};

use super::{
    Api,
    answer::{Answer, ApiError, Authentication},
    front::Asking,
    parameters::Parameters,
};
use crate::{
    push::Availability,
    service::{LoginError, LoginState},
};

/// The longest a poll may wait for a change, in seconds.
const LONGEST_WAIT: i64 = 30;

/// The transaction stands in the path or in `transaction_id`. With `wait` (seconds) the answer comes when
/// the login changes, at the latest then.
pub(super) async fn poll(
    State(api): State<Api>,
    asking: Asking,
    path: RawPathParams,
    parameters: Parameters,
) -> Result<Answer, ApiError> {
    let in_path = path
        .iter()
        .find(|(name, _)| *name == "transaction_id")
        .map(|(_, id)| id.to_owned());
    let id = match in_path {
        Some(id) => id,
        None => parameters
            .text("transaction_id")?
            .ok_or(ApiError::Missing("transaction_id"))?
            .to_owned(),
    };
    let wait = match parameters.text("wait")? {
        None => 0,
        Some(seconds) => seconds
            .parse::<i64>()
            .ok()
            .filter(|seconds| (0..=LONGEST_WAIT).contains(seconds))
            .ok_or(ApiError::Parameters("wait must be 0 to 30 seconds"))?,
    };
    let until = api.service.now().plus_ms(wait.saturating_mul(1000));
    let login = match api.service.wait_login(asking.front(), &id, until).await {
        Ok(login) => Some(login),
        Err(LoginError::Unknown | LoginError::State { .. }) => None,
        Err(LoginError::Storage(error)) => return Err(error.into()),
    };
    let (authentication, status) = said(login.as_ref().map(|login| login.state));
    let accepted = authentication == Authentication::Accept;
    let mut answer = Answer::new(accepted, api.service.now())
        .authentication(authentication)
        .detail("challenge_status", status)
        .detail("transaction_id", id);
    if let Some(login) = login {
        if login.reported {
            answer = answer.detail("reported", true);
        }
        if login.state == LoginState::Pending {
            answer = answer.detail("desktop", Availability::word(login.reach));
        }
    }
    Ok(answer)
}

/// privacyIDEA tells an unknown, expired or finished transaction as one that is open. An approval that was
/// not good enough is told as a refusal, so that nobody waits for more.
const fn said(state: Option<LoginState>) -> (Authentication, &'static str) {
    match state {
        Some(LoginState::Approved) => (Authentication::Accept, "accept"),
        Some(LoginState::Denied(_) | LoginState::Failed(_)) => {
            (Authentication::Declined, "declined")
        }
        None
        | Some(
            LoginState::Pending
            | LoginState::Expired
            | LoginState::Cancelled
            | LoginState::Consumed
            | LoginState::Lapsed,
        ) => (Authentication::Reject, "pending"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_approval_is_accepted() {
        for state in LoginState::ALL {
            let (authentication, status) = said(Some(state));
            assert_eq!(
                authentication == Authentication::Accept,
                state == LoginState::Approved,
                "{state}"
            );
            assert_eq!(authentication == Authentication::Accept, status == "accept");
        }
        assert_eq!(said(None), said(Some(LoginState::Expired)));
    }
}
