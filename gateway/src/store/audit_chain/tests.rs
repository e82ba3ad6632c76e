use countersign_core::{
    audit_chain::sign, ids::ServiceId, secret::SecretBytes, signing::key_from_bytes,
};
use p256::ecdsa::SigningKey;

use super::*;
use crate::store::{AuditEvent, MasterKey, schema};

/// A log of batches, and what is needed to look at it.
struct Log {
    connection: Connection,
    master: MasterKey,
}

fn signing_key() -> SigningKey {
    key_from_bytes(&SecretBytes::from([5; 32])).unwrap()
}

impl Log {
    /// Each number is a batch of so many rows.
    fn of(batches: &[i64]) -> Self {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let log = Self {
            connection,
            master: MasterKey::new(&[0; 32]),
        };
        for rows in batches {
            log.batch(*rows);
        }
        log
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            connection: &self.connection,
            key: &self.master,
        }
    }

    fn batch(&self, rows: i64) {
        for _ in 0..rows {
            let at = UnixMillis(self.count().saturating_mul(1000));
            self.rows()
                .audit(at, AuditEvent::UserAdded, "ada", "x")
                .unwrap();
        }
        close_batch(&self.connection).unwrap();
    }

    fn count(&self) -> i64 {
        let last =
            self.connection
                .query_row("SELECT coalesce(max(seq), 0) FROM audit", [], |row| {
                    row.get(0)
                });
        last.unwrap()
    }

    fn change(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    fn verify(&self) -> Result<Verified, AuditBreak> {
        self.verify_with(None)
    }

    fn verify_with(&self, head: Option<&Mark>) -> Result<Verified, AuditBreak> {
        let key = VerifyingKey::from(&signing_key());
        self.rows()
            .verify_audit(&key, head)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn head(&self) -> Mark {
        mark(self.rows().last_audit_link().unwrap())
    }

    fn prune(&self, before_ms: i64) -> bool {
        let link = self
            .rows()
            .audit_link_before(UnixMillis(before_ms))
            .unwrap();
        let Some(link) = link else { return false };
        let text = sign(&signing_key(), MarkKind::Checkpoint, &mark(link));
        self.rows().prune_audit(link, &text).unwrap();
        true
    }
}

fn mark(link: LinkRow) -> Mark {
    Mark {
        service: ServiceId([1; 16]),
        link: link.number,
        row: link.last,
        hash: link.hash,
        at: UnixMillis(0),
    }
}

const fn all(last: u64) -> Verified {
    Verified { pruned: 0, last }
}

#[test]
fn a_log_that_nobody_touched_holds_together() {
    assert_eq!(Log::of(&[]).verify(), Ok(all(0)));
    let log = Log::of(&[1, 3, 2, 0, 64]);
    assert_eq!(log.verify(), Ok(all(70)));
    assert_eq!(log.head().link, 4, "an empty batch has no link");
    assert_eq!(log.verify_with(Some(&log.head())), Ok(all(70)));
    let early = Log::of(&[]).head();
    assert_eq!(log.verify_with(Some(&early)), Ok(all(70)));
}

#[test]
fn a_change_of_any_column_of_any_row_is_found() {
    for seq in 1..=6 {
        for change in [
            "at_ms = at_ms + 1",
            "event = 'user_adder'",
            "subject = 'eve'",
            "detail = ''",
            "subject = 'adax', detail = ''",
            "seq = seq + 100",
        ] {
            let log = Log::of(&[1, 3, 2]);
            log.change(&format!("UPDATE audit SET {change} WHERE seq = {seq}"));
            assert!(log.verify().is_err(), "row {seq}: {change}");
        }
    }
}

#[test]
fn a_missing_or_added_row_is_found_wherever_it_was() {
    for seq in 1..=6 {
        let log = Log::of(&[1, 3, 2]);
        log.change(&format!("DELETE FROM audit WHERE seq = {seq}"));
        assert!(log.verify().is_err(), "row {seq}");
        // Also if the gap is closed.
        log.change(&format!("UPDATE audit SET seq = seq - 1 WHERE seq > {seq}"));
        assert!(log.verify().is_err(), "row {seq}");
    }
    let log = Log::of(&[1, 3, 2]);
    log.change("INSERT INTO audit VALUES (7, 9, 'user_added', 'eve', '')");
    assert_eq!(log.verify(), Err(AuditBreak::Unlinked(7)));
    let log = Log::of(&[1, 3, 2]);
    log.change("INSERT INTO audit VALUES (0, 9, 'user_added', 'eve', '')");
    assert!(log.verify().is_err());
}

#[test]
fn a_missing_or_changed_link_is_found() {
    for link in 1..=3 {
        let log = Log::of(&[1, 3, 2]);
        log.change(&format!("DELETE FROM audit_link WHERE link = {link}"));
        assert!(log.verify().is_err(), "link {link}");
        let log = Log::of(&[1, 3, 2]);
        log.change(&format!(
            "UPDATE audit_link SET hash = zeroblob(32) WHERE link = {link}"
        ));
        assert!(log.verify().is_err(), "link {link}");
        let log = Log::of(&[1, 3, 2]);
        log.change(&format!(
            "UPDATE audit_link SET last_seq = last_seq - 1 WHERE link = {link}"
        ));
        assert!(log.verify().is_err(), "link {link}");
    }
}

#[test]
fn a_log_that_was_cut_off_is_found_by_its_head_and_by_nothing_else() {
    let log = Log::of(&[1, 3, 2]);
    let head = log.head();
    log.change("DELETE FROM audit WHERE seq > 4; DELETE FROM audit_link WHERE link > 2");
    assert_eq!(log.verify(), Ok(all(4)));
    assert_eq!(
        log.verify_with(Some(&head)),
        Err(AuditBreak::CutOff { rows: 6, left: 4 })
    );
    // The gateway goes on writing: the numbers of its rows show that some are missing.
    log.batch(2);
    assert!(log.verify().is_err());
}

#[test]
fn a_log_that_was_written_anew_is_found_by_its_head() {
    let log = Log::of(&[1, 3, 2]);
    let head = log.head();
    log.change("UPDATE audit SET subject = 'eve' WHERE seq = 3; DELETE FROM audit_link");
    // Who has the database can link it again, as the gateway does.
    close_batch(&log.connection).unwrap();
    assert_eq!(log.verify(), Ok(all(6)));
    assert!(log.verify_with(Some(&head)).is_err());

    let other = Log::of(&[1, 3]);
    other.change("UPDATE audit SET subject = 'eve'; DELETE FROM audit_link");
    for seq in [1, 4, 6] {
        other.change(&format!("DELETE FROM audit WHERE seq > {seq}"));
        close_batch(&other.connection).unwrap();
    }
    let mut same_place = head;
    same_place.link = other.head().link;
    assert_eq!(
        other.verify_with(Some(&same_place)),
        Err(AuditBreak::Rewritten(6))
    );
}

#[test]
fn whole_batches_are_pruned_and_the_log_goes_on() {
    // Rows 1 to 6 at 0 s to 5 s.
    let log = Log::of(&[1, 3, 2]);
    assert!(!log.prune(0));
    let (old, head) = (mark(log.rows().last_audit_link().unwrap()), log.head());
    // Row 4 stays, and with it its whole batch.
    assert!(log.prune(2500));
    assert_eq!(log.verify(), Ok(Verified { pruned: 1, last: 6 }));
    assert_eq!(log.count(), 6);
    assert!(log.prune(4000));
    assert_eq!(log.verify(), Ok(Verified { pruned: 4, last: 6 }));
    assert_eq!(
        log.verify_with(Some(&head)),
        Ok(Verified { pruned: 4, last: 6 })
    );
    log.batch(2);
    assert_eq!(log.verify(), Ok(Verified { pruned: 4, last: 8 }));
    assert!(log.prune(i64::MAX));
    assert_eq!(log.verify(), Ok(Verified { pruned: 8, last: 8 }));
    assert_eq!(log.verify_with(Some(&old)), Err(AuditBreak::HeadTooOld(9)));
    log.batch(1);
    assert_eq!(log.verify(), Ok(Verified { pruned: 8, last: 9 }));
    assert_eq!(log.head().row, 9);
}

#[test]
fn only_the_gateway_prunes() {
    let log = Log::of(&[1, 3, 2]);
    log.change("DELETE FROM audit WHERE seq <= 4; DELETE FROM audit_link WHERE link <= 2");
    assert!(log.verify().is_err());
    let link = log.rows().last_audit_link().unwrap();
    let stranger = key_from_bytes(&SecretBytes::from([6; 32])).unwrap();
    let forged = sign(&stranger, MarkKind::Checkpoint, &mark(link));
    let mut statement = log
        .connection
        .prepare("INSERT INTO audit_checkpoint VALUES (?1, ?2)")
        .unwrap();
    statement
        .execute(params![to_row(link.number), forged])
        .unwrap();
    assert_eq!(log.verify(), Err(AuditBreak::Checkpoint));

    // A true head is no checkpoint, and a true checkpoint none of another place.
    let log = Log::of(&[1, 3, 2]);
    let head = sign(&signing_key(), MarkKind::Head, &log.head());
    let mut statement = log
        .connection
        .prepare("INSERT INTO audit_checkpoint VALUES (3, ?1)")
        .unwrap();
    statement.execute([head]).unwrap();
    assert_eq!(log.verify(), Err(AuditBreak::Checkpoint));
    let log = Log::of(&[1, 3, 2]);
    assert!(log.prune(2500));
    log.change("UPDATE audit_checkpoint SET link = 2");
    assert_eq!(log.verify(), Err(AuditBreak::Checkpoint));
    log.change("DELETE FROM audit_checkpoint");
    assert!(log.verify().is_err());
}
