//! `/`: what this address is, for somebody who has opened it in a browser.

use axum::extract::State;

use super::{
    frame::Page,
    html::{Text, html},
};
use crate::service::Service;

/// The gateway's page.
pub(super) async fn landing(State(service): State<Service>) -> Page {
    let config = &service.settings().config;
    let portal = config.sample_resource.enabled.then_some(
        "<li><h2>Try it</h2>\
         <p>The Example Portal is a small site behind this gateway. Log in there and approve it on \
         your desktop.</p>\
         <p><a class=\"button\" href=\"/example/\">Open the Example Portal</a></p></li>",
    );
    Page::new("Gateway").body(html![
        "<p class=\"over\">Authentication service</p><h1>",
        Text(&config.name),
        "</h1><p class=\"lead\">When you log in to something here, your own computer asks whether it is \
         you. This is the gateway that passes the question on and brings the answer back.</p>\
         <ul class=\"paths\">",
        portal,
        "<li><h2>You have an activation string</h2>\
         <p>Copy it, then add the token to this computer:</p>\
         <pre><code>countersign enroll</code></pre>\
         <p class=\"hint\">The command asks for the string, so that it does not stay in your shell’s \
         history.</p></li>\
         <li><h2>You run a service</h2>\
         <p>Register it at the gateway. Plugins made for privacyIDEA work with this address:</p>\
         <pre><code>",
        Text(config.origin()),
        "</code></pre></li></ul>"
    ])
}
