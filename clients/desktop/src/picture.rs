//! Bytes of a PNG or JPEG, decoded to shades of grey within bounds.

use std::io::Cursor;

use countersign_proto::{desktop::Trouble, limits::PICTURE_DOTS};
use png::{ColorType, Transformations};
use zeroize::Zeroizing;
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

/// The longest side.
const LONGEST_SIDE: usize = 32_768;
/// What the decoder of PNG may allocate beside the picture itself, in bytes.
const PNG_MEMORY: usize = 256 * 1024 * 1024;

/// Shades of grey, row by row; 0 is black.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) shades: Zeroizing<Vec<u8>>,
}

impl Picture {
    /// The shade of a dot; white beyond the edges.
    pub(crate) fn shade(&self, x: usize, y: usize) -> u8 {
        let at = y.checked_mul(self.width).and_then(|row| row.checked_add(x));
        at.filter(|_| x < self.width)
            .and_then(|at| self.shades.get(at))
            .copied()
            .unwrap_or(u8::MAX)
    }
}

/// Decodes it, by what its first bytes say that it is.
///
/// # Errors
///
/// [`Trouble::NotAPicture`], [`Trouble::TooLarge`], [`Trouble::Damaged`].
pub(crate) fn decode(bytes: &[u8]) -> Result<Picture, Trouble> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => decode_png(bytes),
        [0xff, 0xd8, 0xff, ..] => decode_jpeg(bytes),
        _ => Err(Trouble::NotAPicture),
    }
}

fn decode_png(bytes: &[u8]) -> Result<Picture, Trouble> {
    let limits = png::Limits { bytes: PNG_MEMORY };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(Transformations::normalize_to_color8());
    // Texts and colour profiles are of no use here, and nobody unpacks them.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder
        .read_header_info()
        .map_err(|error| trouble(&error))?;
    let (width, height) = within_bounds(header.width, header.height)?;
    let mut reader = decoder.read_info().map_err(|error| trouble(&error))?;
    let size = reader.output_buffer_size().ok_or(Trouble::TooLarge)?;
    let mut dots = Zeroizing::new(vec![0; size]);
    let frame = reader
        .next_frame(&mut dots)
        .map_err(|error| trouble(&error))?;
    let dots = dots.get(..frame.buffer_size()).ok_or(Trouble::Damaged)?;
    let mut shades = Zeroizing::new(Vec::with_capacity(width.saturating_mul(height)));
    match frame.color_type {
        ColorType::Grayscale => shades.extend_from_slice(dots),
        ColorType::GrayscaleAlpha => {
            let (pairs, _) = dots.as_chunks();
            shades.extend(pairs.iter().map(|[grey, alpha]| over_white(*grey, *alpha)));
        }
        ColorType::Rgb => {
            let (triples, _) = dots.as_chunks();
            shades.extend(triples.iter().map(|[r, g, b]| grey(*r, *g, *b)));
        }
        ColorType::Rgba => {
            let (quads, _) = dots.as_chunks();
            let shade = |[r, g, b, alpha]: &[u8; 4]| over_white(grey(*r, *g, *b), *alpha);
            shades.extend(quads.iter().map(shade));
        }
        ColorType::Indexed => return Err(Trouble::Damaged),
    }
    whole(width, height, shades)
}

fn trouble(error: &png::DecodingError) -> Trouble {
    match error {
        png::DecodingError::LimitsExceeded => Trouble::TooLarge,
        png::DecodingError::IoError(_)
        | png::DecodingError::Format(_)
        | png::DecodingError::Parameter(_) => Trouble::Damaged,
    }
}

fn decode_jpeg(bytes: &[u8]) -> Result<Picture, Trouble> {
    let options = DecoderOptions::new_safe()
        .set_strict_mode(true)
        .set_max_width(LONGEST_SIDE)
        .set_max_height(LONGEST_SIDE)
        .jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder
        .decode_headers()
        .map_err(|_error| Trouble::Damaged)?;
    let (width, height) = decoder.dimensions().ok_or(Trouble::Damaged)?;
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let (width, height) = within_bounds(side(width), side(height))?;
    let shades = decoder.decode().map_err(|_error| Trouble::Damaged)?;
    whole(width, height, Zeroizing::new(shades))
}

/// Before anything is allocated for it.
fn within_bounds(width: u32, height: u32) -> Result<(usize, usize), Trouble> {
    let dots = u64::from(width).saturating_mul(u64::from(height));
    let side = |side: u32| usize::try_from(side).unwrap_or(usize::MAX);
    let (width, height) = (side(width), side(height));
    if dots > PICTURE_DOTS || width.max(height) > LONGEST_SIDE {
        return Err(Trouble::TooLarge);
    }
    if dots == 0 {
        return Err(Trouble::Damaged);
    }
    Ok((width, height))
}

fn whole(width: usize, height: usize, shades: Zeroizing<Vec<u8>>) -> Result<Picture, Trouble> {
    if width.checked_mul(height) != Some(shades.len()) {
        return Err(Trouble::Damaged);
    }
    Ok(Picture {
        width,
        height,
        shades,
    })
}

/// ITU-R BT.601 in 8 bits.
fn grey(red: u8, green: u8, blue: u8) -> u8 {
    let sum = u32::from(red)
        .saturating_mul(77)
        .saturating_add(u32::from(green).saturating_mul(150))
        .saturating_add(u32::from(blue).saturating_mul(29));
    u8::try_from(sum >> 8).unwrap_or(u8::MAX)
}

/// What is transparent shows paper.
fn over_white(shade: u8, alpha: u8) -> u8 {
    let (shade, alpha) = (u32::from(shade), u32::from(alpha));
    let paper = 255_u32.saturating_mul(255_u32.saturating_sub(alpha));
    let sum = shade.saturating_mul(alpha).saturating_add(paper);
    u8::try_from(sum / 255).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests;
