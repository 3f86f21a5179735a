//! What triggers listen to, and what happens there.

use super::fire::Occurrence;
use super::{Core, Task};
use crate::activation::Firing;
use crate::ids::TaskId;
use crate::input::SourceStatus;
use crate::limits::MAX_DETAILS_BYTES;
use crate::model::registration::Standing;
use crate::model::subject::Subject;
use crate::model::trigger::{Details, Trigger};
use crate::output::Output;

impl Core {
    /// Something happened: it fires, or is told with what waits already.
    pub(super) fn happened(&mut self, id: TaskId, events: Details, count: u32, lost: u32) {
        let Some(registration) = self.tasks.get(id).map(|task| &task.registration) else { return };
        let count = count.saturating_add(lost);
        if count > 0 && Subject::is_behind(&registration.trigger) && registration.standing == Standing::Active {
            self.accept(id, Occurrence { details: Some(events), count, lost, ..Occurrence::default() });
        }
    }

    /// Says how well it is listened; a late word of who is not listened for any more is nothing.
    pub(super) fn heard(&mut self, id: TaskId, status: SourceStatus) {
        let listens = |task: &&mut Task| task.registration.fires() && Subject::is_behind(&task.registration.trigger);
        if let Some(task) = self.tasks.get_mut(id).filter(listens) {
            task.heard = Some(Box::new(status));
        }
    }

    /// Listens for a registration that fires.
    pub(super) fn listen(&mut self, id: TaskId) {
        let Some(registration) = self.tasks.get(id).map(|task| &task.registration) else { return };
        if let Some(subject) = Subject::of(&registration.trigger)
            && registration.fires()
        {
            let order = Output::Listen { task: id, app: registration.app.clone(), subject };
            self.outputs.push_back(order);
        }
    }

    /// Listens no more; what was known of how well may have changed when it is listened again.
    pub(super) fn unlisten(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        if Subject::is_behind(&task.registration.trigger) {
            task.heard = None;
            self.outputs.push_back(Output::Unlisten(id));
        }
    }
}

impl Firing {
    /// Whether another occurrence is one with it: what carries nothing always is, events are gathered, and a descriptor goes to
    /// a task of its own.
    pub(super) fn may_gather(&self, more: &Occurrence, trigger: &Trigger) -> bool {
        let apart = self.socket.is_some() || more.socket.is_some();
        !apart && (more.details.is_none() || trigger.gathers())
    }

    /// Takes in another occurrence. Events that find no room are counted as lost.
    pub(super) fn gather(&mut self, more: Occurrence) {
        self.count = self.count.saturating_add(more.count);
        self.lost = self.lost.saturating_add(more.lost);
        self.by_hand |= more.by_hand;
        let Some(new) = more.details else { return };
        let Some(old) = self.details.as_ref().filter(|old| !old.0.is_empty()) else {
            return self.take_whole_lines(&[], &new.0);
        };
        let mut old = old.0.to_vec();
        if old.last() != Some(&b'\n') {
            old.push(b'\n');
        }
        self.take_whole_lines(&old, &new.0);
    }

    fn take_whole_lines(&mut self, old: &[u8], new: &[u8]) {
        let room = MAX_DETAILS_BYTES.saturating_sub(old.len());
        let line_end = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        let end = if new.len() <= room { new.len() } else { line_end(&new[..room]) };
        let (kept, left) = new.split_at(end);
        let lines_left = left.split_inclusive(|byte| *byte == b'\n').count();
        self.lost = self.lost.saturating_add(u32::try_from(lines_left).unwrap_or(u32::MAX));
        self.details = Some(Details(old.iter().chain(kept).copied().collect()));
    }
}
