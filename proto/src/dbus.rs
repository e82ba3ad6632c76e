//! Names on the session bus.

/// Well-known name of the agent.
pub const NAME: &str = "org.countersign.Agent1";
/// Object path of the agent.
pub const PATH: &str = "/org/countersign/Agent1";
/// Interface of the agent; also the prefix of its errors: `org.countersign.Agent1.Error.VaultLocked`.
pub const INTERFACE: &str = "org.countersign.Agent1";
/// Prefix of error names; the rest is the reason in `CamelCase`.
pub const ERROR_PREFIX: &str = "org.countersign.Agent1.Error.";
