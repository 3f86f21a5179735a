//! What tasks came to cost: `report` and `top`.

use bgtask_wire::HistoryInfo;

use super::script::{Decided, ask_after};
use super::{INSTANCE, MAIL, NOON, Ran, bgtask, json, schema};

fn line(sequence: u64, minutes_ago: i64, event: &str, detail: &str) -> HistoryInfo {
    HistoryInfo {
        sequence,
        at: NOON - minutes_ago * 60_000_000,
        app: "org.example.Mail".into(),
        task: MAIL.into(),
        name: "<b>sync\u{1b}[2J</b>".into(),
        instance: Some(INSTANCE.into()),
        event: event.into(),
        text: String::new(),
        detail: detail.into(),
    }
}

/// One run, and a line of a version to come.
fn ask(arguments: &[&str]) -> Ran {
    let fired =
        r#"{"Fired":{"trigger":{"Time":{"freshness":15,"one_shot":false}},"count":1,"cause":{"Timer":{"shared":2}}}}"#;
    let used = r#"{"wall":63000000,"usage":{"cpu":21000000,"io":5242880,"memory_peak":41943040}}"#;
    let lines = vec![
        line(1, 30, "fired", fired),
        line(2, 29, "started", r#"{"Started":{"attempt":1,"warm":false}}"#),
        line(3, 28, "completed", &format!(r#"{{"Completed":{{"outcome":"Succeeded","used":{used}}}}}"#)),
        line(4, 27, "transcended", r#"{"Transcended":{"why":"it could"}}"#),
    ];
    ask_after(Decided { lines, ..Decided::default() }, arguments)
}

#[test]
fn a_report_says_what_was_done_and_used() {
    let ran = ask(&["report"]);
    assert_eq!((ran.exit, ran.err.as_str()), (0, ""));
    for part in [
        "From 2026-06-28 12:00 to 2026-07-28 12:00",
        "1 run: 1 succeeded, 0 failed, 0 stopped; 0 retries",
        "21 s of processor time in 1 min 3 s of wall time",
        "memory peak 40 MiB, 5.0 MiB read and written",
        "as much energy as 21 s of a processor takes\n",
        "0.5 wake-ups of the machine, 1 firing",
        "\n  <b>sync\\u{1b}[2J</b>     1    0     0  1m03s    21s   40M   0.5  1m03s  1m03s\n",
        "Tue 28 Jul      1 =====",
    ] {
        assert!(ran.out.contains(part), "{part:?} is missing:\n{}", ran.out);
    }
}

#[test]
fn a_report_of_wake_ups_says_who_caused_them() {
    let ran = ask(&["report", "--wakes"]);
    assert_eq!((ran.exit, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("  0.5 wake-ups by time, 0.5 a day: 0.5 for timers, 0 for what ran\n"), "{}", ran.out);
    assert!(ran.out.contains("  1 firing of timers, 1 of them with a wake-up"), "{}", ran.out);
    assert!(ran.out.contains("\n  <b>sync\\u{1b}[2J</b>  "), "{}", ran.out);
    let ran = bgtask(&["--root", "/nowhere", "report", "--wakes", "--html", "page"]);
    assert_eq!(ran.exit, 2, "a page has them anyway");
}

#[test]
fn a_report_and_the_last_hour_are_as_the_schemas_say() {
    let ran = ask(&["report", "--json", "--app", "org.example.Mail", "--task", "sync", "--since", "2h"]);
    schema::check("report", &ran.out);
    assert_eq!(json(&ran.out)["totals"]["runs"], 1);
    assert_eq!(json(&ran.out)["totals"]["energy_seconds"], 21.103, "21 s, 5 MiB, and half of a wake-up");
    let ran = ask(&["top", "--once", "--json"]);
    schema::check("top", &ran.out);
    assert_eq!(json(&ran.out)["running"][0]["progress"], 40);
}

#[test]
fn a_page_is_written_and_where_it_cannot_be_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("report.html");
    let ran = ask(&["report", "--html", page.to_str().unwrap()]);
    assert_eq!((ran.exit, ran.out), (0, format!("The report is in {}.\n", page.display())));
    assert!(std::fs::read_to_string(&page).unwrap().contains("&lt;b&gt;sync"));
    let ran = ask(&["report", "--html", dir.path().to_str().unwrap()]);
    assert!(ran.exit == 1 && ran.err.contains("cannot be written"), "{ran:?}");
    let ran = bgtask(&["--root", "/nowhere", "report", "--since", "yesteryear"]);
    assert!(ran.exit == 2 && ran.err.contains("yesteryear"), "{ran:?}");
}

#[test]
fn top_once_is_a_table_of_what_runs_and_one_of_the_last_hour() {
    let ran = ask(&["top", "--once"]);
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert!(ran.out.contains("背景任务  running  40 %"), "{}", ran.out);
    assert!(ran.out.contains("The last hour:\nTASK ") && ran.out.contains("\n<b>sync\\u{1b}[2J</b>"), "{}", ran.out);
}

#[test]
fn a_screen_needs_a_terminal() {
    for command in ["ui", "top"] {
        let ran = bgtask(&["--root", "/nowhere", command]);
        assert!(ran.exit == 2 && ran.err.contains("a screen needs a terminal"), "{ran:?}");
    }
}
