//! PINs of tokens whose tries the TPM counts beside the vault.

use std::{fs, path::Path, sync::Arc};

use countersign_core::{
    otp::{Digits, HashAlgorithm, OtpMode, Period},
    pskc::{PinPolicy, TokenPin},
    secret::SecretBytes,
    token::{PushPolicy, VerificationLevel},
};
use countersign_proto::{agent::v1::Reason, push::v1 as push};
use countersign_tests::block_on;
use countersignd::{
    agent::{
        explain::Explain as _,
        login_request::{AnswerWish, RequestSelector},
        ports::PushInput,
        unlocking::UnlockWish,
    },
    vault::TokenState,
};
use tokio::sync::Notify;

use crate::{
    outside::Done,
    rig::{PIN, Rig, Then, WRONG, code, enroll, giving, nobody, token},
    stage::Stage,
};

async fn refused(stage: &Stage, pin: &str) -> (Reason, Option<u32>) {
    let refused = code(stage, pin).await.unwrap_err();
    (refused.reason(), refused.tries_left())
}

#[test]
fn wrong_pins_are_counted_by_both_and_the_last_one_erases() {
    let Some(rig) = Rig::new("tpm_agent::counted") else {
        return;
    };
    let stage = block_on(rig.stage_with_token());
    let wrong = block_on(refused(&stage, WRONG));
    assert_eq!(wrong, (Reason::PinWrong, Some(4)));
    assert_eq!(rig.counts(), [(1, 5)]);
    assert_eq!(token(&stage).tries_left, Some(4));
    block_on(code(&stage, PIN)).unwrap();
    assert_eq!(rig.counts(), [(0, 5)]);
    assert_eq!(token(&stage).tries_left, Some(5));

    for left in [4, 3, 2, 1] {
        let wrong = block_on(refused(&stage, WRONG));
        assert_eq!(wrong, (Reason::PinWrong, Some(left)));
    }
    assert_eq!(block_on(refused(&stage, WRONG)).0, Reason::PinExhausted);
    assert_eq!(token(&stage).state, TokenState::PinExhausted);
    assert_eq!(block_on(refused(&stage, PIN)).0, Reason::PinExhausted);
    assert!(rig.counts().is_empty());
}

/// The files of the vault, as a backup keeps them.
fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// Puts a backup in the place of the vault.
fn put_back(from: &Path, to: &Path) {
    for file in fs::read_dir(to).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    copy(from, to);
}

#[test]
fn an_older_copy_of_the_vault_gives_no_try_back() {
    let Some(rig) = Rig::new("tpm_agent::backup") else {
        return;
    };
    let backup = tempfile::tempdir().unwrap();
    let stage = block_on(rig.stage_with_token());
    let stage = block_on(stage.restarted_after(|vault| copy(vault, backup.path())));
    for left in [4, 3, 2, 1] {
        let wrong = block_on(refused(&stage, WRONG));
        assert_eq!(wrong, (Reason::PinWrong, Some(left)));
    }
    let stage = block_on(stage.restarted_after(|vault| put_back(backup.path(), vault)));
    assert_eq!(token(&stage).tries_left, Some(5), "so the vault believes");
    assert_eq!(rig.counts(), [(4, 5)]);
    assert_eq!(block_on(refused(&stage, WRONG)).0, Reason::PinExhausted);
    assert_eq!(token(&stage).state, TokenState::PinExhausted);
    assert!(rig.counts().is_empty());

    // And once more: what the TPM held is gone, also for the right PIN.
    let stage = block_on(stage.restarted_after(|vault| put_back(backup.path(), vault)));
    let lost = block_on(code(&stage, PIN)).unwrap_err();
    assert_eq!(lost.reason(), Reason::TpmUnavailable);
    assert!(lost.hint().contains("enroll again"), "{}", lost.hint());
}

#[test]
fn a_tpm_that_is_away_costs_no_try() {
    let Some(rig) = Rig::new("tpm_agent::away") else {
        return;
    };
    let stage = block_on(rig.stage_with_token());
    for _ in 0..4 {
        rig.plug_none();
        let away = block_on(refused(&stage, PIN));
        assert_eq!(away, (Reason::TpmUnavailable, None));
        rig.plug_other();
        let away = block_on(refused(&stage, WRONG));
        assert_eq!(away, (Reason::TpmUnavailable, None));
    }
    rig.plug_own();
    assert_eq!(token(&stage).tries_left, Some(5));
    block_on(code(&stage, PIN)).unwrap();
}

