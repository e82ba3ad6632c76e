//! The kernel's word about this computer's addresses, in a network of the test's own.
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use std::{net::IpAddr, process::Command, thread, time::Duration};

use countersign_tests::parts;
use countersignd::{
    agent::ports::{Input, Network as _},
    desktop::network::{KernelNetwork, watch},
};
use nix::sched::{CloneFlags, unshare};
use tokio::{sync::mpsc, time::timeout};

const TEST: &str = "network::addresses";

fn ip(words: &[&str]) {
    let done = Command::new("ip").args(words).status().unwrap();
    assert!(done.success(), "{words:?}");
}

#[test]
fn a_change_of_addresses_is_heard() {
    if !parts::are_there(TEST, &["ip"]) {
        return;
    }
    // A network belongs to a thread: the others stay in the machine's.
    let inside = thread::spawn(|| {
        if let Err(why) = unshare(CloneFlags::CLONE_NEWNET) {
            parts::skipped(TEST, &format!("a network of its own: {why}"));
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(story());
    });
    inside.join().unwrap();
}

async fn story() {
    assert_eq!(KernelNetwork.addresses().len(), 0);
    let (inputs, mut heard) = mpsc::channel(16);
    let watching = tokio::spawn(watch(inputs));
    // One pass of the runtime, and it listens.
    tokio::task::yield_now().await;
    ip(&["link", "set", "lo", "up"]);
    next(&mut heard).await;
    let loopback: IpAddr = "127.0.0.1".parse().unwrap();
    assert!(KernelNetwork.addresses().contains(&loopback));

    ip(&["address", "add", "192.0.2.7/32", "dev", "lo"]);
    next(&mut heard).await;
    let added: IpAddr = "192.0.2.7".parse().unwrap();
    assert!(KernelNetwork.addresses().contains(&added));
    ip(&["address", "add", "2001:db8::8/128", "dev", "lo", "nodad"]);
    next(&mut heard).await;
    let stays: IpAddr = "2001:db8::8".parse().unwrap();
    assert!(KernelNetwork.addresses().contains(&stays));
    watching.abort();
}

async fn next(heard: &mut mpsc::Receiver<Input>) {
    let input = timeout(Duration::from_mins(1), heard.recv()).await.unwrap();
    assert!(matches!(input, Some(Input::NetworkChanged)), "{input:?}");
}
