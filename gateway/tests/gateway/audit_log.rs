//! The audit log of a gateway that works: whole, marked, pruned. What tampering comes to is tested beside the code.

use countersign_core::time::UnixMillis;
use countersign_gateway::service::{AuditBreak, AuditError, Service};

use crate::stage::{Stage, time};

fn broken<T>(result: Result<T, AuditError>) -> AuditBreak {
    match result {
        Err(AuditError::Broken(broken)) => broken,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("nothing was found"),
    }
}

fn sql(stage: &Stage, sql: &str) {
    let path = stage.folder.path().join("gateway.db");
    rusqlite::Connection::open(path)
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

#[tokio::test]
async fn an_exported_head_finds_what_is_missing_and_a_pruned_log_goes_on() {
    let stage = Stage::new().await;
    let _device = stage.device(time()).await;
    let early = stage.service.audit_head().await.unwrap();
    let whole = stage.service.verify_audit(Some(&early)).await.unwrap();
    assert_eq!(whole.pruned, 0);
    stage.clock.advance_ms(86_400_000);
    stage.operator().add_user("bob", "x".into()).await.unwrap();
    stage.operator().add_user("eve", "x".into()).await.unwrap();
    let head = stage.service.audit_head().await.unwrap();
    let last = stage.service.verify_audit(Some(&head)).await.unwrap().last;
    assert_eq!(last, whole.last + 2);

    let other = Stage::new().await;
    let foreign = other.service.verify_audit(Some(&head)).await;
    assert!(matches!(foreign, Err(AuditError::Mark(_))));

    // Cut off by somebody who knows how.
    sql(
        &stage,
        &format!(
            "DELETE FROM audit WHERE seq > {0}; DELETE FROM audit_link WHERE last_seq > {0}",
            whole.last
        ),
    );
    assert_eq!(
        stage.service.verify_audit(None).await.unwrap().last,
        whole.last
    );
    assert_eq!(
        broken(stage.service.verify_audit(Some(&head)).await),
        AuditBreak::CutOff {
            rows: last,
            left: whole.last
        }
    );
}

#[tokio::test]
async fn a_log_is_pruned_once_it_was_checked_and_by_this_gateway_alone() {
    let stage = Stage::new().await;
    let _device = stage.device(time()).await;
    let old = stage.service.verify_audit(None).await.unwrap().last;
    stage.clock.advance_ms(86_400_000);
    stage.operator().add_user("bob", "x".into()).await.unwrap();
    let head = stage.service.audit_head().await.unwrap();
    // `init` wrote its row by the machine's clock, so everything is older than far in the future.
    let before = stage.service.now();
    let early = stage.operator().prune_audit(UnixMillis(0)).await;
    assert!(matches!(early, Err(AuditError::NothingToPrune)));
    let pruned = stage.operator().prune_audit(before).await.unwrap();
    assert_eq!(pruned.last, old);
    assert!(pruned.mark.starts_with("countersign-audit-checkpoint 1\n"));
    let after = stage.service.verify_audit(Some(&head)).await.unwrap();
    assert_eq!((after.pruned, after.last), (old, old + 2));
    let rows = stage.service.audit_after(0, 1000).await.unwrap();
    assert_eq!(rows.first().unwrap().seq, i64::try_from(old + 1).unwrap());
    assert_eq!(rows.last().unwrap().event, "audit_pruned");

    let stage = stage.restarted().await;
    stage.operator().add_user("eve", "x".into()).await.unwrap();
    assert_eq!(
        stage.service.verify_audit(None).await.unwrap().last,
        old + 3
    );
    // A log that does not hold together is not pruned: that would hide it.
    sql(
        &stage,
        &format!("UPDATE audit SET subject = 'x' WHERE seq = {}", old + 1),
    );
    stage.clock.advance_ms(86_400_000);
    let refused = stage.operator().prune_audit(stage.service.now()).await;
    assert!(matches!(broken(refused), AuditBreak::Rows { .. }));
    assert!(Service::open(stage.folder.path()).await.is_ok());
}
