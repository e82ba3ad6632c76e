//! A real client at a real socket.

use axum::{Extension, routing::get};
use http::{StatusCode, Version};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Bytes, client::conn};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream as ClientStream};

use super::*;
use crate::settings::Config;

struct Listening {
    address: SocketAddr,
    service: Service,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
    _folder: TempDir,
}

impl Listening {
    async fn new() -> Self {
        Self::with_handshake_within(HANDSHAKE).await
    }

    async fn with_handshake_within(limit: Duration) -> Self {
        Self::with(Times {
            handshake: limit,
            ..Times::of(&PushSettings::default())
        })
        .await
    }

    async fn with(times: Times) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = Config::new("Example", address, None).unwrap();
        Service::init(folder.path(), &config).await.unwrap();
        let service = Service::open(folder.path()).await.unwrap();
        let router = super::super::router(&service)
            .await
            .unwrap()
            .route("/test/who", get(who));
        let acceptor = acceptor(&service.settings().tls).unwrap();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(accept_all(acceptor, router, listener, times, async {
            drop(stopped.await);
        }));
        Self {
            address,
            service,
            stop,
            ended,
            _folder: folder,
        }
    }

    /// A client that trusts this one certificate.
    async fn connect(
        &self,
        trusted: &CertificateDer<'static>,
        protocols: &[&[u8]],
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<ClientStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let tcp = TcpStream::connect(self.address).await.unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
    }

    fn identity(&self) -> CertificateDer<'static> {
        self.service.settings().tls.chain[1].clone()
    }
}

/// What a handler finds among the extensions.
async fn who(
    Extension(peer): Extension<SocketAddr>,
    exporter: Option<Extension<TlsExporter>>,
) -> String {
    let exporter = exporter.map(|Extension(TlsExporter(bytes))| bytes);
    format!("{peer} {exporter:?}")
}

fn exported(session: &ClientConnection) -> [u8; 32] {
    session
        .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None)
        .unwrap()
}

const BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

#[tokio::test]
async fn http_2_and_the_same_exporter_at_both_ends() {
    let listening = Listening::new().await;
    let tls = listening
        .connect(&listening.identity(), &[b"h2", b"http/1.1"], &BOTH)
        .await
        .unwrap();
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(tls.get_ref().1.peer_certificates().unwrap().len(), 2);
    let here = tls.get_ref().0.local_addr().unwrap();
    let expected = format!("{here} {:?}", Some(exported(tls.get_ref().1)));

    let (mut requests, connection) =
        conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls))
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("https://127.0.0.1/test/who")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = requests.send_request(request).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, expected);
    connection.abort();
}

#[tokio::test]
async fn http_1_over_tls_1_2_has_no_exporter() {
    let listening = Listening::new().await;
    let mut tls = listening
        .connect(&listening.identity(), &[], &[&rustls::version::TLS12])
        .await
        .unwrap();
    let here = tls.get_ref().0.local_addr().unwrap();
    tls.write_all(b"GET /test/who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    tls.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with(&format!("{here} None")), "{answer}");
}

#[tokio::test]
async fn a_gateway_with_another_identity_is_not_trusted() {
    let (one, other) = (Listening::new().await, Listening::new().await);
    assert!(one.connect(&other.identity(), &[], &BOTH).await.is_err());
    assert!(one.connect(&one.identity(), &[], &BOTH).await.is_ok());
    let spoken = one.connect(&one.identity(), &[b"spdy/3"], &BOTH).await;
    assert!(spoken.is_err(), "a protocol that nobody speaks");
}

#[tokio::test]
async fn who_says_nothing_is_cut_off() {
    let listening = Listening::with_handshake_within(Duration::from_millis(1)).await;
    let mut silent = TcpStream::connect(listening.address).await.unwrap();
    assert_eq!(silent.read(&mut [0; 16]).await.unwrap(), 0);
}

#[tokio::test]
async fn an_agent_that_answers_no_ping_is_let_go() {
    let listening = Listening::with(Times {
        ping_every: Duration::from_millis(50),
        ping_answer: Duration::from_millis(50),
        ..Times::of(&PushSettings::default())
    })
    .await;
    let mut tls = listening
        .connect(&listening.identity(), &[b"h2"], &BOTH)
        .await
        .unwrap();
    // RFC 9113: the preface, no settings, and a request whose body never ends: a stream that stays open.
    tls.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    // POST https / with the static table of RFC 7541, END_HEADERS and no END_STREAM.
    tls.write_all(b"\0\0\x0e\x01\x04\0\0\0\x01\x83\x87\x84\x41\x09127.0.0.1")
        .await
        .unwrap();
    let mut sent = Vec::new();
    let read = timeout(Duration::from_mins(1), tls.read_to_end(&mut sent)).await;
    assert!(read.is_ok(), "the connection stays open");
    let mut rest = sent.as_slice();
    let mut kinds = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk::<9>() {
        let length = usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap();
        kinds.push(head[3]);
        rest = after.get(length..).unwrap_or_default();
    }
    assert!(kinds.contains(&6), "no ping: {kinds:?}");
}

#[tokio::test]
async fn an_end_lets_the_open_request_finish_and_closes_idle_connections() {
    let listening = Listening::new().await;
    let mut tls = listening
        .connect(&listening.identity(), &[b"http/1.1"], &BOTH)
        .await
        .unwrap();
    tls.write_all(b"GET /healthz/livez HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 15];
    tls.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    listening.stop.send(()).unwrap();
    listening.ended.await.unwrap();
    let mut rest = Vec::new();
    tls.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"}"));
    assert!(TcpStream::connect(listening.address).await.is_err());
}

#[tokio::test]
async fn agents_and_people_are_served_at_one_address() {
    let listening = Listening::new().await;
    for (path, status, media) in [
        ("/", StatusCode::OK, "text/html; charset=utf-8"),
        ("/example/", StatusCode::OK, "text/html; charset=utf-8"),
        (
            "/nowhere",
            StatusCode::NOT_FOUND,
            "text/html; charset=utf-8",
        ),
        (
            "/enroll/dskpp?sc=x",
            StatusCode::OK,
            "text/plain; charset=utf-8",
        ),
        (
            "/countersign.push.v1.Push/Nothing",
            StatusCode::OK,
            "application/grpc",
        ),
        ("/healthz/readyz", StatusCode::OK, "application/json"),
    ] {
        let tls = listening
            .connect(&listening.identity(), &[b"h2"], &BOTH)
            .await
            .unwrap();
        let (mut requests, connection) =
            conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls))
                .await
                .unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::get(format!("https://127.0.0.1{path}"))
            .body(Empty::<Bytes>::new())
            .unwrap();
        let response = requests.send_request(request).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["content-type"], media, "{path}");
        connection.abort();
    }
}
