//! The QR codes of a picture.

use countersign_proto::limits::{ENROLLMENT_TEXT, QR_CODES};
use rqrr::PreparedImage;
use zeroize::Zeroizing;

use crate::picture::Picture;

/// The most patterns of one look that are read: a picture can be full of what looks like a code.
const MOST_PATTERNS: usize = 64;
/// A shorter side than this: small dots, which are looked at enlarged.
const SMALL: usize = 700;
/// A longer side than this: perhaps a photograph, whose noise goes when it is looked at from afar.
const LARGE: usize = 1_600;

/// A way of looking at a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// As it is.
    Plain,
    /// Light on dark, as dark themes draw.
    Inverted,
    /// Three times as large.
    Enlarged,
    /// Half as large, four dots made one.
    Halved,
}

/// The texts, each once, at most [`QR_CODES`]; longer ones than an enrollment can have are left out.
pub(crate) fn read(picture: &Picture) -> Vec<Zeroizing<Vec<u8>>> {
    let mut texts: Vec<Zeroizing<Vec<u8>>> = Vec::new();
    for look in looks(picture) {
        for text in seen(picture, look) {
            if texts.len() < QR_CODES && !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    texts
}

fn looks(picture: &Picture) -> Vec<Look> {
    let (shorter, longer) = (
        picture.width.min(picture.height),
        picture.width.max(picture.height),
    );
    let mut looks = vec![Look::Plain, Look::Inverted];
    if longer < SMALL {
        looks.push(Look::Enlarged);
    }
    if shorter > LARGE {
        looks.push(Look::Halved);
    }
    looks
}

/// What is seen in one way of looking. Where codes stand in rows the corners of neighbours are taken for those of one:
/// what was read is covered, and the rest looked at again, until nothing more is found.
fn seen(picture: &Picture, look: Look) -> Vec<Zeroizing<Vec<u8>>> {
    let mut texts = Vec::new();
    let mut covered = Vec::new();
    while texts.len() < QR_CODES {
        let before = texts.len();
        let found = glance(picture, look, &covered);
        for (text, place) in found {
            texts.push(text);
            covered.push(place);
        }
        if texts.len() == before {
            break;
        }
    }
    texts
}

/// Where a code was read, in dots of the look.
#[derive(Clone, Copy, Debug)]
struct Place {
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
}

impl Place {
    fn around(corners: [rqrr::Point; 4]) -> Self {
        let dots = |dot: i32| usize::try_from(dot).unwrap_or(0);
        let (x, y) = (
            corners.map(|corner| dots(corner.x)),
            corners.map(|corner| dots(corner.y)),
        );
        let least = |all: [usize; 4]| all.into_iter().min().unwrap_or(0);
        let most = |all: [usize; 4]| all.into_iter().max().unwrap_or(0);
        Self {
            left: least(x),
            right: most(x),
            top: least(y),
            bottom: most(y),
        }
    }

    const fn holds(self, x: usize, y: usize) -> bool {
        self.left <= x && x <= self.right && self.top <= y && y <= self.bottom
    }
}

fn glance(picture: &Picture, look: Look, covered: &[Place]) -> Vec<(Zeroizing<Vec<u8>>, Place)> {
    let (width, height) = match look {
        Look::Plain | Look::Inverted => (picture.width, picture.height),
        Look::Enlarged => (
            picture.width.saturating_mul(3),
            picture.height.saturating_mul(3),
        ),
        Look::Halved => (picture.width / 2, picture.height / 2),
    };
    let mut prepared = PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        if covered.iter().any(|place| place.holds(x, y)) {
            return u8::MAX;
        }
        match look {
            Look::Plain => picture.shade(x, y),
            Look::Inverted => u8::MAX.saturating_sub(picture.shade(x, y)),
            Look::Enlarged => picture.shade(x / 3, y / 3),
            Look::Halved => mean(picture, x.saturating_mul(2), y.saturating_mul(2)),
        }
    });
    let mut found = Vec::new();
    for grid in prepared.detect_grids().into_iter().take(MOST_PATTERNS) {
        let mut text = Zeroizing::new(Vec::with_capacity(ENROLLMENT_TEXT));
        let read = grid.decode_to(&mut *text);
        if read.is_ok() && !text.is_empty() && text.len() <= ENROLLMENT_TEXT {
            found.push((text, Place::around(grid.bounds)));
        }
    }
    found
}

fn mean(picture: &Picture, x: usize, y: usize) -> u8 {
    let (right, below) = (x.saturating_add(1), y.saturating_add(1));
    let corners = [(x, y), (right, y), (x, below), (right, below)];
    let sum: u32 = corners
        .into_iter()
        .map(|(x, y)| u32::from(picture.shade(x, y)))
        .sum();
    u8::try_from(sum / 4).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests;
