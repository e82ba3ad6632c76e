//! `countersign browser install`, `uninstall`: the manifests by which browsers find the native-messaging host.

use std::{
    fs::{self, DirBuilder},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use countersign_proto::{agent::v1::Reason, native_messaging::manifest};
use serde::Serialize;

use super::manifests::{Homes, KNOWN, Known, host_program};
use crate::{
    cli::{BrowserInstall, BrowserKind},
    commands::session::Session,
    exit::Failure,
    output::{Answer, Style, table::tabbed},
    text,
};

/// Whom a manifest is for.
#[derive(Clone, Debug)]
enum Whom {
    User(Homes),
    Everybody,
}

impl Whom {
    fn of(arguments: &BrowserInstall, session: &Session) -> Result<Self, Failure> {
        if arguments.system {
            return Ok(Self::Everybody);
        }
        let homes = session.homes().ok_or_else(|| {
            Failure::refused(
                Reason::ConfigInvalid,
                "HOME does not name a folder, so browsers' folders cannot be found.",
                "Set it, or install for all users with --system.",
            )
        })?;
        Ok(Self::User(homes))
    }

    fn place(&self, known: &Known) -> PathBuf {
        match self {
            Self::User(homes) => known.for_user(homes),
            Self::Everybody => known.for_system(),
        }
    }

    fn wants(&self, known: &Known, wish: Option<BrowserKind>) -> bool {
        match (wish, self) {
            (Some(BrowserKind::All), _) | (None, Self::Everybody) => true,
            (Some(kind), _) => known.kind == kind,
            (None, Self::User(homes)) => known.is_used(homes),
        }
    }
}

/// Writes the manifests.
pub(super) fn install(arguments: &BrowserInstall, session: &Session) -> Result<(), Failure> {
    let whom = Whom::of(arguments, session)?;
    let program = host_program().map_err(|_missing| {
        Failure::refused(
            Reason::ConfigInvalid,
            "The program countersign-browser is not installed beside this one.",
            "Install all programs of Countersign.",
        )
    })?;
    let mut placed = Vec::new();
    for known in KNOWN
        .iter()
        .filter(|known| whom.wants(known, arguments.browser))
    {
        let text = program
            .to_str()
            .and_then(|program| manifest(known.family, program))
            .ok_or_else(|| {
                Failure::refused(
                    Reason::ConfigInvalid,
                    "The program's path cannot stand in a manifest.",
                    "Move the programs of Countersign to a folder with an ordinary name.",
                )
            })?;
        let path = whom.place(known);
        write(&path, &text).map_err(|error| failed(&path, &error))?;
        placed.push(Manifest::new(known, &path));
    }
    if placed.is_empty() {
        return Err(Failure::refused(
            Reason::Usage,
            "No browser of this user was found.",
            "Name one with --browser, or all of them with --browser all.",
        ));
    }
    session.output.answer(&Placed { manifests: placed })
}

/// Removes them; one that is not there is no matter.
pub(super) fn uninstall(arguments: &BrowserInstall, session: &Session) -> Result<(), Failure> {
    let whom = Whom::of(arguments, session)?;
    let wish = arguments.browser.or(Some(BrowserKind::All));
    let mut removed = Vec::new();
    for known in KNOWN.iter().filter(|known| whom.wants(known, wish)) {
        let path = whom.place(known);
        match fs::remove_file(&path) {
            Ok(()) => removed.push(Manifest::new(known, &path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&path, &error)),
        }
    }
    session.output.answer(&Removed { removed })
}

/// Beside the place first: a browser reads the old one or the new one. Neither file nor folder can be changed by others,
/// whatever the umask says.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(folder)?;
    }
    let beside = path.with_extension("new");
    // What a run that was cut short has left.
    drop(fs::remove_file(&beside));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let hint = if error.kind() == io::ErrorKind::PermissionDenied {
        "Without --system it is for you alone and takes no rights; with it, run it as an administrator."
    } else {
        ""
    };
    let name = text::sentence(&path.to_string_lossy());
    Failure::refused(
        Reason::PermissionDenied,
        format!("{name} cannot be changed: {error}."),
        hint,
    )
}

#[derive(Debug, Serialize)]
struct Manifest {
    browser: &'static str,
    path: String,
}

impl Manifest {
    fn new(known: &Known, path: &Path) -> Self {
        Self {
            browser: known.name,
            path: path.display().to_string(),
        }
    }

    fn shown(&self) -> String {
        format!("{}: {}\n", self.browser, text::sentence(&self.path))
    }

    fn line(&self) -> String {
        tabbed(&[self.browser, &self.path])
    }
}

#[derive(Debug, Serialize)]
struct Placed {
    manifests: Vec<Manifest>,
}

impl Answer for Placed {
    fn friendly(&self, _style: &Style) -> String {
        let mut lines: Vec<_> = self.manifests.iter().map(Manifest::shown).collect();
        lines.push(
            "Browsers find Countersign now. Add its extension, open its window, and pair it.\n"
                .to_owned(),
        );
        lines.concat()
    }

    fn bare(&self) -> String {
        self.manifests.iter().map(Manifest::line).collect()
    }
}

#[derive(Debug, Serialize)]
struct Removed {
    removed: Vec<Manifest>,
}

impl Answer for Removed {
    fn friendly(&self, _style: &Style) -> String {
        if self.removed.is_empty() {
            return "There was nothing to take back.\n".to_owned();
        }
        self.removed.iter().map(Manifest::shown).collect()
    }

    fn bare(&self) -> String {
        self.removed.iter().map(Manifest::line).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_manifest_is_for_its_owner_to_change_and_for_all_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/org.countersign.browser.json");
        for text in ["one", "two"] {
            write(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&path), 0o644);
            assert_eq!(mode(path.parent().unwrap()) & 0o022, 0);
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn without_a_name_the_browsers_that_this_user_has_are_meant() {
        let home = tempfile::tempdir().unwrap();
        let homes = Homes {
            home: home.path().to_owned(),
            config: home.path().join(".config"),
        };
        fs::create_dir_all(homes.config.join("chromium")).unwrap();
        let whom = Whom::User(homes);
        let wanted = |wish| -> Vec<_> {
            let known = KNOWN.iter().filter(|known| whom.wants(known, wish));
            known.map(|known| known.name).collect()
        };
        assert_eq!(wanted(None), ["Chromium"]);
        assert_eq!(wanted(Some(BrowserKind::Firefox)), ["Firefox"]);
        assert_eq!(wanted(Some(BrowserKind::All)).len(), KNOWN.len());
    }
}
