//! What is fuzzed: one function for each parser of what comes from outside.
//!
//! Each takes arbitrary bytes and holds the parser to what it promises: no panic, and where something is printed again,
//! that it reads the same. `fuzz/run` hands them to libFuzzer, `tests/replay.rs` runs the corpus and its near
//! neighbours through them with every test run.

use core::convert::Infallible;

use countersign_browser::{framing, reply, request};
use countersign_core::{
    activation_string::{ActivationString, AllowHttp},
    dskpp::{client, server},
    export::Sealed,
    import,
    otp::ocra::Suite,
    otpauth::OtpauthUri,
    pam_passcode::{Record, foreign},
    privacyidea::{
        PushLink,
        container::{
            ContainerLink, read_challenge_reply, read_done_reply, read_registration_reply,
            read_renewal_reply, read_sync_reply,
        },
        read_answer_reply, read_enrollment_reply, read_poll_reply,
    },
    pskc::{ContainerKey, Encryption, KeyContainer, KeyPackage},
    radius::Packet,
    recovery_code::RecoveryCode,
    secret::SecretBytes,
    sudo::AcceptedKeys,
    text,
    time::UnixMillis,
    token::TokenSecrets,
};
use countersign_proto::{
    browser::v1 as wire,
    frame::{self, FrameError, Received},
    limits,
    sudo::v1::{AgentFrame, ModuleFrame},
};
use prost::Message;
use rand_core::{TryCryptoRng, TryRng};

/// A parser and its name, which is that of its corpus.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As in `corpus/` and `run/fuzz_targets/`.
    pub name: &'static str,
    /// Panics where a promise is broken.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "activation_string",
        run: activation_string,
    },
    Target {
        name: "dskpp_client",
        run: dskpp_client,
    },
    Target {
        name: "dskpp_server",
        run: dskpp_server,
    },
    Target {
        name: "import",
        run: import,
    },
    Target {
        name: "key_container",
        run: key_container,
    },
    Target {
        name: "key_package",
        run: key_package,
    },
    Target {
        name: "native_message",
        run: native_message,
    },
    Target {
        name: "ocra_suite",
        run: ocra_suite,
    },
    Target {
        name: "otpauth",
        run: otpauth,
    },
    Target {
        name: "pam_passcode",
        run: pam_passcode,
    },
    Target {
        name: "privacyidea_link",
        run: privacyidea_link,
    },
    Target {
        name: "privacyidea_reply",
        run: privacyidea_reply,
    },
    Target {
        name: "radius_packet",
        run: radius_packet,
    },
    Target {
        name: "recovery_code",
        run: recovery_code,
    },
    Target {
        name: "sealed_export",
        run: sealed_export,
    },
    Target {
        name: "sudo_frame",
        run: sudo_frame,
    },
    Target {
        name: "text",
        run: shown_text,
    },
    Target {
        name: "token",
        run: token,
    },
];

/// Holds if `holds` does.
fn promise(holds: bool, what: &str) {
    assert!(holds, "{what}");
}

/// An activation string or `countersign://` link; what is printed reads the same.
pub fn activation_string(data: &[u8]) {
    let Ok(read) = ActivationString::parse(data, AllowHttp::Never) else {
        return;
    };
    let printed = read.to_text();
    let again = ActivationString::parse(printed.expose().as_bytes(), AllowHttp::Never);
    promise(
        again.is_ok_and(|again| again.host_port() == read.host_port() && again.user == read.user),
        "an activation string that is printed reads the same",
    );
}

/// What a DSKPP server sends first.
pub fn dskpp_client(data: &[u8]) {
    let (run, _hello) = client::start("https://gateway.example/enroll/dskpp?sc=AbCdEf1234");
    drop(run.on_server_hello(data, &mut Counting(0)));
}

