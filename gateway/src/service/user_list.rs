//! Lists of users: read from CSV, compared with the users that there are, and taken over in one transaction or not at all.

use core::fmt;
use std::collections::{HashMap, HashSet};

use countersign_core::{password::PasswordHash, secret::SecretText, text};

use super::{Operator, ServiceError, users::is_name};
use crate::{
    random::SystemRandom,
    store::{AuditEvent, Details, Rows, StoreError},
};

/// The longest list, in bytes.
pub(crate) const LONGEST: usize = 8 * 1024 * 1024;
/// The most users in a list.
const MOST: usize = 50_000;
/// Faults that are told at once.
const TOLD: usize = 20;
/// The longest whole name and address, in characters.
const FULL_NAME: usize = 128;
const MAIL: usize = 254;

const USER: &str = "user";
const COLUMNS: [&str; 4] = [USER, "full_name", "mail", "password"];

/// A user of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUser {
    /// Name.
    pub name: String,
    /// What the user is beside it.
    pub details: Details,
    /// None: a new user gets none, and one who is there keeps the one that is there.
    pub password: Option<SecretText>,
}

/// A list of users whose names are all different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserList(Vec<ListedUser>);

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// Which line, from 1.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

/// Why nothing of a list was taken over.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The list is too long.
    #[error("the list is longer than 8 MiB or 50,000 users; cut it into several")]
    TooLong,
    /// The first line does not name the columns.
    #[error(
        "the first line names the columns: `user`, and perhaps `full_name`, `mail`, `password`; {0}"
    )]
    Head(String),
    /// Lines are wrong.
    #[error("nothing was changed: {}", Faults(.0))]
    Lines(Vec<LineError>),
    /// Users of the list are not this list's.
    #[error(
        "nothing was changed: these users come from elsewhere (a directory, or the gateway's own); `--take-over` makes them this list's: {}",
        .0.join(", ")
    )]
    Foreign(Vec<String>),
    /// The database or a hash failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

struct Faults<'f>(&'f [LineError]);

impl fmt::Display for Faults<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for LineError { line, what } in self.0.iter().take(TOLD) {
            write!(f, "\n  line {line}: {what}")?;
        }
        match self.0.len().saturating_sub(TOLD) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// Do users who come from elsewhere become this list's?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeOver {
    /// Yes.
    Yes,
    /// No: then nothing is changed.
    No,
}

/// What a list does to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListEffect {
    /// There was none of this name.
    New,
    /// Something is different.
    Changed,
    /// Nothing is.
    Same,
}

impl ListEffect {
    /// In one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Same => "same",
        }
    }
}

