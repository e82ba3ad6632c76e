//! The loop: what happens goes into [`update`], and what comes out of it is done.

use core::time::Duration;
use std::io;

use countersign_proto::agent::v1::CallerScreen;
use rustix::process::Signal;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep_until, timeout},
};

use super::{
    call,
    event::{Call, Effect, Event, Fetch, News, Now},
    link,
    screen::Screen,
    state::{State, dialog::Dialog},
    update::update,
    view::{self, Theme},
};
use crate::{
    clock,
    commands::{Dialer, Session},
    exit::Failure,
    prompt::{Kept, Terminal},
    secret_line::{self, Secret},
};

/// How long the shell may take to stop us. Where nobody would wake us again, nobody stops us.
const STOPPING: Duration = Duration::from_millis(300);

/// Shows the screen until the user leaves it.
///
/// # Errors
///
/// The terminal cannot be used.
pub(crate) async fn run(session: &Session, kept: Kept) -> Result<(), Failure> {
    // Passcodes and PINs pass through here.
    secret_line::hide_process()?;
    let mut stage = Stage::set(session, kept)?;
    loop {
        stage.paint().map_err(Failure::Write)?;
        let event = stage.next().await.map_err(Failure::Input)?;
        for effect in stage.take(event) {
            if let Ends::Yes = stage.play(effect, session).await? {
                return Ok(());
            }
        }
    }
}

/// Is it over?
enum Ends {
    No,
    Yes,
}

/// Everything that the loop holds.
struct Stage {
    state: State,
    theme: Theme,
    begun: Instant,
    dialer: Dialer,
    /// Where a dialog of the agent can be shown.
    places: Places,
    news: UnboundedReceiver<News>,
    inbox: UnboundedSender<News>,
    calls: JoinSet<(Call, Result<super::event::Reply, super::event::Refusal>)>,
    /// The call that may ask a person.
    asking: Option<AbortHandle>,
    continued: tokio::signal::unix::Signal,
    /// Dropped first of what others wait for: the terminal is put back before anything else ends.
    screen: Screen,
}

/// Where the agent's dialogs go.
struct Places {
    /// A window, if there are windows. The terminal is not told: it is ours.
    windows: CallerScreen,
    /// This terminal; absent where there are windows.
    terminal: Option<CallerScreen>,
}

impl Places {
    fn new(told: &CallerScreen) -> Self {
        let has_windows = !told.display.is_empty() || !told.wayland_display.is_empty();
        Self {
            windows: CallerScreen {
                tty: String::new(),
                tty_type: String::new(),
                ..told.clone()
            },
            terminal: (!has_windows && !told.tty.is_empty()).then(|| told.clone()),
        }
    }
}

impl Stage {
    fn set(session: &Session, kept: Kept) -> Result<Self, Failure> {
        let dialer = session.dialer()?;
        let (inbox, news) = unbounded_channel();
        let continued =
            signal(SignalKind::from_raw(Signal::CONT.as_raw())).map_err(Failure::Input)?;
        let screen = Screen::open(kept).map_err(Failure::Input)?;
        tokio::spawn(link::keep(dialer.clone(), inbox.clone()));
        Ok(Self {
            state: State::new(),
            theme: Theme::new(session.output.style()),
            begun: Instant::now(),
            places: Places::new(session.screen()),
            dialer,
            news,
            inbox,
            calls: JoinSet::new(),
            asking: None,
            continued,
            screen,
        })
    }

    fn now(&self) -> Now {
        Now {
            at: self.begun.elapsed(),
            wall: clock::now(),
        }
    }

    fn take(&mut self, event: Event) -> Vec<Effect> {
        let now = self.now();
        update(&mut self.state, event, now)
    }

    fn paint(&mut self) -> io::Result<()> {
        if !self.screen.is_ours() {
            return Ok(());
        }
        let (state, theme, now) = (&self.state, self.theme, self.now());
        self.screen
            .paint(|frame| view::paint(state, theme, now, frame))
    }

