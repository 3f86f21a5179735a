//! Completions: at least once, to their own app only, in order, until acknowledged and never after.

use std::collections::{BTreeMap, BTreeSet};

use bgtask_core::{AppId, Change, ClientId, Completion, EventKind, Input, InstanceId, Notice, Snapshot};

use super::{Verdict, check};

#[derive(Debug, Default)]
pub(super) struct Mail {
    unread: BTreeMap<u64, Completion>,
    every: BTreeMap<InstanceId, u64>,
    heard: BTreeSet<InstanceId>,
    given_up: BTreeSet<InstanceId>,
    /// Apps that were removed at some time: what they had not read may be given up.
    removed: BTreeSet<AppId>,
    clients: BTreeMap<ClientId, (AppId, u64)>,
    /// What was acknowledged in the batch that is being carried out: it may still be delivered.
    just_acknowledged: BTreeMap<u64, Completion>,
}

impl Mail {
    pub(super) fn told(&mut self, input: &Input) {
        match input {
            Input::Attach { client, app, .. } => {
                self.clients.insert(*client, (app.clone(), 0));
            }
            Input::AppRemoved(app) => {
                self.removed.insert(app.clone());
            }
            _ => {}
        }
    }

    pub(super) fn batch_begins(&mut self) {
        self.just_acknowledged.clear();
    }

    pub(super) fn committed(&mut self, change: &Change) -> Verdict {
        match change {
            Change::PutCompletion(completion) => {
                let instance = completion.instance;
                self.every.insert(instance, completion.sequence);
                let before = self.unread.insert(completion.sequence, completion.clone());
                check(before.is_none(), || format!("{instance} took the place of an unread completion: {before:?}"))
            }
            Change::DeleteCompletion(sequence) => {
                let gone = self.unread.remove(sequence).ok_or_else(|| format!("completion {sequence} is not there"))?;
                if self.removed.contains(&gone.app) {
                    self.given_up.insert(gone.instance);
                }
                check(self.heard.contains(&gone.instance) || self.given_up.contains(&gone.instance), || {
                    format!("{gone:?} was deleted, and no client ever heard of it")
                })?;
                self.just_acknowledged.insert(*sequence, gone);
                Ok(())
            }
            Change::Record(event) => {
                if let (EventKind::CompletionLost { .. }, Some(instance)) = (&event.kind, event.instance) {
                    self.given_up.insert(instance);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn delivers(&mut self, client: ClientId, notice: &Notice) -> Verdict {
        let Notice::Completed(completion) = notice else {
            return Ok(());
        };
        let sequence = completion.sequence;
        let known = self.unread.get(&sequence).or_else(|| self.just_acknowledged.get(&sequence));
        check(known == Some(completion), || format!("delivered is {completion:?}, durable is {known:?}"))?;
        let (app, last) = self.clients.get_mut(&client).ok_or_else(|| format!("{client:?} is not attached"))?;
        check(*app == completion.app, || format!("a client of {app} was told of {completion:?}"))?;
        check(*last < sequence, || format!("{client:?} was told of {sequence} after {last}"))?;
        *last = sequence;
        Ok(())
    }

    pub(super) fn heard(&mut self, sequence: u64) {
        if let Some(completion) = self.unread.get(&sequence).or_else(|| self.just_acknowledged.get(&sequence)) {
            self.heard.insert(completion.instance);
        }
    }

    pub(super) fn broker_died(&mut self) {
        self.clients.clear();
        self.just_acknowledged.clear();
    }

    pub(super) fn loaded(&self, snapshot: &Snapshot) -> Verdict {
        let same = snapshot.completions.iter().eq(self.unread.values());
        check(same, || "the store came back with other completions".into())
    }

    pub(super) fn rests(&self) -> Verdict {
        check(self.unread.is_empty(), || format!("completions were never acknowledged: {:?}", self.unread))?;
        let unheard = self.every.keys().find(|it| !self.heard.contains(it) && !self.given_up.contains(it));
        check(unheard.is_none(), || format!("nobody heard of the outcome of {unheard:?}"))
    }
}
