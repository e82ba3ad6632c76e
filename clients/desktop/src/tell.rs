//! Tells how something ended that began without a terminal: a notification without buttons.

use core::time::Duration;
use std::collections::HashMap;

use countersign_proto::desktop::Trouble;
use tokio::time::timeout;
use zbus::{Connection, proxy, zvariant::Value};

/// The longest text, in bytes.
pub(crate) const LONGEST: usize = 4_096;
/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// As long as the server usually shows one.
const USUAL: i32 = -1;

#[proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications",
    gen_blocking = false
)]
trait Server {
    #[expect(clippy::too_many_arguments, reason = "the specification's")]
    fn notify(
        &self,
        app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: &str,
        body: &str,
        actions: &[&str],
        hints: HashMap<&str, Value<'_>>,
        expire_timeout: i32,
    ) -> zbus::Result<u32>;
    fn get_capabilities(&self) -> zbus::Result<Vec<String>>;
}

/// Shows the first line as the heading and the others below it.
///
/// # Errors
///
/// [`Trouble::NoNotifications`].
pub(crate) fn tell(text: &[u8]) -> Result<(), Trouble> {
    let text = String::from_utf8_lossy(text);
    let (heading, words) = text.split_once('\n').unwrap_or((&text, ""));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|_error| Trouble::Failed)?;
    let told = runtime.block_on(async { timeout(PATIENCE, show(heading, words.trim_end())).await });
    match told {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Trouble::NoNotifications),
    }
}

async fn show(heading: &str, words: &str) -> zbus::Result<()> {
    let bus = Connection::session().await?;
    let server = ServerProxy::new(&bus).await?;
    let capabilities = server.get_capabilities().await.unwrap_or_default();
    let body = if capabilities.iter().any(|one| one == "body-markup") {
        escaped(words)
    } else {
        words.to_owned()
    };
    let hints = HashMap::from([("desktop-entry", Value::from("org.countersign.Enroll"))]);
    server
        .notify(
            "Countersign",
            0,
            "dialog-password",
            heading,
            &body,
            &[],
            hints,
            USUAL,
        )
        .await
        .map(drop)
}

/// The words are no markup, whoever they come from.
fn escaped(words: &str) -> String {
    words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_words_is_markup() {
        assert_eq!(
            escaped("<b>R&D</b> &lt;"),
            "&lt;b&gt;R&amp;D&lt;/b&gt; &amp;lt;"
        );
    }
}