/// What a DSKPP client posts.
pub fn dskpp_server(data: &[u8]) {
    if let Err(server::ReadError::Refused(refusal)) = server::read(data) {
        promise(
            !refusal.body().is_empty(),
            "a refusal is a message of its own",
        );
    }
}

/// A file of another authenticator, without a passphrase: deriving keys is slow and is no parsing.
pub fn import(data: &[u8]) {
    let Ok(read) = import::read(&[SecretBytes::from(data)], None) else {
        return;
    };
    promise(
        read.entries.len() <= import::MAX_ENTRIES,
        "the number of entries is bounded",
    );
}

/// A key container with secrets: plain, or under a pre-shared key.
pub fn key_container(data: &[u8]) {
    let Ok(container) = KeyContainer::read(data) else {
        return;
    };
    let key = match container.encryption() {
        Encryption::None => ContainerKey::None,
        Encryption::PreSharedKey => ContainerKey::PreShared(SecretBytes::from([0x12; 16])),
        Encryption::Passphrase => return,
    };
    drop(container.open(&key));
}

/// A key package without its secret; what is written reads the same.
pub fn key_package(data: &[u8]) {
    let Ok(read) = KeyPackage::from_xml(data) else {
        return;
    };
    let again = read
        .to_xml()
        .and_then(|written| KeyPackage::from_xml(written.as_bytes()));
    promise(
        again.is_ok_and(|again| again == read),
        "a key package that is written reads the same",
    );
}

/// Native messaging, both ways: frames of a browser with their JSON, and what the agent says on its way to the browser.
pub fn native_message(data: &[u8]) {
    let mut input = data;
    while let Ok(Some(message)) = framing::read(&mut input) {
        promise(
            message.len() <= limits::NATIVE_MESSAGE,
            "a frame is no longer than its bound",
        );
        drop(request::read(&message));
    }
    drop(request::read(data));
    let told = wire::Message::decode(data).ok().and_then(reply::of_message);
    if let Some(told) = told {
        let frame = framing::framed(&told);
        promise(frame.is_some(), "what is told fits a frame");
        promise(
            serde_json::from_slice::<serde_json::Value>(&told).is_ok(),
            "what is told is JSON",
        );
    }
}

/// An OCRA suite; its text is what was read.
pub fn ocra_suite(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    if let Ok(suite) = text.parse::<Suite>() {
        promise(suite.as_str() == text, "a suite is kept as it was written");
    }
}

/// An `otpauth://` link; what is printed reads the same.
pub fn otpauth(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    let Ok(read) = OtpauthUri::parse(text) else {
        return;
    };
    // Challenge-response tokens and half a seed are not printed.
    if let Ok(printed) = read.to_uri() {
        promise(
            OtpauthUri::parse(printed.expose()).is_ok_and(|again| again == read),
            "a link that is printed reads the same",
        );
    }
}

/// A passcode record of the PAM module, and files of other modules; what is printed reads the same.
pub fn pam_passcode(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    if let Ok(record) = Record::parse(text) {
        promise(
            Record::parse(record.to_text().expose()) == Ok(record),
            "a record that is printed reads the same",
        );
    }
    drop(foreign::users_oath(text, UnixMillis(0)));
    drop(foreign::google_authenticator(text, UnixMillis(0)));
}

/// A push link of privacyIDEA.
pub fn privacyidea_link(data: &[u8]) {
    if let Ok(text) = core::str::from_utf8(data) {
        drop(PushLink::parse(text));
        drop(ContainerLink::parse(text));
    }
}

/// What a privacyIDEA server answers, to whatever question.
pub fn privacyidea_reply(data: &[u8]) {
    drop(read_poll_reply(data));
    drop(read_answer_reply(data));
    drop(read_enrollment_reply(data));
    drop(read_registration_reply(data));
    drop(read_challenge_reply(data));
    drop(read_sync_reply(data));
    drop(read_renewal_reply(data));
    drop(read_done_reply(data));
}

