//! Challenge-response passcodes: OCRA (RFC 6287 with its erratum 3729).
//!
//! A [`Suite`] names the hash, the length of the response and the inputs; [`Suite::compute`] is one-way
//! challenge-response or a plain signature, [`Suite::compute_mutual`] one side of mutual authentication.
//! Invariant: a suite that is not understood to the last character is refused, never approximated.

mod challenge;
mod compute;
mod grammar;
mod inputs;
mod suite;

pub use challenge::{ChallengeError, ChallengeFormat, ChallengeKind, CheckDigit};
pub use compute::OcraError;
pub use grammar::SuiteError;
pub use inputs::Inputs;
pub use suite::{Response, Suite};
