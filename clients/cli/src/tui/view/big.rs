//! Digits that can be read from the other side of the room.

/// Rows of a large sign.
const ROWS: usize = 5;

/// The digits, each row three cells, one after the other.
const DIGITS: [&str; 10] = [
    "████ ██ ██ ████",
    "  █  █  █  █  █",
    "███  █████  ███",
    "███  ████  ████",
    "█ ██ ████  █  █",
    "████  ███  ████",
    "████  ████ ████",
    "███  █  █  █  █",
    "████ █████ ████",
    "████ ████  ████",
];

/// `text` in large digits; `None` if it has another sign or does not fit in `columns`.
pub(super) fn digits(text: &str, columns: usize) -> Option<[String; ROWS]> {
    let mut rows: [String; ROWS] = core::array::from_fn(|_| String::new());
    for letter in text.chars() {
        let digit = letter.to_digit(10)?;
        let sign = DIGITS.get(usize::try_from(digit).ok()?)?;
        for (at, row) in rows.iter_mut().enumerate() {
            if !row.is_empty() {
                row.push_str("  ");
            }
            row.extend(sign.chars().skip(at.saturating_mul(3)).take(3));
        }
    }
    let wide = rows.first().map_or(0, |row| row.chars().count());
    (wide > 0 && wide <= columns).then_some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_large_and_other_signs_are_not() {
        assert_eq!(
            digits("472", 13),
            Some(
                [
                    "█ █  ███  ███",
                    "█ █    █    █",
                    "███    █  ███",
                    "  █    █  █  ",
                    "  █    █  ███",
                ]
                .map(str::to_owned)
            )
        );
        assert_eq!(digits("472", 12), None);
        assert_eq!(digits("4a", 80), None);
        assert_eq!(digits("", 80), None);
        for sign in DIGITS {
            assert_eq!(sign.chars().count(), 3 * ROWS);
        }
    }
}
