//! Channels for push messages, and what arrives there.
//!
//! A message is durable as part of a waiting activation, and only then acknowledged. What finds no room there is held and not
//! acknowledged, so that its server keeps what follows; a message that nobody keeps a second time is then lost, and told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::fire::Occurrence;
use super::{Core, Task};
use crate::ids::{AppId, PushTicket, RequestId, TaskId};
use crate::limits::{MAX_CHANNEL_REQUESTS, MAX_DETAILS_BYTES, MAX_HELD_PUSHES, MAX_PUSH_CHANNELS};
use crate::model::push::{Push, PushChannel};
use crate::model::registration::Standing;
use crate::model::subject::EventClass;
use crate::model::trigger::{Details, Trigger};
use crate::output::{Change, Output, Reply, Wake, WakeReason};
use crate::refusal::{Limit, Refusal};

/// All channels.
#[derive(Default)]
pub(super) struct Channels {
    open: BTreeMap<AppId, PushChannel>,
    /// Requests that wait until the channel has an address.
    asked: BTreeMap<AppId, Vec<RequestId>>,
    held: BTreeMap<AppId, Held>,
}

/// What has arrived and is not in an activation.
#[derive(Default)]
struct Held {
    messages: VecDeque<Push>,
    /// How many more there were that nobody keeps.
    lost: u32,
}

impl Core {
    /// The channels there are, with how many messages each holds that are not acknowledged.
    pub fn push_channels(&self) -> impl Iterator<Item = (&PushChannel, usize)> {
        let held = |app| self.channels.held.get(app).map_or(0, |held| held.messages.len());
        self.channels.open.values().map(move |channel| (channel, held(&channel.app)))
    }

    /// The channel of an app, the same one with a longer life where there is one. The answer may have to wait for the address.
    pub(super) fn create_push_channel(&mut self, id: RequestId, app: AppId) -> Option<Result<Reply, Refusal>> {
        if self.apps.get(&app).is_none() {
            return Some(Err(Refusal::UnknownApp(app)));
        }
        let uri = self.channels.open.get(&app).and_then(|channel| channel.uri.clone());
        if !self.channels.open.contains_key(&app) && self.channels.open.len() >= MAX_PUSH_CHANNELS {
            return Some(Err(Refusal::LimitReached(Limit::PushChannels)));
        }
        let expires = self.now.wall + PushChannel::LIFETIME;
        let channel = PushChannel { app: app.clone(), uri, expires };
        self.put_channel(channel.clone());
        if channel.uri.is_some() {
            return Some(Ok(Reply::Channel(channel)));
        }
        let asked = self.channels.asked.entry(app.clone()).or_default();
        if asked.len() >= MAX_CHANNEL_REQUESTS {
            return Some(Err(Refusal::NotSupported {
                what: "another request for the same channel".into(),
                why: format!("{MAX_CHANNEL_REQUESTS} wait for its address already"),
                help: "ask again when they are answered".into(),
            }));
        }
        asked.push(id);
        self.outputs.push_back(Output::OpenChannel(app));
        None
    }

    pub(super) fn close_push_channel(&mut self, app: &AppId) -> Reply {
        self.close_channel(app);
        Reply::ChannelClosed
    }

    /// The channel has an address, or another one.
    pub(super) fn channel_opened(&mut self, app: &AppId, uri: Arc<str>) {
        let Some(channel) = self.channels.open.get(app) else { return };
        let channel = PushChannel { uri: Some(uri), ..channel.clone() };
        if self.channels.open.get(app) != Some(&channel) {
            self.put_channel(channel.clone());
        }
        for id in self.channels.asked.remove(app).unwrap_or_default() {
            self.outputs.push_back(Output::Reply(id, Ok(Reply::Channel(channel.clone()))));
        }
    }

    /// It cannot be opened now. Who waits is told; a channel that never had an address is given up.
    pub(super) fn channel_refused(&mut self, app: &AppId, why: &str, help: &str) {
        for id in self.channels.asked.remove(app).unwrap_or_default() {
            let refusal = Refusal::NotSupported {
                what: "a channel for push messages".into(),
                why: why.to_owned(),
                help: help.to_owned(),
            };
            self.outputs.push_back(Output::Reply(id, Err(refusal)));
        }
        if self.channels.open.get(app).is_some_and(|channel| channel.uri.is_none()) {
            self.close_channel(app);
        }
    }

    pub(super) fn close_channel(&mut self, app: &AppId) {
        self.channel_held_no_more(app);
        if self.channels.open.remove(app).is_some() {
            self.persist(Change::DeleteChannel(app.clone()));
            self.outputs.push_back(Output::CloseChannel(app.clone()));
            self.channel_refused(app, "it was closed", "create it again");
        }
    }

