//! Performing what the core ordered.

use bgtask_convert::Program;
use bgtask_core::{
    App, AppId, CancelNotice, Command, Entry, Event, EventClass, EventKind, HostExit, HostId, Input, InstanceId,
    Limits, Now, Outcome, Output, Reply, RunOrder, Subject, Unregistration,
};
use bgtask_host::Running;
use zbus::Message;

use super::{Driver, LAUNCH_REST};
use crate::clients;
use crate::hosts::{Given, log_name};

impl Driver {
    /// Performs an order, if this turn has time for it, else the next that has. What it has for the core to know comes after it,
    /// in `follow_ups`.
    pub(super) fn perform(&mut self, effect: Output) {
        if let Some(effect) = self.launches.admit(effect) {
            self.perform_now(effect);
        }
    }

    pub(super) fn perform_now(&mut self, effect: Output) {
        match effect {
            Output::Launch { host, app, program, limits } => self.launch(host, &app, &program, limits),
            Output::Plan { task, calendar, zone, after } => {
                let at = self.calendars.next(&calendar, zone.as_deref(), after);
                self.follow_ups.push_back(Input::Planned { task, at });
            }
            Output::Listen { task, app, subject } if is_push(&subject) => {
                self.follow_ups.push_back(self.push.listen(task, app));
            }
            Output::Listen { task, app, subject: Subject::Events { class, properties } }
                if class == EventClass::BackgroundTransferCompletionGroup =>
            {
                self.hear_of_transfers(task, &app, class, properties);
            }
            Output::Listen { task, app, subject } => {
                self.follow_ups.extend(self.listeners.listen(task, &app, subject));
            }
            Output::Unlisten(task) => {
                self.listeners.unlisten(task);
                self.push.unlisten(task);
            }
            Output::OpenChannel(app) => self.follow_ups.extend(self.push.open(app)),
            Output::CloseChannel(app) => self.follow_ups.extend(self.push.close(&app)),
            Output::AcknowledgePushes(app, tickets) => self.push.acknowledge(&app, &tickets),
            Output::AcknowledgeOrders(tickets) => self.fleet.iter_mut().for_each(|fleet| fleet.acknowledge(&tickets)),
            Output::AnswerOrder(order) => self.fleet.iter_mut().for_each(|fleet| fleet.answer(&order)),
            Output::WatchDevice(task, details) => self.follow_ups.extend(self.devices.watch(task, &details)),
            Output::UnwatchDevice(task) => self.devices.unwatch(task),
            Output::Progressed { task, instance, value, message } => {
                if let Some((registration, _)) = self.core.task(task) {
                    self.clients.announce_progress(registration, instance, value, message.as_ref());
                }
                self.transfer_progressed(task);
            }
            Output::Adopt { host, client } => {
                if let Some(process) = self.clients.process(client) {
                    self.hosts.adopt(host, client, process);
                }
            }
            Output::Run(host, order) => self.run_instance(host, &order),
            Output::Cancel(host, instance, notice) => self.cancel(host, instance, &notice),
            Output::Sample(host) => {
                // What cannot be seen is not answered: it must not be taken for idleness.
                let used = self.hosts.usage(host);
                self.follow_ups.extend(used.map(|usage| Input::HostUsage { host, usage }));
            }
            Output::Ask { request, app, reason } => self.consents.ask(request, app, reason),
            Output::Retire(host) => self.hosts.retire(host),
            Output::Kill(host) => self.kill(host),
            Output::Watch(fact) => self.sources.watch(fact),
            Output::Unwatch(fact) => self.sources.unwatch(fact),
            Output::Deliver(client, notice) => self.clients.deliver(client, &notice),
            Output::Reply(id, decided) => {
                let ends = self.app_services.decided(id, decided.as_ref().ok());
                let Some((client, message)) = self.asked.remove(&id) else { return };
                let reply = match decided {
                    Ok(Reply::Socket(socket)) => clients::given_back(&socket, self.sockets.give(socket.key), &message),
                    Ok(granted) => clients::reply(&granted, &message, ends),
                    Err(refused) => Err(clients::refusal(&refused, &self.apps, Some(&message))),
                };
                self.reply(client, &message, reply);
            }
            Output::Inhibit(instance) => self.inhibitor.hold(instance),
            Output::Uninhibit(instance) => self.inhibitor.give_back(instance),
            Output::Rouse(at) => {
                if let Err(error) = self.clock.rouse(at) {
                    tracing::error!("the machine cannot be woken for a task: {error}");
                }
            }
            Output::DropSocket(key) => self.sockets.drop(key),
            Output::WatchSocket(key) => self.sockets.watch(key),
            Output::UnwatchSocket(key) => self.sockets.unwatch(key),
            Output::ForgetCaller(instance) => self.app_services.forget(instance),
            Output::Freeze(host) => self.hosts.freeze(host),
            Output::Thaw(host) => self.hosts.thaw(host),
            Output::Throttled(host, instance, counts) => match bgtask_convert::throttled_call(instance, counts) {
                Ok(call) => self.tell(host, call),
                Err(error) => tracing::error!("a notice of suspension cannot be written: {error}"),
            },
            Output::Persist(_) | Output::Wake(_) => unreachable!("taken where the core is polled"),
        }
    }

