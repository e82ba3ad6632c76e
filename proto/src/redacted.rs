//! `Debug` of the messages that hold a secret: it never prints one.

use core::fmt::{Debug, Formatter, Result};

use crate::{agent::v1 as agent, browser::v1 as browser, push::v1 as push};

macro_rules! redacted {
    ($($message:ty { $($shown:ident),* }),* $(,)?) => {
        $(impl Debug for $message {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                f.debug_struct(stringify!($message))
                    $(.field(stringify!($shown), &self.$shown))*
                    .finish_non_exhaustive()
            }
        })*
    };
}

redacted! {
    agent::SetupRequest { key, unlock },
    agent::SetupReply { key, unlock },
    agent::UnlockRequest {},
    agent::InspectEnrollmentRequest {},
    agent::EnrollRequest { name, confirmed_host },
    agent::EnrollReply { token, vault_created },
    agent::ImportChunk { begins_file },
    agent::ExportRequest { format, tokens },
    agent::ExportChunk { tokens, left_out },
    agent::GeneratePasscodeRequest { token, kind },
    agent::GeneratePasscodeReply { name, mode },
    agent::AnswerLoginRequestRequest { id, verdict },
    agent::ChangePinRequest { token },
    agent::MakeSudoKeyRequest {},
    agent::SetBiometricRequest { token, on },
    agent::SetPinAskingRequest { token, asking },
    agent::AddSlotRequest { kind },
    agent::AddSlotReply { slot },
    agent::RemoveSlotRequest { id },
    browser::PasscodeReply { token, name },
    browser::Enroll {},
    push::Decision { signed },
    push::RegisterBody { serial, device_name },
    push::RegisterRequest {},
    push::ServerPinBody { serial },
    push::ServerPinRequest {},
}
