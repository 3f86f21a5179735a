//! What commands show of a broker's answers.

use serde_json::json;

use super::script::ask;
use super::{INSTANCE, MAIL, PHOTOS, done, json};

#[test]
fn list() {
    let ran = ask(&["list"]);
    let expected = "\
NAME      APP                 GROUP    ID        ENTRY                                       TRIGGER                                  NEXT       CONDITIONS         PHASE                            REGISTERED
背景任务  org.example.Photos           3f2b9c1e  Tasks.Example                               TimeZoneChange (once)                               –                  running, progress 40, attempt 2  3 min ago
sync      org.example.Mail             a0c4d2e8  Tasks.Example                               TimeZoneChange                                      InternetAvailable  idle                             3 min ago
tidy      org.example.Notes   nightly  c5d6e7f8  class 7d1e0a52-3c4b-4f6a-8e9d-0123456789ab  every 30 min (maintenance)               in 12 min  –                  idle                             3 min ago
jack      org.example.Notes            d5d6e7f8  in the app                                  event org.example.once (once a session)             –                  idle                             3 min ago
";
    assert_eq!(ran, done(expected));
    let none = "No tasks of the app \"org.example.None\" are registered; `bgtask apps` shows which apps there are.\n";
    assert_eq!(ask(&["list", "--app", "org.example.None"]), done(none));
}

#[test]
fn list_leaves_out_the_columns_of_what_no_task_has() {
    let expected = "\
NAME  APP               ID        ENTRY          TRIGGER         CONDITIONS         PHASE  REGISTERED
sync  org.example.Mail  a0c4d2e8  Tasks.Example  TimeZoneChange  InternetAvailable  idle   3 min ago
";
    assert_eq!(ask(&["list", "--app", "org.example.Mail"]), done(expected));
}

#[test]
fn list_of_a_group() {
    let ran = ask(&["list", "--group", "nightly", "--json"]);
    let tasks = json(&ran.out);
    assert_eq!((tasks.as_array().map(Vec::len), tasks[0]["name"].as_str(), ran.exit), (Some(1), Some("tidy"), 0));
    let none = "No tasks of the group \"nihgtly\" are registered; did you mean \"nightly\"?\n";
    assert_eq!(ask(&["list", "--group", "nihgtly"]), done(none));
    assert_eq!(ask(&["list", "--group", "x"]), done("No tasks of the group \"x\" are registered.\n"));
    assert_eq!(json(&ask(&["list", "--group", "x", "--json"]).out), json!([]));
}

#[test]
fn list_as_json() {
    let ran = ask(&["list", "--json", "--app", "org.example.Photos"]);
    let expected = json!([{
        "id": PHOTOS, "app": "org.example.Photos", "name": "背景任务", "entry_point": "Tasks.Example",
        "class_id": null, "group": null, "group_name": null, "trigger": "SystemTrigger",
        "trigger_type": "TimeZoneChange", "trigger_properties": null, "freshness": null, "due": null, "event_id": null, "recurrence": null,
        "one_shot": true, "conditions": [],
        "cancel_on_condition_loss": false, "is_network_requested": false,
        "registered_at": "2026-07-28T11:57:00.000000Z", "phase": "running", "instance": INSTANCE, "attempt": 2,
        "progress": 40, "message": null, "word": "", "definition": null, "file": null, "log": null, "paused": false,
        "retry_at": null, "last_at": null, "last_ok": null, "fresh_since": null, "overdue": false,
    }]);
    assert_eq!((json(&ran.out), ran.exit), (expected, 0));

    let tasks = json(&ask(&["list", "--json", "--app", "org.example.Notes"]).out);
    let timer = &tasks[0];
    assert_eq!((timer["freshness"].as_u64(), timer["due"].as_str()), (Some(30), Some("2026-07-28T12:12:00.000000Z")));
    assert_eq!((timer["group"].as_str(), timer["group_name"].as_str()), (Some("nightly"), Some("Nightly work")));
    assert_eq!(timer["class_id"], "7d1e0a52-3c4b-4f6a-8e9d-0123456789ab");
    let event = (tasks[1]["event_id"].as_str(), tasks[1]["recurrence"].as_str());
    assert_eq!(event, (Some("org.example.once"), Some("Once")));
}

#[test]
fn show() {
    let ran = ask(&["show", "3f2b"]);
    let expected = "\
背景任务
  id            3f2b9c1e-7a44-4d0f-9a55-0c7b2f1e6a01
  app           org.example.Photos
  entry point   Tasks.Example
  trigger       SystemTrigger TimeZoneChange (once)
  one shot      yes
  conditions    –
  on their loss go on
  network       not requested
  registered    2026-07-28 11:57:00 +00:00 (3 min ago)
  phase         running, progress 40, attempt 2
  instance      0b8e6f10-2222-4333-8444-555566667777
  processor     12 min of processor time left; 2 min in 2 h are the app's own

TimeZoneChange fired 2 min ago and it is held until InternetAvailable holds.

  GATE                       READS    SINCE      SOURCE
  Access             open    Allowed             netlink
  EnergySaver        open    false    1 min ago  netlink
  InternetAvailable  closed  false    5 s ago    netlink
  ExternalPower      open    true                netlink
  MemoryPressure     open    false               netlink

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
fn show_of_a_timer_and_of_an_event() {
    let shown = ask(&["show", "tidy"]).out;
    for line in [
        "  group         nightly (Nightly work)",
        "  entry point   class 7d1e0a52-3c4b-4f6a-8e9d-0123456789ab",
        "  trigger       MaintenanceTrigger every 30 min (maintenance)",
        "  next release  2026-07-28 12:12:00 +00:00 (in 12 min)",
        "  traffic       0 B of traffic left; 10 MiB in 2 h are the app's own",
        "  refill        2026-07-28 12:10:00 +00:00 (in 10 min)",
        "  policy        200 % of the usual budgets",
        "  energy        85 % of normal, until 2026-07-28 12:01:00 +00:00 (in 1 min)",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} in {shown}");
    }
    let shown = json(&ask(&["show", "tidy", "--json"]).out);
    assert_eq!((&shown["budget"]["throttled"], &shown["budget"]["network_left"]), (&json!("network"), &json!(0)));
    assert_eq!(shown["energy"], json!({"percent": 85, "level": 80, "until": "2026-07-28T12:01:00.000000Z"}));
    let shown = ask(&["show", "jack"]).out;
    assert!(shown.contains("entry point   in the app\n"), "{shown}");
    assert!(shown.contains("CustomSystemEventTrigger event org.example.once (once a session)\n"), "{shown}");
    assert!(!shown.contains("next release") && !shown.contains("group"), "{shown}");
}