/// A RADIUS packet.
pub fn radius_packet(data: &[u8]) {
    let Ok(packet) = Packet::parse(data) else {
        return;
    };
    let length: usize = packet
        .attributes()
        .map(|attribute| attribute.value.len())
        .sum();
    promise(length <= data.len(), "attributes lie inside the packet");
    let _authenticated = packet.message_authenticator(&SecretBytes::from(*b"secret"));
}

/// A recovery code as it is typed.
pub fn recovery_code(data: &[u8]) {
    if let Ok(code) = RecoveryCode::parse(&SecretBytes::from(data)) {
        let printed = SecretBytes::from(code.text().expose().as_bytes());
        promise(
            RecoveryCode::parse(&printed).is_ok(),
            "a recovery code that is printed reads again",
        );
    }
}

/// Our own encrypted export, up to its passphrase.
pub fn sealed_export(data: &[u8]) {
    if let Ok(text) = core::str::from_utf8(data) {
        drop(Sealed::parse(text));
    }
}

/// The sudo socket, both ways: frames come the same however they are cut. And a file of accepted keys; what is printed
/// reads the same.
pub fn sudo_frame(data: &[u8]) {
    frames::<ModuleFrame>(data);
    frames::<AgentFrame>(data);
    if let Ok(keys) = AcceptedKeys::parse(data) {
        promise(
            AcceptedKeys::parse(keys.to_text().as_bytes()) == Ok(keys),
            "accepted keys that are printed read the same",
        );
    }
}

fn frames<M: Message + Default + Clone + PartialEq>(data: &[u8]) {
    /// Places to cut at: a long stream is not cut everywhere, or it would take too long.
    const CUTS: usize = 512;
    let whole = received::<M>(&[data]);
    for message in &whole.0 {
        // One that says nothing fits no frame, and one that was written at length may be too long for one.
        if let Ok(frame) = frame::encode(message) {
            promise(
                received(&[&frame]) == (vec![message.clone()], Ok(())),
                "a message that is sent comes as it was",
            );
        }
    }
    for cut in 0..data.len().min(CUTS) {
        let (begin, rest) = data.split_at_checked(cut).unwrap_or((data, &[]));
        promise(
            received(&[begin, rest]) == whole,
            "frames come the same however they are cut",
        );
    }
}

/// What comes of a stream in these pieces, and how it ends.
fn received<M: Message + Default>(pieces: &[&[u8]]) -> (Vec<M>, Result<(), FrameError>) {
    let (mut received, mut messages) = (Received::default(), Vec::new());
    for piece in pieces {
        received.push(piece);
        loop {
            if let Ok(wanted) = received.wanted() {
                promise(
                    wanted <= limits::SUDO_FRAME.saturating_add(4),
                    "no more is asked for than a frame",
                );
            }
            match received.take() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            }
        }
    }
    (messages, Ok(()))
}

/// Text of others on its way to a screen.
pub fn shown_text(data: &[u8]) {
    let shown = text::display(&String::from_utf8_lossy(data), 64);
    promise(shown.chars().count() <= 64, "what is shown is bounded");
    promise(
        !shown.chars().any(char::is_control),
        "what is shown moves no cursor",
    );
    promise(
        text::display(&shown, 64) == shown,
        "showing twice changes nothing",
    );
}

/// The content of a token's blob; what is written reads the same.
pub fn token(data: &[u8]) {
    let Ok(read) = TokenSecrets::from_bytes(&SecretBytes::from(data)) else {
        return;
    };
    let again = read
        .to_bytes()
        .and_then(|written| TokenSecrets::from_bytes(&written));
    promise(
        again.is_ok_and(|again| again == read),
        "a token that is written reads the same",
    );
}

/// Not random, and the same each time: what is found can be found again.
struct Counting(u8);

impl TryRng for Counting {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for byte in to {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
        Ok(())
    }
}

impl TryCryptoRng for Counting {}
