//! Performing what the core ordered.

use bgtask_core::{Event, EventKind, HostExit, HostId, Input, Now, Outcome, Output};
use bgtask_wire::HostCall;

use super::{Driver, LAUNCH_REST};
use crate::clients;

impl Driver {
    pub(super) fn perform(&mut self, now: Now, effect: Output) {
        match effect {
            Output::Launch { host, app, program } => self.launch(now, host, &app, &program),
            Output::Run(host, order) => self.hosts.run(host, order.instance, &clients::host_call(&order)),
            Output::Cancel(host, instance, reason) => {
                let call = HostCall::Cancel { instance: instance.to_string(), reason: reason.number() };
                match call.message() {
                    Ok(message) => self.hosts.send(host, message),
                    Err(error) => tracing::error!("a cancel notice cannot be written: {error}"),
                }
            }
            Output::Retire(host) => self.hosts.retire(host),
            Output::Kill(host) => self.hosts.kill(host),
            Output::Watch(fact) => self.sources.watch(fact),
            Output::Unwatch(fact) => self.sources.unwatch(fact),
            Output::Deliver(client, notice) => self.clients.deliver(client, &notice),
            Output::Reply(id, decided) => {
                let Some((client, message)) = self.asked.remove(&id) else { return };
                let reply = match decided {
                    Ok(granted) => clients::reply(&granted, &message),
                    Err(refused) => Err(clients::refusal(&refused, &self.apps)),
                };
                self.reply(client, &message, reply);
            }
            Output::Persist(_) | Output::Wake(_) => unreachable!("taken where the core is polled"),
        }
    }

    fn launch(&mut self, now: Now, host: HostId, app: &bgtask_core::AppId, program: &str) {
        self.untidy = Some(LAUNCH_REST);
        let data = self.places.data_of(app.as_str());
        let made = std::fs::create_dir_all(&data)
            .map_err(|error| format!("the app's data folder {} cannot be made: {error}", data.display()));
        let launched = made.and_then(|()| {
            let spec = self.environment.host(app, program, &data);
            self.hosts.launch(host, &spec)
        });
        if let Err(why) = launched {
            let exit = HostExit::NotStarted(why);
            self.handle(now, Input::HostExited { host, exit, output_tail: String::new() });
        }
    }
}

/// One record in the log for every state change, with the fields a person filters by.
pub(super) fn log(event: &Event) {
    let instance = event.instance.map(|instance| instance.to_string()).unwrap_or_default();
    let (app, name, word) = (event.app.as_str(), &*event.name, event.kind.word());
    let reason = match &event.kind {
        EventKind::Cancelled(reason) => reason.name(),
        EventKind::Completed { outcome, .. } => outcome.word(),
        _ => "",
    };
    let trouble = matches!(
        &event.kind,
        EventKind::Completed {
            outcome: Outcome::HostFailed { .. } | Outcome::Killed { .. } | Outcome::Abandoned { .. },
            ..
        } | EventKind::CompletionLost { .. }
    );
    if trouble {
        tracing::warn!(app, name, task = %event.task, instance, event = word, reason, "{name}: {}", event.kind);
    } else {
        tracing::info!(app, name, task = %event.task, instance, event = word, reason, "{name}: {}", event.kind);
    }
}
