//! What the server lets the device do with a container.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Is something allowed?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Yes.
    Allowed,
    /// No.
    Forbidden,
}

/// What the device may do without the administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerPolicies {
    /// Ask for new keys and secrets (`container_client_rollover`).
    pub renewal: Permission,
    /// Delete a token here (`disable_client_token_deletion` forbids it).
    pub token_deletion: Permission,
    /// End the registration (`disable_client_container_unregister` forbids it).
    pub unregistration: Permission,
}

impl Default for ContainerPolicies {
    /// As long as the server has said nothing: as it is there without any policy.
    fn default() -> Self {
        Self {
            renewal: Permission::Forbidden,
            token_deletion: Permission::Allowed,
            unregistration: Permission::Allowed,
        }
    }
}

impl ContainerPolicies {
    /// The server's words; what it does not name is as without a policy.
    pub(super) fn read(policies: &Value) -> Self {
        let is_set = |name: &str| match policies.get(name) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::String(text)) => {
                !matches!(text.to_ascii_lowercase().as_str(), "" | "0" | "false")
            }
            Some(Value::Number(number)) => number.as_i64() != Some(0),
            Some(Value::Bool(true) | Value::Array(_) | Value::Object(_)) => true,
        };
        let unless = |forbidden: bool| {
            if forbidden {
                Permission::Forbidden
            } else {
                Permission::Allowed
            }
        };
        Self {
            renewal: unless(!is_set("container_client_rollover")),
            token_deletion: unless(is_set("disable_client_token_deletion")),
            unregistration: unless(is_set("disable_client_container_unregister")),
        }
    }
}
