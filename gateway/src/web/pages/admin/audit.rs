//! The audit log, newest first.

use axum::{
    extract::{Query, State},
    response::Response,
};
use countersign_core::role::Task;
use serde::Deserialize;

use super::{Admin, failed, views, visitor::Visitor};
use crate::service::ServiceError;

/// Rows of one page.
const ROWS: u32 = 100;

/// Where the page begins.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Before {
    /// The row before which.
    before: Option<i64>,
}

/// One page of it.
pub(super) async fn list(
    State(admin): State<Admin>,
    visitor: Visitor,
    Query(Before { before }): Query<Before>,
) -> Result<Response, Response> {
    visitor.may(Task::ReadAudit)?;
    let before = before.unwrap_or(i64::MAX);
    match admin.service.audit_before(before, ROWS).await {
        Ok(entries) => Ok(views::audit(&visitor, before, &entries).into()),
        Err(ServiceError(error)) => Err(failed(&error)),
    }
}
