//! Countersign's decisions and formats.
//!
//! Invariant: nothing here reads a file, a socket, a clock, the environment or a random source; time
//! and randomness are arguments. No async, no logging. Nothing here knows the wire (`countersign-proto`).

pub mod activation_string;
pub mod allowance;
pub mod audit_chain;
pub mod autofill;
pub mod biometric;
pub mod dskpp;
pub mod export;
pub mod fatigue;
pub mod ids;
pub mod import;
pub mod lockout;
pub mod login_origin;
pub mod login_request;
pub mod login_rules;
pub mod login_transition;
pub mod otp;
pub mod otpauth;
pub mod pairing;
pub mod pam_passcode;
pub mod password;
pub mod pin;
pub mod privacyidea;
pub mod pskc;
pub mod radius;
pub mod recovery_code;
pub mod role;
pub mod seal;
pub mod secret;
pub mod server_pin;
pub mod signing;
pub mod sudo;
pub mod text;
pub mod time;
pub mod token;
pub mod token_order;
pub mod verification;

mod xml;
