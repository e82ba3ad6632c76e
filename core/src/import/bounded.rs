//! Parts of JSON files: lists with a most, numbers that some write as text, secrets that are wiped.

use core::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, SeqAccess, Visitor},
};

use super::{Format, ImportError};
use crate::secret::SecretText;

/// The most elements of any list in a file: the logins of a password store, most of them without passcodes.
const MAX_ELEMENTS: usize = 20_000;

/// Reads a whole document.
pub(super) fn document<T: DeserializeOwned>(text: &str, format: Format) -> Result<T, ImportError> {
    // The error of the parser may quote what it found.
    serde_json::from_str(text).map_err(|_quotes_the_file| ImportError::Damaged(format))
}

/// A list; `null` is an empty one.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct List<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = elements.next_element()? {
                if list.len() >= MAX_ELEMENTS {
                    return Err(A::Error::custom("too many elements"));
                }
                list.push(element);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_any(List(PhantomData))
}

/// Text that is secret; `null` is none.
pub(super) fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretText>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.map(SecretText::new))
}

/// A number, or text that is one; anything else is none, and its entry is refused for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Number {
    /// It is not there.
    #[default]
    Absent,
    /// It is.
    Is(u64),
    /// Something is there that is no number from 0 on.
    Invalid,
}

impl Number {
    /// The number, `usual` where there is none; nothing where something else is there.
    pub(super) const fn or(self, usual: u64) -> Option<u64> {
        match self {
            Self::Absent => Some(usual),
            Self::Is(number) => Some(number),
            Self::Invalid => None,
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl Visitor<'_> for Any {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_unit<E>(self) -> Result<Number, E> {
                Ok(Number::Absent)
            }

            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(Number::Is(number))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
                Ok(u64::try_from(number).map_or(Number::Invalid, Number::Is))
            }

            fn visit_f64<E>(self, _number: f64) -> Result<Number, E> {
                Ok(Number::Invalid)
            }

            fn visit_str<E>(self, text: &str) -> Result<Number, E> {
                Ok(match text.trim() {
                    "" => Number::Absent,
                    text => text.parse().map_or(Number::Invalid, Number::Is),
                })
            }
        }

        deserializer.deserialize_any(Any)
    }
}
