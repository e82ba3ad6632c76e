//! Tokens at rest: key sources that come and go, a second agent, a newer database, a full disk.

use std::{fs, os::unix::fs::DirBuilderExt as _, process::Command};

use countersign_proto::agent::v1::Reason;
use countersign_tests::{
    Workspace,
    agent::{AgentProcess, Session},
    bus::{Activation, PrivateBus},
    cli::Cli,
    keyring::{self, KeyringDaemon, KeyringDoor},
    parts,
    process::{self, Process, Stdout},
    programs,
    stage::Stage,
};
use rusqlite::Connection;

const TOKEN: &str = "otpauth://hotp/Forge:alice?secret=JBSWY3DPEHPK3PXP&counter=0";

#[test]
fn the_keyring_opens_the_vault_again() {
    if !parts::are_there("vault::keyring", &["dbus-daemon", keyring::PROGRAM]) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let bus = PrivateBus::start(&workspace, &Activation::Nothing).unwrap();
    let keyring = KeyringDaemon::start(&workspace, &bus, KeyringDoor::Open).unwrap();
    let mut agent = AgentProcess::start(&workspace, Session::new(&workspace, Some(&bus))).unwrap();
    let cli = Cli::new(agent.session());
    cli.ask(&["setup"]).unwrap();
    cli.ask_with(&["enroll", "--yes", "--name", "one", "-"], TOKEN)
        .unwrap();
    let first = cli.ask(&["next", "one"]).unwrap();
    assert_eq!(first, "282760", "RFC 4226's algorithm, counter 0");

    // After a restart the open keyring is enough.
    agent.process().terminate().unwrap();
    agent.restart().unwrap();
    assert_eq!(cli.ask(&["next", "one"]).unwrap(), "996554");

    // A locked keyring is not an absent one, and neither makes a new vault.
    agent.process().terminate().unwrap();
    keyring.stop().unwrap();
    let keyring = KeyringDaemon::start(&workspace, &bus, KeyringDoor::Locked).unwrap();
    agent.restart().unwrap();
    cli.refused(&["unlock"], "", Reason::KeySourceLocked)
        .unwrap();
    agent.process().terminate().unwrap();
    keyring.stop().unwrap();
    agent.restart().unwrap();
    cli.refused(&["unlock"], "", Reason::KeySourceAbsent)
        .unwrap();
    cli.refused(&["setup"], "", Reason::VaultExists).unwrap();

    // Nothing was lost.
    let _keyring = KeyringDaemon::start(&workspace, &bus, KeyringDoor::Open).unwrap();
    cli.ask(&["unlock"]).unwrap();
    assert_eq!(cli.ask(&["next", "one"]).unwrap(), "602287");
}

#[test]
fn a_second_agent_ends_with_a_sentence_and_the_first_goes_on() {
    let stage = Stage::new().unwrap();
    stage.enroll_string("one", TOKEN).unwrap();
    let mut command = stage
        .agent
        .session()
        .command(programs::program("countersignd").unwrap());
    command.env_remove("NOTIFY_SOCKET");
    let output = process::output(command, b"").unwrap();
    assert_eq!(
        output.status.code(),
        Some(i32::from(Reason::VaultInUse.exit_code()))
    );
    assert!(!output.stderr.is_empty());
    stage.cli.ask(&["next", "one"]).unwrap();
}

#[test]
fn a_second_agent_elsewhere_leaves_the_vault_alone() {
    let stage = Stage::new().unwrap();
    stage.enroll_string("one", TOKEN).unwrap();
    let elsewhere = stage.workspace.join("elsewhere");
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&elsewhere)
        .unwrap();
    let mut command = stage
        .agent
        .session()
        .command(programs::program("countersignd").unwrap());
    command.env("XDG_RUNTIME_DIR", &elsewhere);
    let mut second = Process::spawn(
        "second-agent",
        command,
        &stage.workspace.logs(),
        Stdout::Log,
        None,
    )
    .unwrap();
    let status = second.wait().unwrap();
    assert_eq!(
        status.code(),
        Some(i32::from(Reason::VaultInUse.exit_code())),
        "{}",
        second.log()
    );
    stage.cli.ask(&["next", "one"]).unwrap();
}

