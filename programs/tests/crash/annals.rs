//! What the history says, read against what it has to say (LC-9).

use std::collections::{BTreeMap, BTreeSet};

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

/// Where the instances of a task stand, as the lines before have it.
#[derive(Debug, Default)]
struct Life {
    waiting: BTreeSet<String>,
    running: Option<String>,
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
    lives.values().all(|life| life.waiting.is_empty() && life.running.is_none())
}

fn follow(life: &mut Life, line: &HistoryInfo) {
    let context = || format!("{line:?} after {life:?}");
    let instance = || line.instance.clone().unwrap_or_else(|| panic!("no instance: {line:?}"));
    match line.event.as_str() {
        "fired" => drop(life.waiting.insert(instance())),
        "latched" | "buffered" => assert!(life.waiting.contains(&instance()), "{}", context()),
        "started" => {
            // A lingering host that vanished before it heard of the task is replaced without a line in between.
            let again = life.running.as_ref() == Some(&instance());
            assert!(again || life.running.is_none(), "one at a time (D2): {}", context());
            assert!(again || life.waiting.contains(&instance()), "{}", context());
            life.waiting.remove(&instance());
            life.running = Some(instance());
        }
        "cancelled" => assert_eq!(life.running, line.instance, "{}", context()),
        "interrupted" => {
            assert_eq!(life.running, line.instance, "{}", context());
            assert!(["2", "3"].iter().any(|attempt| line.text.ends_with(attempt)), "three attempts at most: {line:?}");
            life.running = None;
            life.waiting.insert(instance());
        }
        "completed" => {
            assert!(life.running.is_some() && life.running == line.instance, "{}", context());
            life.running = None;
        }
        "dropped" => assert!(life.waiting.remove(&instance()), "{}", line.text),
        "registered" | "unregistered" => {}
        _ => panic!("{}", context()),
    }
}
