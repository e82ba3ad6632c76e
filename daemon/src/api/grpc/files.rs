//! Files on their way in and out: in pieces, so that no message is larger than others are.

use std::pin::Pin;

use countersign_core::{export::ExportFormat, otp::OtpMode, secret::SecretBytes};
use countersign_proto::{
    agent::v1::{self as wire, Reason},
    limits,
};
use futures_util::{Stream, stream};
use tonic::{Status, Streaming};

use super::convert::otp_kind;
use crate::agent::{
    export::Exported,
    import::{ImportId, ImportPreview, PreviewEntry, Verdict},
};

/// Messages that go out one after the other.
pub(super) type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The most entries in one message of a preview.
const ENTRIES: usize = 64;

/// The files of an import, and what opens them.
pub(super) struct Files {
    pub(super) files: Vec<SecretBytes>,
    pub(super) passphrase: Option<SecretBytes>,
}

/// Takes the files in. What is too long is refused at the first piece that makes it so.
pub(super) async fn received(mut chunks: Streaming<wire::ImportChunk>) -> Result<Files, Status> {
    let mut files: Vec<Vec<u8>> = Vec::new();
    let mut passphrase = None;
    let mut total = 0_usize;
    let mut is_first = true;
    while let Some(chunk) = chunks.message().await? {
        if is_first {
            passphrase = super::service::secret(chunk.passphrase)?;
        }
        total = total.saturating_add(chunk.data.len());
        if total > limits::IMPORT_FILES {
            return Err(Reason::ImportInvalid.status(
                format!(
                    "the files are longer than {} MiB",
                    limits::IMPORT_FILES >> 20
                ),
                "export a part of them, or import them one after the other",
            ));
        }
        if chunk.begins_file || is_first {
            if files.len() >= limits::IMPORT_FILE_COUNT {
                return Err(Reason::ImportInvalid.status(
                    format!("these are more than {} files", limits::IMPORT_FILE_COUNT),
                    "import a part of them first",
                ));
            }
            files.push(chunk.data);
        } else if let Some(file) = files.last_mut() {
            file.extend(chunk.data);
        }
        is_first = false;
    }
    if files.is_empty() {
        return Err(Reason::Usage.status("there is no file", ""));
    }
    Ok(Files {
        files: files.into_iter().map(SecretBytes::new).collect(),
        passphrase,
    })
}

/// A preview in as many messages as it takes.
pub(super) fn preview(preview: ImportPreview) -> Messages<wire::ImportPreview> {
    let mut messages = vec![wire::ImportPreview {
        id: hex(preview.id),
        formats: preview.formats,
        notes: preview.notes,
        entries: Vec::new(),
    }];
    let entries: Vec<_> = (1..).zip(preview.entries).map(entry).collect();
    messages.extend(entries.chunks(ENTRIES).map(|entries| wire::ImportPreview {
        entries: entries.to_vec(),
        ..wire::ImportPreview::default()
    }));
    Box::pin(stream::iter(messages.into_iter().map(Ok)))
}

fn entry((place, entry): (u32, PreviewEntry)) -> wire::ImportEntry {
    let mut wire = wire::ImportEntry {
        place,
        name: entry.name,
        issuer: entry.issuer,
        user: entry.user,
        why: entry.why,
        pin: entry.chooses_pin,
        ..wire::ImportEntry::default()
    };
    wire.set_standing(match entry.verdict {
        Verdict::New => wire::ImportStanding::New,
        Verdict::Known => wire::ImportStanding::Known,
        Verdict::Conflict => wire::ImportStanding::Conflict,
        Verdict::Refused => wire::ImportStanding::Refused,
    });
    let Some(mode) = entry.mode else {
        return wire;
    };
    wire.set_mode(otp_kind(mode.kind()));
    wire.algorithm = mode.hash().to_string();
    wire.digits = mode.digits().map_or(0, |digits| digits.count().into());
    match mode {
        OtpMode::Time { period, .. } => wire.period = period.secs(),
        OtpMode::Event { .. } => {}
        OtpMode::Challenge { suite } => wire.suite = suite.to_string(),
    }
    wire
}

/// The identity of a preview as text.
fn hex(ImportId(id): ImportId) -> String {
    use core::fmt::Write as _;
    id.iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a string cannot fail.
        let _written = write!(text, "{byte:02x}").is_ok();
        text
    })
}

/// The preview that a text names; one that names none is gone.
pub(super) fn import_id(text: &str) -> Result<ImportId, Status> {
    let gone = || {
        Reason::ImportGone.status(
            "what was read from the files is no longer there",
            "import the files again",
        )
    };
    let number = u128::from_str_radix(text, 16).map_err(|_not_hex| gone())?;
    if text.len() == 32 {
        Ok(ImportId(number.to_be_bytes()))
    } else {
        Err(gone())
    }
}

pub(super) fn places(places: &[u32]) -> Vec<usize> {
    places
        .iter()
        .map(|place| usize::try_from(*place).unwrap_or(usize::MAX))
        .collect()
}

pub(super) fn export_format(format: wire::ExportFormat) -> Result<ExportFormat, Status> {
    match format {
        wire::ExportFormat::Encrypted => Ok(ExportFormat::Encrypted),
        wire::ExportFormat::Pskc => Ok(ExportFormat::Pskc),
        wire::ExportFormat::UriList => Ok(ExportFormat::UriList),
        wire::ExportFormat::Unspecified => Err(Reason::Usage.status("in which format?", "")),
    }
}

/// A file in pieces; what has to be known beside it comes first.
pub(super) fn exported(exported: Exported) -> Messages<wire::ExportChunk> {
    let mut messages = vec![wire::ExportChunk {
        data: Vec::new(),
        tokens: u32::try_from(exported.tokens).unwrap_or(u32::MAX),
        left_out: exported.left_out,
    }];
    let pieces = exported.file.expose().chunks(limits::FILE_CHUNK);
    messages.extend(pieces.map(|piece| wire::ExportChunk {
        data: piece.to_vec(),
        ..wire::ExportChunk::default()
    }));
    Box::pin(stream::iter(messages.into_iter().map(Ok)))
}
