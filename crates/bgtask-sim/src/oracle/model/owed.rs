//! What one input must bring about, and what takes it off.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bgtask_core::{
    AppId, CancellationReason, Cause, ClientId, HostId, InstanceId, Outcome, RequestId, Resource, TaskId,
    ThrottleCounts, WallTime,
};

use super::super::{Verdict, check};
use super::commands::{Bill, Words};
use super::held::{By, Occasion};
use super::orders::OwedOrders;
use super::registrations::Registering;
use super::requests;

/// What one input must bring about. Everything is taken off when it comes; what is left at the end did not come.
#[derive(Debug, Default)]
pub(super) struct Owed {
    pub(super) cancels: BTreeMap<InstanceId, CancellationReason>,
    pub(super) outcomes: BTreeMap<InstanceId, Outcome>,
    pub(super) fired: BTreeMap<TaskId, VecDeque<Occasion>>,
    /// These may fire, all or none.
    pub(super) may_fire: BTreeSet<TaskId>,
    /// These timers may have come due: how much of their jitter they wait is not known well enough.
    pub(super) may_come_due: BTreeMap<TaskId, WallTime>,
    /// How many one wake-up served at least, and at most.
    pub(super) served: (u32, u32),
    pub(super) plans: BTreeMap<TaskId, Vec<WallTime>>,
    pub(super) missed: BTreeMap<TaskId, WallTime>,
    pub(super) overdue: BTreeMap<TaskId, WallTime>,
    pub(super) retries: BTreeMap<InstanceId, (Outcome, u32, WallTime)>,
    pub(super) drops: BTreeSet<InstanceId>,
    pub(super) paused: Option<(TaskId, bool)>,
    pub(super) progress: Option<(TaskId, InstanceId, u32, Words)>,
    pub(super) bill: Bill,
    pub(super) paid: bool,
    pub(super) registering: Option<Registering>,
    pub(super) leaving: BTreeSet<TaskId>,
    pub(super) adopts: Option<(ClientId, AppId)>,
    pub(super) answer: Option<(RequestId, requests::Answer)>,
    pub(super) samples: BTreeSet<HostId>,
    pub(super) suspended: BTreeMap<InstanceId, Resource>,
    pub(super) released: BTreeMap<InstanceId, ThrottleCounts>,
    /// What is released hears how often it was suspended.
    pub(super) told_counts: BTreeMap<InstanceId, ThrottleCounts>,
    /// Who is told of which level of energy.
    pub(super) energy: Vec<(ClientId, u32)>,
    /// Whose account has to be as it is written.
    pub(super) keeps: BTreeSet<AppId>,
    pub(super) kills: BTreeSet<HostId>,
    pub(super) orders: OwedOrders,
    /// Requests that waited for an address, and the channels that are opened and closed.
    pub(super) later: BTreeMap<RequestId, requests::Answer>,
    pub(super) opens: BTreeSet<AppId>,
    pub(super) closes: BTreeSet<AppId>,
}

impl Owed {
    pub(super) fn is_settled(&self) -> Verdict {
        let nothing = self.cancels.is_empty()
            && self.outcomes.is_empty()
            && self.fired.is_empty()
            && self.leaving.is_empty()
            && self.adopts.is_none()
            && self.answer.is_none()
            && self.plans.is_empty()
            && self.missed.is_empty()
            && self.overdue.is_empty()
            && self.retries.is_empty()
            && self.drops.is_empty()
            && self.paused.is_none()
            && self.progress.is_none()
            && self.bill.is_settled(self.paid)
            && self.samples.is_empty()
            && self.suspended.is_empty()
            && self.released.is_empty()
            && self.told_counts.is_empty()
            && self.energy.is_empty()
            && self.kills.is_empty()
            && self.orders.is_settled()
            && self.later.is_empty()
            && self.opens.is_empty()
            && self.closes.is_empty();
        check(nothing, || format!("this was to come and did not: {self:?}"))
    }

    pub(super) fn cause_is_right(&self, by: By, cause: Cause) -> Verdict {
        let right = match (by, cause) {
            (By::World, Cause::World) | (By::Hand, Cause::Hand) | (By::Fleet, Cause::Fleet) => true,
            // Those that are paused or missed their time are served by the wake-up too.
            (By::Timer, Cause::Timer { shared }) => (self.served.0..=self.served.1).contains(&shared),
            _ => false,
        };
        check(right, || format!("it fires by {cause:?}, right is {by:?}, {:?} were served", self.served))
    }

    pub(super) fn planned(&mut self, task: TaskId, after: WallTime) -> Verdict {
        let orders = self.plans.get_mut(&task);
        let place = orders.as_ref().and_then(|orders| orders.iter().position(|its| *its == after));
        let Some((orders, place)) = orders.zip(place) else {
            return Err(format!("{task} is planned after {after:?}, to be are {:?}", self.plans));
        };
        orders.remove(place);
        self.plans.retain(|_, orders| !orders.is_empty());
        Ok(())
    }
}
