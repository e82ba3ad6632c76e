//! Where the agent's socket is, and whether nobody else can have put it there.

use std::{
    fs::{Metadata, symlink_metadata},
    io::ErrorKind,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use crate::ClientError;

/// Permission bits that let anybody but the owner in.
const OTHERS: u32 = 0o077;

/// The path of the agent's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketPath(PathBuf);

impl SocketPath {
    /// A socket at any path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The agent's usual socket: `countersign/agent.sock` in the folder that `XDG_RUNTIME_DIR` names.
    #[must_use]
    pub fn in_runtime_folder(folder: &Path) -> Self {
        Self(folder.join("countersign").join("agent.sock"))
    }

    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// Refuses a socket that somebody else owns or could have put there.
    ///
    /// The folder comes first: once it is known to be ours alone, nothing in it can be exchanged by others.
    pub(crate) fn check_private(&self) -> Result<(), ClientError> {
        let uid = rustix::process::geteuid().as_raw();
        if let Some(folder) = self.0.parent() {
            let found = self.metadata(folder)?;
            if !found.is_dir() {
                return Err(unsafe_path(folder, SocketProblem::NotAFolder));
            }
            check_owner(folder, &found, uid)?;
        }
        let found = self.metadata(&self.0)?;
        if !found.file_type().is_socket() {
            return Err(unsafe_path(&self.0, SocketProblem::NotASocket));
        }
        check_owner(&self.0, &found, uid)
    }

    /// What is at `path` itself: a symbolic link is not followed, it is refused by its type.
    fn metadata(&self, path: &Path) -> Result<Metadata, ClientError> {
        symlink_metadata(path).map_err(|source| {
            if source.kind() == ErrorKind::NotFound {
                ClientError::NotRunning {
                    socket: self.0.clone(),
                }
            } else {
                ClientError::Socket {
                    path: path.to_owned(),
                    source,
                }
            }
        })
    }
}

/// Why a socket is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SocketProblem {
    /// The folder is something else, for instance a symbolic link.
    #[error("it is not a folder")]
    NotAFolder,
    /// The path holds something else, for instance a symbolic link or a file.
    #[error("it is not a socket")]
    NotASocket,
    /// Somebody else owns it.
    #[error("it belongs to another user (uid {uid})")]
    OtherOwner {
        /// Who owns it.
        uid: u32,
    },
    /// Its permissions let others in.
    #[error("others may use it (mode {mode:04o})")]
    OpenToOthers {
        /// Its permission bits.
        mode: u32,
    },
    /// The program that listens runs as somebody else.
    #[error("another user's program listens there (uid {uid})")]
    OtherPeer {
        /// Who runs it.
        uid: u32,
    },
}

fn check_owner(path: &Path, found: &Metadata, uid: u32) -> Result<(), ClientError> {
    if found.uid() != uid {
        return Err(unsafe_path(
            path,
            SocketProblem::OtherOwner { uid: found.uid() },
        ));
    }
    let mode = found.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(unsafe_path(path, SocketProblem::OpenToOthers { mode }));
    }
    Ok(())
}

fn unsafe_path(path: &Path, problem: SocketProblem) -> ClientError {
    ClientError::Untrusted {
        path: path.to_owned(),
        problem,
    }
}
