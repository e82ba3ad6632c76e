//! What is used of fprintd's interfaces.

use zbus::{proxy, zvariant::OwnedObjectPath};

#[proxy(
    interface = "net.reactivated.Fprint.Manager",
    default_service = "net.reactivated.Fprint",
    default_path = "/net/reactivated/Fprint/Manager",
    gen_blocking = false
)]
pub(super) trait Readers {
    fn get_default_device(&self) -> zbus::Result<OwnedObjectPath>;
}

#[proxy(
    interface = "net.reactivated.Fprint.Device",
    default_service = "net.reactivated.Fprint",
    gen_blocking = false
)]
pub(super) trait Reader {
    fn claim(&self, username: &str) -> zbus::Result<()>;

    fn release(&self) -> zbus::Result<()>;

    fn list_enrolled_fingers(&self, username: &str) -> zbus::Result<Vec<String>>;

    fn verify_start(&self, finger_name: &str) -> zbus::Result<()>;

    fn verify_stop(&self) -> zbus::Result<()>;

    #[zbus(signal)]
    fn verify_status(&self, result: &str, done: bool) -> zbus::Result<()>;
}
