//! Ctrl-C and its kin while the terminal is in our hands.
//!
//! Until something is asked, signals end the program as they end any other. The first prompt arms this:
//! from then on a signal ends the running command, whose drop puts the terminal back.

use std::{cell::RefCell, io, rc::Rc};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
};

/// The signals that end a command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupts {
    armed: Rc<Notify>,
    signals: Rc<RefCell<Option<Signals>>>,
}

#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    quit: Signal,
}

impl Interrupts {
    /// Takes the signals over; from here on they no longer end the process by themselves.
    ///
    /// # Errors
    ///
    /// The system gives no handler.
    pub(crate) fn arm(&self) -> io::Result<()> {
        let mut signals = self.signals.borrow_mut();
        if signals.is_none() {
            *signals = Some(Signals {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hangup: signal(SignalKind::hangup())?,
                quit: signal(SignalKind::quit())?,
            });
            self.armed.notify_one();
        }
        Ok(())
    }

    /// Waits for a signal, once armed; gives its number.
    pub(crate) async fn received(&self) -> u8 {
        self.armed.notified().await;
        let signals = self.signals.borrow_mut().take();
        match signals {
            Some(mut signals) => tokio::select! {
                _ = signals.interrupt.recv() => 2,
                _ = signals.terminate.recv() => 15,
                _ = signals.hangup.recv() => 1,
                _ = signals.quit.recv() => 3,
            },
            None => core::future::pending().await,
        }
    }
}
