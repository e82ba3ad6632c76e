//! Containers: this computer is registered for one, and from then on its tokens are the server's business.

use anyhow::{Context as _, Result};
use countersign_proto::agent::v1::{LoginRequestState, Reason};
use countersign_tests::{
    PATIENCE, Workspace,
    privacyidea::{PrivacyIdea, ServerClock, USER_PASSWORD, is_there, shared, text},
    stage::Stage,
    standin_notifications::now,
};
use serde_json::{Value, json};

use crate::{lossy::LossyWay, rig::service};

/// The container's name in the agent.
const NAME: &str = "Example";
const WORDS: [&str; 7] = [
    "enroll",
    "--yes",
    "--allow-insecure",
    "--name",
    NAME,
    "--json",
    "-",
];

/// A user of the server with a container, and an agent that is not registered for it yet.
struct Cast {
    server: &'static PrivacyIdea,
    stage: Stage,
    user: String,
    container: String,
}

impl Cast {
    fn new() -> Result<Self> {
        Self::with(PrivacyIdea::container)
    }

    fn with(container: impl FnOnce(&PrivacyIdea, &str) -> Result<String>) -> Result<Self> {
        let server = shared();
        let user = server.new_user()?;
        Ok(Self {
            server,
            stage: Stage::new()?,
            container: container(server, &user)?,
            user,
        })
    }

    fn token(&self, kind: &str) -> Result<String> {
        self.server.token_in(&self.container, &self.user, kind)
    }

    fn link(&self) -> Result<String> {
        self.server.container_link(&self.container, &[])
    }

    /// A policy for this user's containers.
    fn policy(&self, action: &str) -> Result<()> {
        self.server
            .policy("container", "container", &self.user, action)
    }

    fn register(&self) -> Result<Value> {
        register(&self.stage, &self.link()?)
    }

    fn sync(&self) -> Result<Value> {
        let synced = self.stage.cli.json(&["container", "sync", NAME])?;
        Ok(synced.pointer("/synced/0").cloned().unwrap_or_default())
    }

    fn listed(&self) -> Result<Value> {
        let list = self.stage.cli.json(&["container", "list"])?;
        Ok(list.get("containers").cloned().unwrap_or_default())
    }

    /// The serials of the agent's tokens, in order of their letters.
    fn serials(&self) -> Result<Vec<String>> {
        let list = self.stage.cli.json(&["list"])?;
        let tokens = list.get("tokens").and_then(Value::as_array);
        let mut serials = tokens
            .context("no list")?
            .iter()
            .map(|token| text(token, "/serial"))
            .collect::<Result<Vec<_>>>()?;
        serials.sort();
        Ok(serials)
    }

    fn is_accepted(&self, serial: &str) -> Result<bool> {
        let passcode = self.stage.cli.ask(&["code", serial])?;
        let reply =
            self.server
                .check(&[("serial", serial), ("pass", &passcode), ("otponly", "1")])?;
        Ok(text(&reply, "/result/authentication")? == "ACCEPT")
    }
}

fn register(stage: &Stage, link: &str) -> Result<Value> {
    let registered = stage.cli.ask_with(&WORDS, &format!("{link}\n"))?;
    Ok(serde_json::from_str(&registered)?)
}

fn sorted<const N: usize>(mut serials: [String; N]) -> Vec<String> {
    serials.sort();
    serials.to_vec()
}

