//! The directory that users come from: read over LDAP (RFC 4511), never written.

use core::time::Duration;
use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign_core::secret::SecretText;
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Scope, SearchEntry,
    adapters::{Adapter, EntriesOnly, PagedResults},
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use tokio::time::timeout;

use crate::settings::LdapSettings;

/// Entries that are asked for at a time, and at most.
const PAGE: i32 = 500;
const MOST: usize = 50_000;
/// LDAP's word for a wrong password (RFC 4511, section 4.1.9).
const INVALID_CREDENTIALS: u32 = 49;

/// Why the directory did not answer.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// There is none.
    #[error("no directory is set: [ldap] url in config.toml")]
    None,
    /// The file with the password, or with the authorities, cannot be used.
    #[error("{path} cannot be used")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory cannot be reached, or did not do what it was asked for.
    #[error("the directory at {url}: {source}")]
    Ldap {
        /// Where.
        url: String,
        /// Why.
        source: Box<LdapError>,
    },
    /// It took too long.
    #[error("the directory did not answer in time")]
    TimedOut,
    /// It sent what is no LDAP.
    #[error("the directory sent something that is not understood")]
    NotUnderstood,
    /// Too many entries.
    #[error("more than 50,000 entries; make ldap.filter or ldap.base narrower")]
    TooMany,
}

/// An entry, as far as it is of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the directory.
    pub dn: String,
    /// The user name; empty: the entry has none.
    pub user: String,
    /// The whole name; may be empty.
    pub full_name: String,
    /// The mail address; may be empty.
    pub mail: String,
}

/// Every user.
///
/// # Errors
///
/// Every variant of [`DirectoryError`].
pub async fn users(settings: &LdapSettings) -> Result<Vec<Entry>, DirectoryError> {
    let limit = wait(settings).saturating_mul(10);
    let reading = settings.clone();
    // A task of its own: the library panics at an entry that is none.
    let reading = tokio::spawn(async move { timeout(limit, read(&reading)).await });
    match reading.await {
        Ok(Ok(entries)) => entries,
        Ok(Err(_elapsed)) => Err(DirectoryError::TimedOut),
        Err(_panicked) => Err(DirectoryError::NotUnderstood),
    }
}

async fn read(settings: &LdapSettings) -> Result<Vec<Entry>, DirectoryError> {
    let failed = |source| failed(settings, source);
    let mut ldap = connect(settings).await?;
    if !settings.bind_dn.is_empty() {
        let password = secret(&settings.bind_password_file)?;
        let bound = ldap.simple_bind(&settings.bind_dn, password.expose()).await;
        bound.and_then(LdapResult::success).map_err(failed)?;
    }
    let attributes = [
        &settings.user_attribute,
        &settings.name_attribute,
        &settings.mail_attribute,
    ];
    let adapters: Vec<Box<dyn Adapter<'_, _, _>>> = vec![
        Box::new(EntriesOnly::new()),
        Box::new(PagedResults::new(PAGE)),
    ];
    let mut search = ldap
        .streaming_search_with(
            adapters,
            &settings.base,
            Scope::Subtree,
            &settings.filter,
            attributes,
        )
        .await
        .map_err(failed)?;
    let mut entries = Vec::new();
    while let Some(entry) = search.next().await.map_err(failed)? {
        if entries.len() >= MOST {
            return Err(DirectoryError::TooMany);
        }
        entries.push(taken(settings, SearchEntry::construct(entry)));
    }
    search.finish().await.success().map_err(failed)?;
    // Who does not hear that we go will notice.
    drop(ldap.unbind().await);
    Ok(entries)
}

fn taken(settings: &LdapSettings, entry: SearchEntry) -> Entry {
    // Names of attributes are the same in small and large letters.
    let first = |name: &str| {
        let values = entry
            .attrs
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        values
            .and_then(|(_, values)| values.first())
            .map(|value| value.trim().to_owned())
            .unwrap_or_default()
    };
    Entry {
        user: first(&settings.user_attribute),
        full_name: first(&settings.name_attribute),
        mail: first(&settings.mail_attribute),
        dn: entry.dn,
    }
}

/// Is it the password of this entry?
///
/// # Errors
///
/// Every variant of [`DirectoryError`] but [`DirectoryError::TooMany`].
pub async fn check_password(
    settings: &LdapSettings,
    dn: &str,
    password: &SecretText,
) -> Result<bool, DirectoryError> {
    // A bind without a password is one as nobody, and succeeds (RFC 4513, section 5.1.2); so is one without a name.
    if password.is_empty() || dn.is_empty() {
        return Ok(false);
    }
    let asked = async {
        let mut ldap = connect(settings).await?;
        let answer = ldap
            .simple_bind(dn, password.expose())
            .await
            .map_err(|source| failed(settings, source))?;
        drop(ldap.unbind().await);
        match answer.rc {
            0 => Ok(true),
            INVALID_CREDENTIALS => Ok(false),
            _ => match answer.success() {
                Ok(_) => Ok(false),
                Err(source) => Err(failed(settings, source)),
            },
        }
    };
    timeout(wait(settings), asked)
        .await
        .unwrap_or(Err(DirectoryError::TimedOut))
}

async fn connect(settings: &LdapSettings) -> Result<Ldap, DirectoryError> {
    if settings.url.is_empty() {
        return Err(DirectoryError::None);
    }
    let starttls = settings.url.starts_with("ldap://") && settings.starttls;
    let mut how = LdapConnSettings::new()
        .set_conn_timeout(wait(settings))
        .set_starttls(starttls);
    if starttls || settings.url.starts_with("ldaps://") {
        how = how.set_config(Arc::new(tls(settings)?));
    }
    let (connection, ldap) = LdapConnAsync::with_settings(how, &settings.url)
        .await
        .map_err(|source| failed(settings, source))?;
    tokio::spawn(async move {
        if let Err(error) = connection.drive().await {
            tracing::debug!(%error, "the connection to the directory ended");
        }
    });
    Ok(ldap)
}

fn tls(settings: &LdapSettings) -> Result<ClientConfig, DirectoryError> {
    let mut roots = RootCertStore::empty();
    let unusable = |path: &Path, why: String| DirectoryError::File {
        path: path.to_owned(),
        source: io::Error::other(why),
    };
    let path = &settings.ca_file;
    if path.as_os_str().is_empty() {
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
    } else {
        let certificates = CertificateDer::pem_file_iter(path)
            .map_err(|error| unusable(path, error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unusable(path, error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| unusable(path, error.to_string()))?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(path, error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The first line of a file that nobody else can read.
fn secret(path: &Path) -> Result<SecretText, DirectoryError> {
    let file = |source| DirectoryError::File {
        path: path.to_owned(),
        source,
    };
    let mode = fs::metadata(path).map_err(file)?.permissions().mode();
    if mode & 0o077 != 0 {
        let why = "others can read it; make it 0600";
        return Err(file(io::Error::other(why)));
    }
    let text = SecretText::new(fs::read_to_string(path).map_err(file)?);
    let line = text.expose().lines().next().unwrap_or_default();
    Ok(SecretText::from(line))
}

fn wait(settings: &LdapSettings) -> Duration {
    Duration::from_secs(settings.timeout_seconds.into())
}

fn failed(settings: &LdapSettings, source: LdapError) -> DirectoryError {
    DirectoryError::Ldap {
        url: settings.url.clone(),
        source: Box::new(source),
    }
}
