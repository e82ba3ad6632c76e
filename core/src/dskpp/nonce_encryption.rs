//! How the client's nonce travels: encrypted for the server's RSA key.

use core::{fmt, str::FromStr};

/// Encryption of the client's nonce. The RSA operation itself is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NonceEncryption {
    /// RSAES-OAEP with SHA-1 and MGF1 with SHA-1, empty label (XML Encryption, section 5.4.2). Preferred.
    RsaOaep,
    /// RSAES-PKCS1-v1_5, which RFC 6063 asks for.
    RsaPkcs1,
}

impl NonceEncryption {
    /// Every encryption, the better one first.
    pub const ALL: [Self; 2] = [Self::RsaOaep, Self::RsaPkcs1];

    /// The URI.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::RsaOaep => "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
            Self::RsaPkcs1 => "http://www.w3.org/2001/04/xmlenc#rsa-1_5",
        }
    }
}

impl fmt::Display for NonceEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri())
    }
}

impl FromStr for NonceEncryption {
    type Err = super::DskppError;

    /// Also `#rsa_1_5`, as the examples of the RFC have it.
    fn from_str(uri: &str) -> Result<Self, Self::Err> {
        match uri {
            "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p" => Ok(Self::RsaOaep),
            "http://www.w3.org/2001/04/xmlenc#rsa-1_5"
            | "http://www.w3.org/2001/04/xmlenc#rsa_1_5" => Ok(Self::RsaPkcs1),
            _ => Err(super::DskppError::NotOffered("encryption algorithm")),
        }
    }
}
