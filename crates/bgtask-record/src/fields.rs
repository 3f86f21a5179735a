//! The file format: every recorded type with the names of its fields.

use bgtask_core::{
    AccessSetting, Account, Activation, ActivationState, App, AppAccess, AppService, AppServiceConnectionStatus,
    AppVersion, ApplicationTriggerResult, BackgroundAccessRequestKind, BackgroundAccessStatus, Budgets, CancelNotice,
    CancellationReason, Cause, Change, Class, Command, Completion, Condition, Config, Consent,
    ControlChannelTriggerResourceType, ControlChannelTriggerStatus, CustomSystemEventTriggerRecurrence, Demand,
    DeviceTriggerResult, Edge, EdgeKind, EnergyLevel, EnergyUsage, Entry, EntryPoint, Event, EventClass, EventKind,
    Fact, Firing, FleetOrder, Gate, Grant, HostExit, Input, LastRun, Limit, Limits, NewControlChannel, NewOrder,
    NewRegistration, NewSocket, Notice, OrderResult, OrderState, Outcome, Output, Pace, PathEvents, PathWatch, Policy,
    PolicyEntry, PolicyRule, Push, PushChannel, Readiness, Refusal, Registration, Reply, Report, Request, Resource,
    Retry, RunOrder, Server, Sharing, Snapshot, Socket, SocketActivityConnectedStandbyAction,
    SocketActivityTriggerReason, SocketKind, SocketState, SourceStatus, Standing, Stretch, Subject,
    SystemConditionType, SystemTriggerType, TaskGroup, TaskType, ThrottleCounts, Trigger, Unregistration, Update,
    Usage, Used, Wake, WakeReason, Zone,
};
use std::time::Duration;

use serde_json::Value;

use crate::json::{Record, RecordError, record};

