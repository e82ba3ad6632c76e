//! `countersign-desktop`: does one task for `countersign` and ends.
//!
//! Pictures come from anywhere and their decoders are large: what reads them is a process without files, network and
//! tokens ([`confinement`]), and a picture that brings it down brings down nothing else. What takes pictures, of the
//! screen or from the clipboard, gives their bytes as they are and decodes nothing. `countersign` itself has no bus and
//! no decoders.

mod codes;
mod confinement;
mod picture;
mod take;
mod tell;

use std::{
    env,
    io::{self, Read as _, Write as _},
    process::ExitCode,
};

use countersign_proto::{
    desktop::{Task, Trouble, encode_texts},
    limits::PICTURE_BYTES,
};
use zeroize::Zeroizing;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let task = arguments.next().and_then(|word| Task::from_word(&word));
    let done = match (task, arguments.next()) {
        (Some(task), None) => perform(task),
        _ => Err(Trouble::Usage),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            // A standard error that is gone has nobody behind it.
            drop(writeln!(io::stderr(), "countersign-desktop: {trouble}"));
            ExitCode::from(trouble.exit_code())
        }
    }
}

fn perform(task: Task) -> Result<(), Trouble> {
    confinement::limit()?;
    match task {
        Task::ReadPicture => {
            confinement::confine()?;
            let bytes = read_all(PICTURE_BYTES)?;
            let picture = picture::decode(&bytes)?;
            let mut out = Zeroizing::new(Vec::new());
            let texts = codes::read(&picture);
            encode_texts(texts.iter().map(|text| text.as_slice()), &mut out);
            give(&out)
        }
        Task::TakeClipboard => {
            let (taken, bytes) = take::clipboard::take()?;
            give(&[taken.byte()])?;
            give(&bytes)
        }
        Task::TakeScreen => give(&take::screen::take()?),
        Task::TakeCamera => take::camera::take(),
        Task::Tell => tell::tell(&read_all(tell::LONGEST)?),
    }
}

/// All of standard input.
fn read_all(most: usize) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::new());
    io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|_error| Trouble::Failed)?;
    if bytes.len() > most {
        return Err(Trouble::TooLarge);
    }
    Ok(bytes)
}

fn give(bytes: &[u8]) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|_gone| Trouble::Failed)
}
