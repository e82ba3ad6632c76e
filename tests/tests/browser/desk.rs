//! A desk with a browser's user: a screen, the agent with a few tokens, pages to log in to, and the host where browsers look.

use std::{fs, path::Path};

use countersign_proto::native_messaging::{self, Family};
use countersign_tests::{
    LOOK_EVERY, Workspace,
    confirmations::Confirmations,
    gateway::GatewayProcess,
    patiently, pictures,
    programs::program,
    screen::Screen,
    stage::{CLICK_TOKEN, PASSPHRASE_KEY, PASSWORD, Stage, USER},
    web_pages::{WebPage, WebPages},
};
use data_encoding::BASE64;
use rustix::process::{Pid, Signal, kill_process};

/// The token that belongs to the pages once the user has said so.
pub(crate) const TOKEN: &str = "Forge";
const SEED: &str = "otpauth://totp/Forge:alice?secret=JBSWY3DPEHPK3PXP&issuer=Forge";

/// Everything but the browser.
pub(crate) struct Desk {
    pub(crate) stage: Stage,
    pub(crate) gateway: GatewayProcess,
    pub(crate) confirmations: Confirmations,
    pub(crate) pages: WebPages,
    pub(crate) screen: Screen,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let workspace = Workspace::new().unwrap();
        let screen = Screen::start(&workspace).unwrap();
        let confirmations = Confirmations::new(&workspace).unwrap();
        let config = format!("{PASSPHRASE_KEY}{}", confirmations.config());
        let display = screen.display().to_owned();
        let stage =
            Stage::in_session(workspace, &config, |session| session.on_display(&display)).unwrap();
        stage.set_up().unwrap();
        stage.enroll_string(TOKEN, SEED).unwrap();
        let mut gateway = GatewayProcess::init(&stage.workspace).unwrap();
        // A browser on a busy machine takes its time.
        gateway.configure("push", "ttl_seconds = 300").unwrap();
        gateway.add_user(USER, PASSWORD).unwrap();
        gateway.serve().unwrap();
        stage.enroll(&gateway, "Example", &CLICK_TOKEN).unwrap();
        stage.wait_until_connected().unwrap();
        Self {
            pages: WebPages::serve(web_pages()).unwrap(),
            stage,
            gateway,
            confirmations,
            screen,
        }
    }

    /// Where the pages are as far as the browser knows.
    pub(crate) fn site(&self, path: &str) -> String {
        self.pages.origin_as("localhost") + path
    }

    /// Puts the host's manifest into the folder that a browser reads.
    pub(crate) fn place_manifest(family: Family, folder: &Path) {
        let host = program(native_messaging::PROGRAM).unwrap();
        let text = native_messaging::manifest(family, host.to_str().unwrap()).unwrap();
        fs::create_dir_all(folder).unwrap();
        let file = folder.join(format!("{}.json", native_messaging::HOST));
        fs::write(file, text).unwrap();
    }

    /// Runs `fill`, which returns what was filled, and looks that this was the token's passcode. A passcode that changes
    /// just then is the other one.
    pub(crate) fn is_passcode(&self, fill: impl FnOnce() -> String) {
        let code = || {
            self.stage
                .cli
                .ask(&["code", TOKEN])
                .unwrap()
                .trim()
                .to_owned()
        };
        let before = code();
        let filled = fill();
        assert!(
            [before, code()].contains(&filled),
            "{filled:?} is not the passcode"
        );
    }

    /// How many tokens the agent has.
    pub(crate) fn tokens(&self) -> usize {
        let list = self.stage.cli.json(&["list"]).unwrap();
        list["tokens"].as_array().unwrap().len()
    }

    /// The hosts that this desk's browser has started, by process id.
    fn hosts(&self) -> Vec<i32> {
        let home = format!("HOME={}", self.stage.workspace.join("home").display());
        let host = program(native_messaging::PROGRAM).unwrap();
        let processes = fs::read_dir("/proc").unwrap().flatten();
        processes
            .filter(|process| {
                let is_host =
                    fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe == host);
                let environment = fs::read(process.path().join("environ")).unwrap_or_default();
                is_host
                    && environment
                        .split(|byte| *byte == 0)
                        .any(|variable| variable == home.as_bytes())
            })
            .filter_map(|process| process.file_name().to_str()?.parse().ok())
            .collect()
    }

    /// Ends the hosts, so that the next one starts anew.
    pub(crate) fn end_hosts(&self) {
        for host in self.hosts() {
            // One that ended by itself meanwhile has ended.
            kill_process(Pid::from_raw(host).unwrap(), Signal::TERM).unwrap_or_default();
        }
        self.wait_for_host(false);
    }

    /// Waits until a host runs, or none.
    pub(crate) fn wait_for_host(&self, runs: bool) {
        let come = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            while self.hosts().is_empty() == runs {
                looks.tick().await;
            }
        };
        patiently("a host to start or end", come).unwrap();
    }
}

