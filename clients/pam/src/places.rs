//! Where everything is on a system. A parameter, so that tests have places of their own; never an argument of the
//! module or a variable.

use std::path::{Path, PathBuf};

/// The places of one system.
#[derive(Clone, Debug)]
pub struct Places {
    /// The folder of accepted keys, a file a user.
    pub keys: Place,
    /// The folder with each user's runtime folder, named by uid.
    pub run_user: Place,
    /// The folder of the passcode records, a file a user.
    pub passcodes: Place,
    /// The program that asks a gateway.
    pub gateway_program: Place,
    /// machine-id(5).
    pub machine_id: Place,
    /// The program of the fingerprint service that asks for a finger.
    pub fprintd_verify: Place,
    /// Who must own the files that are believed.
    pub owner: u32,
}

/// One place.
#[derive(Clone, Debug)]
pub enum Place {
    /// Of an installed system.
    Fixed(&'static str),
    /// Of a test.
    Own(PathBuf),
}

impl AsRef<Path> for Place {
    fn as_ref(&self) -> &Path {
        match self {
            Self::Fixed(path) => Path::new(path),
            Self::Own(path) => path,
        }
    }
}

impl Places {
    /// Those of an installed system.
    pub const SYSTEM: Self = Self {
        keys: Place::Fixed("/etc/countersign/pam/keys.d"),
        run_user: Place::Fixed("/run/user"),
        passcodes: Place::Fixed(countersign_passcodes::FOLDER),
        gateway_program: Place::Fixed(countersign_passcodes::gateway::PROGRAM),
        machine_id: Place::Fixed("/etc/machine-id"),
        fprintd_verify: Place::Fixed("/usr/bin/fprintd-verify"),
        owner: 0,
    };

    /// The file of accepted keys of `user`; nothing for a name that is no file name.
    #[must_use]
    pub fn keys_of(&self, user: &str) -> Option<PathBuf> {
        let plain = !user.is_empty()
            && user.len() <= 255
            && !user.starts_with('.')
            && !user.contains(['/', '\0']);
        plain.then(|| self.keys.as_ref().join(user))
    }

    /// The sudo socket of the agent of the user with that uid. Built from the uid: the environment is the caller's.
    #[must_use]
    pub fn sudo_socket(&self, uid: u32) -> PathBuf {
        self.run_user
            .as_ref()
            .join(uid.to_string())
            .join("countersign/sudo.sock")
    }
}
