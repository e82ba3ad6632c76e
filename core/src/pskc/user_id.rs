//! `UserId`: a distinguished name with one part, `UID=alice` (RFC 6030, section 4.3; RFC 4514).

use data_encoding::HEXLOWER_PERMISSIVE;

const PREFIX: &str = "UID=";

/// The distinguished name of a user.
pub(super) fn to_name(user: &str) -> String {
    let mut name = String::from(PREFIX);
    let last = user.chars().count().saturating_sub(1);
    for (place, letter) in user.chars().enumerate() {
        let escaped = match letter {
            '"' | '+' | ',' | ';' | '<' | '>' | '=' | '\\' => true,
            ' ' => place == 0 || place == last,
            '#' => place == 0,
            _ => false,
        };
        if escaped {
            name.push('\\');
        }
        name.push(letter);
    }
    name
}

/// The user of a distinguished name; a name of several parts or of other kinds is taken as it stands.
pub(super) fn from_name(name: &str) -> String {
    match name.split_at_checked(PREFIX.len()) {
        Some((kind, value)) if kind.eq_ignore_ascii_case(PREFIX) => {
            unescaped(value).unwrap_or_else(|| name.to_owned())
        }
        Some(_) | None => name.to_owned(),
    }
}

fn unescaped(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '+' | ',' | ';' => return None,
            '\\' => {
                let first = rest.next()?;
                if first.is_ascii_hexdigit() {
                    let pair: String = [first, rest.next()?].into_iter().collect();
                    bytes.extend(HEXLOWER_PERMISSIVE.decode(pair.as_bytes()).ok()?);
                } else {
                    bytes.extend(first.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
            other => bytes.extend(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_others_are_read_or_kept() {
        assert_eq!(from_name("uid=jsmith"), "jsmith");
        assert_eq!(from_name("UID=M\\C3\\BCller\\, A"), "Müller, A");
        assert_eq!(from_name("UID=a,DC=example"), "UID=a,DC=example");
        assert_eq!(from_name("CN=alice"), "CN=alice");
        assert_eq!(from_name("alice"), "alice");
        assert_eq!(from_name("UID=\\"), "UID=\\");
    }

    proptest! {
        #[test]
        fn every_user_survives(user in any::<String>()) {
            prop_assert_eq!(from_name(&to_name(&user)), user);
        }

        #[test]
        fn no_name_panics(name in "(UID=|uid=)?[\\\\a-f0-9ß,+ ]{0,20}") {
            let _user = from_name(&name);
        }
    }
}
