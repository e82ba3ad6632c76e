//! `config.toml` in the data folder: written by `init`, read at every start, edited by the administrator.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use url::Url;

mod sections;

pub use self::sections::{
    AdministrationSettings, AlarmSettings, EnrollmentProtocol, EnrollmentSettings, LdapSettings,
    MailSettings, MetricsSettings, PushSettings, RadiusSettings, SampleResource, ServerPinSettings,
};

/// The longest place, in characters.
const PLACE: usize = 64;

/// Name of the file in the data folder.
pub const FILE: &str = "config.toml";

/// The administrator's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What users see: "Example Corp".
    pub name: String,
    /// Where the gateway listens.
    pub listen: SocketAddr,
    /// How agents and browsers reach it: `https://host:port`, nothing behind.
    #[serde(with = "url_text")]
    pub url: Url,
    /// How tokens are enrolled.
    #[serde(default)]
    pub enrollment: EnrollmentSettings,
    /// Login requests.
    #[serde(default)]
    pub push: PushSettings,
    /// Server PINs.
    #[serde(default)]
    pub server_pin: ServerPinSettings,
    /// RADIUS.
    #[serde(default)]
    pub radius: RadiusSettings,
    /// The sample protected resource.
    #[serde(default)]
    pub sample_resource: SampleResource,
    /// The administration pages.
    #[serde(default)]
    pub administration: AdministrationSettings,
    /// The directory that users come from.
    #[serde(default)]
    pub ldap: LdapSettings,
    /// Enrollment mail.
    #[serde(default)]
    pub mail: MailSettings,
    /// What the serving process counts, for Prometheus.
    #[serde(default)]
    pub metrics: MetricsSettings,
    /// The program that hears of alarms.
    #[serde(default)]
    pub alarm: AlarmSettings,
    /// Where networks are: what the user is shown beside the address of a login, "Office Berlin". The longest prefix
    /// counts.
    #[serde(default)]
    pub places: BTreeMap<IpNet, String>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read or written.
    #[error("{path} cannot be used; is this the data folder of a gateway? `init` makes one")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what is expected.
    #[error("{path} is not a valid configuration: {why}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
    /// A value is not usable.
    #[error("{0}")]
    Value(&'static str),
}

impl Config {
    /// Settings for a new gateway. Without a URL agents reach it where it listens.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`].
    pub fn new(name: &str, listen: SocketAddr, url: Option<Url>) -> Result<Self, ConfigError> {
        let url = match url {
            Some(url) => url,
            None => own_url(listen)?,
        };
        let config = Self {
            name: name.to_owned(),
            listen,
            url,
            enrollment: EnrollmentSettings::default(),
            push: PushSettings::default(),
            server_pin: ServerPinSettings::default(),
            radius: RadiusSettings::default(),
            sample_resource: SampleResource::default(),
            administration: AdministrationSettings::default(),
            ldap: LdapSettings::default(),
            mail: MailSettings::default(),
            metrics: MetricsSettings::default(),
            alarm: AlarmSettings::default(),
            places: BTreeMap::new(),
        };
        config.check()?;
        Ok(config)
    }

    /// Reads the settings of the gateway in `data`.
    ///
    /// # Errors
    ///
    /// Every variant of [`ConfigError`].
    pub fn load(data: &Path) -> Result<Self, ConfigError> {
        let path = data.join(FILE);
        let text = fs::read_to_string(&path).map_err(|source| ConfigError::File {
            path: path.clone(),
            source,
        })?;
        let config: Self = toml::from_str(&text).map_err(|error| ConfigError::Syntax {
            path,
            why: error.message().to_owned(),
        })?;
        config.check()?;
        Ok(config)
    }

