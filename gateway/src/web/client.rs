//! Who asks: the address and the program that the user is shown with a login request.

use std::net::{IpAddr, SocketAddr};

use countersign_core::text::display;
use http::{HeaderMap, header};

/// The longest name of a program that is shown, in characters.
const PROGRAM: usize = 64;

/// Where a browser's request came from. Behind a proxy that is what the proxy says last, for what stands
/// before it was said by the browser.
pub(super) fn address(headers: &HeaderMap, peer: SocketAddr, behind_proxy: bool) -> String {
    let peer = peer.ip().to_canonical();
    if !behind_proxy {
        return peer.to_string();
    }
    headers
        .get_all("x-forwarded-for")
        .iter()
        .next_back()
        .and_then(|value| value.to_str().ok())
        .and_then(|list| list.rsplit(',').next())
        .and_then(|last| last.trim().parse::<IpAddr>().ok())
        .map_or(peer, |forwarded| forwarded.to_canonical())
        .to_string()
}

/// What a `User-Agent` header says, in words: "Firefox on Linux". It is the client's own word.
pub(super) fn program(headers: &HeaderMap) -> String {
    let said = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let known = |table: &[(&str, &'static str)]| {
        table
            .iter()
            .find(|(mark, _)| said.contains(mark))
            .map(|(_, name)| *name)
    };
    match (known(&BROWSERS), known(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => display(said.split(' ').next().unwrap_or_default(), PROGRAM),
    }
}

/// What others also claim to be stands behind them.
const BROWSERS: [(&str, &str); 8] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn agent(text: &'static str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(text));
        program(&headers)
    }

    #[test]
    fn programs_are_named_as_people_name_them() {
        for (text, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "privacyIDEA-Keycloak/1.5.1 extra",
                "privacyIDEA-Keycloak/1.5.1",
            ),
            ("", ""),
        ] {
            assert_eq!(agent(text), name);
        }
        assert_eq!(program(&HeaderMap::new()), "");
    }

    #[test]
    fn only_the_proxy_is_believed_and_only_where_there_is_one() {
        let peer = SocketAddr::from(([192, 0, 2, 7], 50_000));
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("10.0.0.1"));
        headers.append(
            "x-forwarded-for",
            HeaderValue::from_static("10.0.0.2, 198.51.100.9"),
        );
        assert_eq!(address(&headers, peer, false), "192.0.2.7");
        assert_eq!(address(&headers, peer, true), "198.51.100.9");
        headers.append("x-forwarded-for", HeaderValue::from_static("<b>"));
        assert_eq!(address(&headers, peer, true), "192.0.2.7");
        let mapped: SocketAddr = "[::ffff:192.0.2.8]:1".parse().unwrap();
        assert_eq!(address(&headers, mapped, false), "192.0.2.8");
    }
}