    /// Waits for the next event. Nothing wakes this up but what happens and what the state says is due.
    async fn next(&mut self) -> io::Result<Event> {
        let due = self.state.due(self.now());
        let due = due.and_then(|due| self.begun.checked_add(due));
        let tick = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => core::future::pending().await,
            }
        };
        tokio::select! {
            event = self.screen.event() => event,
            Some(news) = self.news.recv() => Ok(Event::News(news)),
            Some(done) = self.calls.join_next() => Ok(self.ended(done)?),
            _ = self.continued.recv() => {
                self.screen.enter()?;
                Ok(Event::Repaint)
            }
            () = tick => Ok(Event::Tick),
        }
    }

    /// A call has ended: the terminal is ours again.
    fn ended(
        &mut self,
        done: Result<
            (Call, Result<super::event::Reply, super::event::Refusal>),
            tokio::task::JoinError,
        >,
    ) -> io::Result<Event> {
        // One that was given up has nothing to say.
        let Ok((call, end)) = done else {
            return Ok(Event::Repaint);
        };
        if call.may_ask() {
            self.asking = None;
            if !self.screen.is_ours() {
                self.screen.enter()?;
            }
        }
        Ok(Event::Done(call, end))
    }

    async fn play(&mut self, effect: Effect, session: &Session) -> Result<Ends, Failure> {
        match effect {
            Effect::Quit => return Ok(Ends::Yes),
            Effect::Suspend => self.suspend().await.map_err(Failure::Input)?,
            Effect::Repaint => self.screen.enter().map_err(Failure::Input)?,
            Effect::Copy(text) => self.screen.copy(&text).map_err(Failure::Write)?,
            Effect::Fetch(what) => self.fetch(what),
            Effect::Call(call, secret) => self.call(call, secret).map_err(Failure::Input)?,
            Effect::Cancel => {
                if let Some(asking) = self.asking.take() {
                    asking.abort();
                }
            }
            Effect::Ask => {
                let secret = self.ask(session).await?;
                for effect in self.take(Event::Typed(secret)) {
                    Box::pin(self.play(effect, session)).await?;
                }
            }
        }
        Ok(Ends::No)
    }

    fn fetch(&self, what: Fetch) {
        let (dialer, inbox) = (self.dialer.clone(), self.inbox.clone());
        tokio::spawn(async move {
            if let Some(news) = call::fetch(&dialer, what).await {
                // Nobody listens once the screen is closed.
                drop(inbox.send(news));
            }
        });
    }

    /// Asks the agent. Where its dialog can only be drawn on this terminal, it is lent meanwhile.
    fn call(&mut self, call: Call, secret: Option<Secret>) -> io::Result<()> {
        let lent = self
            .places
            .terminal
            .as_ref()
            .filter(|_| secret.is_none() && self.state.may_need_a_dialog(&call));
        let place = lent.unwrap_or(&self.places.windows).clone();
        if lent.is_some() {
            self.paint()?;
            self.screen.point_to_the_end()?;
            self.screen.lend()?;
        }
        let dialer = self.dialer.clone();
        let may_ask = call.may_ask();
        let task = self.calls.spawn(async move {
            let end = call::perform(&dialer, &place, &call, secret).await;
            (call, end)
        });
        if may_ask {
            self.asking = Some(task);
        }
        Ok(())
    }

    /// Reads what the dialog asks for, unseen; nothing if the user goes back.
    async fn ask(&mut self, session: &Session) -> Result<Option<Secret>, Failure> {
        let Some(Dialog::Secret(asked)) = &self.state.dialog else {
            return Ok(None);
        };
        let what = asked.what;
        self.paint().map_err(Failure::Write)?;
        self.screen.lend().map_err(Failure::Input)?;
        let typed = match session.terminal() {
            Some(terminal) => typed(&terminal, what).await,
            None => Ok(None),
        };
        self.screen.enter().map_err(Failure::Input)?;
        typed
    }

    /// Stops until the shell wakes us.
    async fn suspend(&mut self) -> io::Result<()> {
        self.screen.leave()?;
        rustix::process::kill_current_process_group(Signal::TSTP)?;
        // The stop comes a moment after it was asked for; until then the terminal is the shell's.
        drop(timeout(STOPPING, self.continued.recv()).await);
        self.screen.enter()
    }
}

async fn typed(terminal: &Terminal, what: &str) -> Result<Option<Secret>, Failure> {
    terminal
        .read_hidden(what, countersign_proto::limits::PASSPHRASE)
        .await
}
