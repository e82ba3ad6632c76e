//! One login at the gateway: a passcode is checked, or the user's desktop is asked.

use core::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use countersign_passcodes::gateway::{Question, Word};
use serde_json::Value;
use tokio::time::MissedTickBehavior;

use crate::{http::Connection, settings::Settings};

/// The longest that the gateway holds a poll, in seconds.
const HOLD: &str = "20";
/// Polls that are answered at once are no more often than this.
const PACE: Duration = Duration::from_millis(500);

/// The desktop has been asked: from then on the time that is over is the user's.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// What the gateway says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The user is in.
    Accepted,
    /// The user is not.
    Denied,
}

/// Why it could not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It does not answer, not as itself, or not in its language.
    Away,
    /// This computer, or what the caller has left this process.
    Local,
}

/// Has the user's desktop been asked?
pub(crate) fn is_shown() -> bool {
    SHOWN.load(Ordering::Relaxed)
}

/// Asks the gateway. `say` tells the module that the desktop shows the login.
pub(crate) async fn ask(
    settings: &Settings,
    question: &Question,
    say: fn(&Word),
) -> Result<Answer, Trouble> {
    let mut gateway = Connection::open(settings).await?;
    let mut fields = vec![("user", question.user.as_str())];
    if !settings.realm.is_empty() {
        fields.push(("realm", &settings.realm));
    }
    // Only an address tells the gateway where the user is; a name may be anybody's.
    if question.remote_host.parse::<IpAddr>().is_ok() {
        fields.push(("client", &question.remote_host));
    }
    if !question.passcode.is_empty() {
        fields.push(("pass", question.passcode.expose()));
        return Ok(verdict(&gateway.post("/validate/check", &fields).await?));
    }
    let mut opening = fields.clone();
    opening.push(("program", &question.service));
    let opened = gateway.post("/validate/triggerchallenge", &opening).await?;
    let Some((transaction, number)) = shown(&opened) else {
        return Ok(Answer::Denied);
    };
    let Some(word) = Word::asked(number.as_deref()) else {
        return Err(Trouble::Away);
    };
    SHOWN.store(true, Ordering::Relaxed);
    say(&word);
    let poll = [("transaction_id", transaction.as_str()), ("wait", HOLD)];
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let state = gateway.get("/validate/polltransaction", &poll).await?;
        match text(&state, "/result/authentication") {
            "ACCEPT" => break,
            "DECLINED" => return Ok(Answer::Denied),
            _ => {}
        }
    }
    fields.push(("pass", ""));
    fields.push(("transaction_id", &transaction));
    Ok(verdict(&gateway.post("/validate/check", &fields).await?))
}

/// Only a yes in every form of it is one.
fn verdict(answer: &Value) -> Answer {
    let yes = |pointer| answer.pointer(pointer).and_then(Value::as_bool) == Some(true);
    let accepted = yes("/result/status")
        && yes("/result/value")
        && text(answer, "/result/authentication") == "ACCEPT";
    if accepted {
        Answer::Accepted
    } else {
        Answer::Denied
    }
}

/// The transaction of a login that a desktop shows, and the number to type there.
fn shown(opened: &Value) -> Option<(String, Option<String>)> {
    let transaction = text(opened, "/detail/transaction_id");
    let ways = opened.pointer("/detail/multi_challenge")?.as_array()?;
    let push = ways.iter().find(|way| text(way, "/type") == "push")?;
    let number = push.get("presence_answer").map(|number| {
        number
            .as_str()
            .map_or_else(|| number.to_string(), str::to_owned)
    });
    (!transaction.is_empty()).then(|| (transaction.to_owned(), number))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_whole_yes_is_one() {
        let answer = |status, value, word| json!({"result": {"status": status, "value": value, "authentication": word}});
        assert_eq!(verdict(&answer(true, true, "ACCEPT")), Answer::Accepted);
        for other in [
            answer(false, true, "ACCEPT"),
            answer(true, false, "ACCEPT"),
            answer(true, true, "CHALLENGE"),
            json!({"result": {"status": 1, "value": "true", "authentication": "ACCEPT"}}),
            json!({"result": {"value": true}}),
            json!([]),
            json!("ACCEPT"),
        ] {
            assert_eq!(verdict(&other), Answer::Denied, "{other}");
        }
    }

    #[test]
    fn a_login_without_a_desktop_is_not_waited_for() {
        let opened = |ways| json!({"detail": {"transaction_id": "t", "multi_challenge": ways}});
        let push = json!({"type": "push", "presence_answer": "63"});
        let number = Some("63".to_owned());
        assert_eq!(
            shown(&opened(json!([push]))),
            Some(("t".to_owned(), number))
        );
        let plain = json!({"type": "push"});
        assert_eq!(shown(&opened(json!([plain]))), Some(("t".to_owned(), None)));
        assert_eq!(shown(&opened(json!([{"type": "ocra"}]))), None);
        assert_eq!(
            shown(&json!({"detail": {"multi_challenge": [{"type": "push"}]}})),
            None
        );
        assert_eq!(shown(&json!({})), None);
    }
}
