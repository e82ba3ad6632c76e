//! In and out.

use std::net::SocketAddr;

use axum::{Extension, extract::State, response::Response};
use countersign_core::{role::Role, secret::SecretText};
use http::HeaderMap;

use super::{
    Admin, HOME, failed, redirect, views,
    visitor::{Cookie, Form, LoginForm, Visitor},
};
use crate::{
    service::{OperatorAttempt, OperatorLogin, ServiceError},
    web::client,
};

/// The login form, or the first page of who is in.
pub(super) async fn home(visitor: Result<Visitor, Response>, headers: HeaderMap) -> Response {
    match visitor {
        Ok(visitor) => redirect(first_page(visitor.role)),
        Err(_nobody) => {
            let (cookie, known) = match Cookie::in_headers(&headers) {
                Some(cookie) => (cookie, true),
                None => (Cookie::random(), false),
            };
            let page = views::login_form("", None, &cookie.form_secret());
            let mut response: Response = page.into();
            if !known {
                cookie.set(&mut response);
            }
            response
        }
    }
}

const fn first_page(role: Role) -> &'static str {
    match role {
        Role::Administrator | Role::Helpdesk => "/admin/users",
        Role::Auditor => "/admin/audit",
    }
}

/// Name, password and passcode.
pub(super) async fn log_in(
    State(admin): State<Admin>,
    Extension(peer): Extension<SocketAddr>,
    headers: HeaderMap,
    LoginForm(form): LoginForm,
) -> Response {
    let user = form.text("user").trim().to_owned();
    let passcode: String = form
        .text("passcode")
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let behind_proxy = admin.service.settings().config.push.behind_proxy;
    let attempt = OperatorAttempt {
        user: user.clone(),
        password: form.secret("password"),
        passcode: SecretText::new(passcode),
        client_address: client::address(&headers, peer, behind_proxy),
    };
    let told = match admin.service.log_in_operator(attempt).await {
        Ok(OperatorLogin::In(role)) => {
            // Another cookie than the one before the login.
            let cookie = Cookie::random();
            admin
                .sessions
                .begin(cookie.key(), user, admin.service.now());
            let mut response = redirect(first_page(role));
            cookie.set(&mut response);
            return response;
        }
        Ok(told) => told,
        Err(ServiceError(error)) => return failed(&error),
    };
    let Some(cookie) = Cookie::in_headers(&headers) else {
        return redirect(HOME);
    };
    views::login_form(&user, Some(told), &cookie.form_secret()).into()
}

/// Out.
pub(super) async fn log_out(State(admin): State<Admin>, form: Form) -> Response {
    admin.sessions.end(&form.visitor.cookie.key());
    let mut response = redirect(HOME);
    Cookie::clear(&mut response);
    response
}