/// What the QR code on the page `/code` holds.
const ON_THE_PAGE: &str = "otpauth://totp/Paper:alice?secret=JBSWY3DPEHPK3PXA&issuer=Paper";

fn web_pages() -> Vec<WebPage> {
    let page = |path: &str, headers: &str, body: &str| WebPage {
        path: path.to_owned(),
        headers: headers.to_owned(),
        html: format!(
            "<!DOCTYPE html><meta charset=utf-8><title>{path}</title><body>{body}</body>"
        ),
    };
    let count = "<script>window.sent = 0; addEventListener('submit', (event) => { event.preventDefault(); window.sent += 1; });\
        addEventListener('input', () => { parent.postMessage('filled', '*'); });\
        addEventListener('message', () => { document.title = 'filled in a frame'; });</script>";
    let field = "<form><label>Verification code <input id=code name=vc></label><button>Go on</button></form>";
    let boxes = |names: &str| {
        let boxes: String = (0..6)
            .map(|_| "<input class=box inputmode=numeric maxlength=1 style='width:2em'>")
            .collect();
        format!("<form aria-label='{names}'>{boxes}<button>Go on</button></form>")
    };
    // As a form library does it: its own state decides what stands in the boxes, and a box leads to the next one.
    let moving = "<script>const boxes = [...document.querySelectorAll('.box')]; boxes.forEach((box, at) => \
        box.addEventListener('input', () => boxes[at + 1]?.focus()));</script>";
    let pasted = "<script>const boxes = [...document.querySelectorAll('.box')]; const state = ['','','','','',''];\
        const draw = () => boxes.forEach((box, at) => { box.value = state[at]; });\
        for (const box of boxes) { box.addEventListener('input', draw); box.addEventListener('paste', (event) => {\
        [...event.clipboardData.getData('text')].forEach((digit, at) => { state[at] = digit; }); event.preventDefault(); draw(); }); }</script>";
    vec![
        page("/login", "", &format!("{field}{count}")),
        page("/elsewhere", "", &format!("{field}{count}")),
        page("/boxes", "", &format!("{}{count}{moving}", boxes("Code"))),
        page("/pasted", "", &format!("{}{count}{pasted}", boxes("Code"))),
        page(
            "/framed",
            "",
            &format!(
                "{count}<script>const frame = document.createElement('iframe'); frame.src = `http://127.0.0.1:${{location.port}}/login`; document.body.append(frame);\
             frame.addEventListener('load', () => {{ window.framed = true; }});</script>"
            ),
        ),
        page(
            "/sandboxed",
            "Content-Security-Policy: sandbox allow-scripts allow-forms\r\n",
            &format!("{field}{count}"),
        ),
        page(
            "/code",
            "",
            &format!(
                "<img alt='QR code' src='data:image/png;base64,{}'>",
                BASE64.encode(&pictures::png(&[ON_THE_PAGE]).unwrap())
            ),
        ),
        page("/nothing", "", "<p>Nothing to fill.</p>"),
    ]
}
