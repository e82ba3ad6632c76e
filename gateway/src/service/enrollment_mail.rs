//! A new personal link, written into a message to its user.

use std::{fs, io, path::PathBuf};

use countersign_core::{secret::SecretText, time::UnixMillis};

use super::{EnrollmentLink, EnrollmentLinkError, Operator, Service, ServiceError, user_list};
use crate::{
    mail::{self, SendError},
    store::Details,
};

/// The longest template, in bytes.
const LONGEST: usize = 64 * 1024;
const TEMPLATE: &str = include_str!("enrollment_mail.txt");

/// A message that is ready to go.
#[derive(Debug)]
pub struct EnrollmentMail {
    /// To which address.
    pub to: String,
    /// Head and text (RFC 5322); it holds the link.
    pub message: SecretText,
}

/// Why there is no message, or it was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The user has no address.
    #[error("this user has no mail address; `user import` and `user sync-ldap` bring one")]
    NoAddress,
    /// The sender's address is none.
    #[error("mail.from is no mail address like name@host")]
    From,
    /// The template cannot be read.
    #[error("the template {path} cannot be used")]
    Template {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The template has a placeholder that is not known.
    #[error("the template has {{{0}}}; known are name, user, gateway, serial, link and until")]
    Placeholder(String),
    /// The template does not hold the link.
    #[error("the template has no {{link}}")]
    NoLink,
    /// There is no link.
    #[error(transparent)]
    Link(#[from] EnrollmentLinkError),
    /// The message was not sent; the link in it was made, and the one before is over.
    #[error("{0}. The link was made all the same; make another one when you try again")]
    Send(#[from] SendError),
    /// The database failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl Operator {
    /// Makes a link and a message that carries it. The template is looked at before the link is made.
    ///
    /// # Errors
    ///
    /// Every variant of [`MailError`] but [`MailError::Send`].
    pub async fn enrollment_mail(
        &self,
        user: &str,
        serial: Option<&str>,
    ) -> Result<EnrollmentMail, MailError> {
        let service = self.service();
        let config = &service.settings().config;
        let template = template(&config.mail.template_file)?;
        let from = match config.mail.from.as_str() {
            "" => format!(
                "countersign@{}",
                config.url.host_str().unwrap_or("localhost")
            ),
            from => from.to_owned(),
        };
        if from.is_empty() || !user_list::is_mail(&from) {
            return Err(MailError::From);
        }
        let details = service.details(user).await?.unwrap_or_default();
        if details.mail.is_empty() {
            return Err(MailError::NoAddress);
        }
        let trial = filled(&template, |name| {
            values(name, user, &details, config.name.as_str(), None)
        })?;
        drop(trial);
        if !template.contains("{link}") {
            return Err(MailError::NoLink);
        }
        let link = self.make_enrollment_link(user, serial).await?;
        let value = |name: &str| values(name, user, &details, config.name.as_str(), Some(&link));
        let text = SecretText::new(filled(&template, value)?);
        let subject = filled(&config.mail.subject, |name| {
            values(name, user, &details, config.name.as_str(), None)
        })?;
        Ok(EnrollmentMail {
            message: mail::message(&from, &details.mail, &subject, &text, service.now()),
            to: details.mail,
        })
    }
}

impl Service {
    /// What a user is beside the name; `None`: there is no such user.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn details(&self, user: &str) -> Result<Option<Details>, ServiceError> {
        let user = user.to_owned();
        let details = self
            .store()
            .read(move |rows| {
                rows.user_id(&user)?
                    .map(|user| rows.details(user))
                    .transpose()
            })
            .await?;
        Ok(details)
    }

    /// Gives a message to the program that sends mail.
    ///
    /// # Errors
    ///
    /// [`MailError::Send`].
    pub async fn send_mail(&self, mail: &EnrollmentMail) -> Result<(), MailError> {
        Ok(mail::send(&self.settings().config.mail, &mail.message).await?)
    }
}

fn template(path: &PathBuf) -> Result<String, MailError> {
    if path.as_os_str().is_empty() {
        return Ok(TEMPLATE.to_owned());
    }
    let failed = |source| MailError::Template {
        path: path.clone(),
        source,
    };
    let text = fs::read_to_string(path).map_err(failed)?;
    if text.len() > LONGEST {
        return Err(failed(io::Error::other("longer than 64 KiB")));
    }
    Ok(text)
}

/// The value of a placeholder; without a link, of those that every message has.
fn values(
    name: &str,
    user: &str,
    details: &Details,
    gateway: &str,
    link: Option<&EnrollmentLink>,
) -> Option<String> {
    let of_link = |value: fn(&EnrollmentLink) -> String| Some(link.map(value).unwrap_or_default());
    match name {
        "name" if details.full_name.is_empty() => Some(user.to_owned()),
        "name" => Some(details.full_name.clone()),
        "user" => Some(user.to_owned()),
        "gateway" => Some(gateway.to_owned()),
        "serial" => of_link(|link| link.serial.clone()),
        "link" => of_link(|link| link.url.expose().to_owned()),
        "until" => of_link(|link| until(link.expires)),
        _ => None,
    }
}

/// A text with its placeholders (`{name}`) filled in, once: what a value holds is not looked at again.
fn filled(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, MailError> {
    let mut out = String::with_capacity(text.len().saturating_mul(2));
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after
            .split_once('}')
            .ok_or_else(|| MailError::Placeholder(after.chars().take(20).collect()))?;
        let value =
            value(name).ok_or_else(|| MailError::Placeholder(name.chars().take(20).collect()))?;
        out.push_str(before);
        out.push_str(&value);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

fn until(at: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(
        |_out_of_range| String::new(),
        |at| at.strftime("%-d %B %Y, %H:%M UTC").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_once_and_unknown_ones_are_told() {
        let value = |name: &str| (name == "user").then(|| "{link}".to_owned());
        assert_eq!(filled("a {user} b", value).unwrap(), "a {link} b");
        for wrong in ["{nobody}", "{user", "{}"] {
            assert!(
                matches!(filled(wrong, value), Err(MailError::Placeholder(_))),
                "{wrong}"
            );
        }
        let all = |_: &str| Some(String::new());
        assert!(filled(TEMPLATE, all).is_ok() && TEMPLATE.contains("{link}"));
    }
}
