//! `cargo xtask install --user`: programs, units and D-Bus activation in place, nothing switched on.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{links, packages, say, tree, tree::Tree};

/// Where the units of systemd/ expect the programs: a distribution's package puts them there.
const PACKAGED: &str = "/usr/bin/";

/// The programs, of which one starts another beside itself.
const PROGRAMS: [&str; 5] = [
    "countersign",
    "countersign-browser",
    "countersignd",
    "countersign-desktop",
    "countersign-gateway",
];

/// The files of one user that are put in place, from systemd/.
const UNITS: [&str; 2] = ["countersignd.service", "countersignd.socket"];
const ACTIVATION: &str = "org.countersign.Agent1.service";

/// Builds, copies, and says how to start.
///
/// # Errors
///
/// A build failed or a file could not be written.
pub(crate) fn run(tree: &Tree, otpauth_links: bool) -> Result<()> {
    packages::ensure(&[packages::BUILD])?;
    let folders = Folders::of_this_user()?;
    say::line("Building for use (this takes some minutes) ...")?;
    let built = build(tree)?;
    for program in PROGRAMS {
        replace(&built.join(program), &folders.programs.join(program))?;
    }
    for unit in UNITS {
        place_text(tree, unit, &folders.units.join(unit), &folders.programs)?;
    }
    place_text(
        tree,
        ACTIVATION,
        &folders.activation.join(ACTIVATION),
        &folders.programs,
    )?;
    let links = [links::ENROLL, links::OTPAUTH];
    for name in links.into_iter().take(if otpauth_links { 2 } else { 1 }) {
        place_text(
            tree,
            name,
            &folders.applications.join(name),
            &folders.programs,
        )?;
    }
    links::announce(&folders.applications)?;
    tell_browsers(&folders, "install")?;
    say::line("\nNothing was switched on. To use it now and at every login:")?;
    say::line("  systemctl --user daemon-reload")?;
    say::line("  systemctl --user enable --now countersignd.socket countersignd.service")?;
    say::line("  countersign setup")?;
    say::line("  countersign enroll")?;
    say::line(format_args!(
        "({} must be in PATH. Without systemd, start `countersignd` with the session.)",
        folders.programs.display()
    ))?;
    say::line(format_args!(
        "\nsudo asks it once root has installed its part, which lies in {}:\n{}",
        built.display(),
        "docs/pam.md has the commands."
    ))?;
    Ok(())
}

/// Takes away what [`run`] put in place: programs, units, activation, handlers of links. The vault and config.toml stay.
///
/// # Errors
///
/// A file cannot be removed.
pub(crate) fn remove() -> Result<()> {
    let folders = Folders::of_this_user()?;
    let files: Vec<PathBuf> = PROGRAMS
        .iter()
        .map(|name| folders.programs.join(name))
        .chain(UNITS.iter().map(|name| folders.units.join(name)))
        .chain([folders.activation.join(ACTIVATION)])
        .chain([links::ENROLL, links::OTPAUTH].map(|name| folders.applications.join(name)))
        .collect();
    tell_browsers(&folders, "uninstall")?;
    links::remove(&files)?;
    if folders.applications.is_dir() {
        links::announce(&folders.applications)?;
    }
    say::line("\nYour tokens and settings are where they were. What still runs ends with:")?;
    Ok(say::line(
        "  systemctl --user disable --now countersignd.socket countersignd.service",
    )?)
}

/// Lets the command line that is in place write or remove the manifests of this user's browsers. One without a browser
/// has none to tell.
fn tell_browsers(folders: &Folders, what: &str) -> Result<()> {
    let program = folders.programs.join("countersign");
    if !program.is_file() {
        return Ok(());
    }
    let told = Command::new(program)
        .args(["browser", what])
        .output()
        .context("countersign cannot be run")?;
    let said = if told.status.success() {
        told.stdout
    } else {
        told.stderr
    };
    Ok(say::line(String::from_utf8_lossy(&said).trim_end())?)
}

/// Builds the programs as they are used and gathers them in one folder: the agent and the gateway, and the
/// command line and the host of browsers statically linked, for dynamic linking is most of their start-up time.
///
/// # Errors
///
/// A build failed.
pub(crate) fn build(tree: &Tree) -> Result<PathBuf> {
    let gathered = tree.target.join("install");
    fs::create_dir_all(&gathered)?;
    tree::run(&mut tree.cargo([
        "build",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        "countersignd",
        "--package",
        "countersign-desktop",
        "--package",
        "countersign-gateway",
        "--package",
        "pam-countersign",
        "--package",
        "countersign-pam-admin",
    ]))?;
    let platform = tree::platform();
    // With --target the flags reach the program alone, not build scripts and macros.
    tree::run(
        tree.cargo([
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--package",
            "countersign-cli",
            "--package",
            "countersign-browser",
            "--target",
        ])
        .arg(&platform)
        .env("RUSTFLAGS", "-C target-feature=+crt-static"),
    )?;
    let release = tree.target.join("release");
    let r#static = tree.target.join(platform).join("release");
    replace(
        &release.join("countersignd"),
        &gathered.join("countersignd"),
    )?;
    // Root's: measured, and installed by nobody but root.
    for name in ["libpam_countersign.so", "countersign-pam"] {
        replace(&release.join(name), &gathered.join(name))?;
    }
    replace(
        &release.join("countersign-gateway"),
        &gathered.join("countersign-gateway"),
    )?;
    replace(
        &release.join("countersign-desktop"),
        &gathered.join("countersign-desktop"),
    )?;
    for program in ["countersign", "countersign-browser"] {
        replace(&r#static.join(program), &gathered.join(program))?;
    }
    Ok(gathered)
}

/// Copies beside the target and renames: a running program is replaced, not written into.
fn replace(from: &Path, to: &Path) -> Result<()> {
    write_beside(to, 0o755, |beside| fs::copy(from, beside).map(drop))
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Copies a text of systemd/ with the paths of this installation in it.
fn place_text(tree: &Tree, name: &str, to: &Path, programs: &Path) -> Result<()> {
    let text = fs::read_to_string(tree.root.join("systemd").join(name))
        .with_context(|| format!("cannot read systemd/{name}"))?;
    let text = text.replace(PACKAGED, &format!("{}/", programs.display()));
    write_beside(to, 0o644, |beside| fs::write(beside, &text))
        .with_context(|| format!("cannot write {}", to.display()))?;
    Ok(say::line(format_args!("placed {}", to.display()))?)
}

fn write_beside(
    to: &Path,
    mode: u32,
    write: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = to.with_extension("new");
    write(&beside)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(mode))?;
    fs::rename(&beside, to)
}

#[derive(Debug)]
struct Folders {
    programs: PathBuf,
    units: PathBuf,
    activation: PathBuf,
    applications: PathBuf,
}

impl Folders {
    #[expect(
        clippy::disallowed_methods,
        reason = "a chore reads where this user keeps things"
    )]
    fn of_this_user() -> Result<Self> {
        let home = PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?);
        let base = |name: &str, usual: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
                .unwrap_or_else(|| home.join(usual))
        };
        Ok(Self {
            programs: home.join(".local/bin"),
            units: base("XDG_CONFIG_HOME", ".config").join("systemd/user"),
            activation: base("XDG_DATA_HOME", ".local/share").join("dbus-1/services"),
            applications: base("XDG_DATA_HOME", ".local/share").join("applications"),
        })
    }
}
