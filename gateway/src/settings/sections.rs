//! The tables of `config.toml`, each with what holds where nothing is said. What a value may be, [`Config`](super::Config) checks.

use std::{net::SocketAddr, path::PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// How tokens are enrolled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnrollmentSettings {
    /// Which variants of DSKPP are served.
    pub protocol: EnrollmentProtocol,
}

/// Variants of DSKPP (RFC 6063, section 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnrollmentProtocol {
    /// What the client offers; four passes if it offers both.
    #[default]
    Any,
    /// Both sides make the secret, and it does not travel.
    FourPass,
    /// The gateway makes the secret, and it travels wrapped under the activation's passphrase.
    TwoPass,
}

impl EnrollmentProtocol {
    /// Are four passes served?
    #[must_use]
    pub const fn takes_four_passes(self) -> bool {
        matches!(self, Self::Any | Self::FourPass)
    }

    /// Are two passes served?
    #[must_use]
    pub const fn takes_two_passes(self) -> bool {
        matches!(self, Self::Any | Self::TwoPass)
    }
}

/// How login requests work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PushSettings {
    /// How long a login request can be answered, in seconds: 1 to 600.
    pub ttl_seconds: u32,
    /// The resource shows a number that the user types into the agent.
    pub number_matching: bool,
    /// While the desktop's session is locked, requests wait for the unlock; otherwise the login page
    /// offers typing at once.
    pub hold_while_session_locked: bool,
    /// A proxy ends TLS before the gateway: streams are not bound to their TLS connection then.
    pub behind_proxy: bool,
    /// So many logins of a user from one address, denied or ignored in ten minutes, stop push from there.
    pub refusals_per_address: u32,
    /// So many logins of a user, denied or ignored in ten minutes, stop push for the user from every address that the
    /// user has not logged in from before.
    pub refusals_per_user: u32,
    /// An idle stream is pinged this often, in seconds: 5 to 3600. Below the time-out of what stands between.
    pub keep_alive_seconds: u32,
    /// A ping without an answer ends the stream after this time, in seconds: 1 to 600.
    pub keep_alive_timeout_seconds: u32,
    /// So many agents a second are told to come back when the gateway stops: 1 to 100,000. About what the machine
    /// can do in TLS handshakes.
    pub reconnects_per_second: u32,
}

impl Default for PushSettings {
    fn default() -> Self {
        Self {
            ttl_seconds: 60,
            number_matching: false,
            hold_while_session_locked: true,
            behind_proxy: false,
            refusals_per_address: 3,
            refusals_per_user: 10,
            keep_alive_seconds: 60,
            keep_alive_timeout_seconds: 20,
            reconnects_per_second: 1000,
        }
    }
}

/// How server PINs are guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerPinSettings {
    /// So many wrong server PINs in a row lock a token's PIN for ten minutes; so many more for twice as long,
    /// and so on: 1 to 100.
    pub tries: u32,
}

impl Default for ServerPinSettings {
    fn default() -> Self {
        Self { tries: 10 }
    }
}

/// The administration pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdministrationSettings {
    /// Are they served? Nobody can log in there before `administrator add`.
    pub enabled: bool,
    /// Served to these networks only; none: to all.
    pub networks: Vec<IpNet>,
}

impl Default for AdministrationSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            networks: Vec::new(),
        }
    }
}

/// The directory that users come from, over LDAP. It is only read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LdapSettings {
    /// `ldaps://HOST`, `ldap://HOST` with `starttls`, or `ldapi://` with a percent-encoded path; empty: no directory.
    pub url: String,
    /// `ldap://` speaks TLS before anything else. Without it only to this machine itself.
    pub starttls: bool,
    /// A PEM file with the authorities that vouch for the server; empty: the system's.
    pub ca_file: PathBuf,
    /// As whom the directory is read; empty: as nobody.
    pub bind_dn: String,
    /// The file with the password for that, one line; not readable by others.
    pub bind_password_file: PathBuf,
    /// Below which entry the users are.
    pub base: String,
    /// Which entries below it are users (RFC 4515).
    pub filter: String,
    /// The attribute that is the user name.
    pub user_attribute: String,
    /// The attribute that is the whole name.
    pub name_attribute: String,
    /// The attribute that is the mail address.
    pub mail_attribute: String,
    /// The passwords of users of the directory are checked there, by a bind.
    pub check_passwords: bool,
    /// A question to the directory fails after so long, in seconds: 1 to 60. Reading all of it has ten times as long.
    pub timeout_seconds: u32,
}

impl Default for LdapSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            starttls: true,
            ca_file: PathBuf::new(),
            bind_dn: String::new(),
            bind_password_file: PathBuf::new(),
            base: String::new(),
            filter: "(objectClass=inetOrgPerson)".to_owned(),
            user_attribute: "uid".to_owned(),
            name_attribute: "cn".to_owned(),
            mail_attribute: "mail".to_owned(),
            check_passwords: false,
            timeout_seconds: 10,
        }
    }
}

/// Enrollment mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailSettings {
    /// The program that takes a message on standard input and sends it to whom its head says, by its absolute path,
    /// with its arguments; none: mail can only be printed. No shell reads it.
    pub command: Vec<String>,
    /// From whom; empty: `countersign@` the host of `url`.
    pub from: String,
    /// The subject; placeholders as in the text.
    pub subject: String,
    /// A file with the text, in place of the one that comes with the gateway.
    pub template_file: PathBuf,
    /// The program is ended after this time, in seconds: 1 to 300.
    pub timeout_seconds: u32,
}

impl Default for MailSettings {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            from: String::new(),
            subject: "Your token for {gateway}".to_owned(),
            template_file: PathBuf::new(),
            timeout_seconds: 30,
        }
    }
}

/// What the serving process counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsSettings {
    /// Is it told?
    pub enabled: bool,
    /// Where, over plain HTTP, at `/metrics`. Anybody who reaches it can read it.
    pub listen: SocketAddr,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
        }
    }
}

/// The program that hears of alarms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlarmSettings {
    /// An absolute path, and its arguments; none: nobody hears. No shell reads it.
    pub command: Vec<String>,
    /// It is ended after this time, in seconds: 1 to 300.
    pub timeout_seconds: u32,
    /// So many run at once: 1 to 16.
    pub concurrent: usize,
}

impl Default for AlarmSettings {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            timeout_seconds: 10,
            concurrent: 4,
        }
    }
}

/// Where RADIUS clients are answered, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RadiusSettings {
    /// Addresses for Access-Requests; the usual port is 1812. None: RADIUS is off.
    pub listen: Vec<SocketAddr>,
    /// An answer is held for the desktop so long, in seconds: 0 to 60. Then the user is asked to come back.
    pub wait_seconds: u32,
}

impl Default for RadiusSettings {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            wait_seconds: 20,
        }
    }
}

/// The sample protected resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SampleResource {
    /// Is it served?
    pub enabled: bool,
}

impl Default for SampleResource {
    fn default() -> Self {
        Self { enabled: true }
    }
}
