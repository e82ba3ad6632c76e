//! Who may do what on a service's administration pages.

use core::{fmt, str::FromStr};

/// What somebody is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Does everything.
    Administrator,
    /// Helps users who are locked out, and looks at nothing else.
    Helpdesk,
    /// Reads everything and changes nothing.
    Auditor,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// See users, their tokens and who waits for an enrollment.
    SeeUsers,
    /// Suspend, resume and unlock a token, issue a one-time code, make a new enrollment link.
    HelpUser,
    /// Issue a token, end one for good.
    ChangeTokens,
    /// See policies.
    SeePolicies,
    /// Make, change and remove policies.
    ChangePolicies,
    /// Read the audit log.
    ReadAudit,
}

impl Task {
    /// Every task.
    pub const ALL: [Self; 6] = [
        Self::SeeUsers,
        Self::HelpUser,
        Self::ChangeTokens,
        Self::SeePolicies,
        Self::ChangePolicies,
        Self::ReadAudit,
    ];
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Administrator, Self::Helpdesk, Self::Auditor];

    /// Is this a task of theirs?
    #[must_use]
    pub const fn may(self, task: Task) -> bool {
        match (self, task) {
            (Self::Administrator, _) => true,
            (Self::Helpdesk, task) => matches!(task, Task::SeeUsers | Task::HelpUser),
            (Self::Auditor, task) => {
                matches!(task, Task::SeeUsers | Task::SeePolicies | Task::ReadAudit)
            }
        }
    }

    /// Is it a task of theirs for an account that has a role itself? Who hands out a code or a link for an account can
    /// become it, so only administrators touch those of others with a role.
    #[must_use]
    pub const fn may_for(self, task: Task, owner: Option<Self>) -> bool {
        let changes = matches!(task, Task::HelpUser | Task::ChangeTokens);
        match owner {
            Some(_) if changes => matches!(self, Self::Administrator),
            Some(_) | None => self.may(task),
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Helpdesk => "helpdesk",
            Self::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// No role goes by this word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is `administrator`, `helpdesk` or `auditor`")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(word: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.word() == word)
            .ok_or(UnknownRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_does_its_own_and_no_more() {
        let tasks = |role: Role| -> Vec<Task> {
            Task::ALL
                .into_iter()
                .filter(|task| role.may(*task))
                .collect()
        };
        assert_eq!(tasks(Role::Administrator), Task::ALL);
        assert_eq!(tasks(Role::Helpdesk), [Task::SeeUsers, Task::HelpUser]);
        assert_eq!(
            tasks(Role::Auditor),
            [Task::SeeUsers, Task::SeePolicies, Task::ReadAudit]
        );
    }

    #[test]
    fn an_account_with_a_role_is_touched_by_administrators_only() {
        for owner in Role::ALL {
            assert!(!Role::Helpdesk.may_for(Task::HelpUser, Some(owner)));
            assert!(Role::Helpdesk.may_for(Task::SeeUsers, Some(owner)));
            assert!(Role::Administrator.may_for(Task::HelpUser, Some(owner)));
            assert!(!Role::Auditor.may_for(Task::ChangeTokens, Some(owner)));
        }
        assert!(Role::Helpdesk.may_for(Task::HelpUser, None));
    }

    #[test]
    fn words_are_read_back() {
        for role in Role::ALL {
            assert_eq!(role.word().parse(), Ok(role));
        }
        assert_eq!("Administrator".parse::<Role>(), Err(UnknownRole));
    }
}
