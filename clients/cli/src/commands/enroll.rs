//! `countersign enroll`: adds a token.
//!
//! The text comes from wherever [`brought`] finds it; a link that was clicked is a story of its own, [`link`].
//! The agent reads the text first and says whom it would contact; nothing is contacted before the user
//! (or `--yes`) has accepted that host, and the agent holds the enrollment to it.

mod brought;
mod codes;
mod link;
mod picture;
mod shown;

use countersign_proto::agent::v1::{
    self as api, EnrollmentConfirmation, InsecureTransport, Reason,
};

use self::shown::{Brought, card};
use super::{
    secrets::{Question, Rules, Wanted},
    session::Session,
};
use crate::{cli, exit::Failure, output, prompt, text};

/// Reads the text, shows the host, enrolls.
pub(crate) async fn run(arguments: cli::Enroll, session: &Session) -> Result<(), Failure> {
    if let Some(link) = &arguments.link {
        return link::run(link, session).await;
    }
    let mut agent = session.agent().await?;
    let (secret, mut secrets) = brought::read(&arguments, &mut agent, session).await?;
    let offer = agent.inspect_enrollment(secret.to_vec()).await?;
    let wanted = wanted(&offer);
    let name = arguments
        .name
        .unwrap_or_else(|| offer.suggested_name.clone());
    if !arguments.yes {
        confirm(&offer, &name, session).await?;
    }
    if !arguments.allow_insecure {
        confirm_insecure(&offer, session).await?;
    }
    let reply = loop {
        let attempt = api::EnrollRequest {
            text: secret.to_vec(),
            name: name.clone(),
            confirmed_host: offer.host.clone(),
            pin: if secrets.current().is_empty() {
                secrets.new_one()
            } else {
                secrets.current()
            },
            accepted_insecure: offer.insecure,
            confirmation: EnrollmentConfirmation::Unspecified.into(),
        };
        match session.patiently(agent.enroll(attempt)).await {
            Ok(reply) => break reply,
            Err(refusal) => secrets.after(refusal, &wanted, session).await?,
        }
    };
    session.output.answer(&Brought::from(reply))
}

/// What may have to be typed: a new PIN for the token, or the passphrase that belongs to a container's link.
fn wanted(offer: &api::InspectEnrollmentReply) -> Wanted {
    if offer.passphrase_question.is_empty() {
        return Wanted {
            new: Some("PIN"),
            rules: Rules::Said,
            ..Wanted::default()
        };
    }
    let question = text::sentence(&offer.passphrase_question);
    Wanted {
        current: Some(Question::new("passphrase", question)),
        ..Wanted::default()
    }
}

/// Shows whom the enrollment would contact and asks whether that is right.
async fn confirm(
    offer: &api::InspectEnrollmentReply,
    name: &str,
    session: &Session,
) -> Result<(), Failure> {
    let host = text::display(&offer.host, 256);
    let terminal = prompt::or_refuse(
        session.terminal(),
        Reason::EnrollmentNotConfirmed,
        &if host.is_empty() {
            "Nobody confirmed that this token is to be added, and there is no terminal to ask on."
                .to_owned()
        } else {
            format!(
                "Nobody confirmed that {host} is to be contacted, and there is no terminal to ask on."
            )
        },
        "Add --yes if that is right.",
    )?;
    let style = session.output.error_style();
    output::note(&format!("\n{}\n", card(offer, name, style)));
    let question = if host.is_empty() {
        "Add this token?".to_owned()
    } else if offer.user.is_empty() {
        format!("Connect to {host}?")
    } else {
        format!("Connect to {host} as {}?", text::short(&offer.user))
    };
    if terminal.confirm(&question).await? {
        Ok(())
    } else {
        Err(Failure::refused(
            Reason::EnrollmentNotConfirmed,
            "Nothing was enrolled and nobody was contacted.",
            "",
        ))
    }
}

/// What nobody vouches for is asked about by itself, and neither `--yes` nor the answer before counts for it.
async fn confirm_insecure(
    offer: &api::InspectEnrollmentReply,
    session: &Session,
) -> Result<(), Failure> {
    let host = text::display(&offer.host, 256);
    let danger = match offer.insecure() {
        InsecureTransport::Unspecified => return Ok(()),
        InsecureTransport::PlainHttp => format!(
            "The link leads to {host} without TLS: everybody on the way can read along, and answer in its place."
        ),
        InsecureTransport::UnverifiedTls => format!(
            "The link asks not to check the certificate of {host}: whoever answers there now is taken for it."
        ),
    };
    let terminal = prompt::or_refuse(
        session.terminal(),
        Reason::EnrollmentNotConfirmed,
        &danger,
        "Ask your administrator for another link; or add --allow-insecure if this is only a test.",
    )?;
    output::note(&format!("{danger}\n"));
    if terminal.confirm("Take that risk?").await? {
        Ok(())
    } else {
        Err(Failure::refused(
            Reason::EnrollmentNotConfirmed,
            "Nothing was enrolled and nobody was contacted.",
            "",
        ))
    }
}
