//! App services (HO-6): what the manifest declares is registered, and every connection is an activation of its own, which lasts
//! no longer than its caller.

use super::fire::Occurrence;
use super::schedule::Gate;
use super::{Core, Task};
use crate::activation::{Activation, ActivationState};
use crate::event::EventKind;
use crate::ids::{AppId, InstanceId, SocketKey, TaskId};
use crate::limits::{MAX_APP_SERVICE_CONNECTIONS, MAX_REGISTRATIONS};
use crate::model::app::AppService;
use crate::model::cancel::CancellationReason;
use crate::model::outcome::Outcome;
use crate::model::registration::{NewRegistration, Registration, Standing, Unregistration};
use crate::model::trigger::{Details, Trigger};
use crate::output::{AppServiceConnectionStatus as Status, Output, Reply};
use crate::refusal::{Limit, Refusal};

impl Core {
    /// Registers what the manifest of an app declares, and nothing else.
    pub(super) fn settle_app_services(&mut self, app: &AppId) {
        let Some(installed) = self.apps.get(app) else { return };
        let runs = |service: &&AppService| installed.server(&service.entry).is_some();
        let declared: Vec<_> = installed.services.iter().filter(runs).cloned().collect();
        let known: Vec<Registration> =
            self.tasks.of_app(app).filter(|task| serves_callers(task)).map(|task| task.registration.clone()).collect();
        let same =
            |service: &AppService, its: &Registration| names(&its.trigger, &service.name) && its.entry == service.entry;
        for its in known.iter().filter(|its| !declared.iter().any(|service| same(service, its))) {
            self.leave(its.id, Unregistration::EntryPointGone, Some(CancellationReason::ServicingUpdate));
        }
        for service in declared.iter().filter(|service| !known.iter().any(|its| same(service, its))) {
            if self.tasks.len() < MAX_REGISTRATIONS {
                self.enter(app, registration_of(service), None);
            }
        }
    }

    /// NEI-1: opens a connection, or says why not. Whose end of it is not handed to a task is closed.
    pub(super) fn open_app_service(
        &mut self,
        caller: Option<&AppId>,
        app: &AppId,
        service: &str,
        socket: SocketKey,
        details: Option<Details>,
    ) -> Result<Reply, Refusal> {
        let opened = self.find_service(caller, app, service).map(|id| {
            self.check_connections(app)?;
            self.accept(id, Occurrence { details, socket: Some(socket), ..Occurrence::default() });
            let instance = self.tasks.get(id).and_then(|task| task.waiting.back()).map(|waiting| waiting.instance);
            self.connections.extend(instance.map(|instance| (instance, id)));
            Ok(Reply::AppService { status: Status::Success, why: "the connection is open".into(), instance })
        });
        let answer = opened.unwrap_or_else(|(status, why)| Ok(Reply::AppService { status, why, instance: None }));
        if !matches!(answer, Ok(Reply::AppService { instance: Some(_), .. })) {
            self.outputs.push_back(Output::DropSocket(socket));
        }
        answer
    }

    /// The caller of an instance is gone: what runs is told, what waits is given up.
    pub(super) fn caller_gone(&mut self, instance: InstanceId) {
        let Some(id) = self.connections.get(&instance).copied() else { return };
        if self.tasks.of_running(instance).is_some() {
            self.cancel(instance, CancellationReason::Abort);
        } else {
            self.drop_one(id, instance);
            self.fresh_gate(id);
            self.tidy(id);
        }
    }

    /// An activation has come to its end: what was held for it is held no more.
    pub(super) fn let_go(&mut self, activation: &mut Activation) {
        if let Some(socket) = activation.firing.socket.take() {
            self.socket_ended(socket);
        }
        if self.connections.remove(&activation.instance).is_some() {
            self.outputs.push_back(Output::ForgetCaller(activation.instance));
        }
    }

    /// Whether it serves a caller.
    pub(super) fn serves(&self, instance: InstanceId) -> bool {
        self.connections.contains_key(&instance)
    }

    /// A connection does not outlive the broker: nobody is left at its other end who could be served.
    pub(super) fn abandon_connection(&mut self, id: TaskId, mut activation: Activation) {
        if matches!(activation.state, ActivationState::Waiting { .. }) {
            self.let_go(&mut activation);
            self.record(id, Some(activation.instance), EventKind::Dropped);
            return self.persist(crate::Change::DeleteActivation(activation.instance));
        }
        let attempts = activation.attempt;
        self.finish(id, activation, Outcome::Abandoned { attempts }, None);
    }

    pub(super) fn check_not_of_manifest(&self, id: TaskId) -> Result<(), Refusal> {
        let Some(its) = self.tasks.get(id).map(|task| &task.registration) else { return Ok(()) };
        if !its.trigger.is_of_manifest() {
            return Ok(());
        }
        Err(Refusal::InvalidArgument(format!(
            "{} is an app service, which stands in the manifest of {}: take it out there, or switch the app off",
            its.name, its.app
        )))
    }

    /// The registration that serves, or why there is none.
    fn find_service(&self, caller: Option<&AppId>, app: &AppId, name: &str) -> Result<TaskId, (Status, String)> {
        let no = |status, why: String| Err((status, why));
        let Some(installed) = self.apps.get(app) else {
            return no(Status::AppNotInstalled, format!("no manifest of {app} is installed"));
        };
        let Some(service) = installed.services.iter().find(|service| *service.name == *name) else {
            return no(
                Status::AppServiceUnavailable,
                format!("the manifest of {app} declares no app service {name:?}"),
            );
        };
        if !service.allows(app, caller) {
            let who = caller.map_or_else(|| "programs that are no app".to_owned(), ToString::to_string);
            return no(Status::NotAuthorized, format!("the manifest of {app} does not allow {who} to use {name}"));
        }
        if self.stopping {
            return no(Status::AppUnavailable, "the broker is about to end".into());
        }
        let is_it =
            |task: &&Task| task.registration.standing == Standing::Active && names(&task.registration.trigger, name);
        let Some(task) = self.tasks.of_app(app).find(is_it) else {
            return no(Status::AppServiceUnavailable, format!("{app} has no program that could serve {name}"));
        };
        match self.gate_of(task) {
            // What passes within moments is waited for.
            None | Some(Gate::Unknown(_) | Gate::Load | Gate::Running | Gate::Slot) => Ok(task.registration.id),
            Some(Gate::Access(status)) => {
                no(Status::DisabledByPolicy, format!("{status}, says {}", self.apps.decided_by(app)))
            }
            Some(gate) => no(Status::AppUnavailable, gate.to_string()),
        }
    }

    fn check_connections(&self, app: &AppId) -> Result<(), Refusal> {
        let of_app = |id: &&TaskId| self.tasks.get(**id).is_some_and(|task| task.registration.app == *app);
        let open = self.connections.values().filter(of_app).count();
        if open < MAX_APP_SERVICE_CONNECTIONS {
            return Ok(());
        }
        Err(Refusal::LimitReached(Limit::AppServiceConnections))
    }
}

fn registration_of(service: &AppService) -> NewRegistration {
    NewRegistration {
        name: service.name.to_string(),
        entry: service.entry.clone(),
        trigger: Trigger::AppService { name: service.name.clone() },
        conditions: Vec::new(),
        cancel_on_condition_loss: false,
        is_network_requested: false,
        group: None,
    }
}

fn serves_callers(task: &Task) -> bool {
    task.registration.trigger.is_of_manifest() && task.registration.standing == Standing::Active
}

fn names(trigger: &Trigger, service: &str) -> bool {
    matches!(trigger, Trigger::AppService { name } if **name == *service)
}
