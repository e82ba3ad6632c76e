//! Import and export: files go and come in pieces.

use core::future::Future;

use countersign_proto::{
    agent::v1 as api,
    limits::{FILE_CHUNK, IMPORT_FILES},
};
use tonic::{Response, Status, Streaming};
use zeroize::Zeroizing;

use super::{AgentClient, late};
use crate::ClientError;

/// What would come of an import.
#[derive(Debug, Default)]
pub struct Preview {
    /// For [`AgentClient::store_import`].
    pub id: String,
    /// What the files are.
    pub formats: Vec<String>,
    /// What has to be known beside the entries.
    pub notes: Vec<String>,
    /// In the order of the files.
    pub entries: Vec<api::ImportEntry>,
}

/// A file of tokens.
#[derive(Debug)]
pub struct ExportedFile {
    /// Secret: it holds the seeds.
    pub data: Zeroizing<Vec<u8>>,
    /// How many tokens it holds.
    pub tokens: u32,
    /// What stays in the vault, and why.
    pub left_out: Vec<String>,
}

impl AgentClient {
    /// Hands the files over and says what would come of them. `passphrase` opens those that are encrypted.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn preview_import(
        &mut self,
        files: &[Zeroizing<Vec<u8>>],
        passphrase: Vec<u8>,
    ) -> Result<Preview, ClientError> {
        let mut chunks = Vec::new();
        for file in files {
            let mut pieces = file.chunks(FILE_CHUNK).map(<[u8]>::to_vec);
            chunks.push(api::ImportChunk {
                data: pieces.next().unwrap_or_default(),
                begins_file: true,
                passphrase: Vec::new(),
            });
            chunks.extend(pieces.map(|data| api::ImportChunk {
                data,
                ..api::ImportChunk::default()
            }));
        }
        if let Some(first) = chunks.first_mut() {
            first.passphrase = passphrase;
        }
        let call = self.stub.preview_import(tokio_stream::iter(chunks));
        let messages = all(self.deadlines.with_others, call).await?;
        let mut preview = Preview::default();
        for message in messages {
            if !message.id.is_empty() {
                preview.id = message.id;
            }
            preview.formats.extend(message.formats);
            preview.notes.extend(message.notes);
            preview.entries.extend(message.entries);
        }
        Ok(preview)
    }

    /// Stores entries of a preview.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn store_import(
        &mut self,
        request: api::StoreImportRequest,
    ) -> Result<api::StoreImportReply, ClientError> {
        super::within(self.deadlines.with_others, self.stub.store_import(request)).await
    }

    /// Exports tokens; the agent may ask the user for a PIN.
    ///
    /// # Errors
    ///
    /// See [`AgentClient`].
    pub async fn export(
        &mut self,
        request: api::ExportRequest,
    ) -> Result<ExportedFile, ClientError> {
        let call = self.stub.export(request);
        let messages = all(self.deadlines.with_others, call).await?;
        let length = messages.iter().map(|message| message.data.len()).sum();
        let mut file = ExportedFile {
            data: Zeroizing::new(Vec::with_capacity(length)),
            tokens: 0,
            left_out: Vec::new(),
        };
        for message in messages {
            let piece = Zeroizing::new(message.data);
            file.data.extend_from_slice(&piece);
            file.tokens = file.tokens.saturating_add(message.tokens);
            file.left_out.extend(message.left_out);
        }
        Ok(file)
    }
}

/// The most messages of one answer: as many as the longest file has pieces, and more.
const MESSAGES: usize = IMPORT_FILES.div_ceil(FILE_CHUNK) + 64;

/// Every message of an answer.
async fn all<T>(
    limit: core::time::Duration,
    call: impl Future<Output = Result<Response<Streaming<T>>, Status>>,
) -> Result<Vec<T>, ClientError> {
    let collect = async {
        let mut stream = call.await?.into_inner();
        let mut messages = Vec::new();
        while let Some(message) = stream.message().await? {
            if messages.len() >= MESSAGES {
                return Err(Status::out_of_range("the answer does not end"));
            }
            messages.push(message);
        }
        Ok(messages)
    };
    match tokio::time::timeout(limit, collect).await {
        Ok(collected) => collected.map_err(|status| ClientError::from_status(&status)),
        Err(_elapsed) => Err(late(limit)),
    }
}
