//! What the agent asks the desktop. Adapters: they carry, and decide nothing.

pub mod notification;
pub mod secret_service;
