//! Enrollment over HTTPS: DSKPP's POSTs (RFC 6063, section 7.2) and the registration.

use core::time::Duration;

use async_trait::async_trait;
use countersign_core::text;
use countersign_proto::push::v1 as push;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tonic::Code;
use url::Url;

use super::{
    http2,
    tls::{self, Alpn, host_port},
};
use crate::agent::ports::{EnrollmentTransport, TransportError};

/// The longest answer, in bytes; its headers are held to the same.
const BODY: usize = 64 * 1024;
/// The most headers of an answer.
const HEADERS: usize = 64;
/// How long one exchange may take in all: the service makes keys meanwhile.
const WHOLE: Duration = Duration::from_mins(1);
/// DSKPP's media type.
const MEDIA_TYPE: &str = "application/dskpp+xml";
const USER_AGENT: &str = concat!("Countersign/", env!("CARGO_PKG_VERSION"));
/// The longest foreign text in a sentence, in characters.
const SHOWN: usize = 200;

/// [`EnrollmentTransport`] over hyper and tonic. Every exchange is a connection of its own.
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
        in_time(host_port(&url), exchange(&url, pins, body)).await
    }

    async fn register(
        &self,
        url: &str,
        pins: &[[u8; 32]],
        request: push::RegisterRequest,
    ) -> Result<push::RegisterReply, TransportError> {
        let url = parsed(url)?;
        let registration = Box::pin(registration(&url, pins, request));
        in_time(host_port(&url), registration).await
    }

    async fn change_server_pin(
        &self,
        url: &str,
        pins: &[[u8; 32]],
        request: push::ServerPinRequest,
    ) -> Result<push::ServerPinReply, TransportError> {
        let url = parsed(url)?;
        let change = Box::pin(async {
            let connected = tls::connect(&url, pins, Alpn::H2).await?;
            let mut client = http2::client(&url, connected.stream, http2::BRIEF).await?;
            let reply = client.change_server_pin(request).await;
            reply
                .map(tonic::Response::into_inner)
                .map_err(|status| refusal(&url, &status))
        });
        in_time(host_port(&url), change).await
    }
}

fn parsed(url: &str) -> Result<Url, TransportError> {
    Url::parse(url).map_err(|_malformed| TransportError::Protocol {
        host: text::display(url, SHOWN),
        why: "this is not a URL".to_owned(),
    })
}

async fn in_time<T>(
    host: String,
    exchange: impl Future<Output = Result<T, TransportError>>,
) -> Result<T, TransportError> {
    let why = "no answer in time".to_owned();
    timeout(WHOLE, exchange)
        .await
        .unwrap_or(Err(TransportError::Unreachable { host, why }))
}

async fn exchange(url: &Url, pins: &[[u8; 32]], body: Vec<u8>) -> Result<Vec<u8>, TransportError> {
    let host = host_port(url);
    let protocol = |why: &str| TransportError::Protocol {
        host: host.clone(),
        why: why.to_owned(),
    };
    let request = request(url, &host, body).map_err(|_url| protocol("its URL is malformed"))?;
    let connected = tls::connect(url, pins, Alpn::Http11).await?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(BODY)
        .max_headers(HEADERS)
        .handshake(TokioIo::new(connected.stream))
        .await
        .map_err(|_failed| protocol("HTTP could not be set up"))?;
    let answered = async {
        let answer = sender
            .send_request(request)
            .await
            .map_err(|_failed| protocol("no HTTP answer"))?;
        check(&answer, &host)?;
        let body = Limited::new(answer.into_body(), BODY)
            .collect()
            .await
            .map_err(|_failed| protocol("the answer is too long or was cut off"))?;
        Ok(body.to_bytes().to_vec())
    };
    // The connection is driven here, so that nothing of it outlives the exchange.
    tokio::pin!(connection, answered);
    tokio::select! {
        answer = &mut answered => answer,
        // It ends first where the service closes; what it has read by then is still there.
        _ended = &mut connection => answered.await,
    }
}

