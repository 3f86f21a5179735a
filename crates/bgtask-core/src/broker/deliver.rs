//! Progress and completions on their way to the app (D4).

use std::sync::Arc;

use super::Core;
use crate::ids::{AppId, ClientId, InstanceId, TaskId};
use crate::limits::MAX_COMPLETIONS_PER_APP;
use crate::model::outcome::{Completion, Outcome};
use crate::output::{Change, Event, EventKind, Notice, Output, Reply};

impl Core {
    /// A client hears first what it missed, in order, then the latest progress of what runs.
    pub(super) fn attach(&mut self, client: ClientId, app: AppId) {
        let missed = self.mailboxes.unread(&app).cloned().map(Notice::Completed);
        let running = self.tasks.occupied().filter(|task| task.registration.app == app).filter_map(|task| {
            let activation = task.activation.as_ref()?;
            let value = activation.state.progress()?;
            Some(Notice::Progress { task: task.registration.id, instance: activation.instance, value })
        });
        let notices: Vec<_> = missed.chain(running).collect();
        self.outputs.extend(notices.into_iter().map(|notice| Output::Deliver(client, notice)));
        self.mailboxes.attach(client, app);
    }

    /// Repeating an acknowledgement is no error: the first answer may have been lost.
    pub(super) fn acknowledge(&mut self, app: &AppId, sequence: u64) -> Reply {
        if self.mailboxes.acknowledge(app, sequence) {
            self.persist(Change::DeleteCompletion(sequence));
        }
        Reply::Acknowledged
    }

    pub(super) fn deliver_progress(&mut self, id: TaskId, instance: InstanceId, value: u32) {
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        for client in self.mailboxes.clients_of(&task.registration.app) {
            self.outputs.push_back(Output::Deliver(client, Notice::Progress { task: id, instance, value }));
        }
    }

    pub(super) fn keep_completion(
        &mut self,
        id: TaskId,
        instance: InstanceId,
        outcome: Outcome,
        progress: Option<u32>,
    ) {
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        let completion = Completion {
            sequence: self.mailboxes.next_sequence(),
            app: task.registration.app.clone(),
            task: id,
            name: Arc::clone(&task.registration.name),
            instance,
            at: self.now.wall,
            outcome,
            progress,
        };
        self.persist(Change::PutSequence(completion.sequence));
        self.persist(Change::PutCompletion(completion.clone()));
        let app = completion.app.clone();
        for client in self.mailboxes.clients_of(&app) {
            self.outputs.push_back(Output::Deliver(client, Notice::Completed(completion.clone())));
        }
        if self.mailboxes.keep(completion) > MAX_COMPLETIONS_PER_APP {
            self.give_up_oldest(&app);
        }
    }

    fn give_up_oldest(&mut self, app: &AppId) {
        let Some(lost) = self.mailboxes.drop_oldest(app) else {
            return;
        };
        self.persist(Change::DeleteCompletion(lost.sequence));
        let event = Event {
            at: self.now.wall,
            app: lost.app,
            task: lost.task,
            name: lost.name,
            instance: Some(lost.instance),
            kind: EventKind::CompletionLost { sequence: lost.sequence },
        };
        self.persist(Change::Record(event));
    }
}
