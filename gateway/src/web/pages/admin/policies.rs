//! Policies: looked at, made and changed.

use axum::{
    extract::{Query, State},
    response::Response,
};
use countersign_core::role::Task;
use serde::Deserialize;

use super::{
    Admin, failed, policy_form, redirect, views,
    visitor::{Form, Visitor},
};
use crate::service::{PolicyError, ServiceError};

/// Which policy.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Named {
    /// Name; empty: a new one.
    #[serde(default)]
    name: String,
}

/// All of them.
pub(super) async fn list(
    State(admin): State<Admin>,
    visitor: Visitor,
) -> Result<Response, Response> {
    visitor.may(Task::SeePolicies)?;
    let notice = admin.sessions.take_notice(&visitor.cookie.key());
    match admin.service.policies().await {
        Ok(policies) => Ok(views::policies(&visitor, &policies, notice.as_deref()).into()),
        Err(ServiceError(error)) => Err(failed(&error)),
    }
}

/// The form of one, or of a new one.
pub(super) async fn one(
    State(admin): State<Admin>,
    visitor: Visitor,
    Query(Named { name }): Query<Named>,
) -> Result<Response, Response> {
    visitor.may(Task::ChangePolicies)?;
    if name.is_empty() {
        return Ok(policy_form::page(&visitor, None, None).into());
    }
    match admin.service.policy(&name).await {
        Ok(policy) => Ok(policy_form::page(&visitor, Some(&policy), None).into()),
        Err(PolicyError::Service(ServiceError(error))) => Err(failed(&error)),
        Err(_unknown) => Err(views::no_such("policy").into()),
    }
}

/// What the form says, kept or removed.
pub(super) async fn keep(State(admin): State<Admin>, form: Form) -> Result<Response, Response> {
    let (visitor, fields) = (&form.visitor, &form.fields);
    visitor.may(Task::ChangePolicies)?;
    let operator = visitor.operator(&admin);
    let (name, level) = (fields.text("name").trim(), fields.text("level").trim());
    let done = match (fields.text("do"), policy_form::rules(fields)) {
        ("remove", _) => operator
            .remove_policy(name)
            .await
            .map_err(|e| e.to_string()),
        (_, Err(wrong)) => Err(wrong),
        ("add", Ok(rules)) => operator
            .add_policy(name, level, rules)
            .await
            .map_err(|e| e.to_string()),
        (_, Ok(rules)) => operator
            .change_policy(name, level, rules)
            .await
            .map_err(|e| e.to_string()),
    };
    if let Err(refused) = done {
        let before = admin.service.policy(name).await.ok();
        return Ok(policy_form::page(visitor, before.as_ref(), Some(&refused)).into());
    }
    let said = match fields.text("do") {
        "remove" => format!("{name} is removed; tokens that were issued by it stay as they are."),
        _ => format!("{name} is kept. It counts for tokens that are issued from now on."),
    };
    admin.sessions.say(&visitor.cookie.key(), said);
    Ok(redirect("/admin/policies"))
}
