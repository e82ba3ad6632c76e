//! QR codes as SVG, drawn in one path. Dark on light in every theme: many readers know no other.

use core::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

use super::html::{Escaped, Text, Whole, html};

/// Light modules around the code (ISO/IEC 18004 asks for four).
const QUIET: usize = 4;

/// The code of a text, with what a screen reader says of it; `None`: the text is too long for one.
pub(super) fn code(text: &str, label: &'static str) -> Option<Escaped> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let side = width.saturating_add(2 * QUIET);
    let mut path = String::new();
    for (row, top) in code.to_colors().chunks(width).zip(QUIET..) {
        let mut left = QUIET;
        // A run of dark modules is one rectangle.
        for run in row.chunk_by(|one, other| one == other) {
            let length = run.len();
            if run.first() == Some(&Color::Dark) {
                write!(path, "M{left} {top}h{length}v1h-{length}z").ok()?;
            }
            left = left.saturating_add(length);
        }
    }
    Some(html![
        "<svg class=\"qr\" role=\"img\" aria-label=\"",
        label,
        "\" viewBox=\"0 0 ",
        Text(side),
        " ",
        Text(side),
        "\" shape-rendering=\"crispEdges\"><path class=\"light\" d=\"M0 0h",
        Text(side),
        "v",
        Text(side),
        "H0z\"/><path d=\"",
        Whole(&path),
        "\"/></svg>"
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_quiet_zone_and_stays_markup_free() {
        let drawn = code("countersign://enroll?data=<x>", "A code").unwrap();
        assert!(drawn.as_str().contains("viewBox=\"0 0 37 37\""));
        assert!(!drawn.as_str().contains("<x>"));
        assert!(code(&"x".repeat(3000), "A code").is_none());
    }
}
