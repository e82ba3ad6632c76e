//! What an import would do beside the tokens that are there: is an entry new, known, or does it contradict one?

use core::fmt;

use super::Candidate;
use crate::{otp::OtpMode, secret::SecretBytes, text};

/// The longest name that is compared, in characters: tokens keep no longer one.
const NAME: usize = 64;

/// A token of the vault.
#[derive(Clone, Debug)]
pub struct Held {
    /// The user's name for it.
    pub name: String,
    /// Who issued it.
    pub issuer: String,
    /// The user's name at the issuer.
    pub user: String,
    /// The issuer's serial number; may be empty.
    pub serial: String,
    /// What it generates.
    pub mode: Option<OtpMode>,
    /// Its seed; nothing where a PIN is before it.
    pub secret: Option<SecretBytes>,
}

/// What an entry is beside the tokens that are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// None is like it.
    New,
    /// The vault holds it: the same seed, the same passcodes.
    Known {
        /// The token's name.
        name: String,
    },
    /// It came before in the same files.
    Repeated {
        /// Its place among the entries, from 0 on.
        earlier: usize,
    },
    /// A token looks the same and makes other passcodes, as far as can be seen.
    Conflict {
        /// The token's name.
        name: String,
        /// In what they differ.
        why: Contradiction,
    },
}

/// In what an entry and a token differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// Issuer and user, or the serial number, are the same; the seed is another.
    OtherSecret,
    /// The seed is the same; algorithm, digits, period or kind are others.
    OtherParameters,
    /// Issuer and user, or the serial number, are the same; the token's PIN hides its seed.
    Hidden,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherSecret => "it has the same names and another secret",
            Self::OtherParameters => "it has the same secret and makes other passcodes of it",
            Self::Hidden => "it has the same names, and its PIN hides whether it is the same",
        })
    }
}

/// Compares each candidate with the tokens that are there and with those before it.
#[must_use]
pub fn standings(candidates: &[Option<&Candidate>], held: &[Held]) -> Vec<Option<Standing>> {
    candidates
        .iter()
        .enumerate()
        .map(|(place, candidate)| {
            let candidate = (*candidate)?;
            let standing = beside(candidate, held);
            let earlier = candidates
                .iter()
                .take(place)
                .position(|earlier| earlier.is_some_and(|earlier| is_same(earlier, candidate)));
            Some(match (standing, earlier) {
                (Standing::New | Standing::Conflict { .. }, Some(earlier)) => {
                    Standing::Repeated { earlier }
                }
                (standing, _) => standing,
            })
        })
        .collect()
}

fn is_same(one: &Candidate, other: &Candidate) -> bool {
    one.mode == other.mode && one.secret == other.secret
}

fn beside(candidate: &Candidate, held: &[Held]) -> Standing {
    let of_secret = |held: &&Held| held.secret.as_ref() == Some(&candidate.secret);
    let same = held.iter().filter(of_secret);
    if let Some(token) = same
        .clone()
        .find(|token| token.mode.as_ref() == Some(&candidate.mode))
    {
        return Standing::Known {
            name: token.name.clone(),
        };
    }
    let conflict = |token: &Held, why| Standing::Conflict {
        name: token.name.clone(),
        why,
    };
    if let Some(token) = same.clone().next() {
        return conflict(token, Contradiction::OtherParameters);
    }
    let (issuer, account) = (shown(&candidate.issuer), shown(&candidate.account));
    let alike = |token: &&Held| {
        let names = !issuer.is_empty()
            && !account.is_empty()
            && shown(&token.issuer) == issuer
            && shown(&token.user) == account;
        names || (!candidate.serial.is_empty() && token.serial == candidate.serial)
    };
    match held.iter().find(alike) {
        Some(token) if token.secret.is_none() => conflict(token, Contradiction::Hidden),
        Some(token) => conflict(token, Contradiction::OtherSecret),
        None => Standing::New,
    }
}