/// 200 with DSKPP in it, or what it was instead. Redirects are not followed: the host was confirmed by the user.
fn check<B>(answer: &http::Response<B>, host: &str) -> Result<(), TransportError> {
    let host = host.to_owned();
    let status = answer.status();
    if status.is_client_error() {
        let why = match status {
            StatusCode::NOT_FOUND => "there is no enrollment at this address".to_owned(),
            StatusCode::TOO_MANY_REQUESTS => "too many tries, wait a little".to_owned(),
            other => format!("HTTP status {}", other.as_u16()),
        };
        return Err(TransportError::Refused { host, why });
    }
    let why = if status != StatusCode::OK {
        format!("HTTP status {}", status.as_u16())
    } else if !is_dskpp(answer.headers().get(header::CONTENT_TYPE)) {
        "this is not an enrollment address".to_owned()
    } else {
        return Ok(());
    };
    Err(TransportError::Protocol { host, why })
}

/// Whether the header is DSKPP's media type, parameters aside (RFC 9110, section 8.3.1).
fn is_dskpp(content_type: Option<&HeaderValue>) -> bool {
    content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case(MEDIA_TYPE))
}

fn request(url: &Url, host: &str, body: Vec<u8>) -> http::Result<Request<Full<Bytes>>> {
    let target = url.query().map_or_else(
        || url.path().to_owned(),
        |query| format!("{}?{query}", url.path()),
    );
    Request::post(Uri::try_from(target)?)
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONTENT_TYPE, MEDIA_TYPE)
        .header(header::ACCEPT, MEDIA_TYPE)
        .header(header::CACHE_CONTROL, "no-cache, no-store")
        .header(header::PRAGMA, "no-cache")
        .header(header::CONNECTION, "close")
        .body(Full::new(Bytes::from(body)))
}

async fn registration(
    url: &Url,
    pins: &[[u8; 32]],
    request: push::RegisterRequest,
) -> Result<push::RegisterReply, TransportError> {
    let connected = tls::connect(url, pins, Alpn::H2).await?;
    let mut client = http2::client(url, connected.stream, http2::BRIEF).await?;
    let reply = client.register(request).await;
    reply
        .map(tonic::Response::into_inner)
        .map_err(|status| refusal(url, &status))
}

/// What a gRPC status of the service means.
fn refusal(url: &Url, status: &tonic::Status) -> TransportError {
    let host = host_port(url);
    let why = text::display(status.message(), SHOWN);
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
            TransportError::Unreachable { host, why }
        }
        Code::Unimplemented => TransportError::Protocol {
            host,
            why: "it does not have this service".to_owned(),
        },
        Code::Internal | Code::Unknown | Code::OutOfRange | Code::DataLoss | Code::Ok => {
            TransportError::Protocol { host, why }
        }
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unauthenticated => TransportError::Refused { host, why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, media_type: &'static str) -> http::Response<()> {
        http::Response::builder()
            .status(status)
            .header(header::CONTENT_TYPE, media_type)
            .body(())
            .unwrap()
    }

    #[test]
    fn only_dskpp_with_200_is_an_answer() {
        let host = "id.example:443";
        for media_type in [
            "application/dskpp+xml",
            "Application/DSKPP+xml; charset=UTF-8",
        ] {
            assert_eq!(check(&answer(200, media_type), host), Ok(()));
        }
        for (status, media_type) in [
            (200, "text/html"),
            (200, "application/dskpp+xmlish"),
            (302, MEDIA_TYPE),
            (500, MEDIA_TYPE),
        ] {
            assert!(matches!(
                check(&answer(status, media_type), host),
                Err(TransportError::Protocol { .. })
            ));
        }
        let gone = check(&answer(410, "text/html"), host).unwrap_err();
        assert_eq!(gone.to_string(), "id.example:443 refused: HTTP status 410");
    }

    #[test]
    fn the_request_is_what_rfc_6063_asks_for() {
        let url = Url::parse("https://id.example:8443/enroll/dskpp?sc=Ab3dEf9hIj").unwrap();
        let request = request(&url, "id.example:8443", b"<x/>".to_vec()).unwrap();
        assert_eq!(request.method(), http::Method::POST);
        assert_eq!(request.uri(), "/enroll/dskpp?sc=Ab3dEf9hIj");
        let header = |name| request.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(header(header::HOST), "id.example:8443");
        assert_eq!(header(header::CONTENT_TYPE), MEDIA_TYPE);
        assert_eq!(header(header::CACHE_CONTROL), "no-cache, no-store");
        assert_eq!(header(header::PRAGMA), "no-cache");
    }
}
