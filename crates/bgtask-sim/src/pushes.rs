//! The server of push messages: it keeps what is not acknowledged and delivers it again to the next broker. Some messages nobody keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bgtask_core::{AppId, BootTime, Details, Input, Push, PushTicket};

use crate::agenda::Agenda;
use crate::chance::Chance;

/// What cannot be delivered in one message.
const TOO_LONG: usize = 70_000;

#[derive(Clone, Debug)]
struct Message {
    app: AppId,
    number: u64,
    size: usize,
}

#[derive(Debug)]
enum Says {
    Opened(AppId),
    Refused(AppId),
    Pushed(AppId, Vec<Message>, bool),
}

#[derive(Debug, Default)]
pub(crate) struct Pushes {
    /// The channels of the broker that runs: those that it wants, and those that are open.
    wanted: BTreeSet<AppId>,
    open: BTreeSet<AppId>,
    /// What is not acknowledged, in the order it was sent.
    kept: BTreeMap<u64, Message>,
    delivered: BTreeMap<PushTicket, u64>,
    agenda: Agenda<Says>,
    last: u64,
    last_ticket: u64,
    /// In the quiet phase every channel is opened.
    pub(crate) tame: bool,
}

impl Pushes {
    pub(crate) fn next(&self) -> Option<BootTime> {
        self.agenda.next()
    }

    pub(crate) fn open(&mut self, app: AppId, now: BootTime, chance: &mut Chance) {
        self.wanted.insert(app.clone());
        let refused = !self.tame && chance.percent(15);
        let says = if refused { Says::Refused(app) } else { Says::Opened(app) };
        self.agenda.plan(now + chance.millis(1_000), says);
    }

    /// Nobody is to be told any more: what was sent there is given up.
    pub(crate) fn close(&mut self, app: &AppId) {
        self.wanted.remove(app);
        self.open.remove(app);
        self.kept.retain(|_, message| message.app != *app);
    }

    /// Somebody sends a few messages to one app, or more at once than there is room for.
    pub(crate) fn send(&mut self, now: BootTime, chance: &mut Chance) {
        let open: Vec<_> = self.open.iter().cloned().collect();
        let Some(app) = chance.pick(&open).cloned() else { return };
        let kept = chance.percent(70);
        let (count, most) = match chance.below(12) {
            0 => (5, 25_000),
            1 if !kept => (300, 400),
            2 => (1, TOO_LONG),
            _ => (1 + chance.below(4), 60),
        };
        let messages: Vec<_> = (0..count).map(|_| self.message(&app, most, chance)).collect();
        if kept {
            self.kept.extend(messages.iter().map(|message| (message.number, message.clone())));
        }
        self.agenda.plan(now + chance.millis(300), Says::Pushed(app, messages, kept));
    }

    fn message(&mut self, app: &AppId, most: usize, chance: &mut Chance) -> Message {
        self.last += 1;
        Message { app: app.clone(), number: self.last, size: most - chance.index(most / 2) }
    }

    /// The server may forget them: answers their lines.
    pub(crate) fn acknowledged(&mut self, tickets: &[PushTicket]) -> Result<Vec<Details>, String> {
        let mut lines = Vec::new();
        for ticket in tickets {
            let number = self.delivered.remove(ticket).ok_or_else(|| format!("{ticket:?} was acknowledged before"))?;
            lines.extend(self.kept.remove(&number).and_then(|message| message.line()));
        }
        Ok(lines)
    }

    /// The connection is gone with what was on its way.
    pub(crate) fn broker_died(&mut self) {
        self.wanted.clear();
        self.open.clear();
        self.delivered.clear();
        self.agenda.clear();
    }

    /// How many messages to an app are not acknowledged.
    pub(crate) fn kept(&self, app: &AppId) -> usize {
        self.kept.values().filter(|message| message.app == *app).count()
    }

    pub(crate) fn speak(&mut self, now: BootTime) -> Option<Input> {
        Some(match self.agenda.take_due(now)? {
            Says::Refused(app) => {
                // The broker's side of it goes on trying.
                self.agenda.plan(now + Duration::from_secs(8), Says::Opened(app.clone()));
                let (why, help) = ("no server answers".into(), "start one".into());
                Input::ChannelRefused { app, why, help }
            }
            Says::Opened(app) if !self.wanted.contains(&app) => return self.speak(now),
            Says::Opened(app) => {
                self.open.insert(app.clone());
                let known = self.delivered.values().collect::<BTreeSet<_>>();
                let again = self.kept.values().filter(|it| it.app == app && !known.contains(&it.number));
                let again: Vec<_> = again.cloned().collect();
                if !again.is_empty() {
                    self.agenda.plan(now, Says::Pushed(app.clone(), again, true));
                }
                let uri = format!("mqtt://server/{app}").into();
                Input::ChannelOpened { app, uri }
            }
            Says::Pushed(app, messages, kept) => {
                let messages = messages.into_iter().map(|message| self.delivery(&message, kept)).collect();
                Input::Pushed { app, messages }
            }
        })
    }

    fn delivery(&mut self, message: &Message, kept: bool) -> Push {
        self.last_ticket += 1;
        let ticket = PushTicket(self.last_ticket);
        if kept {
            self.delivered.insert(ticket, message.number);
        }
        Push { line: message.line(), ticket: kept.then_some(ticket) }
    }
}

impl Message {
    /// What does not fit into what a task is told is only counted.
    fn line(&self) -> Option<Details> {
        let line = format!("{{\"push\":{},\"text\":\"{}\"}}\n", self.number, "x".repeat(self.size));
        (line.len() <= bgtask_core::limits::MAX_DETAILS_BYTES).then(|| Details(line.into_bytes().into()))
    }
}
