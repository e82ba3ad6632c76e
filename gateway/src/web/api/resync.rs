//! `POST /token/resync`: a token whose counter or clock is lost is found again by two passcodes in a row.

use axum::extract::State;

use super::{
    Api,
    answer::{Answer, ApiError},
    front::Asking,
    parameters::Parameters,
};
use crate::service::{ResyncError, ServiceError, TokenError};

/// `serial`, `otp1`, `otp2`; `result.value` says whether it was found. A pair that is wrong counts as a wrong passcode.
pub(super) async fn resync(
    State(api): State<Api>,
    asking: Asking,
    parameters: Parameters,
) -> Result<Answer, ApiError> {
    let serial = parameters
        .text("serial")?
        .ok_or(ApiError::Missing("serial"))?;
    let first = parameters.secret("otp1").ok_or(ApiError::Missing("otp1"))?;
    let second = parameters.secret("otp2").ok_or(ApiError::Missing("otp2"))?;
    let operator = api.service.operator(&format!("front {}", asking.name()));
    let found = match operator.resynchronise_token(serial, first, second).await {
        Ok(()) => true,
        Err(ResyncError::Token(TokenError::Service(ServiceError(error)))) => {
            return Err(error.into());
        }
        // Why not is between the gateway and its administrator.
        Err(
            ResyncError::Token(_)
            | ResyncError::Mode
            | ResyncError::Locked { .. }
            | ResyncError::NotFound,
        ) => false,
    };
    Ok(Answer::new(found, api.service.now()))
}
