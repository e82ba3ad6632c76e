//! `countersign doctor`: looks for what keeps Countersign from working, or from being safe, and says what to do. Changes
//! nothing.
//!
//! One file a check below `doctor/`; each gives what it found.

mod agent;
mod browser;
mod sudo;

use countersign_proto::agent::v1::Reason;
use serde::Serialize;

use super::session::Session;
use crate::{
    exit::Failure,
    output::{Answer, Paint, Style, table::tabbed},
    text,
};

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    /// As it should be.
    Good,
    /// It works, and could be better; or it is not set up.
    Advice,
    /// It does not work, or is not safe.
    Bad,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// The check: one word.
    check: &'static str,
    standing: Standing,
    message: String,
    /// What to do; may be empty.
    hint: String,
}

impl Finding {
    pub(super) fn good(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Standing::Good, message, "")
    }

    pub(super) fn advice(
        check: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(check, Standing::Advice, message, hint)
    }

    pub(super) fn bad(
        check: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(check, Standing::Bad, message, hint)
    }

    fn is_good(&self) -> bool {
        self.standing == Standing::Good
    }

    fn new(
        check: &'static str,
        standing: Standing,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            check,
            standing,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

/// Runs every check.
pub(crate) async fn run(session: &Session) -> Result<(), Failure> {
    let mut findings = agent::check(session).await;
    findings.extend(browser::check(session));
    findings.extend(sudo::check(session).await);
    let bad = findings
        .iter()
        .filter(|finding| finding.standing == Standing::Bad)
        .count();
    session.output.answer(&Findings { findings })?;
    match bad {
        0 => Ok(()),
        1 => Err(faults("One thing is not as it should be.")),
        many => Err(faults(format!("{many} things are not as they should be."))),
    }
}

fn faults(message: impl Into<String>) -> Failure {
    Failure::refused(Reason::ConfigInvalid, message, "")
}

#[derive(Debug, Serialize)]
struct Findings {
    findings: Vec<Finding>,
}

impl Answer for Findings {
    fn friendly(&self, style: &Style) -> String {
        let shown = |finding: &Finding| {
            let mark = match finding.standing {
                Standing::Good => style.paint(Paint::Good, "ok  "),
                Standing::Advice => style.paint(Paint::Attention, "note"),
                Standing::Bad => style.paint(Paint::Bad, "bad "),
            };
            let message = text::sentence(&finding.message);
            let hint = match text::sentence(&finding.hint) {
                hint if hint.is_empty() => hint,
                hint => format!("      {hint}\n"),
            };
            format!("{mark}  {}: {message}\n{hint}", finding.check)
        };
        self.findings.iter().map(shown).collect()
    }

    fn bare(&self) -> String {
        let line = |finding: &Finding| {
            let standing = match finding.standing {
                Standing::Good => "good",
                Standing::Advice => "advice",
                Standing::Bad => "bad",
            };
            tabbed(&[finding.check, standing, &finding.message, &finding.hint])
        };
        self.findings.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    #[test]
    fn the_json_shape_is_stable() {
        let findings = Findings {
            findings: vec![Finding::bad("agent", "It does not run.", "Start it.")],
        };
        assert_eq!(
            json::line(&findings),
            "{\"findings\":[{\"check\":\"agent\",\"standing\":\"bad\",\"message\":\"It does not run.\",\
             \"hint\":\"Start it.\"}]}\n"
        );
        assert_eq!(findings.bare(), "agent\tbad\tIt does not run.\tStart it.\n");
    }
}
