//! What a confined process can reach: its own files, and no others.
//!
//! Not under the usual test harness: this program runs itself as the process that is confined for good.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test program stops at the first surprise, and its child talks over standard output"
)]

use std::{
    env, fs, io,
    net::{TcpListener, TcpStream},
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    process::{Command, Stdio},
};

use countersign_core::{secret::SecretBytes, time::UnixMillis};
use countersign_tests::{Workspace, parts};
use countersignd::{
    config::{Config, Paths},
    hardening::{Sandbox, confine, harden, sandbox},
    vault::{KeyPlace, SlotSource, UnlockMode, Vault, VaultState},
};

/// The child's word for a kernel without landlock.
const OFF: &str = "off";

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [word, home, port] = arguments.as_slice()
        && word == "confined"
    {
        confined(Path::new(home), port.parse().unwrap());
        return;
    }
    a_confined_process_reaches_its_own_files_only();
}

fn a_confined_process_reaches_its_own_files_only() {
    const NAME: &str = "a_confined_process_reaches_its_own_files_only";
    let workspace = Workspace::new().unwrap();
    let home = workspace.join("home");
    fs::create_dir(home.join(".ssh")).unwrap();
    fs::write(home.join(".ssh/id"), "a key").unwrap();
    // A config.toml that is a link, as in a folder of dotfiles.
    fs::create_dir(home.join("dotfiles")).unwrap();
    fs::write(home.join("dotfiles/config.toml"), "").unwrap();
    fs::write(home.join("dotfiles/other"), "").unwrap();
    fs::create_dir_all(home.join(".config/countersign")).unwrap();
    symlink(
        home.join("dotfiles/config.toml"),
        home.join(".config/countersign/config.toml"),
    )
    .unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let output = Command::new(env::current_exe().unwrap())
        .arg("confined")
        .arg(&home)
        .arg(port.to_string())
        .env_clear()
        .envs(workspace.user_environment())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", output.status);
    if let Some(why) = String::from_utf8(output.stdout).unwrap().strip_prefix(OFF) {
        parts::skipped(NAME, why.trim());
        println!("test {NAME} ... skipped");
        return;
    }
    println!("test {NAME} ... ok");
}

/// The child.
fn confined(home: &Path, port: u16) {
    harden().unwrap();
    let paths = Paths::from_environment().unwrap();
    let reached = confine(&paths);
    assert_eq!(sandbox(), reached);
    let abi: u32 = match reached {
        Sandbox::Landlock { abi } => abi.parse().unwrap(),
        Sandbox::Off { why } => {
            println!("{OFF} {why}");
            return;
        }
    };
    nothing_else(home);
    // Threads that are started later are held to the same.
    std::thread::scope(|scope| {
        scope.spawn(|| nothing_else(home)).join().unwrap();
    });
    if abi >= 4 {
        refused(TcpListener::bind("127.0.0.1:0"));
    }
    own_files(&paths);
    fs::read("/etc/passwd").unwrap();
    fs::read("/proc/self/status").unwrap();
    fs::read_dir("/usr/lib").unwrap().count();
    fs::write("/dev/null", "x").unwrap();
    TcpStream::connect(("127.0.0.1", port)).unwrap();
}

fn nothing_else(home: &Path) {
    refused(fs::read(home.join(".ssh/id")));
    refused(fs::read_dir(home));
    refused(fs::read(home.join("dotfiles/other")));
    refused(fs::write(home.join(".bashrc"), "x"));
    refused(fs::write(home.join("dotfiles/config.toml"), "x"));
    refused(fs::write(home.join(".config/countersign/x"), "x"));
    refused(fs::write(home.join("../x"), "x"));
    refused(fs::write("/tmp/countersign-sandbox", "x"));
    refused(fs::create_dir(home.join(".local/share/other")));
    refused(fs::remove_file(home.join(".ssh/id")));
    refused(fs::rename(home.join(".ssh/id"), home.join(".ssh/id2")));
    refused(UnixListener::bind(home.join("socket")));
    refused(Command::new("/bin/true").status());
    refused(Command::new(env::current_exe().unwrap()).status());
}

fn own_files(paths: &Paths) {
    Config::load(paths).unwrap();
    let source = SlotSource::Machine {
        place: KeyPlace::Keyring("test".to_owned()),
        key: SecretBytes::from([2; 32]),
        pin: None,
    };
    let mut vault = Vault::open(paths.vault(), [1; 32]);
    assert_eq!(vault.state(), VaultState::Absent);
    vault
        .create(source, UnlockMode::Session, UnixMillis(0))
        .unwrap();
    drop(vault);
    let vault = Vault::open(paths.vault(), [1; 32]);
    assert_eq!(vault.state(), VaultState::Locked);
    let socket = paths.agent_socket();
    drop(UnixListener::bind(&socket).unwrap());
    fs::remove_file(&socket).unwrap();
    // A program cannot be put there either.
    let program = paths.vault().with_file_name("program");
    fs::copy("/bin/true", &program).unwrap();
    refused(Command::new(&program).status());
}

#[track_caller]
fn refused<T>(result: io::Result<T>) {
    let kind = result.err().map(|error| error.kind());
    assert_eq!(kind, Some(io::ErrorKind::PermissionDenied));
}
