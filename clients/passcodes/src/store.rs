//! What is done with records.

use std::{
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
};

use countersign_core::{
    pam_passcode::{NotBegun, Record, Verdict, Window},
    secret::SecretText,
    time::UnixMillis,
};
use rustix::{fs::Mode, io::Errno, process::Uid};

use crate::{StoreError, UserName, error::while_, file, lock::Lock, random::Kernel};

/// The folder with one record a user.
#[derive(Debug)]
pub struct Passcodes {
    folder: OwnedFd,
    owner: Uid,
}

/// What a user is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The next passcode.
    Passcode,
    /// The answer to this challenge: letters and digits.
    Challenge(String),
    /// Nothing now: there were too many wrong ones.
    Wait {
        /// Seconds until a passcode is looked at again.
        secs: u64,
    },
}

/// What came of a typed passcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The user has no passcodes.
    NotEnrolled,
    /// It was not looked at.
    NotBegun(NotBegun),
    /// It was looked at.
    Judged(Verdict),
}

/// May a record take the place of another?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacing {
    /// No: there must be none.
    Refused,
    /// Yes: the passcodes of before are good for nothing from then on.
    Allowed,
}

impl Passcodes {
    /// The records at `path`; none if there is no such folder, and so nobody has passcodes. `owner` is root, but in tests.
    ///
    /// # Errors
    /// [`StoreError`]: the folder is not `owner`'s alone, or cannot be opened.
    pub fn open(path: &Path, owner: Uid) -> Result<Option<Self>, StoreError> {
        let folder = file::open_folder(path, owner)?;
        Ok(folder.map(|folder| Self { folder, owner }))
    }

    /// The same, and the folder is made if it is not there. Those above it must be.
    ///
    /// # Errors
    /// [`StoreError`], as [`Passcodes::open`].
    pub fn open_or_make(path: &Path, owner: Uid) -> Result<Self, StoreError> {
        match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(cause) => return Err(while_("make the folder of the passcodes")(cause)),
        }
        Self::open(path, owner)?.ok_or(StoreError::System {
            doing: "open the folder of the passcodes",
            cause: Errno::NOENT,
        })
    }

    /// The record of a user.
    ///
    /// # Errors
    /// [`StoreError`]: it is not to be trusted, or no record.
    pub fn record(&self, user: &UserName) -> Result<Option<Record>, StoreError> {
        let Some(file) = file::open(self.folder(), user.as_str(), self.owner)? else {
            return Ok(None);
        };
        let text = file::read(&file)?;
        Ok(Some(Record::parse(text.expose())?))
    }

    /// Who has a record, in order. A file whose name is no user's is none.
    ///
    /// # Errors
    /// [`StoreError::System`].
    pub fn users(&self) -> Result<Vec<UserName>, StoreError> {
        let doing = "read the folder of the passcodes";
        let entries = rustix::fs::Dir::read_from(self.folder()).map_err(while_(doing))?;
        let mut users = Vec::new();
        for entry in entries {
            let entry = entry.map_err(while_(doing))?;
            let name = entry.file_name().to_str().ok();
            users.extend(name.and_then(|name| name.parse::<UserName>().ok()));
        }
        users.sort_unstable();
        Ok(users)
    }

    /// What to ask this user; none if the user has no passcodes. A challenge is durable before it is known.
    ///
    /// # Errors
    /// [`StoreError`]: nobody can be let in.
    pub fn question(
        &self,
        user: &UserName,
        now: UnixMillis,
    ) -> Result<Option<Question>, StoreError> {
        let Some(record) = self.record(user)? else {
            return Ok(None);
        };
        if let Some(secs) = record.wait_secs(now) {
            return Ok(Some(Question::Wait { secs }));
        }
        if !record.is_asked_by_challenge() {
            return Ok(Some(Question::Passcode));
        }
        let _lock = self.lock(user)?;
        let Some(record) = self.record(user)? else {
            return Ok(None);
        };
        let mut random = Kernel::default();
        let posed = record.clone().posed(&mut random);
        if random.has_failed() {
            return Err(StoreError::Random);
        }
        if posed != record {
            self.write(user, &posed)?;
        }
        Ok(Some(
            posed
                .open_challenge()
                .map_or(Question::Passcode, |challenge| {
                    Question::Challenge(challenge.to_owned())
                }),
        ))
    }

    /// Is this the user's passcode? `shown` is the challenge that was shown.
    ///
    /// Counted durably before it is looked at; what an acceptance uses up is durable before this returns.
    ///
    /// # Errors
    /// [`StoreError`]: nobody is let in, whatever was typed.
    pub fn judge(
        &self,
        user: &UserName,
        typed: &SecretText,
        shown: Option<&str>,
        window: Window,
        now: UnixMillis,
    ) -> Result<Outcome, StoreError> {
        let _lock = self.lock(user)?;
        let Some(record) = self.record(user)? else {
            return Ok(Outcome::NotEnrolled);
        };
        let begun = match record.begin(typed, shown, now) {
            Ok(begun) => begun,
            Err(not_begun) => return Ok(Outcome::NotBegun(not_begun)),
        };
        let counted = begun.counted().clone();
        self.write(user, &counted)?;
        let (verdict, after) = begun.judge(window, now);
        if after != counted {
            self.write(user, &after)?;
        }
        Ok(Outcome::Judged(verdict))
    }

    /// Gives a user a record.
    ///
    /// # Errors
    /// [`StoreError::Exists`], and what the system says.
    pub fn put(
        &self,
        user: &UserName,
        record: &Record,
        replacing: Replacing,
    ) -> Result<(), StoreError> {
        let _lock = self.lock(user)?;
        if replacing == Replacing::Refused {
            match file::open(self.folder(), user.as_str(), self.owner) {
                Ok(None) => {}
                Ok(Some(_)) | Err(StoreError::Unsafe(_)) => return Err(StoreError::Exists),
                Err(error) => return Err(error),
            }
        }
        self.write(user, record)
    }

    /// The wrong tries of a user are forgotten; false if the user has no passcodes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unlock(&self, user: &UserName) -> Result<bool, StoreError> {
        let _lock = self.lock(user)?;
        let Some(record) = self.record(user)? else {
            return Ok(false);
        };
        self.write(user, &record.unlocked())?;
        Ok(true)
    }

    /// Takes the record of a user away; false if there was none. What lies in its place goes, whatever it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove(&self, user: &UserName) -> Result<bool, StoreError> {
        let lock = self.lock(user)?;
        let there = match file::open(self.folder(), user.as_str(), self.owner) {
            Ok(file) => file.is_some(),
            Err(StoreError::Unsafe(_)) => true,
            Err(error) => return Err(error),
        };
        file::remove(self.folder(), user.as_str())?;
        file::remove(self.folder(), &draft(user))?;
        file::sync(self.folder())?;
        drop(lock);
        Ok(there)
    }

    fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    fn lock(&self, user: &UserName) -> Result<Lock, StoreError> {
        Lock::take(self.folder(), &format!(".{user}.lock"), self.owner)
    }

    fn write(&self, user: &UserName, record: &Record) -> Result<(), StoreError> {
        file::replace(
            self.folder(),
            user.as_str(),
            &draft(user),
            &record.to_text(),
        )
    }
}

/// No user's name begins with a dot.
fn draft(user: &UserName) -> String {
    format!(".{user}.new")
}
