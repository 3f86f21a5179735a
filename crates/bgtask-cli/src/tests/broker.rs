//! What commands show of a broker's answers.

use std::os::unix::net::UnixStream;

use bgtask_wire::{
    AppInfo, BROKER_INTERFACE, BROKER_PATH, Call, Error, ErrorKind, EventInfo, GateInfo, HistoryInfo, HistoryQuery,
    SourceInfo, TaskInfo, WhyInfo,
};
use futures_util::StreamExt as _;
use serde_json::json;
use zbus::{Connection, Guid, Message, MessageStream, connection};

use super::{INSTANCE, MAIL, NOON, PHOTOS, Ran, bgtask, json, listen, task};

/// Runs a command against a broker with this script.
fn ask(arguments: &[&str]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("run")).unwrap();
    let broker = listen(&dir.path().join("run/broker"), serve);
    let ran = bgtask(&[&["--root", dir.path().to_str().unwrap()], arguments].concat());
    broker.join().unwrap();
    ran
}

/// Answers until the client is gone, or has been sent all events it watches.
async fn serve(stream: UnixStream) {
    let builder = connection::Builder::unix_stream(stream).server(Guid::generate()).p2p();
    let connection = builder.build().await.unwrap();
    let mut messages = MessageStream::from(&connection);
    let mut is_watched = false;
    while let Some(Ok(message)) = messages.next().await {
        let call = Call::read(&message).unwrap();
        is_watched |= matches!(call, Call::Watch(_));
        let is_listed = matches!(call, Call::ListTasks(_));
        let reply = answer(call, &message).unwrap_or_else(|error| error.reply(&message.header()).unwrap());
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

fn answer(call: Call, message: &Message) -> Result<Message, Error> {
    let header = message.header();
    let reply = Message::method_return(&header);
    let built = match call {
        Call::ListTasks(app) => reply.build(&tasks(&app)),
        Call::GetTask(_) => reply.build(&tasks("").remove(0)),
        Call::Why(_) => reply.build(&why()),
        Call::History(query) => reply.build(&history(&query)),
        Call::Watch(app) if app == "org.example.Gone" => {
            return Err(Error::new(ErrorKind::UnknownApp, "no manifest of the app org.example.Gone is installed"));
        }
        Call::Watch(_) => reply.build(&()),
        Call::Unregister(task, _) if task == MAIL => {
            return Err(Error::new(ErrorKind::StoreUnavailable, "the disk is full"));
        }
        Call::Unregister(_, cancel) => {
            assert!(cancel, "only with --cancel in these tests");
            reply.build(&())
        }
        Call::ListApps => reply.build(&vec![AppInfo {
            id: "org.example.Photos".into(),
            version: "1.4.0".into(),
            manifest: "/apps/org.example.Photos.toml".into(),
            entry_points: vec!["Tasks.Example".into(), "Tasks.Other".into()],
            access: "AllowedSubjectToSystemPolicy".into(),
        }]),
        Call::ListSources => reply.build(&sources()),
        other => panic!("no command calls {other:?}"),
    };
    Ok(built.unwrap())
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
    let tasks = [running, task(MAIL, "org.example.Mail", "sync")];
    tasks.into_iter().filter(|task| app.is_empty() || task.app == app).collect()
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
            gate("InternetAvailable", false, "false", Some(NOON - 5_000_000)),
        ],
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

fn done(out: &str) -> Ran {
    Ran { exit: 0, out: out.into(), err: String::new() }
}

#[test]
fn list() {
    assert_eq!(
        ask(&["list"]),
        done(
            "\
NAME      APP                 ID        TRIGGER                CONDITIONS         PHASE                            REGISTERED
背景任务  org.example.Photos  3f2b9c1e  TimeZoneChange (once)  –                  running, progress 40, attempt 2  3 min ago
sync      org.example.Mail    a0c4d2e8  TimeZoneChange         InternetAvailable  idle                             3 min ago
"
        )
    );
    assert_eq!(ask(&["list", "--app", "org.example.None"]), done("No tasks are registered.\n"));
}

#[test]
fn list_as_json() {
    let ran = ask(&["list", "--json", "--app", "org.example.Photos"]);
    let expected = json!([{
        "id": PHOTOS, "app": "org.example.Photos", "name": "背景任务", "entry_point": "Tasks.Example",
        "trigger": "SystemTrigger", "trigger_type": "TimeZoneChange", "one_shot": true, "conditions": [],
        "cancel_on_condition_loss": false, "is_network_requested": false,
        "registered_at": "2026-07-28T11:57:00.000000Z", "phase": "running", "instance": INSTANCE, "attempt": 2,
        "progress": 40,
    }]);
    assert_eq!((json(&ran.out), ran.exit), (expected, 0));
}

#[test]
fn show() {
    let ran = ask(&["show", "3f2b"]);
    let expected = "\
背景任务
  id            3f2b9c1e-7a44-4d0f-9a55-0c7b2f1e6a01
  app           org.example.Photos
  entry point   Tasks.Example
  trigger       SystemTrigger TimeZoneChange
  one shot      yes
  conditions    –
  on their loss go on
  network       not requested
  registered    2026-07-28 11:57:00 +00:00 (3 min ago)
  phase         running, progress 40, attempt 2
  instance      0b8e6f10-2222-4333-8444-555566667777

TimeZoneChange fired 2 min ago and it is held until InternetAvailable holds.

  GATE                       READS    SINCE    SOURCE
  Access             open    Allowed           netlink
  InternetAvailable  closed  false    5 s ago  netlink

  WHEN       EVENT
  5 min ago  fired  TimeZoneChange fired\\nin one line
  4 min ago  fired  TimeZoneChange fired\\nin one line
  3 min ago  fired  TimeZoneChange fired\\nin one line
  2 min ago  fired  TimeZoneChange fired\\nin one line
  1 min ago  fired  TimeZoneChange fired\\nin one line
";
    assert_eq!(ran, done(expected));
    assert_eq!(json(&ask(&["show", "sync", "--json"]).out)["id"], MAIL);
}

#[test]
fn why_as_json() {
    let expected = json!({
        "sentence": "TimeZoneChange fired 2 min ago and it is held until InternetAvailable holds.",
        "phase": "latched", "since": "2026-07-28T11:58:00.000000Z",
        "gates": [
            {"name": "Access", "open": true, "value": "Allowed", "since": null, "source": "netlink"},
            {"name": "InternetAvailable", "open": false, "value": "false", "since": "2026-07-28T11:59:55.000000Z", "source": "netlink"},
        ],
    });
    assert_eq!(json(&ask(&["why", "sync", "--json"]).out), expected);
    assert!(ask(&["why", "sync"]).out.starts_with("TimeZoneChange fired 2 min ago and"));
}

#[test]
fn history_is_the_latest_oldest_first() {
    let expected = "\
WHEN       NAME  APP               ID        EVENT
2 min ago  sync  org.example.Mail  a0c4d2e8  fired  TimeZoneChange fired\\nin one line
1 min ago  sync  org.example.Mail  a0c4d2e8  fired  TimeZoneChange fired\\nin one line
";
    assert_eq!(ask(&["history", "--limit", "2"]), done(expected));
    let ran = ask(&["history", "sync", "--limit", "1", "--json"]);
    let expected = json!([{
        "sequence": 1500, "at": "2026-07-28T11:59:00.000000Z", "app": "org.example.Mail", "task": MAIL,
        "name": "sync", "instance": INSTANCE, "event": "fired", "text": "TimeZoneChange fired\nin one line",
        "detail": {"count": 1},
    }]);
    assert_eq!((json(&ran.out), ran.exit), (expected, 0));
}

#[test]
fn a_long_history_is_fetched_in_pages() {
    let ran = ask(&["history", "--limit", "1200", "--json"]);
    let sequences: Vec<_> = json(&ran.out).as_array().unwrap().iter().map(|line| line["sequence"].as_u64()).collect();
    assert_eq!(sequences, (301..=1500).map(Some).collect::<Vec<_>>());
    assert_eq!(json(&ask(&["history", "--limit", "9999", "--json"]).out).as_array().map(Vec::len), Some(1500));
}

#[test]
fn history_of_a_task_nobody_ever_knew() {
    let ran = ask(&["history", "snyc"]);
    assert_eq!((ran.exit, ran.err.as_str()), (3, "bgtask: there is no task \"snyc\"; did you mean \"sync\"?\n"));
}

#[test]
fn watch_shows_the_state_then_the_changes_and_says_that_the_broker_ended() {
    let ran = ask(&["watch", "--app", "org.example.Mail"]);
    let expected = "\
NAME  APP               ID        TRIGGER         CONDITIONS         PHASE  REGISTERED
sync  org.example.Mail  a0c4d2e8  TimeZoneChange  InternetAvailable  idle   3 min ago

12:00:00.001  sync org.example.Mail a0c4d2e8  TimeZoneChange fired
12:00:00.001  sync org.example.Mail a0c4d2e8  a\\u{1b}]0;b
";
    assert_eq!((ran.out.as_str(), ran.exit), (expected, 4));
    assert_eq!(ran.err, "bgtask: the broker ended: start `bgtask watch` again when it is back\n");
}

#[test]
fn watch_as_json_is_one_object_per_line() {
    let ran = ask(&["watch", "--app", "org.example.Mail", "--json"]);
    let lines: Vec<_> = ran.out.lines().map(json).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["task"]["name"], "sync");
    let expected = json!({"event": {
        "at": "2026-07-28T12:00:00.001000Z", "app": "org.example.Mail", "task": MAIL, "name": "sync", "instance": null,
        "event": "fired", "text": "TimeZoneChange fired", "detail": {"count": 1},
    }});
    assert_eq!(lines[1], expected);
    assert_eq!(lines[2]["event"]["detail"], "not json", "what is no JSON is kept as it is");
    assert_eq!(json(&ran.err)["exit_code"], 4);
}

