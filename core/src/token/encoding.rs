//! How the parts of a token's content are written: secrets that leave no copies behind, bytes, times.

/// Secret bytes as base64 text; the text is wiped on the way out and borrowed on the way in.
pub(crate) mod base64_secret {
    use core::fmt;

    use data_encoding::BASE64;
    use serde::{Deserializer, Serializer, de};
    use zeroize::Zeroizing;

    use crate::secret::SecretBytes;

    pub(crate) fn serialize<S: Serializer>(
        secret: &SecretBytes,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(BASE64.encode(secret.expose())))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SecretBytes, D::Error> {
        deserializer.deserialize_str(Base64Visitor)
    }

    pub(super) struct Base64Visitor;

    impl de::Visitor<'_> for Base64Visitor {
        type Value = SecretBytes;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("base64 text")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretBytes, E> {
            // The decoder's error would name the offending byte of a secret.
            BASE64
                .decode(text.as_bytes())
                .map(SecretBytes::new)
                .map_err(|_not_base64| E::custom("not base64"))
        }
    }
}

pub(super) mod base64_secret_option {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::base64_secret;
    use crate::secret::SecretBytes;

    #[expect(clippy::ref_option, reason = "the form that serde calls")]
    pub(in crate::token) fn serialize<S: Serializer>(
        secret: &Option<SecretBytes>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => base64_secret::serialize(secret, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::token) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SecretBytes>, D::Error> {
        #[derive(serde::Deserialize)]
        struct Present(#[serde(with = "base64_secret")] SecretBytes);

        Option::<Present>::deserialize(deserializer).map(|found| found.map(|present| present.0))
    }
}

/// Sealed bytes as base64 text.
pub(super) mod base64_bytes {
    use data_encoding::BASE64;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(in crate::token) fn serialize<S: Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(in crate::token) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        BASE64
            .decode(text.as_bytes())
            .map_err(|_not_base64| D::Error::custom("not base64"))
    }
}

pub(super) mod base64_bytes_option {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::base64_bytes;

    #[expect(clippy::ref_option, reason = "the form that serde calls")]
    pub(in crate::token) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => base64_bytes::serialize(bytes, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::token) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        #[derive(serde::Deserialize)]
        struct Present(#[serde(with = "base64_bytes")] Vec<u8>);

        Option::<Present>::deserialize(deserializer).map(|found| found.map(|present| present.0))
    }
}

pub(super) mod millis {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::time::UnixMillis;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the form that serde calls"
    )]
    pub(in crate::token) fn serialize<S: Serializer>(
        time: &UnixMillis,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.0)
    }

    pub(in crate::token) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<UnixMillis, D::Error> {
        i64::deserialize(deserializer).map(UnixMillis)
    }
}
