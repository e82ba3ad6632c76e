//! Users: found, looked at, helped.

use axum::{
    extract::{Query, State},
    response::Response,
};
use countersign_core::role::Task;
use serde::Deserialize;

use super::{
    Admin, failed, views,
    visitor::{Form, Visitor},
};
use crate::service::{HelpdeskError, ServiceError};

/// How long a code of the helpdesk is good that is issued here, in minutes.
const CODE_MINUTES: u32 = 15;

/// Which users.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Search {
    /// Part of a name.
    #[serde(default)]
    q: String,
}

/// Which user.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Named {
    /// Name.
    #[serde(default)]
    name: String,
}

/// The users, and who waits for an enrollment.
pub(super) async fn list(
    State(admin): State<Admin>,
    visitor: Visitor,
    Query(search): Query<Search>,
) -> Result<Response, Response> {
    visitor.may(Task::SeeUsers)?;
    let users = admin.service.users().await.map_err(broken)?;
    let waiting = admin.service.enrollments().await.map_err(broken)?;
    Ok(views::users(&visitor, &search.q, &users, &waiting).into())
}

/// One user, with the tokens.
pub(super) async fn one(
    State(admin): State<Admin>,
    visitor: Visitor,
    Query(Named { name }): Query<Named>,
) -> Result<Response, Response> {
    visitor.may(Task::SeeUsers)?;
    let notice = admin.sessions.take_notice(&visitor.cookie.key());
    page(&admin, &visitor, &name, notice.as_deref()).await
}

/// The page of a user.
pub(super) async fn page(
    admin: &Admin,
    visitor: &Visitor,
    name: &str,
    notice: Option<&str>,
) -> Result<Response, Response> {
    let service = &admin.service;
    let users = service.users().await.map_err(broken)?;
    let (Some(user), Some(tokens)) = (
        users.into_iter().find(|user| user.name == name),
        service.tokens(Some(name)).await.map_err(broken)?,
    ) else {
        return Err(views::no_such("user").into());
    };
    let policies = service.policies().await.map_err(broken)?;
    let owner = service.role_of(name).await.map_err(broken)?;
    Ok(views::user(visitor, &user, owner, &tokens, &policies, notice).into())
}

/// A one-time code, shown once.
pub(super) async fn helpdesk_code(
    State(admin): State<Admin>,
    form: Form,
) -> Result<Response, Response> {
    let (visitor, user) = (&form.visitor, form.fields.text("user"));
    let operator = visitor.operator_for(&admin, Task::HelpUser, user).await?;
    match operator.issue_helpdesk_code(user, CODE_MINUTES).await {
        Ok(code) => Ok(views::helpdesk_code(visitor, user, &code).into()),
        Err(HelpdeskError::UnknownUser) => Err(views::no_such("user").into()),
        Err(HelpdeskError::Service(ServiceError(error))) => Err(failed(&error)),
        Err(refused @ (HelpdeskError::TooMany { .. } | HelpdeskError::Validity)) => {
            page(&admin, visitor, user, Some(&refused.to_string())).await
        }
    }
}

/// A token by a policy, and its link, shown once.
pub(super) async fn issue(State(admin): State<Admin>, form: Form) -> Result<Response, Response> {
    let (visitor, user) = (&form.visitor, form.fields.text("user"));
    let operator = visitor
        .operator_for(&admin, Task::ChangeTokens, user)
        .await?;
    let policy = form.fields.text("policy");
    let issued = match operator.issue_token_by_policy(user, policy).await {
        Ok(issued) => issued,
        Err(refused) => return page(&admin, visitor, user, Some(&refused.to_string())).await,
    };
    match operator
        .make_enrollment_link(user, Some(&issued.serial))
        .await
    {
        Ok(link) => Ok(views::link(visitor, &link).into()),
        Err(refused) => page(&admin, visitor, user, Some(&refused.to_string())).await,
    }
}

fn broken(ServiceError(error): ServiceError) -> Response {
    failed(&error)
}
