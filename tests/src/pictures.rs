//! Pictures of QR codes, as a page or a screenshot shows them.

use anyhow::Result;
use qrcode::{Color, QrCode};

/// Dots of a module.
const SCALE: usize = 4;
/// White around each code, in dots.
const MARGIN: usize = 24;

/// A PNG with the codes of `texts` side by side.
///
/// # Errors
///
/// A text does not fit a code.
pub fn png(texts: &[&str]) -> Result<Vec<u8>> {
    let codes = texts
        .iter()
        .map(QrCode::new)
        .collect::<Result<Vec<_>, _>>()?;
    let widest = codes.iter().map(QrCode::width).max().unwrap_or(0);
    let cell = widest.saturating_mul(SCALE).saturating_add(2 * MARGIN);
    let width = cell.saturating_mul(codes.len());
    let mut dots = vec![255_u8; width.saturating_mul(cell)];
    for (row, line) in dots.chunks_mut(width.max(1)).enumerate() {
        for (code, part) in codes.iter().zip(line.chunks_mut(cell.max(1))) {
            for (column, dot) in part.iter_mut().enumerate() {
                if is_dark(code, column, row) {
                    *dot = 0;
                }
            }
        }
    }
    encode(width, cell, &dots)
}

/// Whether the dot of a cell is ink.
fn is_dark(code: &QrCode, column: usize, row: usize) -> bool {
    let module = |dot: usize| dot.checked_sub(MARGIN).map(|dot| dot / SCALE);
    module(column)
        .zip(module(row))
        .filter(|(x, y)| *x < code.width() && *y < code.width())
        .is_some_and(|module| code[module] == Color::Dark)
}

/// A PNG of shades of grey.
///
/// # Errors
///
/// The sizes do not fit.
pub fn encode(width: usize, height: usize, shades: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width.try_into()?, height.try_into()?);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(shades)?;
    writer.finish()?;
    Ok(bytes)
}