    /// Writes the settings of a new gateway in `data`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::File`] and [`ConfigError::Syntax`].
    pub fn store(&self, data: &Path) -> Result<(), ConfigError> {
        let path = data.join(FILE);
        let text = toml::to_string(self).map_err(|error| ConfigError::Syntax {
            path: path.clone(),
            why: error.to_string(),
        })?;
        fs::write(&path, text).map_err(|source| ConfigError::File { path, source })
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.name.trim().is_empty()
            || self.name.chars().count() > 64
            || self.name.chars().any(char::is_control)
        {
            return Err(ConfigError::Value(
                "the gateway's name must have 1 to 64 characters, on one line",
            ));
        }
        if self.listen.port() == 0 {
            return Err(ConfigError::Value(
                "the gateway needs a fixed port: it is part of every activation string",
            ));
        }
        let bare =
            self.url.path() == "/" && self.url.query().is_none() && self.url.fragment().is_none();
        if self.url.scheme() != "https"
            || !self.url.has_host()
            || !bare
            || !self.url.username().is_empty()
        {
            return Err(ConfigError::Value(
                "the URL must look like https://HOST or https://HOST:PORT",
            ));
        }
        if !(1..=600).contains(&self.push.ttl_seconds) {
            return Err(ConfigError::Value("push.ttl_seconds must be 1 to 600"));
        }
        if !(1..=100).contains(&self.server_pin.tries) {
            return Err(ConfigError::Value("server_pin.tries must be 1 to 100"));
        }
        if !(1..=100).contains(&self.push.refusals_per_address)
            || !(1..=1000).contains(&self.push.refusals_per_user)
        {
            return Err(ConfigError::Value(
                "push.refusals_per_address must be 1 to 100, push.refusals_per_user 1 to 1000",
            ));
        }
        if !(5..=3600).contains(&self.push.keep_alive_seconds)
            || !(1..=600).contains(&self.push.keep_alive_timeout_seconds)
        {
            return Err(ConfigError::Value(
                "push.keep_alive_seconds must be 5 to 3600, push.keep_alive_timeout_seconds 1 to 600",
            ));
        }
        if !(1..=100_000).contains(&self.push.reconnects_per_second) {
            return Err(ConfigError::Value(
                "push.reconnects_per_second must be 1 to 100000",
            ));
        }
        self.check_alarm()?;
        self.check_ldap()?;
        self.check_mail()?;
        let plain = |text: &String| {
            let length = text.chars().count();
            (1..=PLACE).contains(&length) && !text.chars().any(char::is_control)
        };
        if !self.places.values().all(plain) {
            return Err(ConfigError::Value(
                "a place has 1 to 64 characters, on one line",
            ));
        }
        if self.radius.wait_seconds > 60 {
            return Err(ConfigError::Value("radius.wait_seconds must be 0 to 60"));
        }
        if self.radius.listen.iter().any(|at| at.port() == 0) {
            return Err(ConfigError::Value(
                "an address of radius.listen needs a port; 1812 is the usual one",
            ));
        }
        Ok(())
    }

    fn check_ldap(&self) -> Result<(), ConfigError> {
        let ldap = &self.ldap;
        if ldap.url.is_empty() {
            return Ok(());
        }
        let Ok(url) = Url::parse(&ldap.url) else {
            return Err(ConfigError::Value("ldap.url is no URL"));
        };
        let local = match url.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        match url.scheme() {
            "ldaps" | "ldapi" => {}
            // The users' passwords would go over the network as they are. An `ldap` URL's host is not parsed as a web
            // address: 127.0.0.1 is a name there.
            "ldap" if ldap.starttls || local || url.host_str().is_some_and(is_loopback) => {}
            "ldap" => {
                return Err(ConfigError::Value(
                    "ldap.url must be ldaps://, or ldap:// with ldap.starttls = true",
                ));
            }
            _ => {
                return Err(ConfigError::Value(
                    "ldap.url must begin with ldaps://, ldap:// or ldapi://",
                ));
            }
        }
        if ldap.base.is_empty() {
            return Err(ConfigError::Value("ldap.base must say where the users are"));
        }
        if ldap.bind_dn.is_empty() != ldap.bind_password_file.as_os_str().is_empty() {
            return Err(ConfigError::Value(
                "ldap.bind_dn and ldap.bind_password_file belong together",
            ));
        }
        if !(1..=60).contains(&ldap.timeout_seconds) {
            return Err(ConfigError::Value("ldap.timeout_seconds must be 1 to 60"));
        }
        Ok(())
    }

    fn check_mail(&self) -> Result<(), ConfigError> {
        let mail = &self.mail;
        let program = mail.command.first();
        if program.is_some_and(|program| !Path::new(program).is_absolute()) {
            return Err(ConfigError::Value(
                "mail.command must begin with the absolute path of a program",
            ));
        }
        if !(1..=300).contains(&mail.timeout_seconds) {
            return Err(ConfigError::Value("mail.timeout_seconds must be 1 to 300"));
        }
        Ok(())
    }

    fn check_alarm(&self) -> Result<(), ConfigError> {
        let alarm = &self.alarm;
        if alarm
            .command
            .first()
            .is_some_and(|program| !Path::new(program).is_absolute())
        {
            return Err(ConfigError::Value(
                "alarm.command must begin with the absolute path of a program",
            ));
        }
        if !(1..=300).contains(&alarm.timeout_seconds) || !(1..=16).contains(&alarm.concurrent) {
            return Err(ConfigError::Value(
                "alarm.timeout_seconds must be 1 to 300, alarm.concurrent 1 to 16",
            ));
        }
        Ok(())
    }

    /// Where a client address is, as the settings say; empty if they say nothing.
    #[must_use]
    pub fn place(&self, client_address: &str) -> &str {
        let Ok(address) = client_address.trim().parse::<IpAddr>() else {
            return "";
        };
        let address = address.to_canonical();
        self.places
            .iter()
            .filter(|(network, _)| network.contains(&address))
            .max_by_key(|(network, _)| network.prefix_len())
            .map_or("", |(_, place)| place)
    }