impl UserList {
    /// Reads CSV (RFC 4180) whose first line names the columns.
    ///
    /// # Errors
    ///
    /// [`ListError::TooLong`], [`ListError::Head`], or [`ListError::Lines`] with everything that is wrong.
    pub fn from_csv(bytes: &[u8]) -> Result<Self, ListError> {
        if bytes.len() > LONGEST {
            return Err(ListError::TooLong);
        }
        // What a spreadsheet writes in front.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(bytes);
        let head = reader
            .headers()
            .map_err(|error| ListError::Head(error.to_string()))?;
        let mut columns = HashMap::new();
        for (place, name) in head.iter().enumerate() {
            let name = COLUMNS
                .into_iter()
                .find(|known| *known == name)
                .ok_or_else(|| {
                    ListError::Head(format!("{:?} is none of them", text::display(name, 40)))
                })?;
            if columns.insert(name, place).is_some() {
                return Err(ListError::Head(format!("{name} stands there twice")));
            }
        }
        if !columns.contains_key(USER) {
            return Err(ListError::Head("`user` is missing".to_owned()));
        }
        let width = columns.len();
        let mut users = Vec::new();
        let mut faults = Vec::new();
        let mut lines: HashMap<String, u64> = HashMap::new();
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    let what = "it is not UTF-8 text".to_owned();
                    faults.push(LineError { line, what });
                    continue;
                }
            };
            let line = record.position().map_or(0, csv::Position::line);
            if users.len() >= MOST {
                return Err(ListError::TooLong);
            }
            let field = |name| {
                let place = columns.get(name)?;
                record.get(*place).filter(|text| !text.is_empty())
            };
            let read = if record.len() == width {
                user(field)
            } else {
                Err(format!(
                    "{} fields, and the first line has {width}",
                    record.len()
                ))
            };
            let what = match read {
                Ok(user) => match lines.insert(user.name.clone(), line) {
                    None => {
                        users.push(user);
                        continue;
                    }
                    Some(before) => {
                        let name = text::display(&user.name, 40);
                        format!("{name} stands on line {before} already")
                    }
                },
                Err(what) => what,
            };
            faults.push(LineError { line, what });
        }
        if faults.is_empty() {
            Ok(Self(users))
        } else {
            Err(ListError::Lines(faults))
        }
    }

    /// A list from a directory; who of them stands there twice is there once.
    pub(super) fn of_directory(users: Vec<ListedUser>) -> Self {
        let mut names = HashSet::new();
        let once = users
            .into_iter()
            .filter(|user| names.insert(user.name.clone()));
        Self(once.collect())
    }

    /// Whether somebody of this name is on it.
    pub(super) fn names(&self) -> HashSet<&str> {
        self.0.iter().map(|user| user.name.as_str()).collect()
    }

    /// How many users are on it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Is nobody on it?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn user<'r>(field: impl Fn(&'static str) -> Option<&'r str>) -> Result<ListedUser, String> {
    let name = field(USER).unwrap_or_default();
    if !is_name(name) {
        return Err("a user name has 1 to 128 characters".to_owned());
    }
    let details = Details {
        full_name: field("full_name").unwrap_or_default().to_owned(),
        mail: field("mail").unwrap_or_default().to_owned(),
        directory_dn: None,
    };
    check(&details)?;
    let password = field("password").map(SecretText::from);
    let longest = countersign_proto::limits::PASSPHRASE;
    if password
        .as_ref()
        .is_some_and(|password| password.expose().len() > longest)
    {
        return Err(format!("a password has up to {longest} bytes"));
    }
    Ok(ListedUser {
        name: name.to_owned(),
        details,
        password,
    })
}

/// Can these be kept and shown?
pub(crate) fn check(details: &Details) -> Result<(), String> {
    if text::display(&details.full_name, FULL_NAME) != details.full_name {
        return Err("a full name has up to 128 characters, none of them invisible".to_owned());
    }
    if details.mail.is_empty() || is_mail(&details.mail) {
        Ok(())
    } else {
        Err("the mail address does not look like name@host".to_owned())
    }
}

/// One address (`name@host`), that cannot be taken for several, for a header or for an option. More is for the mail
/// server to say.
pub(super) fn is_mail(mail: &str) -> bool {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !",;:<>()[]\"\\".contains(c);
    mail.chars().count() <= MAIL
        && mail.split('@').count() == 2
        && !mail.starts_with(['@', '-'])
        && !mail.ends_with('@')
        && mail.chars().all(plain)
}

impl Operator {
    /// What a list would do. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`ListError::Foreign`], or the database failed.
    pub async fn preview_users(
        &self,
        list: &UserList,
        take_over: TakeOver,
    ) -> Result<Vec<(String, ListEffect)>, ListError> {
        let users = list.0.clone();
        self.service()
            .store()
            .read(move |rows| compare(rows, &users, take_over))
            .await
            .map_err(ServiceError)?
    }

    /// Takes a list over: all of it, or nothing.
    ///
    /// # Errors
    ///
    /// [`ListError::Foreign`], or the database or a hash failed.
    pub async fn import_users(
        &self,
        list: UserList,
        take_over: TakeOver,
    ) -> Result<Vec<(String, ListEffect)>, ListError> {
        let mut hashes = Vec::with_capacity(list.0.len());
        for user in &list.0 {
            hashes.push(match &user.password {
                Some(password) => Some(self.service().hashed(password.clone()).await?),
                None => None,
            });
        }
        let (now, operator) = (self.service().now(), self.name().to_owned());
        self.service()
            .store()
            .write(move |rows| {
                let effects = match compare(rows, &list.0, take_over)? {
                    Ok(effects) => effects,
                    Err(foreign) => return Ok(Err(foreign)),
                };
                for ((user, hash), (_, effect)) in list.0.iter().zip(hashes).zip(&effects) {
                    let id = match (effect, rows.user_id(&user.name)?) {
                        (ListEffect::Same, _) => continue,
                        (ListEffect::Changed, Some(id)) => {
                            if let Some(hash) = &hash {
                                rows.put_password(id, hash)?;
                            }
                            id
                        }
                        (ListEffect::New, None) => {
                            // Nobody's password meets this.
                            let none = || PasswordHash::unmeetable(SystemRandom::bytes());
                            let hash = hash.unwrap_or_else(none);
                            rows.add_user(&user.name, &hash, now)?
                                .ok_or(StoreError::Unreadable("user"))?
                        }
                        (ListEffect::New, Some(_)) | (ListEffect::Changed, None) => {
                            return Err(StoreError::Unreadable("user"));
                        }
                    };
                    rows.put_details(id, &user.details)?;
                    let event = match effect {
                        ListEffect::New => AuditEvent::UserAdded,
                        ListEffect::Changed | ListEffect::Same => AuditEvent::UserChanged,
                    };
                    rows.audit_by(&operator, now, event, &user.name, "from a list")?;
                }
                Ok(Ok(effects))
            })
            .await
            .map_err(ServiceError)?
    }
}

