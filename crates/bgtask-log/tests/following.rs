//! A follower gets every line, whatever happens to the files meanwhile.

use std::time::Duration;

use bgtask_log::{Bounds, Follower, Line, Logs, Query};
use tempfile::TempDir;

/// Only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

fn logs(bounds: Bounds) -> (Logs, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Logs::with_bounds(dir.path(), bounds).unwrap(), dir)
}

async fn next(follower: &mut Follower) -> Vec<Line> {
    tokio::time::timeout(PATIENCE, follower.next()).await.expect("nothing came").unwrap()
}

/// So many lines.
async fn take(follower: &mut Follower, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        texts.extend(next(follower).await.iter().map(|line| line.text().into_owned()));
    }
    texts
}

#[tokio::test]
async fn what_was_there_comes_first_and_then_what_comes() {
    let (logs, _dir) = logs(Bounds::default());
    let mut writer = logs.writer("task").unwrap();
    writer.write(1, "i", b"one\ntwo\nthree\n");
    let query = Query { last: Some(2), ..Query::default() };
    let mut follower = logs.follow("task", query).unwrap();
    assert_eq!(take(&mut follower, 2).await, ["two", "three"]);
    writer.write(2, "i", b"fo");
    writer.write(3, "i", b"ur\nfive\n");
    assert_eq!(take(&mut follower, 2).await, ["four", "five"]);
}

#[tokio::test]
async fn a_log_may_be_followed_before_it_exists() {
    let (logs, _dir) = logs(Bounds::default());
    let mut follower = logs.follow("task", Query::default()).unwrap();
    let mut writer = logs.writer("task").unwrap();
    let (lines, ()) = tokio::join!(take(&mut follower, 2), async {
        tokio::task::yield_now().await;
        writer.write(1, "i", b"first\n");
        tokio::task::yield_now().await;
        writer.write(2, "i", b"second\n");
    });
    assert_eq!(lines, ["first", "second"]);
}

#[tokio::test]
async fn only_what_is_wanted_comes() {
    let (logs, _dir) = logs(Bounds::default());
    let mut writer = logs.writer("task").unwrap();
    let query = Query { instance: Some("b".into()), ..Query::default() };
    let mut follower = logs.follow("task", query).unwrap();
    writer.write(1, "a", b"not this\n");
    writer.write(1, "b", b"this\n");
    assert_eq!(take(&mut follower, 1).await, ["this"]);
}

#[tokio::test]
async fn rotation_loses_nothing() {
    let (logs, _dir) = logs(Bounds { file: 1000, ..Bounds::default() });
    let mut writer = logs.writer("task").unwrap();
    let mut follower = logs.follow("task", Query::default()).unwrap();
    let mut expected = Vec::new();
    let mut followed = Vec::new();
    for number in 0..2000 {
        writer.write(number, "i", format!("line {number}\n").as_bytes());
        expected.push(format!("line {number}"));
        // Now and then, so that it is up to one rotation behind.
        if number % 70 == 69 {
            followed.extend(take(&mut follower, expected.len() - followed.len()).await);
        }
    }
    followed.extend(take(&mut follower, expected.len() - followed.len()).await);
    assert_eq!(followed, expected);
}

#[tokio::test]
async fn a_writer_in_another_thread_is_followed_over_its_rotations() {
    let (logs, _dir) = logs(Bounds { file: 100_000, ..Bounds::default() });
    let mut follower = logs.follow("task", Query::default()).unwrap();
    let (go, turn) = std::sync::mpsc::channel::<()>();
    let mut writer = logs.writer("task").unwrap();
    let thread = std::thread::spawn(move || {
        for number in 0..20_000_u64 {
            writer.write(number, "i", format!("line {number}\n").as_bytes());
            // Not more than a generation ahead, as what is two behind is lost.
            if number % 2000 == 1999 {
                turn.recv().unwrap();
            }
        }
    });
    for batch in 0..10 {
        let texts = take(&mut follower, 2000).await;
        let expected: Vec<_> = (batch * 2000..(batch + 1) * 2000).map(|number| format!("line {number}")).collect();
        assert_eq!(texts, expected);
        go.send(()).unwrap();
    }
    thread.join().unwrap();
}

#[tokio::test]
async fn a_log_that_is_removed_and_begun_anew_is_followed() {
    let (logs, _dir) = logs(Bounds::default());
    let mut writer = logs.writer("task").unwrap();
    writer.write(1, "i", b"before\n");
    let mut follower = logs.follow("task", Query::default()).unwrap();
    assert_eq!(take(&mut follower, 1).await, ["before"]);
    logs.remove("task").unwrap();
    writer.write(2, "i", b"after\n");
    assert_eq!(take(&mut follower, 1).await, ["after"]);
}

/// Half a line is none; it comes when it is whole.
#[tokio::test]
async fn a_line_that_a_crash_tore_is_not_followed() {
    let (logs, _dir) = logs(Bounds::default());
    logs.writer("task").unwrap().write(1, "i", b"one\n");
    let path = logs.path("task").unwrap();
    let mut text = std::fs::read(&path).unwrap();
    text.extend_from_slice(b"170");
    std::fs::write(&path, text).unwrap();
    let mut follower = logs.follow("task", Query::default()).unwrap();
    assert_eq!(take(&mut follower, 1).await, ["one"]);
    logs.writer("task").unwrap().write(2, "i", b"two\n");
    assert_eq!(take(&mut follower, 1).await, ["two"]);
}
