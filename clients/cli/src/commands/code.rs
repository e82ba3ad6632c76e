//! `countersign code TOKEN`: a passcode, of every mode.

use countersign_client::AgentClient;
use countersign_proto::agent::v1::{self as api, OtpMode, PasscodeRequestKind};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    secrets::{Secrets, Wanted},
    session::Session,
};
use crate::{
    cli, clock,
    exit::Failure,
    output::{Answer, Paint, Style, words::Word as _},
    text,
};

/// Asks for the passcode, and for the PIN if the agent cannot.
pub(crate) async fn run(arguments: cli::Code, session: &Session) -> Result<(), Failure> {
    let request = api::GeneratePasscodeRequest {
        token: arguments.token.token,
        kind: PasscodeRequestKind::Unspecified.into(),
        challenge: arguments.challenge.unwrap_or_default(),
        pin: Vec::new(),
    };
    generate(request, arguments.pin.pin_stdin, session).await
}

/// Generates and shows a passcode.
pub(crate) async fn generate(
    request: api::GeneratePasscodeRequest,
    pin_stdin: bool,
    session: &Session,
) -> Result<(), Failure> {
    let wanted = Wanted::pin_of(&request.token);
    let mut secrets = Secrets::begin(pin_stdin, &wanted)?;
    let mut agent: AgentClient = session.agent().await?;
    let reply = loop {
        let attempt = api::GeneratePasscodeRequest {
            pin: secrets.current(),
            ..request.clone()
        };
        match session.patiently(agent.generate_passcode(attempt)).await {
            Ok(reply) => break reply,
            Err(refusal) => secrets.after(refusal, &wanted, session).await?,
        }
    };
    let passcode = Passcode::from(reply);
    if let Some(words) = passcode.spoilt() {
        session.output.warn(&format!(
            "{words}: this passcode may not be accepted. Set the clock, for instance with `timedatectl set-ntp true`."
        ));
    }
    session.output.answer(&passcode)
}

/// A passcode as it is shown.
#[derive(Serialize)]
#[expect(
    clippy::struct_field_names,
    reason = "the names are those of the documented JSON object"
)]
struct Passcode {
    #[serde(serialize_with = "exposed")]
    passcode: Zeroizing<String>,
    token: String,
    mode: Option<String>,
    valid_for_ms: Option<u32>,
    period: Option<u32>,
    clock_offset_ms: Option<i64>,
    #[serde(skip)]
    kind: OtpMode,
}

impl Passcode {
    /// How the clock spoils it, if it does.
    fn spoilt(&self) -> Option<String> {
        clock::spoils(self.clock_offset_ms?, self.period?)
    }
}

/// A passcode is the one secret that is there to be printed.
fn exposed<S: serde::Serializer>(
    passcode: &Zeroizing<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(passcode)
}

impl From<api::GeneratePasscodeReply> for Passcode {
    fn from(reply: api::GeneratePasscodeReply) -> Self {
        let kind = reply.mode();
        Self {
            passcode: Zeroizing::new(reply.passcode),
            token: reply.name,
            mode: kind.word(),
            valid_for_ms: reply.valid_for_ms,
            period: (kind == OtpMode::Time && reply.period > 0).then_some(reply.period),
            clock_offset_ms: reply.clock_offset_ms,
            kind,
        }
    }
}

impl Answer for Passcode {
    fn friendly(&self, style: &Style) -> String {
        let passcode = Zeroizing::new(text::short(&self.passcode));
        let mut line = style.paint(Paint::Answer, &passcode);
        line.push_str("  ");
        match (self.valid_for_ms, self.period) {
            (Some(left), Some(period)) => {
                let whole = u64::from(period).saturating_mul(1_000);
                let left = u64::from(left);
                line.push_str(&style.countdown(left, whole));
                let seconds = left.div_ceil(1_000);
                line.push_str(&style.paint(Paint::Faint, &format!("  {seconds} s left")));
            }
            (Some(left), None) => {
                let seconds = u64::from(left).div_ceil(1_000);
                line.push_str(&style.paint(Paint::Faint, &format!("{seconds} s left")));
            }
            (None, _) => {
                let use_of_it = match self.kind {
                    OtpMode::Event => "good for one login",
                    OtpMode::Challenge => "answers this challenge only",
                    OtpMode::Time | OtpMode::Push | OtpMode::Sudo | OtpMode::Unspecified => "",
                };
                line.push_str(&style.paint(Paint::Faint, use_of_it));
            }
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }

    fn bare(&self) -> String {
        let mut line = text::short(&self.passcode);
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    fn passcode(mode: OtpMode, valid_for_ms: Option<u32>, period: u32) -> Passcode {
        Passcode::from(api::GeneratePasscodeReply {
            passcode: "755224".to_owned(),
            name: "Work".to_owned(),
            mode: mode.into(),
            valid_for_ms,
            period,
            clock_offset_ms: None,
        })
    }

    #[test]
    fn the_json_shape_is_stable() {
        assert_eq!(
            json::line(&passcode(OtpMode::Time, Some(17_500), 30)),
            "{\"passcode\":\"755224\",\"token\":\"Work\",\"mode\":\"time\",\"valid_for_ms\":17500,\"period\":30,\"clock_offset_ms\":null}\n"
        );
        assert_eq!(
            json::line(&passcode(OtpMode::Event, None, 0)),
            "{\"passcode\":\"755224\",\"token\":\"Work\",\"mode\":\"event\",\"valid_for_ms\":null,\"period\":null,\"clock_offset_ms\":null}\n"
        );
    }

    #[test]
    fn piped_it_is_the_passcode_and_nothing_else() {
        assert_eq!(passcode(OtpMode::Time, Some(1), 30).bare(), "755224\n");
    }

    #[test]
    fn a_person_sees_how_long_it_is_good_for() {
        let style = Style::new(false, 80);
        assert_eq!(
            passcode(OtpMode::Time, Some(17_500), 30).friendly(&style),
            "755224  ━━━━━━╌╌╌╌  18 s left\n"
        );
        assert_eq!(
            passcode(OtpMode::Event, None, 0).friendly(&style),
            "755224  good for one login\n"
        );
    }
}
