//! Push messages: all that arrives is told to every task that listens, in order, and what is acknowledged was told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bgtask_core::{
    AppId, Details, EventClass, Push, PushChannel, PushTicket, RequestId, Standing, TaskId, Trigger, limits,
};

use super::super::{Verdict, check};
use super::held::{By, Occasion};
use super::requests::Answer;
use super::{Model, Owed};

/// What the channel of one app has brought and nobody was told of.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    messages: VecDeque<Push>,
    /// How many more there were that nobody keeps.
    lost: u32,
}

#[derive(Debug, Default)]
pub(super) struct Channels {
    /// Channels as they have to be, and as they are written.
    open: BTreeMap<AppId, PushChannel>,
    kept: BTreeMap<AppId, PushChannel>,
    asked: BTreeMap<AppId, Vec<RequestId>>,
    arrived: BTreeMap<AppId, Arrived>,
    told: BTreeMap<AppId, Vec<PushTicket>>,
    /// Given up without being told to anybody.
    given_up: BTreeSet<PushTicket>,
}

impl Channels {
    pub(super) fn restored(channels: &[PushChannel]) -> Self {
        let open: BTreeMap<_, _> = channels.iter().map(|it| (it.app.clone(), it.clone())).collect();
        Self { kept: open.clone(), open, ..Self::default() }
    }

    pub(super) fn written(&mut self, channel: &PushChannel) {
        self.kept.insert(channel.app.clone(), channel.clone());
    }

    pub(super) fn deleted(&mut self, app: &AppId) {
        self.kept.remove(app);
    }
}

impl Model {
    /// The same again is a longer life. The answer may have to wait for the address.
    pub(super) fn channel_wanted(&mut self, id: RequestId, app: &AppId, owed: &mut Owed) -> Answer {
        if !self.apps.contains_key(app) {
            return Answer::Refused;
        }
        let uri = self.channels.open.get(app).and_then(|channel| channel.uri.clone());
        let channel = PushChannel { app: app.clone(), uri, expires: self.now.wall + PushChannel::LIFETIME };
        self.channels.open.insert(app.clone(), channel.clone());
        if channel.uri.is_some() {
            return Answer::Exactly(bgtask_core::Reply::Channel(channel));
        }
        owed.opens.insert(app.clone());
        self.channels.asked.entry(app.clone()).or_default().push(id);
        Answer::Later
    }

