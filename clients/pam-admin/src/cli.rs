//! What can be typed.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};
use countersign_core::{
    otp::{Digits, HashAlgorithm, OtpKind, Period, ocra::Suite},
    pam_passcode::{TryLimit, Window},
    sudo::{Finger, Least},
};
use countersign_passcodes::UserName;

/// What Countersign's PAM module believes: keys of users' agents, and passcodes
///
/// For the administrator: run it as root. Keys are in /etc/countersign/pam/keys.d, passcodes in
/// /etc/countersign/pam/passcodes, a file a user.
#[derive(Debug, Parser)]
#[command(name = "countersign-pam", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) area: Area,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Area {
    /// Keys that may approve in a user's name
    #[command(subcommand)]
    Key(Key),
    /// Passcodes for ssh, login, su and machines without an agent
    #[command(subcommand)]
    Passcode(Passcode),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Accept a key; `countersign sudo enroll` calls this
    Add(KeyAdd),
    /// The keys that are accepted
    List {
        /// Of this user alone
        #[arg(long)]
        user: Option<UserName>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Accept a key no more
    Remove {
        user: UserName,
        /// Its fingerprint, or the first letters of it
        fingerprint: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct KeyAdd {
    pub(crate) user: UserName,
    /// The public key: 65 bytes in base64
    pub(crate) key: String,
    /// presence: a click is enough, after a PIN since the vault was unlocked; user: a PIN, or a finger that the agent
    /// asked for; pin: the PIN, each time
    #[arg(long, default_value = "user", value_parser = least)]
    pub(crate) verify: Least,
    /// root: the module asks for a finger as well, itself
    #[arg(long, value_parser = finger)]
    pub(crate) finger: Option<Finger>,
    /// What the log calls it
    #[arg(long, default_value = "agent")]
    pub(crate) label: String,
    /// Do not ask whether the fingerprint is right
    #[arg(long)]
    pub(crate) yes: bool,
}

fn least(word: &str) -> Result<Least, &'static str> {
    Least::from_word(word).ok_or("presence, user or pin")
}

fn finger(word: &str) -> Result<Finger, &'static str> {
    match word {
        "root" => Ok(Finger::ByRoot),
        _ => Err("root"),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Passcode {
    /// Give a user passcodes; prints the link that adds them to a phone or to `countersign enroll`
    Add(Add),
    /// Who has passcodes, and how they stand
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Try a passcode, as the module does; it is used up
    ///
    /// The passcode is read from standard input. Exit code 0: it is right.
    Test {
        user: UserName,
        /// Steps before and after, or counters ahead, as the module's `window=`
        #[arg(long, value_name = "N")]
        window: Option<Window>,
    },
    /// Forget a user's wrong tries
    Unlock { user: UserName },
    /// Take a user's passcodes away
    Remove { user: UserName },
    /// Take over the passcodes of another PAM module
    Import(Import),
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    pub(crate) user: UserName,
    /// time, event or challenge
    #[arg(long, default_value = "time")]
    pub(crate) mode: OtpKind,
    /// sha1, sha256 or sha512; many phones know sha1 only
    #[arg(long, default_value = "sha1")]
    pub(crate) hash: HashAlgorithm,
    /// 6 to 10
    #[arg(long, default_value = "6", value_parser = digits)]
    pub(crate) digits: Digits,
    /// Seconds of a time-based passcode
    #[arg(long, default_value = "30", value_parser = period)]
    pub(crate) period: Period,
    /// OCRA suite of a challenge-response token
    #[arg(long, default_value = "OCRA-1:HOTP-SHA1-6:QN08", value_parser = suite)]
    pub(crate) suite: Suite,
    /// Next counter of an event-based token
    #[arg(long, default_value = "0")]
    pub(crate) counter: u64,
    /// Wrong tries in so many seconds after which none is looked at
    #[arg(long, default_value = "5/300")]
    pub(crate) limit: TryLimit,
    /// Read the seed from standard input: base 32, `hex:` and hex digits, or a whole otpauth link, which says the mode itself
    #[arg(long)]
    pub(crate) seed_stdin: bool,
    /// End the passcodes that the user has
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Debug, Args)]
#[group(skip)]
#[command(group = ArgGroup::new("source").required(true).args(["users_oath", "google_authenticator"]))]
pub(crate) struct Import {
    /// Users file of `pam_oath`
    #[arg(long, value_name = "FILE")]
    pub(crate) users_oath: Option<PathBuf>,
    /// One user's file of `pam_google_authenticator`
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) google_authenticator: Option<PathBuf>,
    /// Whose it is
    #[arg(long)]
    pub(crate) user: Option<UserName>,
    /// End the passcodes that the users have
    #[arg(long)]
    pub(crate) replace: bool,
}

fn digits(text: &str) -> Result<Digits, String> {
    let count: u8 = text.parse().map_err(|_no_number| "not a number")?;
    Digits::try_from(count).map_err(|error| error.to_string())
}

fn period(text: &str) -> Result<Period, String> {
    let secs: u32 = text.parse().map_err(|_no_number| "not a number")?;
    Period::try_from(secs).map_err(|error| error.to_string())
}

fn suite(text: &str) -> Result<Suite, String> {
    text.parse()
        .map_err(|error: countersign_core::otp::ocra::SuiteError| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_in_order() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_seed_has_no_option() {
        for words in [
            [
                "countersign-pam",
                "passcode",
                "add",
                "alice",
                "--seed=JBSWY3DP",
            ]
            .as_slice(),
            &["countersign-pam", "passcode", "add", "alice", "JBSWY3DP"],
            &["countersign-pam", "passcode", "test", "alice", "123456"],
        ] {
            assert!(Cli::try_parse_from(words).is_err(), "{words:?}");
        }
    }
}
