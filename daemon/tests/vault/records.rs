//! Services, login requests, what waits to be sent, events.

use countersign_core::{ids::ServiceId, secret::SecretBytes};
use countersignd::vault::{
    EventKind, NewEvent, OutboxKind, Recorded, RequestRow, RequestState, VaultError,
};
use rusqlite::Connection;

use crate::rig::{NOW, Rig, SERVICE, event, registration, request};

#[test]
fn a_service_is_kept_with_its_channel_key() {
    let mut rig = Rig::new();
    rig.vault.put_service(&registration()).unwrap();
    let mut moved = registration();
    moved.service.url = "https://other.example".to_owned();
    rig.vault.put_service(&moved).unwrap();
    let rig = rig.reopened();
    assert_eq!(
        rig.vault.channel_key(SERVICE).err(),
        Some(VaultError::Locked)
    );
    let mut rig = rig.unlocked();
    assert_eq!(rig.vault.services(), Ok(vec![moved.service]));
    let key = rig.vault.channel_key(SERVICE).unwrap();
    assert_eq!(key.to_bytes().as_slice(), &[6; 32]);
    assert_eq!(
        rig.vault.channel_key(ServiceId([9; 16])).err(),
        Some(VaultError::ServiceUnknown)
    );
    rig.vault.remove_service(SERVICE).unwrap();
    assert_eq!(rig.vault.services(), Ok(Vec::new()));
    assert_eq!(
        rig.vault.remove_service(SERVICE),
        Err(VaultError::ServiceUnknown)
    );
}

#[test]
fn a_request_is_recorded_once() {
    let mut rig = Rig::new();
    let received = event(EventKind::RequestReceived);
    assert_eq!(
        rig.vault.record_request(&request(1), Some(&received)),
        Ok(Recorded::New)
    );
    assert_eq!(
        rig.vault.record_request(&request(1), Some(&received)),
        Ok(Recorded::Same)
    );
    let other = RequestRow {
        hash: [9; 32],
        ..request(1)
    };
    assert_eq!(
        rig.vault.record_request(&other, Some(&received)),
        Ok(Recorded::Different)
    );
    let elsewhere = RequestRow {
        service: ServiceId([9; 16]),
        ..request(1)
    };
    assert_eq!(
        rig.vault.record_request(&elsewhere, None),
        Ok(Recorded::Different)
    );
    assert_eq!(rig.vault.request(request(1).id), Ok(request(1)));
    assert_eq!(
        rig.vault.events(10).unwrap().len(),
        2,
        "setup and one request"
    );
    rig.vault.record_request(&request(2), None).unwrap();
    rig.vault
        .set_request_state(request(2).id, RequestState::Expired, "late", None)
        .unwrap();
    let history = rig.vault.requests(10).unwrap();
    assert_eq!(
        history.iter().map(|row| row.id.0[0]).collect::<Vec<_>>(),
        [2, 1]
    );
    assert_eq!(
        (history[0].state, history[0].detail.as_str()),
        (RequestState::Expired, "late")
    );
    let unknown = rig
        .vault
        .set_request_state(request(3).id, RequestState::Expired, "", None);
    assert_eq!(unknown, Err(VaultError::RequestUnknown));
}