    fn run_instance(&mut self, host: HostId, order: &RunOrder) {
        if let Entry::Command(command) = &order.entry {
            return self.run_command(host, order, command);
        }
        let socket = order.firing.socket.and_then(|key| self.sockets.lend(key));
        match bgtask_convert::run_call(order, socket) {
            Ok(call) => {
                if self.hosts.begin(host, order.instance, &call) {
                    self.tell(host, call);
                }
            }
            Err(error) => {
                let why = format!("what the trigger carries cannot be given to the task: {error}");
                let instance = order.instance;
                self.follow_ups.push_back(Input::HostFinished { host, instance, result: Err(why), usage: None });
            }
        }
    }

    fn cancel(&mut self, host: HostId, instance: InstanceId, notice: &CancelNotice) {
        if self.hosts.is_command(host) {
            return self.hosts.cancel_command(host, notice.reason);
        }
        match bgtask_convert::cancel_call(instance, notice) {
            Ok(call) => self.tell(host, call),
            Err(error) => tracing::error!("a cancel notice cannot be written: {error}"),
        }
    }

    /// A host hears by its channel, and an app that is one by its connection.
    fn tell(&mut self, host: HostId, message: Message) {
        match self.hosts.client_of(host) {
            Some(client) => self.clients.send(client, message),
            None => self.hosts.send(host, message),
        }
    }

    /// An app that is a host loses its connection too: then it is gone even if its process cannot be held on to.
    fn kill(&mut self, host: HostId) {
        self.hosts.kill(host);
        if let Some(client) = self.hosts.client_of(host) {
            self.clients.leave(client);
        }
    }

    fn launch(&mut self, host: HostId, app: &AppId, program: &str, limits: Limits) {
        self.untidy = Some(LAUNCH_REST);
        let data = self.places.data_of(app.as_str());
        let made = std::fs::create_dir_all(&data)
            .map_err(|error| format!("the app's data folder {} cannot be made: {error}", data.display()));
        let launched = made.and_then(|()| {
            let installed = self.apps.get(app).ok_or_else(|| format!("{app} is not installed any more"))?;
            let walls = self.policies.requires_walls();
            let spec = self.environment.host(app, &installed.app, walls, Program::from_key(program), &data, limits);
            self.hosts.launch(host, app, &spec, limits)
        });
        if let Err(why) = launched {
            let exit = HostExit::NotStarted(why);
            self.follow_ups.push_back(Input::HostExited { host, exit, output_tail: String::new(), usage: None });
        }
    }

    fn run_command(&mut self, host: HostId, order: &RunOrder, command: &Command) {
        let (env, home) = (self.environment.command(), self.environment.home());
        let own = self.transfers.walls(command).filter(|_| self.environment.has_walls());
        let given = Given::new(&self.places, &self.logs, order, command, env, home, own);
        if let Err(why) = given.and_then(|given| self.hosts.run_command(host, given)) {
            let exit = HostExit::NotStarted(why);
            self.follow_ups.push_back(Input::HostExited { host, exit, output_tail: String::new(), usage: None });
        } else {
            self.commands.insert(host, order.instance);
        }
    }

    /// A command that is gone leaves nothing; one that another replaced left that what it had.
    pub(super) fn put_away_after(&self, event: &Event) {
        if !App::BUILT_IN.contains(&event.app.as_str())
            || !matches!(event.kind, EventKind::Unregistered(Unregistration::Explicit { .. }))
        {
            return;
        }
        let name = log_name(&event.name);
        let _none = std::fs::remove_file(self.places.checkpoint_of(&name));
        if let Err(error) = self.logs.remove(&name) {
            tracing::warn!("the log of {} cannot be removed: {error}", event.name);
        }
    }

    /// A command has begun to run, or could not.
    pub(super) fn command_started(&mut self, now: Now, host: HostId, started: Result<Running, String>) {
        let Some(instance) = self.commands.remove(&host) else { return };
        match self.hosts.command_started(host, started) {
            Ok(()) => self.handle(now, Input::HostStarted(host, instance)),
            Err(exit) => self.handle(now, Input::HostExited { host, exit, output_tail: String::new(), usage: None }),
        }
    }
}

/// Whether it is listened to by a channel, which the app has to open.
const fn is_push(subject: &Subject) -> bool {
    matches!(subject, Subject::Events { class: EventClass::PushNotification, .. })
}

/// One record in the log for every state change, with the fields a person filters by.
pub(super) fn log(event: &Event) {
    let instance = event.instance.map(|instance| instance.to_string()).unwrap_or_default();
    let (app, name, word) = (event.app.as_str(), &*event.name, event.kind.word());
    let reason = match &event.kind {
        EventKind::Cancelled(notice) => notice.reason.name(),
        EventKind::Unregistered(why) => unregistration_word(*why),
        EventKind::Completed { outcome, .. } => outcome.word(),
        _ => "",
    };
    let trouble = matches!(
        &event.kind,
        EventKind::Completed {
            outcome: Outcome::HostFailed { .. } | Outcome::Killed { .. } | Outcome::Abandoned { .. },
            ..
        } | EventKind::CompletionLost { .. }
            | EventKind::Overdue { .. }
    );
    if trouble {
        tracing::warn!(app, name, task = %event.task, instance, event = word, reason, "{name}: {}", event.kind);
    } else {
        tracing::info!(app, name, task = %event.task, instance, event = word, reason, "{name}: {}", event.kind);
    }
}

const fn unregistration_word(why: Unregistration) -> &'static str {
    match why {
        Unregistration::Explicit { .. } => "explicit",
        Unregistration::Replaced => "replaced",
        Unregistration::EntryPointGone => "entry-point-gone",
        Unregistration::Uninstalled => "uninstalled",
    }
}
