//! What becomes of a token.

use axum::{extract::State, response::Response};
use countersign_core::role::Task;

use super::{Admin, failed, redirect, users, views, visitor::Form};
use crate::service::ServiceError;

/// What is done to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Suspend,
    Resume,
    Unlock,
    Link,
    Revoke,
}

impl Order {
    const ALL: [Self; 5] = [
        Self::Suspend,
        Self::Resume,
        Self::Unlock,
        Self::Link,
        Self::Revoke,
    ];

    /// The value of the button.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Unlock => "unlock",
            Self::Link => "link",
            Self::Revoke => "revoke",
        }
    }

    /// Whose task it is.
    pub(super) const fn task(self) -> Task {
        match self {
            Self::Suspend | Self::Resume | Self::Unlock | Self::Link => Task::HelpUser,
            Self::Revoke => Task::ChangeTokens,
        }
    }
}

/// Does it, and goes back to the user.
pub(super) async fn change(State(admin): State<Admin>, form: Form) -> Result<Response, Response> {
    let (visitor, fields) = (&form.visitor, &form.fields);
    let serial = fields.text("serial");
    let Some(order) = Order::ALL
        .into_iter()
        .find(|order| order.word() == fields.text("do"))
    else {
        return Err(views::foreign_form().into());
    };
    // Whose it is says the database, not the form.
    let token = match admin.service.token(serial).await {
        Ok(Some(token)) => token,
        Ok(None) => return Err(views::no_such("token").into()),
        Err(ServiceError(error)) => return Err(failed(&error)),
    };
    let user = &token.user;
    let operator = visitor.operator_for(&admin, order.task(), user).await?;
    let done = match order {
        Order::Suspend => operator.suspend_token(serial).await,
        Order::Resume => operator.resume_token(serial).await,
        Order::Unlock => operator.unlock_token(serial).await,
        Order::Revoke => operator.revoke_token(serial).await,
        Order::Link => {
            return match operator.make_enrollment_link(user, Some(serial)).await {
                Ok(link) => Ok(views::link(visitor, &link).into()),
                Err(refused) => {
                    users::page(&admin, visitor, user, Some(&refused.to_string())).await
                }
            };
        }
    };
    let said = match (done, order) {
        (Err(refused), _) => refused.to_string(),
        (Ok(_), Order::Suspend) => format!("{serial} is suspended."),
        (Ok(_), Order::Resume) => format!("{serial} goes on."),
        (Ok(_), Order::Unlock) => format!("{serial} is unlocked."),
        (Ok(_), Order::Revoke | Order::Link) => {
            format!("{serial} is revoked; its agent erases it.")
        }
    };
    admin.sessions.say(&visitor.cookie.key(), said);
    Ok(redirect(&views::user_path(user)))
}
