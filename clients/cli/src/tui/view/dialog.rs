//! What is asked in front of the page.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph},
};

use super::{
    Theme, big, cursor,
    lines::{clip, wrap},
};
use crate::{
    output::Paint,
    tui::state::{
        dialog::{Dialog, Field},
        login_request::Choice,
    },
};

/// The widest that a dialog becomes, in columns.
const WIDEST: u16 = 60;

/// What a dialog shows.
struct Sheet {
    title: &'static str,
    lines: Vec<Line<'static>>,
    /// In which line something is typed, and behind how many columns.
    cursor: Option<(usize, usize)>,
}

/// Paints it over the page.
pub(super) fn paint(dialog: &Dialog, theme: Theme, whole: Rect, frame: &mut Frame<'_>) {
    let width = whole.width.min(WIDEST);
    let columns = usize::from(width.saturating_sub(4));
    let sheet = sheet(dialog, theme, columns);
    let rows = u16::try_from(sheet.lines.len()).unwrap_or(u16::MAX);
    let height = rows.saturating_add(2).min(whole.height);
    let area = Rect {
        x: whole
            .x
            .saturating_add(whole.width.saturating_sub(width) / 2),
        y: whole
            .y
            .saturating_add(whole.height.saturating_sub(height) / 3),
        width,
        height,
    };
    let block = Block::bordered()
        .border_style(theme.style(Paint::Name))
        .title(theme.heavy(Paint::Plain, format!(" {} ", sheet.title)));
    let inside = block.inner(area);
    let inside = Rect {
        x: inside.x.saturating_add(1),
        width: inside.width.saturating_sub(2),
        ..inside
    };
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    // In a pane that is too low the end is what matters: it says what to do.
    let skip = sheet.lines.len().saturating_sub(inside.height.into());
    let lines: Vec<_> = sheet.lines.into_iter().skip(skip).collect();
    frame.render_widget(Paragraph::new(lines), inside);
    if let Some((row, column)) = sheet.cursor {
        let row = u16::try_from(row.saturating_sub(skip)).unwrap_or(u16::MAX);
        let column = u16::try_from(column).unwrap_or(u16::MAX);
        cursor(
            inside.x.saturating_add(column),
            inside.y.saturating_add(row),
            inside,
            frame,
        );
    }
}

fn sheet(dialog: &Dialog, theme: Theme, columns: usize) -> Sheet {
    match dialog {
        Dialog::Help => help(theme, columns),
        Dialog::Number(answer, field) => {
            let words = format!("Type the number that {} shows.", answer.resource);
            let warning = "If you see no number, it is not your login: Esc, then d.";
            typed("Number", &words, warning, field, theme, columns)
        }
        Dialog::Choice(answer, choices, chosen) => {
            let words = format!("Which of these does {} show?", answer.resource);
            let mut lines = paragraph(Paint::Plain, &words, theme, columns);
            lines.push(Line::default());
            lines.extend(offered(choices, *chosen, theme, columns));
            lines.push(Line::default());
            let warning = "If you see none, it is not your login: Esc, then d.";
            lines.extend(paragraph(Paint::Attention, warning, theme, columns));
            lines.push(keys(
                &[("← →", "choose"), ("Enter", "send"), ("Esc", "back")],
                theme,
            ));
            Sheet {
                title: "What it shows",
                lines,
                cursor: None,
            }
        }
        Dialog::Code(code, resource) => {
            let words = format!("Type this on the page of {resource}:");
            let mut lines = paragraph(Paint::Plain, &words, theme, columns);
            lines.push(Line::default());
            if let Some(rows) = big::digits(code.as_str(), columns) {
                let rows = rows.into_iter().map(|row| theme.heavy(Paint::Good, row));
                lines.extend(rows.map(|row| Line::from(row).centered()));
            } else {
                let signs: Vec<String> = code.as_str().chars().map(String::from).collect();
                let wide = theme.heavy(Paint::Good, signs.join(" "));
                lines.push(Line::from(clip(vec![wide], columns)).centered());
            }
            lines.push(Line::default());
            lines.push(keys(&[("Enter", "close")], theme));
            Sheet {
                title: "Code",
                lines,
                cursor: None,
            }
        }
        Dialog::Challenge(of, field) => {
            let words = format!(
                "Type the challenge that the login shows. {} answers it.",
                of.name
            );
            typed("Challenge", &words, "", field, theme, columns)
        }
        Dialog::Report(answer) => {
            let words = format!(
                "Deny the login to {} and tell its administrators that it was not you?",
                answer.resource
            );
            asked("It wasn't me!", &words, theme, columns)
        }
        Dialog::NextPasscode(of) => {
            let words = format!(
                "Generate the next passcode of {}? Each one counts, used or not.",
                of.name
            );
            asked("Next passcode", &words, theme, columns)
        }
        Dialog::Secret(secret) => {
            let mut lines = paragraph(Paint::Plain, secret.message.as_str(), theme, columns);
            lines.push(Line::default());
            let row = lines.len();
            let label = format!("{}: ", secret.question);
            let behind = Span::raw(label.as_str()).width();
            lines.push(Line::from(clip(
                vec![theme.heavy(Paint::Plain, label)],
                columns,
            )));
            lines.push(Line::default());
            lines.extend(paragraph(
                Paint::Faint,
                "It is not shown as you type. Enter sends it, Esc goes back.",
                theme,
                columns,
            ));
            Sheet {
                title: secret.what,
                lines,
                cursor: Some((row, behind.min(columns.saturating_sub(1)))),
            }
        }
    }
}

