//! What wakes the machine more often than it has to.

use std::time::Duration;

use bgtask_core::NewRegistration;

use super::timing::Rhythm;
use super::{Finding, Known};

/// What is due at least so often, only to wait for a condition, had better be fired by that.
const VERY_FREQUENT: Duration = Duration::from_secs(5 * 60);
/// What is due at least so often shares wake-ups with profit.
const FREQUENT: Duration = Duration::from_secs(15 * 60);
/// From so many tasks on.
const SEVERAL: usize = 3;

pub(super) fn check(task: &NewRegistration, known: &Known) -> Vec<Finding> {
    let Some(rhythm) = Rhythm::of(task, known) else { return Vec::new() };
    edge(task, &rhythm).into_iter().chain(accuracy(task, &rhythm, known)).collect()
}

fn edge(task: &NewRegistration, rhythm: &Rhythm) -> Option<Finding> {
    let condition = task.conditions.first()?;
    (rhythm.shortest <= VERY_FREQUENT).then(|| {
        let times = Duration::from_secs(86_400).as_secs() / rhythm.shortest.as_secs().max(1);
        let word = condition.word();
        let message = format!("it is due {times} times a day, whether or not {word} holds");
        let help = format!("if it is enough to run when that begins, write --on {word} instead");
        Finding::note("wakeups/edge", message, help)
    })
}

fn accuracy(task: &NewRegistration, rhythm: &Rhythm, known: &Known) -> Option<Finding> {
    let is_exact = |task: &NewRegistration, rhythm: &Rhythm| {
        rhythm.shortest <= FREQUENT && task.trigger.pace().is_some_and(|pace| pace.accuracy.is_zero())
    };
    if !is_exact(task, rhythm) {
        return None;
    }
    let alike = |other: &&NewRegistration| Rhythm::of(other, known).is_some_and(|rhythm| is_exact(other, &rhythm));
    let count = 1 + known.others.iter().filter(alike).count();
    (count >= SEVERAL).then(|| {
        let message = format!(
            "it is one of {count} tasks that wake the machine every 15 min or more often, each at its own time"
        );
        Finding::note("wakeups/accuracy", message, "--accuracy 1min lets one wake-up serve several")
    })
}

#[cfg(test)]
mod tests {
    use super::super::Known;
    use super::super::tests::{codes, known, task};

    #[test]
    fn what_waits_for_something_that_begins_can_be_fired_by_it() {
        assert_eq!(codes("every = \"1min\"\nwhen = \"internet\"\n", &known()), ["wakeups/edge"]);
        assert_eq!(codes("every = \"10min\"\nwhen = \"internet\"\n", &known()), [""; 0]);
        assert_eq!(codes("every = \"1min\"\n", &known()), [""; 0]);
    }

    #[test]
    fn several_frequent_tasks_share_their_wake_ups() {
        let other = |lines: &str| task(lines).registration;
        let frequent = || other("every = \"10min\"\n");
        let with = |others| Known { others, ..known() };
        assert_eq!(codes("every = \"5min\"\n", &with(vec![frequent(), frequent()])), ["wakeups/accuracy"]);
        assert_eq!(codes("at = \"*:0/5\"\n", &with(vec![frequent(), frequent()])), ["wakeups/accuracy"]);
        assert_eq!(codes("every = \"5min\"\naccuracy = \"1min\"\n", &with(vec![frequent(), frequent()])), [""; 0]);
        let others = vec![frequent(), other("every = \"1h\"\n"), other("on = \"internet\"\n")];
        assert_eq!(codes("every = \"5min\"\n", &with(others)), [""; 0]);
    }
}