record! {
    struct Activation { instance, firing, attempt, failures = 0, not_before, message, throttled = ThrottleCounts::default(), started, state }
    struct Account { window, cpu, network, borrowed_cpu, borrowed_network, period, energy }
    struct App { id, version, entry_points, classes, itself, applications, raises, services = Vec::new(), commands }
    struct AppService { name, entry, allow }
    struct AppAccess { setting, grants }
    struct AppVersion { version, servicing, used }
    struct Budgets { window, cpu, network, pool_cpu, pool_network, memory, processes }
    struct CancelNotice { reason, budget, used, grace }
    struct Class { id, server }
    struct Command {
        argv, env, dir, timeout, cpu, memory, network, nice, retry, fresh_within, checkpoint, sandbox, file
    }
    struct Completion { sequence, app, task, name, instance, at, outcome, progress }
    struct Config {
        wall_budget, long_wall_budget, idle_after, timer_tick, min_freshness, cancel_grace, warm_linger, max_warm_hosts,
        max_running, max_attempts, budgets = Budgets::default(), processors = 1, load_delay = Duration::ZERO, may_wake = false, machine = 0, stretch = Stretch::default()
    }
    struct Edge { number, kind, next, spared }
    struct EnergyUsage { percent, level, until }
    struct EntryPoint { name, server, types }
    struct Event { at, app, task, name, instance, kind }
    struct Firing { at, count, details, lost = 0, by_hand = false, socket = None }
    struct FleetOrder { id, app, task, at, share, opened, reply, state, came_of = None }
    struct Grant { awake, standby }
    struct LastRun { at, ok }
    struct Limits { memory, processes }
    struct NewControlChannel { key, id, client, host, keep_alive, resource, ended }
    struct NewRegistration {
        name, entry, trigger, conditions, cancel_on_condition_loss, is_network_requested, group
    }
    struct NewOrder { id, app, task, spread, opened, reply, ticket }
    struct NewSocket { key, task, id, kind, context, keep_alive, action, again = None }
    struct Pace { accuracy, jitter, wake = false }
    struct PathEvents { created, changed, written, deleted, moved }
    struct PathWatch { path, recursive, on, settle }
    struct Policy { default, apps }
    struct PolicyEntry { rule, file, budget = 100 }
    struct Push { line, ticket }
    struct PushChannel { app, uri, expires }
    struct Registration {
        id, app, name, entry, trigger, conditions, cancel_on_condition_loss, is_network_requested, group, registered_at,
        due, counted_in, standing, paused = false, last, fresh_since, overdue = false
    }
    struct Retry { times, backoff }
    struct RunOrder { instance, task, name, entry, group, trigger, firing, attempt, throttled, budget, brokered = None }
    struct Server { program, application, sharing, budget }
    struct Snapshot {
        registrations, activations, completions, last_sequence, access, switched_off, versions, zone, states = Vec::new(), accounts = Vec::new(),
        channels = Vec::new(), sockets = Vec::new(), edges = Vec::new(), orders = Vec::new(), session
    }
    struct Socket { key, app, task, id, kind, context, keep_alive, due, action, state }
    struct Stretch { saving, rare, rare_after }
    struct TaskGroup { id, name }
    struct ThrottleCounts { cpu, network }
    struct Usage { cpu, io, memory_peak, network = None, processes = None }
    struct Used { wall, usage, wakes = 0 }
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
    enum Cause { World, Timer { shared }, Hand, Fleet }
    enum Change {
        PutRegistration(registration),
        DeleteRegistration(task),
        PutActivation(task, activation),
        DeleteActivation(instance),
        PutCompletion(completion),
        DeleteCompletion(sequence),
        PutSequence(sequence),
        PutAccess(app, access),
        DeleteAccess(app),
        PutSwitchedOff(value),
        PutVersion(app, version),
        DeleteVersion(app),
        PutZone(zone),
        DeleteZone,
        PutState(fact, state),
        DeleteState(fact),
        PutAccount(app, account),
        DeleteAccount(app),
        PutSocket(socket),
        DeleteSocket(socket),
        PutChannel(channel),
        DeleteChannel(app),
        PutEdge(edge),
        DeleteEdge(number),
        PutOrder(order),
        DeleteOrder(order),
        Record(event),
    }
    enum Demand { Application, MediaProcessing, DeviceUse }
    enum Consent { Granted, Refused, Unavailable(why) }
    enum EdgeKind { System(kind, app), Condition(fact, value), Custom(event) }
    enum Entry { Component(name), Class(id), InProcess, Command(command) }
    enum EventKind {
        Registered,
        Unregistered(why),
        Fired { trigger, count, cause },
        Missed { due },
        Latched(conditions),
        Buffered(gate),
        Started { attempt, warm },
        Cancelled(notice),
        Interrupted { attempt },
        Retrying { outcome, attempt, at, used },
        Overdue { since },
        Suspended { resource, until },
        Released,
        Paused(value),
        Dropped,
        Completed { outcome, progress, used },
        CompletionLost { sequence },
    }
    enum Gate {
        NotInstalled,
        Servicing,
        EntryPointGone,
        Access(status),
        Unknown(fact),
        EnergySaver,
        Condition(condition),
        Battery,
        MemoryPressure,
        Throttled(resource),
        Energy,
        Standby,
        Load,
        Paused,
        Backoff,
        Running,
        Holder,
        Slot,
    }
    enum HostExit { Code(code), Signal(signal), NotStarted(why), Disconnected, Condemned { by } }
    enum Input {
        Restore(snapshot),
        Tick,
        CaughtUp,
        Stop,
        AppInstalled(app),
        AppRemoved(app),
        Policy(policy),
        Consent(request, consent),
        SourceStatus(fact, status),
        Report(report),
        Request(id, request),
        Attach { client, app, activates },
        Detach(client),
        HostStarted(host, instance),
        HostProgress(host, instance, value),
        SocketTaken(host, instance),
        HostFinished { host, instance, result, usage },
        HostUsage { host, usage },
        HostExited { host, exit, output_tail, usage },
        Planned { task, at },
        Happened { task, events, count, lost },
        Heard(task, status),
        DeviceGone(task),
        SocketReady(socket, readiness),
        SocketsGone(sockets),
        CallerGone(instance),
        ChannelOpened { app, uri },
        ChannelRefused { app, why, help },
        Pushed { app, messages },
        ChannelSeen(socket, seen),
        Ordered(orders),
        OrderAnswered(order),
    }
    enum Limit {
        RegistrationsPerApp,
        Registrations,
        Apps,
        NameBytes,
        EntryPointBytes,
        Conditions,
        GroupBytes,
        EventIdBytes,
        DetailsBytes,
        ApplicationTriggers,
        MediaProcessingTriggers,
        DeviceUseTriggers,
        Properties,
        PropertyBytes,
        Consents,
        Arguments,
        CommandBytes,
        PathBytes,
        CalendarBytes,
        Sources,
    AppServiceConnections, SocketContextBytes, SocketIdBytes, Sockets, SocketsPerApp,
        PushChannels,
    }
    enum Notice { Progress { task, instance, value }, Energy(usage), Completed(completion) }
    enum OrderResult { Ran(outcome), Refused(why), Dropped }
    enum OrderState { Held { due }, Fired(instance), Answering { at, result }, Over }
    enum Outcome {
        Succeeded,
        TaskFailed { message },
        Cancelled { reason, message },
        Killed { reason, output_tail },
        HostFailed { exit, output_tail },
        CommandFailed { exit, output_tail },
        Abandoned { attempts },
    }
    enum Output {
        Persist(change),
        Reply(request, reply),
        Watch(fact),
        Unwatch(fact),
        Plan { task, calendar, zone, after },
        Listen { task, app, subject },
        Unlisten(task),
        WatchDevice(task, details),
        UnwatchDevice(task),
        Launch { host, app, program, limits },
        Adopt { host, client },
        Run(host, order),
        Cancel(host, instance, notice),
        Sample(host),
        Freeze(host),
        Thaw(host),
        Throttled(host, instance, counts),
        Inhibit(instance),
        Uninhibit(instance),
        Ask { request, app, reason },
        Retire(host),
        Kill(host),
        Deliver(client, notice),
        Progressed { task, instance, value, message },
        DropSocket(socket),
        WatchSocket(socket),
        UnwatchSocket(socket),
        ForgetCaller(instance),
        Rouse(at),
        OpenChannel(app),
        CloseChannel(app),
        AcknowledgePushes(app, tickets),
        AcknowledgeOrders(tickets),
        AnswerOrder(order),
        Wake(wake),
    }
    enum Refusal {
        UnknownApp(app),
        UnknownTask(task),
        UnknownApplication(app, application),
        ClassNotDeclared { app, class },
        NoProgram(app),
        MayNotRaise { app, event },
        OnlyForCommands(class),
        NameTaken(name),
        NotRunning(instance),
        NotACommand(task),
        Stopping,
        InvalidArgument(what),
        EntryPointNotDeclared { app, entry_point, wanted, declared },
        TaskTypeNotDeclared { app, entry_point, wanted },
        NotSupported { what, why, help },
        LimitReached(limit),
        SocketIdTaken(id),
        UnknownSocket(id),
        SocketInUse(id),
    }
    enum Reply {
        Registered(task),
        Unregistered,
        Updated(task, update),
        Access(status),
        Approved(value),
        Set,
        Terminated(count),
        Activated(result, why),
        DeviceUse(result, why),
        Raised(count),
        Running(instance),
        Acknowledged,
        Noted,
        Transferred,
        Socket(socket),
        AppService { status, why, instance },
        Channel(channel),
        ChannelClosed,
        ControlChannel { status, why },
    }
    enum Readiness { Readable, Closed }
    enum Resource { Cpu, Network }
    enum Report {
        TimeZone { zone, previous_offset_seconds },
        Level(fact, value),
        State(fact, state),
    }
    enum Request {
        Register(app, registration),
        Unregister { scope, task, cancel },
        RegisterOrUpdate(app, registration),
        RequestAccess { app, application },
        RequestAccessKind { app, application, kind, standby, reason },
        RemoveAccess { app, application },
        SetAccess(app, setting),
        SetBackground { enabled },
        RunNow { task, respect_conditions },
        SetPaused { task, paused },
        Cancel(task),
        ReportProgress { instance, value, message },
        Terminate(app),
        Activate { app, demand, details },
        Raise { by, event },
        Acknowledge(app, sequence),
        TransferSocket(app, socket),
        ReclaimSocket { app, id },
        OpenAppService { caller, app, service, socket, details },
        CreatePushChannel(app),
        ClosePushChannel(app),
        EnableControlChannel(app, channel),
        CloseControlChannel { app, id },
    }
    enum Sharing { InTurn, Together(key), Apart }
    enum SourceStatus { Available { how }, Degraded { how, why, help }, Missing { why, help } }
    enum SocketState { Watched, Told { reason, held }, Taken, Kept, Gone }
    enum Standing { Active, Spent, Unregistered }
    enum Subject { Path(watch), Events { class, properties } }
    enum Trigger {
        System { kind, one_shot },
        Time { freshness, one_shot },
        Maintenance { freshness, one_shot },
        Application,
        MediaProcessing,
        CustomSystemEvent { id, recurrence },
        DeviceUse,
        AppService { name },
        Event { class, properties, one_shot },
        Interval { every, pace, one_shot },
        Calendar { calendar, zone, catch_up, pace, one_shot },
        Path { watch, one_shot },
        Condition { condition, one_shot },
        SessionStart { one_shot },
    }
    enum Unregistration { Explicit { cancel }, Replaced, EntryPointGone, Uninstalled }
    enum Update { Registered, Unchanged, Replaced }
    enum WakeReason {
        Budget(task),
        Grace(task),
        Linger(host),
        Retirement(host),
        Idle(host),
        Timer(task),
        Retry(task),
        Overdue(task),
        Usage(host),
        Refill,
        Load(task),
        KeepAlive(task),
        More,
        ChannelExpiry,
        Fleet,
    }
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
    AccessSetting: AccessSetting::from_name,
    ApplicationTriggerResult: ApplicationTriggerResult::from_name,
    BackgroundAccessRequestKind: BackgroundAccessRequestKind::from_name,
    EnergyLevel: EnergyLevel::from_name,
    CustomSystemEventTriggerRecurrence: CustomSystemEventTriggerRecurrence::from_name,
    PolicyRule: PolicyRule::from_name,
    BackgroundAccessStatus: BackgroundAccessStatus::from_name,
    ControlChannelTriggerResourceType: ControlChannelTriggerResourceType::from_name,
    ControlChannelTriggerStatus: ControlChannelTriggerStatus::from_name,
    CancellationReason: CancellationReason::from_name,
    Condition: Condition::from_name,
    AppServiceConnectionStatus: AppServiceConnectionStatus::from_name,
    DeviceTriggerResult: DeviceTriggerResult::from_name,
    EventClass: EventClass::from_name,
    Fact: Fact::from_name,
    SocketActivityConnectedStandbyAction: SocketActivityConnectedStandbyAction::from_name,
    SocketActivityTriggerReason: SocketActivityTriggerReason::from_name,
    SocketKind: SocketKind::from_name,
    SystemConditionType: SystemConditionType::from_name,
    SystemTriggerType: SystemTriggerType::from_name,
    TaskType: |name| Some(TaskType::from_name(name)),
}
