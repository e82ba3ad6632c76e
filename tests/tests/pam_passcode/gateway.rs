//! The module that asks a real gateway, and a real agent behind it.

use std::{fs, net::TcpListener, path::Path, thread};

use countersign_tests::{
    gateway::{GatewayProcess, own_address},
    pam_module, patiently,
    process::{Process, Stdout},
    requests::RequestWatch,
    sandbox::{PASSWORD, Sandbox, USER},
    stage::{CLICK_TOKEN, Stage},
    terminal::Terminal,
};
use data_encoding::HEXLOWER;
use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = "countersign-pam-gateway";
const INSTALLED: &str = "/usr/libexec/countersign/countersign-pam-gateway";
const SETTINGS: &str = "/etc/countersign/pam/gateway.toml";

/// A sandbox whose services ask at an address.
///
/// `typed` asks for a passcode and for nothing else, `push` asks the desktop at once, `else` goes on to the password where the
/// gateway is away.
fn sandbox(words: &str) -> Sandbox {
    let sandbox = Sandbox::start().unwrap();
    sandbox.install(PROGRAM, INSTALLED).unwrap();
    let module = pam_module::path().unwrap();
    let typed = format!("auth required {module} gateway {words}");
    sandbox.service("typed", &typed).unwrap();
    sandbox.service("push", &format!("{typed} push")).unwrap();
    let otherwise = format!(
        "auth [success=done authinfo_unavail=ignore default=die] {module} gateway {words}\nauth required pam_unix.so"
    );
    sandbox.service("else", &otherwise).unwrap();
    sandbox
}

fn settings(sandbox: &Sandbox, url: &str, pin: [u8; 32], front: &str, fail: &str) {
    let pin = HEXLOWER.encode(&pin);
    let text =
        format!("url = \"{url}\"\npin = \"{pin}\"\nfront = \"{front}\"\nfail = \"{fail}\"\n");
    sandbox.write(SETTINGS, &text, 0o600).unwrap();
}

/// An agent with a push token, its gateway, and a server that asks there.
struct Scene {
    stage: Stage,
    gateway: GatewayProcess,
    sandbox: Sandbox,
}

impl Scene {
    fn new(words: &str) -> Self {
        let stage = Stage::new().unwrap();
        let gateway = stage.gateway().unwrap();
        stage.enroll(&gateway, "Example", &CLICK_TOKEN).unwrap();
        stage.wait_until_connected().unwrap();
        let front = gateway.add_front("server").unwrap();
        let sandbox = sandbox(words);
        let pin = gateway.pin().unwrap();
        settings(&sandbox, &gateway.origin(), pin, &front, "unavailable");
        Self {
            stage,
            gateway,
            sandbox,
        }
    }

    fn requests(&self) -> RequestWatch {
        self.stage.requests().unwrap()
    }

    fn login(&self, service: &str, typed: &str) -> (String, bool) {
        let typed = format!("{typed}\n");
        self.sandbox.login(service, USER, &typed).unwrap()
    }

    fn code(&self) -> String {
        let code = self.stage.cli.ask(&["code", "Example"]).unwrap();
        code.trim().to_owned()
    }
}

