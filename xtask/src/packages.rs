//! The one list of what the chores need from the system beside a Rust toolchain, and its installation.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{say, tree};

/// A file that must be there, and the Debian package that brings it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// Absolute path, or the name of a program in `PATH` or a system folder.
    file: &'static str,
    package: &'static str,
    purpose: &'static str,
}

const fn part(file: &'static str, package: &'static str, purpose: &'static str) -> Part {
    Part {
        file,
        package,
        purpose,
    }
}

/// What every build needs.
pub(crate) const BUILD: &[Part] = &[
    part("cc", "gcc", "C compiler and linker"),
    part(
        "/usr/include/stdlib.h",
        "libc6-dev",
        "headers of the C library",
    ),
    part(
        "/usr/include/security/pam_modules.h",
        "libpam0g-dev",
        "the PAM module is linked with libpam",
    ),
];

/// What the demo and the end-to-end tests need: the real parts of a desktop, without a screen.
pub(crate) const DESKTOP: &[Part] = &[
    part("dbus-daemon", "dbus", "private session buses"),
    part("Xvfb", "xvfb", "an X server without a screen"),
    part("dunst", "dunst", "the notification server"),
    part("/usr/bin/import", "imagemagick", "pictures of the screen"),
    part(
        "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
        "fonts-dejavu-core",
        "a font for the notification",
    ),
    part(
        "gnome-keyring-daemon",
        "gnome-keyring",
        "the Secret Service",
    ),
];

/// A library of `libpam-wrapper`: nothing else of it is in a folder that does not name the architecture.
const PAM_WRAPPER: &str = if cfg!(target_arch = "aarch64") {
    "/usr/lib/aarch64-linux-gnu/libpam_wrapper.so"
} else {
    "/usr/lib/x86_64-linux-gnu/libpam_wrapper.so"
};

/// Modules of PAM lie in a folder that names the architecture.
const PAM_OATH: &str = if cfg!(target_arch = "aarch64") {
    "/usr/lib/aarch64-linux-gnu/security/pam_oath.so"
} else {
    "/usr/lib/x86_64-linux-gnu/security/pam_oath.so"
};
const PAM_GOOGLE: &str = if cfg!(target_arch = "aarch64") {
    "/usr/lib/aarch64-linux-gnu/security/pam_google_authenticator.so"
} else {
    "/usr/lib/x86_64-linux-gnu/security/pam_google_authenticator.so"
};

/// What only the tests need.
pub(crate) const TESTS: &[Part] = &[
    part("oathtool", "oathtool", "passcodes to compare ours with"),
    part(
        "pskctool",
        "pskctool",
        "key containers to compare ours with",
    ),
    part(
        "pskc2pskc",
        "pskc-utils",
        "encrypted key containers of a foreign hand",
    ),
    part(
        "systemd-analyze",
        "systemd",
        "checks of the unit files, busctl, socket activation",
    ),
    part(
        "setpriv",
        "util-linux",
        "a second user, controlling terminals (setsid)",
    ),
    part("ip", "iproute2", "a network of a test's own"),
    part("pinentry-tty", "pinentry-tty", "dialogs on a terminal"),
    part(
        "pinentry-curses",
        "pinentry-curses",
        "dialogs on a terminal",
    ),
    part("pinentry-gnome3", "pinentry-gnome3", "GNOME's dialogs"),
    part("pinentry-gtk-2", "pinentry-gtk2", "GTK's dialogs"),
    part("pinentry-qt", "pinentry-qt", "Qt's dialogs"),
    part("/usr/libexec/gcr-prompter", "gcr", "GNOME's prompter"),
    part("xdotool", "xdotool", "hands for the dialogs"),
    part("setxkbmap", "x11-xkb-utils", "a keyboard for them"),
    part("/usr/libexec/fprintd", "fprintd", "the fingerprint service"),
    part(
        "/lib/udev/rules.d/70-libfprint-2.rules",
        "libfprint-2-2",
        "its reader without hardware",
    ),
    part(
        "/usr/lib/polkit-1/polkitd",
        "polkitd",
        "who may use the reader",
    ),
    part(
        "/usr/include/tss2/tss2_esys.h",
        "libtss2-dev",
        "the agent with the feature `tpm`",
    ),
    part("pkg-config", "pkgconf", "finds libtss2"),
    part("clang", "clang", "bindings to the camera, feature `camera`"),
    part(
        "chromium",
        "chromium",
        "a browser: pages, and links that are clicked",
    ),
    part("firefox-esr", "firefox-esr", "the other browser"),
    part("xdg-open", "xdg-utils", "what opens them"),
    part(
        "update-desktop-database",
        "desktop-file-utils",
        "who opens which links",
    ),
    part("xclip", "xclip", "an X11 clipboard with something in it"),
    part("swtpm", "swtpm", "a TPM in software"),
    part("radclient", "freeradius-utils", "a RADIUS client"),
    part("freeradius", "freeradius", "a RADIUS proxy"),
    part(
        "/etc/pam_radius_auth.conf",
        "libpam-radius-auth",
        "PAM as a RADIUS client",
    ),
    part("pamtester", "pamtester", "logins through PAM"),
    part(
        PAM_WRAPPER,
        "libpam-wrapper",
        "PAM configurations of the tests' own",
    ),
    part("sudo", "sudo", "what asks PAM"),
    part("pam-auth-update", "libpam-runtime", "profiles of PAM"),
    part("sshd", "openssh-server", "the same, from afar"),
    part("nsenter", "util-linux", "an /etc of a test's own"),
    part(
        "strace",
        "strace",
        "kills programs between two system calls",
    ),
    part("valgrind", "valgrind", "memory that the PAM module loses"),
    part("slapd", "slapd", "a directory"),
    part("ldapdelete", "ldap-utils", "changes in it"),
    part("python3", "python3-venv", "privacyIDEA, the other service"),
    part("faketime", "faketime", "a server whose clock is hours off"),
];

