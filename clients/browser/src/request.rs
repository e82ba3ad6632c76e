//! What the extension says: JSON to `countersign.browser.v1`. No unknown operation, no unknown field, no depth.

use countersign_proto::{
    agent::v1::Verdict,
    browser::v1::{self as wire, request::Wish},
    limits::{BROWSER_CHUNK, BROWSER_PICTURE, ENROLLMENT_TEXT, NATIVE_DEPTH},
};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// The largest id: what a JavaScript number holds exactly.
const LARGEST_ID: u64 = (1 << 53) - 1;

/// One message of the extension.
#[derive(Debug)]
pub struct Incoming {
    /// Chosen by the extension; never 0.
    pub id: u64,
    /// What it wants.
    pub call: Call,
}

/// What the extension wants.
#[derive(Debug)]
pub enum Call {
    /// Something of the agent.
    Ask(Wish),
    /// A picture of so many bytes follows, to be looked at for a code.
    Picture {
        /// Bytes; from 1 to [`BROWSER_PICTURE`].
        size: usize,
    },
    /// What follows of the picture.
    Chunk {
        /// The id of the picture.
        of: u64,
        /// At most [`BROWSER_CHUNK`] bytes.
        data: Zeroizing<Vec<u8>>,
    },
}

/// Why a message is none. Says nothing of its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No JSON object with an id: there is nothing to answer to.
    #[error("The extension sent what is no message.")]
    Garbage,
    /// A message that asks for nothing that is known.
    #[error("{why}")]
    Wrong {
        /// The message's.
        id: u64,
        /// What is wrong.
        why: &'static str,
    },
}

/// Reads a message.
///
/// # Errors
///
/// Every variant of [`Unreadable`].
pub fn read(bytes: &[u8]) -> Result<Incoming, Unreadable> {
    if depth(bytes) > NATIVE_DEPTH {
        return Err(Unreadable::Garbage);
    }
    let mut fields: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|_no_object| Unreadable::Garbage)?;
    let id = fields.remove("id").as_ref().and_then(Value::as_u64);
    let id = id
        .filter(|id| (1..=LARGEST_ID).contains(id))
        .ok_or(Unreadable::Garbage)?;
    let wrong = |why| Unreadable::Wrong { id, why };
    let Some(Value::String(op)) = fields.remove("op") else {
        return Err(wrong("The message names no operation."));
    };
    let call = call(&op, fields).map_err(wrong)?;
    Ok(Incoming { id, call })
}

