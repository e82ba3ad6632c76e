//! The desk of the sandbox's user: an agent with a sudo key, a pinentry that the test types into, and sudo.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
};

use countersign_tests::{
    pam_module,
    process::{Process, Stdout, output},
    programs,
    sandbox::{PASSWORD, Sandbox, USER, said},
    terminal::Terminal,
};

/// The PIN of the sudo key.
pub(crate) const PIN: &str = "314159";
/// The passphrase of the vault.
pub(crate) const PASSPHRASE: &str = "staple battery";
/// The line instead of the password, without its options.
pub(crate) const INSTEAD: &str = "[success=done authinfo_unavail=ignore ignore=ignore default=die]";

/// A pinentry: what it is told goes to one file, what it answers comes out of a pipe that the test writes to.
pub(crate) const PINENTRY: &str = r#"#!/bin/bash
here=$(dirname "$0")
echo "OK ready"
while IFS= read -r line; do
  case "$line" in
    SETDESC*) echo "${line#SETDESC }" >> "$here/told"; echo OK ;;
    GETPIN*|CONFIRM*)
      echo "$line" >> "$here/asked"
      IFS= read -r answer < "$here/answers"
      case "$answer" in
        cancel) echo "ERR 83886179 Operation cancelled <Pinentry>" ;;
        yes) echo OK ;;
        *) printf 'D %s\nOK\n' "$answer" ;;
      esac ;;
    BYE*) echo OK; exit 0 ;;
    *) echo OK ;;
  esac
done
"#;

/// The sandbox, and its user's agent.
pub(crate) struct Desk {
    pub(crate) sandbox: Sandbox,
    pub(crate) agent: Option<Process>,
    pub(crate) module: String,
    /// Dialogs that were answered.
    answered: AtomicUsize,
}

impl Desk {
    /// A running agent with an open vault, no key yet.
    pub(crate) fn new() -> Self {
        let mut desk = Self::without_agent();
        let home = desk.sandbox.path(&format!("/home/{USER}"));
        fs::write(home.join("pinentry"), PINENTRY).unwrap();
        desk.root("chmod 755 /home/alice/pinentry && mkfifo /home/alice/answers && mkdir -p /home/alice/.config/countersign && chown -R alice: /home/alice");
        let config =
            "[notifications]\nenabled = false\n[pinentry]\nprogram = \"/home/alice/pinentry\"\n";
        fs::write(home.join(".config/countersign/config.toml"), config).unwrap();
        desk.start_agent();
        let set_up = desk.countersign(&["setup", "--passphrase-stdin"], &format!("{PASSPHRASE}\n"));
        assert!(set_up.status.success(), "{}", said(&set_up));
        desk
    }

    /// Nobody there: the test plays the agent, or there is none.
    pub(crate) fn without_agent() -> Self {
        let sandbox = Sandbox::start().unwrap();
        // By the name that it is installed under.
        let module = sandbox.workspace().join("pam_countersign.so");
        std::os::unix::fs::symlink(pam_module::path().unwrap(), &module).unwrap();
        Self {
            sandbox,
            agent: None,
            module: module.display().to_string(),
            answered: AtomicUsize::new(0),
        }
    }

    /// With a key that root accepts, and sudo that asks for it with `words`.
    pub(crate) fn enrolled(words: &str) -> Self {
        let desk = Self::new();
        desk.enroll(&[]);
        desk.sudo_asks(words);
        desk
    }

    /// Makes the key, and lets root accept it.
    pub(crate) fn enroll(&self, words: &[&str]) -> String {
        let made = self.countersign(&["--json", "sudo", "list"], "");
        assert!(made.status.success(), "{}", said(&made));
        self.install_administration();
        self.service("sudo", "auth required pam_unix.so nodelay");
        let mut all = vec!["sudo", "enroll", "--pin-stdin", "--yes"];
        all.extend_from_slice(words);
        let enrolled = self.with_askpass(&all, &format!("{PIN}\n"));
        assert!(enrolled.status.success(), "{}", said(&enrolled));
        String::from_utf8(enrolled.stdout)
            .unwrap()
            .lines()
            .last()
            .unwrap()
            .to_owned()
    }

    /// sudo asks the agent instead of the password, and the password where that fails.
    pub(crate) fn sudo_asks(&self, words: &str) {
        let line = format!(
            "auth {INSTEAD} {} {words}\nauth required pam_unix.so nodelay",
            self.module
        );
        self.service("sudo", &line);
    }

    pub(crate) fn service(&self, name: &str, auth: &str) {
        self.sandbox.service(name, auth).unwrap();
    }

    /// Root's program, where it belongs.
    fn install_administration(&self) {
        let program = programs::program("countersign-pam").unwrap();
        let program = program.display();
        self.overlay("/usr/sbin");
        self.root(&format!(
            "install -o root -m 755 {program} /usr/sbin/countersign-pam"
        ));
    }

    /// What is changed in that folder from now on is gone with the sandbox.
    pub(crate) fn overlay(&self, folder: &str) {
        let own = format!("/run/overlays{folder}");
        self.root(&format!(
            "mkdir -p {own}/up {own}/wk; mount -t overlay overlay -o lowerdir={folder},upperdir={own}/up,workdir={own}/wk {folder}"
        ));
    }

    /// A shell of the sandbox's root.
    pub(crate) fn root(&self, script: &str) -> String {
        let done = self.sandbox.run(&["bash", "-ec", script], "").unwrap();
        assert!(done.status.success(), "{script}: {}", said(&done));
        said(&done)
    }

