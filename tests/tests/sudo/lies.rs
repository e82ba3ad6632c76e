//! Agents that lie, drip, stay silent or are somebody else: no root by any of them, and no waiting beyond the deadline.

use std::{
    io::Write as _,
    sync::{Arc, Mutex},
};

use countersign_proto::sudo::v1::{Ask, Level, Why};
use countersign_tests::sandbox::{PASSWORD, said};

use crate::{
    desk::{Desk, is_possible, was_refused, was_root},
    liar::{self, approval, question},
};

fn sudo(desk: &Desk) -> std::process::Output {
    desk.sudo(&["id", "-un"], &format!("{PASSWORD}\n"))
}

/// No root, and no password asked for.
#[track_caller]
fn final_no(desk: &Desk) {
    let output = sudo(desk);
    was_refused(&output);
    assert!(
        !said(&output).contains("Password please"),
        "{}",
        said(&output)
    );
}

/// The agent is no help: the password is asked for.
#[track_caller]
fn password(desk: &Desk) {
    let output = sudo(desk);
    was_root(&output);
    assert!(
        said(&output).contains("Password please"),
        "{}",
        said(&output)
    );
}

#[test]
fn only_a_signature_over_this_question_is_an_approval() {
    if !is_possible("sudo::signatures") {
        return;
    }
    let desk = liar::desk();
    desk.sudo_asks("timeout=10");
    let by = |seed: u8, level: Level| move |ask: &Ask| liar::answer(approval(ask, seed, level));
    {
        // The honest one: what follows fails for its own reason.
        let _honest = liar::answering(&desk, by(1, Level::Pin));
        let output = desk.sudo(&["id", "-un"], "");
        was_root(&output);
    }
    {
        let _another_key = liar::answering(&desk, by(2, Level::Pin));
        final_no(&desk);
    }
    {
        let _a_click = liar::answering(&desk, by(1, Level::Presence));
        final_no(&desk);
    }
    {
        let _posing = liar::answering(&desk, |ask| {
            let mut answer = approval(ask, 2, Level::Pin);
            // It names the accepted key; the signature is another's.
            let mut signed: countersign_proto::sudo::v1::Approval =
                prost::Message::decode(answer.approval.as_slice()).unwrap();
            signed.key = ask.keys[0].clone();
            answer.approval = prost::Message::encode_to_vec(&signed);
            liar::answer(answer)
        });
        final_no(&desk);
    }
    {
        let _altered = liar::answering(&desk, |ask| {
            let mut answer = approval(ask, 1, Level::Presence);
            // The level is raised after signing.
            let mut signed: countersign_proto::sudo::v1::Approval =
                prost::Message::decode(answer.approval.as_slice()).unwrap();
            signed.level = Level::Pin.into();
            answer.approval = prost::Message::encode_to_vec(&signed);
            liar::answer(answer)
        });
        final_no(&desk);
    }
    {
        let first: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
        let _replayed = liar::answering(&desk, move |ask| {
            let mut first = first.lock().unwrap();
            first
                .get_or_insert_with(|| liar::answer(approval(ask, 1, Level::Pin)))
                .clone()
        });
        was_root(&desk.sudo(&["id", "-un"], ""));
        final_no(&desk);
    }
    {
        let _of_another_question = liar::answering(&desk, |ask| {
            let other = Ask {
                challenge: [ask.challenge.as_slice(), &[0]].concat(),
                ..ask.clone()
            };
            liar::answer(approval(&other, 1, Level::Pin))
        });
        final_no(&desk);
    }
    for signature in [vec![], vec![0; 64], vec![0xff; 65]] {
        let _no_signature = liar::answering(&desk, move |ask| {
            let mut answer = approval(ask, 1, Level::Pin);
            answer.signature.clone_from(&signature);
            liar::answer(answer)
        });
        final_no(&desk);
    }
    desk.end();
}

#[test]
fn each_refusal_falls_on_the_password_but_the_users_no() {
    if !is_possible("sudo::refusals") {
        return;
    }
    let desk = liar::desk();
    desk.sudo_asks("timeout=10");
    for why in [
        Why::Locked,
        Why::SessionLocked,
        Why::NotEnrolled,
        Why::Busy,
        Why::TooOften,
        Why::Expired,
        Why::Nobody,
        Why::Muted,
        Why::Malformed,
        Why::Failed,
        Why::Unspecified,
    ] {
        let _refusing = liar::answering(&desk, move |_| liar::refusal(why));
        password(&desk);
    }
    let _denying = liar::answering(&desk, |_| liar::refusal(Why::Denied));
    final_no(&desk);
    desk.end();
}

