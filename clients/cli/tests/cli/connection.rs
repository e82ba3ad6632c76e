//! Nobody there, somebody else there, nothing said.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{PermissionsExt as _, chown, symlink},
        net::UnixListener,
    },
    process::Stdio,
    thread,
};

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};
use serde_json::Value;

use crate::stage::{PROGRAM, Place, Stage, finish};

/// A user that we are not.
const NOBODY: u32 = 65_534;

#[test]
fn no_agent_says_how_to_start_it() {
    let place = Place::new();
    let said = place.run_with(&["list"], "");
    assert_eq!((said.code, said.out.as_str()), (10, ""));
    assert!(said.err.contains("not running"), "{}", said.err);
    assert!(
        said.err
            .contains("systemctl --user start countersignd.socket"),
        "{}",
        said.err
    );
}

#[test]
fn a_socket_that_a_dead_agent_left_behind_is_no_agent() {
    let place = Place::new();
    drop(UnixListener::bind(place.socket()).unwrap());
    fs::set_permissions(place.socket(), Permissions::from_mode(0o600)).unwrap();
    assert_eq!(place.run_with(&["list"], "").code, 10);
}

#[test]
fn an_agent_that_listens_a_moment_later_is_found() {
    let place = Place::new();
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    );
    let socket = socket.unwrap();
    bind(&socket, &SocketAddrUnix::new(place.socket()).unwrap()).unwrap();
    fs::set_permissions(place.socket(), Permissions::from_mode(0o600)).unwrap();
    // Bound and not yet listened on, the socket refuses; the client tries again for a moment.
    let mut command = place.command(PROGRAM);
    let program = command.arg("list").stdout(Stdio::null()).spawn();
    listen(&socket, 8).unwrap();
    let stage = Stage::serve(place, UnixListener::from(socket));
    assert!(program.unwrap().wait().unwrap().success());
    assert_eq!(stage.calls(), ["list"]);
}

#[test]
fn no_runtime_folder_is_said_in_as_many_words() {
    let place = Place::new();
    for folder in [None, Some(""), Some("relative")] {
        let mut command = place.command(PROGRAM);
        command.arg("list").env_remove("XDG_RUNTIME_DIR");
        if let Some(folder) = folder {
            command.env("XDG_RUNTIME_DIR", folder);
        }
        let said = finish(command, "");
        assert_eq!(said.code, 13, "{folder:?}");
        assert!(said.err.contains("XDG_RUNTIME_DIR"), "{}", said.err);
    }
}

#[test]
fn a_place_that_others_can_reach_is_not_trusted() {
    let stage = Stage::new();
    for (path, mode) in [
        (stage.place.home(), 0o755),
        (stage.place.home(), 0o770),
        (stage.place.socket(), 0o666),
        (stage.place.socket(), 0o660),
    ] {
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let said = stage.run(&["list"]);
        assert_eq!(said.code, 12, "{path:?} {mode:o}");
        assert!(
            said.err.contains(&format!("mode {mode:04o}")),
            "{}",
            said.err
        );
        fs::set_permissions(&path, before).unwrap();
    }
    assert_eq!(stage.calls(), Vec::<String>::new(), "nothing was sent");
    assert_eq!(stage.run(&["list"]).code, 0);
}

#[test]
fn a_place_that_belongs_to_another_user_is_not_trusted() {
    let stage = Stage::new();
    if chown(stage.place.socket(), Some(NOBODY), None).is_err() {
        // Only root can give a file away; the check itself is the same one as for the mode.
        return;
    }
    let said = stage.run(&["list"]);
    assert_eq!(said.code, 12);
    assert!(
        said.err.contains("another user (uid 65534)"),
        "{}",
        said.err
    );
    chown(stage.place.socket(), Some(0), None).unwrap();
    chown(stage.place.home(), Some(NOBODY), None).unwrap();
    assert_eq!(stage.run(&["list"]).code, 12);
    assert_eq!(stage.calls(), Vec::<String>::new(), "nothing was sent");
}

#[test]
fn a_link_or_a_file_in_the_place_of_the_socket_is_not_trusted() {
    let stage = Stage::new();
    let place = Place::new();
    symlink(stage.place.socket(), place.socket()).unwrap();
    assert_eq!(place.run_with(&["list"], "").code, 12);
    fs::remove_file(place.socket()).unwrap();
    fs::write(place.socket(), "").unwrap();
    assert_eq!(place.run_with(&["list"], "").code, 12);

    let place = Place::new();
    fs::remove_dir(place.home()).unwrap();
    symlink(stage.place.home(), place.home()).unwrap();
    assert_eq!(place.run_with(&["list"], "").code, 12);
    assert_eq!(stage.calls(), Vec::<String>::new(), "nothing was sent");
}

#[test]
fn an_agent_that_hangs_is_not_waited_for_longer_than_said() {
    let stage = Stage::new();
    stage.agent.script().hangs = true;
    let said = stage.run(&["--timeout", "0.3", "list"]);
    assert_eq!((said.code, said.out.as_str()), (14, ""));
    assert!(said.err.contains("within 0.3 s"), "{}", said.err);
}

#[test]
fn a_listener_that_never_accepts_is_not_waited_for_either() {
    let place = Place::new();
    let _listener = UnixListener::bind(place.socket()).unwrap();
    fs::set_permissions(place.socket(), Permissions::from_mode(0o600)).unwrap();
    let said = place.run_with(&["--timeout", "0.3", "list"], "");
    assert_eq!(said.code, 14);
}

#[test]
fn a_connection_that_ends_before_the_answer_is_an_error_with_words() {
    let place = Place::new();
    let listener = UnixListener::bind(place.socket()).unwrap();
    fs::set_permissions(place.socket(), Permissions::from_mode(0o600)).unwrap();
    let closing = thread::spawn(move || drop(listener.accept().unwrap()));
    let said = place.run_with(&["list", "--json"], "");
    closing.join().unwrap();
    assert_eq!(said.code, 10);
    let error: Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["error"]["reason"], "agent_not_running");
}