/// How deep the brackets outside texts are nested. Of what is no JSON it is just a number.
fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in bytes {
        match (in_text, escaped, byte) {
            (true, true, _) => escaped = false,
            (true, false, b'\\') => escaped = true,
            (_, false, b'"') => in_text = !in_text,
            (false, _, b'{' | b'[') => {
                now = now.saturating_add(1);
                most = most.max(now);
            }
            (false, _, b'}' | b']') => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

fn call(op: &str, fields: Map<String, Value>) -> Result<Call, &'static str> {
    let wish = match op {
        "hello" => {
            let hello: Hello = exactly(fields)?;
            Wish::Hello(wire::Hello {
                version: hello.version,
                key: decoded(&hello.key)?,
                browser: hello.browser,
                extension: hello.extension,
            })
        }
        "prove" => {
            let prove: Prove = exactly(fields)?;
            Wish::Prove(wire::Prove {
                signature: decoded(&prove.signature)?,
            })
        }
        "pair" => Wish::Pair(wire::Pair {
            name: exactly::<Pair>(fields)?.name,
        }),
        "status" => nothing(&fields, Wish::Status(wire::Status {}))?,
        "unlock" => nothing(&fields, Wish::Unlock(wire::Unlock {}))?,
        "lock" => nothing(&fields, Wish::Lock(wire::Lock {}))?,
        "watch" => nothing(&fields, Wish::Watch(wire::Watch {}))?,
        "fill" => {
            let fill: Fill = exactly(fields)?;
            let window = if fill.private {
                wire::Window::Private
            } else {
                wire::Window::Ordinary
            };
            Wish::Fill(wire::Fill {
                origin: fill.origin,
                token: fill.token.unwrap_or_default(),
                window: window.into(),
            })
        }
        "bind" => {
            let bind: Bind = exactly(fields)?;
            let scope = match bind.scope {
                BindScope::Origin => wire::Scope::Origin,
                BindScope::Domain => wire::Scope::Domain,
            };
            Wish::Bind(wire::Bind {
                origin: bind.origin,
                token: bind.token,
                scope: scope.into(),
            })
        }
        "unbind" => {
            let unbind: Unbind = exactly(fields)?;
            Wish::Unbind(wire::Unbind {
                origin: unbind.origin,
                token: unbind.token,
            })
        }
        "tokens" => Wish::Tokens(wire::Tokens {
            origin: exactly::<Tokens>(fields)?.origin.unwrap_or_default(),
        }),
        "passcode" => {
            let passcode: Passcode = exactly(fields)?;
            Wish::Passcode(wire::Passcode {
                token: passcode.token,
                challenge: passcode.challenge.unwrap_or_default(),
            })
        }
        "answer" => {
            let answer: Answer = exactly(fields)?;
            let verdict = match answer.verdict {
                Said::Approve => Verdict::Approve,
                Said::Deny => Verdict::Deny,
                Said::Report => Verdict::Report,
            };
            Wish::Answer(wire::Answer {
                request: answer.request,
                verdict: verdict.into(),
                number: answer.number.unwrap_or_default(),
            })
        }
        "enroll" => return enroll(fields),
        "chunk" => {
            let chunk: Chunk = exactly(fields)?;
            let data = BASE64.decode(chunk.data.as_bytes());
            let data = Zeroizing::new(data.map_err(|_not_base64| WRONG_FIELD)?);
            if data.len() > BROWSER_CHUNK {
                return Err("A piece of a picture has at most 48 KiB.");
            }
            return Ok(Call::Chunk { of: chunk.of, data });
        }
        _ => return Err("The operation is not known."),
    };
    Ok(Call::Ask(wish))
}

fn enroll(fields: Map<String, Value>) -> Result<Call, &'static str> {
    let enroll: Enroll = exactly(fields)?;
    match enroll {
        Enroll {
            text: Some(text),
            picture: None | Some(false),
            size: None,
        } if text.len() <= ENROLLMENT_TEXT => Ok(Call::Ask(Wish::Enroll(wire::Enroll {
            text: text.into_bytes(),
        }))),
        Enroll {
            text: None,
            picture: Some(true),
            size: Some(size @ 1..=BROWSER_PICTURE),
        } => Ok(Call::Picture { size }),
        Enroll { size: Some(_), .. } => Err("A picture has at most 8 MiB."),
        Enroll { .. } => Err("A link or a picture is enrolled."),
    }
}

const WRONG_FIELD: &str = "A field is missing, wrong or not known.";

fn exactly<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, &'static str> {
    // The decoder's error would repeat what was sent.
    serde_json::from_value(Value::Object(fields)).map_err(|_fields| WRONG_FIELD)
}

