//! The pipe that the browser is driven over: a JSON message each way, a zero byte after each.

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{ChildStdin, ChildStdout},
};

/// The largest message that is read, in bytes: a picture of a page.
const LARGEST: usize = 16 << 20;

/// Both its ends.
#[derive(Debug)]
pub(super) struct Pipe {
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    last: u32,
}

impl Pipe {
    pub(super) fn new(to: ChildStdin, from: ChildStdout) -> Self {
        Self {
            to,
            from: BufReader::new(from),
            last: 0,
        }
    }

    /// One call, and its answer; events are passed over. Without a session it goes to the browser itself.
    ///
    /// # Errors
    ///
    /// The browser refuses, or has ended.
    pub(super) async fn call(
        &mut self,
        method: &str,
        params: Value,
        session: Option<&str>,
    ) -> Result<Value> {
        self.last = self.last.wrapping_add(1);
        let id = self.last;
        let mut message = json!({"id": id, "method": method, "params": params});
        if let (Some(session), Some(message)) = (session, message.as_object_mut()) {
            message.insert("sessionId".to_owned(), session.into());
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).await?;
        loop {
            let mut bytes = Vec::new();
            self.from.read_until(0, &mut bytes).await?;
            if bytes.pop() != Some(0) || bytes.len() > LARGEST {
                bail!("the browser ended");
            }
            let mut said: Value = serde_json::from_slice(&bytes)?;
            if said.get("id") == Some(&json!(id)) {
                if let Some(error) = said.get("error") {
                    bail!("{method}: {error}");
                }
                return Ok(said.get_mut("result").map(Value::take).unwrap_or_default());
            }
        }
    }
}