/// The choices beside each other, in as many lines as they need.
fn offered(
    choices: &[Choice],
    chosen: Option<usize>,
    theme: Theme,
    columns: usize,
) -> Vec<Line<'static>> {
    let mut lines = vec![Vec::new()];
    let mut used = 0_usize;
    for (at, choice) in choices.iter().enumerate() {
        let is_chosen = chosen == Some(at);
        let (left, right) = if is_chosen { ("[", "]") } else { (" ", " ") };
        let words = format!("{left} {} {right}", choice.shown);
        let span = if is_chosen {
            theme.heavy(Paint::Name, words)
        } else {
            theme.span(Paint::Plain, words)
        };
        let span = clip(vec![span], columns);
        let wide: usize = span.iter().map(Span::width).sum();
        if used > 0 && used.saturating_add(wide) > columns {
            lines.push(Vec::new());
            used = 0;
        }
        used = used.saturating_add(wide);
        if let Some(line) = lines.last_mut() {
            line.extend(span);
        }
    }
    lines.into_iter().map(Line::from).collect()
}

fn paragraph(paint: Paint, words: &str, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    wrap(words, columns)
        .into_iter()
        .map(|line| theme.line(paint, line))
        .collect()
}

/// A line that is typed and shown.
fn typed(
    title: &'static str,
    words: &str,
    warning: &str,
    field: &Field,
    theme: Theme,
    columns: usize,
) -> Sheet {
    let mut lines = paragraph(Paint::Plain, words, theme, columns);
    lines.push(Line::default());
    let row = lines.len();
    // The end of a long line is what is being typed.
    let mut shown: String = field.text().to_owned();
    while Span::raw(shown.as_str()).width().saturating_add(4) > columns && !shown.is_empty() {
        shown.remove(0);
    }
    let behind = Span::raw(shown.as_str()).width().saturating_add(2);
    lines.push(Line::from(vec![
        theme.heavy(Paint::Name, "› "),
        theme.heavy(Paint::Plain, shown),
    ]));
    lines.push(Line::default());
    lines.extend(paragraph(Paint::Attention, warning, theme, columns));
    lines.push(keys(&[("Enter", "send"), ("Esc", "back")], theme));
    Sheet {
        title,
        lines,
        cursor: Some((row, behind)),
    }
}

/// A question that is answered with yes or no.
fn asked(title: &'static str, words: &str, theme: Theme, columns: usize) -> Sheet {
    let mut lines = paragraph(Paint::Plain, words, theme, columns);
    lines.push(Line::default());
    lines.push(keys(&[("y", "yes"), ("n", "no")], theme));
    Sheet {
        title,
        lines,
        cursor: None,
    }
}

fn keys(hints: &[(&'static str, &'static str)], theme: Theme) -> Line<'static> {
    let spans = hints.iter().flat_map(|(key, word)| {
        [
            theme.heavy(Paint::Name, *key),
            theme.span(Paint::Plain, format!(" {word}   ")),
        ]
    });
    Line::from(spans.collect::<Vec<_>>())
}

/// Each key and what it does.
const KEYS: [(&str, &str); 18] = [
    ("a  d", "approve, deny the selected login request"),
    ("r", "It wasn't me! denies and reports, also later"),
    ("Enter", "details, or on Tokens the passcode"),
    ("c", "show or hide the selected token's passcode"),
    ("y", "copy it: the terminal gets it (OSC 52)"),
    ("/", "search the tokens"),
    ("i", "all about the selected token"),
    ("p", "autosend of the selected token on or off"),
    ("o", "autosend of all on or off"),
    ("L", "lock or unlock the vault"),
    ("Ctrl-R", "ask the services now"),
    ("j k ↓ ↑", "next, previous; g G first, last"),
    ("Tab 1-4", "pages; also h l ← →"),
    ("Esc", "back; gives up what is waited for"),
    ("Ctrl-Z", "suspend; Ctrl-L paints anew"),
    ("?", "this"),
    ("q", "quit"),
    ("", "countersign requests --watch gives plain lines."),
];

fn help(theme: Theme, columns: usize) -> Sheet {
    let lines = KEYS
        .into_iter()
        .map(|(key, words)| {
            let spans = vec![
                theme.heavy(Paint::Name, format!("{key:<9}")),
                theme.span(Paint::Plain, words),
            ];
            Line::from(clip(spans, columns))
        })
        .collect();
    Sheet {
        title: "Keys",
        lines,
        cursor: None,
    }
}
