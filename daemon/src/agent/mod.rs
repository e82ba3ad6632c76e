//! What the agent does: one file a story, each reads top to bottom.

pub mod ports;
