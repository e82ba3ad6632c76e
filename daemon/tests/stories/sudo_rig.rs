//! A question of the PAM module, and what the module would make of the answer.

use countersign_core::{
    ids::LoginRequestId,
    signing,
    sudo::{AcceptedKey, AcceptedKeys, Approval, Finger, Least, check_approval, machine_name},
    token::VerificationLevel,
};
use countersign_proto::sudo::v1::{Approval as Signed, Ask, Challenge, Level, NumberMatching, Why};
use countersignd::{
    agent::{
        login_request::Standing,
        ports::{NoticeChoice, SudoWord},
        sudo_approval::SudoPending,
        sudo_key::SudoKeyRow,
    },
    hardening,
};
use prost::Message as _;

use crate::{outside::Done, pin_rig::giving, stage::Stage};

pub(crate) const PIN: &str = "314159";

/// An open vault with a sudo key, and a notification server.
pub(crate) async fn with_sudo_key() -> (Stage, SudoKeyRow) {
    let stage = Stage::enrolled().await;
    stage.outside.world.lock().unwrap().notification_server = Some("dunst".to_owned());
    let key = stage.agent.make_sudo_key(&giving(PIN)).await.unwrap();
    (stage, key)
}

pub(crate) fn challenge(stage: &Stage) -> Challenge {
    let now = stage.outside.world.lock().unwrap().wall.0;
    Challenge {
        version: 1,
        machine: machine_name(&hardening::machine_id().unwrap()).to_vec(),
        host: "laptop".to_owned(),
        service: "sudo".to_owned(),
        user: "alice".to_owned(),
        uid: 1000,
        ruid: 1000,
        terminal: "pts/3".to_owned(),
        remote_host: String::new(),
        pid: 4711,
        started: 1,
        command: b"sudo\0apt\0upgrade\0".to_vec(),
        nonce: vec![7; 32],
        issued_ms: now,
        expires_ms: now.saturating_add(30_000),
        matching: NumberMatching::Off.into(),
        least: Level::Finger.into(),
    }
}

pub(crate) fn ask(challenge: &Challenge, key: &SudoKeyRow) -> Ask {
    Ask {
        challenge: challenge.encode_to_vec(),
        keys: vec![vec![0; 32], key.fingerprint.as_bytes().to_vec()],
    }
}

pub(crate) async fn asked(stage: &mut Stage, ask: &Ask) -> SudoPending {
    let pending = stage.agent.ask_for_sudo(ask.clone()).await.unwrap();
    let id = pending.id;
    stage
        .until(|done| match done {
            Done::Asked(notice) if notice.id == id => Some(()),
            _ => None,
        })
        .await;
    pending
}

pub(crate) async fn refused(stage: &Stage, ask: Ask) -> Why {
    stage
        .agent
        .ask_for_sudo(ask)
        .await
        .map(|pending| pending.id)
        .unwrap_err()
}

/// What the module would make of the answer.
pub(crate) fn checked(
    word: SudoWord,
    ask: &Ask,
    key: &SudoKeyRow,
    least: Least,
) -> (
    VerificationLevel,
    Result<(), countersign_core::sudo::NotApproved>,
    String,
) {
    let SudoWord::Answer(answer) = word else {
        unreachable!("no answer: {word:?}");
    };
    let public = signing::public_from_sec1(&key.public).unwrap();
    let keys = AcceptedKeys::default()
        .with(AcceptedKey::new(public, least, Finger::NotAsked, "laptop"))
        .unwrap();
    let signed = Signed::decode(answer.approval.as_slice()).unwrap();
    let level = match signed.level() {
        Level::Tpm => VerificationLevel::Tpm,
        Level::Pin => VerificationLevel::Pin,
        Level::Finger => VerificationLevel::Finger,
        _ => VerificationLevel::Click,
    };
    let approval = Approval {
        signed: &answer.approval,
        signature: &answer.signature,
        challenge: &signed.challenge_sha256,
        key: &signed.key,
        number: &signed.number,
        level,
    };
    let verdict = check_approval(&approval, &ask.challenge, &keys, least, None).map(|_key| ());
    (level, verdict, signed.number)
}

/// The user's click in the notification.
pub(crate) fn clicks(stage: &Stage, id: LoginRequestId, choice: NoticeChoice) {
    let inputs = stage.inputs.clone();
    tokio::spawn(async move {
        inputs
            .send(countersignd::agent::ports::Input::Notice { id, choice })
            .await
    });
}

pub(crate) fn standing(stage: &Stage, id: LoginRequestId) -> Standing {
    stage.agent.login_request_view(id).unwrap().standing
}