#[test]
fn a_changed_pin_and_a_deleted_token_free_their_count() {
    let Some(rig) = Rig::new("tpm_agent::freed") else {
        return;
    };
    let stage = block_on(rig.stage_with_token());
    block_on(async {
        let wrong = refused(&stage, WRONG).await;
        assert_eq!(wrong, (Reason::PinWrong, Some(4)));
        let new = SecretBytes::from(b"975310".as_slice());
        let changed = stage
            .agent
            .change_token_pin("work", Some(&new), &giving(PIN))
            .await;
        changed.unwrap();
    });
    assert_eq!(rig.counts(), [(0, 5)]);
    block_on(async {
        let wrong = refused(&stage, PIN).await;
        assert_eq!(wrong, (Reason::PinWrong, Some(4)));
        code(&stage, "975310").await.unwrap();
        stage.agent.delete_token("work").await.unwrap();
    });
    assert!(rig.counts().is_empty());
}

#[test]
fn what_was_made_for_a_pin_that_was_not_written_is_freed() {
    let Some(rig) = Rig::new("tpm_agent::not_written") else {
        return;
    };
    let stage = block_on(rig.stage_with_vault());
    let unlock = || async {
        let unlocked = stage.agent.unlock(UnlockWish::default(), &nobody()).await;
        unlocked.unwrap();
    };
    rig.then(Then::Lock(stage.vault.clone()));
    let failed = block_on(enroll(&stage)).unwrap_err();
    assert_eq!(failed.reason(), Reason::VaultLocked, "{failed}");
    rig.wait_for_counts(0);

    block_on(async {
        unlock().await;
        enroll(&stage).await.unwrap();
        rig.then(Then::Lock(stage.vault.clone()));
        let new = SecretBytes::from(b"975310".as_slice());
        let failed = stage
            .agent
            .change_token_pin("work", Some(&new), &giving(PIN))
            .await
            .unwrap_err();
        assert_eq!(failed.reason(), Reason::VaultLocked, "{failed}");
    });
    rig.wait_for_counts(1);
    block_on(async {
        unlock().await;
        code(&stage, PIN).await.unwrap();
    });
}

#[test]
fn who_goes_away_while_enrolling_leaves_no_count_behind() {
    let Some(rig) = Rig::new("tpm_agent::gone") else {
        return;
    };
    let stage = block_on(rig.stage_with_vault());
    let made = Arc::new(Notify::new());
    rig.then(Then::Tell(Arc::clone(&made)));
    block_on(async {
        tokio::select! {
            biased;
            () = made.notified() => {}
            enrolled = enroll(&stage) => unreachable!("{enrolled:?}"),
        }
    });
    // Whether the token came about first is a matter of luck; a count without a token is not.
    let tokens = block_on(stage.agent.tokens()).unwrap().len();
    rig.wait_for_counts(tokens);
}

#[test]
fn a_pin_that_the_tpm_has_checked_is_signed_as_such() {
    let Some(rig) = Rig::new("tpm_agent::level") else {
        return;
    };
    block_on(async {
        let mut stage = rig.stage_with_vault().await;
        let mode = OtpMode::Time {
            hash: HashAlgorithm::Sha1,
            digits: Digits::SIX,
            period: Period::THIRTY,
        };
        let push = PushPolicy::Allowed(VerificationLevel::Tpm);
        let pin = PinPolicy::Token(TokenPin::default());
        stage
            .add_with("work", "CS1", mode, push, pin, Some(WRONG))
            .await;
        let request = stage.request(1, |_| {});
        stage.push(PushInput::Request(request)).await;
        stage
            .until(|done| matches!(done, Done::Asked(_)).then_some(()))
            .await;
        let approve = || AnswerWish::Approve { number: None };
        // A PIN that the agent alone has checked is not enough.
        let refused = stage
            .agent
            .answer(RequestSelector::Only, approve(), &giving(WRONG))
            .await
            .unwrap_err();
        assert_eq!(refused.reason(), Reason::VerificationUnavailable);

        let new = SecretBytes::from(PIN.as_bytes());
        stage
            .agent
            .change_token_pin("work", Some(&new), &giving(WRONG))
            .await
            .unwrap();
        let agent = Arc::clone(&stage.agent);
        let answer = tokio::spawn(async move {
            let caller = giving(PIN);
            agent
                .answer(RequestSelector::Only, approve(), &caller)
                .await
        });
        let (_, body) = stage.decision().await;
        assert_eq!(body.level(), push::Level::Tpm);
        answer.abort();
    });
}
