//! The files that root believes: one that somebody else could have written makes no root, whatever it says.

use countersign_core::sudo::Least;
use countersign_proto::sudo::v1::Level;
use countersign_tests::sandbox::{PASSWORD, said};

use crate::{
    desk::{Desk, is_possible, was_refused, was_root},
    liar::{self, approval},
};

const FILE: &str = "/etc/countersign/pam/keys.d/alice";

#[test]
fn a_file_that_others_could_have_written_is_not_believed() {
    if !is_possible("sudo::files") {
        return;
    }
    let mut desk = Desk::new();
    desk.end_agent();
    desk.sudo_asks("timeout=10");
    let _honest = liar::answering(&desk, |ask| liar::answer(approval(ask, 1, Level::Pin)));
    let sudo = || desk.sudo(&["id", "-un"], &format!("{PASSWORD}\n"));
    liar::accept(&desk, Least::User);
    was_root(&desk.sudo(&["id", "-un"], ""));
    for spoil in [
        "chown alice FILE",
        "chmod g+w FILE",
        "chmod o+w FILE",
        "mv FILE /etc/alice && ln -s /etc/alice FILE",
        "rm FILE && mkfifo FILE",
        "rm FILE && mkdir FILE",
        "echo nonsense >> FILE",
        "head -c 70000 /dev/zero | tr '\\0' '#' > FILE",
        "chmod 777 /etc/countersign/pam/keys.d",
        "chown alice /etc/countersign/pam/keys.d",
    ] {
        desk.root("rm -rf /etc/countersign");
        liar::accept(&desk, Least::User);
        desk.root(&spoil.replace("FILE", FILE));
        let output = sudo();
        was_refused(&output);
        assert!(
            !said(&output).contains("Password please"),
            "{spoil}: {}",
            said(&output)
        );
    }
    // No file, or an empty one: not enrolled, and the password is asked for.
    for nothing in ["rm FILE", ": > FILE"] {
        desk.root("rm -rf /etc/countersign");
        liar::accept(&desk, Least::User);
        desk.root(&nothing.replace("FILE", FILE));
        let output = sudo();
        was_root(&output);
        assert!(
            said(&output).contains("Password please"),
            "{nothing}: {}",
            said(&output)
        );
    }
    desk.end();
}
