//! One connection to the gateway, and what it answers.

use std::{io, sync::Arc};

use countersign_core::secret::SecretText;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    body::Bytes,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, form_urlencoded};

use crate::{login::Trouble, settings::Settings};

/// The most that is read of an answer, in bytes.
const ANSWER: usize = 64 * 1024;

/// An open connection.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    front: SecretText,
    /// What the gateway's address begins with, without a slash at its end.
    base: String,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(settings: &Settings) -> Result<Self, Trouble> {
        let url = &settings.url;
        let host = url.host().ok_or(Trouble::Local)?;
        let port = url.port_or_known_default().ok_or(Trouble::Local)?;
        let name = match host {
            Host::Domain(domain) => ServerName::try_from(domain.to_owned()).ok(),
            Host::Ipv4(address) => Some(ServerName::IpAddress(
                core::net::IpAddr::from(address).into(),
            )),
            Host::Ipv6(address) => Some(ServerName::IpAddress(
                core::net::IpAddr::from(address).into(),
            )),
        };
        let name = name.ok_or(Trouble::Local)?;
        let plain = match host {
            Host::Domain(domain) => domain.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let tcp = TcpStream::connect((plain, port))
            .await
            .map_err(|error| trouble(&error))?;
        tcp.set_nodelay(true).map_err(|error| trouble(&error))?;
        let stream = TlsConnector::from(Arc::new(settings.tls.clone()))
            .connect(name, tcp)
            .await
            .map_err(|error| trouble(&error))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_broken| Trouble::Away)?;
        // It ends with its sender; an error of it is one of the exchange.
        drop(tokio::spawn(async move { drop(connection.await) }));
        Ok(Self {
            sender,
            host: url.authority().to_owned(),
            front: settings.front.clone(),
            base: url.path().trim_end_matches('/').to_owned(),
        })
    }

    /// `POST` of a form.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        form: &[(&str, &str)],
    ) -> Result<Value, Trouble> {
        let body = encoded(form);
        let request = Request::post(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.exchange(request, Bytes::from(body)).await
    }

    /// `GET` with a query.
    pub(crate) async fn get(
        &mut self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Value, Trouble> {
        let request = Request::get(format!("{}{path}?{}", self.base, encoded(query)));
        self.exchange(request, Bytes::new()).await
    }

    async fn exchange(
        &mut self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Value, Trouble> {
        let request = request
            .header(header::HOST, &self.host)
            .header(header::AUTHORIZATION, self.front.expose())
            .body(Full::new(body))
            .map_err(|_never| Trouble::Local)?;
        self.sender.ready().await.map_err(|_gone| Trouble::Away)?;
        let answer = self.sender.send_request(request).await;
        let (parts, body) = answer.map_err(|_gone| Trouble::Away)?.into_parts();
        let body = Limited::new(body, ANSWER).collect().await;
        let body = body.map_err(|_gone| Trouble::Away)?.to_bytes();
        if parts.status != StatusCode::OK {
            return Err(Trouble::Away);
        }
        serde_json::from_slice(&body).map_err(|_no_answer| Trouble::Away)
    }
}

fn encoded(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// Is it the network, or what the caller has left this process? What is no error of the system's is TLS, or a name that is
/// not resolved.
fn trouble(error: &io::Error) -> Trouble {
    use io::ErrorKind;
    let networks = matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::TimedOut
    );
    if networks || error.raw_os_error().is_none() {
        Trouble::Away
    } else {
        Trouble::Local
    }
}
