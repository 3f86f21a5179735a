//! Hosts are started a few in each turn. To start one takes the broker about a millisecond, and whoever calls meanwhile waits for
//! the whole turn; what is ordered of a host that has not been started yet waits behind it.

use std::collections::{BTreeSet, VecDeque};

use bgtask_core::{HostId, Output};

/// How many hosts are started in one turn. The slots of the core bound how many wait.
const MAX_LAUNCHES_PER_TURN: usize = 4;

/// The hosts that are to be started, with what they are to do then.
#[derive(Default)]
pub(super) struct Launches {
    /// How many were started in this turn.
    begun: usize,
    waiting: VecDeque<Output>,
    hosts: BTreeSet<HostId>,
}

impl Launches {
    /// The order, if it may be performed in this turn; else it is kept.
    pub(super) fn admit(&mut self, order: Output) -> Option<Output> {
        let Some(host) = host_of(&order) else { return Some(order) };
        let begins = matches!(order, Output::Launch { .. });
        let has_turn = self.waiting.is_empty() && self.begun < MAX_LAUNCHES_PER_TURN;
        if begins && !has_turn {
            self.hosts.insert(host);
        }
        if self.hosts.contains(&host) {
            self.waiting.push_back(order);
            return None;
        }
        self.begun += usize::from(begins);
        Some(order)
    }

    /// What may be performed in the turn that begins, in the order in which it came.
    pub(super) fn begin_turn(&mut self) -> Vec<Output> {
        self.begun = 0;
        let mut orders = Vec::new();
        for order in std::mem::take(&mut self.waiting) {
            match order {
                Output::Launch { host, .. } if self.begun < MAX_LAUNCHES_PER_TURN => {
                    self.begun += 1;
                    self.hosts.remove(&host);
                }
                _ => {}
            }
            let waits = host_of(&order).is_some_and(|host| self.hosts.contains(&host));
            if waits { self.waiting.push_back(order) } else { orders.push(order) }
        }
        orders
    }

    /// Everything, when there are no more turns to wait for.
    pub(super) fn take_all(&mut self) -> VecDeque<Output> {
        self.hosts.clear();
        std::mem::take(&mut self.waiting)
    }

    /// Whether nothing waits for the next turn.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Whom an order concerns that the broker has started, or will have.
const fn host_of(order: &Output) -> Option<HostId> {
    match order {
        Output::Launch { host, .. }
        | Output::Run(host, _)
        | Output::Cancel(host, ..)
        | Output::Sample(host)
        | Output::Freeze(host)
        | Output::Thaw(host)
        | Output::Throttled(host, ..)
        | Output::Retire(host)
        | Output::Kill(host) => Some(*host),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bgtask_core::{AppId, Limits};

    use super::*;

    fn launch(number: u64) -> Output {
        let app = AppId::new("org.example.App").expect("an id");
        Output::Launch {
            host: HostId(number),
            app,
            program: "task".into(),
            limits: Limits { memory: None, processes: None },
        }
    }

    /// A turn starts so many hosts and no more; nothing overtakes the start of its own host, and nobody else waits for that.
    #[test]
    fn hosts_start_a_few_in_each_turn_and_what_they_are_told_stays_behind_their_start() {
        let mut launches = Launches::default();
        let most = MAX_LAUNCHES_PER_TURN as u64;
        for number in 0..most {
            assert_eq!(launches.admit(launch(number)), Some(launch(number)));
        }
        let (late, last) = (HostId(most), HostId(2 * most));
        (most..=2 * most).for_each(|number| assert_eq!(launches.admit(launch(number)), None));
        assert_eq!(launches.admit(Output::Kill(last)), None);
        assert_eq!(launches.admit(Output::Thaw(late)), None);
        assert_eq!(launches.admit(Output::Thaw(HostId(0))), Some(Output::Thaw(HostId(0))));
        assert_eq!(launches.admit(Output::Rouse(None)), Some(Output::Rouse(None)));

        let first: Vec<_> = (most..2 * most).map(launch).chain([Output::Thaw(late)]).collect();
        assert_eq!(launches.begin_turn(), first);
        assert_eq!(launches.admit(launch(3 * most)), None, "no more are started in this turn");
        assert_eq!(launches.admit(Output::Kill(late)), Some(Output::Kill(late)), "it has been started");
        assert!(!launches.is_empty());
        assert_eq!(launches.begin_turn(), [launch(2 * most), Output::Kill(last), launch(3 * most)]);
        assert!(launches.is_empty());
        assert_eq!(launches.admit(Output::Kill(last)), Some(Output::Kill(last)));
    }

    #[test]
    fn whoever_ends_waits_for_no_turn() {
        let mut launches = Launches::default();
        let more = MAX_LAUNCHES_PER_TURN as u64 + 1;
        (0..more).for_each(|number| drop(launches.admit(launch(number))));
        assert_eq!(launches.take_all(), [launch(more - 1)]);
        assert!(launches.is_empty() && launches.begin_turn().is_empty());
    }
}
