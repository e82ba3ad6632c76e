//! Import and export: what is stored of files, and what leaves the vault.

use core::time::Duration;

use countersign_core::{
    export::ExportFormat,
    pskc::{BiometricPin, PinPolicy},
    secret::SecretBytes,
    token::PushPolicy,
};
use countersign_proto::agent::v1::Reason;
use countersignd::{
    agent::{
        caller::Caller,
        explain::Explain as _,
        export::{ExportStoryError, Exported},
        import::{ImportId, ImportPreview, ImportStoryError, Stored, Verdict},
        passcode::PasscodeWish,
        unlocking::UnlockWish,
    },
    vault::EventKind,
};

use crate::{
    pin_rig::{AGENT_PIN, PIN, TIME, giving, nobody, pin_policy, with_agent_pin, with_token_pin},
    stage::Stage,
};

const LINKS: &str = "otpauth://totp/Bank:alice?secret=JBSWY3DPEHPK3PXP\n\
    otpauth://hotp/Mail:alice?secret=KRUGKIDROVUWG2ZAMJZG653OEBTG66BA&counter=5\n\
    otpauth://totp/Bank:alice?secret=JBSWY3DPEHPK3PXP\n\
    otpauth://totp/Bank:alice?secret=NBSWY3DPO5XXE3DE\n\
    otpauth://steam/Games:bob?secret=JBSWY3DPEHPK3PXP\n";
const GUARDED: &str = "otpauth://totp/Guarded:alice?secret=GEZDGNBVGY3TQOJQ&pin=True\n";
const PASSPHRASE: &str = "a long passphrase";

async fn preview(stage: &Stage, text: &str) -> ImportPreview {
    let files = vec![SecretBytes::from(text.as_bytes())];
    let preview = stage.agent.preview_import(files, None, &nobody()).await;
    preview.unwrap()
}

async fn store(stage: &Stage, id: ImportId, places: &[usize]) -> Result<Stored, ImportStoryError> {
    stage.agent.store_import(id, places, &nobody()).await
}

async fn export(
    stage: &Stage,
    format: ExportFormat,
    tokens: &[&str],
    caller: &Caller,
) -> Result<Exported, ExportStoryError> {
    let tokens: Vec<_> = tokens.iter().map(|token| (*token).to_owned()).collect();
    let passphrase = match format {
        ExportFormat::UriList => None,
        ExportFormat::Encrypted | ExportFormat::Pskc => {
            Some(SecretBytes::from(PASSPHRASE.as_bytes()))
        }
    };
    stage
        .agent
        .export(format, &tokens, passphrase, caller)
        .await
}

async fn names(stage: &Stage) -> Vec<String> {
    let tokens = stage.agent.tokens().await.unwrap();
    tokens.into_iter().map(|token| token.name).collect()
}

fn verdicts(preview: &ImportPreview) -> Vec<Verdict> {
    preview.entries.iter().map(|entry| entry.verdict).collect()
}

/// A vault that opens with the session, with two imported tokens.
async fn with_imported() -> Stage {
    let stage = Stage::enrolled().await;
    let id = preview(&stage, LINKS).await.id;
    store(&stage, id, &[1, 2]).await.unwrap();
    stage
}

#[tokio::test]
async fn a_preview_says_what_would_come_of_each_entry_and_stores_nothing() {
    use Verdict::{Conflict, Known, New, Refused};
    let stage = Stage::enrolled().await;
    let shown = preview(&stage, LINKS).await;
    assert_eq!(shown.formats, ["a list of links"]);
    assert_eq!(verdicts(&shown), [New, New, Known, New, Refused]);
    let named: Vec<_> = shown
        .entries
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(named, ["Bank alice", "Mail alice", "", "Bank alice 2", ""]);
    assert_eq!(shown.entries[2].why, "it is the same as entry 1");
    assert!(shown.entries[4].why.contains("Steam Guard"));
    assert_eq!(names(&stage).await, ["work"]);

    let stored = store(&stage, shown.id, &[1, 2]).await.unwrap();
    assert_eq!((stored.count, stored.vault_created), (2, false));
    assert_eq!(names(&stage).await, ["work", "Bank alice", "Mail alice"]);
    let events = stage.agent.events(2).await.unwrap();
    for (event, name) in events.iter().zip(["Mail alice", "Bank alice"]) {
        assert_eq!(
            (event.kind, event.token.as_str()),
            (EventKind::Enrolled, name)
        );
        assert_eq!(event.detail, "imported: a list of links");
    }
    let next = stage
        .agent
        .generate_passcode("Mail alice", PasscodeWish::Next, None, &nobody())
        .await;
    assert_eq!(next.unwrap().typed.expose(), "392452");

    // Once more: what is there is known, another secret under the same names is in conflict.
    let shown = preview(&stage, LINKS).await;
    assert_eq!(verdicts(&shown), [Known, Known, Known, Conflict, Refused]);
    assert_eq!(shown.entries[0].why, "it is the token Bank alice");
    assert_eq!(
        shown.entries[3].why,
        "beside the token Bank alice, it has the same names and another secret"
    );
    store(&stage, shown.id, &[4]).await.unwrap();
    assert_eq!(names(&stage).await.last().unwrap(), "Bank alice 2");
}

