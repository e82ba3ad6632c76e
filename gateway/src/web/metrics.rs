//! `/metrics`: a listener of its own, plain HTTP, on loopback unless the administrator says otherwise.

use core::{convert::Infallible, time::Duration};
use std::{io, sync::Arc};

use http::{Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

use crate::{metrics::MEDIA_TYPE, service::Service};

/// Who asks at the same time; the next ones wait.
const CONNECTIONS: usize = 16;
/// For a request and its answer.
const WITHIN: Duration = Duration::from_secs(10);

/// Answers until dropped.
///
/// # Errors
///
/// The listener failed.
pub async fn serve(service: Service, listener: TcpListener) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = Arc::clone(&places)
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        let (tcp, peer) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            match timeout(WITHIN, answer(tcp, service)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "a reader of the metrics broke off");
                }
                Err(_elapsed) => tracing::debug!(%peer, "a reader of the metrics is too slow"),
            }
            drop(place);
        });
    }
}

async fn answer(tcp: TcpStream, service: Service) -> hyper::Result<()> {
    let told = service_fn(move |request: Request<Incoming>| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(told(&request, &service).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(WITHIN)
        .keep_alive(false)
        .serve_connection(TokioIo::new(tcp), told)
        .await
}

async fn told(request: &Request<Incoming>, service: &Service) -> Response<String> {
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => match service.metrics_text().await {
            Ok(text) => (StatusCode::OK, MEDIA_TYPE, text),
            Err(error) => {
                tracing::error!(%error, "the metrics cannot be told");
                (StatusCode::SERVICE_UNAVAILABLE, PLAIN, String::new())
            }
        },
        (&Method::GET, _) => (StatusCode::NOT_FOUND, PLAIN, String::new()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, PLAIN, String::new()),
    };
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

const PLAIN: &str = "text/plain; charset=utf-8";
