//! Self-enrollment: the page behind a personal link.
//!
//! Invariants: a GET changes nothing, however often it comes; the link's secret is in no log, and the page sends no
//! referrer; the page needs no script.

mod views;

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use countersign_core::secret::SecretText;
use http::{HeaderMap, StatusCode};

use super::{form, frame::guard};
use crate::service::{EnrollmentView, Service, ServiceError};

/// The routes of the page.
pub(super) fn router(service: &Service) -> Router {
    Router::new()
        .route("/enroll/link/{link}", get(show))
        .route("/enroll/link/{link}/standing", get(standing))
        .route("/enroll/link/{link}/ask", post(ask))
        .with_state(service.clone())
}

/// What the link is good for.
async fn show(State(service): State<Service>, Path(link): Path<String>) -> Response {
    let link = SecretText::new(link);
    match service.enrollment_by_link(&link).await {
        Ok(Some(view)) => views::page(&service, &link, &view).into(),
        Ok(None) => views::unknown().into(),
        Err(ServiceError(error)) => failed(&error),
    }
}

/// `open`, `enrolled` or `over`, for the page's script.
async fn standing(State(service): State<Service>, Path(link): Path<String>) -> Response {
    let word = match service.enrollment_by_link(&SecretText::new(link)).await {
        Ok(Some(EnrollmentView::Open { .. })) => "open",
        Ok(Some(EnrollmentView::Enrolled { .. })) => "enrolled",
        Ok(Some(EnrollmentView::Over(_)) | None) => "over",
        Err(ServiceError(error)) => return failed(&error),
    };
    let mut response = word.into_response();
    guard(&mut response);
    response
}

/// "Ask for a new link". Who can send it has the link; a page of somebody else's does not, and is refused anyway.
async fn ask(
    State(service): State<Service>,
    Path(link): Path<String>,
    headers: HeaderMap,
) -> Response {
    if form::from_elsewhere(&headers) {
        return views::foreign_form().into();
    }
    let link = SecretText::new(link);
    match service.ask_for_enrollment_link(&link).await {
        Ok(asked) => views::asked(&link, asked).into(),
        Err(ServiceError(error)) => failed(&error),
    }
}

fn failed(error: &dyn core::error::Error) -> Response {
    tracing::error!(%error, "the enrollment page failed");
    views::failed()
        .status(StatusCode::INTERNAL_SERVER_ERROR)
        .into()
}