#[test]
fn a_container_brings_its_tokens_and_all_of_them_work() {
    if !is_there("privacyidea::container") {
        return;
    }
    let cast = Cast::new().unwrap();
    let (hotp, totp) = (cast.token("hotp").unwrap(), cast.token("totp").unwrap());
    let push = cast.token("push").unwrap();
    let day = cast.token("daypassword").unwrap();
    let registered = cast.register().unwrap();
    assert_eq!(registered["added"].as_array().unwrap().len(), 3);
    let container = &registered["container"];
    assert_eq!(container["state"], "registered");
    assert_eq!(container["serial"], cast.container.as_str());
    assert_eq!(container["service"], cast.server.host().as_str());
    assert_eq!(container["insecure"], "plain_http");
    assert_eq!(container["tokens"], 3);
    assert_eq!(container["left_out"][0]["token"], day.as_str());
    assert_eq!(
        cast.serials().unwrap(),
        sorted([hotp.clone(), totp.clone(), push])
    );
    assert!(cast.is_accepted(&hotp).unwrap());
    assert!(cast.is_accepted(&totp).unwrap());
    let info = cast.stage.cli.json(&["info", &hotp]).unwrap();
    assert_eq!(info["container"], NAME);
    assert_eq!(info["exportable"], false);

    let mut watch = cast.stage.requests().unwrap();
    let login = cast.server.begin_login(&cast.user).unwrap();
    cast.stage.cli.ask(&["requests", "--check"]).unwrap();
    watch.wait(&[LoginRequestState::Pending]).unwrap();
    cast.stage.cli.ask(&["approve"]).unwrap();
    assert_eq!(login.status().unwrap(), "accept");

    // Nothing new: nothing happens, and the event-based token goes on where it was.
    let again = cast.sync().unwrap();
    for what in ["added", "renewed", "removed"] {
        assert_eq!(again[what], json!([]), "{again}");
    }
    assert!(cast.is_accepted(&hotp).unwrap());
}

#[test]
fn what_the_administrator_adds_and_takes_away_follows() {
    if !is_there("privacyidea::container_sync") {
        return;
    }
    let cast = Cast::new().unwrap();
    let (first, gone) = (cast.token("totp").unwrap(), cast.token("hotp").unwrap());
    cast.register().unwrap();
    let alone = cast.stage.cli.json(&["info", &gone]).unwrap();
    let new = cast.token("hotp").unwrap();
    let push = cast.token("push").unwrap();
    cast.server.take_out(&cast.container, &gone).unwrap();
    let synced = cast.sync().unwrap();
    assert_eq!(synced["added"].as_array().unwrap().len(), 2, "{synced}");
    assert_eq!(synced["removed"], json!([alone["name"]]));
    assert_eq!(
        cast.serials().unwrap(),
        sorted([first, new.clone(), push.clone()])
    );
    assert!(cast.is_accepted(&new).unwrap());
    // The history stays.
    let log = cast.stage.cli.json(&["log"]).unwrap();
    let kinds: Vec<_> = log["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["token"] == alone["name"])
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["deleted", "enrolled"]);

    // A push token goes with all that it had.
    cast.server.take_out(&cast.container, &push).unwrap();
    cast.sync().unwrap();
    let status = cast.stage.cli.json(&["status"]).unwrap();
    assert_eq!(status["services"], json!([]));
}

#[test]
fn the_unlock_brings_what_is_new_without_a_command() {
    if !is_there("privacyidea::container_by_itself") {
        return;
    }
    let cast = Cast::new().unwrap();
    cast.register().unwrap();
    assert_eq!(cast.serials().unwrap(), [""; 0]);
    cast.stage.cli.ask(&["lock"]).unwrap();
    let new = cast.token("totp").unwrap();
    cast.stage.unlock().unwrap();
    let begin = now();
    while cast.serials().unwrap() != [new.as_str()] {
        assert!(begin.elapsed() < PATIENCE, "the token did not come");
    }
}

#[test]
fn a_registration_ends_on_either_side() {
    if !is_there("privacyidea::container_end") {
        return;
    }
    let cast = Cast::new().unwrap();
    let token = cast.token("totp").unwrap();
    cast.register().unwrap();
    let end = ["container", "unregister", NAME, "--yes"];
    cast.stage.cli.ask(&end).unwrap();
    assert_eq!(cast.listed().unwrap(), json!([]));
    // Its token stays as one of its own.
    assert!(cast.is_accepted(&token).unwrap());
    let info = cast.stage.cli.json(&["info", &token]).unwrap();
    assert_eq!(info["container"], Value::Null);
    cast.stage.cli.ask(&["delete", "--yes", &token]).unwrap();

    // The server has heard of it: it makes a new link, which it does not for a registered container.
    cast.register().unwrap();
    cast.server.end_registration(&cast.container).unwrap();
    cast.stage
        .cli
        .refused(&["container", "sync"], "", Reason::ContainerGone)
        .unwrap();
    assert_eq!(cast.listed().unwrap()[0]["state"], "gone");
    let with_tokens = [&end[..], &["--delete-tokens"]].concat();
    let ended = cast.stage.cli.json(&with_tokens).unwrap();
    assert_eq!(ended["deleted"].as_array().unwrap().len(), 1);
    assert_eq!(cast.listed().unwrap(), json!([]));
    assert_eq!(cast.serials().unwrap(), [""; 0]);
}

