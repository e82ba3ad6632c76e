//! Which fronts are let in at the HTTP API.

use countersign_gateway::service::Service;
use http::Method;

use crate::{
    stage::{Stage, USER},
    web::Client,
};

async fn front(service: &Service) -> String {
    let key = service
        .operator("grace")
        .add_front("vpn", true)
        .await
        .unwrap();
    key.expose().to_owned()
}

async fn ticket(client: &Client, key: &str) -> String {
    let fields = [("username", "vpn"), ("password", key)];
    let reply = client.other().post("/auth", &fields).await;
    let json = reply.json();
    assert_eq!(json["result"]["status"], true);
    assert_eq!(json["jsonrpc"], "2.0");
    assert_eq!(json["result"]["value"]["username"], "vpn");
    json["result"]["value"]["token"]
        .as_str()
        .unwrap()
        .to_owned()
}

const CHECK: [(&str, &str); 2] = [("user", USER), ("pass", "000000")];

#[tokio::test]
async fn a_front_says_who_it_is_in_five_ways() {
    let stage = Stage::new().await;
    let key = front(&stage.service).await;
    let client = Client::new(&stage).await;
    let ticket = ticket(&client, &key).await;
    for mut front in [
        client.other().with("authorization", &key),
        client
            .other()
            .with("authorization", &format!("Bearer {key}")),
        client.other().with("authorization", &ticket),
        client
            .other()
            .with("authorization", &format!("bearer {ticket}")),
        client.other().with_basic("vpn", &key),
    ] {
        let reply = front.post("/validate/check", &CHECK).await;
        assert_eq!(reply.said().0, "REJECT", "{reply:?}");
        assert_eq!(reply.headers["cache-control"], "no-store");
    }
    let in_path = format!("/front/{key}/validate/check");
    let reply = client.other().post(&in_path, &CHECK).await;
    assert_eq!(reply.said().0, "REJECT");
    let in_path = format!("/front/{key}/validate/polltransaction/abc");
    let reply = client.other().get(&in_path).await;
    assert_eq!(reply.json()["detail"]["challenge_status"], "pending");
}

#[tokio::test]
async fn nobody_else_is_answered() {
    let stage = Stage::new().await;
    let key = front(&stage.service).await;
    let client = Client::new(&stage).await;
    for (path, method) in [
        ("/validate/check", Method::POST),
        ("/validate/check", Method::GET),
        ("/validate/triggerchallenge", Method::POST),
        ("/validate/polltransaction", Method::GET),
        ("/validate/polltransaction/abc", Method::GET),
    ] {
        let reply = client.other().send(method, path, None, String::new()).await;
        assert_eq!(reply.code(), (401, 4033), "{path}");
        assert!(reply.headers.contains_key("www-authenticate"));
    }
    for (mut front, code) in [
        (client.other().with("authorization", "csfront_wrong"), 4031),
        (client.other().with("authorization", "Digest x"), 4031),
        (client.other().with("authorization", "Basic !"), 4031),
        (client.other().with_basic("portal", &key), 4031),
        (client.other().with("authorization", "a.b.c"), 4304),
        (client.other().with("authorization", "Bearer a.b.c"), 4304),
    ] {
        let reply = front.post("/validate/check", &CHECK).await;
        assert_eq!(reply.code(), (401, code));
        assert_eq!(reply.json()["result"]["status"], false);
    }
    let wrong_path = "/front/csfront_wrong/validate/check";
    let reply = client.other().post(wrong_path, &CHECK).await;
    assert_eq!(reply.code(), (401, 4031));
    // A credential that is sent is the one that counts.
    let both = format!("/front/{key}/validate/check");
    let mut front = client.other().with("authorization", "csfront_wrong");
    assert_eq!(front.post(&both, &CHECK).await.code(), (401, 4031));
}

