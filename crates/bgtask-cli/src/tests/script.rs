//! A broker that answers from a script.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::net::UnixStream;

use bgtask_wire::{
    AppInfo, AttachInfo, BROKER_INTERFACE, BROKER_PATH, BudgetInfo, Call, ControlChannelInfo, Error, ErrorKind,
    EventInfo, GateInfo, HistoryInfo, HistoryQuery, PushChannelInfo, SocketInfo, SourceInfo, Standard, TaskInfo,
    TransferInfo, WhyInfo,
};
use futures_util::StreamExt as _;
use zbus::{Connection, Guid, Message, MessageStream, OwnedVariant, connection};

use super::{INSTANCE, JACK, MAIL, NOON, PHOTOS, Ran, TIMER, bgtask_on, listen, task};

/// What the user has decided so far.
#[derive(Clone, Default)]
pub(super) struct Decided {
    pub(super) settings: BTreeMap<String, String>,
    pub(super) switched_off: bool,
    /// The user's own commands.
    pub(super) commands: Vec<TaskInfo>,
    /// The history, where it is not [`history`].
    pub(super) lines: Vec<HistoryInfo>,
    /// Tasks that are to wake the machine are refused.
    pub(super) no_waking: bool,
    /// What was asked to be added: name, task file, whether it may replace another.
    pub(super) added: Vec<(String, String, bool)>,
}

/// Runs a command against a broker with this script.
pub(super) fn ask(arguments: &[&str]) -> Ran {
    ask_after(Decided::default(), arguments)
}

/// As [`ask`], after the user has decided this.
pub(super) fn ask_after(decided: Decided, arguments: &[&str]) -> Ran {
    ask_on(None, decided, arguments).0
}

/// As [`ask_after`], on a terminal of so many columns; with what was decided in the end.
pub(super) fn ask_on(width: Option<usize>, mut decided: Decided, arguments: &[&str]) -> (Ran, Decided) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("run")).unwrap();
    let (told, end) = std::sync::mpsc::channel();
    let broker = listen(&dir.path().join("run/broker"), async move |stream| {
        serve(stream, &mut decided).await;
        told.send(decided).unwrap();
    });
    let ran = bgtask_on(width, &[&["--root", dir.path().to_str().unwrap()], arguments].concat());
    broker.join().unwrap();
    (ran, end.recv().unwrap())
}

/// Answers until the client is gone, or has been sent all events it watches.
async fn serve(stream: UnixStream, decided: &mut Decided) {
    let builder = connection::Builder::unix_stream(stream).server(Guid::generate()).p2p();
    let connection = builder.build().await.unwrap();
    let mut messages = MessageStream::from(&connection);
    let mut is_watched = false;
    while let Some(Ok(message)) = messages.next().await {
        let call = Call::read(&message).unwrap();
        is_watched |= matches!(call, Call::Watch(_));
        let is_listed = matches!(call, Call::ListTasks(_));
        let reply = answer(call, &message, decided).unwrap_or_else(|error| error.reply(&message.header()).unwrap());
        connection.send(&reply).await.unwrap();
        if is_watched && is_listed {
            return send_events(&connection).await;
        }
    }
}

async fn send_events(connection: &Connection) {
    for event in [event("fired", "TimeZoneChange fired", "{\"count\":1}"), event("started", "a\u{1b}]0;b", "not json")]
    {
        let signal = Message::signal(BROKER_PATH, BROKER_INTERFACE, "Event").build(&event).unwrap();
        connection.send(&signal).await.unwrap();
    }
}

fn transfers() -> Vec<TransferInfo> {
    let film = TransferInfo {
        id: "9c3f6d0e-53a1-4f0c-8a55-0a4b7b1f7d11".into(),
        app: "org.bgtask.Commands".into(),
        kind: "download".into(),
        uri: "https://example.org/film.mkv".into(),
        file: "/srv/film.mkv".into(),
        status: 1,
        done: 5 << 20,
        total: Some(10 << 20),
        why: "The command is running.".into(),
        answer: Some(206),
        created: NOON,
        task: Some(JACK.into()),
        ..TransferInfo::default()
    };
    let failed = TransferInfo {
        id: "9d000000-53a1-4f0c-8a55-0a4b7b1f7d11".into(),
        app: "org.example.Photos".into(),
        kind: "upload".into(),
        file: "/home/ada/\u{1b}[2Jphotos.zip".into(),
        status: 7,
        why: "Example.org answered 403 Forbidden.".into(),
        task: None,
        total: None,
        ..film.clone()
    };
    vec![film, failed]
}

