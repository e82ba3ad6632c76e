//! Who administers the gateway: every change stands in the audit log under a name.

use countersign_core::text;

use super::Service;

/// The longest name in the audit log, in characters.
const NAME: usize = 128;

/// Somebody who administers the gateway, and under whose name the audit log keeps what they do.
#[derive(Clone, Debug)]
pub struct Operator {
    service: Service,
    name: String,
}

impl Service {
    /// The gateway in the hands of somebody of this name. Whether they may do what they do is decided by who calls:
    /// the command line is for who can write the data folder, the web pages ask for a role.
    #[must_use]
    pub fn operator(&self, name: &str) -> Operator {
        Operator {
            service: self.clone(),
            name: text::display(name, NAME),
        }
    }
}

impl Operator {
    /// What is administered.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// By whom.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}
