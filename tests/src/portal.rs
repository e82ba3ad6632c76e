//! A person at a browser, without the browser: HTTPS, cookies, redirects and forms.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result, bail};
use http::{Method, Request, header};
use http_body_util::Full;
use hyper::body::Bytes;

use crate::{
    gateway::GatewayProcess,
    http_connection::{HttpConnection, form},
    page::{Form, Page},
    patiently, pinned,
};

/// The most redirects that are followed.
const REDIRECTS: usize = 5;

/// One browser window at a gateway.
#[derive(Debug)]
pub struct Portal {
    connection: HttpConnection,
    cookies: BTreeMap<String, String>,
    headers: Vec<(String, String)>,
}

impl Portal {
    /// A window that trusts this gateway's identity key and nothing else.
    ///
    /// # Errors
    ///
    /// The gateway does not tell its pin.
    pub fn open(gateway: &GatewayProcess) -> Result<Self> {
        let tls = Arc::new(pinned::client(gateway.pin()?));
        Ok(Self {
            connection: HttpConnection::new(gateway.address(), Some(tls)),
            cookies: BTreeMap::new(),
            headers: Vec::new(),
        })
    }

    /// The same window with a header on every request, e.g. a front's key.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Fetches a page.
    ///
    /// # Errors
    ///
    /// The gateway does not answer.
    pub fn visit(&mut self, path: &str) -> Result<Page> {
        self.follow(Method::GET, path, &[])
    }

    /// Sends a form: its own fields, with those of `filled` in their place, and one button.
    ///
    /// # Errors
    ///
    /// The form has no such field, or the gateway does not answer.
    pub fn send(
        &mut self,
        page: &Page,
        form: &Form,
        filled: &[(&str, &str)],
        button: Option<(&str, &str)>,
    ) -> Result<Page> {
        let mut fields = form.fields.clone();
        for (name, text) in filled {
            let field = fields
                .iter_mut()
                .find(|(field, _)| field == name)
                .with_context(|| format!("the form has no field {name:?}"))?;
            (*text).clone_into(&mut field.1);
        }
        fields.extend(button.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let action = if form.action.is_empty() {
            page.path.clone()
        } else {
            form.action.clone()
        };
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        self.post(&action, &fields)
    }

    /// Sends fields as a form does.
    ///
    /// # Errors
    ///
    /// The gateway does not answer.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Page> {
        self.follow(Method::POST, path, fields)
    }

    fn address(&self) -> SocketAddr {
        self.connection.address()
    }

    fn follow(&mut self, method: Method, path: &str, fields: &[(&str, &str)]) -> Result<Page> {
        let (mut method, mut path) = (method, path.to_owned());
        let mut fields = fields;
        for _ in 0..REDIRECTS {
            let (page, location) = self.exchange(&method, &path, fields)?;
            let Some(location) = location else {
                return Ok(page);
            };
            let origin = format!("https://{}", self.address());
            location
                .strip_prefix(&origin)
                .unwrap_or(&location)
                .clone_into(&mut path);
            method = Method::GET;
            fields = &[];
        }
        bail!("{path} redirects without end")
    }

    fn exchange(
        &mut self,
        method: &Method,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<(Page, Option<String>)> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address().to_string())
            .header(header::USER_AGENT, "Countersign-Tests/1 (Linux)");
        if method == Method::POST {
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::ORIGIN, format!("https://{}", self.address()));
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<_> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let body = if method == Method::POST {
            form(fields)
        } else {
            String::new()
        };
        let request = request.body(Full::new(Bytes::from(body)))?;
        let exchange = self.connection.exchange(request);
        let what = format!("{method} {path}");
        let answer = patiently(&what, exchange)?.with_context(|| what.clone())?;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').context("a cookie without a value")?;
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = match answer.headers.get(header::LOCATION) {
            Some(location) if answer.status.is_redirection() => Some(location.to_str()?.to_owned()),
            _ => None,
        };
        let page = Page {
            status: answer.status.as_u16(),
            path: path.to_owned(),
            body: answer.body,
        };
        Ok((page, location))
    }
}