#[test]
fn a_decision_lasts_until_the_service_has_spoken() {
    let mut rig = Rig::new();
    let frame = SecretBytes::from(*b"approve 123456");
    let id = request(1).id;
    let early = rig.vault.save_decision(id, SERVICE, &frame, NOW, None);
    assert_eq!(early, Err(VaultError::RequestUnknown));
    rig.vault.record_request(&request(1), None).unwrap();
    rig.vault.lock();
    rig.vault
        .save_decision(id, SERVICE, &frame, NOW, None)
        .unwrap();
    let second = rig
        .vault
        .save_decision(id, SERVICE, &SecretBytes::from(*b"deny"), NOW, None);
    assert_eq!(second, Err(VaultError::RequestAnswered));
    let report = SecretBytes::from(*b"report");
    rig.vault
        .save_report(id, SERVICE, &report, NOW, None)
        .unwrap();
    rig.vault
        .save_report(id, SERVICE, &report, NOW, None)
        .unwrap();
    let mut rig = rig.reopened().unlocked();
    let waiting = rig.vault.outbox(SERVICE).unwrap();
    let kept: Vec<_> = waiting
        .iter()
        .map(|waiting| (waiting.kind, waiting.frame.clone()))
        .collect();
    assert_eq!(
        kept,
        [(OutboxKind::Decision, frame), (OutboxKind::Report, report)]
    );
    assert!(rig.vault.outbox(ServiceId([9; 16])).unwrap().is_empty());
    let row = rig.vault.request(id).unwrap();
    assert_eq!((row.state, row.reported), (RequestState::Sending, true));
    rig.vault
        .close_decision(id, RequestState::Approved, "", None)
        .unwrap();
    rig.vault.close_report(id).unwrap();
    rig.vault.close_report(id).unwrap();
    assert!(rig.vault.outbox(SERVICE).unwrap().is_empty());
    assert_eq!(rig.vault.request(id).unwrap().state, RequestState::Approved);
}

#[test]
fn a_frame_moved_to_another_request_is_damaged() {
    let mut rig = Rig::new();
    for number in [1, 2] {
        rig.vault.record_request(&request(number), None).unwrap();
    }
    let frame = SecretBytes::from(*b"approve");
    rig.vault
        .save_decision(request(1).id, SERVICE, &frame, NOW, None)
        .unwrap();
    let sql = format!("UPDATE outbox SET request_id = x'{}'", "02".repeat(16));
    let rig = rig.tamper(&sql).unlocked();
    assert_eq!(rig.vault.outbox(SERVICE), Err(VaultError::Damaged));
}

#[test]
fn texts_are_bounded() {
    let mut rig = Rig::new();
    let long = NewEvent {
        detail: "ä".repeat(2000),
        token: "t".repeat(200),
        ..event(EventKind::Renamed)
    };
    rig.vault.append_event(&long).unwrap();
    let kept = &rig.vault.events(1).unwrap()[0];
    assert_eq!((kept.detail.chars().count(), kept.token.len()), (512, 64));
    let long = RequestRow {
        resource: "r".repeat(2000),
        ..request(1)
    };
    rig.vault.record_request(&long, None).unwrap();
    assert_eq!(
        rig.vault.request(request(1).id).unwrap().resource.len(),
        512
    );
}

#[test]
fn old_events_and_requests_are_forgotten_but_nothing_that_is_open() {
    let mut rig = Rig::new();
    rig.vault.record_request(&request(1), None).unwrap();
    // Filled from outside: through the vault each would be its own flush.
    let mut rig = rig
        .tamper(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10500)
             INSERT INTO events (at, kind, token, detail) SELECT i, 'locked', '', '' FROM n;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
             INSERT INTO login_requests SELECT randomblob(16), service_id, hash, token_id, serial, resource,
                user, address, place, program, number_required, created,
                received - CASE i WHEN 7 THEN 0 ELSE 3600000 END, ttl_ms, 'expired', detail,
                reported FROM login_requests, n;",
        )
        .unlocked();
    rig.vault
        .record_request(&request(2), Some(&event(EventKind::RequestReceived)))
        .unwrap();
    assert!(rig.vault.request(request(1).id).is_ok(), "still pending");
    let path = rig.path();
    drop(rig.vault);
    let count = |table: &str| -> i64 {
        Connection::open(&path)
            .unwrap()
            .query_row(&format!("SELECT count(*) FROM {table}"), (), |row| {
                row.get(0)
            })
            .unwrap()
    };
    assert_eq!(count("events"), 10_000);
    // The one that is pending, and the seventh: it came just now, and its service could send it again in time.
    assert_eq!(count("login_requests"), 2_002);
}
