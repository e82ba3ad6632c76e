//! HTTP to one server: a connection that is used again while it lasts, TLS as the token's link said.

use core::time::Duration;

use countersign_core::{privacyidea::MAX_REPLY, secret::SecretText, time::UnixMillis};
use http::{Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    body::Bytes,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinHandle,
    time::timeout,
};
use url::Url;

use crate::{
    agent::ports::{HttpReply, TransportError, Trust},
    push::{
        key_only,
        tls::{self, Alpn, host_port},
    },
};

/// The longest headers of an answer, in bytes.
const HEAD: usize = 64 * 1024;
/// The most headers of an answer.
const HEADERS: usize = 64;
/// How long one exchange may take.
const WHOLE: Duration = Duration::from_secs(15);
const FORM: &str = "application/x-www-form-urlencoded";
const USER_AGENT: &str = concat!("Countersign/", env!("CARGO_PKG_VERSION"));

/// A client of one server. Redirects are not followed: the host was confirmed by the user.
pub(super) struct HttpClient {
    trust: Trust,
    open: Option<Open>,
    key: Option<[u8; 32]>,
}

/// An open connection, and the task that drives it.
struct Open {
    origin: String,
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl HttpClient {
    pub(super) const fn new(trust: Trust) -> Self {
        Self {
            trust,
            open: None,
            key: None,
        }
    }

    /// The key that the server showed last.
    pub(super) const fn key(&self) -> Option<[u8; 32]> {
        self.key
    }

    pub(super) async fn get(&mut self, address: &str) -> Result<HttpReply, TransportError> {
        self.exchange(Method::GET, address, Bytes::new()).await
    }

    pub(super) async fn post(
        &mut self,
        address: &str,
        form: &SecretText,
    ) -> Result<HttpReply, TransportError> {
        let body = Bytes::copy_from_slice(form.expose().as_bytes());
        self.exchange(Method::POST, address, body).await
    }

    async fn exchange(
        &mut self,
        method: Method,
        address: &str,
        body: Bytes,
    ) -> Result<HttpReply, TransportError> {
        let url = Url::parse(address).map_err(|_malformed| TransportError::Protocol {
            host: String::new(),
            why: "its address is malformed".to_owned(),
        })?;
        let host = host_port(&url);
        let whole = timeout(WHOLE, self.sent(&url, &host, method, body)).await;
        let reply = whole.unwrap_or_else(|_late| {
            let why = "no answer in time".to_owned();
            Err(TransportError::Unreachable { host, why })
        });
        if reply.is_err() {
            self.open = None;
        }
        reply
    }

    async fn sent(
        &mut self,
        url: &Url,
        host: &str,
        method: Method,
        body: Bytes,
    ) -> Result<HttpReply, TransportError> {
        let unreachable = |why: &str| TransportError::Unreachable {
            host: host.to_owned(),
            why: why.to_owned(),
        };
        let protocol = |why: &str| TransportError::Protocol {
            host: host.to_owned(),
            why: why.to_owned(),
        };
        let mut open = self.connection(url, host).await?;
        let request = request(url, host, &method, body)
            .map_err(|_url| protocol("its address is malformed"))?;
        let answer = open
            .sender
            .send_request(request)
            .await
            .map_err(|_broke| unreachable("the connection broke"))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_REPLY).collect();
        let body = body
            .await
            .map_err(|_failed| protocol("the answer is too long or was cut off"))?;
        self.open = Some(open);
        Ok(HttpReply {
            status: head.status.as_u16(),
            body: body.to_bytes().to_vec(),
            date: head.headers.get(header::DATE).and_then(date),
        })
    }

    /// The connection from before, if the server has kept it and it leads to `url`; else a new one.
    async fn connection(&mut self, url: &Url, host: &str) -> Result<Open, TransportError> {
        let origin = url.origin().ascii_serialization();
        if let Some(mut open) = self.open.take()
            && open.origin == origin
            && !open.sender.is_closed()
            && open.sender.ready().await.is_ok()
        {
            return Ok(open);
        }
        match (url.scheme(), &self.trust) {
            ("https", Trust::Authorities) => {
                let connected = tls::connect(url, &[], Alpn::Http11).await?;
                Open::on(origin, connected.stream, host).await
            }
            ("https", Trust::Key(key)) => {
                let connected = key_only::connect(url, Some(*key)).await?;
                Open::on(origin, connected.stream, host).await
            }
            ("https", Trust::FirstUse) => {
                let connected = key_only::connect(url, None).await?;
                self.key = Some(connected.key);
                Open::on(origin, connected.stream, host).await
            }
            ("http", Trust::Nothing) => {
                Open::on(origin, key_only::connect_plain(url).await?, host).await
            }
            // What was accepted for one scheme is not accepted for another.
            _ => Err(TransportError::Untrusted {
                host: host.to_owned(),
            }),
        }
    }
}

impl Open {
    async fn on<S>(origin: String, stream: S, host: &str) -> Result<Self, TransportError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD)
            .max_headers(HEADERS)
            .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(|_failed| TransportError::Protocol {
                host: host.to_owned(),
                why: "HTTP could not be set up".to_owned(),
            })?;
        let driver = tokio::spawn(async move {
            // How it ended, the requests on it tell.
            drop(connection.await);
        });
        Ok(Self {
            origin,
            sender,
            driver,
        })
    }
}

fn request(
    url: &Url,
    host: &str,
    method: &Method,
    body: Bytes,
) -> http::Result<Request<Full<Bytes>>> {
    let target = url.query().map_or_else(
        || url.path().to_owned(),
        |query| format!("{}?{query}", url.path()),
    );
    let mut request = Request::builder()
        .method(method)
        .uri(Uri::try_from(target)?)
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "application/json");
    if *method == Method::POST {
        request = request.header(header::CONTENT_TYPE, FORM);
    }
    request.body(Full::new(body))
}

/// RFC 9110, section 5.6.7.
fn date(value: &http::HeaderValue) -> Option<UnixMillis> {
    let time = jiff::fmt::rfc2822::parse(value.to_str().ok()?).ok()?;
    Some(UnixMillis(time.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_clock_is_read() {
        let read = |text| date(&http::HeaderValue::from_static(text));
        assert_eq!(
            read("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(UnixMillis(784_111_777_000))
        );
        assert_eq!(read("yesterday"), None);
    }

    #[test]
    fn a_poll_and_an_answer_are_plain_requests() {
        let url = Url::parse("http://pi.example:5000/ttype/push?serial=A&signature=B%3D").unwrap();
        let poll = request(&url, "pi.example:5000", &Method::GET, Bytes::new()).unwrap();
        assert_eq!(poll.uri(), "/ttype/push?serial=A&signature=B%3D");
        assert!(!poll.headers().contains_key(header::CONTENT_TYPE));
        let answer = request(&url, "pi.example:5000", &Method::POST, Bytes::new()).unwrap();
        assert_eq!(answer.headers()[header::CONTENT_TYPE], FORM);
        assert_eq!(answer.headers()[header::HOST], "pi.example:5000");
    }
}
