//! Who visits: an operator with a session and a role, or nobody.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, request::Parts},
    response::Response,
};
use countersign_core::role::{Role, Task};
use http::StatusCode;

use super::{Admin, HOME, failed, redirect, session::Pace, views};
use crate::{
    service::{Operator, ServiceError},
    web::pages::{
        cookie::{self, CookieOf},
        form::{self, Fields},
        frame::{Page, Site},
    },
};

/// The cookie of a session here.
pub(super) type Cookie = cookie::Cookie<Administration>;

/// Whose cookie it is.
#[derive(Debug)]
pub(super) enum Administration {}

impl CookieOf for Administration {
    const NAME: &'static str = "__Host-countersign-admin";
    const PURPOSE: &'static str = "countersign/administration/1";
}

/// An operator who is logged in and has a role now.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// The session's cookie.
    pub(super) cookie: Cookie,
    /// Who.
    pub(super) user: String,
    /// The role, as it is now.
    pub(super) role: Role,
}

impl Visitor {
    async fn of(headers: &HeaderMap, admin: &Admin) -> Result<Self, Response> {
        let now = admin.service.now();
        let known = Cookie::in_headers(headers).and_then(|cookie| {
            let user = admin.sessions.see(&cookie.key(), now)?;
            Some((cookie, user))
        });
        let Some((cookie, user)) = known else {
            return Err(redirect(HOME));
        };
        match admin.service.role_of(&user).await {
            Ok(Some(role)) => Ok(Self { cookie, user, role }),
            // It was taken meanwhile.
            Ok(None) => {
                admin.sessions.end(&cookie.key());
                Err(redirect(HOME))
            }
            Err(ServiceError(error)) => Err(failed(&error)),
        }
    }

    /// Goes on where the task is one of the role's.
    pub(super) fn may(&self, task: Task) -> Result<(), NotYours> {
        if self.role.may(task) {
            Ok(())
        } else {
            Err(NotYours(self.role))
        }
    }

    /// The operator that does this task for the account of `owner`, where it is one of the role's.
    pub(super) async fn operator_for(
        &self,
        admin: &Admin,
        task: Task,
        owner: &str,
    ) -> Result<Operator, Response> {
        let owner_role = match admin.service.role_of(owner).await {
            Ok(role) => role,
            Err(ServiceError(error)) => return Err(failed(&error)),
        };
        if self.role.may_for(task, owner_role) {
            Ok(self.operator(admin))
        } else {
            Err(NotYours(self.role).into())
        }
    }

    /// As whom the audit log knows the visitor. Ask [`Visitor::may`] before.
    pub(super) fn operator(&self, admin: &Admin) -> Operator {
        admin.service.operator(&self.user)
    }

    /// A page for the visitor.
    pub(super) fn page(&self, title: &'static str) -> Page {
        Page::new(title).site(Site::Administration {
            user: self.user.clone(),
            role: self.role,
            form_secret: self.cookie.form_secret(),
        })
    }
}

/// The task is not one of this role's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotYours(Role);

impl From<NotYours> for Response {
    fn from(NotYours(role): NotYours) -> Self {
        views::not_yours(role).into()
    }
}

impl FromRequestParts<Admin> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Response> {
        Self::of(&parts.headers, admin).await
    }
}

/// A form that one of our pages sent from the browser of an operator.
#[derive(Debug)]
pub(super) struct Form {
    /// From whom.
    pub(super) visitor: Visitor,
    /// What it says.
    pub(super) fields: Fields,
}

impl FromRequest<Admin> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, admin: &Admin) -> Result<Self, Response> {
        let visitor = Visitor::of(request.headers(), admin).await?;
        let fields = fields(request, admin, &visitor.cookie).await?;
        let now = admin.service.now();
        match admin.sessions.change(&visitor.cookie.key(), now) {
            Pace::Steady => Ok(Self { visitor, fields }),
            Pace::TooFast => Err(views::stopped(
                StatusCode::TOO_MANY_REQUESTS,
                "Slower, please",
                "Too many changes were made within a minute. This one was not made.",
            )
            .into()),
        }
    }
}

/// The login form, of somebody who has no session yet.
#[derive(Debug)]
pub(super) struct LoginForm(pub(super) Fields);

impl FromRequest<Admin> for LoginForm {
    type Rejection = Response;

    async fn from_request(request: Request, admin: &Admin) -> Result<Self, Response> {
        let Some(cookie) = Cookie::in_headers(request.headers()) else {
            return Err(views::foreign_form().into());
        };
        fields(request, admin, &cookie).await.map(Self)
    }
}

async fn fields(request: Request, admin: &Admin, cookie: &Cookie) -> Result<Fields, Response> {
    let from_elsewhere = form::from_elsewhere(request.headers());
    let Ok(body) = Bytes::from_request(request, admin).await else {
        return Err(views::foreign_form().into());
    };
    let fields = Fields::read(&body);
    if from_elsewhere || !fields.knows(&cookie.form_secret()) {
        return Err(views::foreign_form().into());
    }
    Ok(fields)
}