/// What only the benchmarks need: the peers.
pub(crate) const BENCH: &[Part] = &[
    part("oathtool", "oathtool", "a peer"),
    part("gpg-connect-agent", "gpgconf", "a peer"),
    part("gpg-agent", "gpg-agent", "a peer"),
    part("pamtester", "pamtester", "logins through PAM"),
    part("sudo", "sudo", "the same"),
    part("nsenter", "util-linux", "an /etc of their own"),
    part(PAM_OATH, "libpam-oath", "a peer"),
    part(PAM_GOOGLE, "libpam-google-authenticator", "a peer"),
    part(
        "nats-server",
        "nats-server",
        "a peer: many idle connections",
    ),
    part("mosquitto", "mosquitto", "a peer: many idle connections"),
    part(
        "/usr/lib/python3/dist-packages/ensurepip/__init__.py",
        "python3-venv",
        "an environment for the peer privacyIDEA",
    ),
];

/// Folders that a login shell of an ordinary user may lack.
const SYSTEM_FOLDERS: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

impl Part {
    fn is_there(self) -> bool {
        let file = Path::new(self.file);
        if file.is_absolute() {
            return file.exists();
        }
        search_path()
            .iter()
            .any(|folder| folder.join(file).exists())
    }
}

/// The folders of `PATH`, then the system's own.
#[expect(
    clippy::disallowed_methods,
    reason = "a chore reads PATH as the shell that started it"
)]
fn search_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SYSTEM_FOLDERS.map(PathBuf::from))
        .collect()
}

/// Says what is missing of `lists` and installs it.
///
/// # Errors
///
/// Something is missing and cannot be installed here: the error names the packages.
pub(crate) fn ensure(lists: &[&[Part]]) -> Result<()> {
    let missing: Vec<Part> = lists
        .iter()
        .copied()
        .flatten()
        .copied()
        .filter(|part| !part.is_there())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|part| part.package).collect();
    packages.sort_unstable();
    packages.dedup();
    say::line("Installing from this system's package sources:")?;
    for part in &missing {
        say::line(format_args!("  {} ({})", part.package, part.purpose))?;
    }
    let by_hand = format!("please install: {}", packages.join(" "));
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("this is not a Debian-like system, so nothing was installed; {by_hand}");
    }
    let root = rustix::process::geteuid().is_root();
    if !root
        && !search_path()
            .iter()
            .any(|folder| folder.join("sudo").exists())
    {
        bail!("neither root nor sudo, so nothing was installed; {by_hand}");
    }
    tree::run(apt(root).arg("update").arg("--quiet=2")).with_context(|| by_hand.clone())?;
    tree::run(
        apt(root)
            .args(["install", "--yes", "--quiet=2", "--no-install-recommends"])
            .args(&packages),
    )
    .context(by_hand)?;
    if let Some(part) = missing.iter().find(|part| !part.is_there()) {
        bail!(
            "{} is installed, yet {} is not there",
            part.package,
            part.file
        );
    }
    Ok(())
}

fn apt(root: bool) -> Command {
    let mut command = if root {
        Command::new("env")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_named_once_in_its_list() {
        for list in [BUILD, DESKTOP, TESTS, BENCH] {
            let mut files: Vec<_> = list.iter().map(|part| part.file).collect();
            files.sort_unstable();
            files.dedup();
            assert_eq!(files.len(), list.len());
        }
    }

    #[test]
    fn what_is_there_is_not_installed() {
        assert!(part("sh", "dash", "a shell").is_there());
        assert!(!part("no-such-program", "none", "nothing").is_there());
        ensure(&[&[part("/bin/sh", "dash", "a shell")]]).unwrap();
    }
}
