//! Whose account is to be proved, and whose agent is asked for it.

use std::ffi::CString;

use nix::unistd::{Gid, Group, User, getgrouplist};
use pam::module::PamHandle;

use crate::{
    options::{Account as Whose, Options, Who},
    verdict::{Unavailable, Verdict},
};

/// The account, and the user whose agent is asked.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// The name that the service has given: the account that is to be proved.
    pub(crate) proved: String,
    /// The name of the user whose agent is asked.
    pub(crate) asked: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The real user of this process.
    pub(crate) ruid: u32,
}

impl Account {
    /// As libpam and the process say it; never the environment, which is the caller's.
    ///
    /// # Errors
    ///
    /// [`Verdict::Unavailable`]; [`Verdict::NotConcerned`] where the administrator's line is for others only.
    pub(crate) fn of(pamh: &mut PamHandle, options: &Options) -> Result<Self, Verdict> {
        let unknown = Verdict::Unavailable(Unavailable::Account);
        let proved = pamh.get_user(None).map_err(|_code| unknown.clone())?;
        let ruid = rustix::process::getuid().as_raw();
        let named = User::from_name(&proved)
            .map_err(|_errno| Verdict::Unavailable(Unavailable::System))?
            .ok_or_else(|| unknown.clone())?;
        // A service that runs as root itself (login, sshd) asks for the account alone.
        let by_another = ruid != 0 && ruid != named.uid.as_raw();
        // A passcode is asked of whoever sits there: it needs no agent of another user.
        let by_another = by_another && options.minds_who_asks();
        let user = match (by_another, options.account) {
            (false, _) => named,
            (true, Whose::Proved) => return Err(Verdict::Unavailable(Unavailable::OtherUser)),
            (true, Whose::Caller) => User::from_uid(ruid.into())
                .map_err(|_errno| Verdict::Unavailable(Unavailable::System))?
                .ok_or(unknown)?,
        };
        let account = Self {
            proved,
            asked: user.name.clone(),
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            ruid,
        };
        match concerned(&user, &options.only) {
            Some(true) => Ok(account),
            Some(false) => Err(Verdict::NotConcerned),
            // Whether it concerns the user is not known: that is no reason to let anybody through.
            None => Err(Verdict::Unavailable(Unavailable::System)),
        }
    }
}

/// Is the user one of those? `None`: it cannot be found out.
fn concerned(user: &User, only: &[Who]) -> Option<bool> {
    if only.is_empty() {
        return Some(true);
    }
    let name = CString::new(user.name.as_str()).ok()?;
    let groups = getgrouplist(&name, user.gid).ok()?;
    for who in only {
        let is_one = match who {
            Who::User(name) => *name == user.name,
            // A group that does not exist has no members.
            Who::Group(name) => Group::from_name(name)
                .ok()?
                .is_some_and(|group| groups.contains(&Gid::from_raw(group.gid.as_raw()))),
        };
        if is_one {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_concerns_whom_it_names() {
        let root = User::from_name("root").unwrap().unwrap();
        let user = |name: &str| Who::User(name.to_owned());
        let group = |name: &str| Who::Group(name.to_owned());
        assert_eq!(concerned(&root, &[]), Some(true));
        assert_eq!(concerned(&root, &[user("root")]), Some(true));
        assert_eq!(
            concerned(&root, &[user("nobody"), group("root")]),
            Some(true)
        );
        assert_eq!(concerned(&root, &[user("nobody")]), Some(false));
        assert_eq!(concerned(&root, &[group("no-such-group")]), Some(false));
    }
}
