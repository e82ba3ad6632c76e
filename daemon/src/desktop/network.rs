//! This computer's addresses, and word from the kernel when they change (rtnetlink, netlink(7)).

use core::time::Duration;
use std::{collections::BTreeSet, io, net::IpAddr, os::fd::AsRawFd as _};

use nix::{
    ifaddrs::getifaddrs,
    sys::socket::{AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket},
};
use rustix::io::Errno;
use tokio::{net::UnixDatagram, sync::mpsc, time::timeout};
use tracing::{debug, info};

use crate::agent::ports::{Input, Network};

/// `RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR` of `linux/rtnetlink.h`: addresses come and go.
const ADDRESS_GROUPS: u32 = 0x10 | 0x100;
/// A change comes as a flock of messages; this long after the last one it is over.
const FLOCK: Duration = Duration::from_millis(300);

/// [`Network`] as the kernel tells it.
#[derive(Clone, Copy, Debug)]
pub struct KernelNetwork;

impl Network for KernelNetwork {
    fn addresses(&self) -> BTreeSet<IpAddr> {
        match getifaddrs() {
            Ok(interfaces) => interfaces
                .filter_map(|interface| {
                    let address = interface.address?;
                    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
                    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
                })
                .collect(),
            Err(error) => {
                info!(%error, "this computer's addresses are not known");
                BTreeSet::new()
            }
        }
    }
}

/// Tells `inputs` when this computer's addresses have changed; sleeps in the socket in between. Ends where the
/// kernel does not tell: then only the keep-alive finds a dead connection.
pub async fn watch(inputs: mpsc::Sender<Input>) {
    let socket = match listening() {
        Ok(socket) => socket,
        Err(error) => {
            info!(%error, "the kernel does not tell of network changes");
            return;
        }
    };
    let mut known = KernelNetwork.addresses();
    loop {
        if heard(&socket).await.is_err() {
            return;
        }
        while let Ok(more) = timeout(FLOCK, heard(&socket)).await {
            if more.is_err() {
                return;
            }
        }
        let now = KernelNetwork.addresses();
        if now == known {
            continue;
        }
        debug!("this computer's addresses have changed");
        known = now;
        if inputs.send(Input::NetworkChanged).await.is_err() {
            return;
        }
    }
}

fn listening() -> io::Result<UnixDatagram> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        SockProtocol::NetlinkRoute,
    )?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, ADDRESS_GROUPS))?;
    // The type of another family, but the one way to wait for a datagram: only recv(2) is called on it.
    UnixDatagram::from_std(socket.into())
}

/// Ready after at least one message. What it says is asked of the kernel itself: any process may write to this socket,
/// and then we only look once more.
async fn heard(socket: &UnixDatagram) -> io::Result<()> {
    let mut message = [0_u8; 4096];
    match socket.recv(&mut message).await {
        Ok(_) => Ok(()),
        // More came than the kernel kept: that is a change, too.
        Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => Ok(()),
        Err(error) => Err(error),
    }
}
