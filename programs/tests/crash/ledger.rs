//! What one app has been promised, by its own account.

use std::collections::{BTreeMap, BTreeSet};

use bgtask_wire::TaskInfo;

/// The app's side of every promise.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Registrations the broker has confirmed and not been asked to take away: id and whether it is one-shot.
    pub(crate) standing: BTreeMap<String, bool>,
    /// Names and flags of registrations whose answer never came: they may have been made or not.
    asked: BTreeMap<String, bool>,
    /// Registrations that were to be taken away when the broker died.
    leaving: BTreeMap<String, bool>,
    /// One-shot registrations that have left by themselves.
    pub(crate) spent: BTreeSet<String>,
    /// Instances whose completion was delivered, and how often.
    pub(crate) delivered: BTreeMap<String, u32>,
    /// How many registrations were confirmed or found.
    pub(crate) registered: usize,
}

impl Ledger {
    pub(crate) fn ask(&mut self, name: &str, one_shot: bool) {
        self.asked.insert(name.to_owned(), one_shot);
    }

    pub(crate) fn confirmed(&mut self, name: &str, id: String) {
        if let Some(one_shot) = self.asked.remove(name) {
            self.standing.insert(id, one_shot);
            self.registered += 1;
        }
    }

    pub(crate) fn leave(&mut self, id: &str) {
        if let Some(one_shot) = self.standing.remove(id) {
            self.leaving.insert(id.to_owned(), one_shot);
        }
    }

    /// It is gone, by this request or by an earlier one that got no answer, or because it was spent.
    pub(crate) fn left(&mut self, id: &str) {
        self.leaving.remove(id);
    }

    /// A new broker has answered and nobody asks for anything: everything that was promised is there, nothing else is, and what
    /// was unanswered is decided.
    pub(crate) fn settle(&mut self, listed: &[TaskInfo]) {
        for task in listed {
            if self.asked.contains_key(&task.name) {
                self.confirmed(&task.name, task.id.clone());
            }
            if let Some(one_shot) = self.leaving.remove(&task.id) {
                self.standing.insert(task.id.clone(), one_shot);
            }
            assert!(self.standing.contains_key(&task.id), "nobody asked for {task:?}");
        }
        self.asked.clear();
        self.leaving.clear();
        let is_listed = |id: &String| listed.iter().any(|task| task.id == *id);
        for (id, one_shot) in std::mem::take(&mut self.standing) {
            match (is_listed(&id), one_shot) {
                (true, _) => drop(self.standing.insert(id, one_shot)),
                (false, true) => drop(self.spent.insert(id)),
                (false, false) => panic!("the registration {id} was confirmed and is lost"),
            }
        }
    }
}
