//! A list of links, one a line; among them the links of Google Authenticator's QR codes.

use super::{
    Entry, Format, ImportError, MAX_ENTRIES, Refusal, Refused, draft, google, google::Parts,
};

/// What a line begins with that makes the file a list.
const SCHEMES: [&str; 5] = ["otpauth:", google::SCHEME, "steam:", "motp:", "pia:"];

/// Does some line look like a link?
pub(super) fn is_list(text: &str) -> bool {
    lines(text).any(|line| SCHEMES.into_iter().any(|scheme| begins_with(line, scheme)))
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
}

pub(super) fn begins_with(line: &str, scheme: &str) -> bool {
    line.get(..scheme.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// Entries in the order of the lines. A list of nothing but Google's links is Google's.
pub(super) fn read(text: &str, parts: &mut Parts) -> Result<(Format, Vec<Entry>), ImportError> {
    let mut entries = Vec::new();
    let mut format = Format::Google;
    for line in lines(text) {
        if begins_with(line, google::SCHEME) {
            entries.extend(parts.take(line)?);
        } else {
            format = Format::UriList;
            entries.push(if line.contains(':') {
                draft::of_link(line)
            } else {
                Entry::Refused(Refused {
                    issuer: String::new(),
                    account: String::new(),
                    why: Refusal::NotALink,
                })
            });
        }
        if entries.len() > MAX_ENTRIES {
            return Err(ImportError::TooManyEntries);
        }
    }
    Ok((format, entries))
}
