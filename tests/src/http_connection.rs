//! One HTTP/1.1 connection that is kept open, over TLS or in the clear.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    body::Bytes,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The most that is read of an answer, in bytes.
const ANSWER: usize = 1024 * 1024;

/// A connection to one server, opened at the first exchange and again when the server has closed it.
#[derive(Debug)]
pub struct HttpConnection {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    open: Option<SendRequest<Full<Bytes>>>,
}

/// What a server answered.
#[derive(Debug)]
pub struct HttpAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, which must be text.
    pub body: String,
}

impl HttpAnswer {
    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body)
            .with_context(|| format!("no JSON ({}): {}", self.status, self.body))
    }
}

impl HttpConnection {
    /// To the server at `address`; `None`: without TLS.
    #[must_use]
    pub fn new(address: SocketAddr, tls: Option<Arc<ClientConfig>>) -> Self {
        Self {
            address,
            tls,
            open: None,
        }
    }

    /// The server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a form and reads the answer. `authorization` is that header, if any.
    ///
    /// # Errors
    ///
    /// The server does not answer.
    pub async fn post(
        &mut self,
        path: &str,
        authorization: Option<&str>,
        fields: &[(&str, &str)],
    ) -> Result<HttpAnswer> {
        let mut request = Request::post(path)
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(Bytes::from(form(fields))))?;
        self.exchange(request).await
    }

    /// Fetches what lies at `path`.
    ///
    /// # Errors
    ///
    /// The server does not answer.
    pub async fn get(&mut self, path: &str, authorization: &str) -> Result<HttpAnswer> {
        let request = Request::get(path)
            .header(header::HOST, self.address.to_string())
            .header(header::AUTHORIZATION, authorization)
            .body(Full::default())?;
        self.exchange(request).await
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    ///
    /// The server does not answer, or not with text.
    pub async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<HttpAnswer> {
        let open = match self.open.take() {
            Some(mut open) => open.ready().await.is_ok().then_some(open),
            None => None,
        };
        let mut open = match open {
            Some(open) => open,
            None => self.connect().await?,
        };
        let (parts, body) = open.send_request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER)
            .collect()
            .await
            .map_err(|error| anyhow::anyhow!("the answer: {error}"))?
            .to_bytes();
        self.open = Some(open);
        Ok(HttpAnswer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec())?,
        })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        // Each ends with its sender, or when the server does; the next exchange tells.
        if let Some(tls) = &self.tls {
            let name = ServerName::IpAddress(self.address.ip().into());
            let stream = TlsConnector::from(Arc::clone(tls))
                .connect(name, tcp)
                .await?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            Ok(sender)
        } else {
            let (sender, connection) = http1::handshake(TokioIo::new(tcp)).await?;
            tokio::spawn(connection);
            Ok(sender)
        }
    }
}

/// `application/x-www-form-urlencoded`.
#[must_use]
pub fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", percent(name), percent(value)))
        .collect();
    pairs.join("&")
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_encoding() {
        assert_eq!(form(&[("a b", "c&d=é")]), "a%20b=c%26d%3D%C3%A9");
    }
}