#[test]
fn links_are_good_once_and_forged_ones_never() {
    if !is_there("privacyidea::container_links") {
        return;
    }
    let cast = Cast::new().unwrap();
    cast.token("totp").unwrap();
    let replaced = cast.link().unwrap();
    let link = cast.link().unwrap();
    let (before, after) = link.split_once("&nonce=").unwrap();
    let forged = format!("{before}&nonce={}{}", "0".repeat(40), &after[40..]);
    for wrong in [&replaced, &forged] {
        cast.stage
            .cli
            .refused(&WORDS, wrong, Reason::EnrollmentRefused)
            .unwrap();
        assert_eq!(cast.listed().unwrap(), json!([]));
    }
    register(&cast.stage, &link).unwrap();
    let other = Stage::new().unwrap();
    other
        .cli
        .refused(&WORDS, &link, Reason::EnrollmentRefused)
        .unwrap();
    // Here the used link changes nothing either.
    cast.stage
        .cli
        .refused(&WORDS, &link, Reason::EnrollmentRefused)
        .unwrap();
    assert_eq!(cast.sync().unwrap()["container"]["tokens"], 1);
}

#[test]
fn a_link_that_has_expired_registers_nothing() {
    if !is_there("privacyidea::container_expiry") {
        return;
    }
    let (workspace, stage) = (Workspace::new().unwrap(), Stage::new().unwrap());
    let mut server = PrivacyIdea::start(&workspace).unwrap();
    let container = server.container("user0").unwrap();
    let link = server.container_link(&container, &[]).unwrap();
    server.stop().unwrap();
    server.set_clock(ServerClock::Ahead(1));
    server.serve().unwrap();
    stage
        .cli
        .refused(&WORDS, &link, Reason::EnrollmentRefused)
        .unwrap();
    let list = stage.cli.json(&["container", "list"]).unwrap();
    assert_eq!(list["containers"], json!([]));
}

#[test]
fn what_breaks_off_is_taken_up_again() {
    if !is_there("privacyidea::container_interrupted") {
        return;
    }
    let way = LossyWay::to(&shared().host()).unwrap();
    let cast = Cast::with(|server, user| server.container_by(user, &way.url())).unwrap();
    let token = cast.token("hotp").unwrap();
    let push = cast.token("push").unwrap();
    let link = cast.link().unwrap();
    // The server takes the registration, and nobody hears of it here.
    way.lose("/container/register/finalize");
    cast.stage
        .cli
        .refused(&WORDS, &link, Reason::GatewayUnreachable)
        .unwrap();
    assert_eq!(cast.listed().unwrap()[0]["state"], "registering");
    assert_eq!(cast.serials().unwrap(), [""; 0]);
    let registered = register(&cast.stage, &link).unwrap();
    assert_eq!(registered["container"]["state"], "registered");
    assert_eq!(cast.serials().unwrap(), [token.as_str()]);
    // Its link leads past the host that was confirmed.
    let left = &registered["container"]["left_out"][0];
    assert_eq!(left["token"], push.as_str());
    assert!(left["why"].as_str().unwrap().contains("another server"));

    // The registration stands even if the first list is lost: there is no second try with the link.
    let second = Cast::with(|server, user| server.container_by(user, &way.url())).unwrap();
    let first = second.token("totp").unwrap();
    way.lose("/container/synchronize");
    let alone = second.register().unwrap();
    assert_eq!(alone["container"]["state"], "registered");
    assert_eq!(alone["added"], json!([]));
    second.sync().unwrap();
    assert_eq!(second.serials().unwrap(), [first.as_str()]);

    // A list that is lost has renewed the secrets of what was new in it.
    let new = cast.token("hotp").unwrap();
    way.lose("/container/synchronize");
    cast.stage
        .cli
        .refused(&["container", "sync"], "", Reason::GatewayUnreachable)
        .unwrap();
    assert_eq!(cast.serials().unwrap(), [token.as_str()]);
    let trouble = cast.listed().unwrap()[0]["trouble"].clone();
    assert!(
        trouble.as_str().unwrap().contains("cannot be reached"),
        "{trouble}"
    );
    cast.sync().unwrap();
    assert_eq!(
        cast.serials().unwrap(),
        sorted([token.clone(), new.clone()])
    );
    assert!(cast.is_accepted(&token).unwrap());
    assert!(cast.is_accepted(&new).unwrap());
}

