//! The wire of Countersign: messages and services, frames, reasons, names and limits.
//!
//! Invariant: this crate decides nothing and knows nothing of `countersign-core`; conversions live at
//! the edges that use both. The code under `generated/` is made by `cargo xtask codegen` and committed,
//! so that a build needs no protobuf compiler.

#[cfg(any(feature = "client", feature = "server"))]
pub mod codec;
pub mod dbus;
pub mod desktop;
pub mod frame;
pub mod limits;
pub mod native_messaging;
pub mod reason;
mod redacted;

/// The agent's interface for its own user's programs.
pub mod agent {
    /// Version 1.
    #[cfg_attr(
        any(feature = "client", feature = "server"),
        expect(unused_qualifications, reason = "generated code")
    )]
    #[expect(
        missing_docs,
        clippy::all,
        clippy::pedantic,
        clippy::restriction,
        reason = "generated code"
    )]
    pub mod v1 {
        include!("generated/countersign.agent.v1.rs");
    }
}

/// Between a browser's native-messaging host and the agent.
pub mod browser {
    /// Version 1.
    #[cfg_attr(
        any(feature = "client", feature = "server"),
        expect(unused_qualifications, reason = "generated code")
    )]
    #[expect(
        missing_docs,
        clippy::all,
        clippy::pedantic,
        clippy::restriction,
        reason = "generated code"
    )]
    pub mod v1 {
        include!("generated/countersign.browser.v1.rs");
    }
}

/// Between an agent and its gateway.
pub mod push {
    /// Version 1.
    #[cfg_attr(
        any(feature = "client", feature = "server"),
        expect(unused_qualifications, reason = "generated code")
    )]
    #[expect(
        missing_docs,
        clippy::all,
        clippy::pedantic,
        clippy::restriction,
        reason = "generated code"
    )]
    pub mod v1 {
        include!("generated/countersign.push.v1.rs");
    }
}

/// Between the PAM module and the agent.
pub mod sudo {
    /// Version 1.
    #[expect(
        missing_docs,
        clippy::all,
        clippy::pedantic,
        clippy::restriction,
        reason = "generated code"
    )]
    pub mod v1 {
        include!("generated/countersign.sudo.v1.rs");
    }
}

/// The compiled file descriptors, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/descriptors.bin");