type Compared = Result<Vec<(String, ListEffect)>, ListError>;

fn compare(
    rows: Rows<'_>,
    users: &[ListedUser],
    take_over: TakeOver,
) -> Result<Compared, StoreError> {
    let mut effects = Vec::with_capacity(users.len());
    let mut foreign = Vec::new();
    for user in users {
        let effect = match rows.user_id(&user.name)? {
            None => ListEffect::New,
            Some(id) => {
                let there = rows.details(id)?;
                let foreign_here =
                    there.directory_dn.is_some() != user.details.directory_dn.is_some();
                if foreign_here && take_over == TakeOver::No {
                    foreign.push(text::display(&user.name, 40));
                }
                if there == user.details && user.password.is_none() {
                    ListEffect::Same
                } else {
                    ListEffect::Changed
                }
            }
        };
        effects.push((user.name.clone(), effect));
    }
    Ok(if foreign.is_empty() {
        Ok(effects)
    } else {
        Err(ListError::Foreign(foreign))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn faults(text: &str) -> Vec<(u64, String)> {
        match UserList::from_csv(text.as_bytes()) {
            Err(ListError::Lines(faults)) => faults
                .into_iter()
                .map(|fault| (fault.line, fault.what))
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_list_is_read_with_its_quotes_and_in_any_order_of_columns() {
        let text =
            "\u{feff}mail,user,full_name\r\nada@example.org,ada,\"Lovelace, Ada\"\r\n,bob,\r\n";
        let list = UserList::from_csv(text.as_bytes()).unwrap();
        assert_eq!(list.len(), 2);
        assert_eq!(list.0[0].details.full_name, "Lovelace, Ada");
        assert_eq!(list.0[0].details.mail, "ada@example.org");
        assert_eq!(list.0[1].name, "bob");
        assert_eq!(list.0[1].password, None);
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_line() {
        let text = "user,mail\nada,ada@example.org\n,x@y\nada,\nbob,not an address\neve,e@x,more\n";
        let told = faults(text);
        let lines: Vec<u64> = told.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 4, 5, 6]);
        assert_eq!(told[1].1, "ada stands on line 2 already");
        assert!(told[3].1.starts_with("3 fields"));
        for head in ["", "name,mail", "user,user", "mail"] {
            let read = UserList::from_csv(format!("{head}\nada\n").as_bytes());
            assert!(matches!(read, Err(ListError::Head(_))), "{head}");
        }
        let invalid = UserList::from_csv(b"user\n\xff\xfe\n");
        assert!(matches!(invalid, Err(ListError::Lines(_))));
        let long = UserList::from_csv(&vec![b'a'; LONGEST + 1]);
        assert!(matches!(long, Err(ListError::TooLong)));
    }

    #[test]
    fn an_address_is_one_address() {
        let mail = |mail: &str| {
            check(&Details {
                mail: mail.to_owned(),
                ..Details::default()
            })
            .is_ok()
        };
        assert!(mail("") && mail("ada@example.org") && mail("a.b+c@example.org"));
        for bad in [
            "a@b,c@d",
            "a@b\r\nBcc: c@d",
            "@b",
            "a@",
            "-oQ/tmp@b",
            "a b@c",
            "<a@b>",
        ] {
            assert!(!mail(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            drop(UserList::from_csv(&bytes));
            let with_head = [b"user,full_name,mail,password\n", bytes.as_slice()].concat();
            drop(UserList::from_csv(&with_head));
        }
    }
}
