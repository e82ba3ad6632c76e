//! The screen and terminal of whoever asks, told to the agent with every call.

use core::fmt;

use countersign_proto::agent::v1::CallerScreen;
use prost::Message as _;
use tonic::{
    Request, Status,
    metadata::{BinaryMetadataValue, MetadataValue},
    service::Interceptor,
};

/// The binary metadata that carries the encoded [`CallerScreen`] of a call.
pub const SCREEN_METADATA: &str = "countersign-screen-bin";

/// Puts the screen into each call. Encoded once: it does not change while a program runs.
#[derive(Clone)]
pub(crate) struct ScreenMetadata(BinaryMetadataValue);

impl ScreenMetadata {
    pub(crate) fn new(screen: &CallerScreen) -> Self {
        Self(MetadataValue::from_bytes(&screen.encode_to_vec()))
    }
}

impl Interceptor for ScreenMetadata {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert_bin(SCREEN_METADATA, self.0.clone());
        Ok(request)
    }
}

impl fmt::Debug for ScreenMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScreenMetadata").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(screen: &CallerScreen) -> CallerScreen {
        let request = ScreenMetadata::new(screen).call(Request::new(())).unwrap();
        let value = request.metadata().get_bin(SCREEN_METADATA).unwrap();
        CallerScreen::decode(value.to_bytes().unwrap()).unwrap()
    }

    #[test]
    fn a_call_carries_the_screen_byte_for_byte() {
        let screen = CallerScreen {
            tty: "/dev/pts/3".to_owned(),
            tty_type: "xterm".to_owned(),
            display: ":0".to_owned(),
            wayland_display: "wayland-0".to_owned(),
            xauthority: "/home/ä/.Xauthority".to_owned(),
            lc_ctype: "de_DE.UTF-8".to_owned(),
            lc_messages: "C".to_owned(),
        };
        assert_eq!(carried(&screen), screen);
    }

    #[test]
    fn an_unknown_screen_is_an_empty_value() {
        assert_eq!(carried(&CallerScreen::default()), CallerScreen::default());
    }
}
