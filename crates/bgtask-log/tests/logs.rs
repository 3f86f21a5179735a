//! What is written is what is read, within the bounds.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bgtask_log::{Bounds, Kind, Line, Logs, MAX_INSTANCES, MAX_LINE_BYTES, Query, Writer};
use proptest::prelude::*;
use tempfile::TempDir;

fn logs(bounds: Bounds) -> (Logs, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Logs::with_bounds(dir.path().join("logs"), bounds).unwrap(), dir)
}

fn small() -> Bounds {
    Bounds { file: 1000, folder: 5000, line: 100 }
}

fn all(logs: &Logs) -> Vec<Line> {
    logs.read("task", &Query::default()).unwrap()
}

fn texts(lines: &[Line]) -> Vec<String> {
    lines.iter().map(|line| line.text().into_owned()).collect()
}

fn fill(writer: &mut Writer, lines: std::ops::Range<u64>) {
    for number in lines {
        assert!(writer.write(number, "i", format!("line {number}\n").as_bytes()).is_none());
    }
}

#[test]
fn a_line_is_written_when_it_is_complete() {
    let (logs, _dir) = logs(Bounds::default());
    let mut writer = logs.writer("task").unwrap();
    assert!(all(&logs).is_empty());
    writer.begin(1, "i", "every:6h");
    writer.write(2, "i", b"a\nb");
    assert_eq!(texts(&all(&logs)), ["every:6h", "a"]);
    writer.write(3, "i", b"c\n\nrest");
    assert_eq!(texts(&all(&logs)), ["every:6h", "a", "bc", ""]);
    writer.end(4, "i", "succeeded");
    let lines = all(&logs);
    assert_eq!(texts(&lines), ["every:6h", "a", "bc", "", "rest", "succeeded"]);
    assert_eq!(lines.iter().map(|line| line.at).collect::<Vec<_>>(), [1, 2, 3, 3, 4, 4]);
    let kinds: Vec<_> = lines.iter().map(|line| line.kind).collect();
    let output = Kind::Output;
    assert_eq!(kinds, [Kind::Begin, output, output, output, output, Kind::End]);
}

#[test]
fn instances_do_not_mix_their_lines() {
    let (logs, _dir) = logs(Bounds::default());
    let mut writer = logs.writer("task").unwrap();
    writer.write(1, "a", b"one ");
    writer.write(2, "b", b"two ");
    writer.write(3, "a", b"uno\n");
    writer.write(4, "b", b"due\n");
    assert_eq!(texts(&all(&logs)), ["one uno", "two due"]);
    let of_b = Query { instance: Some("b".into()), ..Query::default() };
    assert_eq!(texts(&logs.read("task", &of_b).unwrap()), ["two due"]);
}

#[test]
fn what_is_wanted_can_be_chosen() {
    let (logs, _dir) = logs(small());
    let mut writer = logs.writer("task").unwrap();
    fill(&mut writer, 0..80);
    assert!(logs.path("task").unwrap().with_extension("log.1").exists(), "two generations");
    let read = |query| texts(&logs.read("task", &query).unwrap());
    let last = Query { last: Some(2), ..Query::default() };
    assert_eq!(read(last), ["line 78", "line 79"]);
    let since = Query { since: Some(77), ..Query::default() };
    assert_eq!(read(since), ["line 77", "line 78", "line 79"]);
    assert!(read(Query { instance: Some("other".into()), ..Query::default() }).is_empty());
}

#[test]
fn a_generation_has_its_bound() {
    let (logs, dir) = logs(small());
    let mut writer = logs.writer("task").unwrap();
    fill(&mut writer, 0..1000);
    let newer = logs.path("task").unwrap();
    let length = |path: &Path| fs::metadata(path).unwrap().len();
    assert!(length(&newer) <= small().file);
    let older = length(&newer.with_extension("log.1"));
    assert!((small().file - 20..=small().file).contains(&older), "it was filled: {older}");
    assert_eq!(fs::read_dir(dir.path().join("logs")).unwrap().count(), 2);
    let kept = all(&logs);
    let expected: Vec<_> = (1000 - kept.len()..1000).map(|number| format!("line {number}")).collect();
    assert_eq!(texts(&kept), expected, "the end, without a gap");

    // One write that is larger than all of it.
    let many = (0..1000).map(|number| format!("line {number}\n")).collect::<String>();
    writer.write(1, "i", many.as_bytes());
    assert_eq!(texts(&all(&logs)).last().unwrap(), "line 999");
    assert!(length(&newer) <= small().file);
}