/// As tokens keep their names, whatever the case.
fn shown(name: &str) -> String {
    text::display(name, NAME).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        otp::{Digits, HashAlgorithm, Period},
        pskc::{Exportable, PinPolicy},
    };

    const MODE: OtpMode = OtpMode::Time {
        hash: HashAlgorithm::Sha1,
        digits: Digits::SIX,
        period: Period::THIRTY,
    };

    fn candidate(issuer: &str, account: &str, secret: [u8; 4]) -> Candidate {
        Candidate {
            name: String::new(),
            issuer: issuer.to_owned(),
            account: account.to_owned(),
            serial: String::new(),
            mode: MODE,
            secret: SecretBytes::from(secret),
            counter: 0,
            pin: PinPolicy::None,
            exportable: Exportable::Yes,
            policy_name: String::new(),
            policy_level: String::new(),
        }
    }

    fn held(name: &str, issuer: &str, user: &str, secret: Option<[u8; 4]>) -> Held {
        Held {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            user: user.to_owned(),
            serial: String::new(),
            mode: Some(MODE),
            secret: secret.map(SecretBytes::from),
        }
    }

    fn one(candidate: &Candidate, held: &[Held]) -> Standing {
        let all = standings(&[None, Some(candidate)], held);
        assert_eq!(all[0], None);
        all[1].clone().unwrap()
    }

    #[test]
    fn the_seed_says_what_is_known_and_names_what_is_in_conflict() {
        let vault = [
            held("Work", "Example", "alice", Some([1; 4])),
            held("Guarded", "Bank", "bob", None),
        ];
        let known = Standing::Known {
            name: "Work".to_owned(),
        };
        let conflict = |name: &str, why| Standing::Conflict {
            name: name.to_owned(),
            why,
        };
        // Whatever it is called, the same seed is the same token.
        assert_eq!(one(&candidate("", "x", [1; 4]), &vault), known);
        let other = candidate("EXAMPLE", "Alice ", [2; 4]);
        assert_eq!(
            one(&other, &vault),
            conflict("Work", Contradiction::OtherSecret)
        );
        let eight = Candidate {
            mode: OtpMode::Event {
                hash: HashAlgorithm::Sha1,
                digits: Digits::SIX,
            },
            ..candidate("Else", "x", [1; 4])
        };
        assert_eq!(
            one(&eight, &vault),
            conflict("Work", Contradiction::OtherParameters)
        );
        let hidden = candidate("Bank", "bob", [3; 4]);
        assert_eq!(
            one(&hidden, &vault),
            conflict("Guarded", Contradiction::Hidden)
        );
        // Half a name says nothing.
        assert_eq!(
            one(&candidate("Example", "", [2; 4]), &vault),
            Standing::New
        );
        assert_eq!(
            one(&candidate("Example", "bob", [2; 4]), &vault),
            Standing::New
        );
    }

    #[test]
    fn a_serial_number_names_a_token_too() {
        let vault = [Held {
            serial: "CS-1".to_owned(),
            ..held("Work", "", "", Some([1; 4]))
        }];
        let other = Candidate {
            serial: "CS-1".to_owned(),
            ..candidate("a", "b", [2; 4])
        };
        let Standing::Conflict { why, .. } = one(&other, &vault) else {
            panic!("not seen");
        };
        assert_eq!(why, Contradiction::OtherSecret);
    }

    #[test]
    fn what_stands_twice_counts_once() {
        let (first, second) = (candidate("a", "b", [1; 4]), candidate("c", "d", [1; 4]));
        let other = candidate("a", "b", [2; 4]);
        assert_eq!(
            standings(&[Some(&first), None, Some(&second), Some(&other)], &[]),
            [
                Some(Standing::New),
                None,
                Some(Standing::Repeated { earlier: 0 }),
                Some(Standing::New)
            ]
        );
    }
}
