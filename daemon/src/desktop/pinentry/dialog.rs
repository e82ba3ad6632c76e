//! What is said in which order.

use core::time::Duration;

use countersign_core::{secret::SecretBytes, text};

use super::{
    connection::{Connection, Times, Typed, Unanswered},
    screen::Place,
};
use crate::agent::ports::{Confirmation, PinDialog, PinEntryError};

/// The most characters of a label or of a line.
const MOST: usize = 300;

const NOT_THE_SAME: &str = "These are not the same. Please try again.";

/// What every dialog has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    pub(super) description: &'a str,
    pub(super) ok: &'a str,
    pub(super) cancel: &'a str,
    pub(super) within: Duration,
}

/// What a program can be asked.
pub(super) trait Dialog: Sync {
    /// What it gives.
    type Answer: Send;

    /// What it shares with all others.
    fn frame(&self) -> Frame<'_>;

    /// Says what is its own.
    fn introduce(
        &self,
        connection: &mut Connection,
    ) -> impl Future<Output = Result<(), PinEntryError>> + Send;

    /// Asks.
    fn ask(
        &self,
        connection: &mut Connection,
    ) -> impl Future<Output = Result<Self::Answer, PinEntryError>> + Send;
}

impl Dialog for PinDialog {
    type Answer = SecretBytes;

    fn frame(&self) -> Frame<'_> {
        Frame {
            title: &self.title,
            description: &self.description,
            ok: &self.ok,
            cancel: "Cancel",
            within: self.within,
        }
    }

    async fn introduce(&self, connection: &mut Connection) -> Result<(), PinEntryError> {
        let prompt = match flavour(connection).await? {
            Flavour::Gnome => &self.title,
            Flavour::Other => &self.prompt,
        };
        connection.request("SETPROMPT", &label(prompt)).await?;
        if let Some(error) = &self.error {
            connection.request("SETERROR", &label(error)).await?;
        }
        Ok(())
    }

    async fn ask(&self, connection: &mut Connection) -> Result<SecretBytes, PinEntryError> {
        typed(connection, self).await
    }
}

impl Dialog for Confirmation {
    type Answer = ();

    fn frame(&self) -> Frame<'_> {
        Frame {
            title: &self.title,
            description: &self.description,
            ok: &self.ok,
            cancel: &self.cancel,
            within: self.within,
        }
    }

    async fn introduce(&self, connection: &mut Connection) -> Result<(), PinEntryError> {
        // GNOME's shows it as the heading.
        connection.suggest("SETPROMPT", &label(&self.title)).await?;
        Ok(())
    }

    async fn ask(&self, connection: &mut Connection) -> Result<(), PinEntryError> {
        connection.request("CONFIRM", "").await?;
        Ok(())
    }
}

/// All that the dialog says, up to the question itself.
pub(super) async fn prepare(
    connection: &mut Connection,
    dialog: &impl Dialog,
    place: &Place,
) -> Result<(), PinEntryError> {
    let frame = dialog.frame();
    // The greeting.
    connection.answer().await?;
    for (name, value) in place.options() {
        let option = if value.is_empty() {
            name.to_owned()
        } else {
            format!("{name}={value}")
        };
        connection.suggest("OPTION", &option).await?;
    }
    // Zero would mean for ever.
    let seconds = frame.within.as_secs().max(1);
    connection
        .suggest("SETTIMEOUT", &seconds.to_string())
        .await?;
    connection.suggest("SETTITLE", &label(frame.title)).await?;
    connection.suggest("SETOK", &label(frame.ok)).await?;
    connection
        .suggest("SETCANCEL", &label(frame.cancel))
        .await?;
    // Without it the user would not know what is asked.
    connection
        .request("SETDESC", &lines(frame.description))
        .await?;
    dialog.introduce(connection).await
}

/// What is shown where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavour {
    /// Shows the prompt as the heading, the title nowhere, and calls the field a password.
    Gnome,
    /// Shows the prompt before the field.
    Other,
}

async fn flavour(connection: &mut Connection) -> Result<Flavour, Unanswered> {
    match connection.request("GETINFO", "flavor").await {
        Ok(name) if name.bytes.as_slice() == b"gnome3" => Ok(Flavour::Gnome),
        // Without a display it says `gnome3:curses`.
        Ok(_) | Err(Unanswered::Refused(_)) => Ok(Flavour::Other),
        Err(broken @ Unanswered::Broken(_)) => Err(broken),
    }
}

/// Asks, and again until both fields agree if there are two.
async fn typed(
    connection: &mut Connection,
    dialog: &PinDialog,
) -> Result<SecretBytes, PinEntryError> {
    let Some(repeat) = &dialog.repeat else {
        return Ok(secret(connection.request("GETPIN", "").await?));
    };
    loop {
        connection.suggest("SETREPEAT", &label(repeat)).await?;
        connection.suggest("SETREPEATERROR", NOT_THE_SAME).await?;
        let first = connection.request("GETPIN", "").await?;
        if first.times == Times::Twice {
            return Ok(secret(first));
        }
        // A flavour without a second field (curses): the same field, once more.
        let first = secret(first);
        connection.request("SETPROMPT", &label(repeat)).await?;
        let second = secret(connection.request("GETPIN", "").await?);
        if first == second {
            return Ok(first);
        }
        connection
            .request("SETPROMPT", &label(&dialog.prompt))
            .await?;
        connection.request("SETERROR", NOT_THE_SAME).await?;
    }
}

fn secret(mut typed: Typed) -> SecretBytes {
    SecretBytes::new(core::mem::take(&mut *typed.bytes))
}

fn label(text: &str) -> String {
    text::display(text, MOST)
}

/// Each line made safe for itself: the breaks between them are ours.
fn lines(text: &str) -> String {
    text.split('\n').map(label).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_line_breaks_stay_and_foreign_marks_show() {
        assert_eq!(
            lines("Log in to Bank\u{202E}?\n\nFrom:\r203.0.113.7\u{7}"),
            "Log in to Bank\u{FFFD}?\n\nFrom: 203.0.113.7\u{FFFD}"
        );
        assert_eq!(label("one\ntwo"), "one two");
    }
}