#[test]
fn why_as_json() {
    let expected = json!({
        "sentence": "TimeZoneChange fired 2 min ago and it is held until InternetAvailable holds.",
        "phase": "latched", "since": "2026-07-28T11:58:00.000000Z",
        "gates": [
            {"name": "Access", "open": true, "value": "Allowed", "since": null, "source": "netlink"},
            {"name": "EnergySaver", "open": true, "value": "false", "since": "2026-07-28T11:59:00.000000Z", "source": "netlink"},
            {"name": "InternetAvailable", "open": false, "value": "false", "since": "2026-07-28T11:59:55.000000Z", "source": "netlink"},
            {"name": "ExternalPower", "open": true, "value": "true", "since": null, "source": "netlink"},
            {"name": "MemoryPressure", "open": true, "value": "false", "since": null, "source": "netlink"},
        ],
        "waits_for": ["InternetAvailable"], "waits_since": "2026-07-28T11:58:00.000000Z",
        "released_by": "InternetAvailable has to hold",
        "remedy": "connect the machine to the internet", "next": null, "used": null, "budget": null,
        "last_run": null,
    });
    let mut answer = json(&ask(&["why", "sync", "--json"]).out);
    let fired = answer.as_object_mut().unwrap().remove("last_fired").unwrap();
    assert_eq!((fired["event"].as_str(), fired["sequence"].as_u64()), (Some("fired"), Some(1500)));
    assert_eq!(answer, expected);
}

#[test]
fn why_says_one_sentence_and_then_the_facts() {
    let expected = "\
TimeZoneChange fired 2 min ago and it is held until InternetAvailable holds.

  last fired    2026-07-28 11:59:00 +00:00 (1 min ago): TimeZoneChange fired\\nin one line
  waits for     InternetAvailable, since 2026-07-28 11:58:00 +00:00 (2 min ago)
  released by   InternetAvailable has to hold
  to start it   connect the machine to the internet

  GATE                       READS    SINCE      SOURCE
";
    let ran = ask(&["why", "sync"]);
    assert!(ran.out.starts_with(expected), "{}", ran.out);
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
NAME  APP               ID        ENTRY          TRIGGER         CONDITIONS         PHASE  REGISTERED
sync  org.example.Mail  a0c4d2e8  Tasks.Example  TimeZoneChange  InternetAvailable  idle   3 min ago

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

#[test]
fn channels_for_push_messages_are_listed_opened_and_closed() {
    let listed = ask(&["push"]).out;
    assert!(listed.contains("org.example.Photos  degraded  7"), "{listed}");
    assert!(listed.contains("cannot be reached; it is tried again by itself"), "{listed}");
    assert_eq!(ask(&["push", "open"]).out, "mqtts://push.example.org/bgtask/kitchen/org.bgtask.Commands\n");
    assert_eq!(ask(&["push", "close", "org.example.Photos"]).out, "The channel of org.example.Photos is closed.\n");
}

/// The registration of a socket may be gone; the socket is still there for its app.
#[test]
fn sockets_that_apps_have_handed_over() {
    let expected = "\
APP                 TASK      KIND      STATE    KEEP-ALIVE  SOCKET
org.example.Photos  背景任务  stream    watched  15 min      chat
org.example.Photos            listener  kept                 door
";
    assert_eq!(ask(&["sockets"]), done(expected));
    let found = json(&ask(&["sockets", "--json"]).out);
    let expected = json!({
        "app": "org.example.Photos", "id": "door", "task": INSTANCE, "name": null, "kind": "listener", "state": "kept",
        "keep_alive_us": null,
    });
    assert_eq!(found[1], expected);
}

#[test]
fn control_channels_that_apps_keep() {
    let expected = "\
APP                 STATE    KEEP-ALIVE  NEXT                                   CHANNEL
org.example.Photos  unheard  1 h 30 min  2026-07-28 12:05:00 +00:00 (in 5 min)  feed 1
org.example.Photos  watched  25 min      2026-07-28 12:05:00 +00:00 (in 5 min)  mail
";
    assert_eq!(ask(&["channels"]), done(expected));
    let found = json(&ask(&["channels", "--json"]).out);
    let expected = json!({
        "app": "org.example.Photos", "id": "mail", "state": "watched", "keep_alive_us": 1_500_000_000_u64,
        "due": "2026-07-28T12:05:00.000000Z",
    });
    assert_eq!(found[1], expected);
}
