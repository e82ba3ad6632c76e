//! A witness on the bus: sees every notification that is asked for, and the number that it got.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use zbus::{
    MatchRule, MessageStream,
    fdo::MonitoringProxy,
    message::{Message, Type},
    zvariant::OwnedValue,
};

use crate::{bus::PrivateBus, patiently};

const INTERFACE: &str = "org.freedesktop.Notifications";

/// A notification as its server was asked to show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The server's number for it.
    pub id: u32,
    /// The number of the one that it replaced, or 0.
    pub replaces: u32,
    /// First line.
    pub summary: String,
    /// The text, in the server's markup.
    pub body: String,
    /// Keys and labels of its actions, in order.
    pub actions: Vec<(String, String)>,
}

/// Watches a private bus. Sees what was sent after it was made.
#[derive(Debug)]
pub struct NoticeWitness {
    messages: MessageStream,
    asked: HashMap<(String, u32), Notice>,
}

impl NoticeWitness {
    /// Becomes a monitor of `bus`.
    ///
    /// # Errors
    ///
    /// The bus refuses.
    pub fn new(bus: &PrivateBus) -> Result<Self> {
        let connection = bus.connect()?;
        let messages = MessageStream::from(&connection);
        let begun = async {
            let monitoring = MonitoringProxy::new(&connection).await?;
            let calls = MatchRule::builder()
                .msg_type(Type::MethodCall)
                .interface(INTERFACE)?
                .member("Notify")?
                .build();
            let replies = MatchRule::builder().msg_type(Type::MethodReturn).build();
            monitoring.become_monitor(&[calls, replies], 0).await?;
            anyhow::Ok(())
        };
        patiently("the bus to be watched", begun)??;
        Ok(Self {
            messages,
            asked: HashMap::new(),
        })
    }

    /// Waits for a notification whose first line begins so; others are passed over.
    ///
    /// # Errors
    ///
    /// None came in time.
    pub fn wait_for(&mut self, beginning: &str) -> Result<Notice> {
        loop {
            let notice = self.wait()?;
            if notice.summary.starts_with(beginning) {
                return Ok(notice);
            }
        }
    }

    /// Waits for the next notification that the server has taken.
    ///
    /// # Errors
    ///
    /// None came in time.
    pub fn wait(&mut self) -> Result<Notice> {
        let Self { messages, asked } = self;
        let next = async {
            loop {
                let message = messages.next().await.context("the bus ended")??;
                match message.message_type() {
                    Type::MethodCall => {
                        if let Some((key, notice)) = asked_for(&message)? {
                            asked.insert(key, notice);
                        }
                    }
                    Type::MethodReturn => {
                        if let Some(notice) = answered(&message, asked) {
                            return anyhow::Ok(notice);
                        }
                    }
                    Type::Error | Type::Signal => {}
                }
            }
        };
        patiently("a notification", next)?
    }
}

/// The arguments of Notify: program, replaced, icon, summary, body, actions, hints, time-out.
type Notify = (
    String,
    u32,
    String,
    String,
    String,
    Vec<String>,
    HashMap<String, OwnedValue>,
    i32,
);

/// A Notify call, and the caller and serial that its reply will name.
fn asked_for(message: &Message) -> Result<Option<((String, u32), Notice)>> {
    let header = message.header();
    if header.member().is_none_or(|member| member != "Notify") {
        return Ok(None);
    }
    let caller = header
        .sender()
        .context("a call without a sender")?
        .to_string();
    let serial = header.primary().serial_num().get();
    let (_, replaces, _, summary, body, actions, _, _): Notify = message.body().deserialize()?;
    let actions = actions
        .chunks_exact(2)
        .filter_map(|pair| match pair {
            [key, label] => Some((key.clone(), label.clone())),
            _ => None,
        })
        .collect();
    Ok(Some((
        (caller, serial),
        Notice {
            id: 0,
            replaces,
            summary,
            body,
            actions,
        },
    )))
}

fn answered(message: &Message, asked: &mut HashMap<(String, u32), Notice>) -> Option<Notice> {
    let header = message.header();
    let caller = header.destination()?.to_string();
    let serial = header.reply_serial()?.get();
    let notice = asked.remove(&(caller, serial))?;
    let id = message.body().deserialize::<u32>().ok()?;
    Some(Notice { id, ..notice })
}
