//! What is said in which order.

use countersign_core::{secret::SecretBytes, text};

use super::{
    connection::{Connection, Times, Typed, Unanswered},
    screen::Place,
};
use crate::agent::ports::{PinDialog, PinEntryError};

/// The most characters of a label or of a line.
const MOST: usize = 300;

const NOT_THE_SAME: &str = "These are not the same. Please try again.";

/// All that the dialog says, up to the question itself.
pub(super) async fn prepare(
    connection: &mut Connection,
    dialog: &PinDialog,
    place: &Place,
) -> Result<(), PinEntryError> {
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
    let seconds = dialog.within.as_secs().max(1);
    connection
        .suggest("SETTIMEOUT", &seconds.to_string())
        .await?;
    connection
        .suggest("SETTITLE", &label(&dialog.title))
        .await?;
    connection.suggest("SETOK", &label(&dialog.ok)).await?;
    connection.suggest("SETCANCEL", "Cancel").await?;
    // Without these the user would not know what is asked.
    connection
        .request("SETDESC", &lines(&dialog.description))
        .await?;
    let prompt = match flavour(connection).await? {
        Flavour::Gnome => &dialog.title,
        Flavour::Other => &dialog.prompt,
    };
    connection.request("SETPROMPT", &label(prompt)).await?;
    if let Some(error) = &dialog.error {
        connection.request("SETERROR", &label(error)).await?;
    }
    Ok(())
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
pub(super) async fn ask(
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