    /// The URL without a slash at its end: what paths are put behind.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.as_str().trim_end_matches('/').to_owned()
    }
}

fn is_loopback(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Where a gateway that listens at `listen` is reached from the same machine or network.
fn own_url(listen: SocketAddr) -> Result<Url, ConfigError> {
    let host = match listen.ip() {
        ip if ip.is_unspecified() => "localhost".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    Url::parse(&format!("https://{host}:{}", listen.port()))
        .map_err(|_malformed| ConfigError::Value("the address makes no URL; give --url"))
}

/// A URL as text in the file.
mod url_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use url::Url;

    pub(super) fn serialize<S: Serializer>(url: &Url, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(url.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
        Url::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: Option<&str>) -> Result<Config, ConfigError> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8443));
        let url = url.map(Url::parse).transpose();
        Config::new("Example", listen, url.unwrap_or(None))
    }

    #[test]
    fn settings_survive_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(Some("https://gw.example")).unwrap();
        config.store(folder.path()).unwrap();
        assert_eq!(Config::load(folder.path()).unwrap(), config);
        assert_eq!(config.origin(), "https://gw.example");
    }

    #[test]
    fn the_url_is_where_it_listens_unless_said() {
        assert_eq!(config(None).unwrap().origin(), "https://127.0.0.1:8443");
        let all = Config::new("Example", "[::]:8443".parse().unwrap(), None).unwrap();
        assert_eq!(all.origin(), "https://localhost:8443");
    }

    #[test]
    fn unusable_values_are_refused() {
        for url in [
            "http://gw.example",
            "https://gw.example/path",
            "https://me@gw.example",
            "https://gw.example/?a",
        ] {
            assert!(config(Some(url)).is_err(), "{url}");
        }
        assert!(Config::new("Example", "127.0.0.1:0".parse().unwrap(), None).is_err());
        assert!(Config::new(" ", "127.0.0.1:1".parse().unwrap(), None).is_err());
    }

    /// A data folder whose settings have been edited.
    fn edited(addition: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        config(None).unwrap().store(folder.path()).unwrap();
        let path = folder.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        let mut table: toml::Table = toml::from_str(&text).unwrap();
        table.extend(toml::from_str::<toml::Table>(addition).unwrap());
        let text = toml::to_string(&table).unwrap();
        fs::write(&path, text).unwrap();
        folder
    }

    #[test]
    fn the_longest_prefix_says_where_an_address_is() {
        let config = Config::load(edited(
            "[places]\n\"10.0.0.0/8\" = \"Example Corp\"\n\"10.1.0.0/16\" = \"Office Berlin\"\n\"2001:db8::/32\" = \"VPN\"",
        ).path())
        .unwrap();
        for (address, place) in [
            ("10.1.2.3", "Office Berlin"),
            ("::ffff:10.1.2.3", "Office Berlin"),
            ("10.2.0.1", "Example Corp"),
            ("2001:db8::1", "VPN"),
            ("192.0.2.1", ""),
            ("line 7", ""),
        ] {
            assert_eq!(config.place(address), place, "{address}");
        }
        assert!(Config::load(edited("[places]\n\"10.0.0.0/33\" = \"x\"").path()).is_err());
        assert!(Config::load(edited("[places]\n\"10.0.0.0/8\" = \"\"").path()).is_err());
    }

    #[test]
    fn an_alarm_command_is_a_program_by_its_whole_path() {
        let good = Config::load(
            edited("[alarm]\ncommand = [\"/usr/bin/logger\", \"-t\", \"countersign\"]").path(),
        )
        .unwrap();
        assert_eq!(good.alarm.command.len(), 3);
        assert_eq!(good.alarm.concurrent, 4);
        for bad in [
            "[alarm]\ncommand = [\"logger\"]",
            "[alarm]\nconcurrent = 0",
            "[alarm]\ntimeout_seconds = 3600",
        ] {
            assert!(Config::load(edited(bad).path()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_directory_is_not_spoken_to_in_the_clear() {
        let of = |url: &str, starttls: bool| {
            let text = format!("[ldap]\nurl = \"{url}\"\nbase = \"dc=x\"\nstarttls = {starttls}");
            Config::load(edited(&text).path()).is_ok()
        };
        assert!(of("ldaps://ldap.example", false) && of("ldap://ldap.example", true));
        assert!(of("ldap://127.0.0.1:389", false) && of("ldap://localhost", false));
        assert!(of("ldapi://%2Frun%2Fldapi", false));
        for url in [
            "ldap://ldap.example",
            "ldap://127.0.0.1.example",
            "http://ldap.example",
            "x",
        ] {
            assert!(!of(url, false), "{url}");
        }
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        config(None).unwrap().store(folder.path()).unwrap();
        let path = folder.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap() + "\n[pusch]\n";
        fs::write(&path, text).unwrap();
        assert!(matches!(
            Config::load(folder.path()),
            Err(ConfigError::Syntax { .. })
        ));
    }
}
