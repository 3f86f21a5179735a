//! Groups of transfers whose end one task hears of (NEI-4). That a group is enabled stands in the folder of the transfers, which task
//! hears of it in the core, and what is in it in the orders: here it is looked up.

use std::collections::{BTreeMap, BTreeSet};

use bgtask_core::{AppId, Details, EventClass, SourceStatus, TaskId, Trigger};
use bgtask_transfer::{Folder, FolderError, GroupId, Phase, TransferId};
use serde_json::json;

use super::{Transfer, Transfers};

/// A group, by its app and the app's name for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group {
    pub(crate) app: String,
    pub(crate) id: GroupId,
}

impl Group {
    /// Of which group a trigger tells the end.
    pub(crate) fn of_trigger(app: &AppId, trigger: &Trigger) -> Option<Self> {
        let Trigger::Event { class: EventClass::BackgroundTransferCompletionGroup, properties, .. } = trigger else {
            return None;
        };
        Some(Self { app: app.to_string(), id: properties.get("group")?.parse().ok()? })
    }
}

/// Which groups are enabled, and who hears of their end until that was told.
pub(super) struct Groups {
    enabled: BTreeSet<Group>,
    tasks: BTreeMap<TaskId, Group>,
}

impl Groups {
    pub(super) fn read(folder: &Folder) -> Result<Self, FolderError> {
        let enabled = folder.enabled()?.into_iter().map(|(app, id)| Group { app, id }).collect();
        Ok(Self { enabled, tasks: BTreeMap::new() })
    }
}

impl Transfers {
    pub(crate) fn tell_end_to(&mut self, task: TaskId, group: Group) {
        self.groups.tasks.insert(task, group);
    }

    /// A task hears of no end any more: it has, or it is gone.
    pub(crate) fn part_with_hearer(&mut self, task: TaskId) -> Option<Group> {
        self.groups.tasks.remove(&task)
    }

    pub(crate) fn hearer_of(&self, group: &Group) -> Option<TaskId> {
        self.groups.tasks.iter().find(|(_, its)| *its == group).map(|(task, _)| *task)
    }

    pub(crate) fn is_enabled(&self, group: &Group) -> bool {
        self.groups.enabled.contains(group)
    }

    pub(crate) fn members<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a Transfer> {
        self.iter().filter(|transfer| transfer.group().as_ref() == Some(group))
    }

    /// Whether a task has still to hear of the end of this one, so that it is not forgotten before.
    pub(crate) fn is_awaited(&self, id: TransferId) -> bool {
        let group = self.get(id).and_then(Transfer::group);
        group.is_some_and(|group| self.hearer_of(&group).is_some())
    }

    pub(crate) fn enable(&mut self, group: Group) -> Result<(), FolderError> {
        self.folder.enable(&group.app, group.id)?;
        self.groups.enabled.insert(group);
        Ok(())
    }

    /// A group without a task and without transfers is nothing: so there are never more than those together.
    pub(crate) fn tidy_group(&mut self, group: &Group) {
        if !self.is_enabled(group) || self.hearer_of(group).is_some() || self.members(group).next().is_some() {
            return;
        }
        self.groups.enabled.remove(group);
        if let Err(error) = self.folder.remove_group(&group.app, group.id) {
            tracing::warn!("a group of transfers cannot be forgotten: {}", crate::hosts::chain(&error));
        }
    }

    /// What its task hears, one line for each transfer, and how many these are; nothing before all have ended.
    pub(crate) fn end_of(&self, group: &Group) -> Option<(Details, u32)> {
        let all_over = self.members(group).all(|transfer| transfer.kept.state.phase.is_over());
        if !self.is_enabled(group) || !all_over {
            return None;
        }
        let lines: Vec<_> = self.members(group).map(line).collect();
        // A group with nothing in it has ended, too.
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX).max(1);
        Some((Details(lines.concat().into_bytes().into()), count))
    }

    /// How it stands with a group, for whoever asks why its task does not run.
    pub(crate) fn status_of(&self, group: &Group) -> SourceStatus {
        let all = self.members(group).count();
        let over = self.members(group).filter(|transfer| transfer.kept.state.phase.is_over()).count();
        let how = format!("background transfers: {over} of {all} have ended");
        if self.is_enabled(group) {
            return SourceStatus::Available { how };
        }
        SourceStatus::Degraded {
            how,
            why: "the app has not enabled the group yet".into(),
            help: "have it call BackgroundTransferCompletionGroup::enable when the last transfer is started".into(),
        }
    }
}