fn answer(call: Call, message: &Message, decided: &mut Decided) -> Result<Message, Error> {
    let header = message.header();
    let reply = Message::method_return(&header);
    let built = match call {
        Call::ListTasks(app) => reply.build(&listed(&app, decided)),
        Call::GetTask(id) => reply.build(&listed("", decided).into_iter().find(|task| task.id == id).unwrap()),
        Call::AddTask { definition, .. } if decided.no_waking && definition.contains("wake = true") => {
            return Err(Error::new(ErrorKind::NotSupported, "nothing may wake this machine"));
        }
        Call::AddTask { name, definition, replace } => {
            let info = command(&name, &definition);
            let answer = (info.id.clone(), if replace { "replaced" } else { "registered" });
            decided.added.push((name, definition, replace));
            decided.commands.push(info);
            reply.build(&answer)
        }
        Call::RunNow { .. } => reply.build(&INSTANCE),
        Call::SetPaused(..) => reply.build(&()),
        Call::Cancel(_) => reply.build(&1u32),
        Call::Why(_) => reply.build(&why()),
        Call::History(query) if !decided.lines.is_empty() => reply.build(&page(&decided.lines, &query)),
        Call::History(query) => reply.build(&history(&query)),
        Call::Watch(app) if app == "org.example.Gone" => {
            return Err(Error::new(ErrorKind::UnknownApp, "no manifest of the app org.example.Gone is installed"));
        }
        Call::Watch(_) => reply.build(&()),
        Call::Unregister(task, _) if task == MAIL => {
            return Err(Error::new(ErrorKind::StoreUnavailable, "the disk is full"));
        }
        Call::Unregister(_, cancel) => {
            assert!(cancel || !decided.commands.is_empty(), "only with --cancel in these tests");
            reply.build(&())
        }
        Call::ListApps => reply.build(&apps(decided)),
        Call::SetAccess(app, setting) => {
            decided.settings.insert(app, setting);
            reply.build(&())
        }
        Call::SetBackground(enabled) => {
            decided.switched_off = !enabled;
            reply.build(&())
        }
        Call::Standard(Standard::GetProperty(name)) if name == "BackgroundEnabled" => {
            reply.build(&OwnedVariant::from(!decided.switched_off))
        }
        Call::Terminate(app) => reply.build(&if app == "org.example.Photos" { 2u32 } else { 0 }),
        Call::CreatePushChannel(app) => reply.build(&(format!("mqtts://push.example.org/bgtask/kitchen/{app}"), 0i64)),
        Call::ClosePushChannel(_) => reply.build(&()),
        Call::ListPushChannels(_) => reply.build(&vec![channel()]),
        Call::Raise(event) => reply.build(&if event == "org.example.jack" { 2u32 } else { 0 }),
        Call::RequestTrigger { app, class, details } => reply.build(&requested(&app, &class, &details)),
        Call::GetBudget(app) if app == "org.example.Notes" => reply.build(&BudgetInfo {
            percent: 200,
            network: Some(10 << 20),
            network_left: Some(0),
            throttled: Some("network".into()),
            refill: Some(NOON + 600_000_000),
            ..budget()
        }),
        Call::GetBudget(_) => reply.build(&budget()),
        Call::GetEnergyUsage(app) => {
            let percent = if app == "org.example.Notes" { 85u32 } else { 0 };
            reply.build(&(percent, percent / 80 * 80, NOON + 60_000_000))
        }
        Call::CreateTransfer(app, order) => {
            assert!(app.is_empty() && order.uri.starts_with("https://"), "{order:?}");
            reply.build(&transfers()[0].id)
        }
        Call::ControlTransfer { transfer, .. } => {
            assert_eq!(transfer, transfers()[0].id);
            reply.build(&())
        }
        Call::ListTransfers(_) => reply.build(&transfers()),
        Call::ListTaskFiles => reply.build(&Vec::<bgtask_wire::TaskFileInfo>::new()),
        Call::ListSockets(_) => reply.build(&sockets()),
        Call::ListControlChannels(_) => reply.build(&control_channels()),
        Call::ListSources => reply.build(&sources()),
        Call::Attach(app, _) => {
            let version = env!("CARGO_PKG_VERSION").to_owned();
            reply.build(&AttachInfo { app, data_dir: "/nowhere".into(), version })
        }
        other => panic!("no command calls {other:?}"),
    };
    Ok(built.unwrap())
}

/// Of an app that has used nothing yet, and may borrow ten minutes.
fn budget() -> BudgetInfo {
    let minutes = |minutes: u64| minutes * 60_000_000;
    BudgetInfo {
        percent: 100,
        window: minutes(120),
        cpu: Some(minutes(2)),
        cpu_left: Some(minutes(12)),
        ..BudgetInfo::default()
    }
}

fn listed(app: &str, decided: &Decided) -> Vec<TaskInfo> {
    let commands = decided.commands.iter().filter(|task| app.is_empty() || task.app == app).cloned();
    if decided.commands.is_empty() { tasks(app) } else { commands.collect() }
}

