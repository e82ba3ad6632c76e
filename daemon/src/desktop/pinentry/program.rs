//! Which program shows the dialogs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

const NAME: &str = "pinentry";

/// The configured program if it can be run, or without one the first `pinentry` in `search_path`.
///
/// Folders that are not absolute are passed over: what they mean depends on where the agent was started.
pub(super) fn find(configured: Option<&Path>, search_path: &str) -> Option<PathBuf> {
    if let Some(path) = configured {
        return runs(path).then(|| path.to_path_buf());
    }
    search_path
        .split(':')
        .map(Path::new)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(NAME))
        .find(|path| runs(path))
}

fn runs(path: &Path) -> bool {
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file && access(path, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_first_that_can_be_run_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, mode) in [("a", 0o644), ("b", 0o755), ("c", 0o755)] {
            fs::create_dir(path(name)).unwrap();
            let program = path(name).join(NAME);
            fs::write(&program, "").unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir_all(path("d/pinentry")).unwrap();
        let search = |names: &[&str]| {
            names
                .iter()
                .map(|name| path(name).display().to_string())
                .collect::<Vec<_>>()
                .join(":")
        };
        let found = |names: &[&str]| find(None, &search(names));
        assert_eq!(
            found(&["d", "none", "a", "b", "c"]),
            Some(path("b/pinentry"))
        );
        assert_eq!(found(&["a", "d"]), None);
        assert_eq!(find(None, ""), None);
        assert_eq!(find(None, "relative:."), None);
    }

    #[test]
    fn a_configured_one_is_not_replaced_by_another() {
        let absent = Path::new("/nonexistent/pinentry");
        assert_eq!(find(Some(absent), "/usr/bin:/bin"), None);
        let shell = Path::new("/bin/sh");
        assert_eq!(find(Some(shell), ""), Some(shell.to_path_buf()));
    }
}