#[test]
fn the_gateway_checks_what_is_typed() {
    if !Sandbox::is_possible("gateway::typed") {
        return;
    }
    let scene = Scene::new("");
    let code = scene.code();
    let (said, let_in) = scene.login("typed", &code);
    assert!(let_in, "{said}");
    let (said, let_in) = scene.login("typed", &code);
    assert!(!let_in, "used before: {said}");
    let (said, let_in) = scene.login("else", &format!("12345\n{PASSWORD}"));
    assert!(!let_in, "a no is final: {said}");

    // Settings that others can read, or none: nobody is let in, also where the stack would go on.
    let text = fs::read_to_string(scene.sandbox.path(SETTINGS)).unwrap();
    let spoilt = [
        (text.clone(), 0o644),
        (text.replace("unavailable", "ignore"), 0o600),
    ];
    for (spoilt, mode) in spoilt {
        scene.sandbox.write(SETTINGS, &spoilt, mode).unwrap();
        let (said, let_in) = scene.login("else", &format!("123456\n{PASSWORD}"));
        assert!(
            !let_in && said.contains("cannot be checked"),
            "{mode:o}: {said}"
        );
    }
    scene.sandbox.write(SETTINGS, &text, 0o644).unwrap();
    let told = scene.sandbox.run(&[INSTALLED], "").unwrap();
    let told = countersign_tests::sandbox::said(&told);
    assert!(
        told.contains("not root's alone") && told.contains("fault"),
        "{told}"
    );
    fs::remove_file(scene.sandbox.path(SETTINGS)).unwrap();
    assert!(!scene.login("else", &format!("123456\n{PASSWORD}")).1);
    scene.sandbox.write(SETTINGS, &text, 0o600).unwrap();
    fs::remove_file(scene.sandbox.path(INSTALLED)).unwrap();
    assert!(!scene.login("else", &format!("123456\n{PASSWORD}")).1);
    scene.sandbox.end().unwrap();
}

#[test]
fn the_desktop_of_the_user_approves_a_login_at_the_server() {
    if !Sandbox::is_possible("gateway::push") {
        return;
    }
    let scene = Scene::new("");
    let mut requests = scene.requests();
    for (service, answer) in [("push", "approve"), ("typed", "approve"), ("push", "deny")] {
        let (said, let_in) = thread::scope(|scope| {
            let login = scope.spawn(|| scene.login(service, ""));
            let request = requests.pending().unwrap();
            assert_eq!(request.resource, "server");
            scene.stage.cli.ask(&[answer, &request.id]).unwrap();
            login.join().unwrap()
        });
        assert_eq!(let_in, answer == "approve", "{service}: {said}");
        assert!(said.contains("approve on your desktop"), "{said}");
        assert_eq!(said.contains("Passcode"), service == "typed", "{said}");
    }
    scene.sandbox.end().unwrap();
}

/// The program has no rights, no environment and nothing of the application; killed, it has not said that the gateway is away.
#[test]
fn what_talks_to_the_network_is_nobody_and_its_end_is_a_refusal() {
    if !Sandbox::is_possible("gateway::nobody") {
        return;
    }
    let scene = Scene::new("push");
    let mut requests = scene.requests();
    let words = ["pamtester", "else", USER, "authenticate"];
    let mut command = scene.sandbox.command(&words);
    command
        .env("LD_LIBRARY_PATH", "/nowhere")
        .env("SECRET", "of the caller");
    let logs = scene.sandbox.workspace().logs();
    let input = format!("{PASSWORD}\n");
    let mut login =
        Process::spawn("login", command, &logs, Stdout::Log, Some(input.as_bytes())).unwrap();
    requests.pending().unwrap();
    let id = login.id().unwrap();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    let child: i32 = children.trim().parse().unwrap();
    let of = |name: &str| fs::read_to_string(format!("/proc/{child}/{name}")).unwrap();
    let status = of("status");
    for line in [
        "Name:\tcountersign-pam",
        "Uid:\t65534\t65534\t65534\t65534",
        "Gid:\t65534\t65534\t65534\t65534",
        "Groups:\t \n",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.contains(line), "{line:?} is missing in {status}");
    }
    assert_eq!(of("environ"), "");
    assert_eq!(
        fs::read_link(format!("/proc/{child}/cwd"))
            .unwrap()
            .as_os_str(),
        "/"
    );
    kill_process(Pid::from_raw(child).unwrap(), Signal::KILL).unwrap();
    assert!(!login.wait().unwrap().success(), "{}", login.log());
    scene.sandbox.end().unwrap();
}

