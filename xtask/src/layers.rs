//! Who may use whom, held against cargo's own dependency graph (normal and build dependencies).

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{DependencyKind, Package};

use crate::{licences, say, tree::Tree};

/// One crate of ours: which others of ours it may use, and what it must not contain, not even through
/// others.
#[derive(Clone, Copy, Debug)]
struct Rule {
    name: &'static str,
    uses: &'static [&'static str],
    /// Not used by the crate itself, even if a library inside brings it.
    not_itself: &'static [&'static str],
    never: &'static [&'static str],
}

/// Neither I/O nor async nor a database nor a desktop: decisions and formats only.
const NOT_PURE: &[&str] = &[
    "async-trait",
    "aws-lc-rs",
    "axum",
    "hyper",
    "mio",
    "prost",
    "rusqlite",
    "rustix",
    "rustls",
    "tokio",
    "tonic",
    "tracing",
    "zbus",
];

/// Time and randomness are arguments of core.
const ITS_OWN_RANDOMNESS: &[&str] = &["getrandom", "rand"];

/// A client cannot bypass a rule that it cannot hold; it opens no database, bus or TLS of its own.
const NOT_FOR_CLIENTS: &[&str] = &[
    "aws-lc-rs",
    "countersign-core",
    "p256",
    "rusqlite",
    "rustls",
    "secret-service",
    "zbus",
];

/// The child that reads pictures talks to the desktop, and knows nothing of tokens and services.
const NOT_FOR_PICTURES: &[&str] = &[
    "aws-lc-rs",
    "countersign-client",
    "countersign-core",
    "p256",
    "rusqlite",
    "rustls",
    "tonic-prost-build",
];

/// libpam unloads modules and sudo forks: no threads, no runtime, no TLS, no bus.
const NOT_FOR_A_PAM_MODULE: &[&str] = &[
    "aws-lc-rs",
    "hyper",
    "mio",
    "rusqlite",
    "rustls",
    "tokio",
    "tonic",
    "tracing",
    "zbus",
];

/// Whom TLS believes is decided without a connection, and also in what root starts.
const NOT_FOR_A_VERIFIER: &[&str] = &[
    "axum", "hyper", "mio", "prost", "rusqlite", "tokio", "tonic", "tracing", "zbus",
];

const CORE_AND_PROTO: &[&str] = &["countersign-core", "countersign-proto"];

/// The picture of ARCHITECTURE.md. A crate that is not listed here is refused.
const RULES: &[Rule] = &[
    Rule {
        name: "countersign-core",
        uses: &[],
        not_itself: ITS_OWN_RANDOMNESS,
        never: NOT_PURE,
    },
    Rule {
        name: "countersign-proto",
        uses: &[],
        not_itself: &[],
        never: NOT_FOR_CLIENTS,
    },
    Rule {
        name: "countersign-pinned-tls",
        uses: &[],
        not_itself: &[],
        never: NOT_FOR_A_VERIFIER,
    },
    Rule {
        name: "countersignd",
        uses: &[
            "countersign-core",
            "countersign-pinned-tls",
            "countersign-proto",
        ],
        not_itself: &[],
        never: &[],
    },
    Rule {
        name: "countersign-gateway",
        uses: CORE_AND_PROTO,
        not_itself: &[],
        never: &["zbus", "secret-service"],
    },
    Rule {
        name: "countersign-client",
        uses: &["countersign-proto"],
        not_itself: &[],
        never: NOT_FOR_CLIENTS,
    },
    Rule {
        name: "countersign-cli",
        uses: &["countersign-client", "countersign-proto"],
        not_itself: &[],
        never: NOT_FOR_CLIENTS,
    },
    Rule {
        name: "countersign-browser",
        uses: &["countersign-client", "countersign-proto"],
        not_itself: &[],
        never: NOT_FOR_CLIENTS,
    },
    Rule {
        name: "countersign-desktop",
        uses: &["countersign-proto"],
        not_itself: &[],
        never: NOT_FOR_PICTURES,
    },
    Rule {
        name: "countersign-pam",
        uses: &[
            "countersign-core",
            "countersign-passcodes",
            "countersign-proto",
        ],
        not_itself: &[],
        never: NOT_FOR_A_PAM_MODULE,
    },
    Rule {
        name: "countersign-passcodes",
        uses: &["countersign-core"],
        not_itself: &[],
        never: NOT_FOR_A_PAM_MODULE,
    },
    Rule {
        name: "pam-countersign",
        uses: &["countersign-pam"],
        not_itself: &[],
        never: NOT_FOR_A_PAM_MODULE,
    },
    Rule {
        name: "countersign-pam-gateway",
        uses: &[
            "countersign-core",
            "countersign-passcodes",
            "countersign-pinned-tls",
        ],
        not_itself: &[],
        never: &["pam-bindings", "rusqlite", "tonic", "zbus"],
    },
    Rule {
        name: "countersign-pam-admin",
        uses: &[
            "countersign-core",
            "countersign-pam",
            "countersign-passcodes",
        ],
        not_itself: &[],
        never: NOT_FOR_A_PAM_MODULE,
    },
    Rule {
        name: "countersign-tests",
        uses: &[
            "countersign-client",
            "countersign-core",
            "countersign-gateway",
            "countersign-pinned-tls",
            "countersign-proto",
        ],
        not_itself: &[],
        never: &[],
    },
    Rule {
        name: "countersign-fuzz",
        uses: &[
            "countersign-browser",
            "countersign-core",
            "countersign-proto",
        ],
        not_itself: &[],
        never: &[],
    },
    Rule {
        name: "xtask",
        uses: &["countersign-core", "countersign-proto"],
        not_itself: &[],
        never: &[],
    },
];

