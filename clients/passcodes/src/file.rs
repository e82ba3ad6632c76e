//! Opening, trusting, reading and replacing files of the folder.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use countersign_core::{
    pam_passcode::MAX_TEXT,
    secret::{SecretBytes, SecretText},
};
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, Stat},
    io::Errno,
    process::Uid,
};
use zeroize::Zeroizing;

use crate::{StoreError, Unsafe, error::while_};

/// What a file of the folder may be for others: nothing.
const OTHERS: Mode = Mode::RWXG.union(Mode::RWXO);
/// Of a record.
const OWNERS_ALONE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The folder at `path`; none if there is none.
pub(crate) fn open_folder(path: &Path, owner: Uid) -> Result<Option<OwnedFd>, StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP | Errno::NOTDIR) => return Err(Unsafe::Kind.into()),
        Err(cause) => return Err(while_("open the folder of the passcodes")(cause)),
    };
    trusted(&folder, FileType::Directory, owner)?;
    Ok(Some(folder))
}

/// A file of the folder, if it is there and can be trusted.
pub(crate) fn open(
    folder: BorrowedFd<'_>,
    name: &str,
    owner: Uid,
) -> Result<Option<OwnedFd>, StoreError> {
    // Not to wait for who writes into a FIFO.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        // A link; a socket.
        Err(Errno::LOOP | Errno::NXIO) => return Err(Unsafe::Kind.into()),
        Err(cause) => return Err(while_("open the record")(cause)),
    };
    trusted(&file, FileType::RegularFile, owner)?;
    Ok(Some(file))
}

/// The text of a file that is `owner`'s alone and no longer than a record; none if it is not there.
///
/// # Errors
/// [`StoreError`]: it is not to be trusted, or cannot be read.
pub fn read_secret(path: &Path, owner: Uid) -> Result<Option<SecretText>, StoreError> {
    let name = path.to_str().ok_or(StoreError::Unsafe(Unsafe::Kind))?;
    let file = open(rustix::fs::CWD, name, owner)?;
    file.as_ref().map(read).transpose()
}

/// A file of the folder to lock; made if it is not there.
pub(crate) fn open_lock(
    folder: BorrowedFd<'_>,
    name: &str,
    owner: Uid,
) -> Result<OwnedFd, StoreError> {
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(folder, name, flags, OWNERS_ALONE) {
        Ok(file) => file,
        Err(Errno::LOOP | Errno::NXIO) => return Err(Unsafe::Kind.into()),
        Err(cause) => return Err(while_("open the lock")(cause)),
    };
    trusted(&file, FileType::RegularFile, owner)?;
    Ok(file)
}

/// Is it of its kind, the owner's, and the owner's alone?
fn trusted(handle: impl AsFd, kind: FileType, owner: Uid) -> Result<Stat, StoreError> {
    let found = rustix::fs::fstat(handle).map_err(while_("look at the record"))?;
    if FileType::from_raw_mode(found.st_mode) != kind {
        return Err(Unsafe::Kind.into());
    }
    if found.st_uid != owner.as_raw() {
        return Err(Unsafe::Owner.into());
    }
    if Mode::from_raw_mode(found.st_mode).intersects(OTHERS) {
        return Err(Unsafe::Mode.into());
    }
    Ok(found)
}

/// All of a file that is no longer than a record.
pub(crate) fn read(file: &OwnedFd) -> Result<SecretText, StoreError> {
    // One byte more, to see that it is longer.
    let mut text = Zeroizing::new(vec![0; MAX_TEXT.saturating_add(1)]);
    let mut length = 0_usize;
    while let Some(room) = text.get_mut(length..).filter(|room| !room.is_empty()) {
        match rustix::io::read(file, room) {
            Ok(0) => break,
            Ok(more) => length = length.saturating_add(more),
            Err(Errno::INTR) => {}
            Err(cause) => return Err(while_("read the record")(cause)),
        }
    }
    if length > MAX_TEXT {
        return Err(Unsafe::Size.into());
    }
    let bytes = SecretBytes::from(text.get(..length).unwrap_or_default());
    let text = bytes.as_text().ok_or(StoreError::Damaged(
        countersign_core::pam_passcode::TextError::Head,
    ))?;
    Ok(SecretText::from(text))
}

/// Puts `text` in the place of `name`, durably, whole or not at all. Under the user's lock, to which `draft` belongs.
pub(crate) fn replace(
    folder: BorrowedFd<'_>,
    name: &str,
    draft: &str,
    text: &SecretText,
) -> Result<(), StoreError> {
    remove(folder, draft)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, draft, flags, OWNERS_ALONE)
        .map_err(while_("make the new record"))?;
    let written = fill(&file, text.expose().as_bytes())
        .and_then(|()| rustix::fs::renameat(folder, draft, folder, name))
        .and_then(|()| rustix::fs::fsync(folder));
    written.map_err(|cause| {
        // What stays of it is removed by the next try.
        let _left = remove(folder, draft).is_err();
        while_("write the record")(cause)
    })
}

fn fill(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(Errno::NOSPC),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(cause) => return Err(cause),
        }
    }
    // A umask takes bits away, never too few; 0600 also where it takes the owner's.
    rustix::fs::fchmod(file, OWNERS_ALONE)?;
    rustix::fs::fsync(file)
}

/// Removes a file of the folder; durable with the next rename or [`sync`].
pub(crate) fn remove(folder: BorrowedFd<'_>, name: &str) -> Result<(), StoreError> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(cause) => Err(while_("remove the old record")(cause)),
    }
}

/// What was removed stays so.
pub(crate) fn sync(folder: BorrowedFd<'_>) -> Result<(), StoreError> {
    rustix::fs::fsync(folder).map_err(while_("write the folder"))
}
