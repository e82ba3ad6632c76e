//! Do browsers find the native-messaging host, and only ours?

use super::{
    super::{
        browser::manifests::{Fault, KNOWN, Known, fault},
        session::Session,
    },
    Finding,
};

const CHECK: &str = "browser";

pub(super) fn check(session: &Session) -> Vec<Finding> {
    let Some(homes) = session.homes() else {
        return Vec::new();
    };
    let own = rustix::process::geteuid().as_raw();
    let mut findings = Vec::new();
    for known in &KNOWN {
        let places = [known.for_user(&homes), known.for_system()];
        let looked: Vec<_> = places
            .iter()
            .filter_map(|path| Some((path, fault(known.family, path, own)?)))
            .collect();
        if looked.is_empty() && known.is_used(&homes) {
            findings.push(Finding::advice(
                CHECK,
                format!("{} does not know of Countersign.", known.name),
                "`countersign browser install` tells it, if you want passcodes there.",
            ));
        }
        for (path, found) in looked {
            findings.push(found.map_or_else(
                |fault| told(known, &path.display().to_string(), &fault),
                |()| {
                    Finding::good(
                        CHECK,
                        format!("{}: {} is sound.", known.name, path.display()),
                    )
                },
            ));
        }
    }
    findings
}

fn told(known: &Known, path: &str, fault: &Fault) -> Finding {
    let message = format!("{}: {path}: {fault}.", known.name);
    let hint = match fault {
        Fault::OpenToOthers(_) | Fault::OtherOwner(_) => {
            "Take the rights of others away (chmod go-w), or whoever has them reads your passcodes."
        }
        Fault::NoFile | Fault::NoProgram | Fault::Other | Fault::Unreadable(_) => {
            "`countersign browser install` writes it anew."
        }
    };
    Finding::bad(CHECK, message, hint)
}
