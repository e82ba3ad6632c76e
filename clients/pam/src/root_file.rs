//! A file that is believed because only root could have written it.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open};

/// Permission bits that let somebody else write.
const OTHERS_WRITE: u32 = 0o022;

/// Why a file is not believed.
#[derive(Debug, thiserror::Error)]
pub enum RootFileError {
    /// It is not there.
    #[error("it is not there")]
    Absent,
    /// Not a regular file, or a symbolic link.
    #[error("it is not a regular file")]
    Kind,
    /// Somebody else than root owns it.
    #[error("it belongs to uid {0}, not to root")]
    Owner(u32),
    /// Somebody else than root can write it.
    #[error("others can write it (mode {0:o})")]
    Mode(u32),
    /// Too long.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    /// It could not be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// The content of `path`, if `owner` alone could have written it, and it has at most `most` bytes. The folders on the way
/// are `owner`'s or root's; one that others can write lets nobody take away what is not theirs (as `/tmp`).
///
/// # Errors
///
/// Every variant of [`RootFileError`].
pub fn read_root_file(path: &Path, owner: u32, most: usize) -> Result<Vec<u8>, RootFileError> {
    for folder in path.ancestors().skip(1) {
        check_folder(folder, owner)?;
    }
    let file = check(path, owner, FileType::RegularFile)?;
    let mut content = Vec::new();
    let bound = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    file.take(bound).read_to_end(&mut content)?;
    if content.len() > most {
        return Err(RootFileError::TooLong(most));
    }
    Ok(content)
}

/// Could somebody else put another file in its place?
fn check_folder(path: &Path, owner: u32) -> Result<(), RootFileError> {
    const STICKY: u32 = 0o1000;
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let (_folder, stat) = opened(path, FileType::Directory)?;
    if stat.st_uid != owner && stat.st_uid != 0 {
        return Err(RootFileError::Owner(stat.st_uid));
    }
    if stat.st_mode & OTHERS_WRITE != 0 && stat.st_mode & STICKY == 0 {
        return Err(RootFileError::Mode(stat.st_mode & 0o7777));
    }
    Ok(())
}

/// Opens it without following a link or waiting for a pipe, and looks at what was opened.
fn opened(path: &Path, kind: FileType) -> Result<(File, Stat), RootFileError> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = open(path, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR => RootFileError::Absent,
        rustix::io::Errno::LOOP | rustix::io::Errno::NXIO => RootFileError::Kind,
        other => RootFileError::Read(other.into()),
    })?;
    let stat = fstat(&file).map_err(io::Error::from)?;
    if FileType::from_raw_mode(stat.st_mode) != kind {
        return Err(RootFileError::Kind);
    }
    Ok((File::from(file), stat))
}

fn check(path: &Path, owner: u32, kind: FileType) -> Result<File, RootFileError> {
    let (file, stat) = opened(path, kind)?;
    if stat.st_uid != owner {
        return Err(RootFileError::Owner(stat.st_uid));
    }
    if stat.st_mode & OTHERS_WRITE != 0 {
        return Err(RootFileError::Mode(stat.st_mode & 0o7777));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn own() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn place() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = folder.path().join("alice");
        fs::write(&path, "content").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        (folder, path)
    }

    #[test]
    fn a_file_of_its_owner_alone_is_read() {
        let (_folder, path) = place();
        assert_eq!(read_root_file(&path, own(), 7).unwrap(), b"content");
        assert!(matches!(
            read_root_file(&path, own(), 6),
            Err(RootFileError::TooLong(6))
        ));
    }

    #[test]
    fn what_others_could_have_written_is_not() {
        let (folder, path) = place();
        assert!(matches!(
            read_root_file(&path, own() + 1, 7),
            Err(RootFileError::Owner(_))
        ));
        for mode in [0o664, 0o646, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(
                read_root_file(&path, own(), 7),
                Err(RootFileError::Mode(_))
            ));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(
            read_root_file(&path, own(), 7),
            Err(RootFileError::Mode(_))
        ));
    }

    #[test]
    fn links_pipes_and_folders_are_not() {
        let (folder, path) = place();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(
            read_root_file(&link, own(), 7),
            Err(RootFileError::Kind)
        ));
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            FileType::Fifo,
            Mode::from_raw_mode(0o644),
            0,
        )
        .unwrap();
        assert!(matches!(
            read_root_file(&pipe, own(), 7),
            Err(RootFileError::Kind)
        ));
        assert!(matches!(
            read_root_file(&folder.path().join("none"), own(), 7),
            Err(RootFileError::Absent)
        ));
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        assert!(matches!(
            read_root_file(&inner, own(), 7),
            Err(RootFileError::Kind)
        ));
    }
}
