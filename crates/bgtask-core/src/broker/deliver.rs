//! Progress and completions on their way to the app (D4).

use std::sync::Arc;

use super::Core;
use crate::event::{Event, EventKind};
use crate::ids::{AppId, ClientId, InstanceId, TaskId};
use crate::input::HostExit;
use crate::limits::MAX_COMPLETIONS_PER_APP;
use crate::model::outcome::{Completion, Outcome};
use crate::output::{Change, Notice, Output, Reply};

impl Core {
    /// A client hears first what it missed, in order, then the latest progress of what runs.
    /// The app's own program also runs the app's tasks from then on (BLD-9).
    pub(super) fn attach(&mut self, client: ClientId, app: AppId, activates: bool) {
        let missed = self.mailboxes.unread(&app).cloned().map(Notice::Completed);
        let running = self.tasks.occupied().filter(|(task, _)| task.registration.app == app);
        let running = running.filter_map(|(task, activation)| {
            let value = activation.state.progress()?;
            Some(Notice::Progress { task: task.registration.id, instance: activation.instance, value })
        });
        let notices: Vec<_> = missed.chain(running).collect();
        self.outputs.extend(notices.into_iter().map(|notice| Output::Deliver(client, notice)));
        if activates
            && !self.stopping
            && self.hosts.of_client(client).is_none()
            && let Some(installed) = self.apps.get(&app)
        {
            let host = self.hosts.adopt(installed, client, self.now.boot);
            self.outputs.push_back(Output::Adopt { host, client });
            self.holder_is_free(host);
            // What it runs itself from now on its budgets do not hold.
            self.refresh_gates_of(&app);
        }
        self.note_use(&app);
        self.mailboxes.attach(client, app);
    }

    /// A client is gone; what ran in it has ended with it.
    pub(super) fn detach(&mut self, client: ClientId) {
        let app = self.mailboxes.detach(client);
        app.iter().for_each(|app| self.note_use(app));
        if let Some(app) = app.filter(|app| self.mailboxes.clients_of(app).is_empty()) {
            self.app_gone(&app);
        }
        if let Some(host) = self.hosts.of_client(client) {
            let app = self.hosts.get(host).map(|host| host.app.clone());
            self.host_exited(host, HostExit::Disconnected, "", None);
            app.into_iter().for_each(|app| self.refresh_gates_of(&app));
        }
        self.channels_gone(client);
    }

    /// The app is gone: nobody is left to read what it did not.
    pub(super) fn forget_mail(&mut self, app: &AppId) {
        while let Some(unread) = self.mailboxes.drop_oldest(app) {
            self.persist(Change::DeleteCompletion(unread.sequence));
        }
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
        let message = self.tasks.of_running(instance).and_then(|(_, activation)| activation.message.clone());
        for client in self.mailboxes.clients_of(&task.registration.app) {
            self.outputs.push_back(Output::Deliver(client, Notice::Progress { task: id, instance, value }));
        }
        self.outputs.push_back(Output::Progressed { task: id, instance, value, message });
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
        // Nobody registered it who could want to know.
        if task.registration.entry.command().is_some() || task.registration.trigger.is_of_manifest() {
            return;
        }
        let heard = self.apps.get(&task.registration.app).is_some() || !self.begun;
        if !heard && self.mailboxes.clients_of(&task.registration.app).is_empty() {
            return;
        }
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
