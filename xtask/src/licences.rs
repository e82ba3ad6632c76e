//! Licences of everything that is built in, held against a list of permissive ones.

/// What may be built in. Kept equal to deny.toml.
const ALLOWED: [&str; 11] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether an SPDX expression can be met with allowed licences only. The old `MIT/Apache-2.0` means OR.
/// What cannot be understood is not allowed.
pub(crate) fn allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let verdict = either(&mut words);
    verdict == Some(true) && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

/// `a OR b`; binds looser than AND. Nothing: not an expression.
fn either(words: &mut Words<'_>) -> Option<bool> {
    let mut verdict = both(words)?;
    while words.next_if_eq(&"OR").is_some() {
        verdict |= both(words)?;
    }
    Some(verdict)
}

/// `a AND b`.
fn both(words: &mut Words<'_>) -> Option<bool> {
    let mut verdict = single(words)?;
    while words.next_if_eq(&"AND").is_some() {
        verdict &= single(words)?;
    }
    Some(verdict)
}

/// `MIT`, `X WITH exception` or a group.
fn single(words: &mut Words<'_>) -> Option<bool> {
    if words.next_if_eq(&"(").is_some() {
        let verdict = either(words)?;
        return words.next_if_eq(&")").map(|_| verdict);
    }
    let name = words.next()?.to_owned();
    let name = if words.next_if_eq(&"WITH").is_some() {
        format!("{name} WITH {}", words.next()?)
    } else {
        name
    };
    Some(ALLOWED.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
            "MIT OR Apache-2.0 OR LGPL-2.1-or-later",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "ISC AND (Apache-2.0 OR GPL-2.0)",
        ] {
            assert!(allowed(good), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(GPL-3.0 OR MPL-2.0) AND MIT",
            "(MIT",
            "MIT MIT",
        ] {
            assert!(!allowed(bad), "{bad}");
        }
    }

    #[test]
    fn the_list_equals_that_of_cargo_deny() {
        let deny = include_str!("../../deny.toml");
        let start = deny.find("allow = [").unwrap();
        let end = deny[start..].find(']').unwrap();
        let listed: Vec<_> = deny[start..start + end]
            .split('"')
            .skip(1)
            .step_by(2)
            .collect();
        assert_eq!(listed, ALLOWED);
    }
}
