//! Hosts that read like another (Unicode Technical Standard 39). A hint for the user, never a decision.

use unicode_security::{MixedScript as _, confusable_detection::skeleton};

use super::Origin;

/// What is odd about a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Letters of several scripts in one label.
    MixedScripts,
    /// A label that is none of ASCII reads like one that is.
    ReadsAsAscii,
    /// It reads like this host, where a token is filled, and is another.
    ReadsLike(String),
}

/// What the user should know before a token is bound to `origin`. `known`: the origins that tokens are bound to.
#[must_use]
pub fn doubts<'a>(origin: &Origin, known: impl IntoIterator<Item = &'a Origin>) -> Vec<Doubt> {
    let host = read(origin);
    let mut doubts = Vec::new();
    let labels = || host.split('.');
    if labels().any(|label| !label.is_single_script()) {
        doubts.push(Doubt::MixedScripts);
    }
    if labels().any(|label| !label.is_ascii() && bones(label).is_ascii()) {
        doubts.push(Doubt::ReadsAsAscii);
    }
    let own = bones(&host);
    let twin = known
        .into_iter()
        .map(read)
        .find(|other| *other != host && bones(other) == own);
    doubts.extend(twin.map(Doubt::ReadsLike));
    doubts
}

fn read(origin: &Origin) -> String {
    origin.unicode_host().unwrap_or_else(|| origin.host())
}

/// The same for all texts that can be taken for each other.
fn bones(text: &str) -> String {
    skeleton(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(host: &str) -> Origin {
        let ascii = idna::domain_to_ascii(host).unwrap();
        Origin::parse(&format!("https://{ascii}")).unwrap()
    }

    fn seen(host: &str, known: &[&str]) -> Vec<Doubt> {
        let known: Vec<_> = known.iter().map(|host| origin(host)).collect();
        doubts(&origin(host), &known)
    }

    #[test]
    fn ordinary_hosts_raise_no_doubt() {
        for host in [
            "login.example.com",
            "bücher.example",
            "例え.jp",
            "пример.example",
            "παράδειγμα.example",
            "192-0-2-7.example.com",
        ] {
            assert_eq!(seen(host, &["login.example.com"]), [], "{host}");
        }
    }

    #[test]
    fn letters_of_two_scripts_in_a_label_are_told() {
        // A Cyrillic а.
        let doubts = seen("ex\u{430}mple.com", &[]);
        assert!(doubts.contains(&Doubt::MixedScripts), "{doubts:?}");
        assert!(doubts.contains(&Doubt::ReadsAsAscii), "{doubts:?}");
    }

    #[test]
    fn a_whole_label_in_another_script_that_reads_as_ascii_is_told() {
        // All Cyrillic: аре.
        assert_eq!(
            seen("\u{430}\u{440}\u{435}.com", &[]),
            [Doubt::ReadsAsAscii]
        );
    }

    #[test]
    fn a_twin_of_a_bound_host_is_named() {
        let twin = |host| vec![Doubt::ReadsLike(String::from(host))];
        assert_eq!(seen("exarnple.com", &["example.com"]), twin("example.com"));
        assert_eq!(seen("pay1.com", &["payl.com"]), twin("payl.com"));
        assert_eq!(seen("example.com", &["example.com"]), []);
        let cyrillic = seen("\u{430}\u{440}\u{435}.com", &["ape.com"]);
        assert!(cyrillic.contains(&Doubt::ReadsLike("ape.com".to_owned())));
    }
}