#[test]
fn unregister() {
    let ran = ask(&["unregister", "3f2b9c1e", "--cancel"]);
    let expected = "Unregistered 背景任务 (3f2b9c1e-7a44-4d0f-9a55-0c7b2f1e6a01) of org.example.Photos; \
                    its running instance was told to stop.\n";
    assert_eq!(ran, done(expected));
    let ran = ask(&["unregister", "背景任务", "--cancel", "--json"]);
    let expected = json!({"id": PHOTOS, "app": "org.example.Photos", "name": "背景任务", "cancel": true});
    assert_eq!(json(&ran.out), expected);
}

#[test]
fn a_refusal_is_told_in_the_brokers_words() {
    let ran = ask(&["unregister", "sync"]);
    assert_eq!((ran.exit, ran.out.as_str(), ran.err.as_str()), (1, "", "bgtask: the disk is full\n"));
    let ran = ask(&["unregister", "sync", "--json"]);
    let expected = json!({"exit_code": 1, "name": "org.bgtask.Error.StoreUnavailable", "message": "the disk is full"});
    assert_eq!((json(&ran.err), ran.out.as_str()), (expected, ""));
    let ran = ask(&["watch", "--app", "org.example.Gone"]);
    assert_eq!(ran.exit, 3, "{ran:?}");
}

