//! Pictures and texts as the desktop gives them, undecoded.

pub(crate) mod camera;
pub(crate) mod clipboard;
pub(crate) mod screen;