impl Transfer {
    pub(crate) fn group(&self) -> Option<Group> {
        let order = &self.kept.order;
        order.completion_group.map(|id| Group { app: order.app.clone(), id })
    }
}

/// What the task hears of one: the rest it asks for by its id.
fn line(transfer: &Transfer) -> String {
    let (order, state) = (&transfer.kept.order, &transfer.kept.state);
    let status = if state.phase == Phase::Completed { "Completed" } else { "Error" };
    format!("{}\n", json!({ "id": order.id.to_string(), "kind": order.kind.word(), "status": status }))
}

#[cfg(test)]
mod tests {
    use bgtask_core::limits::MAX_DETAILS_BYTES;
    use bgtask_transfer::{Kept, Kind, Order, State};

    use super::super::{MAX_TRANSFERS_PER_APP, Transfers};
    use super::*;

    const TASK: TaskId = TaskId::from_random(7);

    fn stage() -> (tempfile::TempDir, Transfers, Group) {
        let temp = tempfile::tempdir().unwrap();
        let transfers = Transfers::read(temp.path().join("t"), temp.path().join("s")).unwrap();
        (temp, transfers, Group { app: "a".into(), id: GroupId::new() })
    }

    fn add(transfers: &mut Transfers, group: &Group, phase: Phase) -> TransferId {
        let mut order = Order::new(Kind::Download, "a", "http://a/", "/f");
        order.completion_group = Some(group.id);
        let id = order.id;
        let kept = Kept { order, state: State { phase, ..State::default() }, paused: false };
        transfers.known.insert(id, Transfer { kept, task: None });
        id
    }

    /// NEI-4: it has ended when it is enabled and everything in it has, well or not.
    #[test]
    fn nei_4_a_group_ends_with_the_last_of_its_transfers_and_not_before_it_is_enabled() {
        let (_temp, mut transfers, group) = stage();
        add(&mut transfers, &group, Phase::Completed);
        let last = add(&mut transfers, &group, Phase::Going);
        assert_eq!(transfers.end_of(&group), None);
        transfers.enable(group.clone()).unwrap();
        assert_eq!(transfers.end_of(&group), None);
        transfers.known.get_mut(&last).unwrap().kept.state.phase = Phase::Failed;
        let (details, count) = transfers.end_of(&group).unwrap();
        let text = String::from_utf8(details.0.to_vec()).unwrap();
        assert_eq!((count, text.lines().count()), (2, 2));
        assert!(
            text.contains("\"Completed\"") && text.contains("\"Error\"") && text.contains(&last.to_string()),
            "{text}"
        );
        let another = Group { app: "b".into(), ..group };
        assert_eq!(transfers.end_of(&another), None, "the name is the app's own");
    }

    #[test]
    fn a_group_with_nothing_in_it_has_ended() {
        let (_temp, mut transfers, group) = stage();
        transfers.enable(group.clone()).unwrap();
        assert_eq!(transfers.end_of(&group).unwrap().1, 1);
    }

    /// So groups need no bound of their own: transfers and registrations have theirs.
    #[test]
    fn an_enabled_group_is_kept_while_it_has_a_task_or_a_transfer() {
        let (temp, mut transfers, group) = stage();
        let member = add(&mut transfers, &group, Phase::Going);
        transfers.enable(group.clone()).unwrap();
        transfers.tell_end_to(TASK, group.clone());
        assert!(transfers.is_awaited(member));
        let still_there = |transfers: &mut Transfers| {
            transfers.tidy_group(&group);
            let read = Transfers::read(temp.path().join("t"), temp.path().join("s")).unwrap();
            assert_eq!(read.is_enabled(&group), transfers.is_enabled(&group), "it is in the folder as it is here");
            transfers.is_enabled(&group)
        };
        assert!(still_there(&mut transfers));
        assert_eq!(transfers.part_with_hearer(TASK).as_ref(), Some(&group));
        assert!(still_there(&mut transfers) && !transfers.is_awaited(member));
        transfers.remove(member);
        assert!(!still_there(&mut transfers));
    }

    /// all transfers that an app may have find room in what its task hears.
    #[test]
    fn the_end_of_the_largest_group_fits() {
        let (_temp, mut transfers, group) = stage();
        for _ in 0..MAX_TRANSFERS_PER_APP {
            add(&mut transfers, &group, Phase::Completed);
        }
        transfers.enable(group.clone()).unwrap();
        let (details, count) = transfers.end_of(&group).unwrap();
        assert_eq!(count as usize, MAX_TRANSFERS_PER_APP);
        assert!(details.0.len() <= MAX_DETAILS_BYTES, "{}", details.0.len());
    }
}
