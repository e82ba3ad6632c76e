//! The stack of a PAM service, as its file says it: is Countersign asked, and in an order that holds?

use std::{
    fs,
    path::{Path, PathBuf},
};

const FOLDER: &str = "/etc/pam.d";
/// The longest file that is looked at, in bytes.
const LONGEST: u64 = 64 * 1024;
/// How deep files include each other.
const DEEPEST: usize = 8;
const MODULE: &str = "pam_countersign.so";

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stack {
    /// The line that asks the agent, as it stands; nothing: none does.
    pub(crate) line: Option<String>,
    /// The module, where that line names it by its whole path.
    pub(crate) module: Option<PathBuf>,
    /// What does not hold.
    pub(crate) faults: Vec<Fault>,
}

/// What does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A denial does not end it: the password is asked for next.
    DenialGoesOn,
    /// Its word does not count.
    NotCounted,
    /// An approval lets in where nothing else has.
    AfterNothing,
    /// No agent, no sudo: a way back is missing.
    NoWayBack,
}

impl Fault {
    /// May it be meant so?
    pub(crate) const fn may_be_meant(self) -> bool {
        matches!(self, Self::NoWayBack)
    }

    /// What is wrong, and what to write instead.
    pub(crate) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::DenialGoesOn => (
                "a denial is not final: the password is asked for after it",
                "Write [success=done authinfo_unavail=ignore ignore=ignore default=die] in front of pam_countersign.so.",
            ),
            Self::NotCounted => (
                "the module's word does not count (optional)",
                "Write required, or the line of docs/pam.md.",
            ),
            Self::AfterNothing => (
                "a jump over the rest gives no success of its own",
                "Put @include common-auth before the line, or write success=done.",
            ),
            Self::NoWayBack => (
                "without an agent nobody gets in: no passcode and no password stands in for it",
                "Add a line `auth required pam_countersign.so passcode` after it, as docs/pam.md shows, or keep a root shell at hand.",
            ),
        }
    }
}

/// One line of `auth`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    control: String,
    module: String,
    path: PathBuf,
    words: String,
    text: String,
}

/// The stack of `service`.
pub(crate) fn of(service: &str) -> Stack {
    let mut lines = Vec::new();
    read(&Path::new(FOLDER).join(service), DEEPEST, &mut lines);
    judged(&lines)
}

fn read(path: &Path, deeper: usize, lines: &mut Vec<Line>) {
    let short = fs::metadata(path).is_ok_and(|metadata| metadata.len() <= LONGEST);
    let Some(text) = short.then(|| fs::read_to_string(path).ok()).flatten() else {
        return;
    };
    for text in text.replace("\\\n", " ").lines() {
        match parsed(text) {
            Some(Parsed::Line(line)) => lines.push(line),
            Some(Parsed::Include(file)) if deeper > 0 && !file.contains('/') => {
                read(
                    &Path::new(FOLDER).join(file),
                    deeper.saturating_sub(1),
                    lines,
                );
            }
            Some(Parsed::Include(_)) | None => {}
        }
    }
}

enum Parsed {
    Line(Line),
    Include(String),
}

fn parsed(text: &str) -> Option<Parsed> {
    let text = text.split('#').next()?.trim();
    if let Some(file) = text.strip_prefix("@include") {
        return Some(Parsed::Include(file.trim().to_owned()));
    }
    let (kind, rest) = text.split_once(char::is_whitespace)?;
    if kind.trim_start_matches('-') != "auth" {
        return None;
    }
    let rest = rest.trim_start();
    let (control, rest) = if rest.starts_with('[') {
        let (control, rest) = rest.split_once(']')?;
        (format!("{control}]"), rest)
    } else {
        let (control, rest) = rest.split_once(char::is_whitespace)?;
        (control.to_owned(), rest)
    };
    let rest = rest.trim();
    let (module, words) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if matches!(control.as_str(), "include" | "substack") {
        return Some(Parsed::Include(module.to_owned()));
    }
    Some(Parsed::Line(Line {
        control,
        module: module.rsplit('/').next().unwrap_or(module).to_owned(),
        path: PathBuf::from(module),
        words: words.trim().to_owned(),
        text: text.to_owned(),
    }))
}

