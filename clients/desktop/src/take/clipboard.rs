//! The clipboard: under Wayland where its compositor shows it to programs without a window, else under X11.

use core::time::Duration;
use std::io::Read as _;

use countersign_proto::{
    desktop::{Taken, Trouble},
    limits::{ENROLLMENT_TEXT, PICTURE_BYTES},
};
use wl_clipboard_rs::paste::{
    ClipboardType, Error as WaylandError, MimeType, Seat, get_contents, get_mime_types_ordered,
};
use zeroize::Zeroizing;

/// How long whoever owns the X11 clipboard may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The formats that are read, the one that loses nothing first.
const PICTURES: [&str; 2] = ["image/png", "image/jpeg"];

type Bytes = Zeroizing<Vec<u8>>;

/// A picture if one is offered, else a text.
///
/// # Errors
///
/// [`Trouble::NoClipboard`], [`Trouble::EmptyClipboard`], [`Trouble::TooLarge`].
pub(crate) fn take() -> Result<(Taken, Bytes), Trouble> {
    match from_wayland() {
        Err(Trouble::NoClipboard) => from_x11(),
        taken => taken,
    }
}

fn from_wayland() -> Result<(Taken, Bytes), Trouble> {
    let offered = get_mime_types_ordered(ClipboardType::Regular, Seat::Unspecified);
    let offered = offered.map_err(|error| wayland_trouble(&error))?;
    let picture = PICTURES
        .into_iter()
        .find(|format| offered.iter().any(|offered| offered == format));
    let (taken, format, most) = match picture {
        Some(format) => (Taken::Picture, MimeType::Specific(format), PICTURE_BYTES),
        None => (Taken::Text, MimeType::Text, ENROLLMENT_TEXT),
    };
    let (pipe, _) = get_contents(ClipboardType::Regular, Seat::Unspecified, format)
        .map_err(|error| wayland_trouble(&error))?;
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::new());
    pipe.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|_error| Trouble::Failed)?;
    bounded(taken, bytes, most)
}

fn wayland_trouble(error: &WaylandError) -> Trouble {
    match error {
        WaylandError::NoSeats | WaylandError::ClipboardEmpty | WaylandError::NoMimeType => {
            Trouble::EmptyClipboard
        }
        // No compositor, or one that shows its clipboard to windows only.
        WaylandError::SocketOpenError(_)
        | WaylandError::WaylandConnection(_)
        | WaylandError::WaylandCommunication(_)
        | WaylandError::MissingProtocol { .. }
        | WaylandError::PrimarySelectionUnsupported
        | WaylandError::SeatNotFound
        | WaylandError::PipeCreation(_) => Trouble::NoClipboard,
    }
}

fn from_x11() -> Result<(Taken, Bytes), Trouble> {
    let clipboard = x11_clipboard::Clipboard::new().map_err(|_error| Trouble::NoClipboard)?;
    let atoms = &clipboard.getter.atoms;
    for format in PICTURES {
        let target = clipboard
            .getter
            .get_atom(format)
            .map_err(|_error| Trouble::NoClipboard)?;
        // Whoever has no picture says so, or gives nothing.
        let loaded = clipboard.load(atoms.clipboard, target, atoms.property, PATIENCE);
        match loaded.map(Zeroizing::new) {
            Ok(bytes) if !bytes.is_empty() => return bounded(Taken::Picture, bytes, PICTURE_BYTES),
            Ok(_) | Err(_) => {}
        }
    }
    let loaded = clipboard.load(atoms.clipboard, atoms.utf8_string, atoms.property, PATIENCE);
    let text = loaded.map_err(|_error| Trouble::EmptyClipboard)?;
    bounded(Taken::Text, Zeroizing::new(text), ENROLLMENT_TEXT)
}

fn bounded(taken: Taken, bytes: Bytes, most: usize) -> Result<(Taken, Bytes), Trouble> {
    if bytes.is_empty() {
        return Err(Trouble::EmptyClipboard);
    }
    if bytes.len() > most {
        return Err(Trouble::TooLarge);
    }
    Ok((taken, bytes))
}
