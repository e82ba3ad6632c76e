//! Enumerations as the words that stand in the database. A word never changes its meaning.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// Declares an enumeration with the word and the wire value of each variant.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident as $wire:ty { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every variant.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word in the database.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl $crate::vault::words::Word for $name {
            fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl rusqlite::types::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                Ok(self.word().into())
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                $crate::vault::words::read(value)
            }
        }

        impl From<$name> for $wire {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$variant => Self::$variant,)+
                }
            }
        }
    };
}
pub(super) use words;

/// An enumeration with a word for each variant.
pub(super) trait Word: Sized {
    /// The variant that `word` stands for.
    fn from_word(word: &str) -> Option<Self>;
}

pub(super) fn read<W: Word>(value: ValueRef<'_>) -> FromSqlResult<W> {
    W::from_word(value.as_str()?).ok_or(FromSqlError::InvalidType)
}

/// May login requests come at all? It never means approving by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Autosend {
    /// Login requests come.
    On,
    /// The login page offers typing at once.
    Off,
}

impl From<bool> for Autosend {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

impl From<Autosend> for bool {
    fn from(autosend: Autosend) -> Self {
        autosend == Autosend::On
    }
}

impl ToSql for Autosend {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(bool::from(*self).into())
    }
}

impl FromSql for Autosend {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        bool::column_result(value).map(Self::from)
    }
}

/// The first `max_chars` characters.
pub(super) fn clipped(text: &str, max_chars: usize) -> &str {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_counts_characters() {
        assert_eq!(clipped("äöü", 2), "äö");
        assert_eq!(clipped("äöü", 3), "äöü");
        assert_eq!(clipped("", 3), "");
    }
}
