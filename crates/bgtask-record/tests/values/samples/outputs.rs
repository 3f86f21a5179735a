//! What the core answers and orders.

use super::*;

pub(super) fn replies() -> Vec<Reply> {
    let mut all = vec![
        Reply::Registered(TASK),
        Reply::Unregistered,
        Reply::Approved(true),
        Reply::Set,
        Reply::Terminated(2),
        Reply::Raised(u32::MAX),
        Reply::Running(INSTANCE),
        Reply::Acknowledged,
        Reply::Noted,
        Reply::Transferred,
        Reply::Socket(Box::new(sockets().remove(0))),
        Reply::Channel(channel()),
        Reply::ChannelClosed,
    ];
    let updates = [Update::Registered, Update::Unchanged, Update::Replaced];
    all.extend(updates.map(|update| Reply::Updated(TASK, update)));
    all.extend(BackgroundAccessStatus::ALL.iter().map(|status| Reply::Access(*status)));
    all.extend(ApplicationTriggerResult::ALL.iter().map(|result| Reply::Activated(*result, "so".into())));
    let opened = |status: &AppServiceConnectionStatus| {
        let instance = (*status == AppServiceConnectionStatus::Success).then_some(INSTANCE);
        Reply::AppService { status: *status, why: "so".into(), instance }
    };
    all.extend(AppServiceConnectionStatus::ALL.iter().map(opened));
    let channel = |status: &_| Reply::ControlChannel { status: *status, why: "so".into() };
    all.extend(ControlChannelTriggerStatus::ALL.iter().map(channel));
    all.extend(DeviceTriggerResult::ALL.iter().map(|result| Reply::DeviceUse(*result, "so".into())));
    all
}

pub(super) fn refusals() -> Vec<Refusal> {
    let limits = [
        Limit::RegistrationsPerApp,
        Limit::Registrations,
        Limit::Apps,
        Limit::NameBytes,
        Limit::EntryPointBytes,
        Limit::Conditions,
        Limit::GroupBytes,
        Limit::EventIdBytes,
        Limit::DetailsBytes,
        Limit::ApplicationTriggers,
        Limit::MediaProcessingTriggers,
        Limit::DeviceUseTriggers,
        Limit::Properties,
        Limit::PropertyBytes,
        Limit::Consents,
        Limit::Arguments,
        Limit::CommandBytes,
        Limit::PathBytes,
        Limit::CalendarBytes,
        Limit::Sources,
        Limit::SocketIdBytes,
        Limit::SocketContextBytes,
        Limit::SocketsPerApp,
        Limit::Sockets,
        Limit::AppServiceConnections,
        Limit::PushChannels,
    ];
    let (app, entry_point, wanted) = (app_id(), "Tasks.Gone".to_owned(), vec![TaskType::SystemEvent]);
    let mut all = vec![
        Refusal::UnknownApp(app_id()),
        Refusal::UnknownTask(TASK),
        Refusal::UnknownApplication(app_id(), "Viewer".into()),
        Refusal::ClassNotDeclared { app: app_id(), class: CLASS },
        Refusal::NoProgram(app_id()),
        Refusal::MayNotRaise { app: app_id(), event: "org.example.jack".into() },
        Refusal::OnlyForCommands("PathTrigger".into()),
        Refusal::NameTaken("backup".into()),
        Refusal::NotRunning(INSTANCE),
        Refusal::NotACommand(TASK),
        Refusal::Stopping,
        Refusal::InvalidArgument("the task has no name".into()),
        Refusal::EntryPointNotDeclared {
            app: app.clone(),
            entry_point: entry_point.clone(),
            wanted: wanted.clone(),
            declared: vec!["Tasks.Example".into()],
        },
        Refusal::TaskTypeNotDeclared { app, entry_point, wanted },
        Refusal::NotSupported { what: "w".into(), why: "y".into(), help: "h".into() },
        Refusal::SocketIdTaken("chat".into()),
        Refusal::UnknownSocket("chat".into()),
        Refusal::SocketInUse("chat".into()),
    ];
    all.extend(limits.map(Refusal::LimitReached));
    all
}

