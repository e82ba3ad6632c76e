//! A real sshd on loopback that asks by keyboard-interactive, and a real client.

use std::process::Output;

use countersign_tests::{
    gateway::own_address,
    pam_module, parts, patiently,
    process::{Process, Stdout},
    sandbox::{Sandbox, USER, said},
};
use tokio::net::TcpStream;

use crate::rig::{Device, SEED_TYPED, administrator, passcode_of_seed};

/// The server, as an administrator would set it up: a key first, then a passcode.
struct Server {
    sandbox: Sandbox,
    port: String,
    _sshd: Process,
}

impl Server {
    fn start() -> Self {
        let sandbox = Sandbox::start().unwrap();
        let module = pam_module::path().unwrap();
        let line = format!("auth required {module} passcode");
        sandbox.service("sshd", &line).unwrap();
        let port = own_address().port().to_string();
        let set_up = format!(
            "ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/key-of-host
             install -d -m 700 -o {USER} -g {USER} /home/{USER}/.ssh
             setpriv --reuid {USER} --regid {USER} --init-groups ssh-keygen -q -t ed25519 -N '' -f /home/{USER}/.ssh/id
             install -m 600 -o {USER} -g {USER} /home/{USER}/.ssh/id.pub /home/{USER}/.ssh/authorized_keys"
        );
        let output = sandbox.run(&["sh", "-c", &set_up], "").unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let askpass = format!("#!/bin/sh\nprintf '%s\\n' \"$1\" >&2\ncat /home/{USER}/typed\n");
        sandbox.write("/etc/askpass", &askpass, 0o755).unwrap();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey /etc/ssh/key-of-host\nPidFile none\nUsePAM yes\n\
             KbdInteractiveAuthentication yes\nPasswordAuthentication no\n\
             AuthenticationMethods publickey,keyboard-interactive\nMaxAuthTries 2\nLogLevel VERBOSE\n"
        );
        sandbox.write("/etc/ssh/sshd_test", &config, 0o600).unwrap();
        let command = sandbox.command(&["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_test"]);
        let logs = sandbox.workspace().logs();
        let sshd = Process::spawn("sshd", command, &logs, Stdout::Log, None).unwrap();
        let address = format!("127.0.0.1:{port}");
        patiently("sshd's port", async {
            while TcpStream::connect(&address).await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .unwrap();
        Self {
            sandbox,
            port,
            _sshd: sshd,
        }
    }

    /// A login that runs `id -un`, with the passcode typed when it is asked for.
    fn login(&self, typed: &str) -> Output {
        let path = format!("/home/{USER}/typed");
        self.sandbox
            .write(&path, &format!("{typed}\n"), 0o644)
            .unwrap();
        let key = format!("/home/{USER}/.ssh/id");
        let there = format!("{USER}@127.0.0.1");
        let words = [
            "env",
            "SSH_ASKPASS=/etc/askpass",
            "SSH_ASKPASS_REQUIRE=force",
            "ssh",
            "-F",
            "/dev/null",
            "-i",
            &key,
            "-p",
            &self.port,
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "NumberOfPasswordPrompts=1",
            "-o",
            "LogLevel=ERROR",
            &there,
            "id",
            "-un",
        ];
        self.sandbox.run_as_user(&words, "").unwrap()
    }
}

#[test]
fn ssh_asks_for_a_passcode_after_the_key() {
    if !Sandbox::is_possible("ssh::passcode")
        || !parts::are_there("ssh::passcode", &["sshd", "ssh"])
    {
        return;
    }
    let server = Server::start();
    let words = ["add", USER, "--mode", "event", "--seed-stdin"];
    let (told, given) = administrator(&server.sandbox, &words, SEED_TYPED);
    assert!(given, "{told}");
    let output = server.login(&passcode_of_seed(0));
    assert_eq!(output.stdout, b"alice\n", "{}", said(&output));
    assert!(said(&output).contains("Passcode:"), "{}", said(&output));
    let output = server.login(&passcode_of_seed(0));
    assert!(!output.status.success(), "used before: {}", said(&output));
    let output = server.login("hunter2");
    assert!(!output.status.success(), "{}", said(&output));
    let (told, _) = administrator(&server.sandbox, &["remove", USER], "");
    assert_eq!(told, "");
    let output = server.login("000000");
    assert!(
        !output.status.success(),
        "without passcodes: {}",
        said(&output)
    );

    // The challenge stands in the prompt, so that nobody has to answer what is shown later.
    let device = Device::added(&server.sandbox, &["--mode", "challenge"]);
    let output = server.login("");
    let text = said(&output);
    assert!(!output.status.success(), "{text}");
    let challenge = text
        .lines()
        .find_map(|line| line.split("Challenge: ").nth(1))
        .unwrap();
    let output = server.login(&device.answer(challenge.trim()));
    assert_eq!(output.stdout, b"alice\n", "{}", said(&output));
    server.sandbox.end().unwrap();
}