/// What may be there in one version only: two would not understand each other's types, or link twice.
const ONE_VERSION: [&str; 9] = [
    "hyper", "p256", "prost", "rusqlite", "rustls", "tokio", "tonic", "zbus", "axum",
];

/// Off by default, and held to the same licences.
pub(crate) const OPTIONAL: &str = "countersignd/tpm,countersign-desktop/camera";

/// What may not be there at all (docs/adr).
const NOWHERE: [&str; 5] = ["native-tls", "notify-rust", "openssl-sys", "ring", "rsa"];

/// Checks everything and lists every fault.
///
/// # Errors
///
/// A rule is broken.
pub(crate) fn run(tree: &Tree) -> Result<()> {
    let mut faults = Vec::new();
    for package in tree.metadata.workspace_packages() {
        match RULES.iter().find(|rule| rule.name == package.name.as_str()) {
            Some(rule) => check_crate(tree, package, *rule, &mut faults)?,
            None => faults.push(format!(
                "{} has no rule in xtask/src/layers.rs",
                package.name
            )),
        }
    }
    let built_in = contents(tree, &["--workspace", "--features", OPTIONAL])?;
    check_versions(&built_in, &mut faults);
    for package in &built_in {
        if !licences::allowed(&package.licence) {
            faults.push(format!(
                "{} {}: licence {:?}",
                package.name, package.version, package.licence
            ));
        }
    }
    if !faults.is_empty() {
        bail!("{} broken:\n  {}", faults.len(), faults.join("\n  "));
    }
    say::line(format_args!(
        "layers: {} crates of ours, {} in all: in order",
        tree.metadata.workspace_members.len(),
        built_in.len()
    ))?;
    Ok(())
}

fn check_crate(tree: &Tree, package: &Package, rule: Rule, faults: &mut Vec<String>) -> Result<()> {
    let built = package
        .dependencies
        .iter()
        .filter(|used| used.kind != DependencyKind::Development);
    for used in built.filter(|used| used.path.is_some()) {
        if !rule.uses.contains(&used.name.as_str()) {
            faults.push(format!("{} must not use {}", rule.name, used.name));
        }
    }
    for used in &package.dependencies {
        if used.kind == DependencyKind::Normal && rule.not_itself.contains(&used.name.as_str()) {
            faults.push(format!("{} must not use {} itself", rule.name, used.name));
        }
    }
    for inside in contents(tree, &["--package", rule.name])? {
        if rule.never.contains(&inside.name.as_str()) {
            faults.push(format!("{} must not contain {}", rule.name, inside.name));
        }
    }
    Ok(())
}

fn check_versions(built_in: &BTreeSet<Content>, faults: &mut Vec<String>) {
    for name in ONE_VERSION {
        let several: Vec<_> = built_in
            .iter()
            .filter(|package| package.name == name)
            .map(|package| package.version.as_str())
            .collect();
        if several.len() > 1 {
            faults.push(format!(
                "{name} is there in versions {}",
                several.join(" and ")
            ));
        }
    }
    for name in NOWHERE {
        if built_in.iter().any(|package| package.name == name) {
            faults.push(format!("{name} must not be built in; see docs/adr"));
        }
    }
}

/// One package that is built in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Content {
    name: String,
    version: String,
    licence: String,
}

/// What is really built for `selection` on this platform, the features of that selection and no others.
/// `cargo metadata` cannot tell: its graph joins the features of the whole workspace and keeps optional
/// packages that nobody switches on.
fn contents(tree: &Tree, selection: &[&str]) -> Result<BTreeSet<Content>> {
    let output = tree
        .cargo([
            "tree",
            "--locked",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
        ])
        .args(["--no-dedupe", "--format", "{p}|{l}"])
        .args(selection)
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot start cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree failed ({})", output.status);
    }
    let text = String::from_utf8(output.stdout).context("cargo tree printed no text")?;
    let mut found = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (package, licence) = line
            .split_once('|')
            .context("cargo tree printed no licence")?;
        let mut words = package.split_whitespace();
        let name = words
            .next()
            .context("cargo tree printed no name")?
            .to_owned();
        let version = words
            .next()
            .context("cargo tree printed no version")?
            .to_owned();
        found.insert(Content {
            name,
            version,
            licence: licence.to_owned(),
        });
    }
    Ok(found)
}
