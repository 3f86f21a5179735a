use std::collections::BTreeMap;
use std::sync::Arc;

use super::keep_alives::{KeepAlives, Window, window};
use crate::ids::{AppId, ClientId, HostId, SocketKey};
use crate::model::control_channel::{ChannelEvent, ChannelState, ControlChannel};
use crate::time::WallTime;

/// The control channels, by key, by the app's name for them, and what time brings about.
#[derive(Default)]
pub(in crate::broker) struct ControlChannels {
    by_key: BTreeMap<SocketKey, ControlChannel>,
    by_name: BTreeMap<AppId, BTreeMap<Arc<str>, SocketKey>>,
    /// When keep-alives and pauses are over.
    keep_alives: KeepAlives,
}

impl ControlChannels {
    pub(in crate::broker) fn get(&self, key: SocketKey) -> Option<&ControlChannel> {
        self.by_key.get(&key)
    }

    pub(in crate::broker) fn iter(&self) -> impl Iterator<Item = &ControlChannel> {
        self.by_key.values()
    }

    pub(in crate::broker) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(in crate::broker) fn of_app(&self, app: &AppId) -> impl Iterator<Item = &ControlChannel> {
        self.by_name.get(app).into_iter().flatten().filter_map(|(_, key)| self.get(*key))
    }

    pub(in crate::broker) fn named(&self, app: &AppId, id: &str) -> Option<&ControlChannel> {
        self.get(*self.by_name.get(app)?.get(id)?)
    }

    pub(in crate::broker) fn of_client(&self, client: ClientId) -> Vec<SocketKey> {
        self.iter().filter(|channel| channel.client == client).map(|channel| channel.key).collect()
    }

    /// Whether a host that the broker started holds one.
    pub(in crate::broker) fn are_in(&self, host: HostId) -> bool {
        self.iter().any(|channel| channel.host == Some(host))
    }

    pub(in crate::broker) fn insert(&mut self, channel: ControlChannel) {
        self.by_name.entry(channel.app.clone()).or_default().insert(Arc::clone(&channel.id), channel.key);
        self.keep_alives.insert(channel.key, alarm(&channel));
        self.by_key.insert(channel.key, channel);
    }

    pub(in crate::broker) fn remove(&mut self, key: SocketKey) -> Option<ControlChannel> {
        let channel = self.by_key.remove(&key)?;
        self.keep_alives.remove(key, alarm(&channel));
        if let Some(names) = self.by_name.get_mut(&channel.app) {
            names.remove(&channel.id);
            if names.is_empty() {
                self.by_name.remove(&channel.app);
            }
        }
        Some(channel)
    }

    /// Changes what is known of one.
    pub(in crate::broker) fn change(&mut self, key: SocketKey, change: impl FnOnce(&mut ControlChannel)) {
        if let Some(mut channel) = self.remove(key) {
            change(&mut channel);
            self.insert(channel);
        }
    }

    /// Applies an event; `false` where it cannot happen (any more).
    pub(in crate::broker) fn apply(&mut self, key: SocketKey, event: ChannelEvent) -> bool {
        let next = self.get(key).and_then(|channel| channel.state.next(event).ok());
        let Some(state) = next else { return false };
        self.change(key, |channel| channel.state = state);
        true
    }

    /// When something has to be done at the latest, and for which.
    pub(in crate::broker) fn first_alarm(&self) -> Option<(WallTime, &ControlChannel)> {
        let (at, key) = self.keep_alives.first_latest()?;
        Some((at, self.get(key)?))
    }

    /// For which there is something to do by then, the earliest first, and not more than so many.
    pub(in crate::broker) fn due_by(&self, now: WallTime, most: usize) -> Vec<SocketKey> {
        self.keep_alives.due_by(now, most)
    }
}

/// When time brings something about for a channel.
fn alarm(channel: &ControlChannel) -> Option<Window> {
    let keep_alive = window(channel.due, channel.keep_alive);
    match channel.state {
        ChannelState::Over => None,
        ChannelState::Paused { until } => Some((until.min(keep_alive.0), until.min(keep_alive.1))),
        _ => Some(keep_alive),
    }
}
