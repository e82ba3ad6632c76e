//! The pending login requests.

use countersign_proto::agent::v1::{LoginOrigin, LoginRequestState, VaultState};
use ratatui::{Frame, layout::Rect, text::Line};

use super::{
    Rows, Selected, Theme, center,
    lines::{clip, countdown, joined, margin, pair, spread, wrap},
};
use crate::{
    clock,
    output::{Paint, words},
    tui::{
        event::Now,
        state::{
            Detail, State,
            login_request::{LoginRequest, Proof},
            status::{Autosend, Contact},
        },
    },
};

/// Paints them, or why there are none.
pub(super) fn paint(state: &State, theme: Theme, now: Now, area: Rect, frame: &mut Frame<'_>) {
    let rows = state.requests.rows();
    if rows.is_empty() {
        let columns = usize::from(area.width).saturating_sub(4).min(64);
        center(&nothing(state, theme, now, columns), area, frame);
        return;
    }
    let columns = usize::from(area.width);
    let air = usize::from(area.height >= 9);
    Rows::of(rows, state.requests.position(), |request, selected| {
        let mut lines = card(request, selected, state.detail, theme, now, columns);
        lines.extend(core::iter::repeat_n(Line::default(), air));
        lines
    })
    .paint(area, frame);
}

fn card(
    request: &LoginRequest,
    selected: Selected,
    detail: Detail,
    theme: Theme,
    now: Now,
    columns: usize,
) -> Vec<Line<'static>> {
    let mut lines = vec![head(request, selected, theme, now, columns)];
    match (selected, detail) {
        (Selected::Yes, Detail::Full) => {
            lines.extend(in_full(request, theme, now, columns));
        }
        (Selected::Yes, Detail::Short) => {
            lines.push(second(request, selected, theme, columns));
            lines.push(third(request, selected, theme, now, columns));
        }
        (Selected::No, _) => lines.push(second(request, selected, theme, columns)),
    }
    lines
}

/// What is logged in to, and how much time is left.
fn head(
    request: &LoginRequest,
    selected: Selected,
    theme: Theme,
    now: Now,
    columns: usize,
) -> Line<'static> {
    let name = match selected {
        Selected::Yes => theme.heavy(Paint::Plain, request.resource.as_str()),
        Selected::No => theme.span(Paint::Plain, request.resource.as_str()),
    };
    let right = if request.state == LoginRequestState::Pending {
        countdown(request.left(now), request.whole, theme)
    } else {
        let (word, paint) = words::request_state(request.state);
        vec![theme.span(paint, word)]
    };
    spread(vec![margin(selected, theme), name], right, columns)
}

/// Who, and from where.
fn second(
    request: &LoginRequest,
    selected: Selected,
    theme: Theme,
    columns: usize,
) -> Line<'static> {
    let mut spans = vec![margin(selected, theme)];
    let (beside, paint) = request.beside();
    // The address of this computer says nothing more.
    let address = match request.origin {
        LoginOrigin::ThisComputer => String::new(),
        LoginOrigin::Unspecified
        | LoginOrigin::Unknown
        | LoginOrigin::SameNetwork
        | LoginOrigin::OtherAddress => request.from(),
    };
    spans.extend(joined(
        vec![
            theme.span(Paint::Name, request.user.as_str()),
            theme.span(paint, beside),
            theme.span(Paint::Plain, address),
        ],
        theme,
    ));
    Line::from(clip(spans, columns))
}

/// With what, since when, which token.
fn third(
    request: &LoginRequest,
    selected: Selected,
    theme: Theme,
    now: Now,
    columns: usize,
) -> Line<'static> {
    let mut spans = vec![margin(selected, theme)];
    spans.extend(joined(
        vec![
            theme.span(Paint::Plain, request.question.as_str()),
            theme.span(Paint::Attention, asks_for(&request.proof)),
            theme.span(Paint::Faint, request.program.as_str()),
            theme.span(Paint::Faint, since(request, now)),
            theme.span(Paint::Faint, request.token.as_str()),
        ],
        theme,
    ));
    Line::from(clip(spans, columns))
}

fn since(request: &LoginRequest, now: Now) -> String {
    clock::from_millis(request.created_ms)
        .map(|at| clock::ago(at, now.wall))
        .unwrap_or_default()
}

/// What an approval needs.
const fn asks_for(proof: &Proof) -> &'static str {
    match proof {
        Proof::Nothing => "",
        Proof::Number => "asks for a number",
        Proof::Choice(_) => "asks what the login shows",
    }
}

/// All that is known of the selected one.
pub(super) fn in_full(
    request: &LoginRequest,
    theme: Theme,
    now: Now,
    columns: usize,
) -> Vec<Line<'static>> {
    let asked = clock::from_millis(request.created_ms).map(|at| {
        let time = clock::local(at, now.wall);
        format!("{time} ({})", clock::ago(at, now.wall))
    });
    let (beside, _) = request.beside();
    let beside = beside.trim_start_matches("from ");
    let from = match (beside, request.from()) {
        (beside, address) if address.is_empty() => beside.to_owned(),
        ("", address) => address,
        (beside, address) => format!("{beside}, {address}"),
    };
    let shown = |text: &crate::tui::shown::Shown| text.as_str().to_owned();
    [
        ("User", shown(&request.user)),
        ("From", from),
        ("With", shown(&request.program)),
        ("Asked", asked.unwrap_or_default()),
        ("Question", shown(&request.question)),
        ("Approve", asks_for(&request.proof).to_owned()),
        ("Code", shown(&request.display_code)),
        ("Service", shown(&request.service)),
        ("Token", shown(&request.token)),
        ("Detail", shown(&request.detail)),
    ]
    .into_iter()
    .filter(|(_, words)| !words.is_empty())
    .map(|(label, words)| pair(label, &words, Selected::Yes, theme, columns))
    .collect()
}

/// Why there are none, if there is more to say than that.
fn nothing(state: &State, theme: Theme, now: Now, columns: usize) -> Vec<Line<'static>> {
    let mut lines = vec![theme.line(Paint::Plain, "No login requests.")];
    let (paint, words) = match &state.status {
        None => (Paint::Faint, String::new()),
        Some(status) if status.vault == VaultState::Absent => (
            Paint::Attention,
            "There is no vault yet. `countersign enroll` adds the first token.".to_owned(),
        ),
        Some(status) if status.vault == VaultState::Unusable => {
            (Paint::Bad, status.vault_message.to_string())
        }
        Some(status) if status.autosend == Autosend::Off => (
            Paint::Attention,
            "Autosend is off: none come. o turns it on.".to_owned(),
        ),
        Some(status) if status.muted_until.is_some() => {
            (Paint::Attention, format!("{}.", status.muted(now)))
        }
        Some(status) => {
            let away = status.services.iter().find_map(|service| {
                let Contact::Away(why) = &service.contact else {
                    return None;
                };
                Some(format!("{} is not connected. {why}", service.name))
            });
            match away {
                Some(words) => (Paint::Attention, words),
                None if status.services.is_empty() => {
                    (Paint::Faint, "No token of yours takes any.".to_owned())
                }
                None => (Paint::Faint, "They appear here as they come.".to_owned()),
            }
        }
    };
    lines.extend(
        wrap(&words, columns)
            .into_iter()
            .map(|line| theme.line(paint, line)),
    );
    lines
}