#[test]
fn a_misspelt_task_is_suggested() {
    let ran = ask(&["why", "snyc"]);
    assert_eq!((ran.exit, ran.err.as_str()), (3, "bgtask: there is no task \"snyc\"; did you mean \"sync\"?\n"));
}

#[test]
fn apps() {
    let expected = "\
APP                 VERSION  ACCESS                        ENTRY POINTS                MANIFEST
org.example.Photos  1.4.0    AllowedSubjectToSystemPolicy  Tasks.Example, Tasks.Other  /apps/org.example.Photos.toml
";
    assert_eq!(ask(&["apps"]), done(expected));
    let expected = json!([{
        "id": "org.example.Photos", "version": "1.4.0", "manifest": "/apps/org.example.Photos.toml",
        "entry_points": ["Tasks.Example", "Tasks.Other"], "access": "AllowedSubjectToSystemPolicy",
    }]);
    assert_eq!(json(&ask(&["apps", "--json"]).out), expected);
}

#[test]
fn sources_of_facts() {
    let expected = "\
SOURCE         STATUS     READS          HOW
time-zone      available  Europe/Berlin  inotify on /etc/localtime
user-presence  missing                   there is no logind; start systemd-logind
";
    assert_eq!(ask(&["sources"]), done(expected));
    let found = json(&ask(&["sources", "--json"]).out);
    let expected = json!({
        "name": "user-presence", "status": "missing", "how": null, "why": "there is no logind",
        "help": "start systemd-logind", "value": null,
    });
    assert_eq!(found[1], expected);
}
