//! What the agent asks the desktop. Adapters: they carry, and decide nothing.

pub mod secret_service;