pub(super) fn orders() -> Vec<RunOrder> {
    let with = |(trigger, entry): (Trigger, Entry)| RunOrder {
        instance: INSTANCE,
        task: TASK,
        name: "Sync".into(),
        group: (entry == Entry::InProcess).then(|| "org.example.lib".into()),
        brokered: (entry == Entry::InProcess).then(|| sockets().remove(0)),
        entry,
        firing: Firing { details: (trigger == Trigger::Application).then(details), ..firing() },
        trigger,
        attempt: 2,
        budget: Duration::from_secs(600),
        throttled: bgtask_core::ThrottleCounts::default(),
    };
    triggers().into_iter().zip(entries().into_iter().cycle()).map(with).collect()
}

pub(super) fn energy() -> EnergyUsage {
    EnergyUsage { percent: 120, level: EnergyLevel::MaxAcceptable, until: WALL }
}

pub(crate) fn outputs() -> Vec<Output> {
    let mut all = vec![
        Output::Launch {
            host: HOST,
            app: app_id(),
            program: "bin/tasks".into(),
            limits: bgtask_core::Limits::default(),
        },
        Output::Adopt { host: HOST, client: CLIENT },
        Output::Cancel(HOST, INSTANCE, notice(CancellationReason::EnergySaver)),
        Output::Sample(HOST),
        Output::Freeze(HOST),
        Output::Thaw(HOST),
        Output::Throttled(HOST, INSTANCE, ThrottleCounts { cpu: 2, network: 1 }),
        Output::Inhibit(INSTANCE),
        Output::Uninhibit(INSTANCE),
        Output::DropSocket(SocketKey(5)),
        Output::WatchSocket(SocketKey(5)),
        Output::UnwatchSocket(SocketKey(5)),
        Output::ForgetCaller(INSTANCE),
        Output::Rouse(Some(BOOT)),
        Output::Rouse(None),
        Output::OpenChannel(app_id()),
        Output::CloseChannel(app_id()),
        Output::AcknowledgePushes(app_id(), vec![PushTicket(7), PushTicket(u64::MAX)]),
        Output::AcknowledgeOrders(vec![PushTicket(7)]),
        Output::Plan { task: TASK, calendar: "@daily".into(), zone: None, after: WALL },
        Output::Plan { task: TASK, calendar: "0 3 * * *".into(), zone: Some("Asia/Tokyo".into()), after: WALL },
        Output::Unlisten(TASK),
        Output::WatchDevice(TASK, details()),
        Output::UnwatchDevice(TASK),
        Output::Progressed { task: TASK, instance: INSTANCE, value: 10, message: None },
        Output::Progressed { task: TASK, instance: INSTANCE, value: 10, message: Some("indexing".into()) },
        Output::Ask { request: RequestId(1), app: app_id(), reason: "We sync.".into() },
        Output::Retire(HOST),
        Output::Kill(HOST),
        Output::Deliver(ClientId(1), Notice::Progress { task: TASK, instance: INSTANCE, value: 10 }),
        Output::Deliver(ClientId(1), Notice::Energy(energy())),
        Output::Deliver(ClientId(1), Notice::Completed(completions().remove(0))),
        Output::Wake(None),
    ];
    let reasons = [
        WakeReason::Budget(TASK),
        WakeReason::Grace(TASK),
        WakeReason::Linger(HOST),
        WakeReason::Retirement(HOST),
        WakeReason::Idle(HOST),
        WakeReason::Timer(TASK),
        WakeReason::Retry(TASK),
        WakeReason::Overdue(TASK),
        WakeReason::Usage(HOST),
        WakeReason::Refill,
        WakeReason::Load(TASK),
        WakeReason::KeepAlive(TASK),
        WakeReason::More,
        WakeReason::ChannelExpiry,
        WakeReason::Fleet,
    ];
    let answers = replies().into_iter().map(Ok).chain(refusals().into_iter().map(Err));
    all.extend(subjects().into_iter().map(|subject| Output::Listen { task: TASK, app: app_id(), subject }));
    all.extend(fleet_orders().into_iter().map(|order| Output::AnswerOrder(Box::new(order))));
    all.extend(orders().into_iter().map(|order| Output::Run(HOST, Box::new(order))));
    all.extend(reasons.map(|why| Output::Wake(Some(Wake { at: BOOT, why }))));
    all.extend(facts().into_iter().flat_map(|fact| [Output::Watch(fact), Output::Unwatch(fact)]));
    all.extend((1..).zip(answers).map(|(id, reply)| Output::Reply(RequestId(id), reply)));
    all.extend(changes().into_iter().map(Output::Persist));
    all
}
