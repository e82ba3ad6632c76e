//! Which of the QR codes of a picture is meant.

use countersign_client::AgentClient;
use countersign_proto::agent::v1::{self as api, Reason};

use super::super::session::Session;
use crate::{
    exit::Failure,
    output::{
        self, Paint, Style,
        table::{Cell, table},
        words,
    },
    prompt,
    secret_line::Secret,
};

/// The one that the agent can enroll; a person chooses among several.
///
/// # Errors
///
/// There is none, none that is an enrollment, or several and nobody to choose.
pub(super) async fn choose(
    codes: Vec<Secret>,
    agent: &mut AgentClient,
    session: &Session,
) -> Result<Secret, Failure> {
    let found = codes.len();
    let mut offers: Vec<(Secret, api::InspectEnrollmentReply)> = Vec::new();
    let mut refusal = None;
    for code in codes {
        match agent.inspect_enrollment(code.to_vec()).await {
            Ok(offer) => offers.push((code, offer)),
            // Another code on the same poster: a web page, a network, an export of another program.
            Err(error)
                if matches!(
                    error.reason(),
                    Reason::EnrollmentInvalid | Reason::EnrollmentUnsupported
                ) =>
            {
                refusal = Some(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    let others = found.saturating_sub(offers.len());
    if others > 0 && !offers.is_empty() {
        let codes = words::count(
            u64::try_from(others).unwrap_or(u64::MAX),
            "other QR code",
            "other QR codes",
        );
        session
            .output
            .remark(&format!("The picture holds {codes}, which add no token."));
    }
    match (offers.len(), refusal) {
        (0, None) => Err(Failure::refused(
            Reason::EnrollmentInvalid,
            "There is no QR code in this picture.",
            "It must be whole, sharp, and have its white edge. `countersign enroll` takes the string as well.",
        )),
        (0, Some(refusal)) if found == 1 => Err(refusal.into()),
        (0, Some(_)) => Err(Failure::refused(
            Reason::EnrollmentInvalid,
            format!("None of the {found} QR codes in this picture adds a token."),
            "",
        )),
        (1, _) => offers
            .pop()
            .map(|(code, _)| code)
            .ok_or_else(|| Failure::cancelled("No code was chosen.")),
        (several, _) => {
            let terminal = prompt::or_refuse(
                session.terminal(),
                Reason::EnrollmentAmbiguous,
                &format!("There are {several} QR codes with tokens in this picture."),
                "Cut it to one of them, or choose on a terminal.",
            )?;
            output::note(&list(&offers, session.output.error_style()));
            let answer = terminal
                .ask(&format!("Which one? [1 to {several}] "))
                .await?;
            let chosen = answer.parse::<usize>().ok();
            chosen
                .and_then(|number| number.checked_sub(1))
                .filter(|index| *index < offers.len())
                .map(|index| offers.swap_remove(index).0)
                .ok_or_else(|| {
                    Failure::cancelled(
                        "No code was chosen; nothing was enrolled and nobody was contacted.",
                    )
                })
        }
    }
}

fn list(offers: &[(Secret, api::InspectEnrollmentReply)], style: &Style) -> String {
    let rows: Vec<Vec<Cell>> = offers
        .iter()
        .zip(1_usize..)
        .map(|((_, offer), number)| {
            let service = if offer.host.is_empty() {
                &offer.issuer
            } else {
                &offer.host
            };
            vec![
                Cell::new(Paint::Answer, &number.to_string()),
                Cell::plain(service),
                Cell::plain(&offer.user),
                Cell::new(Paint::Name, &offer.suggested_name),
            ]
        })
        .collect();
    table(&["", "SERVICE", "USER", "NAME"], &rows, style)
}
