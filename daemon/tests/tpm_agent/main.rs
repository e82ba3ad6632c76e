//! The agent with a TPM 2.0 in software: the vault's key in it, and the tries of PINs counted by it.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests stop at the first surprise and wait for one kind of thing"
)]

#[path = "../stories/outside.rs"]
#[expect(dead_code, reason = "these stories need less of it")]
mod outside;
#[path = "../stories/pin_rig.rs"]
#[expect(dead_code, reason = "these stories need less of it")]
mod pin_rig;
mod pins;
mod rig;
mod slots;
#[path = "../stories/stage.rs"]
#[expect(dead_code, reason = "these stories need less of it")]
mod stage;
mod sudo;
#[path = "../stories/sudo_rig.rs"]
#[expect(dead_code, reason = "these stories need less of it")]
mod sudo_rig;
