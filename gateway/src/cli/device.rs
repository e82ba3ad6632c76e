//! `device list`, `device revoke`.

use clap::Subcommand;
use countersign_core::ids::DeviceId;
use serde_json::{Value, json};

use super::output;
use crate::{
    control,
    service::{Operator, Service},
};

/// List devices, and end all tokens of one.
#[derive(Debug, Subcommand)]
pub(super) enum Device {
    /// List the devices
    List {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// End all tokens of a device for good; its stream is cut, and its agent erases them
    Revoke {
        /// Identifier, as `device list` shows it
        id: DeviceId,
    },
}

impl Device {
    pub(super) async fn run(self, operator: &Operator) -> anyhow::Result<()> {
        let service = operator.service();
        match self {
            Self::List { json } => list(service, json).await,
            Self::Revoke { id } => {
                let change = operator.revoke_device(id).await?;
                control::announce(service.data(), &change).await;
                output::explain(&format!(
                    "Revoked the tokens of {id}; its agent erases them."
                ));
                Ok(())
            }
        }
    }
}

async fn list(service: &Service, json: bool) -> anyhow::Result<()> {
    let devices = service.devices().await?;
    let ids: Vec<DeviceId> = devices.iter().map(|device| device.id).collect();
    let connected = control::are_connected(service.data(), &ids).await;
    let is_connected = |id: &DeviceId| connected.as_ref().map(|connected| connected.contains(id));
    if json {
        let mut objects = Vec::new();
        for device in &devices {
            let mut object = serde_json::to_value(device)?;
            if let Value::Object(fields) = &mut object {
                fields.insert("connected".to_owned(), json!(is_connected(&device.id)));
            }
            objects.push(object);
        }
        return output::json(&json!({ "devices": objects }));
    }
    let head = ["DEVICE", "NAME", "USERS", "TOKENS", "SEEN"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for device in devices {
        let seen = match (is_connected(&device.id), device.last_seen_ms) {
            (Some(true), _) => "now".to_owned(),
            (Some(false) | None, Some(at)) => output::time(at),
            (Some(false) | None, None) => String::new(),
        };
        rows.push(vec![
            device.id.to_string(),
            device.name,
            device.users.join(" "),
            device.tokens.join(" "),
            seen,
        ]);
    }
    output::table(&rows)
}
