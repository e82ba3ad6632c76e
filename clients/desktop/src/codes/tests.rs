#![expect(
    clippy::arithmetic_side_effects,
    reason = "small numbers of the tests own"
)]

use proptest::prelude::*;
use qrcode::{Color, QrCode};

use super::*;

const LINK: &str = "countersign://enroll?url=https%3A%2F%2Fgateway.example%3A8443%2Fdskpp&user=alice&code=ABCDE-FGHJK-MNPQR";

/// A canvas of white paper.
fn paper(width: usize, height: usize) -> Picture {
    Picture {
        width,
        height,
        shades: Zeroizing::new(vec![255; width * height]),
    }
}

/// Draws the code of `text` with dots of `scale`.
fn draw(picture: &mut Picture, text: &[u8], (left, top): (usize, usize), scale: usize) {
    let code = QrCode::new(text).unwrap();
    let width = code.width();
    for (index, color) in code.to_colors().into_iter().enumerate() {
        let (x, y) = (index % width * scale + left, index / width * scale + top);
        for row in y..y + scale {
            for column in x..x + scale {
                picture.shades[row * picture.width + column] =
                    if color == Color::Dark { 0 } else { 255 };
            }
        }
    }
}

fn inverted(mut picture: Picture) -> Picture {
    for shade in picture.shades.iter_mut() {
        *shade = 255 - *shade;
    }
    picture
}

fn texts(picture: &Picture) -> Vec<String> {
    let mut texts: Vec<_> = read(picture)
        .iter()
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect();
    texts.sort();
    texts
}

#[test]
fn a_code_is_read_large_small_light_on_dark_and_among_others() {
    let mut picture = paper(300, 300);
    draw(&mut picture, LINK.as_bytes(), (20, 20), 4);
    assert_eq!(texts(&picture), [LINK]);
    assert_eq!(texts(&inverted(picture)), [LINK]);

    let mut small = paper(80, 80);
    draw(&mut small, LINK.as_bytes(), (8, 8), 1);
    assert_eq!(texts(&small), [LINK], "a dot a module");

    let mut several = paper(700, 320);
    draw(&mut several, b"otpauth://totp/a?secret=AAAA", (20, 20), 5);
    draw(&mut several, b"otpauth://totp/b?secret=BBBB", (260, 60), 5);
    draw(&mut several, b"WIFI:S:home;;", (500, 20), 6);
    assert_eq!(
        texts(&several),
        [
            "WIFI:S:home;;",
            "otpauth://totp/a?secret=AAAA",
            "otpauth://totp/b?secret=BBBB"
        ]
    );
}

#[test]
fn a_photograph_of_a_code_is_read() {
    for bytes in [
        include_bytes!("../../tests/pictures/one.jpg").as_slice(),
        include_bytes!("../../tests/pictures/progressive.jpg"),
        include_bytes!("../../tests/pictures/photo.jpg"),
    ] {
        let picture = crate::picture::decode(bytes).unwrap();
        let uri = "otpauth://totp/Example:alice?secret=JBSWY3DPEHPK3PXP&issuer=Example";
        assert_eq!(texts(&picture), [uri]);
    }
}

#[test]
fn the_same_code_twice_is_one() {
    let mut picture = paper(500, 260);
    draw(&mut picture, LINK.as_bytes(), (20, 20), 4);
    draw(&mut picture, LINK.as_bytes(), (260, 20), 4);
    assert_eq!(texts(&picture), [LINK]);
}

#[test]
fn an_empty_or_tiny_picture_has_no_code() {
    assert!(read(&paper(1, 1)).is_empty());
    assert!(read(&paper(200, 3)).is_empty());
    assert!(read(&inverted(paper(64, 64))).is_empty());
}

#[test]
fn a_picture_full_of_codes_gives_no_more_than_the_bound() {
    let mut picture = paper(1_000, 1_000);
    for number in 0..25 {
        let at = (number % 5 * 190 + 20, number / 5 * 190 + 20);
        draw(&mut picture, format!("code {number}").as_bytes(), at, 7);
    }
    assert_eq!(read(&picture).len(), QR_CODES);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn noise_brings_nothing_down(shades in proptest::collection::vec(any::<u8>(), 60 * 60)) {
        let picture = Picture { width: 60, height: 60, shades: Zeroizing::new(shades) };
        read(&picture);
    }
}
