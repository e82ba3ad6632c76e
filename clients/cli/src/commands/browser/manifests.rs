//! Where browsers look for native-messaging manifests, and what is wrong with one.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use countersign_proto::native_messaging::{Family, HOST, PROGRAM, manifest};

use crate::cli::BrowserKind;

/// Writable by others than the owner.
const OTHERS_WRITE: u32 = 0o022;
/// The largest manifest that is looked at, in bytes.
const LONGEST: u64 = 64 * 1024;
/// Where a distribution puts programs.
const ELSEWHERE: [&str; 3] = ["/usr/bin", "/usr/libexec", "/usr/lib/countersign"];

/// A browser with folders of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) kind: BrowserKind,
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    /// Below the user's configuration folder or, for Firefox, the home folder.
    user: &'static str,
    /// What the user's folder of the browser is called: where it is, the browser was used.
    used: &'static str,
    system: &'static str,
}

/// Every browser.
pub(crate) const KNOWN: [Known; 5] = [
    Known {
        kind: BrowserKind::Chromium,
        name: "Chromium",
        family: Family::Chromium,
        user: "chromium/NativeMessagingHosts",
        used: "chromium",
        system: "/etc/chromium/native-messaging-hosts",
    },
    Known {
        kind: BrowserKind::Chrome,
        name: "Google Chrome",
        family: Family::Chromium,
        user: "google-chrome/NativeMessagingHosts",
        used: "google-chrome",
        system: "/etc/opt/chrome/native-messaging-hosts",
    },
    Known {
        kind: BrowserKind::Brave,
        name: "Brave",
        family: Family::Chromium,
        user: "BraveSoftware/Brave-Browser/NativeMessagingHosts",
        used: "BraveSoftware/Brave-Browser",
        // Brave reads Chrome's, as Chromium's kin without a brand of its own do.
        system: "/etc/opt/chrome/native-messaging-hosts",
    },
    Known {
        kind: BrowserKind::Edge,
        name: "Microsoft Edge",
        family: Family::Chromium,
        user: "microsoft-edge/NativeMessagingHosts",
        used: "microsoft-edge",
        system: "/etc/opt/edge/native-messaging-hosts",
    },
    Known {
        kind: BrowserKind::Firefox,
        name: "Firefox",
        family: Family::Firefox,
        user: ".mozilla/native-messaging-hosts",
        used: ".mozilla",
        system: "/usr/lib/mozilla/native-messaging-hosts",
    },
];

/// The folders of one user that browsers look into.
#[derive(Clone, Debug)]
pub(crate) struct Homes {
    pub(crate) home: PathBuf,
    pub(crate) config: PathBuf,
}

impl Known {
    /// Where this user's manifest lies.
    pub(crate) fn for_user(&self, homes: &Homes) -> PathBuf {
        self.base(homes).join(self.user).join(file())
    }

    /// Where the manifest for all users lies.
    pub(crate) fn for_system(&self) -> PathBuf {
        Path::new(self.system).join(file())
    }

    /// Has this user a profile of it?
    pub(crate) fn is_used(&self, homes: &Homes) -> bool {
        self.base(homes).join(self.used).is_dir()
    }

    const fn base<'a>(&self, homes: &'a Homes) -> &'a PathBuf {
        match self.family {
            Family::Chromium => &homes.config,
            Family::Firefox => &homes.home,
        }
    }
}

fn file() -> String {
    format!("{HOST}.json")
}

/// The host's program: beside this one, or where distributions put it.
pub(crate) fn host_program() -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    own.parent()
        .into_iter()
        .chain(ELSEWHERE.map(Path::new))
        .map(|folder| folder.join(PROGRAM))
        .find(|program| program.is_file())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{PROGRAM} is missing")))
}

/// What is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// It cannot be read.
    #[error("it cannot be read ({0})")]
    Unreadable(io::ErrorKind),
    /// A link, a folder, a pipe.
    #[error("it is no file")]
    NoFile,
    /// Somebody else could have put another program in.
    #[error("{0} can be changed by others")]
    OpenToOthers(String),
    /// It belongs to neither this user nor the administrator.
    #[error("{0} belongs to another user")]
    OtherOwner(String),
    /// It names no program that is there.
    #[error("it names a program that is not there")]
    NoProgram,
    /// It is not what this version writes.
    #[error("it is not as this version writes it: other ids, another name or path")]
    Other,
}

/// Looks at a manifest; nothing if there is none.
pub(crate) fn fault(family: Family, path: &Path, own: u32) -> Option<Result<(), Fault>> {
    let about = match fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(Fault::Unreadable(error.kind()))),
    };
    if !about.is_file() || about.len() > LONGEST {
        return Some(Err(Fault::NoFile));
    }
    Some(checked(family, path, own))
}

