//! The camera.

use countersign_proto::desktop::Trouble;

/// Gives pictures until nobody reads on.
///
/// # Errors
///
/// [`Trouble::NotBuilt`].
pub(crate) fn take() -> Result<(), Trouble> {
    Err(Trouble::NotBuilt)
}
