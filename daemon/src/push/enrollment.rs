//! Enrollment over HTTPS: DSKPP's POSTs (RFC 6063, section 7.2) and the registration.

use core::time::Duration;

use async_trait::async_trait;
use countersign_core::text;
use countersign_proto::{
    limits,
    push::v1::{self as push, push_client::PushClient},
};
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use url::Url;

use super::{
    gateway::channel,
    tls::{self, Alpn, host_port},
};
use crate::agent::ports::{EnrollmentTransport, TransportError};

/// The longest answer, in bytes.
const BODY: usize = 64 * 1024;
/// How long one exchange may take in all.
const WHOLE: Duration = Duration::from_mins(1);
/// DSKPP's media type.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/dskpp+xml");
/// The longest foreign text in a sentence, in characters.
const SHOWN: usize = 200;

/// [`EnrollmentTransport`] over hyper and tonic.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpsEnrollment;

#[async_trait]
impl EnrollmentTransport for HttpsEnrollment {
    async fn post(
        &self,
        url: &str,
        pins: &[[u8; 32]],
        body: Vec<u8>,
    ) -> Result<Vec<u8>, TransportError> {
        let url = parsed(url)?;
        let host = host_port(&url);
        tokio::time::timeout(WHOLE, exchange(&url, &host, pins, body))
            .await
            .unwrap_or_else(|_elapsed| {
                Err(TransportError::Unreachable {
                    host,
                    why: "no answer in time".to_owned(),
                })
            })
    }

    async fn register(
        &self,
        url: &str,
        pins: &[[u8; 32]],
        request: push::RegisterRequest,
    ) -> Result<push::RegisterReply, TransportError> {
        let url = parsed(url)?;
        let host = host_port(&url);
        let registering = async {
            let connected = tls::connect(&url, pins, Alpn::H2).await?;
            let channel = channel(&url, connected.stream).await?;
            let mut client = PushClient::new(channel)
                .max_decoding_message_size(limits::PUSH_MESSAGE)
                .max_encoding_message_size(limits::PUSH_MESSAGE);
            let reply =
                client
                    .register(request)
                    .await
                    .map_err(|status| TransportError::Refused {
                        host: host.clone(),
                        why: text::display(status.message(), SHOWN),
                    })?;
            Ok(reply.into_inner())
        };
        tokio::time::timeout(WHOLE, registering)
            .await
            .unwrap_or_else(|_elapsed| {
                Err(TransportError::Unreachable {
                    host: host.clone(),
                    why: "no answer in time".to_owned(),
                })
            })
    }
}

fn parsed(url: &str) -> Result<Url, TransportError> {
    Url::parse(url).map_err(|_malformed| TransportError::Protocol {
        host: String::new(),
        why: "the URL is malformed".to_owned(),
    })
}

async fn exchange(
    url: &Url,
    host: &str,
    pins: &[[u8; 32]],
    body: Vec<u8>,
) -> Result<Vec<u8>, TransportError> {
    let protocol = |why: &str| TransportError::Protocol {
        host: host.to_owned(),
        why: why.to_owned(),
    };
    let connected = tls::connect(url, pins, Alpn::Http11).await?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(BODY)
        .handshake(TokioIo::new(connected.stream))
        .await
        .map_err(|_failed| protocol("HTTP could not be set up"))?;
    let driving = tokio::spawn(connection);
    let answer = sender
        .send_request(request(url, host, body).map_err(|_url| protocol("the URL is malformed"))?);
    let answer = answer.await.map_err(|_failed| protocol("no HTTP answer"))?;
    let status = answer.status();
    let is_dskpp = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|found| found.as_bytes().starts_with(MEDIA_TYPE.as_bytes()));
    let body = Limited::new(answer.into_body(), BODY).collect().await;
    driving.abort();
    let body = body.map_err(|_too_long| protocol("the answer is too long or was cut off"))?;
    match (status, is_dskpp) {
        (StatusCode::OK, true) => Ok(body.to_bytes().to_vec()),
        (StatusCode::OK, false) => Err(protocol("this is not an enrollment address")),
        (status, _) => Err(TransportError::Refused {
            host: host.to_owned(),
            why: format!("HTTP status {}", status.as_u16()),
        }),
    }
}

fn request(url: &Url, host: &str, body: Vec<u8>) -> http::Result<Request<Full<Bytes>>> {
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    Request::post(target.parse::<Uri>()?)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, MEDIA_TYPE)
        .header(header::ACCEPT, MEDIA_TYPE)
        .header(header::CACHE_CONTROL, "no-cache, no-store")
        .header(header::PRAGMA, "no-cache")
        .body(Full::new(Bytes::from(body)))
}