#[test]
fn a_gateway_that_is_away_is_what_the_settings_say() {
    if !Sandbox::is_possible("gateway::away") {
        return;
    }
    let sandbox = sandbox("timeout=5");
    let typed = format!("123456\n{PASSWORD}\n");
    let nobody = format!("https://{}", own_address());
    // One that listens and never says a word.
    let silent = TcpListener::bind(own_address()).unwrap();
    let silent = format!("https://{}", silent.local_addr().unwrap());
    for (url, fail, goes_on) in [
        (nobody.as_str(), "unavailable", true),
        (nobody.as_str(), "deny", false),
        ("https://no-such-host.invalid", "unavailable", true),
        (silent.as_str(), "unavailable", true),
    ] {
        settings(&sandbox, url, [7; 32], "key", fail);
        let (said, let_in) = sandbox.login("else", USER, &typed).unwrap();
        assert_eq!(let_in, goes_on, "{url} {fail}: {said}");
        assert!(
            said.contains("the gateway does not answer"),
            "{url} {fail}: {said}"
        );
    }
    sandbox.end().unwrap();
}

#[test]
fn another_gateway_than_the_pinned_one_hears_no_passcode() {
    if !Sandbox::is_possible("gateway::impostor") {
        return;
    }
    let scene = Scene::new("");
    let code = scene.code();
    let front = scene.gateway.add_front("other").unwrap();
    settings(
        &scene.sandbox,
        &scene.gateway.origin(),
        [7; 32],
        &front,
        "deny",
    );
    let (said, let_in) = scene.login("typed", &code);
    assert!(!let_in && said.contains("does not answer"), "{said}");
    let pin = scene.gateway.pin().unwrap();
    settings(
        &scene.sandbox,
        &scene.gateway.origin(),
        pin,
        "not-the-key",
        "deny",
    );
    assert!(
        !scene.login("typed", &code).1,
        "who is no front hears nothing"
    );
    settings(&scene.sandbox, &scene.gateway.origin(), pin, &front, "deny");
    let (said, let_in) = scene.login("typed", &code);
    assert!(let_in, "the passcode is still good: {said}");
    scene.sandbox.end().unwrap();
}

#[test]
fn who_does_not_answer_on_the_desktop_has_not_said_yes() {
    if !Sandbox::is_possible("gateway::unanswered") {
        return;
    }
    let scene = Scene::new("timeout=5 push");
    let (said, let_in) = scene.login("else", PASSWORD);
    assert!(!let_in, "{said}");
    scene.sandbox.end().unwrap();
}

/// The youngest descendant of a process, where each has one child.
fn youngest(id: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    match children.unwrap_or_default().trim().parse() {
        Ok(child) => youngest(child),
        Err(_) => id,
    }
}

#[test]
fn ctrl_c_ends_the_wait_and_the_program() {
    if !Sandbox::is_possible("gateway::ctrl_c") {
        return;
    }
    let scene = Scene::new("");
    let module = pam_module::path().unwrap();
    // Longer than anything is waited for here.
    let line = format!("auth required {module} gateway push timeout=120");
    scene.sandbox.service("sudo", &line).unwrap();
    let mut terminal = Terminal::open().unwrap();
    let words = ["setsid", "--ctty", "--wait", "sudo", "true"];
    let mut command = scene.sandbox.command_of_user(&words);
    command
        .stdin(terminal.device().unwrap())
        .stdout(terminal.device().unwrap())
        .stderr(terminal.device().unwrap());
    let mut sudo = command.spawn().unwrap();
    terminal.wait_for("approve on your desktop", 1).unwrap();
    let program = youngest(sudo.id());
    let name = fs::read_to_string(format!("/proc/{program}/comm")).unwrap();
    assert_eq!(name, "countersign-pam\n");
    terminal.press("\u{3}").unwrap();
    let ended = patiently("the end of sudo", async {
        tokio::task::spawn_blocking(move || sudo.wait()).await
    });
    assert!(!ended.unwrap().unwrap().unwrap().success());
    assert!(
        !Path::new(&format!("/proc/{program}")).exists(),
        "it is ended and reaped"
    );
    scene.sandbox.end().unwrap();
}
