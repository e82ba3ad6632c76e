//! Who is at the other end of the socket: the kernel's word, taken before a byte is read.

use std::io;

use futures_util::{Stream, StreamExt as _, future};
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tracing::warn;

/// The connections of our own user; others are closed unread.
///
/// Invariant: uid 65534 (an unmapped user of another namespace) is never accepted, not even when it is ours.
pub(super) fn own_user_only(listener: UnixListener) -> impl Stream<Item = io::Result<UnixStream>> {
    let own = rustix::process::geteuid().as_raw();
    UnixListenerStream::new(listener).filter(move |accepted| future::ready(admitted(accepted, own)))
}

fn admitted(accepted: &io::Result<UnixStream>, own: u32) -> bool {
    const UNMAPPED: u32 = 65_534;
    match accepted.as_ref().map(UnixStream::peer_cred) {
        Ok(Ok(peer)) if peer.uid() == own && own != UNMAPPED => true,
        Ok(Ok(peer)) => {
            warn!(uid = peer.uid(), "refused a connection of another user");
            false
        }
        Ok(Err(_)) => false,
        // The listener's own errors go on to the server, which knows which of them are passing.
        Err(_) => true,
    }
}
