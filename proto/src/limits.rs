//! Bounds that both ends of a wire hold to, checked before anything is allocated for the content.

/// The largest gRPC message that the agent takes from a client or gives to one, in bytes.
pub const AGENT_MESSAGE: usize = 256 * 1024;
/// The largest gRPC message on the push stream, in bytes.
pub const PUSH_MESSAGE: usize = 64 * 1024;
/// The longest text that can be brought for enrollment, in bytes.
pub const ENROLLMENT_TEXT: usize = 4096;
/// The most that the files of one import may hold together, in bytes.
pub const IMPORT_FILES: usize = 8 * 1024 * 1024;
/// The most files of one import.
pub const IMPORT_FILE_COUNT: usize = 64;
/// The longest piece of a file on its way to or from the agent, in bytes.
pub const FILE_CHUNK: usize = 128 * 1024;
/// The longest token name, in characters.
pub const TOKEN_NAME: usize = 64;
/// The longest passphrase or PIN, in bytes.
pub const PASSPHRASE: usize = 1024;
/// The longest description of a caller's screen and terminal, in bytes.
pub const CALLER_SCREEN: usize = 4096;
/// The longest time that login requests can be muted, in seconds: a week.
pub const MUTE_SECONDS: u32 = 604_800;
/// The longest challenge that can be typed, in characters.
pub const CHALLENGE: usize = 128;
/// The longest text field of a login request, in bytes; a longer one is refused.
pub const REQUEST_TEXT: usize = 512;
/// The longest body of a signed message, in bytes.
pub const SIGNED_BODY: usize = 16 * 1024;
/// The shortest and longest time that a login request may live, in milliseconds.
pub const REQUEST_TTL_MS: core::ops::RangeInclusive<u32> = 1_000..=600_000;
/// The most login requests that one agent keeps pending at a time.
pub const PENDING_REQUESTS: usize = 1_000;
/// The version of the push protocol that this tree speaks.
pub const PUSH_PROTOCOL: u32 = 1;
/// The longest an approve or deny waits for the service's word before it answers `OUTCOME_UNKNOWN`, in milliseconds.
pub const OUTCOME_WAIT_MS: u64 = 15_000;
/// The largest picture that is looked at for QR codes, in bytes.
pub const PICTURE_BYTES: usize = 32 * 1024 * 1024;
/// The most dots of one: a screen of 8K has 33 million.
pub const PICTURE_DOTS: u64 = 40_000_000;
/// The most QR codes that are read from one picture.
pub const QR_CODES: usize = 16;
/// The longest frame between the PAM module and the agent, in bytes.
pub const SUDO_FRAME: usize = 16 * 1024;
/// The version of the PAM module's challenge that this tree speaks.
pub const SUDO_PROTOCOL: u32 = 1;
/// The longest command line that the PAM module sends, in bytes.
pub const SUDO_COMMAND: usize = 4 * 1024;
/// The longest of the other texts of a challenge, in bytes.
pub const SUDO_TEXT: usize = 256;
/// The most keys of one user that the administrator may accept for sudo.
pub const SUDO_KEYS: usize = 32;
/// The shortest and longest time that the PAM module waits for an answer, in seconds.
pub const SUDO_WAIT_SECONDS: core::ops::RangeInclusive<u32> = 5..=120;
/// The longest JSON message between a browser and the native-messaging host, in bytes. Browsers allow the host 1 MiB.
pub const NATIVE_MESSAGE: usize = 64 * 1024;
/// How deep such a message may be nested: an object with plain values, and lists of them in replies.
pub const NATIVE_DEPTH: usize = 4;
/// The most requests of one browser that may be under way.
pub const BROWSER_REQUESTS: usize = 16;
/// The largest gRPC message from a native-messaging host, in bytes.
pub const BROWSER_MESSAGE: usize = 64 * 1024;
/// The longest origin, in bytes: a host has at most 253.
pub const ORIGIN: usize = 300;
/// The longest name of a pairing, and of the browser behind it, in characters.
pub const PAIRING_NAME: usize = 48;
/// The most pairings.
pub const PAIRINGS: usize = 32;
/// The most origins that a token is bound to.
pub const ORIGINS: usize = 32;
/// The largest picture that a browser sends for its QR codes, in bytes.
pub const BROWSER_PICTURE: usize = 8 * 1024 * 1024;
/// The longest piece of such a picture, in bytes.
pub const BROWSER_CHUNK: usize = 48 * 1024;
