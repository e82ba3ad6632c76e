//! The vault's key as a credential of systemd's: handed over in a folder, and by a real user manager that runs the
//! shipped unit.

use std::{
    fs,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use countersign_proto::agent::v1::Reason;
use countersign_tests::{
    Workspace,
    agent::{AgentProcess, Session},
    cli::Cli,
    parts, programs,
    user_manager::{self, UserManager},
};
use serde_json::Value;

const NAME: &str = "countersign-vault-key";
const KEY: [u8; 32] = [7; 32];
const TOKEN: &str = "otpauth://hotp/Forge:alice?secret=JBSWY3DPEHPK3PXP&counter=0";

fn write_secret(path: &Path, content: &[u8]) {
    use std::io::Write as _;

    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(content).unwrap();
}

#[test]
fn the_vault_opens_with_the_credential_and_without_it_stays_shut() {
    let workspace = Workspace::new().unwrap();
    let folder = workspace.join("credentials");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let credential = folder.join(NAME);
    let session = Session::new(&workspace, None).with("CREDENTIALS_DIRECTORY", &folder);
    let mut agent = AgentProcess::start(&workspace, session).unwrap();
    let cli = Cli::new(agent.session());
    let setup = ["setup", "--vault-key", "credential"];
    cli.refused(&setup, "", Reason::KeySourceAbsent).unwrap();
    write_secret(&credential, &KEY);
    cli.ask(&setup).unwrap();
    cli.ask_with(&["enroll", "--yes", "--name", "one", "-"], TOKEN)
        .unwrap();
    assert_eq!(cli.ask(&["next", "one"]).unwrap(), "282760");

    // It is open when the agent is there, and after a lock nobody has to type anything.
    agent.process().terminate().unwrap();
    agent.restart().unwrap();
    assert_eq!(cli.ask(&["next", "one"]).unwrap(), "996554");
    cli.ask(&["lock"]).unwrap();
    cli.ask(&["unlock"]).unwrap();

    // Another one, or none: the vault stays shut, and is not made anew.
    agent.process().terminate().unwrap();
    write_secret(&credential, &[8; 32]);
    agent.restart().unwrap();
    let said = cli.say(&["unlock"]).unwrap();
    assert_ne!(said.code, Some(0), "{said:?}");
    agent.process().terminate().unwrap();
    fs::remove_file(&credential).unwrap();
    agent.restart().unwrap();
    cli.refused(&["unlock"], "", Reason::KeySourceAbsent)
        .unwrap();
    cli.refused(&setup, "", Reason::VaultExists).unwrap();

    agent.process().terminate().unwrap();
    write_secret(&credential, &KEY);
    agent.restart().unwrap();
    assert_eq!(cli.ask(&["next", "one"]).unwrap(), "602287");
}

/// The user's manager with the shipped units, and the programs where the user can run them.
struct Shipped {
    manager: UserManager,
    program: PathBuf,
    workspace: Workspace,
}

impl Shipped {
    fn new(test: &str) -> Option<Self> {
        if !parts::are_there(test, &user_manager::PROGRAMS) {
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            parts::skipped(test, "needs root");
            return None;
        }
        let workspace = Workspace::new().unwrap();
        let bin = workspace.join("bin");
        fs::create_dir(&bin).unwrap();
        for name in ["countersignd", "countersign"] {
            // The user may not be able to enter the target folder.
            fs::copy(programs::program(name).unwrap(), bin.join(name)).unwrap();
        }
        write_secret(&workspace.join("home/key"), &KEY);
        let manager = UserManager::start(&workspace).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd");
        for unit in ["countersignd.service", "countersignd.socket"] {
            let shipped = fs::read_to_string(source.join(unit)).unwrap();
            let placed = shipped.replace("/usr/bin/", &format!("{}/", bin.display()));
            manager.write_unit(unit, &placed).unwrap();
        }
        Some(Self {
            manager,
            program: bin.join("countersign"),
            workspace,
        })
    }

    /// `text` beside the shipped unit, as `systemctl edit` would put it.
    fn drop_in(&self, text: &str) {
        let log = self.workspace.join("logs/unit.log");
        let text = format!("[Service]\nStandardError=append:{}\n{text}", log.display());
        let name = "countersignd.service.d/test.conf";
        self.manager.write_unit(name, &text).unwrap();
        self.manager.systemctl(&["daemon-reload"]).unwrap();
    }

    fn property(&self, name: &str) -> String {
        let words = [
            "show",
            "--value",
            "--property",
            name,
            "countersignd.service",
        ];
        self.manager.systemctl(&words).unwrap()
    }

    fn ask(&self, words: &[&str], input: &str) -> String {
        let program = self.program.clone().into_os_string();
        let output = self.manager.run(program, words, input).unwrap();
        assert!(
            output.status.success(),
            "countersign {words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

#[test]
fn a_user_manager_runs_the_shipped_unit_with_its_credential() {
    let test = "credential::user_manager";
    let Some(shipped) = Shipped::new(test) else {
        return;
    };
    let key = shipped.workspace.join("home/key");
    let unshare = ["--user", "true"];
    let unconfined = shipped.manager.run("unshare".into(), &unshare, "").unwrap();
    // What runs before the agent is under the unit's filter: it fails the start if it can make a namespace.
    let denied = if unconfined.status.success() {
        "ExecStartPre=sh -c '! unshare --user true 2>/dev/null'\n"
    } else {
        parts::skipped(test, "users may make no namespaces here anyway");
        ""
    };
    shipped.drop_in(&format!(
        "LoadCredential={NAME}:{}\n{denied}",
        key.display()
    ));
    let manager = &shipped.manager;
    manager
        .systemctl(&["start", "countersignd.service"])
        .unwrap();
    assert_eq!(shipped.property("ActiveState"), "active");
    assert_eq!(shipped.property("Type"), "notify");

    shipped.ask(&["setup", "--vault-key", "credential"], "");
    shipped.ask(&["enroll", "--yes", "--name", "one", "-"], TOKEN);
    assert_eq!(shipped.ask(&["next", "one"], ""), "282760");
    manager
        .systemctl(&["restart", "countersignd.service"])
        .unwrap();
    assert_eq!(shipped.ask(&["next", "one"], ""), "996554");

    let process = Path::new("/proc").join(shipped.property("MainPID"));
    let status = fs::read_to_string(process.join("status")).unwrap();
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().to_owned()
    };
    assert_eq!(value("Seccomp:"), "2");
    assert_eq!(value("NoNewPrivs:"), "1");
    assert_eq!(value("Umask:"), "0077");
    let status: Value = serde_json::from_str(&shipped.ask(&["status", "--json"], "")).unwrap();
    let protection: Vec<_> = status["protection"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sentence| sentence.as_str().unwrap())
        .collect();
    let says = |words: &str| protection.iter().any(|sentence| sentence.contains(words));
    assert!(says("never swapped"), "{protection:?}");
    if !says("landlock") {
        assert!(says("not confined"), "{protection:?}");
        parts::skipped(test, "no landlock in this kernel");
    }

    // The socket starts it, and a unit without its credential leaves the vault shut.
    manager
        .systemctl(&["stop", "countersignd.service"])
        .unwrap();
    shipped.drop_in("");
    manager
        .systemctl(&["start", "countersignd.socket"])
        .unwrap();
    let status: Value = serde_json::from_str(&shipped.ask(&["status", "--json"], "")).unwrap();
    assert_eq!(status["vault"], "locked", "{status}");
    assert_eq!(shipped.property("ActiveState"), "active");
}