#[tokio::test]
async fn auth_wants_both_fields_and_the_right_ones() {
    let stage = Stage::new().await;
    let key = front(&stage.service).await;
    let mut client = Client::new(&stage).await;
    let wrong = [("username", "vpn"), ("password", "csfront_x")];
    assert_eq!(client.post("/auth", &wrong).await.code(), (401, 4031));
    let other = [("username", "portal"), ("password", key.as_str())];
    assert_eq!(client.post("/auth", &other).await.code(), (401, 4031));
    for half in [("username", "vpn"), ("password", key.as_str())] {
        assert_eq!(client.post("/auth", &[half]).await.code(), (400, 905));
    }
    let json = format!(r#"{{"username":"vpn","password":"{key}"}}"#);
    let media = Some("application/json; charset=utf-8");
    let reply = client.send(Method::POST, "/auth", media, json).await;
    assert_eq!(reply.json()["result"]["value"]["role"], "front");
}

#[tokio::test]
async fn a_ticket_ends_with_its_hour_its_front_and_its_gateway() {
    let stage = Stage::new().await;
    let key = front(&stage.service).await;
    let client = Client::new(&stage).await;
    let first = ticket(&client, &key).await;
    let other_gateway = Stage::new().await;
    let foreign_key = front(&other_gateway.service).await;
    let foreign = ticket(&Client::new(&other_gateway).await, &foreign_key).await;
    let check = async |ticket: &str| {
        let mut front = client.other().with("authorization", ticket);
        front.post("/validate/check", &CHECK).await
    };
    assert_eq!(check(&foreign).await.code(), (401, 4304));
    stage.clock.advance_ms(3_599_000);
    assert_eq!(check(&first).await.status, 200);
    stage.clock.advance_ms(1_000);
    assert_eq!(check(&first).await.code(), (401, 4305));

    let second = ticket(&client, &key).await;
    assert_eq!(check(&second).await.status, 200);
    // A later process of the same gateway still knows it.
    let stage = stage.restarted().await;
    let mut later = Client::new(&stage).await.with("authorization", &second);
    assert_eq!(later.post("/validate/check", &CHECK).await.status, 200);
    stage.operator().remove_front("vpn").await.unwrap();
    assert_eq!(
        later.post("/validate/check", &CHECK).await.code(),
        (401, 4304)
    );
    stage.clock.advance_ms(1);
    stage.operator().add_front("vpn", true).await.unwrap();
    assert_eq!(
        later.post("/validate/check", &CHECK).await.code(),
        (401, 4304)
    );
}

#[tokio::test]
async fn what_is_too_much_or_no_form_is_refused() {
    let stage = Stage::new().await;
    let key = front(&stage.service).await;
    let mut client = Client::new(&stage).await.with("authorization", &key);
    let check = "/validate/check";
    let crowd: Vec<String> = (0..70).map(|n| format!("a{n}=1")).collect();
    let crowd = format!("user=ada&pass=1&{}", crowd.join("&"));
    for (media, body, code) in [
        ("application/json", "[1]".to_owned(), (400, 905)),
        ("application/json", "{".to_owned(), (400, 905)),
        ("text/plain", "user=ada&pass=1".to_owned(), (400, 905)),
        (crate::web::FORM, "pass=1".to_owned(), (400, 905)),
        (crate::web::FORM, "user=ada".to_owned(), (400, 905)),
        (
            crate::web::FORM,
            "user=ada&serial=x&pass=1".to_owned(),
            (400, 905),
        ),
        (
            crate::web::FORM,
            format!("pass=1&user={}", "x".repeat(600)),
            (400, 905),
        ),
        (crate::web::FORM, crowd, (400, 905)),
        (
            crate::web::FORM,
            format!("user=ada&pass={}", "1".repeat(70_000)),
            (413, 905),
        ),
    ] {
        let reply = client.send(Method::POST, check, Some(media), body).await;
        assert_eq!(reply.code(), code);
    }
}

#[tokio::test]
async fn health_is_told_to_everybody() {
    let stage = Stage::new().await;
    let mut client = Client::new(&stage).await;
    let ready = client.get("/healthz/readyz").await;
    assert_eq!(ready.json()["result"]["value"]["status"], "ready");
    let live = client.get("/healthz/livez").await;
    assert_eq!(live.json()["result"]["value"]["status"], "OK");
}
