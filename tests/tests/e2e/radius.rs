//! Logins by RADIUS with the clients that people use.

use std::net::{SocketAddr, UdpSocket};

use countersign_proto::agent::v1::LoginRequestState;
use countersign_tests::{
    gateway::GatewayProcess,
    parts,
    radius::{
        FREERADIUS, PAM, PROXY_SECRET, PamLogin, Proxy, RADCLIENT, RadClient, Reply, add_client,
        listen, pap,
    },
    requests::RequestWatch,
    stage::{CLICK_TOKEN, PASSWORD, Stage, USER},
};

/// An agent with one token and a gateway that listens for RADIUS.
struct Scene {
    stage: Stage,
    gateway: GatewayProcess,
    server: SocketAddr,
    requests: RequestWatch,
}

impl Scene {
    /// `number_matching` is `true` or `false`; `token` are the words of `token add`.
    fn new(number_matching: &str, token: &[&str]) -> Self {
        let stage = Stage::new().unwrap();
        let mut gateway = GatewayProcess::init(&stage.workspace).unwrap();
        let server = listen(&gateway).unwrap();
        let line = format!("number_matching = {number_matching}");
        gateway.configure("push", &line).unwrap();
        gateway.add_user(USER, PASSWORD).unwrap();
        gateway.serve().unwrap();
        stage.enroll(&gateway, "Example", token).unwrap();
        let requests = stage.requests().unwrap();
        Self {
            stage,
            gateway,
            server,
            requests,
        }
    }

    /// With a push token, connected.
    fn with_push(number_matching: &str) -> Self {
        let scene = Self::new(number_matching, &CLICK_TOKEN);
        scene.stage.wait_until_connected().unwrap();
        scene
    }

    fn client(&self, secret: &str) -> RadClient {
        RadClient::new(&self.stage.workspace, self.server, secret)
    }

    /// A client registered with these words.
    fn registered(&self, words: &[&str]) -> RadClient {
        self.client(&add_client(&self.gateway, "vpn", words).unwrap())
    }

    fn opened(&self) -> usize {
        let log = self.gateway.run(&["audit", "list", "--json"], "").unwrap();
        log.matches("\"login_opened\"").count()
    }
}

fn rejected(reply: Reply) -> String {
    reply.refusal().unwrap()
}

fn challenged(reply: Reply) -> (String, String) {
    reply.challenge().unwrap()
}

fn number(text: &str) -> String {
    let (_, rest) = text.split_once("Enter ").unwrap();
    rest.chars().take_while(char::is_ascii_digit).collect()
}

#[test]
fn radclient_logs_in_with_password_and_passcode_and_nobody_without_the_secret() {
    if !parts::are_there("radius::radclient_logs_in", &RADCLIENT) {
        return;
    }
    let scene = Scene::new("false", &["--mode", "event", "--push", "off"]);
    let next = || scene.stage.cli.ask(&["next", "Example"]).unwrap();
    let secret = add_client(&scene.gateway, "vpn", &[]).unwrap();
    let client = scene.client(&secret);
    let typed = format!("{PASSWORD}{}", next());
    assert_eq!(client.login(USER, &typed).unwrap(), Reply::Accept);
    assert!(rejected(client.login(USER, &typed).unwrap()).contains("used before"));
    let wrong = format!("{PASSWORD}000000");
    assert!(rejected(client.login(USER, &wrong).unwrap()).contains("Wrong"));
    // The password alone: a passcode is asked for.
    let (message, state) = challenged(client.login(USER, PASSWORD).unwrap());
    assert_eq!(message, "Type a passcode.");
    assert_eq!(client.answer(USER, &next(), &state).unwrap(), Reply::Accept);
    let again = client.answer(USER, &next(), &state).unwrap();
    assert!(rejected(again).contains("over"), "a State was good twice");

    // Who does not know the secret, or shows nothing of it, hears nothing.
    let good = pap(USER, &format!("{PASSWORD}{}", next()));
    let stranger = scene.client("another-secret-of-24-bytes");
    let silence = stranger.ask(&good, "0.5", 1).unwrap().reply().unwrap();
    assert_eq!(silence, Reply::Silence);
    let bare = client.send("auth", &good, "0.5", 1).unwrap();
    assert_eq!(bare.reply().unwrap(), Reply::Silence);
    let said = scene.gateway.log();
    for why in ["wrong_message_authenticator", "no_message_authenticator"] {
        assert!(said.contains(why), "{why} is missing in {said}");
    }
    let status = "Message-Authenticator = 0x00";
    let alive = client.send("status", status, "30", 1).unwrap();
    assert_eq!(alive.reply().unwrap(), Reply::Accept);

    // Another secret, without a restart; then none.
    let rotated = scene
        .gateway
        .run(&["radius", "client", "rotate", "vpn"], "")
        .unwrap();
    let silence = client.ask(&good, "0.5", 1).unwrap().reply().unwrap();
    assert_eq!(silence, Reply::Silence);
    let client = scene.client(rotated.trim());
    assert_eq!(
        client.ask(&good, "30", 1).unwrap().reply().unwrap(),
        Reply::Accept
    );
    scene
        .gateway
        .run(&["radius", "client", "remove", "vpn"], "")
        .unwrap();
    let silence = client.ask(&good, "0.5", 1).unwrap().reply().unwrap();
    assert_eq!(silence, Reply::Silence);
    for text in [scene.gateway.log(), client_list(&scene)] {
        assert!(
            !text.contains(&secret) && !text.contains(rotated.trim()),
            "{text}"
        );
    }
}

fn client_list(scene: &Scene) -> String {
    let list = ["radius", "client", "list", "--json"];
    scene.gateway.run(&list, "").unwrap()
}