fn judged(lines: &[Line]) -> Stack {
    let asks_agent = |line: &Line| {
        let others = ["passcode", "gateway", "push"];
        line.module == MODULE
            && !line
                .words
                .split_whitespace()
                .any(|word| others.contains(&word))
    };
    let Some(place) = lines.iter().position(asks_agent) else {
        return Stack::default();
    };
    let (before, from) = lines.split_at(place);
    let (Some(ours), after) = (from.first(), from.get(1..).unwrap_or_default()) else {
        return Stack::default();
    };
    let proves = |line: &&Line| line.module == "pam_unix.so" || line.module == MODULE;
    let password_before = before.iter().any(|line| proves(&line));
    let way_back = after.iter().any(|line| proves(&line));
    let mut faults = Vec::new();
    match ours.control.as_str() {
        "optional" => faults.push(Fault::NotCounted),
        "sufficient" if way_back => faults.push(Fault::DenialGoesOn),
        "required" | "requisite" if !password_before && way_back => faults.push(Fault::NoWayBack),
        "required" | "requisite" if !way_back => faults.push(Fault::NoWayBack),
        control if control.starts_with('[') => {
            let says = |word: &str| control.split([' ', '[', ']']).any(|part| part == word);
            if !says("default=die") && !says("default=bad") {
                faults.push(Fault::DenialGoesOn);
            }
            let jump = control
                .split([' ', '[', ']'])
                .find_map(|part| part.strip_prefix("success=")?.parse().ok());
            if jump.is_some_and(|over| !password_before && !lets_in(after, over)) {
                faults.push(Fault::AfterNothing);
            }
            if !says("authinfo_unavail=ignore") && !way_back {
                faults.push(Fault::NoWayBack);
            }
        }
        _ => {}
    }
    Stack {
        line: Some(ours.text.clone()),
        module: Some(ours.path.clone()).filter(|path| path.is_absolute()),
        faults,
    }
}

/// Does something behind the first `over` lines give the success that a jump does not give? That is how
/// pam-auth-update ends its block.
fn lets_in(after: &[Line], over: usize) -> bool {
    let landing = after.get(over..).unwrap_or_default();
    landing.iter().any(|line| {
        line.module == "pam_permit.so" && matches!(line.control.as_str(), "required" | "requisite")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIX: &str = "auth [success=1 default=ignore] pam_unix.so nullok";

    fn stack(lines: &[&str]) -> Stack {
        let lines: Vec<_> = lines
            .iter()
            .filter_map(|text| match parsed(text) {
                Some(Parsed::Line(line)) => Some(line),
                Some(Parsed::Include(_)) | None => None,
            })
            .collect();
        judged(&lines)
    }

    #[test]
    fn the_stacks_of_the_documentation_hold() {
        let instead = "auth [success=done authinfo_unavail=ignore ignore=ignore default=die] pam_countersign.so timeout=30";
        assert_eq!(
            stack(&[instead, UNIX]),
            Stack {
                line: Some(instead.to_owned()),
                module: None,
                faults: vec![]
            }
        );
        let with_passcode =
            "auth [success=1 authinfo_unavail=ignore default=die] pam_countersign.so";
        let found = stack(&[
            UNIX,
            with_passcode,
            "auth required pam_countersign.so passcode",
        ]);
        assert_eq!(
            found,
            Stack {
                line: Some(with_passcode.to_owned()),
                module: None,
                faults: vec![]
            }
        );
        let profile =
            "auth [success=2 authinfo_unavail=ignore default=die] /lib/security/pam_countersign.so";
        let found = stack(&[UNIX, profile, UNIX]);
        assert_eq!(found.faults, []);
        let module = PathBuf::from("/lib/security/pam_countersign.so");
        assert_eq!(found.module, Some(module));
        // As pam-auth-update writes it: the jump goes over the password and the refusal to what lets in.
        let (refusal, permit) = ("auth requisite pam_deny.so", "auth required pam_permit.so");
        let profile = "auth [success=2 authinfo_unavail=ignore ignore=ignore default=die] pam_countersign.so timeout=30";
        assert_eq!(stack(&[profile, UNIX, refusal, permit]).faults, []);
        let further = profile.replace("success=2", "success=3");
        let sss = "auth [success=1 default=ignore] pam_sss.so use_first_pass";
        assert_eq!(stack(&[&further, UNIX, sss, refusal, permit]).faults, []);
    }

    #[test]
    fn what_does_not_hold_is_named() {
        for (lines, fault) in [
            (
                &["auth sufficient pam_countersign.so", UNIX][..],
                Fault::DenialGoesOn,
            ),
            (
                &["auth optional pam_countersign.so", UNIX],
                Fault::NotCounted,
            ),
            (
                &[UNIX, "auth required pam_countersign.so"],
                Fault::NoWayBack,
            ),
            (
                &["auth required pam_countersign.so", UNIX],
                Fault::NoWayBack,
            ),
            (
                &[
                    "auth [success=done default=ignore] pam_countersign.so",
                    UNIX,
                ],
                Fault::DenialGoesOn,
            ),
            (
                &[
                    "auth [success=1 authinfo_unavail=ignore default=die] pam_countersign.so",
                    UNIX,
                ],
                Fault::AfterNothing,
            ),
            (
                &[
                    "auth [success=3 authinfo_unavail=ignore default=die] pam_countersign.so",
                    UNIX,
                    "auth requisite pam_deny.so",
                    "auth required pam_permit.so",
                ],
                Fault::AfterNothing,
            ),
        ] {
            assert_eq!(stack(lines).faults, [fault], "{lines:?}");
        }
    }

    #[test]
    fn without_our_line_there_is_nothing() {
        for lines in [
            &[UNIX][..],
            &["auth required pam_countersign.so passcode"],
            &["# auth required pam_countersign.so"],
            &["account required pam_countersign.so"],
            &[],
        ] {
            assert_eq!(stack(lines), Stack::default());
        }
    }
}
