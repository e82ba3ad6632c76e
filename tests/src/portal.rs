//! A person at a browser, without the browser: HTTPS, cookies, redirects and forms.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result, bail};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Bytes, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{
    gateway::GatewayProcess,
    page::{Form, Page},
    patiently, pinned,
};

/// The most redirects that are followed.
const REDIRECTS: usize = 5;
/// The most that is read of a page, in bytes.
const PAGE: usize = 1024 * 1024;

/// One browser window at a gateway.
#[derive(Debug)]
pub struct Portal {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    connection: Option<SendRequest<Full<Bytes>>>,
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
        Ok(Self {
            address: gateway.address(),
            tls: Arc::new(pinned::client(gateway.pin()?)),
            connection: None,
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

    fn follow(&mut self, method: Method, path: &str, fields: &[(&str, &str)]) -> Result<Page> {
        let (mut method, mut path) = (method, path.to_owned());
        let mut fields = fields;
        for _ in 0..REDIRECTS {
            let (page, location) = self.exchange(&method, &path, fields)?;
            let Some(location) = location else {
                return Ok(page);
            };
            let origin = format!("https://{}", self.address);
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
            .header(header::HOST, self.address.to_string())
            .header(header::USER_AGENT, "Countersign-Tests/1 (Linux)");
        if method == Method::POST {
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::ORIGIN, format!("https://{}", self.address));
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
            encoded(fields)
        } else {
            String::new()
        };
        let request = request.body(Full::new(Bytes::from(body)))?;
        let exchange = self.send_request(request);
        let what = format!("{method} {path}");
        let (status, headers, body) = patiently(&what, exchange)?.with_context(|| what.clone())?;
        for cookie in headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').context("a cookie without a value")?;
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = match headers.get(header::LOCATION) {
            Some(location) if status.is_redirection() => Some(location.to_str()?.to_owned()),
            _ => None,
        };
        let page = Page {
            status: status.as_u16(),
            path: path.to_owned(),
            body,
        };
        Ok((page, location))
    }

    /// One exchange on the open connection, or on a new one.
    async fn send_request(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, HeaderMap, String)> {
        let open = match self.connection.take() {
            Some(mut open) => open.ready().await.is_ok().then_some(open),
            None => None,
        };
        let mut connection = match open {
            Some(open) => open,
            None => connect(self.address, Arc::clone(&self.tls)).await?,
        };
        let (parts, body) = connection.send_request(request).await?.into_parts();
        let body = Limited::new(body, PAGE)
            .collect()
            .await
            .map_err(|error| anyhow::anyhow!("the page: {error}"))?
            .to_bytes();
        self.connection = Some(connection);
        Ok((
            parts.status,
            parts.headers,
            String::from_utf8(body.to_vec())?,
        ))
    }
}

async fn connect(address: SocketAddr, tls: Arc<ClientConfig>) -> Result<SendRequest<Full<Bytes>>> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::IpAddress(address.ip().into());
    let stream = TlsConnector::from(tls).connect(name, tcp).await?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with its sender, or when the gateway does; the next request tells.
    tokio::spawn(connection);
    Ok(sender)
}

/// `application/x-www-form-urlencoded`.
fn encoded(fields: &[(&str, &str)]) -> String {
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
        assert_eq!(encoded(&[("a b", "c&d=é")]), "a%20b=c%26d%3D%C3%A9");
    }
}
