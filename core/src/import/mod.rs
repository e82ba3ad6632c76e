//! What other authenticators export, read into candidates for tokens.
//!
//! Pure: nothing is stored here. Invariants: what a file is, its content says, never its name. Size, number of entries
//! and the cost of its passphrase are bounded before anything is allocated for them. An entry whose passcodes would
//! be others than those of the authenticator it comes from is refused with the reason, and the entries beside it are
//! not lost for it. Texts come from others: they are shown through [`crate::text::display`].

mod aegis;
mod andotp;
mod bitwarden;
mod bounded;
mod cipher;
mod compare;
mod countersign;
mod detect;
mod draft;
mod error;
mod freeotp_plus;
mod google;
mod proton;
mod pskc;
mod stratum;
#[cfg(test)]
mod tests;
mod two_fas;
mod uri_list;

use core::fmt;

pub use self::{
    compare::{Contradiction, Held, Standing, standings},
    error::{ImportError, Refusal},
    google::MissingParts,
};
use self::{detect::Detected, google::Parts};
use crate::{
    otp::OtpMode,
    pskc::{Exportable, PinPolicy},
    secret::SecretBytes,
};

/// The longest file, in bytes.
pub const MAX_FILE: usize = 8 * 1024 * 1024;
/// The most files of one import.
pub const MAX_FILES: usize = 64;
/// The most entries of one import.
pub const MAX_ENTRIES: usize = 1000;

/// Whose export it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Aegis Authenticator: its vault, plain or encrypted.
    Aegis,
    /// 2FAS: `.2fas`, plain or encrypted.
    TwoFas,
    /// andOTP: plain, encrypted, and encrypted as its first versions did.
    AndOtp,
    /// FreeOTP+: its JSON.
    FreeOtpPlus,
    /// Google Authenticator: the links of its export's QR codes.
    Google,
    /// Stratum, before that Authenticator Pro: plain, encrypted, and encrypted in the former way.
    Stratum,
    /// Proton Authenticator: plain or encrypted.
    Proton,
    /// Bitwarden: JSON, plain or with a password of the file's own, and CSV.
    Bitwarden,
    /// One link a line.
    UriList,
    /// PSKC (RFC 6030): plain, with a pre-shared key, with a passphrase.
    Pskc,
    /// Our own encrypted export ([`crate::export`]).
    Countersign,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aegis => "Aegis",
            Self::TwoFas => "2FAS",
            Self::AndOtp => "andOTP",
            Self::FreeOtpPlus => "FreeOTP+",
            Self::Google => "Google Authenticator",
            Self::Stratum => "Stratum",
            Self::Proton => "Proton Authenticator",
            Self::Bitwarden => "Bitwarden",
            Self::UriList => "a list of links",
            Self::Pskc => "PSKC",
            Self::Countersign => "Countersign",
        })
    }
}

/// A token that could be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The name it had; may be empty.
    pub name: String,
    /// Who issued it; may be empty.
    pub issuer: String,
    /// Whose it is; may be empty.
    pub account: String,
    /// The issuer's serial number; may be empty.
    pub serial: String,
    /// What it generates.
    pub mode: OtpMode,
    /// The seed.
    pub secret: SecretBytes,
    /// The next counter, for modes that have one, else 0.
    pub counter: u64,
    /// Its PIN, as its issuer asks for it.
    pub pin: PinPolicy,
    /// May the seed leave the vault again?
    pub exportable: Exportable,
    /// The name of the issuer's policy; may be empty.
    pub policy_name: String,
    /// The level of that policy; may be empty.
    pub policy_level: String,
}

/// An entry that makes no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Who issued it, as far as it is known.
    pub issuer: String,
    /// Whose it is, as far as it is known.
    pub account: String,
    /// Why.
    pub why: Refusal,
}

/// One entry of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It would make a token.
    Token(Candidate),
    /// It makes none.
    Refused(Refused),
}

/// What was in the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Import {
    /// What they are; each format once, in the order of the files.
    pub formats: Vec<Format>,
    /// Their entries, in the order of the files.
    pub entries: Vec<Entry>,
    /// Exports in several QR codes of which some are not there.
    pub missing_parts: Vec<MissingParts>,
    /// Does a file carry a signature that was not checked?
    pub signature: Signature,
}

/// Does a file carry a signature?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signature {
    /// None does.
    #[default]
    Absent,
    /// One does (PSKC), and it says nothing here: nobody says whose key it should be.
    NotChecked,
}

/// Reads files. `passphrase` opens those that are encrypted; for PSKC with a pre-shared key it is that key, in hex
/// or base64.
///
/// May take a second and 256 MiB for the passphrase of a file: not on a thread that must not block.
///
/// # Errors
///
/// [`ImportError`]: a file as a whole cannot be read, or not without a passphrase.
pub fn read(
    files: &[SecretBytes],
    passphrase: Option<&SecretBytes>,
) -> Result<Import, ImportError> {
    if files.len() > MAX_FILES {
        return Err(ImportError::TooManyFiles);
    }
    let mut import = Import::default();
    let mut parts = Parts::default();
    for file in files {
        if file.len() > MAX_FILE {
            return Err(ImportError::TooLarge);
        }
        let detected = Detected::of(file.expose()).ok_or(ImportError::Unknown)?;
        let (format, entries) = match detected {
            Detected::Aegis(json) => (Format::Aegis, aegis::read(json, passphrase)?),
            Detected::TwoFas(json) => (Format::TwoFas, two_fas::read(json, passphrase)?),
            Detected::AndOtp(json) => (Format::AndOtp, andotp::read(json)?),
            Detected::AndOtpSealed(file) => {
                (Format::AndOtp, andotp::read_sealed(file, passphrase)?)
            }
            Detected::FreeOtpPlus(json) => (Format::FreeOtpPlus, freeotp_plus::read(json)?),
            Detected::Stratum(json) => (Format::Stratum, stratum::read(json)?),
            Detected::StratumSealed(file) => {
                (Format::Stratum, stratum::read_sealed(file, passphrase)?)
            }
            Detected::Proton(json) => (Format::Proton, proton::read(json)?),
            Detected::ProtonSealed(json) => {
                (Format::Proton, proton::read_sealed(json, passphrase)?)
            }
            Detected::Bitwarden(json) => (Format::Bitwarden, bitwarden::read(json, passphrase)?),
            Detected::BitwardenCsv(text) => (Format::Bitwarden, bitwarden::read_csv(text)?),
            Detected::Links(text) => uri_list::read(text, &mut parts)?,
            Detected::Pskc(document) => {
                let (entries, signature) = pskc::read(document, passphrase)?;
                if signature == Signature::NotChecked {
                    import.signature = signature;
                }
                (Format::Pskc, entries)
            }
            Detected::Countersign(json) => {
                (Format::Countersign, countersign::read(json, passphrase)?)
            }
        };
        if !import.formats.contains(&format) {
            import.formats.push(format);
        }
        if import.entries.len().saturating_add(entries.len()) > MAX_ENTRIES {
            return Err(ImportError::TooManyEntries);
        }
        import.entries.extend(entries);
    }
    import.missing_parts = parts.missing();
    Ok(import)
}
