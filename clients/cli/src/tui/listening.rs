//! Keys as they come, and the moment from which nobody reads them any more.
//!
//! crossterm reads on a thread of its own, and dropping its stream only tells that thread to stop. Until it has, it may
//! take what is typed next: a PIN, for whoever the terminal was lent to. So the end is waited for.

use core::{
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::Wake,
};

use crossterm::event::{Event, EventStream};
use tokio_stream::Stream;

/// How long the thread may take to stop. It is woken at once; a machine may be busy.
const STOPPING: Duration = Duration::from_secs(5);

/// The stream of events, while it is ours to read.
#[derive(Debug)]
pub(super) struct Listening {
    stream: Option<EventStream>,
    reader: Arc<Reader>,
}

/// What is known of crossterm's thread: it wakes the waker that it was given whenever it stops reading.
#[derive(Debug, Default)]
struct Reader {
    state: Mutex<State>,
    stopped: Condvar,
}

#[derive(Debug, Default)]
struct State {
    reads: Reads,
    /// Whoever waits for the next event.
    waits: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reads {
    #[default]
    No,
    Yes,
}

impl Reader {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Reader {
    fn wake(self: Arc<Self>) {
        let waits = {
            let mut state = self.state();
            state.reads = Reads::No;
            state.waits.take()
        };
        self.stopped.notify_all();
        if let Some(waits) = waits {
            waits.wake();
        }
    }
}

impl Listening {
    /// From now on.
    pub(super) fn new() -> Self {
        Self {
            stream: Some(EventStream::new()),
            reader: Arc::default(),
        }
    }
}

impl Stream for Listening {
    type Item = io::Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let reader = Arc::clone(&self.reader);
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        {
            // Before the poll: the thread that it starts may be done before it returns.
            let mut state = reader.state();
            state.reads = Reads::Yes;
            state.waits = Some(context.waker().clone());
        }
        let waker = Waker::from(Arc::clone(&reader));
        let polled = Pin::new(stream).poll_next(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            // Something was there: the thread does not read while we can.
            reader.state().reads = Reads::No;
        }
        polled
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        drop(self.stream.take());
        let state = self.reader.state();
        let reads = |state: &mut State| state.reads == Reads::Yes;
        let waited = self
            .reader
            .stopped
            .wait_timeout_while(state, STOPPING, reads);
        // After that time it is not waited for any longer: the screen must not hang.
        drop(waited);
    }
}
