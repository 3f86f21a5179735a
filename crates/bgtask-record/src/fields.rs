//! The file format: every recorded type with the names of its fields.

use bgtask_core::{
    Activation, ActivationState, App, BackgroundAccessStatus, CancellationReason, Change, Completion, Config,
    EntryPoint, Event, EventKind, Fact, Firing, Gate, HostExit, Input, Limit, NewRegistration, Notice, Outcome, Output,
    Refusal, Registration, Reply, Report, Request, RunOrder, Snapshot, SourceStatus, Standing, SystemConditionType,
    SystemTriggerType, TaskType, Trigger, Wake, WakeReason, Zone,
};
use serde_json::Value;

use crate::json::{Record, RecordError, record};

record! {
    struct Activation { instance, firing, attempt, state, next }
    struct App { id, version, entry_points }
    struct Completion { sequence, app, task, name, instance, at, outcome, progress }
    struct Config { wall_budget, cancel_grace, warm_linger, max_warm_hosts, max_running, max_attempts }
    struct EntryPoint { name, program, types }
    struct Event { at, app, task, name, instance, kind }
    struct Firing { at, count }
    struct NewRegistration {
        name, entry_point, trigger, conditions, cancel_on_condition_loss, is_network_requested
    }
    struct Registration {
        id, app, name, entry_point, trigger, conditions, cancel_on_condition_loss, is_network_requested, registered_at,
        standing
    }
    struct RunOrder { instance, task, name, entry_point, trigger, firing, attempt }
    struct Snapshot { registrations, activations, completions, last_sequence, access, zone }
    struct Wake { at, why }
    struct Zone { identity, offset_seconds }
}

record! {
    enum ActivationState {
        Waiting { since },
        Starting { host, warm, deadline },
        Running { host, since, deadline, progress },
        Cancelling { host, reason, kill_at, progress },
        Killing { host, reason, progress },
        Ended,
    }
    enum Change {
        PutRegistration(registration),
        DeleteRegistration(task),
        PutActivation(task, activation),
        DeleteActivation(task),
        PutCompletion(completion),
        DeleteCompletion(sequence),
        PutSequence(sequence),
        PutAccess(app, access),
        PutZone(zone),
        DeleteZone,
        Record(event),
    }
    enum EventKind {
        Registered,
        Unregistered { cancel },
        Fired { trigger, count },
        Latched(conditions),
        Buffered(gate),
        Started { attempt, warm },
        Cancelled(reason),
        Interrupted { attempt },
        Dropped,
        Completed { outcome, progress },
        CompletionLost { sequence },
    }
    enum Gate { NotInstalled, EntryPointGone, Access(status), Condition(condition), Slot }
    enum HostExit { Code(code), Signal(signal), NotStarted(why) }
    enum Input {
        Restore(snapshot),
        Tick,
        CaughtUp,
        Stop,
        AppInstalled(app),
        AppRemoved(app),
        SourceStatus(fact, status),
        Report(report),
        Request(id, request),
        Attach(client, app),
        Detach(client),
        HostStarted(host, instance),
        HostProgress(host, instance, value),
        HostFinished(host, instance, result),
        HostExited { host, exit, output_tail },
    }
    enum Limit { RegistrationsPerApp, Registrations, Apps, NameBytes, EntryPointBytes, Conditions }
    enum Notice { Progress { task, instance, value }, Completed(completion) }
    enum Outcome {
        Succeeded,
        TaskFailed { message },
        Cancelled { reason, message },
        Killed { reason, output_tail },
        HostFailed { exit, output_tail },
        Abandoned { attempts },
    }
    enum Output {
        Persist(change),
        Reply(request, reply),
        Watch(fact),
        Unwatch(fact),
        Launch { host, app, program },
        Run(host, order),
        Cancel(host, instance, reason),
        Retire(host),
        Kill(host),
        Deliver(client, notice),
        Wake(wake),
    }
    enum Refusal {
        UnknownApp(app),
        UnknownTask(task),
        InvalidArgument(what),
        EntryPointNotDeclared { app, entry_point, wanted, declared },
        TaskTypeNotDeclared { app, entry_point, wanted },
        NotSupported { what, why, help },
        LimitReached(limit),
    }
    enum Reply { Registered(task), Unregistered, Access(status), Acknowledged }
    enum Report { TimeZone { zone, previous_offset_seconds }, Internet(value), UserPresence(value) }
    enum Request {
        Register(app, registration),
        Unregister { scope, task, cancel },
        RequestAccess(app),
        RemoveAccess(app),
        Acknowledge(app, sequence),
    }
    enum SourceStatus { Available { how }, Degraded { how, why, help }, Missing { why, help } }
    enum Standing { Active, Spent, Unregistered }
    enum Trigger { System { kind, one_shot } }
    enum WakeReason { Budget(task), Grace(task), Linger(host), Retirement(host) }
}

macro_rules! names {
    ($($type:ty: $from:expr),* $(,)?) => {$(
        impl Record for $type {
            fn to_json(&self) -> Value {
                Value::from(self.name())
            }

            fn from_json(value: &Value) -> Result<Self, RecordError> {
                value.as_str().and_then($from).ok_or_else(|| RecordError::expected(stringify!($type), value))
            }
        }
    )*};
}
names! {
    BackgroundAccessStatus: BackgroundAccessStatus::from_name,
    CancellationReason: CancellationReason::from_name,
    Fact: Fact::from_name,
    SystemConditionType: SystemConditionType::from_name,
    SystemTriggerType: SystemTriggerType::from_name,
    TaskType: |name| Some(TaskType::from_name(name)),
}
