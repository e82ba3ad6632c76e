//! The launcher process: one thread that waits for requests and for the ends of its children.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{
        DumpableBehavior, Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal,
        set_dumpable_behavior, setsid,
    },
};

use super::wire::{self, Message, Outcome, Reply, Request};

/// The most dialogs at a time.
const MOST: usize = 16;

/// How long a dialog may take to go after each signal.
const GRACE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 500_000_000,
};

/// A program that was started and has not been reaped.
struct Dialog {
    child: Child,
    process: OwnedFd,
}

/// Serves the agent at the other end of stdin until that end is closed.
#[must_use]
pub fn run() -> ExitCode {
    let stdin = io::stdin();
    let mut dialogs = Vec::new();
    let served = protect().and_then(|()| serve(stdin.as_fd(), &mut dialogs));
    end(&mut dialogs);
    match served {
        Ok(()) => ExitCode::SUCCESS,
        // Started by hand, or the agent broke off in the middle of a word: nobody is there to be told.
        Err(_) => ExitCode::FAILURE,
    }
}

fn protect() -> io::Result<()> {
    // For whoever lists processes: it would be called after the link that it was started through.
    rustix::thread::set_name(c"countersign-dlg")?;
    // No other process of this user takes the socket out of it. A program that it starts is not affected.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // "Read your configuration again" is for the agent; whoever tells the whole service means no end of this one. A
    // handler, since only a system call could ignore it, and programs that are started have it reset.
    signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::default())?;
    // Without a controlling terminal: a dialog on the terminal that the agent was started from by hand is not
    // stopped as a background job, and Ctrl-C there is the agent's to handle. Refused only to a leader of a
    // process group, which has been given one for such a reason.
    let _leader_already = setsid().is_err();
    Ok(())
}

fn serve(agent: BorrowedFd<'_>, dialogs: &mut Vec<Dialog>) -> io::Result<()> {
    loop {
        let asked = wait(Some(agent), dialogs, None)?;
        reap(dialogs);
        if asked == Woken::ByChild {
            continue;
        }
        let Some(message) = wire::receive(agent)? else {
            return Ok(());
        };
        let (reply, process) = answer(message, dialogs);
        wire::send(agent, &reply.encode(), process.as_ref().map(OwnedFd::as_fd))?;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    ByAgent,
    ByChild,
    Late,
}

/// Waits for a word of the agent, the end of a child, or `within`.
fn wait(
    agent: Option<BorrowedFd<'_>>,
    dialogs: &[Dialog],
    within: Option<&Timespec>,
) -> io::Result<Woken> {
    let mut fds: Vec<_> = agent
        .iter()
        .map(|agent| PollFd::from_borrowed_fd(*agent, PollFlags::IN))
        .collect();
    fds.extend(
        dialogs
            .iter()
            .map(|dialog| PollFd::new(&dialog.process, PollFlags::IN)),
    );
    let ready = rustix::io::retry_on_intr(|| poll(&mut fds, within))?;
    if ready == 0 {
        return Ok(Woken::Late);
    }
    let agent_is_ready =
        agent.is_some() && fds.first().is_some_and(|agent| !agent.revents().is_empty());
    Ok(if agent_is_ready {
        Woken::ByAgent
    } else {
        Woken::ByChild
    })
}

/// Forgets the children that have ended.
fn reap(dialogs: &mut Vec<Dialog>) {
    dialogs.retain_mut(|dialog| matches!(dialog.child.try_wait(), Ok(None)));
}

fn answer(message: Message, dialogs: &mut Vec<Dialog>) -> (Reply, Option<OwnedFd>) {
    let Some(request) = Request::decode(&message.bytes) else {
        let outcome = Outcome::Refused;
        return (Reply { number: 0, outcome }, None);
    };
    let number = request.number;
    let started = match message.descriptor {
        Some(stdio) if dialogs.len() < MOST => start(request, stdio),
        _ => Err(io::ErrorKind::QuotaExceeded.into()),
    };
    let (outcome, process) = match started {
        Ok((dialog, process)) => {
            let id = dialog.child.id();
            dialogs.push(dialog);
            (Outcome::Started { id }, Some(process))
        }
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) =>
        {
            (Outcome::NotThere, None)
        }
        Err(_) => (Outcome::Refused, None),
    };
    (Reply { number, outcome }, process)
}

fn start(request: Request, stdio: OwnedFd) -> io::Result<(Dialog, OwnedFd)> {
    let mut child = Command::new(request.program)
        .args(request.arguments)
        .env_clear()
        .envs(request.environment)
        .current_dir("/")
        .stdin(Stdio::from(stdio.try_clone()?))
        .stdout(Stdio::from(stdio))
        .stderr(Stdio::null())
        .spawn()?;
    // Not reaped yet, so the number is still its own.
    let handles = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())
        .map_err(io::Error::from)
        .and_then(|process| Ok((process.try_clone()?, process)));
    match handles {
        Ok((process, for_agent)) => Ok((Dialog { child, process }, for_agent)),
        Err(error) => {
            drop(child.kill());
            drop(child.wait());
            Err(error)
        }
    }
}

/// Ends what is still open: SIGINT first, at which pinentry puts the terminal back as it was, and again, since it overlooks one
/// that comes just before it waits for a key.
fn end(dialogs: &mut Vec<Dialog>) {
    for signal in [Signal::INT, Signal::INT, Signal::TERM, Signal::KILL] {
        reap(dialogs);
        for dialog in &*dialogs {
            let _ended = pidfd_send_signal(&dialog.process, signal).is_err();
        }
        while !dialogs.is_empty() && matches!(wait(None, dialogs, Some(&GRACE)), Ok(Woken::ByChild))
        {
            reap(dialogs);
        }
    }
}
