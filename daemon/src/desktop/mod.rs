//! What the agent asks the desktop. Adapters: they carry, and decide nothing.

pub mod fingerprint;
pub mod logind;
pub mod network;
pub mod notification;
pub mod pinentry;
pub mod secret_service;
pub mod secret_service_watch;
pub mod system_bus;