#[test]
fn a_newer_database_is_left_as_it_is() {
    let mut stage = Stage::new().unwrap();
    stage.enroll_string("one", TOKEN).unwrap();
    stage.agent.process().terminate().unwrap();
    let version = |new: Option<i64>| {
        let database = Connection::open(stage.workspace.vault()).unwrap();
        let old: i64 = database
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap();
        if let Some(new) = new {
            database.pragma_update(None, "user_version", new).unwrap();
        }
        old
    };
    let ours = version(Some(9_999));
    assert!(ours > 0, "the schema has no version");
    stage.agent.restart().unwrap();
    let said = stage
        .cli
        .refused(&["code", "one"], "", Reason::VaultNewer)
        .unwrap();
    assert!(said.stderr.contains("newer"), "{said:?}");
    stage.agent.process().terminate().unwrap();
    assert_eq!(version(Some(ours)), 9_999, "the newer database was touched");
    stage.agent.restart().unwrap();
    stage.unlock().unwrap();
    assert_eq!(stage.cli.ask(&["next", "one"]).unwrap(), "282760");
}

#[test]
fn a_damaged_database_is_left_as_it_is() {
    let mut stage = Stage::new().unwrap();
    stage.agent.process().terminate().unwrap();
    let damaged = b"this is no database at all, and longer than a header of one hundred bytes, \
        so that nobody takes it for one that is only empty"
        .repeat(10);
    fs::write(stage.workspace.vault(), &damaged).unwrap();
    stage.agent.restart().unwrap();
    stage
        .cli
        .refused(&["code", "one"], "", Reason::VaultDamaged)
        .unwrap();
    stage
        .cli
        .refused(
            &["setup", "--passphrase-stdin"],
            "x y z
",
            Reason::VaultExists,
        )
        .unwrap();
    assert_eq!(fs::read(stage.workspace.vault()).unwrap(), damaged);
}

#[test]
fn the_files_are_the_users_alone() {
    use std::os::unix::fs::MetadataExt as _;
    let stage = Stage::new().unwrap();
    let vault = stage.workspace.vault();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&vault), 0o600);
    assert_eq!(mode(vault.parent().unwrap()), 0o700);
    assert_eq!(mode(stage.agent.socket()), 0o600);
    assert_eq!(mode(stage.agent.socket().parent().unwrap()), 0o700);
}

/// A small file system over the vault's folder, unmounted on drop.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: std::path::PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs"])
            .arg(&at);
        let output = process::output(command, b"").unwrap();
        output.status.success().then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let mut command = Command::new("umount");
        command.arg(&self.0);
        drop(process::output(command, b""));
    }
}

#[test]
fn a_full_disk_is_said_and_nothing_is_lost() {
    let workspace = Workspace::new().unwrap();
    let Some(disk) = SmallDisk::mount(workspace.join("home/.local/share/countersign")) else {
        parts::skipped(
            "vault::full_disk",
            "mounting a small file system needs root",
        );
        return;
    };
    workspace
        .write_config("[vault]\nkey = \"passphrase\"\n")
        .unwrap();
    let mut agent = AgentProcess::start(&workspace, Session::new(&workspace, None)).unwrap();
    let cli = Cli::new(agent.session());
    cli.ask_with(&["setup", "--passphrase-stdin"], "some words\n")
        .unwrap();
    cli.ask_with(&["enroll", "--yes", "--name", "one", "-"], TOKEN)
        .unwrap();

    let ballast = disk.0.join("ballast");
    let mut blocks = 0_u32;
    {
        use std::io::Write as _;
        let mut file = fs::File::create(&ballast).unwrap();
        while file.write_all(&[0; 512]).is_ok() {
            blocks += 1;
        }
    }
    assert!(blocks > 0);
    // The write-ahead log has room for some more counters; then each is refused, none is served unsaved.
    let mut served = Vec::new();
    let refusal = loop {
        let said = cli.say(&["next", "one"]).unwrap();
        if said.code != Some(0) {
            break said;
        }
        served.push(said.stdout.trim().to_owned());
        assert!(served.len() < 10_000, "the disk never got full");
    };
    assert_eq!(
        refusal.code,
        Some(i32::from(Reason::StorageFull.exit_code())),
        "{refusal:?}"
    );

    fs::remove_file(&ballast).unwrap();
    let next = cli.ask(&["next", "one"]).unwrap();
    assert!(!served.contains(&next));
    agent.process().kill().unwrap();
    agent.restart().unwrap();
    cli.ask_with(&["unlock", "--passphrase-stdin"], "some words\n")
        .unwrap();
    let after = cli.ask(&["next", "one"]).unwrap();
    assert!(
        after != next && !served.contains(&after),
        "a counter was used twice"
    );
    // The file system is busy while the agent has the vault open.
    agent.process().terminate().unwrap();
}
