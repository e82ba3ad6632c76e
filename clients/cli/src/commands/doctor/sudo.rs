//! Does sudo ask the agent, and can only root change what is believed?

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    super::{
        session::Session,
        sudo::{stack, system},
    },
    Finding,
};
use crate::exit::Failure;

const CHECK: &str = "sudo";
/// The services whose stacks are looked at.
const SERVICES: [&str; 4] = ["sudo", "sudo-i", "su", "polkit-1"];

pub(super) async fn check(session: &Session) -> Vec<Finding> {
    let named = SERVICES
        .iter()
        .find_map(|service| stack::of(service).module);
    let Some(module) = system::module(named) else {
        return vec![Finding::advice(
            CHECK,
            "The PAM module is not installed: sudo does not ask.",
            "docs/pam.md says how, if you want it.",
        )];
    };
    let mut findings = vec![of_root(&module)];
    findings.extend(folders());
    findings.extend(key(session).await);
    findings.extend(socket(session));
    for service in SERVICES {
        findings.extend(of_service(service));
    }
    findings
}

/// A file or folder that is believed.
fn of_root(path: &Path) -> Finding {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => {
            Finding::bad(CHECK, format!("{shown} is a symbolic link."), "")
        }
        Ok(metadata) if system::is_roots(&metadata) => {
            Finding::good(CHECK, format!("{shown} is root's alone."))
        }
        Ok(_) => Finding::bad(
            CHECK,
            format!("{shown} can be changed by others than root."),
            format!("`sudo chown root:root {shown}` and `sudo chmod go-w {shown}`."),
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Finding::bad(
            CHECK,
            format!("{shown} is not there, and the stack of a service names it."),
            "Install it there, or name the module by its file name alone.",
        ),
        Err(error) => Finding::bad(CHECK, format!("{shown} cannot be looked at: {error}."), ""),
    }
}

/// The way to the accepted keys, as far as it is there.
fn folders() -> Vec<Finding> {
    let ways = ["/etc/countersign", "/etc/countersign/pam", system::KEYS];
    let is_there = |path: &Path| !matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound);
    ways.into_iter()
        .map(Path::new)
        .filter(|path| is_there(path))
        .map(of_root)
        .filter(|finding| !finding.is_good())
        .collect()
}

/// The agent's key, and root's file about it.
async fn key(session: &Session) -> Vec<Finding> {
    let keys = match session.agent().await {
        Ok(mut agent) => agent.list_sudo_keys().await.map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    // The agent's own check says why.
    let Ok(keys) = keys.map(|reply| reply.keys) else {
        return Vec::new();
    };
    let user = match system::user() {
        Ok(user) => user,
        Err(failure) => return vec![Finding::bad(CHECK, failure.said(), "")],
    };
    let mut findings = Vec::new();
    let file = Path::new(system::KEYS).join(&user);
    if file.exists() {
        let finding = of_root(&file);
        if !finding.is_good() {
            findings.push(finding);
        }
    }
    let accepted = match system::accepted(&user) {
        Ok(accepted) => accepted,
        Err(failure) => return vec![Finding::bad(CHECK, failure.said(), "")],
    };
    match keys.first() {
        None => findings.push(Finding::advice(
            CHECK,
            "You have no key for sudo.",
            "`countersign sudo enroll` makes one.",
        )),
        Some(key) if accepted.iter().any(|line| line.key == key.public_key) => findings.push(
            Finding::good(CHECK, format!("Root accepts your key {}.", key.fingerprint)),
        ),
        Some(key) => findings.push(Finding::bad(
            CHECK,
            format!("Root does not accept your key {}.", key.fingerprint),
            "`countersign sudo enroll` asks root once more.",
        )),
    }
    findings
}

/// The module looks for the agent below /run/user, whatever the environment says.
fn socket(session: &Session) -> Vec<Finding> {
    let uid = rustix::process::getuid().as_raw();
    let looked_for = PathBuf::from(format!("/run/user/{uid}"));
    match session.runtime_folder() {
        Some(folder) if *folder != looked_for => vec![Finding::bad(
            CHECK,
            format!(
                "Your agent is below {}, and sudo looks for it below {}.",
                folder.display(),
                looked_for.display()
            ),
            "Start the agent in a login session, where XDG_RUNTIME_DIR is that folder.",
        )],
        Some(_) | None => Vec::new(),
    }
}

fn of_service(service: &str) -> Vec<Finding> {
    let found = stack::of(service);
    if found.line.is_none() {
        return if service == "sudo" {
            vec![Finding::advice(
                CHECK,
                "/etc/pam.d/sudo does not ask Countersign.",
                "docs/pam.md has the line; `sudo pam-auth-update` sets the profile.",
            )]
        } else {
            Vec::new()
        };
    }
    if found.faults.is_empty() {
        return vec![Finding::good(
            CHECK,
            format!("/etc/pam.d/{service} asks Countersign, in an order that holds."),
        )];
    }
    let faults = found.faults.iter().map(|fault| {
        let (what, then) = fault.words();
        let what = format!("/etc/pam.d/{service}: {what}.");
        if fault.may_be_meant() {
            Finding::advice(CHECK, what, then)
        } else {
            Finding::bad(CHECK, what, then)
        }
    });
    faults.collect()
}