#[tokio::test]
async fn an_import_makes_the_vault_where_there_is_none() {
    let stage = Stage::bare().await;
    let id = preview(&stage, LINKS).await.id;
    let stored = store(&stage, id, &[2]).await.unwrap();
    assert_eq!((stored.count, stored.vault_created), (1, true));
}

#[tokio::test]
async fn only_what_was_shown_is_stored() {
    let stage = Stage::enrolled().await;
    let shown = preview(&stage, LINKS).await;
    for (places, reason) in [
        ([0].as_slice(), Reason::Usage),
        (&[5], Reason::Usage),
        (&[6], Reason::Usage),
        (&[1, 5], Reason::Usage),
        (&[], Reason::Usage),
    ] {
        let refused = store(&stage, shown.id, places).await.unwrap_err();
        assert_eq!(refused.reason(), reason, "{places:?}");
    }
    let other = store(&stage, ImportId([0; 16]), &[1]).await.unwrap_err();
    assert_eq!(other.reason(), Reason::ImportGone);
    assert_eq!(names(&stage).await, ["work"]);
    // A later preview takes the place of the one before.
    preview(&stage, LINKS).await;
    let gone = store(&stage, shown.id, &[1]).await.unwrap_err();
    assert_eq!(gone.reason(), Reason::ImportGone);
}

#[tokio::test]
async fn a_preview_waits_ten_minutes_and_no_longer_than_the_vault_is_open() {
    let stage = Stage::enrolled().await;
    let id = preview(&stage, LINKS).await.id;
    stage.outside.pass(Duration::from_mins(10));
    let gone = store(&stage, id, &[1]).await.unwrap_err();
    assert_eq!(gone.reason(), Reason::ImportGone);

    let id = preview(&stage, LINKS).await.id;
    stage.agent.lock().await;
    stage
        .agent
        .unlock(UnlockWish::default(), &nobody())
        .await
        .unwrap();
    let gone = store(&stage, id, &[1]).await.unwrap_err();
    assert_eq!(gone.reason(), Reason::ImportGone);
}

#[tokio::test]
async fn a_token_whose_issuer_asks_for_a_pin_gets_one_or_nothing_is_stored() {
    let stage = Stage::enrolled().await;
    let shown = preview(&stage, &format!("{LINKS}{GUARDED}")).await;
    assert!(shown.entries[5].chooses_pin);
    // Nobody is at the screen: neither this one nor its neighbour is stored.
    let refused = store(&stage, shown.id, &[1, 6]).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::PinRequired);
    assert_eq!(names(&stage).await, ["work"]);
    stage.outside.types(&[PIN]);
    store(&stage, shown.id, &[1, 6]).await.unwrap();
    assert_eq!(names(&stage).await, ["work", "Bank alice", "Guarded alice"]);
    let code = |caller| {
        let agent = &stage.agent;
        async move {
            agent
                .generate_passcode("Guarded alice", PasscodeWish::Current, None, &caller)
                .await
        }
    };
    assert_eq!(
        code(giving("135791")).await.unwrap_err().reason(),
        Reason::PinWrong
    );
    code(giving(PIN)).await.unwrap();
}

#[tokio::test]
async fn files_that_cannot_be_read_say_why() {
    let stage = Stage::enrolled().await;
    let sealed = include_bytes!("../../../core/tests/import/2fas-encrypted.2fas");
    let read = |file: &[u8], passphrase: Option<&str>| {
        let files = vec![SecretBytes::from(file)];
        let passphrase = passphrase.map(|text| SecretBytes::from(text.as_bytes()));
        let agent = &stage.agent;
        async move { agent.preview_import(files, passphrase, &nobody()).await }
    };
    for (file, passphrase, reason) in [
        (b"nothing".as_slice(), None, Reason::ImportInvalid),
        (sealed, None, Reason::FilePassphraseRequired),
        (sealed, Some("wrong"), Reason::FilePassphraseWrong),
    ] {
        let refused = read(file, passphrase).await.unwrap_err();
        assert_eq!(refused.reason(), reason);
    }
    let opened = read(sealed, Some("correct horse battery staple")).await;
    assert_eq!(opened.unwrap().entries.len(), 4);
}

