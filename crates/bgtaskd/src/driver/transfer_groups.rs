//! Groups of transfers (NEI-4): what was started together ends together, and then one task of the app runs, once.

use bgtask_core::{AppId, Event, EventClass, EventKind, Input, Now, Outcome, Properties, TaskId, Trigger};

use super::Driver;
use super::clock::Clock;
use crate::transfers::Group;

impl Driver {
    /// Finds the tasks again that hear of the end of a group: also those that have been fired and have not run.
    pub(super) fn find_transfer_groups(&mut self) {
        for registration in self.core.registrations(None) {
            if let Some(group) = Group::of_trigger(&registration.app, &registration.trigger) {
                self.transfers.tell_end_to(registration.id, group);
            }
        }
    }

    /// A task is to hear of the end of a group.
    pub(super) fn hear_of_transfers(&mut self, task: TaskId, app: &AppId, class: EventClass, properties: Properties) {
        let trigger = Trigger::Event { class, properties, one_shot: true };
        if let Some(group) = Group::of_trigger(app, &trigger) {
            self.transfers.tell_end_to(task, group.clone());
            self.settle_transfer_group(Clock::now(), &group);
        }
    }

    /// Tells its task how it stands with a group; where everything in it has ended, that is what the task runs for.
    pub(super) fn settle_transfer_group(&mut self, now: Now, group: &Group) {
        self.transfers.tidy_group(group);
        let Some(task) = self.transfers.hearer_of(group) else { return };
        self.handle(now, Input::Heard(task, self.transfers.status_of(group)));
        if let Some((events, count)) = self.transfers.end_of(group) {
            self.handle(now, Input::Happened { task, events, count, lost: 0 });
        }
    }

    /// A task that hears of the end of a group has come to its own end. Whoever heard of it well is owed nothing more: what was in the
    /// group is forgotten. Else it stays, for the app to find.
    pub(super) fn transfer_group_was_told(&mut self, event: &Event) {
        let is_gone = || self.core.task(event.task).is_none();
        let ends = match event.kind {
            EventKind::Completed { .. } => true,
            EventKind::Dropped | EventKind::Unregistered(_) => is_gone(),
            _ => false,
        };
        let Some(group) = Some(event.task).filter(|_| ends).and_then(|task| self.transfers.part_with_hearer(task))
        else {
            return;
        };
        if matches!(event.kind, EventKind::Completed { outcome: Outcome::Succeeded, .. }) {
            let over = self.transfers.members(&group).filter(|member| member.kept.state.phase.is_over());
            let over: Vec<_> = over.map(|member| member.kept.order.id).collect();
            over.into_iter().for_each(|id| self.forget_transfer(Clock::now(), id));
        }
        self.transfers.tidy_group(&group);
    }
}
