//! The marks in front of what a page says.

/// It went well.
pub(super) const TICK: &str = "<svg viewBox=\"0 0 24 24\"><path d=\"M5 12.5l4.5 4.5L19 7\"/></svg>";
/// It did not.
pub(super) const CROSS: &str =
    "<svg viewBox=\"0 0 24 24\"><path d=\"M6.5 6.5l11 11M17.5 6.5l-11 11\"/></svg>";
/// Its time is over.
pub(super) const CLOCK: &str = "<svg viewBox=\"0 0 24 24\"><circle cx=\"12\" cy=\"12\" r=\"8\"/><path d=\"M12 7.5V12l3 2\"/></svg>";
