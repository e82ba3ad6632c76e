//! Who types the command, for the audit log.

use std::fs;

/// The kernel's word for "nobody has logged in".
const UNSET: u32 = u32::MAX;

/// The user who logged in to this session, also behind sudo; else the one whose process this is.
pub(super) fn name() -> String {
    let login = fs::read_to_string("/proc/self/loginuid")
        .ok()
        .and_then(|text| text.trim().parse::<u32>().ok())
        .filter(|uid| *uid != UNSET);
    let uid = login.unwrap_or_else(|| rustix::process::getuid().as_raw());
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    account(&accounts, uid).map_or_else(
        || format!("uid {uid}"),
        |name| format!("{name} (uid {uid})"),
    )
}

/// The local account of that number.
fn account(accounts: &str, uid: u32) -> Option<&str> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number = fields.nth(1)?.parse::<u32>().ok()?;
        (number == uid).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_number() {
        let accounts =
            "root:x:0:0:root:/root:/bin/sh\nbroken\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!(account(accounts, 1000), Some("ada"));
        assert_eq!(account(accounts, 0), Some("root"));
        assert_eq!(account(accounts, 7), None);
    }

    #[test]
    fn somebody_types_the_command() {
        assert!(name().contains("uid "));
    }
}