    /// A new broker opens all again.
    pub(super) fn channels_to_open(&self) -> impl Iterator<Item = AppId> + '_ {
        self.channels.open.keys().cloned()
    }

    pub(super) fn channel_opened(&mut self, app: &AppId, uri: &Arc<str>, owed: &mut Owed) {
        let Some(channel) = self.channels.open.get_mut(app) else { return };
        channel.uri = Some(Arc::clone(uri));
        let answer = Answer::Exactly(bgtask_core::Reply::Channel(channel.clone()));
        let asked = self.channels.asked.remove(app).unwrap_or_default();
        owed.later.extend(asked.into_iter().map(|id| (id, answer.clone())));
    }

    /// Who waits is told; a channel that never had an address is given up.
    pub(super) fn channel_refused(&mut self, app: &AppId, owed: &mut Owed) {
        let asked = self.channels.asked.remove(app).unwrap_or_default();
        owed.later.extend(asked.into_iter().map(|id| (id, Answer::Refused)));
        if self.channels.open.get(app).is_some_and(|channel| channel.uri.is_none()) {
            self.channel_closed(app, owed);
        }
    }

    pub(super) fn channel_closed(&mut self, app: &AppId, owed: &mut Owed) {
        if self.channels.open.remove(app).is_some() {
            owed.closes.insert(app.clone());
            self.channel_refused(app, owed);
        }
    }

    pub(super) fn channels_expire(&mut self, owed: &mut Owed) {
        let over = self.channels.open.values().filter(|channel| channel.expires <= self.now.wall);
        let over: Vec<_> = over.map(|channel| channel.app.clone()).collect();
        over.iter().for_each(|app| self.channel_closed(app, owed));
    }

    pub(super) fn pushed(&mut self, app: &AppId, messages: &[Push], owed: &mut Owed) {
        if self.channels.open.get(app).is_some_and(|channel| channel.expires <= self.now.wall) {
            self.channel_closed(app, owed);
        }
        let arrived = self.channels.arrived.entry(app.clone()).or_default();
        for message in messages {
            if message.ticket.is_some() || arrived.messages.len() < limits::MAX_HELD_PUSHES {
                arrived.messages.push_back(message.clone());
            } else {
                arrived.lost += 1;
            }
        }
    }

    /// So many messages more are told to a task: then to all that listen, and these are the next ones.
    pub(super) fn pushes_fire(&mut self, task: TaskId, count: u32, owed: &mut Owed) -> Verdict {
        let app = self.registrations[&task].app.clone();
        let before = self.last_of(task).map_or(0, |last| self.waiting[&last].firing.count);
        let count = count.saturating_sub(before);
        let Some(arrived) = self.channels.arrived.get_mut(&app) else { return Ok(()) };
        let mut lost = std::mem::take(&mut arrived.lost);
        let next: Vec<_> =
            arrived.messages.drain(..arrived.messages.len().min((count - lost.min(count)) as usize)).collect();
        check(lost as usize + next.len() == count as usize, || {
            format!("{count} messages are told, there were {next:?}")
        })?;
        lost += u32::try_from(next.iter().filter(|push| push.line.is_none()).count()).unwrap_or(u32::MAX);
        self.channels.told.entry(app.clone()).or_default().extend(next.iter().filter_map(|push| push.ticket));
        let lines: Vec<_> = next.into_iter().filter_map(|push| push.line).map(|line| line.0).collect();
        let details = Some(Details(lines.concat().into()));
        for task in self.told_of_pushes(&app) {
            owed.fires(task, Occasion { details: details.clone(), count, lost, ..Occasion::once(By::World) });
        }
        Ok(())
    }

    pub(in crate::oracle) fn was_given_up(&self, message: PushTicket) -> bool {
        self.channels.given_up.contains(&message)
    }

    fn told_of_pushes(&self, app: &AppId) -> Vec<TaskId> {
        let its = self.registrations.values();
        let its = its.filter(|it| it.app == *app && it.standing == Standing::Active && hears_pushes(&it.trigger));
        its.map(|it| it.id).collect()
    }

    /// Acknowledged is what was told, or what nobody is there to be told of.
    pub(super) fn pushes_acknowledged(&mut self, app: &AppId, tickets: &[PushTicket]) -> Verdict {
        let told = self.channels.told.remove(app).unwrap_or_default();
        if !told.is_empty() {
            return check(told == tickets, || format!("{tickets:?} are acknowledged, told were {told:?}"));
        }
        let nobody = self.told_of_pushes(app).is_empty() || !self.channels.open.contains_key(app);
        check(nobody, || format!("{tickets:?} of {app} are acknowledged and were not told"))?;
        let arrived = self.channels.arrived.remove(app).unwrap_or_default();
        let right: Vec<_> = arrived.messages.iter().filter_map(|push| push.ticket).collect();
        self.channels.given_up.extend(tickets);
        check(right == tickets, || format!("{tickets:?} are acknowledged, there were {right:?}"))
    }

    /// What is written is what is right, everything told is acknowledged, and nothing is held for which there is room.
    pub(super) fn channels_are_right(&mut self) -> Verdict {
        let Channels { open, kept, told, .. } = &self.channels;
        check(open == kept, || format!("written are the channels {kept:?}, right are {open:?}"))?;
        let silent = told.iter().find(|(_, tickets)| !tickets.is_empty());
        check(silent.is_none(), || format!("this was told and is not acknowledged: {silent:?}"))?;
        self.channels.told.clear();
        let apps: Vec<_> = self.channels.arrived.keys().cloned().collect();
        apps.iter().try_for_each(|app| self.nothing_is_held_in_vain(app))
    }

    fn nothing_is_held_in_vain(&mut self, app: &AppId) -> Verdict {
        let listening = self.told_of_pushes(app);
        let arrived = &self.channels.arrived[app];
        let Some(size) = arrived.messages.front().map(|push| push.line.as_ref().map_or(0, |line| line.0.len())) else {
            check(arrived.lost == 0 || listening.is_empty(), || format!("nobody is told what was lost: {arrived:?}"))?;
            self.channels.arrived.remove(app);
            return Ok(());
        };
        if listening.is_empty() || !self.channels.open.contains_key(app) {
            let left = arrived.messages.iter().find(|push| push.ticket.is_some());
            check(left.is_none(), || format!("nobody listens, and this is not acknowledged: {left:?}"))?;
            self.channels.arrived.remove(app);
            return Ok(());
        }
        let taken = |task| {
            let row = self.last_of(task).and_then(|last| self.rows.get(&last));
            row.and_then(|(_, row)| row.firing.details.as_ref()).map_or(0, |details| details.0.len())
        };
        let full = listening.into_iter().any(|task| taken(task) + size > limits::MAX_DETAILS_BYTES);
        check(full, || format!("there is room for what has arrived for {app}"))
    }
}

/// Whether a task is told of what arrives on the channel of its app.
pub(super) const fn hears_pushes(trigger: &Trigger) -> bool {
    matches!(trigger, Trigger::Event { class: EventClass::PushNotification, .. })
}
