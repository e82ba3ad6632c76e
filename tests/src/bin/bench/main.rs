//! `cargo xtask bench`: what a user waits for and what a service needs, beside peers in the same run. Medians.

mod brokers;
mod browser;
mod desktop;
mod figures;
mod fleet;
mod pam;
mod privacyidea;
mod restarts;
mod streams;
mod table;
mod validation;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use countersign_tests::{end_on_signals, programs, surroundings};

use self::table::{Row, Style, print};

fn main() -> ExitCode {
    match Arguments::parse().and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without stderr there is nobody to tell; the exit code still does.
            drop(writeln!(io::stderr(), "the bench failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Desktop,
    Browser,
    Validation,
    Streams,
    Restarts,
    Pam,
}

struct Arguments {
    style: Style,
    programs: Option<PathBuf>,
    peers: PathBuf,
    only: Option<Part>,
}

impl Arguments {
    fn parse() -> Result<Self> {
        let mut arguments = Self {
            style: Style::Aligned,
            programs: None,
            peers: PathBuf::new(),
            only: None,
        };
        let mut words = surroundings::arguments();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--markdown" => arguments.style = Style::Markdown,
                "--programs" => arguments.programs = words.next().map(PathBuf::from),
                "--peers" => arguments.peers = words.next().context("--peers FOLDER")?.into(),
                "--only" => {
                    arguments.only = Some(match words.next().as_deref() {
                        Some("desktop") => Part::Desktop,
                        Some("browser") => Part::Browser,
                        Some("validation") => Part::Validation,
                        Some("streams") => Part::Streams,
                        Some("restarts") => Part::Restarts,
                        Some("pam") => Part::Pam,
                        _ => bail!("--only desktop, browser, validation, streams, restarts or pam"),
                    });
                }
                other => bail!("unknown: {other}"),
            }
        }
        Ok(arguments)
    }

    fn measures(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    end_on_signals()?;
    if let Some(folder) = &arguments.programs {
        programs::take_from(folder.clone());
    }
    let mut rows = Vec::new();
    let measured = measure(arguments, &mut rows);
    // Also what came before a failure.
    print(&rows, arguments.style)?;
    measured
}

fn measure(arguments: &Arguments, rows: &mut Vec<Row>) -> Result<()> {
    if arguments.measures(Part::Desktop) {
        desktop::measure(&arguments.peers, rows)?;
    }
    if arguments.measures(Part::Browser) {
        browser::measure(rows)?;
    }
    if arguments.measures(Part::Validation) {
        validation::measure(&arguments.peers, rows)?;
    }
    if arguments.measures(Part::Streams) {
        streams::measure(rows)?;
    }
    if arguments.measures(Part::Restarts) {
        restarts::measure(rows)?;
    }
    if arguments.measures(Part::Pam) {
        pam::measure(rows)?;
    }
    Ok(())
}
