//! The administration pages, as a browser without scripts meets them.

use countersign_core::{
    pskc::{NumberMatching, PinPolicy},
    role::Role,
    token::PushPolicy,
};
use countersign_gateway::service::{PasscodeVerdict, Subject, TokenRules};
use http::{StatusCode, header};

use crate::{
    device::Device,
    stage::{Stage, USER, event, time},
    web::{Client, Reply},
};

/// Somebody with a role, and a token to log in with.
struct Desk {
    stage: Stage,
    client: Client,
    token: Device,
    next: u64,
}

const OPERATOR: &str = "olga";
const PASSWORD: &str = "battery staple";

impl Desk {
    async fn of(role: Role) -> Self {
        Self::with(Stage::new().await, role).await
    }

    async fn with(stage: Stage, role: Role) -> Self {
        let grace = stage.operator();
        grace.add_user(OPERATOR, PASSWORD.into()).await.unwrap();
        grace.give_role(OPERATOR, role).await.unwrap();
        let rules = TokenRules::new(event(), PinPolicy::None, PushPolicy::Off);
        let issued = grace.issue_token(OPERATOR, rules).await.unwrap();
        let token = Device::enroll(&stage, &issued.activation.to_text()).await;
        let token = token.unwrap();
        token.register(&stage).await.unwrap();
        let client = Client::new(&stage).await;
        Self {
            stage,
            client,
            token,
            next: 0,
        }
    }

    /// Password and the next passcode.
    async fn log_in(&mut self) -> Reply {
        let passcode = self.token.passcode(self.next);
        self.next = self.next.saturating_add(1);
        self.type_in(OPERATOR, PASSWORD, passcode.expose()).await
    }

    async fn type_in(&mut self, user: &str, password: &str, passcode: &str) -> Reply {
        let page = self.client.get("/admin/").await;
        let form_secret = page.hidden("form_secret");
        let fields = [
            ("form_secret", form_secret.as_str()),
            ("user", user),
            ("password", password),
            ("passcode", passcode),
        ];
        let reply = self.client.post("/admin/log-in", &fields).await;
        self.followed(reply).await
    }

    /// Sends a form of the page at `at`.
    async fn fill(&mut self, at: &str, to: &str, fields: &[(&str, &str)]) -> Reply {
        let page = self.client.get(at).await;
        let form_secret = page.hidden("form_secret");
        let mut all = vec![("form_secret", form_secret.as_str())];
        all.extend_from_slice(fields);
        let reply = self.client.post(to, &all).await;
        self.followed(reply).await
    }

    async fn followed(&mut self, reply: Reply) -> Reply {
        if reply.status == StatusCode::SEE_OTHER {
            let to = reply.headers[header::LOCATION].to_str().unwrap().to_owned();
            self.client.get(&to).await
        } else {
            reply
        }
    }

    async fn detail(&self, event: &str) -> String {
        let entries = self.stage.service.audit_after(0, 10_000).await.unwrap();
        let entry = entries.into_iter().rfind(|entry| entry.event == event);
        entry.unwrap().detail
    }
}

fn is_out(page: &Reply) -> bool {
    page.body.contains("name=\"password\"")
}

