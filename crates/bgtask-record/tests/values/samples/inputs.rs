//! What the core is told and asked.

use super::*;

pub(super) fn policies() -> [Policy; 2] {
    let entry = |rule| PolicyEntry { rule, file: "/etc/bgtask/policy.d/10-site.toml".into(), budget: 100 };
    let apps = access().into_iter().map(|(app, _)| app).zip(PolicyRule::ALL.iter().map(|rule| entry(*rule))).collect();
    [Policy::default(), Policy { default: Some(entry(PolicyRule::ForceDeny)), apps }]
}

pub(super) fn statuses() -> [SourceStatus; 3] {
    let (how, why, help) = ("inotify".to_owned(), "blind".to_owned(), "look".to_owned());
    [
        SourceStatus::Available { how: how.clone() },
        SourceStatus::Degraded { how, why: why.clone(), help: help.clone() },
        SourceStatus::Missing { why, help },
    ]
}

pub(super) fn open(caller: Option<AppId>, details: Option<Details>) -> Request {
    let service = "org.example.photos.resize".to_owned();
    Request::OpenAppService { caller, app: app_id(), service, socket: SocketKey(5), details }
}

pub(super) fn requests() -> Vec<Request> {
    let (app, application, reason) = (app_id(), "Editor".to_owned(), "We sync \"all\" of it.".to_owned());
    let kind_of = |kind, standby| Request::RequestAccessKind {
        app: app_id(),
        application: String::new(),
        kind,
        standby,
        reason: reason.clone(),
    };
    let mut all: Vec<_> = new_registrations().map(|new| Request::Register(app_id(), new)).into();
    all.extend(new_registrations().map(|new| Request::RegisterOrUpdate(app_id(), new)));
    all.extend([
        Request::Unregister { scope: None, task: TASK, cancel: false },
        Request::Unregister { scope: Some(app_id()), task: TASK, cancel: true },
        Request::RequestAccess { app: app.clone(), application: application.clone() },
        kind_of(BackgroundAccessRequestKind::AlwaysAllowed, false),
        kind_of(BackgroundAccessRequestKind::AllowedSubjectToSystemPolicy, true),
        Request::RemoveAccess { app: app.clone(), application },
        Request::SetAccess(app.clone(), Some(AccessSetting::Managed)),
        Request::SetAccess(app.clone(), None),
        Request::SetBackground { enabled: false },
        Request::RunNow { task: TASK, respect_conditions: true },
        Request::SetPaused { task: TASK, paused: true },
        Request::Cancel(TASK),
        Request::ReportProgress { instance: INSTANCE, value: 40, message: "indexing".into() },
        Request::Terminate(app.clone()),
        Request::Activate { app: app.clone(), demand: Demand::Application, details: None },
        Request::Activate { app: app.clone(), demand: Demand::MediaProcessing, details: Some(details()) },
        Request::Activate { app: app.clone(), demand: Demand::DeviceUse, details: Some(details()) },
        Request::Raise { by: None, event: "org.example.jack".into() },
        Request::Raise { by: Some(app.clone()), event: String::new() },
        Request::Acknowledge(app.clone(), u64::MAX),
        Request::TransferSocket(app.clone(), new_socket()),
        Request::ReclaimSocket { app: app.clone(), id: "chat".into() },
        open(Some(app_id()), Some(details())),
        open(None, None),
        Request::CreatePushChannel(app.clone()),
        Request::ClosePushChannel(app.clone()),
        Request::EnableControlChannel(app.clone(), new_control_channel(None)),
        Request::EnableControlChannel(app.clone(), new_control_channel(Some(HOST))),
        Request::CloseControlChannel { app, id: "mail".into() },
    ]);
    all
}

pub(super) fn new_control_channel(host: Option<HostId>) -> NewControlChannel {
    let resource = match host {
        None => ControlChannelTriggerResourceType::RequestSoftwareSlot,
        Some(_) => ControlChannelTriggerResourceType::RequestHardwareSlot,
    };
    NewControlChannel {
        key: SocketKey(6),
        id: "mail".into(),
        client: CLIENT,
        host,
        keep_alive: 25,
        resource,
        ended: host.is_some(),
    }
}

pub(super) fn reports() -> Vec<Report> {
    let mut all = vec![
        Report::TimeZone { zone: zone(), previous_offset_seconds: None },
        Report::TimeZone { zone: zone(), previous_offset_seconds: Some(-3_600) },
    ];
    for value in [true, false] {
        let levels = facts().into_iter().filter(|fact| *fact != Fact::TimeZone && !fact.is_state());
        all.extend(levels.map(|fact| Report::Level(fact, value)));
    }
    let states = facts().into_iter().filter(|fact| fact.is_state());
    all.extend(states.map(|fact| Report::State(fact, "full metered".into())));
    all
}

pub(crate) fn inputs() -> Vec<Input> {
    let mut all = vec![
        Input::Restore(Box::default()),
        Input::Restore(Box::new(Snapshot { session: "session 1".into(), ..snapshot() })),
        Input::Tick,
        Input::CaughtUp,
        Input::Stop,
        Input::AppInstalled(app()),
        Input::AppInstalled(bare_app()),
        Input::AppRemoved(app_id()),
        Input::Attach { client: CLIENT, app: app_id(), activates: true },
        Input::Attach { client: CLIENT, app: app_id(), activates: false },
        Input::Detach(ClientId(0)),
        Input::HostStarted(HOST, INSTANCE),
        Input::HostProgress(HOST, INSTANCE, u32::MAX),
        Input::SocketTaken(HOST, INSTANCE),
        Input::HostFinished { host: HOST, instance: INSTANCE, result: Ok(()), usage: None },
        Input::HostFinished { host: HOST, instance: INSTANCE, result: Err(String::new()), usage: Some(usage()) },
        Input::HostUsage { host: HOST, usage: usage() },
        Input::Planned { task: TASK, at: Some(WALL) },
        Input::Planned { task: TASK, at: None },
        Input::Happened { task: TASK, events: details(), count: 2, lost: 1 },
        Input::DeviceGone(TASK),
        Input::SocketReady(SocketKey(5), Readiness::Readable),
        Input::SocketReady(SocketKey(5), Readiness::Closed),
        Input::SocketsGone(vec![SocketKey(5), SocketKey(u64::MAX)]),
        Input::CallerGone(INSTANCE),
        Input::ChannelSeen(SocketKey(6), Some(7)),
        Input::ChannelSeen(SocketKey(6), None),
        Input::ChannelOpened { app: app_id(), uri: "mqtt://h/bgtask/m/a".into() },
        Input::ChannelRefused { app: app_id(), why: "away".into(), help: "wait".into() },
        Input::Pushed { app: app_id(), messages: pushes() },
        Input::Ordered(vec![new_order()]),
        Input::OrderAnswered(order_id()),
    ];
    let consents = [Consent::Granted, Consent::Refused, Consent::Unavailable("no portal".into())];
    all.extend(policies().map(Input::Policy));
    all.extend(statuses().map(|status| Input::Heard(TASK, status)));
    all.extend((1..).zip(consents).map(|(id, consent)| Input::Consent(RequestId(id), consent)));
    all.extend(
        facts().into_iter().zip(statuses().into_iter().cycle()).map(|(fact, status)| Input::SourceStatus(fact, status)),
    );
    all.extend(reports().into_iter().map(Input::Report));
    all.extend((1..).zip(requests()).map(|(id, request)| Input::Request(RequestId(id), request)));
    all.extend(exits().map(|exit| Input::HostExited {
        host: HOST,
        exit,
        output_tail: "bye".into(),
        usage: Some(usage()),
    }));
    all
}