#[test]
fn a_passphrase_that_belongs_to_the_link_is_asked_for() {
    if !is_there("privacyidea::container_passphrase") {
        return;
    }
    let cast = Cast::new().unwrap();
    let asked = [
        ("passphrase_prompt", "Name of the dog?"),
        ("passphrase_response", "rex"),
    ];
    let link = cast.server.container_link(&cast.container, &asked).unwrap();
    let words = [&WORDS[..6], &["--pin-stdin", "-"]].concat();
    // Without one, and with nobody to ask.
    cast.stage
        .cli
        .refused(&WORDS, &link, Reason::PinRequired)
        .unwrap();
    let wrong = format!("{link}\nbello\n");
    cast.stage
        .cli
        .refused(&words, &wrong, Reason::EnrollmentRefused)
        .unwrap();
    cast.stage
        .cli
        .ask_with(&words, &format!("{link}\nrex\n"))
        .unwrap();
    assert_eq!(cast.listed().unwrap()[0]["state"], "registered");
}

#[test]
fn the_password_of_the_user_is_sent_where_the_link_says_so() {
    if !is_there("privacyidea::container_password") {
        return;
    }
    let cast = Cast::new().unwrap();
    let asked = [("passphrase_user", "True")];
    let link = cast.server.container_link(&cast.container, &asked).unwrap();
    assert!(link.contains("send_passphrase=True"), "{link}");
    let words = [&WORDS[..6], &["--pin-stdin", "-"]].concat();
    let wrong = format!("{link}\nanother password\n");
    cast.stage
        .cli
        .refused(&words, &wrong, Reason::EnrollmentRefused)
        .unwrap();
    cast.stage
        .cli
        .ask_with(&words, &format!("{link}\n{USER_PASSWORD}\n"))
        .unwrap();
    assert_eq!(cast.listed().unwrap()[0]["state"], "registered");
}

#[test]
fn what_the_policies_forbid_is_refused_with_a_sentence() {
    if !is_there("privacyidea::container_policies") {
        return;
    }
    let cast = Cast::new().unwrap();
    cast.policy("disable_client_token_deletion=1, disable_client_container_unregister=1")
        .unwrap();
    let token = cast.token("totp").unwrap();
    let registered = cast.register().unwrap();
    for may in ["may_renew", "may_delete_tokens", "may_unregister"] {
        assert_eq!(registered["container"][may], false, "{may}");
    }
    let end = ["container", "unregister", NAME, "--yes"];
    let quietly = [&end[..], &["--only-here"]].concat();
    for words in [
        &["delete", "--yes", &token][..],
        &end,
        &quietly,
        &["container", "renew", NAME],
    ] {
        let said = cast
            .stage
            .cli
            .refused(words, "", Reason::ForbiddenByService)
            .unwrap();
        assert!(said.stderr.contains("does not allow"), "{said:?}");
    }
    assert!(cast.is_accepted(&token).unwrap());
}

#[test]
fn new_keys_and_secrets_take_the_place_of_the_old_ones() {
    if !is_there("privacyidea::container_renewal") {
        return;
    }
    let cast = Cast::new().unwrap();
    cast.policy("container_client_rollover=1").unwrap();
    let (hotp, push) = (cast.token("hotp").unwrap(), cast.token("push").unwrap());
    cast.register().unwrap();
    cast.stage.cli.ask(&["rename", &hotp, "Mine"]).unwrap();
    let renewed = cast.stage.cli.json(&["container", "renew", NAME]).unwrap();
    let synced = &renewed["synced"][0];
    assert_eq!(synced["renewed"].as_array().unwrap().len(), 2, "{renewed}");
    assert_eq!(synced["added"], json!([]));
    assert_eq!(cast.serials().unwrap(), sorted([hotp.clone(), push]));
    let info = cast.stage.cli.json(&["info", &hotp]).unwrap();
    assert_eq!(info["name"], "Mine");
    assert!(cast.is_accepted(&hotp).unwrap());
    // The new keys count from now on, also for polls.
    cast.sync().unwrap();
    cast.stage.cli.ask(&["requests", "--check"]).unwrap();
    service(&cast.stage, |service| service["connected"] == true).unwrap();
}
