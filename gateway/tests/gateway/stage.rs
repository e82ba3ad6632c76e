//! A gateway in a folder of its own, with a clock that the test moves.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::{
    otp::{Digits, HashAlgorithm, OtpMode, Period},
    pskc::PinPolicy,
    secret::SecretText,
    time::UnixMillis,
    token::{PushPolicy, VerificationLevel},
};
use countersign_gateway::{
    clock::Clock,
    service::{
        FrontCredential, FrontId, LoginState, OpenLogin, OpenLoginError, OpenedLogin, Operator,
        PasscodeAttempt, PasscodeVerdict, Service, Subject, TokenRules,
    },
    settings::Config,
};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::device::Device;

/// What takes longer than this in a test does not come.
pub(crate) const DEADLINE: core::time::Duration = core::time::Duration::from_mins(1);
pub(crate) const USER: &str = "ada";
pub(crate) const RESOURCE: &str = "payroll";
pub(crate) const ADDRESS: &str = "192.0.2.7";

/// A clock that stands until the test moves it.
pub(crate) struct TestClock(watch::Sender<UnixMillis>);

impl TestClock {
    pub(crate) fn advance_ms(&self, by: i64) {
        self.0.send_modify(|now| *now = now.plus_ms(by));
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> UnixMillis {
        *self.0.borrow()
    }

    async fn sleep_until(&self, at: UnixMillis) {
        let mut now = self.0.subscribe();
        now.wait_for(|now| *now >= at).await.unwrap();
    }
}

pub(crate) struct Stage {
    pub(crate) service: Service,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) front: FrontId,
    pub(crate) folder: TempDir,
    _timer: Timer,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(|_config| {}).await
    }

    /// A gateway whose settings were edited between `init` and `serve`.
    pub(crate) async fn with(edit: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::new("Example", "127.0.0.1:8443".parse().unwrap(), None).unwrap();
        edit(&mut config);
        Service::init(folder.path(), &config).await.unwrap();
        let clock = Arc::new(TestClock(watch::channel(UnixMillis(1_800_000_000_000)).0));
        let service = Service::open_with(folder.path(), port(&clock))
            .await
            .unwrap();
        service
            .operator("grace")
            .add_user(USER, "correct horse".into())
            .await
            .unwrap();
        let key = service
            .operator("grace")
            .add_front("portal", true)
            .await
            .unwrap();
        let front = service
            .authenticate_front(FrontCredential::Key(key))
            .await
            .unwrap()
            .id;
        let timer = Timer::run(&service);
        Self {
            service,
            clock,
            front,
            folder,
            _timer: timer,
        }
    }

    /// The same folder in a new process.
    pub(crate) async fn restarted(self) -> Self {
        let service = Service::open_with(self.folder.path(), port(&self.clock))
            .await
            .unwrap();
        let timer = Timer::run(&service);
        Self {
            service,
            _timer: timer,
            clock: self.clock,
            front: self.front,
            folder: self.folder,
        }
    }

    /// Grace, who administers the gateway.
    pub(crate) fn operator(&self) -> Operator {
        self.service.operator("grace")
    }

    /// Issues a token and returns its activation string.
    pub(crate) async fn issue(&self, mode: OtpMode, push: PushPolicy) -> SecretText {
        self.issue_with_pin(mode, push, PinPolicy::None).await
    }

    pub(crate) async fn issue_with_pin(
        &self,
        mode: OtpMode,
        push: PushPolicy,
        pin: PinPolicy,
    ) -> SecretText {
        let rules = TokenRules::new(mode, pin, push);
        let issued = self.operator().issue_token(USER, rules).await.unwrap();
        issued.activation.to_text()
    }

    /// A device with one token of the user, enrolled and registered.
    pub(crate) async fn device(&self, mode: OtpMode) -> Device {
        self.device_with(mode, PushPolicy::Allowed(VerificationLevel::Pin))
            .await
    }

    pub(crate) async fn device_with(&self, mode: OtpMode, push: PushPolicy) -> Device {
        let activation = self.issue(mode, push).await;
        let device = Device::enroll(self, &activation).await.unwrap();
        device.register(self).await.unwrap();
        device
    }

    /// A device with one token whose PIN the gateway checks or computes with.
    pub(crate) async fn device_with_pin(
        &self,
        mode: OtpMode,
        policy: PinPolicy,
        pin: &str,
    ) -> Device {
        let push = PushPolicy::Allowed(VerificationLevel::Pin);
        let activation = self.issue_with_pin(mode, push, policy).await;
        let mut device = Device::enroll(self, &activation).await.unwrap();
        pin.clone_into(&mut device.pin);
        device.register(self).await.unwrap();
        device
    }

    pub(crate) fn attempt(&self) -> OpenLogin {
        OpenLogin {
            front: self.front,
            user: USER.to_owned(),
            resource: RESOURCE.to_owned(),
            client_address: ADDRESS.to_owned(),
            program: "a browser".to_owned(),
            idempotency_key: None,
        }
    }

    pub(crate) async fn open(&self) -> Result<OpenedLogin, OpenLoginError> {
        self.service.open_login(self.attempt()).await
    }

    /// A passcode that is typed where [`Stage::attempt`] comes from.
    pub(crate) fn typed(
        &self,
        subject: Subject,
        passcode: impl Into<SecretText>,
        transaction_id: Option<String>,
    ) -> PasscodeAttempt {
        PasscodeAttempt {
            front: self.front,
            subject,
            passcode: passcode.into(),
            transaction_id,
            client_address: ADDRESS.to_owned(),
        }
    }

    /// What such a passcode comes to.
    pub(crate) async fn check(
        &self,
        subject: Subject,
        passcode: impl Into<SecretText>,
        transaction_id: Option<String>,
    ) -> PasscodeVerdict {
        let attempt = self.typed(subject, passcode, transaction_id);
        self.service.check_passcode(attempt).await.unwrap()
    }

    pub(crate) async fn state(&self, transaction_id: &str) -> LoginState {
        self.service
            .login(self.front, transaction_id)
            .await
            .unwrap()
            .state
    }

    /// Waits for the end of a pending login.
    pub(crate) async fn ended(&self, transaction_id: &str) -> LoginState {
        let forever = UnixMillis(i64::MAX);
        let view = self
            .service
            .wait_login(self.front, transaction_id, forever)
            .await;
        view.unwrap().state
    }

    pub(crate) async fn audited(&self, event: &str) -> usize {
        let entries = self.service.audit_after(0, 10_000).await.unwrap();
        entries.iter().filter(|entry| entry.event == event).count()
    }
}

/// The clock as the gateway takes it.
fn port(clock: &Arc<TestClock>) -> Arc<dyn Clock> {
    let clock: Arc<TestClock> = Arc::clone(clock);
    clock
}

/// The gateway's timer; stops with the stage.
struct Timer(tokio::task::JoinHandle<()>);

impl Timer {
    fn run(service: &Service) -> Self {
        let service = service.clone();
        Self(tokio::spawn(async move { service.keep_deadlines().await }))
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) fn time() -> OtpMode {
    OtpMode::Time {
        hash: HashAlgorithm::Sha1,
        digits: Digits::SIX,
        period: Period::THIRTY,
    }
}

pub(crate) fn event() -> OtpMode {
    OtpMode::Event {
        hash: HashAlgorithm::Sha256,
        digits: Digits::EIGHT,
    }
}

pub(crate) fn challenge() -> OtpMode {
    OtpMode::Challenge {
        suite: "OCRA-1:HOTP-SHA1-6:QN08".parse().unwrap(),
    }
}

/// A suite that takes the PIN in.
pub(crate) fn challenge_with_pin() -> OtpMode {
    OtpMode::Challenge {
        suite: "OCRA-1:HOTP-SHA1-6:QN08-PSHA1".parse().unwrap(),
    }
}