fn nothing(fields: &Map<String, Value>, wish: Wish) -> Result<Wish, &'static str> {
    if fields.is_empty() {
        Ok(wish)
    } else {
        Err(WRONG_FIELD)
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, &'static str> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes());
    bytes.map_err(|_not_base64| WRONG_FIELD)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hello {
    version: u32,
    key: String,
    browser: String,
    extension: String,
    /// For texts of the host, which has none: the extension has its own. Taken and passed over.
    #[serde(default, rename = "locale")]
    _locale: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prove {
    signature: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fill {
    origin: String,
    token: Option<String>,
    #[serde(default)]
    private: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum BindScope {
    Origin,
    Domain,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bind {
    origin: String,
    token: String,
    scope: BindScope,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unbind {
    origin: String,
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tokens {
    origin: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Passcode {
    token: String,
    challenge: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Approve,
    Deny,
    Report,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    request: String,
    verdict: Said,
    number: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enroll {
    text: Option<String>,
    picture: Option<bool>,
    size: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chunk {
    of: u64,
    data: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wish(json: &str) -> Wish {
        match read(json.as_bytes()).unwrap().call {
            Call::Ask(wish) => wish,
            other @ (Call::Picture { .. } | Call::Chunk { .. }) => panic!("{other:?}"),
        }
    }

    fn why(json: &str) -> &'static str {
        match read(json.as_bytes()).unwrap_err() {
            Unreadable::Wrong { why, .. } => why,
            Unreadable::Garbage => "garbage",
        }
    }

    #[test]
    fn every_operation_is_read() {
        let Wish::Hello(hello) = wish(
            r#"{"id":1,"op":"hello","version":1,"key":"AQID","browser":"Chromium 156","extension":"0.1.0","locale":"de"}"#,
        ) else {
            panic!()
        };
        assert_eq!(hello.key, [1, 2, 3]);
        let Wish::Fill(fill) = wish(r#"{"id":2,"op":"fill","origin":"https://a.example"}"#) else {
            panic!()
        };
        assert_eq!(fill.window(), wire::Window::Ordinary);
        let Wish::Fill(fill) =
            wish(r#"{"id":2,"op":"fill","origin":"https://a.example","token":"3","private":true}"#)
        else {
            panic!()
        };
        assert_eq!(
            (fill.window(), fill.token.as_str()),
            (wire::Window::Private, "3")
        );
        for json in [
            r#"{"id":1,"op":"prove","signature":"AQID"}"#,
            r#"{"id":1,"op":"pair","name":"Work"}"#,
            r#"{"id":1,"op":"status"}"#,
            r#"{"id":1,"op":"unlock"}"#,
            r#"{"id":1,"op":"lock"}"#,
            r#"{"id":1,"op":"watch"}"#,
            r#"{"id":1,"op":"bind","origin":"https://a.example","token":"3","scope":"domain"}"#,
            r#"{"id":1,"op":"unbind","origin":"https://a.example","token":"3"}"#,
            r#"{"id":1,"op":"tokens"}"#,
            r#"{"id":1,"op":"tokens","origin":"https://a.example"}"#,
            r#"{"id":1,"op":"passcode","token":"3","challenge":"12345"}"#,
            r#"{"id":1,"op":"answer","request":"00","verdict":"approve","number":"42"}"#,
            r#"{"id":1,"op":"answer","request":"00","verdict":"report"}"#,
            r#"{"id":1,"op":"enroll","text":"otpauth://totp/x?secret=AA"}"#,
        ] {
            drop(wish(json));
        }
        assert!(matches!(
            read(br#"{"id":1,"op":"enroll","picture":true,"size":70000}"#)
                .unwrap()
                .call,
            Call::Picture { size: 70_000 }
        ));
        assert!(matches!(
            read(br#"{"id":2,"op":"chunk","of":1,"data":"AQID"}"#).unwrap().call,
            Call::Chunk { of: 1, data } if *data == [1, 2, 3]
        ));
    }

    #[test]
    fn unknown_fields_operations_and_values_are_refused_with_the_id() {
        for json in [
            r#"{"id":7,"op":"status","more":1}"#,
            r#"{"id":7,"op":"fill","origin":"https://a.example","pin":"1234"}"#,
            r#"{"id":7,"op":"fill"}"#,
            r#"{"id":7,"op":"fill","origin":7}"#,
            r#"{"id":7,"op":"fill","origin":["https://a.example"]}"#,
            r#"{"id":7,"op":"bind","origin":"https://a.example","token":"3","scope":"everywhere"}"#,
            r#"{"id":7,"op":"answer","request":"00","verdict":"cancel"}"#,
            r#"{"id":7,"op":"export"}"#,
            r#"{"id":7,"op":""}"#,
            r#"{"id":7}"#,
            r#"{"id":7,"op":["fill"]}"#,
            r#"{"id":7,"op":"hello","version":-1,"key":"AQID","browser":"x","extension":"y"}"#,
            r#"{"id":7,"op":"hello","version":1,"key":"AQID=","browser":"x","extension":"y"}"#,
            r#"{"id":7,"op":"enroll"}"#,
            r#"{"id":7,"op":"enroll","text":"x","picture":true,"size":1}"#,
            r#"{"id":7,"op":"enroll","picture":true}"#,
            r#"{"id":7,"op":"enroll","picture":true,"size":0}"#,
            r#"{"id":7,"op":"enroll","picture":true,"size":8388609}"#,
            r#"{"id":7,"op":"chunk","of":1,"data":"not base64"}"#,
        ] {
            assert!(
                matches!(read(json.as_bytes()), Err(Unreadable::Wrong { id: 7, .. })),
                "{json}"
            );
        }
        let long = format!(
            r#"{{"id":7,"op":"enroll","text":"{}"}}"#,
            "x".repeat(ENROLLMENT_TEXT + 1)
        );
        assert_eq!(why(&long), "A link or a picture is enrolled.");
        let piece = BASE64.encode(&vec![0; BROWSER_CHUNK + 1]);
        let long = format!(r#"{{"id":7,"op":"chunk","of":1,"data":"{piece}"}}"#);
        assert_eq!(why(&long), "A piece of a picture has at most 48 KiB.");
    }

    #[test]
    fn what_is_no_message_is_garbage() {
        for json in [
            "",
            "null",
            "[]",
            "7",
            "{",
            "{}",
            r#"{"op":"status"}"#,
            r#"{"id":0,"op":"status"}"#,
            r#"{"id":-1,"op":"status"}"#,
            r#"{"id":1.5,"op":"status"}"#,
            r#"{"id":"1","op":"status"}"#,
            r#"{"id":9007199254740992,"op":"status"}"#,
            r#"{"id":1,"op":"status"} x"#,
            "{\"id\":1,\"op\":\"st\u{0}atus\"}",
            r#"{"id":1,"op":"status","x":[[[[1]]]]}"#,
        ] {
            assert_eq!(why(json), "garbage", "{json}");
        }
        assert_eq!(
            read(b"{\"id\":1,\"op\":\"\xff\"}").unwrap_err(),
            Unreadable::Garbage
        );
        let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
        assert_eq!(why(&deep), "garbage");
    }

    #[test]
    fn brackets_in_texts_are_no_depth() {
        assert_eq!(depth(br#"{"a":"[[[[[[\"[[["}"#), 1);
        assert_eq!(depth(br#"{"a":[{"b":"\\"},[]]}"#), 3);
    }

    #[test]
    fn an_error_repeats_nothing_of_what_was_sent() {
        let error = read(br#"{"id":7,"op":"enroll","text":1,"secret":"JBSWY3DPEHPK3PXP"}"#);
        let said = format!("{:?} {}", error, error.as_ref().unwrap_err());
        assert!(!said.contains("JBSWY"), "{said}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            drop(read(&bytes));
        }

        #[test]
        fn an_unknown_field_is_never_taken(name in "[a-z]{1,8}", op in "(fill|status|tokens|passcode|lock)") {
            prop_assume!(!["id", "op", "origin", "token", "private", "challenge"].contains(&name.as_str()));
            let json = format!(r#"{{"id":1,"op":"{op}","origin":"https://a.example","token":"1","{name}":"x"}}"#);
            prop_assert!(read(json.as_bytes()).is_err());
        }
    }
}