#[tokio::test]
async fn password_passcode_and_role_let_in_and_the_cookie_changes() {
    let mut desk = Desk::of(Role::Administrator).await;
    for path in [
        "/admin/users",
        "/admin/policies",
        "/admin/audit",
        "/admin/user?name=ada",
    ] {
        let page = desk.client.get(path).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{path}");
        assert!(page.body.is_empty());
    }
    assert!(is_out(&desk.client.get("/admin/").await));
    let before = desk.client.cookies().to_vec();
    let page = desk.log_in().await;
    assert!(page.body.contains("<h1>Users</h1>"), "{}", page.body);
    assert!(page.body.contains("olga · administrator"));
    assert_ne!(desk.client.cookies(), before.as_slice());
    assert!(
        desk.detail("operator_logged_in")
            .await
            .starts_with("as administrator, from 192.0.2.7")
    );
    // What the browser held before opens nothing.
    let mut thief = desk.client.other();
    thief.use_cookies(&before);
    assert_eq!(
        thief.get("/admin/users").await.status,
        StatusCode::SEE_OTHER
    );

    let inside = desk.client.cookies().to_vec();
    let page = desk.fill("/admin/users", "/admin/log-out", &[]).await;
    assert!(is_out(&page));
    thief.use_cookies(&inside);
    assert_eq!(
        thief.get("/admin/users").await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn what_was_wrong_is_not_told_and_guessing_is_slowed_down() {
    let mut desk = Desk::of(Role::Administrator).await;
    // Ada has a password and no role; a code of the helpdesk is no passcode here.
    let code = desk
        .stage
        .operator()
        .issue_helpdesk_code(OPERATOR, 15)
        .await;
    let code = code.unwrap().code;
    let right = desk.token.passcode(0);
    let mut told = Vec::new();
    for (user, password, passcode) in [
        (OPERATOR, "wrong", right.expose()),
        ("nobody", PASSWORD, right.expose()),
        (USER, "correct horse", right.expose()),
        (OPERATOR, PASSWORD, code.expose()),
        (OPERATOR, PASSWORD, "00000000"),
    ] {
        let page = desk.type_in(user, password, passcode).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{user} {passcode}");
        let (_, rest) = page.body.split_once("role=\"alert\">").unwrap();
        told.push(rest.split_once('<').unwrap().0.to_owned());
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(desk.stage.audited("operator_refused").await, 5);
    // The sixth from this address waits, though everything is right.
    let page = desk.log_in().await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    desk.stage.clock.advance_ms(60_000);
    let page = desk.log_in().await;
    assert!(page.body.contains("<h1>Users</h1>"), "{}", page.body);
}

#[tokio::test]
async fn a_session_ends_idle_after_a_day_and_with_the_role() {
    let mut desk = Desk::of(Role::Helpdesk).await;
    desk.log_in().await;
    desk.stage.clock.advance_ms(14 * 60_000);
    assert_eq!(desk.client.get("/admin/users").await.status, StatusCode::OK);
    desk.stage.clock.advance_ms(15 * 60_000);
    assert_eq!(
        desk.client.get("/admin/users").await.status,
        StatusCode::SEE_OTHER
    );
    desk.log_in().await;
    assert_eq!(desk.client.get("/admin/users").await.status, StatusCode::OK);
    desk.stage.operator().take_role(OPERATOR).await.unwrap();
    assert_eq!(
        desk.client.get("/admin/users").await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn a_form_from_elsewhere_or_without_its_secret_changes_nothing() {
    let mut desk = Desk::of(Role::Administrator).await;
    let device = desk.stage.device(time()).await;
    desk.log_in().await;
    let page = desk.client.get("/admin/user?name=ada").await;
    let form_secret = page.hidden("form_secret");
    let suspend = [("serial", device.serial()), ("do", "suspend")];
    let page = desk.client.post("/admin/token", &suspend).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let mut all = vec![("form_secret", form_secret.as_str())];
    all.extend_from_slice(&suspend);
    let mut elsewhere = desk.client.clone().with("sec-fetch-site", "same-site");
    let page = elsewhere.post("/admin/token", &all).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    // Nor the login form: nobody is logged in by another site.
    let page = desk.client.other().post("/admin/log-in", &all).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(desk.stage.audited("token_suspended").await, 0);
    let page = desk.client.post("/admin/token", &all).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(desk.stage.audited("token_suspended").await, 1);
    assert_eq!(desk.detail("token_suspended").await, "by olga");
}

#[tokio::test]
async fn a_helpdesk_helps_users_and_does_nothing_else() {
    let mut desk = Desk::of(Role::Helpdesk).await;
    let device = desk.stage.device(time()).await;
    let serial = device.serial().to_owned();
    desk.log_in().await;
    let user = "/admin/user?name=ada";
    let page = desk.client.get(user).await;
    assert!(page.body.contains("Suspend") && !page.body.contains("Revoke"));
    let order = |word: &'static str| [("serial", serial.as_str()), ("do", word)].to_vec();
    let page = desk.fill(user, "/admin/token", &order("suspend")).await;
    assert!(page.body.contains("is suspended."), "{}", page.body);
    let page = desk.fill(user, "/admin/token", &order("resume")).await;
    assert!(page.body.contains("goes on."));
    let page = desk.fill(user, "/admin/token", &order("revoke")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);

    let page = desk.fill(user, "/admin/code", &[("user", USER)]).await;
    let (_, rest) = page.body.split_once("<output class=\"long\">").unwrap();
    let code = rest.split_once('<').unwrap().0.to_owned();
    let subject = Subject::User(USER.to_owned());
    let verdict = desk.stage.check(subject, code.as_str(), None).await;
    assert_eq!(verdict, PasscodeVerdict::Accepted { serial: None });
    assert!(
        desk.detail("helpdesk_code_issued")
            .await
            .starts_with("by olga")
    );

    for path in ["/admin/policies", "/admin/policy", "/admin/audit"] {
        let page = desk.client.get(path).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
    }
    let policy = [
        ("do", "add"),
        ("name", "Mine"),
        ("hash", "sha1"),
        ("digits", "6"),
    ];
    let page = desk.fill(user, "/admin/policy", &policy).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let issue = [("user", USER), ("policy", "Staff")];
    let page = desk.fill(user, "/admin/issue", &issue).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(desk.stage.audited("token_revoked").await, 0);
    assert!(desk.stage.service.policies().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_helpdesk_cannot_become_an_administrator_by_helping_one() {
    let mut desk = Desk::of(Role::Helpdesk).await;
    let device = desk.stage.device(event()).await;
    desk.stage
        .operator()
        .give_role(USER, Role::Administrator)
        .await
        .unwrap();
    desk.log_in().await;
    let user = "/admin/user?name=ada";
    let page = desk.client.get(user).await;
    assert!(page.body.contains("Only administrators change accounts"));
    let page = desk.fill(user, "/admin/code", &[("user", USER)]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    for word in ["suspend", "unlock", "link"] {
        let order = [("serial", device.serial()), ("do", word)];
        let page = desk.fill(user, "/admin/token", &order).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{word}");
    }
    // Not their own account either.
    let own = desk.token.serial().to_owned();
    let order = [("serial", own.as_str()), ("do", "unlock")];
    let page = desk.fill(user, "/admin/token", &order).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(desk.stage.audited("helpdesk_code_issued").await, 0);
    assert_eq!(desk.stage.audited("token_suspended").await, 0);
}

#[tokio::test]
async fn an_auditor_reads_and_changes_nothing() {
    let mut desk = Desk::of(Role::Auditor).await;
    let device = desk.stage.device(time()).await;
    let page = desk.log_in().await;
    assert!(page.body.contains("<h1>Audit log</h1>"));
    assert!(page.body.contains("operator_logged_in"));
    let older = desk.client.get("/admin/audit?before=3").await;
    assert!(older.body.contains("gateway_initialised"));
    assert!(!older.body.contains("operator_logged_in"));
    let user = "/admin/user?name=ada";
    let page = desk.client.get(user).await;
    assert!(page.body.contains(device.serial()));
    assert!(!page.body.contains("/admin/token") && !page.body.contains("/admin/code"));
    let suspend = [("serial", device.serial()), ("do", "suspend")];
    let page = desk.fill(user, "/admin/token", &suspend).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let page = desk.fill(user, "/admin/code", &[("user", USER)]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(
        desk.client.get("/admin/policies").await.status,
        StatusCode::OK
    );
    assert_eq!(desk.stage.audited("token_suspended").await, 0);
}

#[tokio::test]
async fn an_administrator_makes_a_policy_issues_by_it_and_ends_a_token() {
    let mut desk = Desk::of(Role::Administrator).await;
    desk.log_in().await;
    let policy = [
        ("do", "add"),
        ("name", "Staff <b>"),
        ("level", "2"),
        ("mode", "time"),
        ("hash", "sha256"),
        ("digits", "8"),
        ("period", "60"),
        ("pin", "token"),
        ("pin_min", "6"),
        ("pin_max", "8"),
        ("pin_chars", "decimal"),
        ("pin_tries", "3"),
        ("biometric", "on"),
        ("push", "pin"),
        ("numbers", "on"),
    ];
    let page = desk.fill("/admin/policy", "/admin/policy", &policy).await;
    assert!(
        page.body.contains("Staff &lt;b&gt; is kept."),
        "{}",
        page.body
    );
    assert!(page.body.contains("TOTP SHA256, 8 digits, 60 s"));
    let kept = desk.stage.service.policy("Staff <b>").await.unwrap();
    assert_eq!(kept.rules.number_matching, NumberMatching::Required);
    // The form is filled with it, and says what is wrong.
    let at = "/admin/policy?name=Staff+%3Cb%3E";
    let page = desk.client.get(at).await;
    assert!(page.body.contains("value=\"60\"") && page.body.contains("value=\"sha256\" selected"));
    let mut greedy = policy.to_vec();
    greedy[0] = ("do", "change");
    greedy[11] = ("pin_tries", "21");
    let page = desk.fill(at, "/admin/policy", &greedy).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("a token PIN may be tried 1 to 20 times"));

    let user = "/admin/user?name=ada";
    let issue = [("user", USER), ("policy", "Staff <b>")];
    let page = desk.fill(user, "/admin/issue", &issue).await;
    assert!(page.body.contains("/enroll/link/"), "{}", page.body);
    assert!(
        desk.detail("token_issued")
            .await
            .starts_with("by olga: to ada by policy")
    );
    let tokens = desk
        .stage
        .service
        .tokens(Some(USER))
        .await
        .unwrap()
        .unwrap();
    let serial = tokens[0].serial.clone();
    let link = [("serial", serial.as_str()), ("do", "link")];
    let page = desk.fill(user, "/admin/token", &link).await;
    assert!(page.body.contains("It is not shown again"));
    let revoke = [("serial", serial.as_str()), ("do", "revoke")];
    let page = desk.fill(user, "/admin/token", &revoke).await;
    assert!(page.body.contains("is revoked"));
    // A link for what is ended is refused in words.
    let page = desk.fill(user, "/admin/token", &link).await;
    assert!(page.body.contains("cannot be enrolled again"));
    let remove = [("do", "remove"), ("name", "Staff <b>")];
    desk.fill("/admin/policy", "/admin/policy", &remove).await;
    assert!(desk.stage.service.policies().await.unwrap().is_empty());
    for (path, what) in [
        ("/admin/user?name=nobody", "There is no such user"),
        ("/admin/policy?name=nothing", "There is no such policy"),
    ] {
        let page = desk.client.get(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        assert!(page.body.contains(what));
    }
}

#[tokio::test]
async fn who_changes_too_fast_is_stopped() {
    let mut desk = Desk::of(Role::Helpdesk).await;
    desk.log_in().await;
    let page = desk.client.get("/admin/users").await;
    let form_secret = page.hidden("form_secret");
    let fields = [
        ("form_secret", form_secret.as_str()),
        ("serial", "none"),
        ("do", "suspend"),
    ];
    for _ in 0..30 {
        let page = desk.client.post("/admin/token", &fields).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
    }
    let page = desk.client.post("/admin/token", &fields).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn other_networks_and_a_gateway_without_it_show_nothing() {
    for (networks, enabled, status) in [
        (vec!["192.0.2.0/24"], true, StatusCode::OK),
        (vec!["10.0.0.0/8"], true, StatusCode::NOT_FOUND),
        (vec![], false, StatusCode::NOT_FOUND),
    ] {
        let stage = Stage::with(|config| {
            config.administration.enabled = enabled;
            config.administration.networks =
                networks.iter().map(|net| net.parse().unwrap()).collect();
        })
        .await;
        let mut client = Client::new(&stage).await;
        assert_eq!(client.get("/admin/").await.status, status);
        let post = client.post("/admin/log-in", &[]).await;
        let refused = [
            StatusCode::FORBIDDEN,
            StatusCode::NOT_FOUND,
            StatusCode::METHOD_NOT_ALLOWED,
        ];
        assert!(refused.contains(&post.status));
    }
}
