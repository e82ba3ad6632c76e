//! A way to the server that loses answers: the server has done what was asked, and nobody hears of it.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::{Context as _, Result};

/// The longest request, in bytes.
const MOST: u64 = 1024 * 1024;

/// Listens on the loopback and passes on what comes, a connection each. It ends with the program.
pub(crate) struct LossyWay {
    address: SocketAddr,
    lost: Arc<Mutex<Option<String>>>,
}

impl LossyWay {
    /// To the server at `host`.
    pub(crate) fn to(host: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let lost = Arc::new(Mutex::new(None));
        let (server, loses) = (host.to_owned(), Arc::clone(&lost));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, loses) = (server.clone(), Arc::clone(&loses));
                thread::spawn(move || pass(client, &server, &loses));
            }
        });
        Ok(Self { address, lost })
    }

    /// The base address of this way.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next answer to a request for `path` is lost.
    pub(crate) fn lose(&self, path: &str) {
        *lock(&self.lost) = Some(path.to_owned());
    }
}

/// One request and its answer.
fn pass(client: TcpStream, server: &str, lost: &Mutex<Option<String>>) -> Result<()> {
    let mut reader = BufReader::new(client.try_clone()?).take(MOST);
    let (mut head, mut length) = (String::new(), 0);
    let mut path = None;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        path = path.or_else(|| line.split(' ').nth(1).map(str::to_owned));
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse()?;
        }
        if !name.eq_ignore_ascii_case("connection") {
            head.push_str(line);
            head.push_str("\r\n");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut upstream = TcpStream::connect(server)?;
    write!(upstream, "{head}Connection: close\r\n\r\n")?;
    upstream.write_all(&body)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    let path = path.context("no request")?;
    if lock(lost).take_if(|lost| *lost == path).is_some() {
        return Ok(());
    }
    let mut client = client;
    client.write_all(&answer)?;
    client.flush().map_err(io::Error::into)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
