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
    let paused = past.paused_since.filter(|_| past.activation.is_some());
    said.extend(paused.map(|since| format!("It was paused since {}.", say.at(since))));
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
        Stage::Suspended { resource, until, .. } => {
            let until = say.at(*until);
            format!("suspended since {since}, until {until} at the latest: its app had used up its {resource}")
        }
        Stage::Cancelling(notice) => format!("told to stop at {since}: {notice}"),
    };
    let fired = activation.fired_at.filter(|fired| *fired != activation.since);
    let fired = fired.map_or_else(String::new, |fired| format!("; its trigger had fired at {}", say.at(fired)));
    format!("At {at} it was {because}{fired}.")
}

fn without_activation(past: &Past, registered_at: Option<i64>, say: &Spoken) -> String {
    let at = say.at(past.at);
    match (past.existed, &past.removed) {
        (Some(true), _) => {
            let stood = match past.paused_since {
                Some(since) => format!("was paused since {}", say.at(since)),
                None => "waited for its trigger".to_owned(),
            };
            match &past.last_end {
                Some((ended, how)) => format!("At {at} it {stood}: its last run, until {}, {how}.", say.at(*ended)),
                None => format!("At {at} it {stood}: nothing is known of a run before."),
            }
        }
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
    let runs = past.activation.as_ref().is_some_and(|it| it.stage.runs());
    let is_its = |it: &&Then| past.activation.is_none() || it.is_its;
    let find = |wanted: fn(&EventKind) -> bool| past.then.iter().filter(is_its).find(|it| wanted(&it.kind));
    let started = find(|kind| matches!(kind, EventKind::Started { .. })).filter(|_| !runs);
    let over = find(|kind| {
        let retried = matches!(kind, EventKind::Retrying { .. } | EventKind::Dropped);
        retried || matches!(kind, EventKind::Completed { .. } | EventKind::Interrupted { .. })
    });
    match (started, over.filter(|over| started.is_none_or(|started| over.at >= started.at))) {
        (Some(started), Some(over)) => {
            format!("It ran at {}{}.", say.at(started.at), ended(over, Some(started.at), say))
        }
        (Some(started), None) => format!("It ran at {}, and has not ended.", say.at(started.at)),
        (None, Some(over)) => format!("It{}.", ended(over, None, say)),
        (None, None) if past.activation.is_some() => "Since then it has neither run nor ended.".to_owned(),
        (None, None) => match past.then.first() {
            Some(next) => format!("Next, at {}: {}.", say.at(next.at), next.text),
            None => "Nothing has happened to it since.".to_owned(),
        },
    }
}

/// How what was so, or a run from that time on, came to its end.
fn ended(over: &Then, began: Option<i64>, say: &Spoken) -> String {
    let at = say.at(over.at);
    let and = if began.is_some() { " and" } else { "" };
    match &over.kind {
        EventKind::Interrupted { .. } => {
            format!("{and} was interrupted by the end of the broker, as was noted at {at}")
        }
        EventKind::Dropped => format!("{and} was given up at {at}"),
        _ if began.is_some_and(|began| say.at(began) == at) => format!(": {}", over.text),
        _ => format!("{and} ended at {at}: {}", over.text),
    }
}
