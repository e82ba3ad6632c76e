//! A server of the specification's least: text and nothing else.
#![expect(
    clippy::unused_self,
    clippy::used_underscore_binding,
    reason = "what the interface macro makes of the specification's methods"
)]

use std::collections::HashMap;

use countersign_tests::patiently;
use countersignd::agent::ports::{Approval, LoginRequestNotice, NoticeChoice};
use tokio::sync::mpsc;
use zbus::{interface, object_server::SignalEmitter, zvariant::OwnedValue};

use crate::rig::{Rig, notice};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// What it was asked to show.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) replaces: u32,
    pub(crate) body: String,
    pub(crate) actions: Vec<String>,
    pub(crate) expires_ms: i32,
}

/// Shows nothing and tells all.
pub(crate) struct PlainServer {
    asked: mpsc::UnboundedSender<Asked>,
    closed: mpsc::UnboundedSender<u32>,
    capabilities: &'static [&'static str],
}

#[interface(name = "org.freedesktop.Notifications")]
impl PlainServer {
    #[expect(clippy::too_many_arguments, reason = "the specification's")]
    async fn notify(
        &self,
        _app: &str,
        replaces: u32,
        _icon: &str,
        _summary: &str,
        body: &str,
        actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        expires_ms: i32,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> u32 {
        // The user is faster than the reply: the signal goes out before the id is known to the caller.
        if actions.iter().any(|key| key == "approve") {
            emitter.action_invoked(7, "approve").await.unwrap();
        }
        self.asked
            .send(Asked {
                replaces,
                body: body.to_owned(),
                actions,
                expires_ms,
            })
            .unwrap();
        7
    }

    fn close_notification(&self, id: u32) {
        self.closed.send(id).unwrap();
    }

    fn get_capabilities(&self) -> Vec<&'static str> {
        self.capabilities.to_vec()
    }

    fn get_server_information(&self) -> (&str, &str, &str, &str) {
        ("plain", "nobody", "1", "1.2")
    }

    #[zbus(signal)]
    async fn action_invoked(
        emitter: &SignalEmitter<'_>,
        id: u32,
        action_key: &str,
    ) -> zbus::Result<()>;
}

type Served = (
    zbus::Connection,
    mpsc::UnboundedReceiver<Asked>,
    mpsc::UnboundedReceiver<u32>,
);

pub(crate) fn serve(rig: &Rig, capabilities: &'static [&'static str]) -> Served {
    let connection = rig.bus.connect().unwrap();
    let (sender, asked) = mpsc::unbounded_channel();
    let (closed, closings) = mpsc::unbounded_channel();
    let server = PlainServer {
        asked: sender,
        closed,
        capabilities,
    };
    patiently("the server", async {
        connection.object_server().at(PATH, server).await.unwrap();
        connection.request_name(NAME).await.unwrap();
    })
    .unwrap();
    (connection, asked, closings)
}

#[test]
fn without_actions_the_text_says_what_to_do() {
    let Some(rig) = Rig::new("notification::without_actions") else {
        return;
    };
    let (_server, mut asked, _) = serve(&rig, &["body"]);
    let hostile = LoginRequestNotice {
        user: "a<b>c & d".to_owned(),
        ..notice()
    };
    rig.ask(&hostile).unwrap();
    let shown = patiently("Notify", asked.recv()).unwrap().unwrap();
    assert_eq!(shown.actions, [""; 0]);
    assert_eq!(shown.expires_ms, 0);
    // A server that does not read markup gets none, and no entities either.
    assert!(shown.body.starts_with("a<b>c & d · from "), "{shown:?}");
    for command in [
        "run: countersign approve 3f3f3f3f\n",
        "run: countersign deny 3f3f3f3f",
    ] {
        assert!(shown.body.contains(command), "{shown:?}");
    }
    // The same question again takes its place.
    let locked = LoginRequestNotice {
        approval: Approval::VaultLocked,
        ..notice()
    };
    rig.ask(&locked).unwrap();
    let again = patiently("Notify", asked.recv()).unwrap().unwrap();
    assert_eq!(again.replaces, 7);
}

#[test]
fn a_click_that_overtakes_the_reply_counts_once_and_closes() {
    let Some(mut rig) = Rig::new("notification::overtakes") else {
        return;
    };
    let (_server, _asked, mut closings) = serve(&rig, &["body", "actions"]);
    rig.ask(&notice()).unwrap();
    assert_eq!(rig.choice(), NoticeChoice::Approve);
    let closed = patiently("CloseNotification", closings.recv()).unwrap();
    assert_eq!(closed, Some(7));
    assert!(rig.unseen().is_none());
}
