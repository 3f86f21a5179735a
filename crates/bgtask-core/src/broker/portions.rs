//! What concerns very many registrations at once is done in portions, one in each turn: whoever asks meanwhile is answered
//! between them. What is left is in the store, or is news only, so that nothing is lost when the broker dies between two.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::Core;
use crate::ids::{AppId, TaskId};
use crate::limits::MAX_PER_TURN;
use crate::output::{Wake, WakeReason};

/// What is left for the next turns.
#[derive(Default)]
pub(super) struct Portions {
    /// Among how many tasks the present wake-up is shared.
    pub(super) shared: u32,
    /// More of them are made up for than can run.
    pub(super) storm: bool,
    /// And how many timers of them have not fired yet.
    timers: usize,
    /// The places of those that wait and whose gates have not been looked at since something changed.
    stale: Option<RangeInclusive<u64>>,
    /// The next of those that may be armed as if their interval were not what it is now.
    pub(super) stretched: Option<(AppId, TaskId)>,
    /// Some that are ready have not been told that every slot is taken.
    pub(super) untold: bool,
    /// This turn is one for what is left.
    ticks: bool,
}

impl Portions {
    /// Of those that are ready, how many to tell that every slot is taken.
    pub(super) fn to_tell(&self) -> usize {
        if self.untold && !self.ticks { 0 } else { MAX_PER_TURN }
    }
}

impl Core {
    /// The timers to fire in this turn. Who is served beside them is charged.
    pub(super) fn timers_of_this_turn(&mut self, beside: &BTreeSet<TaskId>) -> Vec<TaskId> {
        let begins = self.portions.timers == 0;
        if begins {
            self.portions.timers = self.tasks.due_by(self.now.wall);
            self.portions.storm = self.is_storm();
        }
        if begins || !beside.is_empty() {
            let shared = self.share_wake(self.portions.timers, beside);
            self.portions.shared = if begins { shared } else { self.portions.shared };
        }
        let due = self.tasks.timers_until(self.now.wall);
        // Whose task is gone by now fires no more.
        let left = if due.len() < MAX_PER_TURN { 0 } else { self.portions.timers.saturating_sub(due.len()) };
        self.portions.timers = left;
        due
    }

    /// Tells the history when what a waiting activation waits for has changed: of all of them.
    pub(super) fn refresh_gates(&mut self) {
        self.portions.stale = None;
        if self.tasks.waiting().nth(MAX_PER_TURN).is_some() {
            // Who has not been looked at does not run.
            self.portions.stale = self.tasks.close_all();
            return self.refresh_some();
        }
        let waiting: Vec<_> = self.tasks.waiting().collect();
        waiting.into_iter().for_each(|id| self.fresh_gate(id));
    }

    /// Goes on with what is left, if time is all that brings this turn about: one that serves others is long enough.
    pub(super) fn begin_turn(&mut self, ticks: bool) {
        self.portions.ticks = ticks;
        if ticks {
            self.unsettled |= self.portions.untold;
            self.fire_next();
            self.stretch_some();
            self.refresh_some();
        }
    }

    /// Looks at the gates of those whose turn it is, in the order they fired.
    fn refresh_some(&mut self) {
        let Some(stale) = self.portions.stale.take() else { return };
        let (some, last) = self.tasks.waiting_at(stale, MAX_PER_TURN);
        some.into_iter().for_each(|id| self.fresh_gate(id));
        self.portions.stale = last;
    }

    /// At once, where something is left.
    pub(super) fn next_portion(&self) -> Option<Wake> {
        let Portions { timers, stale, stretched, untold, .. } = &self.portions;
        let left = !self.edges.is_empty() || *timers > 0 || stale.is_some() || stretched.is_some() || *untold;
        left.then_some(Wake { at: self.now.boot, why: WakeReason::More })
    }
}