#[test]
fn an_empty_password_asks_the_desktop_of_a_client_that_may() {
    if !parts::are_there("radius::an_empty_password", &RADCLIENT) {
        return;
    }
    let mut scene = Scene::with_push("false");
    let client = scene.registered(&["--first-factor", "client", "--resource", "Office VPN"]);
    let asking = client.ask(&pap(USER, ""), "30", 1).unwrap();
    let request = scene.requests.pending().unwrap();
    assert_eq!(request.resource, "Office VPN");
    assert!(
        request.client_address.contains("through 127."),
        "{request:?}"
    );
    scene.stage.cli.ask(&["approve", &request.id]).unwrap();
    assert_eq!(asking.reply().unwrap(), Reply::Accept);
    let logged_in = [LoginRequestState::Approved, LoginRequestState::LoggedIn];
    scene.requests.wait(&logged_in).unwrap();

    let asking = client.ask(&pap(USER, "1"), "30", 1).unwrap();
    let request = scene.requests.pending().unwrap();
    scene.stage.cli.ask(&["deny", &request.id]).unwrap();
    assert!(rejected(asking.reply().unwrap()).contains("denied"));
}

#[test]
fn a_client_that_retries_asks_once() {
    if !parts::are_there("radius::a_client_that_retries", &RADCLIENT) {
        return;
    }
    let mut scene = Scene::with_push("false");
    let client = scene.registered(&[]);
    // Every fifth of a second the same packet again.
    let asking = client.ask(&pap(USER, PASSWORD), "0.2", 100).unwrap();
    let request = scene.requests.pending().unwrap();
    scene.stage.cli.ask(&["approve", &request.id]).unwrap();
    assert_eq!(asking.reply().unwrap(), Reply::Accept);
    assert_eq!(scene.opened(), 1);
}

#[test]
fn the_number_goes_from_the_client_to_the_desktop() {
    if !parts::are_there("radius::the_number", &RADCLIENT) {
        return;
    }
    let mut scene = Scene::with_push("true");
    let client = scene.registered(&[]);
    let (message, state) = challenged(client.login(USER, PASSWORD).unwrap());
    let request = scene.requests.pending().unwrap();
    let words = ["approve", &request.id, "--number", &number(&message)];
    scene.stage.cli.ask(&words).unwrap();
    assert_eq!(client.answer(USER, "", &state).unwrap(), Reply::Accept);
    assert!(rejected(client.answer(USER, "", &state).unwrap()).contains("over"));
}

#[test]
fn freeradius_hands_logins_on() {
    if !parts::are_there("radius::freeradius", &FREERADIUS) {
        return;
    }
    let mut scene = Scene::with_push("true");
    let secret = add_client(&scene.gateway, "proxy", &[]).unwrap();
    let proxy = Proxy::start(&scene.stage.workspace, scene.server, &secret).unwrap();
    let client = RadClient::new(&scene.stage.workspace, proxy.address(), PROXY_SECRET);
    let reply = client.login(USER, PASSWORD).unwrap();
    let (message, state) = challenged(reply);
    let request = scene.requests.pending().unwrap();
    let words = ["approve", &request.id, "--number", &number(&message)];
    scene.stage.cli.ask(&words).unwrap();
    assert_eq!(client.answer(USER, "", &state).unwrap(), Reply::Accept);

    let passcode = scene.stage.cli.ask(&["code", "Example"]).unwrap();
    let typed = client
        .login(USER, &format!("{PASSWORD}{passcode}"))
        .unwrap();
    // The push has used up this period's passcode.
    assert!(rejected(typed).contains("used before"), "{}", proxy.log());
}

#[test]
fn pam_logs_in_with_a_passcode_and_with_a_number() {
    if !parts::are_there("radius::pam", &PAM) {
        return;
    }
    let mut scene = Scene::with_push("true");
    // This module sends no Message-Authenticator before its version 3.
    let words = ["--message-authenticator", "optional"];
    let secret = add_client(&scene.gateway, "desk", &words).unwrap();
    let login = |options: &str, typed: &str| {
        PamLogin::begin(
            &scene.stage.workspace,
            scene.server,
            &secret,
            options,
            USER,
            typed,
        )
        .unwrap()
    };
    let pam = login("prompt_attribute", &format!("{PASSWORD}\n\n"));
    let said = pam.wait_for("press Enter").unwrap();
    let request = scene.requests.pending().unwrap();
    assert_eq!(request.resource, "desk");
    assert!(request.program.contains("desk"), "{request:?}");
    let words = ["approve", &request.id, "--number", &number(&said)];
    scene.stage.cli.ask(&words).unwrap();
    assert!(pam.is_in().unwrap());

    let pam = login("prompt_attribute", &format!("{PASSWORD}\n\n"));
    let request = scene.requests.pending().unwrap();
    scene.stage.cli.ask(&["deny", &request.id]).unwrap();
    assert!(!pam.is_in().unwrap());
}

#[test]
fn a_datagram_that_is_not_radius_ends_nothing() {
    if !parts::are_there("radius::a_datagram", &RADCLIENT) {
        return;
    }
    let scene = Scene::new("false", &["--mode", "event", "--push", "off"]);
    let client = scene.registered(&[]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for datagram in [&[][..], &[1], &[1; 19], &[0xff; 4096], &[1, 0, 0, 20]] {
        socket.send_to(datagram, scene.server).unwrap();
    }
    let passcode = scene.stage.cli.ask(&["next", "Example"]).unwrap();
    let typed = format!("{PASSWORD}{passcode}");
    assert_eq!(client.login(USER, &typed).unwrap(), Reply::Accept);
}