/// A command as the broker shows it that was given this task file.
pub(super) fn command(name: &str, definition: &str) -> TaskInfo {
    let task = bgtask_taskfile::parse_at_home(&format!("{name}.toml"), definition, "/home/me").unwrap();
    let registration = &task.registration;
    TaskInfo {
        entry_point: String::new(),
        trigger: registration.trigger.class().into(),
        trigger_type: String::new(),
        one_shot: registration.trigger.one_shot(),
        conditions: registration.conditions.iter().map(|condition| condition.name().into_owned()).collect(),
        word: bgtask_taskfile::trigger_word(&registration.trigger),
        definition: Some(bgtask_taskfile::write(&task)),
        paused: task.paused,
        ..super::task(&format!("e5d6e7f8-1111-4222-8333-{:012x}", name.len()), "org.bgtask.Commands", name)
    }
}

fn page(lines: &[HistoryInfo], query: &HistoryQuery) -> Vec<HistoryInfo> {
    let wanted = |line: &&HistoryInfo| query.before.is_none_or(|before| line.sequence < before);
    lines.iter().filter(wanted).cloned().collect()
}

fn tasks(app: &str) -> Vec<TaskInfo> {
    let running = TaskInfo {
        phase: "running".into(),
        instance: Some(INSTANCE.into()),
        attempt: Some(2),
        progress: Some(40),
        conditions: vec![],
        one_shot: true,
        ..task(PHOTOS, "org.example.Photos", "背景任务")
    };
    let timer = TaskInfo {
        entry_point: String::new(),
        class_id: Some("7d1e0a52-3c4b-4f6a-8e9d-0123456789ab".into()),
        group: Some("nightly".into()),
        group_name: Some("Nightly work".into()),
        trigger: "MaintenanceTrigger".into(),
        trigger_type: String::new(),
        freshness: Some(30),
        due: Some(NOON + 720_000_000),
        conditions: vec![],
        ..task(TIMER, "org.example.Notes", "tidy")
    };
    let jack = TaskInfo {
        entry_point: String::new(),
        trigger: "CustomSystemEventTrigger".into(),
        trigger_type: String::new(),
        event_id: Some("org.example.once".into()),
        recurrence: Some("Once".into()),
        conditions: vec![],
        ..task(JACK, "org.example.Notes", "jack")
    };
    let tasks = [running, task(MAIL, "org.example.Mail", "sync"), timer, jack];
    tasks.into_iter().filter(|task| app.is_empty() || task.app == app).collect()
}

/// Photos is left to the user, Corp is denied and Kiosk allowed by the policy.
fn apps(decided: &Decided) -> Vec<AppInfo> {
    ["org.example.Corp", "org.example.Kiosk", "org.example.Photos"].map(|id| app(id, decided)).into()
}

fn app(id: &str, decided: &Decided) -> AppInfo {
    let setting = decided.settings.get(id).cloned().filter(|setting| setting != "default");
    let (policy, policy_file) = match id {
        "org.example.Corp" => (Some("ForceDeny"), Some("/etc/bgtask/policy.d/10-corp.toml")),
        "org.example.Kiosk" => (Some("ForceAllow"), Some("/etc/bgtask/policy.d/20-kiosk.toml")),
        _ => (None, None),
    };
    let (access, decided_by) = match (policy, policy_file, setting.as_deref()) {
        (Some("ForceDeny"), Some(file), _) => ("DeniedBySystemPolicy", format!("the policy {file}")),
        (Some(_), Some(file), Some("always")) => ("AlwaysAllowed", format!("the policy {file}")),
        (Some(_), Some(file), _) => ("AllowedSubjectToSystemPolicy", format!("the policy {file}")),
        (.., Some("never")) if !decided.switched_off => ("DeniedByUser", "the user's setting".into()),
        (.., Some("always")) if !decided.switched_off => ("AlwaysAllowed", "the user's setting".into()),
        _ if decided.switched_off => ("DeniedByUser", "the user's switch for all background work".into()),
        _ => ("AllowedSubjectToSystemPolicy", "BackgroundExecutionManager".into()),
    };
    AppInfo {
        id: id.into(),
        version: "1.4.0".into(),
        manifest: format!("/apps/{id}.toml"),
        entry_points: vec!["Tasks.Example".into(), "Tasks.Other".into()],
        applications: vec!["App".into()],
        access: access.into(),
        decided_by,
        setting,
        policy: policy.map(Into::into),
        policy_file: policy_file.map(Into::into),
    }
}

