//! A front or a browser at the gateway's router, without the network in between.

use std::net::SocketAddr;

use axum::{Router, body::Body};
use countersign_gateway::web;
use data_encoding::BASE64;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;
use url::form_urlencoded;

use crate::stage::Stage;

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// Who sends requests: with headers and cookies of its own.
#[derive(Clone)]
pub(crate) struct Client {
    router: Router,
    headers: HeaderMap,
    cookies: Vec<(String, String)>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn code(&self) -> (u16, i64) {
        let code = self.json()["result"]["error"]["code"].as_i64().unwrap();
        (self.status.as_u16(), code)
    }

    /// `result.authentication` and `detail.message`.
    pub(crate) fn said(&self) -> (String, String) {
        let json = self.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (
            text(&json["result"]["authentication"]),
            text(&json["detail"]["message"]),
        )
    }

    /// The value of a hidden field of the page.
    pub(crate) fn hidden(&self, name: &str) -> String {
        let (_, rest) = self
            .body
            .split_once(&format!("name=\"{name}\" value=\""))
            .unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }
}

impl Client {
    pub(crate) async fn new(stage: &Stage) -> Self {
        Self {
            router: web::router(&stage.service).await.unwrap(),
            headers: HeaderMap::new(),
            cookies: Vec::new(),
        }
    }

    /// The same gateway, another browser.
    pub(crate) fn other(&self) -> Self {
        Self {
            router: self.router.clone(),
            headers: HeaderMap::new(),
            cookies: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn with_basic(self, name: &str, key: &str) -> Self {
        let credentials = BASE64.encode(format!("{name}:{key}").as_bytes());
        self.with("authorization", &format!("Basic {credentials}"))
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send(Method::GET, path, None, String::new()).await
    }

    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.send(Method::POST, path, Some(FORM), body).await
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        media: Option<&str>,
        body: String,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(media) = media {
            request = request.header(header::CONTENT_TYPE, media);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in &self.cookies {
            request = request.header(header::COOKIE, format!("{name}={value}"));
        }
        let mut request = request.body(Body::from(body)).unwrap();
        let peer = SocketAddr::from(([192, 0, 2, 7], 50_000));
        request.extensions_mut().insert(peer);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        for cookie in head.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.retain(|(other, _)| other != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let bytes = body.collect().await.unwrap().to_bytes();
        Reply {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// Loads the page, sends one of its forms, and follows the way back to the page.
    pub(crate) async fn fill(&mut self, action: &str, fields: &[(&str, &str)]) -> Reply {
        let page = self.get("/example/").await;
        let form_secret = page.hidden("form_secret");
        let mut all = vec![("form_secret", form_secret.as_str())];
        all.extend_from_slice(fields);
        let reply = self.post(&format!("/example/{action}"), &all).await;
        if reply.status == StatusCode::SEE_OTHER {
            let to = reply.headers[header::LOCATION].to_str().unwrap().to_owned();
            self.get(&to).await
        } else {
            reply
        }
    }

    /// Every cookie that it has.
    pub(crate) fn cookies(&self) -> &[(String, String)] {
        &self.cookies
    }

    /// Puts back what it had.
    pub(crate) fn use_cookies(&mut self, cookies: &[(String, String)]) {
        self.cookies = cookies.to_vec();
    }
}