#[test]
fn a_folder_has_its_bound_and_the_oldest_goes_first() {
    let (logs, dir) = logs(small());
    let length = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().metadata().unwrap().len();
    for task in 0..8 {
        let name = task.to_string();
        fill(&mut logs.writer(&name).unwrap(), 0..60);
        let total: u64 = fs::read_dir(dir.path().join("logs")).unwrap().map(length).sum();
        assert!(total <= small().folder, "{total}");
        let file = fs::File::options().append(true).open(logs.path(&name).unwrap()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(task)).unwrap();
    }
    let lines = |task: u64| logs.read(&task.to_string(), &Query::default()).unwrap().len();
    assert_eq!((lines(0), lines(1)), (0, 0));
    assert_eq!((lines(6), lines(7)), (60, 60));
}

#[test]
fn a_log_that_was_removed_while_it_is_written_begins_anew() {
    let (logs, _dir) = logs(Bounds::default());
    let mut writer = logs.writer("task").unwrap();
    writer.write(1, "i", b"before\n");
    logs.remove("task").unwrap();
    assert!(all(&logs).is_empty());
    writer.write(2, "i", b"after\n");
    assert_eq!(texts(&all(&logs)), ["after"]);
    logs.remove("task").unwrap();
    logs.remove("task").unwrap();
}

#[test]
fn a_long_line_is_kept_in_parts() {
    let (logs, _dir) = logs(Bounds::default());
    let mut writer = logs.writer("task").unwrap();
    let euros = "€".repeat(MAX_LINE_BYTES);
    writer.write(1, "i", euros.as_bytes());
    writer.write(2, "i", b"\nnext\n");
    let lines = all(&logs);
    let (next, parts) = lines.split_last().unwrap();
    let (rest, parts) = parts.split_last().unwrap();
    assert_eq!((next.text().as_ref(), rest.kind), ("next", Kind::Output));
    assert!(parts.iter().all(|part| part.kind == Kind::Part && part.bytes.len() <= MAX_LINE_BYTES));
    assert!(parts.iter().all(|part| part.text().chars().all(|letter| letter == '€')), "no character is cut");
    assert_eq!(texts(&lines[..lines.len() - 1]).concat(), euros);
    assert_eq!(logs.tail("task", "i", 11).unwrap(), "€\nnext\n".split_at(4).1, "a tail begins with a line");
}

#[test]
fn no_more_unfinished_lines_than_the_bound_are_held() {
    let (logs, _dir) = logs(Bounds::default());
    let mut writer = logs.writer("task").unwrap();
    for instance in 0..=MAX_INSTANCES {
        writer.write(1, &instance.to_string(), b"unfinished");
    }
    let lines = all(&logs);
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].instance.as_str(), lines[0].text().as_ref()), ("0", "unfinished"));
}

#[test]
fn any_bytes_are_kept() {
    let (logs, _dir) = logs(Bounds::default());
    let mut writer = logs.writer("task").unwrap();
    writer.write(1, "i", b"\xff\xfe\0\r\n");
    writer.write(2, "no instance\n", b"x\n");
    let lines = all(&logs);
    assert_eq!(lines[0].bytes, b"\xff\xfe\0\r");
    assert_eq!(lines[0].text(), "\u{fffd}\u{fffd}\0\r");
    assert_eq!(lines[1].instance, "-");
}

