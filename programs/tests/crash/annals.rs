//! What the history says, read against what it has to say (LC-9).

use std::collections::BTreeMap;

use bgtask_wire::{HistoryInfo, HistoryQuery};

use crate::harness::User;

/// The longest page.
const PAGE: u32 = 1_000;

/// Everything of the history that a test asks about.
#[derive(Debug, Default)]
pub(crate) struct Annals {
    /// The app of each instance that has completed.
    pub(crate) completed: BTreeMap<String, String>,
    /// How often each task has fired.
    pub(crate) fired: BTreeMap<String, usize>,
    /// How many attempts ended with the broker.
    pub(crate) interrupted: usize,
    /// How many activations were given up after the last attempt.
    pub(crate) abandoned: usize,
}

/// Where a task stands, as the lines before have it.
#[derive(Debug, Default)]
struct Life {
    waiting: bool,
    running: Option<String>,
    /// A firing that came while it ran.
    next: bool,
}

/// The whole history, oldest first.
pub(crate) async fn whole(user: &User) -> Vec<HistoryInfo> {
    let mut pages = Vec::new();
    let mut before = None;
    loop {
        let query = HistoryQuery { before, limit: Some(PAGE), ..HistoryQuery::default() };
        let page = user.broker.history(query).await.unwrap();
        let Some(oldest) = page.first().map(|line| line.sequence) else { break };
        before = Some(oldest);
        pages.push(page);
    }
    let lines: Vec<_> = pages.into_iter().rev().flatten().collect();
    assert!(lines.first().is_none_or(|line| line.sequence == 1), "the history was shortened: make fewer kills");
    lines
}

/// Follows every task through its lines: each accepted firing has come to exactly one end, each instance to one outcome.
pub(crate) fn read(lines: &[HistoryInfo]) -> Annals {
    let mut annals = Annals::default();
    for line in lines {
        match line.event.as_str() {
            "fired" => *annals.fired.entry(line.task.clone()).or_default() += 1,
            "interrupted" => annals.interrupted += 1,
            "completed" => {
                let instance = line.instance.clone().expect("an instance completed");
                annals.abandoned += usize::from(line.detail.contains("Abandoned"));
                let twice = annals.completed.insert(instance, line.app.clone());
                assert!(twice.is_none(), "completed twice: {line:?}");
            }
            "completion-lost" => panic!("an app of this test fetches its completions: {line:?}"),
            _ => {}
        }
    }
    assert!(all_ended(lines));
    annals
}

/// Whether every accepted firing has come to its end.
pub(crate) fn all_ended(lines: &[HistoryInfo]) -> bool {
    let mut lives: BTreeMap<&str, Life> = BTreeMap::new();
    for line in lines {
        follow(lives.entry(&line.task).or_default(), line);
    }
    lives.values().all(|life| !life.waiting && life.running.is_none())
}

fn follow(life: &mut Life, line: &HistoryInfo) {
    let context = || format!("{line:?} after {life:?}");
    match line.event.as_str() {
        "fired" if life.running.is_some() => life.next = true,
        "fired" => life.waiting = true,
        "latched" | "buffered" => assert!(life.waiting, "{}", context()),
        "started" => {
            // A lingering host that vanished before it heard of the task is replaced without a line in between.
            let again = life.running.is_some() && life.running == line.instance;
            assert!(life.waiting || again, "{}", context());
            (life.waiting, life.running) = (false, line.instance.clone());
        }
        "cancelled" => assert_eq!(life.running, line.instance, "{}", context()),
        "interrupted" => {
            assert_eq!(life.running, line.instance, "{}", context());
            assert!(["2", "3"].iter().any(|attempt| line.text.ends_with(attempt)), "three attempts at most: {line:?}");
            (life.waiting, life.running) = (true, None);
        }
        "completed" => {
            assert!(life.running.is_some() && life.running == line.instance, "{}", context());
            (life.waiting, life.running, life.next) = (life.next, None, false);
        }
        "dropped" => {
            assert!(life.waiting, "{}", context());
            life.waiting = false;
        }
        "unregistered" => life.next = false,
        "registered" => {}
        _ => panic!("{}", context()),
    }
}
