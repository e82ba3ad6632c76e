//! `cargo xtask test`: everything CI runs, fastest first, in one target folder and one profile.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, anyhow};

use crate::{codegen, extension, layers, packages, privacyidea, say, tree, tree::Tree};

/// One check.
struct Step {
    name: &'static str,
    run: fn(&Tree) -> Result<()>,
}

const STEPS: &[Step] = &[
    Step {
        name: "system packages",
        run: system_packages,
    },
    Step {
        name: "privacyIDEA",
        run: privacyidea::ensure,
    },
    Step {
        name: "format",
        run: |tree| tree::run(&mut tree.cargo(["fmt", "--all", "--check"])),
    },
    Step {
        name: "layers and licences",
        run: layers::run,
    },
    Step {
        name: "generated code",
        run: |tree| codegen::run(&tree.root, codegen::Mode::Check),
    },
    Step {
        name: "browser extension",
        run: extension::check,
    },
    Step {
        name: "clippy",
        run: clippy,
    },
    Step {
        name: "documentation",
        run: documentation,
    },
    Step {
        name: "programs and tests",
        run: programs_and_tests,
    },
    Step {
        name: "demo",
        run: demo,
    },
    Step {
        name: "tests",
        run: tests,
    },
    Step {
        name: "optional features",
        run: optional_features,
    },
];

/// What takes too long for every change.
const LONG: Step = Step {
    name: "long tests",
    run: long_tests,
};

/// Runs every step, and the long tests where they are wanted; stops at the first that fails.
///
/// # Errors
///
/// The step that failed.
pub(crate) fn run(tree: &Tree, long: bool) -> Result<()> {
    let begin = stopwatch();
    let mut summary = Vec::new();
    let mut failed = None;
    for step in STEPS.iter().chain(long.then_some(&LONG)) {
        say::heading(step.name)?;
        let step_begin = stopwatch();
        let result = (step.run)(tree);
        let word = if result.is_ok() { "passed" } else { "failed" };
        summary.push(format!(
            "{word} {:>6}  {}",
            seconds(step_begin.elapsed()),
            step.name
        ));
        if let Err(error) = result {
            failed = Some(error.context(format!("step \"{}\" failed", step.name)));
            break;
        }
    }
    say::heading("summary")?;
    for line in summary {
        say::line(line)?;
    }
    for skipped in skipped_tests(tree)? {
        say::line(skipped)?;
    }
    say::line(format_args!("in all {}", seconds(begin.elapsed())))?;
    failed.map_or(Ok(()), Err)
}

fn system_packages(_: &Tree) -> Result<()> {
    packages::ensure(&[packages::BUILD, packages::DESKTOP, packages::TESTS])?;
    Ok(say::line("all there")?)
}

/// Without and with the TPM: the second run checks the agent alone anew.
fn clippy(tree: &Tree) -> Result<()> {
    for features in ["", layers::OPTIONAL] {
        tree::run(&mut tree.cargo([
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--locked",
            "--features",
            features,
            "--",
            "-D",
            "warnings",
        ]))?;
    }
    Ok(())
}

fn documentation(tree: &Tree) -> Result<()> {
    tree::run(
        tree.cargo(["doc", "--quiet", "--workspace", "--no-deps", "--locked"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

/// The programs alone: what the demo needs.
pub(crate) fn programs(tree: &Tree) -> Result<()> {
    tree::run(&mut tree.cargo(["build", "--workspace", "--bins", "--locked"]))
}

/// The end-to-end tests run the programs themselves, so these are built first; with the tests, since another
/// choice of targets would build every dependency a second time with other features.
fn programs_and_tests(tree: &Tree) -> Result<()> {
    tree::run(&mut tree.cargo(["build", "--workspace", "--all-targets", "--locked"]))
}

/// The README's first command must never break unnoticed.
fn demo(tree: &Tree) -> Result<()> {
    let mut demo = std::process::Command::new(tree.target.join("debug/demo"));
    demo.arg("--pictures")
        .arg(tree.target.join("demo-pictures"));
    tree::run(&mut demo)
}

fn tests(tree: &Tree) -> Result<()> {
    let list = skipped_list(tree);
    if let Err(error) = std::fs::remove_file(&list)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(anyhow!(error).context(format!("cannot remove {}", list.display())));
    }
    tree::run(
        tree.cargo(["test", "--workspace", "--locked", "--no-fail-fast"])
            .env("COUNTERSIGN_SKIPPED", &list),
    )
}

/// The tests that are marked as ignored.
fn long_tests(tree: &Tree) -> Result<()> {
    tree::run(&mut tree.cargo([
        "test",
        "--workspace",
        "--locked",
        "--test",
        "e2e",
        "--",
        "--ignored",
    ]))
}

/// Last, since it leaves an agent with the feature behind. Of the whole workspace, since another choice of
/// packages would build every dependency a second time with other features.
fn optional_features(tree: &Tree) -> Result<()> {
    tree::run(
        tree.cargo(["test", "--workspace", "--features", layers::OPTIONAL])
            .args(["--test", "tpm", "--test", "tpm_agent", "--locked"])
            .args(["--bin", "countersign-desktop"])
            // Refusals are what is tested: the library's own lines about them say nothing.
            .env("TSS2_LOG", "all+none")
            .env("COUNTERSIGN_SKIPPED", skipped_list(tree)),
    )
}

/// Where tests note that they were skipped, one line each.
fn skipped_list(tree: &Tree) -> std::path::PathBuf {
    tree.target.join("skipped-tests")
}

fn skipped_tests(tree: &Tree) -> Result<Vec<String>> {
    let list = skipped_list(tree);
    if !Path::new(&list).exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&list)
        .with_context(|| format!("cannot read {}", list.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.1} s", elapsed.as_secs_f64())
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a step took is told, nothing depends on it"
)]
fn stopwatch() -> std::time::Instant {
    std::time::Instant::now()
}