#[test]
fn a_line_that_a_crash_tore_is_skipped_and_hurts_no_other() {
    let (logs, _dir) = logs(Bounds::default());
    logs.writer("task").unwrap().write(1, "i", b"whole\n");
    let path = logs.path("task").unwrap();
    let mut text = fs::read(&path).unwrap();
    text.extend_from_slice(b"17000");
    fs::write(&path, text).unwrap();
    assert_eq!(texts(&all(&logs)), ["whole"]);
    logs.writer("task").unwrap().write(2, "i", b"next\n");
    assert_eq!(texts(&all(&logs)), ["whole", "next"]);
}

/// A full disk is told once, and hurts nothing but the log.
#[test]
fn what_cannot_be_written_is_counted_and_told_once() {
    let (logs, _dir) = logs(Bounds::default());
    let mut writer = logs.writer("task").unwrap();
    let path = logs.path("task").unwrap();
    fs::create_dir(&path).unwrap();
    let trouble = writer.write(1, "i", b"a\nb\n").unwrap();
    assert!(trouble.to_string().starts_with("cannot write the log "), "{trouble}");
    assert!(writer.write(2, "i", b"c\n").is_none(), "told already");
    assert_eq!(writer.lost(), 3);

    fs::remove_dir(&path).unwrap();
    assert!(writer.write(3, "i", b"d\n").is_none());
    let lines = all(&logs);
    assert_eq!(texts(&lines), ["up to 3 lines were lost: the log could not be written", "d"]);
    assert_eq!((lines[0].kind, writer.lost()), (Kind::Lost, 0));

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(writer.write(4, "i", b"e\n").is_some(), "it worked in between");
}

#[test]
fn a_log_is_for_its_owner_alone() {
    let (logs, dir) = logs(Bounds::default());
    logs.writer("task").unwrap().write(1, "i", b"secret\n");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("logs")), 0o700);
    assert_eq!(mode(&logs.path("task").unwrap()), 0o600);
}

#[test]
fn a_name_that_leads_out_of_the_folder_is_refused() {
    let (logs, _dir) = logs(Bounds::default());
    assert!(logs.writer("../x").is_err());
    assert!(logs.read("", &Query::default()).is_err());
    assert!(logs.remove(".").is_err());
}

/// Which instance writes what.
fn output() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let byte = prop_oneof![3 => any::<u8>(), 1 => Just(b'\n')];
    prop::collection::vec((any::<bool>(), prop::collection::vec(byte, 0..300)), 0..20)
}

fn write_all(writer: &mut Writer, output: &[(bool, Vec<u8>)]) {
    for (at, (first, bytes)) in (0..).zip(output) {
        writer.write(at, if *first { "a" } else { "b" }, bytes);
    }
    writer.end(u64::MAX, "a", "");
    writer.end(u64::MAX, "b", "");
}

fn joined(lines: &[Line], instance: &str) -> Vec<u8> {
    let lines = lines.iter().filter(|line| line.instance == instance && line.is_output());
    lines
        .flat_map(|line| [line.bytes.as_slice(), if line.kind == Kind::Output { b"\n" } else { b"" }].concat())
        .collect()
}

fn written(output: &[(bool, Vec<u8>)], by_first: bool) -> Vec<u8> {
    let mine = output.iter().filter(|(first, _)| *first == by_first);
    let mut bytes: Vec<u8> = mine.flat_map(|(_, bytes)| bytes.clone()).collect();
    if bytes.last().is_some_and(|&last| last != b'\n') {
        bytes.push(b'\n');
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(output in output()) {
        let (logs, _dir) = logs(Bounds { line: 100, ..Bounds::default() });
        write_all(&mut logs.writer("task").unwrap(), &output);
        let lines = all(&logs);
        prop_assert_eq!(joined(&lines, "a"), written(&output, true));
        prop_assert_eq!(joined(&lines, "b"), written(&output, false));
    }

    #[test]
    fn within_the_bounds_it_is_the_end_of_it(output in output()) {
        let (logs, _dir) = logs(small());
        write_all(&mut logs.writer("task").unwrap(), &output);
        let lines = all(&logs);
        prop_assert!(written(&output, true).ends_with(&joined(&lines, "a")));
        prop_assert!(written(&output, false).ends_with(&joined(&lines, "b")));
    }
}
