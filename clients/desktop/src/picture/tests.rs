#![expect(
    clippy::arithmetic_side_effects,
    reason = "small numbers of the tests own"
)]

use proptest::prelude::*;

use super::*;

fn png(width: u32, height: u32, color: ColorType, dots: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(dots).unwrap();
    writer.finish().unwrap();
    bytes
}

/// A PNG that says that it is of this size, and ends there.
fn header_only(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(1, 1, ColorType::Grayscale, &[0]);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// CRC-32 as in the PNG specification, annex D.
fn crc(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            let low = sum & 1;
            sum >>= 1;
            if low == 1 {
                sum ^= 0xedb8_8320;
            }
        }
    }
    !sum
}

const JPEG: &[u8] = include_bytes!("../../tests/pictures/one.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("../../tests/pictures/progressive.jpg");

#[test]
fn every_kind_of_dots_becomes_a_shade() {
    for (color, dots, shade) in [
        (ColorType::Grayscale, vec![40], 40),
        (ColorType::GrayscaleAlpha, vec![40, 255], 40),
        (ColorType::GrayscaleAlpha, vec![0, 0], 255),
        (ColorType::Rgb, vec![0, 0, 0], 0),
        (ColorType::Rgb, vec![255, 255, 255], 255),
        (ColorType::Rgba, vec![0, 0, 0, 255], 0),
        (ColorType::Rgba, vec![0, 0, 0, 0], 255),
    ] {
        let picture = decode(&png(1, 1, color, &dots)).unwrap();
        assert_eq!(picture.shade(0, 0), shade, "{color:?} {dots:?}");
        assert_eq!(picture.shade(1, 0), 255, "beyond the edge");
    }
}

#[test]
fn jpegs_are_read_in_both_orders() {
    for bytes in [JPEG, PROGRESSIVE] {
        let picture = decode(bytes).unwrap();
        assert_eq!(picture.width * picture.height, picture.shades.len());
        assert!(picture.shades.contains(&0) || picture.shades.iter().any(|shade| *shade < 30));
    }
}

#[test]
fn sizes_out_of_bounds_are_refused_before_anything_is_allocated() {
    for (width, height) in [
        (u32::MAX >> 1, u32::MAX >> 1),
        (40_000, 1),
        (1, 40_000),
        (10_000, 10_000),
    ] {
        let refused = decode(&header_only(width, height)).unwrap_err();
        assert_eq!(refused, Trouble::TooLarge, "{width} x {height}");
    }
}

#[test]
fn what_is_no_picture_is_told_from_what_is_a_damaged_one() {
    for bytes in [b"".as_slice(), b"GIF89a", b"<svg/>", b"%PDF-1.7", b"\x89PN"] {
        assert_eq!(decode(bytes).unwrap_err(), Trouble::NotAPicture);
    }
    let whole = png(30, 30, ColorType::Grayscale, &[7; 900]);
    for cut in [4, 8, 20, 33, 40, whole.len() / 2] {
        assert_eq!(
            decode(&whole[..cut]).unwrap_err(),
            Trouble::Damaged,
            "{cut}"
        );
    }
    for cut in [3, 20, JPEG.len() / 3] {
        assert_eq!(decode(&JPEG[..cut]).unwrap_err(), Trouble::Damaged, "{cut}");
    }
    assert_eq!(
        decode(&header_only(100, 100)).unwrap_err(),
        Trouble::Damaged
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_bring_a_decoder_down(
        jpeg in any::<bool>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = if jpeg {
            JPEG.to_vec()
        } else {
            png(40, 40, ColorType::Grayscale, &[90; 1600])
        };
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len()).max(3));
        if let Ok(picture) = decode(&bytes) {
            prop_assert_eq!(picture.width * picture.height, picture.shades.len());
        }
    }
}
