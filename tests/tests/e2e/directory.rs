//! Users from a real directory, read by the real gateway's command over `StartTLS`.

use std::{collections::HashMap, fs, os::unix::fs::PermissionsExt as _};

use countersign_gateway::service::{PasswordVerdict, Service};
use countersign_tests::{
    Workspace, block_on,
    gateway::GatewayProcess,
    parts,
    slapd::{PEOPLE, READER, SLAPD, Slapd},
};
use serde_json::Value;

fn effects(said: &str) -> HashMap<String, String> {
    let said: Value = serde_json::from_str(said).unwrap();
    let users = said["users"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    users
        .iter()
        .map(|user| (text(&user["user"]), text(&user["effect"])))
        .collect()
}

fn check(gateway: &GatewayProcess, user: &str, password: &str) -> PasswordVerdict {
    block_on(async {
        let service = Service::open(gateway.data()).await.unwrap();
        service.check_password(user, password.into()).await.unwrap()
    })
}

#[test]
fn users_come_from_a_directory_and_log_in_with_its_passwords() {
    if !parts::are_there("directory::users", &SLAPD) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    // More than a page of them.
    let crowd: Vec<String> = (0..700).map(|n| format!("user{n}")).collect();
    let mut people: Vec<[&str; 4]> = crowd
        .iter()
        .map(|user| [user.as_str(), "One of Many", "", ""])
        .collect();
    people.push(["ada", "Ada Lovelace", "ada@example.org", "ada's secret"]);
    people.push(["bob", "Bob", "bob@example.org", "bob's secret"]);
    people.push(["mallory", "Mallory", "a@b,c@d", ""]);
    let slapd = Slapd::start(&workspace, &people).unwrap();

    let gateway = GatewayProcess::init(&workspace).unwrap();
    gateway.add_user("local", "a password").unwrap();
    let secret = workspace.join("reader");
    fs::write(&secret, format!("{}\n", READER.1)).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    for line in [
        format!("url = \"{}\"", slapd.url()),
        format!("base = \"{PEOPLE}\""),
        format!("bind_dn = \"{}\"", READER.0),
        format!("bind_password_file = \"{}\"", secret.display()),
        "check_passwords = true".to_owned(),
    ] {
        gateway.configure("ldap", &line).unwrap();
    }
    // Nobody vouches for the directory: it is not believed, and hears no password.
    let refused = gateway.run(&["user", "sync-ldap"], "").unwrap_err();
    assert!(refused.to_string().contains("certificate"), "{refused}");
    let line = format!("ca_file = \"{}\"", slapd.certificate().display());
    gateway.configure("ldap", &line).unwrap();

    let said = gateway.run(&["user", "sync-ldap", "--dry-run", "--json"], "");
    let would = effects(&said.unwrap());
    assert_eq!(would.len(), 702);
    assert_eq!(would["ada"], "new");
    assert!(!would.contains_key("mallory"), "her address is two");
    let said = gateway.run(&["user", "list", "--json"], "").unwrap();
    assert!(!said.contains("\"ada\""));
    gateway.run(&["user", "sync-ldap"], "").unwrap();
    let said = gateway.run(&["user", "list", "--json"], "").unwrap();
    assert!(said.contains("ada@example.org") && said.contains("\"local\""));

    assert_eq!(
        check(&gateway, "ada", "ada's secret"),
        PasswordVerdict::Right
    );
    assert_eq!(
        check(&gateway, "local", "a password"),
        PasswordVerdict::Right
    );
    // A bind without a password would succeed; another's password does not.
    for (user, password) in [("ada", ""), ("ada", "bob's secret"), ("user1", "")] {
        let verdict = check(&gateway, user, password);
        assert_eq!(verdict, PasswordVerdict::Wrong, "{user}");
    }

    slapd.remove("bob").unwrap();
    let said = gateway.run(&["user", "sync-ldap", "--suspend-gone", "--json"], "");
    let now = effects(&said.unwrap());
    assert_eq!((now["ada"].as_str(), now["bob"].as_str()), ("same", "gone"));
    assert_eq!(
        check(&gateway, "bob", "bob's secret"),
        PasswordVerdict::Wrong
    );

    // Away: nobody is let in by it, and the gateway's own still are.
    slapd.stop().unwrap();
    assert_eq!(
        check(&gateway, "ada", "ada's secret"),
        PasswordVerdict::Wrong
    );
    assert_eq!(
        check(&gateway, "local", "a password"),
        PasswordVerdict::Right
    );
    let refused = gateway.run(&["user", "sync-ldap"], "").unwrap_err();
    assert!(
        refused.to_string().contains("the directory at ldap://"),
        "{refused}"
    );
}
