//! A command's registration in words.

use std::path::Path;

use bgtask_core::{Condition, words};
use bgtask_wire::TaskInfo;

use crate::{Clock, exact};

/// When it fires: `every 6 h`, `at Mon..Fri 09:00`, `on path:~/notes (once)`.
pub fn when(task: &TaskInfo) -> String {
    let text = match task.word.split_once(':') {
        Some(("every", time)) => match words::duration(time) {
            Some(time) => format!("every {}", exact(time)),
            None => format!("every {time}"),
        },
        Some(("at", calendar)) => format!("at {calendar}"),
        Some(("path", path)) => format!("on path:{}", from_home(path)),
        _ => format!("on {}", task.word),
    };
    if task.one_shot { format!("{text} (once)") } else { text }
}

/// What has to hold, in the short words: `unmetered, not:ac-power`; nothing where nothing has to.
pub fn conditions(task: &TaskInfo) -> String {
    let word = |name: &String| {
        Condition::from_name(name).map_or_else(|| name.clone(), |condition| condition.word().into_owned())
    };
    task.conditions.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// Where it stands: `idle`, `running 40 %`, `retrying, attempt 2`, `paused`; and that it is overdue.
pub fn state(task: &TaskInfo) -> String {
    let mut state = match (task.phase.as_str(), task.retry_at) {
        ("idle", _) if task.paused => return "paused".to_owned(),
        ("buffered" | "latched", Some(_)) => "retrying".to_owned(),
        ("buffered" | "latched", None) => "waiting".to_owned(),
        (phase, _) => phase.to_owned(),
    };
    if let Some(progress) = task.progress {
        state.push_str(&format!(" {progress} %"));
    }
    if let Some(attempt) = task.attempt.filter(|attempt| *attempt > 1) {
        state.push_str(&format!(", attempt {attempt}"));
    }
    if task.paused {
        state.push_str(", paused");
    }
    if task.overdue {
        state.push_str(", overdue");
    }
    state
}

/// How its last run ended, and when: `ok 2 h ago`.
pub fn last(task: &TaskInfo, clock: &Clock) -> String {
    match (task.last_at, task.last_ok) {
        (Some(at), Some(true)) => format!("ok {}", clock.relative(at)),
        (Some(at), _) => format!("failed {}", clock.relative(at)),
        (None, _) => String::new(),
    }
}

/// When it is tried or fires next, as far as time decides that.
pub fn next(task: &TaskInfo) -> Option<i64> {
    task.retry_at.or(task.due).filter(|_| !task.paused || task.retry_at.is_some())
}

/// A path with the home folder as `~`.
pub fn from_home(path: &str) -> String {
    let home = std::env::var("HOME").unwrap_or_default();
    let rest = Path::new(path).strip_prefix(&home).ok().filter(|_| !home.is_empty());
    match rest.map(|rest| rest.to_string_lossy()) {
        Some(rest) if rest.is_empty() => "~".to_owned(),
        Some(rest) => format!("~/{rest}"),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fired_by(word: &str) -> TaskInfo {
        TaskInfo { word: word.into(), phase: "idle".into(), ..TaskInfo::default() }
    }

    #[test]
    fn a_trigger_is_said_as_it_was_written() {
        assert_eq!(when(&fired_by("every:1h30min")), "every 1 h 30 min");
        assert_eq!(when(&fired_by("at:Mon..Fri 09:00")), "at Mon..Fri 09:00");
        assert_eq!(when(&fired_by("path:/nowhere/notes")), "on path:/nowhere/notes");
        assert_eq!(when(&TaskInfo { one_shot: true, ..fired_by("time-zone-change") }), "on time-zone-change (once)");
    }

    #[test]
    fn conditions_have_their_short_words() {
        let names = ["FreeNetworkAvailable", "ac-power", "UserNotPresent", "not:between:22:00-06:00", "FutureOne"];
        let task = TaskInfo { conditions: names.map(Into::into).into(), ..fired_by("internet") };
        assert_eq!(conditions(&task), "unmetered, ac-power, user-away, not:between:22:00-06:00, FutureOne");
        assert_eq!(conditions(&fired_by("internet")), "");
    }

    #[test]
    fn a_state_tells_what_one_wants_to_know() {
        let idle = fired_by("every:6h");
        let of = |task: TaskInfo| state(&task);
        assert_eq!(of(idle.clone()), "idle");
        assert_eq!(of(TaskInfo { paused: true, due: Some(1), ..idle.clone() }), "paused");
        assert_eq!(next(&TaskInfo { paused: true, due: Some(1), ..idle.clone() }), None, "a paused one fires nothing");
        assert_eq!(of(TaskInfo { overdue: true, ..idle.clone() }), "idle, overdue");
        let running = TaskInfo { phase: "running".into(), progress: Some(40), attempt: Some(2), ..idle.clone() };
        assert_eq!(of(running.clone()), "running 40 %, attempt 2");
        assert_eq!(of(TaskInfo { paused: true, ..running }), "running 40 %, attempt 2, paused");
        assert_eq!(of(TaskInfo { phase: "latched".into(), ..idle.clone() }), "waiting");
        let retrying = TaskInfo { phase: "buffered".into(), retry_at: Some(7), attempt: Some(3), ..idle };
        assert_eq!((next(&retrying), state(&retrying).as_str()), (Some(7), "retrying, attempt 3"));
    }
}