#[test]
fn garbage_silence_and_drops_end_at_once_or_at_the_deadline() {
    if !is_possible("sudo::garbage") {
        return;
    }
    let desk = liar::desk();
    desk.sudo_asks("timeout=5");
    let user = desk.sandbox.user_id();
    let raw: [&[u8]; 6] = [
        b"",
        b"HTTP/1.1 200 OK\r\n\r\n",
        &[0, 0, 0, 0],
        &[0xff, 0xff, 0xff, 0xff],
        &[0, 0, 0x40, 0x01],
        &[0, 0, 0, 2, 0xff, 0xff],
    ];
    for bytes in raw {
        let bytes = bytes.to_vec();
        let _garbage = liar::listen(&desk, user, move |mut stream| {
            drop(question(&mut stream));
            drop(stream.write_all(&bytes));
        });
        password(&desk);
    }
    {
        // Shown twice: not the protocol.
        let _again = liar::answering(&desk, |_| liar::shown());
        password(&desk);
    }
    {
        let _silent = liar::listen(&desk, user, |mut stream| {
            drop(question(&mut stream));
            // Until the module gives up.
            drop(std::io::Read::read(&mut stream, &mut [0; 1]));
        });
        password(&desk);
    }
    {
        let _dripping = liar::listen(&desk, user, |mut stream| {
            let Some(ask) = question(&mut stream) else {
                return;
            };
            let all = [liar::shown(), liar::answer(approval(&ask, 1, Level::Pin))].concat();
            stream
                .set_read_timeout(Some(core::time::Duration::from_millis(200)))
                .unwrap();
            for byte in all {
                // One byte each time that nothing comes for a fifth of a second.
                let gone = matches!(std::io::Read::read(&mut stream, &mut [0; 1]), Ok(0));
                if gone || stream.write_all(&[byte]).is_err() {
                    return;
                }
            }
        });
        password(&desk);
    }
    desk.end();
}

#[test]
fn whoever_else_listens_there_gets_not_one_byte() {
    if !is_possible("sudo::impostors") {
        return;
    }
    let desk = liar::desk();
    desk.sudo_asks("timeout=5");
    let said = Arc::new(Mutex::new(Vec::new()));
    for uid in [0, 65534, 1] {
        let hears = Arc::clone(&said);
        let _impostor = liar::listen(&desk, uid, move |mut stream| {
            let mut all = Vec::new();
            drop(std::io::Read::read_to_end(&mut stream, &mut all));
            hears.lock().unwrap().extend(all);
        });
        password(&desk);
    }
    assert!(
        said.lock().unwrap().is_empty(),
        "nothing was said to an impostor"
    );

    // A link that leads to a socket of root's: closed to the user, or open to everybody.
    let user = desk.sandbox.user_id();
    for mode in ["700", "777"] {
        desk.root(&format!(
            "rm -rf /run/roots /run/user/{user}/countersign; mkdir -m {mode} /run/roots"
        ));
        let place = desk.sandbox.path("/run/roots/sudo.sock");
        let listener = std::os::unix::net::UnixListener::bind(&place).unwrap();
        listener.set_nonblocking(true).unwrap();
        desk.root(&format!(
            "chmod 777 /run/roots/sudo.sock; ln -s /run/roots /run/user/{user}/countersign"
        ));
        password(&desk);
        if let Ok((mut stream, _)) = listener.accept() {
            let mut all = Vec::new();
            stream.set_nonblocking(false).unwrap();
            drop(std::io::Read::read_to_end(&mut stream, &mut all));
            assert!(all.is_empty(), "root's own socket was spoken to");
        }
    }
    desk.end();
}

#[test]
fn a_full_queue_is_waited_for_and_given_up() {
    if !is_possible("sudo::queue") {
        return;
    }
    let desk = liar::desk();
    desk.sudo_asks("timeout=5");
    let (hold, release) = std::sync::mpsc::channel::<()>();
    let release = Mutex::new(release);
    let liar = liar::listen(&desk, desk.sandbox.user_id(), move |stream| {
        // The first one is kept, and nobody else is accepted.
        let _let_go = release.lock().unwrap().recv().is_err();
        drop(stream);
    });
    let user = desk.sandbox.user_id();
    let path = desk
        .sandbox
        .path(&format!("/run/user/{user}/countersign/sudo.sock"));
    let waiting: Vec<_> = (0..3)
        .map_while(|_| {
            let stream = std::os::unix::net::UnixStream::connect(&path).ok()?;
            (&stream).write_all(&[1]).ok()?;
            Some(stream)
        })
        .take(2)
        .collect();
    password(&desk);
    drop((waiting, hold));
    drop(liar);
    desk.end();
}
