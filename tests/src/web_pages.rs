//! Pages that a server on this machine shows, for the browsers.

use std::sync::Arc;

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::{block_on, runtime};

/// One page: its path, headers of its own (each with its line end), its HTML.
#[derive(Clone, Debug)]
pub struct WebPage {
    /// `/login`
    pub path: String,
    /// `Content-Security-Policy: sandbox\r\n`, or nothing.
    pub headers: String,
    /// The document.
    pub html: String,
}

/// A server of a few pages. Ended on drop.
#[derive(Debug)]
pub struct WebPages {
    port: u16,
    server: JoinHandle<()>,
}

impl WebPages {
    /// Serves `html`, whatever is asked for.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub fn one(html: &str) -> Result<Self> {
        Self::serve(vec![WebPage {
            path: String::new(),
            headers: String::new(),
            html: html.to_owned(),
        }])
    }

    /// Serves several pages; the last one also for what is not there.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub fn serve(pages: Vec<WebPage>) -> Result<Self> {
        let listener = block_on(TcpListener::bind("127.0.0.1:0"))?;
        let port = listener.local_addr()?.port();
        let pages = Arc::new(pages);
        let serve = async move {
            let mut visits = JoinSet::new();
            // A browser also opens connections that it has no use for yet: each visitor is served beside the others.
            while let Ok((visitor, _)) = listener.accept().await {
                visits.spawn(answer(visitor, Arc::clone(&pages)));
                while visits.try_join_next().is_some() {}
            }
        };
        runtime::enter();
        let server = tokio::spawn(serve);
        Ok(Self { port, server })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn origin(&self) -> String {
        self.origin_as("127.0.0.1")
    }

    /// The same pages under another name of this machine: `localhost`, `other.localhost`.
    #[must_use]
    pub fn origin_as(&self, name: &str) -> String {
        format!("http://{name}:{}", self.port)
    }
}

/// One request, one page. A visitor that goes away wants none.
async fn answer(mut visitor: TcpStream, pages: Arc<Vec<WebPage>>) {
    let mut asked = [0; 4096];
    let read = visitor.read(&mut asked).await.unwrap_or_default();
    let asked = String::from_utf8_lossy(asked.get(..read).unwrap_or_default());
    let path = asked.split_whitespace().nth(1).unwrap_or_default();
    let page = pages.iter().find(|page| page.path == path);
    let Some(page) = page.or_else(|| pages.last()) else {
        return;
    };
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n{}Connection: close\r\n\r\n{}",
        page.html.len(),
        page.headers,
        page.html
    );
    drop(visitor.write_all(answer.as_bytes()).await);
}

impl Drop for WebPages {
    fn drop(&mut self) {
        self.server.abort();
    }
}