fn checked(family: Family, path: &Path, own: u32) -> Result<(), Fault> {
    private(path, own)?;
    if let Some(folder) = path.parent() {
        private(folder, own)?;
    }
    let text = fs::read_to_string(path).map_err(|error| Fault::Unreadable(error.kind()))?;
    let read: serde_json::Value = serde_json::from_str(&text).map_err(|_no_json| Fault::Other)?;
    let program = read.get("path").and_then(serde_json::Value::as_str);
    let program = program.ok_or(Fault::Other)?;
    let should = manifest(family, program)
        .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    if should.as_ref() != Some(&read) {
        return Err(Fault::Other);
    }
    let program = Path::new(program);
    let runs = fs::metadata(program)
        .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0);
    if !runs || program.file_name().is_none_or(|name| name != PROGRAM) {
        return Err(Fault::NoProgram);
    }
    private(program, own)
}

/// Only this user or the administrator can change it.
fn private(path: &Path, own: u32) -> Result<(), Fault> {
    let about = fs::metadata(path).map_err(|error| Fault::Unreadable(error.kind()))?;
    let shown = || path.display().to_string();
    if about.uid() != own && about.uid() != 0 {
        return Err(Fault::OtherOwner(shown()));
    }
    if about.permissions().mode() & OTHERS_WRITE != 0 {
        return Err(Fault::OpenToOthers(shown()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Placed {
        _folder: tempfile::TempDir,
        manifest: PathBuf,
        program: PathBuf,
        own: u32,
    }

    impl Placed {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let program = folder.path().join(PROGRAM);
            fs::write(&program, "#!/bin/sh\n").unwrap();
            let placed = Self {
                manifest: folder.path().join(file()),
                own: fs::metadata(&program).unwrap().uid(),
                program,
                _folder: folder,
            };
            Self::mode(&placed.program, 0o755);
            let text = manifest(Family::Chromium, placed.program.to_str().unwrap()).unwrap();
            fs::write(&placed.manifest, text).unwrap();
            Self::mode(&placed.manifest, 0o644);
            placed
        }

        fn mode(path: &Path, mode: u32) {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }

        fn look(&self) -> Option<Result<(), Fault>> {
            fault(Family::Chromium, &self.manifest, self.own)
        }
    }

    #[test]
    fn a_manifest_as_it_was_written_is_sound_and_a_missing_one_is_none() {
        let placed = Placed::new();
        assert_eq!(placed.look(), Some(Ok(())));
        fs::remove_file(&placed.manifest).unwrap();
        assert_eq!(placed.look(), None);
    }

    /// What a package puts in place is what `browser install` writes.
    #[test]
    fn the_packaged_manifests_are_the_written_ones() {
        let packaged = [
            (
                Family::Chromium,
                include_str!("../../../../../systemd/org.countersign.browser.chromium.json"),
            ),
            (
                Family::Firefox,
                include_str!("../../../../../systemd/org.countersign.browser.firefox.json"),
            ),
        ];
        for (family, text) in packaged {
            assert_eq!(
                manifest(family, "/usr/bin/countersign-browser").as_deref(),
                Some(text)
            );
        }
    }

    #[test]
    fn what_others_can_change_is_found() {
        let placed = Placed::new();
        for path in [&placed.manifest, &placed.program] {
            let before = fs::metadata(path).unwrap().permissions().mode();
            Placed::mode(path, 0o777);
            assert!(
                matches!(placed.look(), Some(Err(Fault::OpenToOthers(_)))),
                "{path:?}"
            );
            Placed::mode(path, before);
        }
        let folder = placed.manifest.parent().unwrap();
        Placed::mode(folder, 0o777);
        assert!(matches!(placed.look(), Some(Err(Fault::OpenToOthers(_)))));
        Placed::mode(folder, 0o700);
        assert_eq!(placed.look(), Some(Ok(())));
    }

    #[test]
    fn other_ids_other_programs_and_links_are_found() {
        let placed = Placed::new();
        let text = fs::read_to_string(&placed.manifest).unwrap();
        for (from, to, fault) in [
            ("chrome-extension://b", "chrome-extension://c", Fault::Other),
            ("org.countersign", "org.other", Fault::Other),
            ("stdio", "socket", Fault::Other),
            ("{\n", "", Fault::Other),
            (
                "countersign-browser\"",
                "countersign-browser-gone\"",
                Fault::NoProgram,
            ),
        ] {
            fs::write(&placed.manifest, text.replacen(from, to, 1)).unwrap();
            assert_eq!(placed.look(), Some(Err(fault)), "{to}");
        }
        fs::write(&placed.manifest, &text).unwrap();
        let firefox = fault(Family::Firefox, &placed.manifest, placed.own);
        assert_eq!(firefox, Some(Err(Fault::Other)));
        Placed::mode(&placed.program, 0o644);
        assert_eq!(placed.look(), Some(Err(Fault::NoProgram)));
        let link = placed.manifest.with_extension("link");
        std::os::unix::fs::symlink(&placed.manifest, &link).unwrap();
        assert_eq!(
            fault(Family::Chromium, &link, placed.own),
            Some(Err(Fault::NoFile))
        );
    }
}