/// One app for each result; what was fired is told with what it carried, as it was on the wire.
fn requested(app: &str, class: &str, details: &HashMap<String, OwnedVariant>) -> (u32, String) {
    match (app, class) {
        ("org.example.Photos", "ApplicationTrigger") => {
            let sorted: BTreeMap<_, _> = details.iter().map(|(key, value)| (key, value.to_string())).collect();
            (0, format!("the trigger fired with {sorted:?}"))
        }
        ("org.example.Kiosk", "ApplicationTrigger") => (1, "the task runs already".into()),
        ("org.example.Corp", _) => {
            (2, "DeniedBySystemPolicy, says the policy /etc/bgtask/policy.d/10-corp.toml".into())
        }
        (_, class) => (3, format!("the app has no task with a trigger of the class {class}: register one")),
    }
}

fn why() -> WhyInfo {
    let gate = |name: &str, open: bool, value: &str, since| GateInfo {
        name: name.into(),
        open,
        value: value.into(),
        since,
        source: "netlink".into(),
    };
    WhyInfo {
        sentence: "TimeZoneChange fired 2 min ago and it is held until InternetAvailable holds.".into(),
        phase: "latched".into(),
        since: Some(NOON - 120_000_000),
        gates: vec![
            gate("Access", true, "Allowed", None),
            gate("EnergySaver", true, "false", Some(NOON - 60_000_000)),
            gate("InternetAvailable", false, "false", Some(NOON - 5_000_000)),
            gate("ExternalPower", true, "true", None),
            gate("MemoryPressure", true, "false", None),
        ],
        remedy: Some("connect the machine to the internet".into()),
        ..WhyInfo::default()
    }
}

/// 1500 lines, so that it takes two pages to see the first.
fn history(query: &HistoryQuery) -> Vec<HistoryInfo> {
    if query.name.as_deref().is_some_and(|name| name != "sync") {
        return Vec::new();
    }
    let end = query.before.unwrap_or(1501);
    let first = end.saturating_sub(u64::from(query.limit.unwrap())).max(1);
    (first..end).map(line).collect()
}

fn line(sequence: u64) -> HistoryInfo {
    HistoryInfo {
        sequence,
        at: NOON - (1501 - sequence as i64) * 60_000_000,
        app: "org.example.Mail".into(),
        task: MAIL.into(),
        name: "sync".into(),
        instance: sequence.is_multiple_of(2).then(|| INSTANCE.into()),
        event: "fired".into(),
        text: "TimeZoneChange fired\nin one line".into(),
        detail: "{\"count\":1}".into(),
    }
}

fn event(event: &str, text: &str, detail: &str) -> EventInfo {
    EventInfo {
        at: NOON + 1_000,
        app: "org.example.Mail".into(),
        task: MAIL.into(),
        name: "sync".into(),
        instance: None,
        event: event.into(),
        text: text.into(),
        detail: detail.into(),
    }
}

fn sources() -> Vec<SourceInfo> {
    let source = |name: &str, status: &str| SourceInfo {
        name: name.into(),
        status: status.into(),
        how: None,
        why: None,
        help: None,
        value: None,
    };
    let zone = SourceInfo {
        how: Some("inotify on /etc/localtime".into()),
        value: Some("Europe/Berlin".into()),
        ..source("time-zone", "available")
    };
    let presence = SourceInfo {
        why: Some("there is no logind".into()),
        help: Some("start systemd-logind".into()),
        ..source("user-presence", "missing")
    };
    vec![zone, presence]
}

fn sockets() -> Vec<SocketInfo> {
    let chat = SocketInfo {
        app: "org.example.Photos".into(),
        id: "chat".into(),
        task: PHOTOS.into(),
        kind: 3,
        state: "watched".into(),
        keep_alive: Some(900_000_000),
        ..SocketInfo::default()
    };
    let door = SocketInfo {
        id: "door".into(),
        task: INSTANCE.into(),
        kind: 1,
        state: "kept".into(),
        keep_alive: None,
        ..chat.clone()
    };
    vec![chat, door]
}

fn control_channels() -> Vec<ControlChannelInfo> {
    let mail = ControlChannelInfo {
        app: "org.example.Photos".into(),
        id: "mail".into(),
        state: "watched".into(),
        keep_alive: 25,
        due: NOON + 300_000_000,
    };
    vec![ControlChannelInfo { id: "feed 1".into(), state: "unheard".into(), keep_alive: 90, ..mail.clone() }, mail]
}

fn channel() -> PushChannelInfo {
    PushChannelInfo {
        app: "org.example.Photos".into(),
        uri: Some("mqtts://push.example.org/bgtask/kitchen/org.example.Photos".into()),
        expires: 0,
        status: "degraded".into(),
        how: Some("push messages".into()),
        why: Some("mqtts://push.example.org cannot be reached".into()),
        help: Some("it is tried again by itself".into()),
        held: 7,
    }
}
