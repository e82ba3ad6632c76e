//! Where the vault's files are, and that they are this user's alone.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, Mode, OFlags, RenameFlags},
    io::Errno,
};

use super::VaultError;

/// Bits that let others write.
const OTHERS_WRITE: u32 = 0o022;

/// The vault's file and its neighbours in one folder.
#[derive(Clone, Debug)]
pub(super) struct Place {
    file: PathBuf,
}

/// What stands in the first 100 bytes of a database file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub(super) user_version: i32,
    pub(super) application_id: i32,
}

impl Place {
    pub(super) const fn new(file: PathBuf) -> Self {
        Self { file }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The name under which a new vault is built before it gets its own.
    pub(super) fn draft(&self) -> PathBuf {
        self.beside("-new")
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.file.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    fn folder(&self) -> Result<&Path, VaultError> {
        match self.file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => Ok(folder),
            _ => Err(VaultError::Failed("the path has no folder".to_owned())),
        }
    }

    /// Is there something under the vault's name?
    pub(super) fn occupied(&self) -> Result<bool, VaultError> {
        match fs::symlink_metadata(&self.file) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the folder, 0700 whatever the umask, if it is not there.
    pub(super) fn make_folder(&self) -> Result<(), VaultError> {
        let folder = self.folder()?;
        if let Some(parent) = folder.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)?;
        }
        match DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => {
                // The umask can only have taken bits away.
                let handle = open(folder, OFlags::RDONLY | OFlags::DIRECTORY)?;
                rustix::fs::fchmod(&handle, Mode::from_raw_mode(0o700))?;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The folder is a real one, this user's, and nobody else can write to it.
    pub(super) fn check_folder(&self) -> Result<(), VaultError> {
        let found = fs::symlink_metadata(self.folder()?)?;
        if found.is_dir() {
            check_owner(&found)
        } else {
            Err(VaultError::Exposed)
        }
    }

    /// Takes the lock that one process at a time holds.
    pub(super) fn lock(&self) -> Result<LockFile, VaultError> {
        let handle = open(&self.beside("-lock"), OFlags::RDWR | OFlags::CREATE)?;
        check_handle(&handle)?;
        // The umask may have taken the owner's bits away when this made the file.
        rustix::fs::fchmod(&handle, Mode::from_raw_mode(0o600))?;
        match rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(LockFile(handle)),
            Err(Errno::WOULDBLOCK) => Err(VaultError::InUse),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the header of the database file itself, so that a newer one is left as it is: SQLite
    /// would already make its write-ahead files.
    ///
    /// The handle is closed before SQLite opens the file: closing any handle later would drop SQLite's locks.
    pub(super) fn read_header(&self) -> Result<FileHeader, VaultError> {
        for neighbour in ["-wal", "-shm"] {
            match fs::symlink_metadata(self.beside(neighbour)) {
                Ok(found) => check_regular(&found)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut handle = open(&self.file, OFlags::RDONLY | OFlags::NONBLOCK)?;
        check_handle(&handle)?;
        let mut header = [0_u8; 100];
        handle.read_exact(&mut header).map_err(|error| {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                VaultError::Damaged
            } else {
                error.into()
            }
        })?;
        if !header.starts_with(b"SQLite format 3\0") {
            return Err(VaultError::Damaged);
        }
        // https://www.sqlite.org/fileformat2.html, 1.3: user version at 60, application id at 68.
        Ok(FileHeader {
            user_version: number_at(&header, 60)?,
            application_id: number_at(&header, 68)?,
        })
    }

    /// Makes the empty draft file, 0600 whatever the umask, and clears away what an earlier try or a
    /// deleted vault left: a stray write-ahead file would be replayed into the new database.
    pub(super) fn make_draft(&self) -> Result<(), VaultError> {
        for suffix in [
            "-wal",
            "-shm",
            "-journal",
            "-new",
            "-new-wal",
            "-new-shm",
            "-new-journal",
        ] {
            remove_if_there(&self.beside(suffix))?;
        }
        let handle = open(&self.draft(), OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?;
        rustix::fs::fchmod(&handle, Mode::from_raw_mode(0o600))?;
        Ok(())
    }

    /// Gives the finished draft the vault's name, durably. Never replaces anything.
    pub(super) fn publish_draft(&self) -> Result<(), VaultError> {
        let folder = open(self.folder()?, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let draft = self.draft();
        open(&draft, OFlags::RDWR)?.sync_all()?;
        let here = rustix::fs::CWD;
        match rustix::fs::renameat_with(here, &draft, here, &self.file, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(VaultError::Exists),
            // A file system without the flag; the lock is held, and `occupied` was asked under it.
            Err(Errno::INVAL | Errno::NOSYS) => fs::rename(&draft, &self.file)?,
            Err(error) => return Err(error.into()),
        }
        folder.sync_all()?;
        Ok(())
    }

    /// Takes a failed draft away; what cannot be removed now is removed by the next try.
    pub(super) fn discard_draft(&self) {
        for suffix in ["-new", "-new-wal", "-new-shm", "-new-journal"] {
            let _left_for_the_next_try = remove_if_there(&self.beside(suffix)).is_err();
        }
    }
}

/// Held for the life of the vault; the kernel drops it however the process ends.
#[derive(Debug)]
pub(super) struct LockFile(File);

impl Drop for LockFile {
    /// Closing the handle alone is not enough: a child that is between fork and exec has it too.
    fn drop(&mut self) {
        let _released_by_the_kernel = rustix::fs::flock(&self.0, FlockOperation::Unlock).is_err();
    }
}

fn open(path: &Path, flags: OFlags) -> Result<File, VaultError> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::from_raw_mode(0o600)) {
        Ok(handle) => Ok(handle.into()),
        Err(Errno::LOOP | Errno::NOTDIR) => Err(VaultError::Exposed),
        Err(error) => Err(error.into()),
    }
}

fn check_handle(handle: &File) -> Result<(), VaultError> {
    check_regular(&handle.metadata()?)
}

fn check_regular(found: &fs::Metadata) -> Result<(), VaultError> {
    if found.is_file() {
        check_owner(found)
    } else {
        Err(VaultError::Exposed)
    }
}

fn check_owner(found: &fs::Metadata) -> Result<(), VaultError> {
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    if ours && found.mode() & OTHERS_WRITE == 0 {
        Ok(())
    } else {
        Err(VaultError::Exposed)
    }
}

fn remove_if_there(path: &Path) -> Result<(), VaultError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn number_at(header: &[u8; 100], offset: usize) -> Result<i32, VaultError> {
    header
        .get(offset..)
        .and_then(<[u8]>::first_chunk::<4>)
        .map(|bytes| i32::from_be_bytes(*bytes))
        .ok_or(VaultError::Damaged)
}
