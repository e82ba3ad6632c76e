//! Passcodes for a browser: the real host on its pipes, the real agent, and dialogs. Browsers themselves are shown in the
//! target `browser`.

mod filling;
mod hostile;
mod manifests;
mod pairing;
mod requests;

use countersign_tests::{
    Workspace,
    confirmations::Confirmations,
    native_host::{Extension, NativeHost},
    stage::{PASSPHRASE_KEY, Stage},
};
use serde_json::{Value, json};

const EVENT: &str = "otpauth://hotp/Forge:alice?secret=JBSWY3DPEHPK3PXP&counter=0";
/// The first two passcodes of [`EVENT`] (computed with oathtool).
const PASSCODES: [&str; 2] = ["282760", "996554"];
const TIME: &str = "otpauth://totp/Example:alice?secret=JBSWY3DPEHPK3PXA&issuer=Example";
const PAGE: &str = "https://login.example.com";

/// The agent, its dialogs answered as told, and one paired browser.
struct Desk {
    stage: Stage,
    dialogs: Confirmations,
    host: NativeHost,
    extension: Extension,
}

impl Desk {
    fn new() -> Self {
        let mut desk = Self::unpaired();
        desk.extension.pair(&mut desk.host, "Work").unwrap();
        desk
    }

    fn unpaired() -> Self {
        let workspace = Workspace::new().unwrap();
        let dialogs = Confirmations::new(&workspace).unwrap();
        let config = format!("{PASSPHRASE_KEY}{}", dialogs.config());
        let stage =
            Stage::in_session(workspace, &config, |session| session.on_display(":77")).unwrap();
        stage.set_up().unwrap();
        let host = started(&stage);
        Self {
            stage,
            dialogs,
            host,
            extension: Extension::new(1).unwrap(),
        }
    }

    /// Enrolls a token and returns its id.
    fn token(&self, name: &str, uri: &str) -> String {
        self.stage.enroll_string(name, uri).unwrap();
        let info = self.stage.cli.json(&["info", name]).unwrap();
        info["id"].as_str().unwrap().to_owned()
    }

    fn bind(&mut self, origin: &str, token: &str) {
        let fields = json!({"origin": origin, "token": token, "scope": "origin"});
        self.host.ask("bind", &fields).unwrap();
    }

    fn fill(&mut self, origin: &str) -> Value {
        self.host.ask("fill", &json!({"origin": origin})).unwrap()
    }

    /// The event log, newest first.
    fn log(&self) -> Vec<(String, String)> {
        let log = self.stage.cli.json(&["log"]).unwrap();
        let text =
            |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
        let events = log["events"].as_array().unwrap().iter();
        events
            .map(|event| (text(event, "kind"), text(event, "detail")))
            .collect()
    }
}

fn started(stage: &Stage) -> NativeHost {
    NativeHost::start(stage.agent.session(), &stage.workspace.logs()).unwrap()
}