    /// Closes the channels whose time is over.
    pub(super) fn expire_push_channels(&mut self) {
        let over = self.channels.open.values().filter(|channel| channel.expires <= self.now.wall);
        for app in over.map(|channel| channel.app.clone()).collect::<Vec<_>>() {
            self.close_channel(&app);
        }
    }

    pub(super) fn push_channel_wake(&self) -> Option<Wake> {
        let at = self.channels.open.values().map(|channel| channel.expires).min()?;
        Some(Wake { at: self.now.boot + (at - self.now.wall), why: WakeReason::ChannelExpiry })
    }

    pub(super) fn restore_channels(&mut self, channels: Vec<PushChannel>) {
        for channel in channels {
            let app = channel.app.clone();
            self.channels.open.insert(app.clone(), channel);
            self.outputs.push_back(Output::OpenChannel(app));
        }
    }

    /// Messages have arrived. Whoever has no channel any more gets none, and its server need not repeat them.
    pub(super) fn pushed(&mut self, app: &AppId, messages: Vec<Push>) {
        let held = self.channels.held.entry(app.clone()).or_default();
        for message in messages {
            // Whose sender waits for a word is bounded by that.
            if message.ticket.is_some() || held.messages.len() < MAX_HELD_PUSHES {
                held.messages.push_back(message);
            } else {
                held.lost = held.lost.saturating_add(1);
            }
        }
        if self.channels.open.get(app).is_none_or(|channel| channel.expires <= self.now.wall) {
            self.close_channel(app);
        }
    }

    /// Gives what is held to waiting activations, as far as there is room. Answers whether anything fired.
    pub(super) fn take_in_pushes(&mut self) -> bool {
        let apps: Vec<_> = self.channels.held.keys().cloned().collect();
        let mut fired = false;
        for app in &apps {
            fired |= self.take_in_pushes_of(app);
        }
        fired
    }

    fn take_in_pushes_of(&mut self, app: &AppId) -> bool {
        let listens = |task: &&Task| listens(task);
        let listening: Vec<_> = self.tasks.of_app(app).filter(listens).map(|task| task.registration.id).collect();
        let room = listening.iter().map(|id| self.room_of(*id)).min();
        let Some(held) = self.channels.held.get_mut(app) else { return false };
        let Some(mut room) = room else {
            // A raw notification for which no task is registered runs nothing.
            self.channel_held_no_more(app);
            return false;
        };
        let (mut lines, mut count, mut tickets) = (Vec::new(), 0, Vec::new());
        let mut lost = std::mem::take(&mut held.lost);
        while let Some(Push { line, .. }) = held.messages.front() {
            let size = line.as_ref().map_or(0, |line| line.0.len());
            let Some(left) = room.checked_sub(size) else { break };
            room = left;
            let Some(Push { line, ticket }) = held.messages.pop_front() else { break };
            match line {
                Some(line) => {
                    count += 1;
                    lines.extend_from_slice(&line.0);
                }
                None => lost += 1,
            }
            tickets.extend(ticket);
        }
        if held.messages.is_empty() {
            self.channels.held.remove(app);
        }
        let count = lost.saturating_add(count);
        if count == 0 {
            return false;
        }
        let details = Details(lines.into());
        for id in listening {
            self.accept(id, Occurrence { details: Some(details.clone()), count, lost, ..Occurrence::default() });
        }
        self.acknowledge_pushes(app, tickets);
        true
    }

    /// How much of what arrives finds room with what waits of a task.
    fn room_of(&self, id: TaskId) -> usize {
        let last = self.tasks.get(id).and_then(|task| task.waiting.back());
        let details = last.and_then(|waiting| waiting.firing.details.as_ref());
        MAX_DETAILS_BYTES.saturating_sub(details.map_or(0, |details| details.0.len()))
    }

    fn channel_held_no_more(&mut self, app: &AppId) {
        let held = self.channels.held.remove(app).unwrap_or_default();
        self.acknowledge_pushes(app, held.messages.into_iter().filter_map(|message| message.ticket).collect());
    }

    fn acknowledge_pushes(&mut self, app: &AppId, tickets: Vec<PushTicket>) {
        if !tickets.is_empty() {
            self.outputs.push_back(Output::AcknowledgePushes(app.clone(), tickets));
        }
    }

    fn put_channel(&mut self, channel: PushChannel) {
        self.persist(Change::PutChannel(channel.clone()));
        self.channels.open.insert(channel.app.clone(), channel);
    }
}

fn listens(task: &Task) -> bool {
    let its = &task.registration;
    let push = matches!(its.trigger, Trigger::Event { class: EventClass::PushNotification, .. });
    push && its.standing == Standing::Active
}