#[tokio::test]
async fn an_organisations_token_does_not_leave_in_any_form() {
    let stage = with_imported().await;
    for format in [
        ExportFormat::Encrypted,
        ExportFormat::Pskc,
        ExportFormat::UriList,
    ] {
        let refused = export(&stage, format, &["work"], &nobody())
            .await
            .unwrap_err();
        assert_eq!(refused.reason(), Reason::ExportRefused, "{format}");
        let exported = export(&stage, format, &[], &nobody()).await.unwrap();
        assert_eq!(exported.tokens, 2);
        assert_eq!(
            exported.left_out,
            ["The policy of work does not let it leave."]
        );
        let text = exported.file.as_text().unwrap();
        assert!(!text.contains("CS1"), "{format}");
    }
    let events = stage.agent.events(2).await.unwrap();
    assert_eq!(events[0].kind, EventKind::Exported);
    assert_eq!(events[0].detail, "as plain links");
}

#[tokio::test]
async fn what_was_exported_comes_back_with_its_counter() {
    let stage = with_imported().await;
    stage
        .agent
        .generate_passcode("Mail alice", PasscodeWish::Next, None, &nobody())
        .await
        .unwrap();
    for format in [ExportFormat::Encrypted, ExportFormat::Pskc] {
        let file = export(&stage, format, &[], &nobody()).await.unwrap().file;
        assert!(!file.as_text().unwrap().contains("JBSWY3DPEHPK3PXP"));
        let other = Stage::bare().await;
        let passphrase = SecretBytes::from(PASSPHRASE.as_bytes());
        let shown = other
            .agent
            .preview_import(vec![file], Some(passphrase), &nobody())
            .await
            .unwrap();
        assert_eq!(verdicts(&shown), [Verdict::New, Verdict::New], "{format}");
        store(&other, shown.id, &[1, 2]).await.unwrap();
        assert_eq!(names(&other).await, ["Bank alice", "Mail alice"]);
        let next = other
            .agent
            .generate_passcode("Mail alice", PasscodeWish::Next, None, &nobody())
            .await;
        assert_eq!(next.unwrap().typed.expose(), "953041", "{format}");
    }
}

#[tokio::test]
async fn a_short_passphrase_protects_no_file() {
    let stage = with_imported().await;
    for (format, passphrase, reason) in [
        (
            ExportFormat::Encrypted,
            None,
            Reason::FilePassphraseRequired,
        ),
        (
            ExportFormat::Encrypted,
            Some("1234567"),
            Reason::FilePassphraseRequired,
        ),
        (
            ExportFormat::Pskc,
            Some("1234567"),
            Reason::FilePassphraseRequired,
        ),
        (ExportFormat::UriList, Some("12345678"), Reason::Usage),
    ] {
        let passphrase = passphrase.map(|text| SecretBytes::from(text.as_bytes()));
        let refused = stage.agent.export(format, &[], passphrase, &nobody()).await;
        assert_eq!(refused.unwrap_err().reason(), reason);
    }
}

#[tokio::test]
async fn the_vaults_pin_is_asked_for_before_anything_leaves() {
    let stage = with_agent_pin().await;
    let id = preview(&stage, LINKS).await.id;
    store(&stage, id, &[1]).await.unwrap();
    let links = ExportFormat::UriList;
    let refused = export(&stage, links, &[], &nobody()).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::PinRequired);
    let wrong = giving("not my pin");
    let refused = export(&stage, links, &[], &wrong).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::WrongPassphrase);
    export(&stage, links, &[], &giving(AGENT_PIN))
        .await
        .unwrap();
    stage.outside.types(&[AGENT_PIN]);
    export(&stage, links, &[], &nobody()).await.unwrap();
}

#[tokio::test]
async fn a_tokens_pin_is_asked_for_before_it_leaves() {
    let mut stage = with_token_pin(BiometricPin::Refused).await;
    let guarded = preview(&stage, GUARDED).await.id;
    stage.outside.types(&[PIN]);
    store(&stage, guarded, &[1]).await.unwrap();
    let refused = export(&stage, ExportFormat::UriList, &[], &nobody()).await;
    assert_eq!(refused.unwrap_err().reason(), Reason::PinRequired);
    let refused = export(&stage, ExportFormat::UriList, &[], &giving("135791")).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.reason(), Reason::PinWrong);
    assert!(refused.tries_left().is_some());
    let exported = export(&stage, ExportFormat::UriList, &[], &giving(PIN)).await;
    let file = exported.unwrap().file;
    assert!(file.as_text().unwrap().contains("GEZDGNBVGY3TQOJQ"));
    // A service's token with a PIN: its policy is looked at before anybody is asked.
    stage
        .add_with(
            "more",
            "CS9",
            TIME,
            PushPolicy::Off,
            pin_policy(BiometricPin::Refused),
            Some(PIN),
        )
        .await;
    let refused = export(&stage, ExportFormat::UriList, &["more"], &giving("135791")).await;
    assert_eq!(refused.unwrap_err().reason(), Reason::ExportRefused);
    let more = stage.agent.token("more").await.unwrap();
    assert_eq!(more.tries_left, Some(3));
    assert!(matches!(more.secrets.unwrap().pin, PinPolicy::Token(_)));
}
