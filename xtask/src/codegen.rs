//! Generated code: proto files in, committed Rust out. Builds need neither protoc nor a build script.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use prost::Message as _;

/// The proto files, relative to `proto/proto`.
const FILES: [&str; 4] = [
    "countersign/agent/v1/agent.proto",
    "countersign/browser/v1/browser.proto",
    "countersign/push/v1/push.proto",
    "countersign/sudo/v1/sudo.proto",
];

/// Messages with a secret inside: their `Debug` is written by hand in `proto/src/redacted.rs`.
const SECRET: [&str; 26] = [
    ".countersign.agent.v1.SetupRequest",
    ".countersign.agent.v1.SetupReply",
    ".countersign.agent.v1.UnlockRequest",
    ".countersign.agent.v1.InspectEnrollmentRequest",
    ".countersign.agent.v1.EnrollRequest",
    ".countersign.agent.v1.EnrollReply",
    ".countersign.agent.v1.ImportChunk",
    ".countersign.agent.v1.ExportRequest",
    ".countersign.agent.v1.ExportChunk",
    ".countersign.agent.v1.GeneratePasscodeRequest",
    ".countersign.agent.v1.GeneratePasscodeReply",
    ".countersign.agent.v1.AnswerLoginRequestRequest",
    ".countersign.agent.v1.MakeSudoKeyRequest",
    ".countersign.agent.v1.ChangePinRequest",
    ".countersign.agent.v1.SetBiometricRequest",
    ".countersign.agent.v1.SetPinAskingRequest",
    ".countersign.agent.v1.AddSlotRequest",
    ".countersign.agent.v1.AddSlotReply",
    ".countersign.agent.v1.RemoveSlotRequest",
    ".countersign.browser.v1.PasscodeReply",
    ".countersign.browser.v1.Enroll",
    ".countersign.push.v1.Decision",
    ".countersign.push.v1.RegisterBody",
    ".countersign.push.v1.RegisterRequest",
    ".countersign.push.v1.ServerPinBody",
    ".countersign.push.v1.ServerPinRequest",
];

/// What to do with the generated files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Write them.
    Write,
    /// Fail when a committed file is stale.
    Check,
}

/// Generates `proto/src/generated` from `proto/proto`.
pub(crate) fn run(root: &Path, mode: Mode) -> Result<()> {
    let includes = root.join("proto/proto");
    let target = root.join("proto/src/generated");
    let out = tempfile::tempdir()?;
    let descriptors =
        protox::compile(FILES, [&includes]).context("the proto files do not compile")?;
    let mut config = tonic_prost_build::Config::new();
    config.skip_debug(SECRET);
    tonic_prost_build::configure()
        .out_dir(out.path())
        .build_transport(false)
        .codec_path("crate::codec::LeanCodec")
        .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"server\")]")
        .compile_fds_with_config(descriptors.clone(), config)?;
    std::fs::write(
        out.path().join("descriptors.bin"),
        descriptors.encode_to_vec(),
    )?;
    for entry in std::fs::read_dir(out.path())? {
        let entry = entry?;
        let fresh = std::fs::read(entry.path())?;
        let path = target.join(entry.file_name());
        match mode {
            Mode::Write => std::fs::write(&path, fresh)?,
            Mode::Check if std::fs::read(&path).ok() != Some(fresh) => {
                bail!("{} is stale; run `cargo xtask codegen`", path.display())
            }
            Mode::Check => {}
        }
    }
    Ok(())
}
