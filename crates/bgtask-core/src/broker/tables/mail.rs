use std::collections::{BTreeMap, VecDeque};

use crate::ids::{AppId, ClientId};
use crate::model::outcome::Completion;

/// Completions on their way to apps, and the clients that are attached to hear them.
#[derive(Default)]
pub(in crate::broker) struct Mailboxes {
    completions: BTreeMap<AppId, VecDeque<Completion>>,
    clients: BTreeMap<ClientId, AppId>,
    last_sequence: u64,
}

impl Mailboxes {
    pub(in crate::broker) fn continue_after(&mut self, last_sequence: u64) {
        self.last_sequence = last_sequence;
    }

    pub(in crate::broker) fn next_sequence(&mut self) -> u64 {
        self.last_sequence += 1;
        self.last_sequence
    }

    /// Keeps a completion; answers how many the app now has unread.
    pub(in crate::broker) fn keep(&mut self, completion: Completion) -> usize {
        self.last_sequence = self.last_sequence.max(completion.sequence);
        let box_ = self.completions.entry(completion.app.clone()).or_default();
        box_.push_back(completion);
        box_.len()
    }

    pub(in crate::broker) fn drop_oldest(&mut self, app: &AppId) -> Option<Completion> {
        self.completions.get_mut(app)?.pop_front()
    }

    pub(in crate::broker) fn acknowledge(&mut self, app: &AppId, sequence: u64) -> bool {
        let Some(kept) = self.completions.get_mut(app) else {
            return false;
        };
        let before = kept.len();
        kept.retain(|completion| completion.sequence != sequence);
        let found = kept.len() < before;
        if kept.is_empty() {
            self.completions.remove(app);
        }
        found
    }

    pub(in crate::broker) fn unread(&self, app: &AppId) -> impl Iterator<Item = &Completion> {
        self.completions.get(app).into_iter().flatten()
    }

    pub(in crate::broker) fn attach(&mut self, client: ClientId, app: AppId) {
        self.clients.insert(client, app);
    }

    pub(in crate::broker) fn detach(&mut self, client: ClientId) -> Option<AppId> {
        self.clients.remove(&client)
    }

    pub(in crate::broker) fn clients_of(&self, app: &AppId) -> Vec<ClientId> {
        self.clients.iter().filter(|(_, its)| *its == app).map(|(client, _)| *client).collect()
    }
}
