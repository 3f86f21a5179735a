//! What was so at a time that is past, in a few sentences.

use bgtask_core::EventKind;

use super::past::{Past, Stage, Then};
use crate::output::time::Clock;

/// How times are said.
pub(super) struct Spoken {
    pub(super) clock: Clock,
}

/// What was so, why, and what came of it. `registered_at` is when the registration of today was made.
pub(super) fn of(past: &Past, registered_at: Option<i64>, say: &Spoken) -> String {
    let mut said = vec![standing(past, registered_at, say)];
    said.extend(past.paused_since.map(|since| format!("It was paused since {}.", say.at(since))));
    said.extend(gap(past, say));
    if past.existed != Some(false) || past.activation.is_some() {
        said.push(then(past, say));
    }
    said.join(" ")
}

impl Spoken {
    fn at(&self, microseconds: i64) -> String {
        self.clock.spoken(microseconds)
    }
}

fn standing(past: &Past, registered_at: Option<i64>, say: &Spoken) -> String {
    let at = say.at(past.at);
    let Some(activation) = &past.activation else { return without_activation(past, registered_at, say) };
    let since = say.at(activation.since);
    let because = match &activation.stage {
        Stage::Fired => return format!("At {at} it had just fired."),
        Stage::Latched(_) => {
            let missing = past.missing();
            let verb = if missing.len() == 1 { "did not hold" } else { "did not all hold" };
            format!("latched since {since}: {} {verb}", missing.join(" and "))
        }
        Stage::Buffered(gate) => format!("held since {since}: {gate}"),
        Stage::Retrying { at, how } => format!("waiting for its next try at {}: {how} at {since}", say.at(*at)),
        Stage::Interrupted => format!("waiting since {since} to run again: the broker had ended under it"),
        Stage::Running { attempt: 1 } => format!("running since {since}"),
        Stage::Running { attempt } => format!("running since {since}, attempt {attempt}"),
        Stage::Cancelling(notice) => format!("told to stop at {since}: {notice}"),
    };
    let fired = activation.fired_at.filter(|fired| *fired != activation.since);
    let fired = fired.map_or_else(String::new, |fired| format!("; its trigger had fired at {}", say.at(fired)));
    format!("At {at} it was {because}{fired}.")
}

fn without_activation(past: &Past, registered_at: Option<i64>, say: &Spoken) -> String {
    let at = say.at(past.at);
    match (past.existed, &past.removed) {
        (Some(true), _) => match &past.last_end {
            Some((ended, how)) => {
                format!("At {at} it waited for its trigger: its last run, until {}, {how}.", say.at(*ended))
            }
            None => format!("At {at} it waited for its trigger: nothing is known of a run before."),
        },
        (Some(false), Some((removed, why))) => {
            format!("At {at} it did not exist any more: {why}, at {}.", say.at(*removed))
        }
        _ => {
            let first = past.then.first().filter(|it| matches!(it.kind, EventKind::Registered)).map(|it| it.at);
            match first.or(registered_at.filter(|registered| *registered > past.at)) {
                Some(registered) => {
                    format!("At {at} it did not exist yet: it was registered at {}.", say.at(registered))
                }
                None => format!("Where it stood at {at} is not known: the history does not reach back that far."),
            }
        }
    }
}

fn gap(past: &Past, say: &Spoken) -> Option<String> {
    let (from, to) = past.gap?;
    let to = say.at(to);
    Some(match from {
        Some(from) => format!(
            "No broker ran, or the machine was off or asleep, at some time between {} and {to}; the history does not tell \
             whether that was so at {}.",
            say.at(from),
            say.at(past.at)
        ),
        None => format!("No broker ran, or the machine was off or asleep, at some time before {to}."),
    })
}

/// What came next.
fn then(past: &Past, say: &Spoken) -> String {
    let runs =
        past.activation.as_ref().is_some_and(|it| matches!(it.stage, Stage::Running { .. } | Stage::Cancelling(_)));
    let is_its = |it: &&Then| past.activation.is_none() || it.is_its;
    let find = |wanted: fn(&EventKind) -> bool| past.then.iter().filter(is_its).find(|it| wanted(&it.kind));
    let started = find(|kind| matches!(kind, EventKind::Started { .. })).filter(|_| !runs);
    let over = find(|kind| {
        let retried = matches!(kind, EventKind::Retrying { .. } | EventKind::Dropped);
        retried || matches!(kind, EventKind::Completed { .. } | EventKind::Interrupted { .. })
    });
    let ended = over.map(|it| match &it.kind {
        EventKind::Interrupted { .. } => format!("the broker ended under it, as was noted at {}", say.at(it.at)),
        EventKind::Dropped => format!("it was given up at {}", say.at(it.at)),
        _ => format!("at {} it ended: {}", say.at(it.at), it.text),
    });
    match (started, ended) {
        (Some(started), Some(ended)) if over.is_some_and(|over| over.at >= started.at) => {
            format!("It ran at {}; {ended}.", say.at(started.at))
        }
        (Some(started), _) => format!("It ran at {}.", say.at(started.at)),
        (None, Some(ended)) => format!("Then {ended}."),
        (None, None) => match past.then.first() {
            Some(next) => format!("Next, at {}: {}.", say.at(next.at), next.text),
            None if past.existed == Some(false) => String::new(),
            None => "Nothing has happened to it since.".to_owned(),
        },
    }
}