    pub(crate) fn start_agent(&mut self) {
        let command = self.of_user(&[&self.own("countersignd")]);
        let agent = Process::spawn(
            "countersignd",
            command,
            &self.sandbox.workspace().logs(),
            Stdout::Log,
            None,
        )
        .unwrap();
        self.agent = Some(agent);
        until("the agent", || {
            let status = self.countersign(&["--timeout", "5", "status"], "");
            status.status.success().then_some(())
        });
    }

    pub(crate) fn end_agent(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            agent.terminate().unwrap();
        }
    }

    /// A program of the user's, with the environment of a session.
    pub(crate) fn of_user(&self, words: &[&str]) -> Command {
        let mut command = self.sandbox.command_of_user(words);
        command
            .env(
                "XDG_RUNTIME_DIR",
                format!("/run/user/{}", self.sandbox.user_id()),
            )
            .env("DISPLAY", ":77");
        command
    }

    pub(crate) fn countersign(&self, words: &[&str], typed: &str) -> Output {
        let program = self.own("countersign");
        let mut all = vec![program.as_str()];
        all.extend_from_slice(words);
        output(self.of_user(&all), typed.as_bytes()).unwrap()
    }

    /// One of our programs where the user may run it, wherever the tree is.
    fn own(&self, name: &str) -> String {
        let place = format!("/run/own/{name}");
        if !self.sandbox.path(&place).exists() {
            let program = programs::program(name).unwrap();
            let program = program.display();
            self.root(&format!(
                "mkdir -p /run/own; touch {place}; mount --bind {program} {place}"
            ));
        }
        place
    }

    /// `countersign`, with sudo asking a program for the password: there is no terminal.
    fn with_askpass(&self, words: &[&str], typed: &str) -> Output {
        self.sandbox
            .write("/etc/sudo.conf", "Path askpass /run/askpass\n", 0o644)
            .unwrap();
        let script = format!("#!/bin/sh\necho '{PASSWORD}'\n");
        self.sandbox.write("/run/askpass", &script, 0o755).unwrap();
        self.countersign(words, typed)
    }

    /// sudo as a script calls it: no terminal; `typed` is what comes of a password.
    pub(crate) fn sudo(&self, words: &[&str], typed: &str) -> Output {
        let mut all = vec!["sudo", "-S", "-p", "Password please:"];
        all.extend_from_slice(words);
        output(self.of_user(&all), typed.as_bytes()).unwrap()
    }

    /// sudo, going on beside the test.
    pub(crate) fn sudo_beside(&self, words: &[&str]) -> Process {
        let mut all = vec!["sudo", "-S", "-p", "Password please:"];
        all.extend_from_slice(words);
        Process::spawn(
            "sudo",
            self.of_user(&all),
            &self.sandbox.workspace().logs(),
            Stdout::Lines,
            Some(b""),
        )
        .unwrap()
    }

    /// Answers the dialog that is open, or the next one. Waits until it is read.
    pub(crate) fn types(&self, answer: &str) {
        let pipe = self.sandbox.path("/home/alice/answers");
        // A dialog that has not been answered yet; the pipe opens when it reads.
        let answered = self.answered.fetch_add(1, Ordering::Relaxed);
        until("a dialog", || (self.dialogs() > answered).then_some(()));
        let mut pipe = until("a dialog", || {
            OpenOptions::new()
                .write(true)
                .custom_flags(without_waiting())
                .open(&pipe)
                .ok()
        });
        writeln!(pipe, "{answer}").unwrap();
    }

    /// Runs `words` by sudo while `answers` are typed into the dialogs.
    pub(crate) fn sudo_and_type(&self, words: &[&str], answers: &[&str]) -> Output {
        std::thread::scope(|scope| {
            let typing = scope.spawn(|| answers.iter().for_each(|answer| self.types(answer)));
            let done = self.sudo(words, "");
            typing.join().unwrap();
            done
        })
    }

    /// How many dialogs there were.
    pub(crate) fn dialogs(&self) -> usize {
        let asked = fs::read_to_string(self.sandbox.path("/home/alice/asked"));
        asked.map_or(0, |asked| asked.lines().count())
    }

    /// What the dialogs have said.
    pub(crate) fn told(&self) -> String {
        fs::read_to_string(self.sandbox.path("/home/alice/told")).unwrap_or_default()
    }

    pub(crate) fn end(mut self) {
        self.end_agent();
        self.sandbox.end().unwrap();
    }
}

/// Is it root that ran?
#[track_caller]
pub(crate) fn was_root(output: &Output) {
    let ran = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && ran.lines().any(|line| line == "root"),
        "{}",
        said(output)
    );
}

#[track_caller]
pub(crate) fn was_refused(output: &Output) {
    assert!(
        !output.status.success() && !said(output).lines().any(|line| line == "root"),
        "{}",
        said(output)
    );
}

/// A desk, if there can be one here.
pub(crate) fn is_possible(test: &str) -> bool {
    Sandbox::is_possible(test)
}

fn without_waiting() -> i32 {
    i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap()
}

/// Looks until it is so, for a bounded time. Each look takes a moment, and others go on in between.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let now = || rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_sec;
    let end = now().saturating_add(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(now() < end, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// sudo on a terminal of its own.
pub(crate) fn on(terminal: &Terminal, desk: &Desk, words: &[&str]) -> Process {
    let script = format!(
        "exec 0<>{} 1>&0 2>&0; exec setsid --ctty --wait {}",
        terminal.path(),
        words.join(" ")
    );
    let command = desk.of_user(&["bash", "-c", &script]);
    Process::spawn(
        "sudo",
        command,
        &desk.sandbox.workspace().logs(),
        Stdout::Log,
        None,
    )
    .unwrap()
}
