//! An agent, a user of the server, and a push token between them.

use anyhow::{Result, bail};
use countersign_proto::agent::v1::LoginRequestState;
use countersign_tests::{
    PATIENCE,
    privacyidea::{PrivacyIdea, PushToken},
    requests::RequestWatch,
    stage::Stage,
    standin_notifications::now,
};
use serde_json::Value;

/// The name of the token in the agent.
pub(crate) const TOKEN: &str = "Example";

/// A user with one push token, enrolled at an agent of their own.
pub(crate) struct Enrolled<'server> {
    pub(crate) stage: Stage,
    pub(crate) server: &'server PrivacyIdea,
    pub(crate) user: String,
    pub(crate) token: PushToken,
    pub(crate) watch: RequestWatch,
}

impl<'server> Enrolled<'server> {
    pub(crate) fn at(server: &'server PrivacyIdea) -> Result<Self> {
        Self::after(server, |_, _| Ok(()))
    }

    /// The same, once `prepare` has set the policies of the user.
    pub(crate) fn after(
        server: &'server PrivacyIdea,
        prepare: impl FnOnce(&PrivacyIdea, &str) -> Result<()>,
    ) -> Result<Self> {
        let stage = Stage::new()?;
        let user = server.new_user()?;
        prepare(server, &user)?;
        let token = server.push_token(&user)?;
        enroll(&stage, TOKEN, &token.link)?;
        let watch = stage.requests()?;
        Ok(Self {
            stage,
            server,
            user,
            token,
            watch,
        })
    }

    /// The pending request of the login that has just begun.
    pub(crate) fn pending(&mut self) -> Result<countersign_proto::agent::v1::LoginRequest> {
        self.stage.cli.ask(&["requests", "--check"])?;
        self.watch.wait(&[LoginRequestState::Pending])
    }
}

/// Enrolls what nobody vouches for: the test server has no TLS.
pub(crate) fn enroll(stage: &Stage, name: &str, link: &str) -> Result<()> {
    let words = ["enroll", "--yes", "--allow-insecure", "--name", name, "-"];
    stage.cli.ask_with(&words, &format!("{link}\n")).map(drop)
}

/// The one service of `countersign status`, once `settled` says so of it.
pub(crate) fn service(stage: &Stage, settled: impl Fn(&Value) -> bool) -> Result<Value> {
    let begin = now();
    loop {
        let status = stage.cli.json(&["status"])?;
        let service = status.pointer("/services/0").cloned().unwrap_or_default();
        if settled(&service) {
            return Ok(service);
        }
        if begin.elapsed() > PATIENCE {
            bail!("not so in time: {status}");
        }
    }
}
