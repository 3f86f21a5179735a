//! The parts of a registration in words.

use bgtask_wire::TaskInfo;

/// What stands where there is nothing.
pub(crate) const NOTHING: &str = "–";

/// What fires it: `TimeZoneChange (once)`, `every 30 min`, `ApplicationTrigger`, `event org.example.jack (once a session)`,
/// `device:subsystem=block`.
pub(crate) fn trigger(task: &TaskInfo) -> String {
    match (task.trigger.as_str(), task.freshness, &task.event_id) {
        ("TimeTrigger", Some(minutes), _) => interval(minutes, task.one_shot),
        ("MaintenanceTrigger", Some(minutes), _) => format!("{} (maintenance)", interval(minutes, task.one_shot)),
        ("CustomSystemEventTrigger", _, Some(id)) => match task.recurrence.as_deref() {
            Some("Once") => format!("event {id} (once a session)"),
            _ => format!("event {id}"),
        },
        _ if task.trigger_properties.is_some() => {
            let word = task.word.clone();
            if task.one_shot { format!("{word} (once)") } else { word }
        }
        (class, ..) => {
            let event = if task.trigger_type.is_empty() { class } else { &task.trigger_type };
            if task.one_shot { format!("{event} (once)") } else { event.to_owned() }
        }
    }
}

/// What runs it: an entry point, `in the app`, or `class` and its id.
pub(crate) fn entry(task: &TaskInfo) -> String {
    match &task.class_id {
        Some(class) => format!("class {class}"),
        None if task.entry_point.is_empty() => "in the app".to_owned(),
        None => task.entry_point.clone(),
    }
}

pub(crate) fn conditions(task: &TaskInfo) -> String {
    if task.conditions.is_empty() { NOTHING.to_owned() } else { task.conditions.join(", ") }
}

/// The phase with what is known of the activation: `running, progress 40, attempt 2`.
pub(crate) fn phase(task: &TaskInfo) -> String {
    let mut text = task.phase.clone();
    if let Some(progress) = task.progress {
        text.push_str(&format!(", progress {progress}"));
    }
    if let Some(attempt) = task.attempt.filter(|attempt| *attempt > 1) {
        text.push_str(&format!(", attempt {attempt}"));
    }
    text
}

/// The group by its id, with its name for people where it has one of its own.
pub(crate) fn group(task: &TaskInfo) -> Option<String> {
    let id = task.group.as_ref()?;
    let name = task.group_name.as_ref().filter(|name| *name != id);
    Some(name.map_or_else(|| id.clone(), |name| format!("{id} ({name})")))
}

fn interval(minutes: u32, once: bool) -> String {
    let length = duration(minutes);
    if once { format!("once after {length}") } else { format!("every {length}") }
}

/// Minutes in the largest unit that says them exactly.
fn duration(minutes: u32) -> String {
    match minutes {
        1440 => "1 day".to_owned(),
        days if days > 0 && days.is_multiple_of(1440) => format!("{} days", days / 1440),
        hours if hours > 0 && hours.is_multiple_of(60) => format!("{} h", hours / 60),
        minutes => format!("{minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::task;

    fn example() -> TaskInfo {
        task("id", "org.example.Photos", "name")
    }

    /// A task with a trigger of this class, and no event of the system.
    fn of_class(class: &str) -> TaskInfo {
        TaskInfo { trigger: class.into(), trigger_type: String::new(), ..example() }
    }

    #[test]
    fn every_trigger_has_words_of_its_own() {
        assert_eq!(trigger(&example()), "TimeZoneChange");
        assert_eq!(trigger(&TaskInfo { one_shot: true, ..example() }), "TimeZoneChange (once)");
        assert_eq!(trigger(&of_class("ApplicationTrigger")), "ApplicationTrigger");
        assert_eq!(trigger(&of_class("MediaProcessingTrigger")), "MediaProcessingTrigger");
        assert_eq!(trigger(&of_class("FutureTrigger")), "FutureTrigger", "a newer broker may know more");
        let event = |recurrence: &str| TaskInfo {
            event_id: Some("org.example.jack".into()),
            recurrence: Some(recurrence.into()),
            ..of_class("CustomSystemEventTrigger")
        };
        assert_eq!(trigger(&event("Once")), "event org.example.jack (once a session)");
        assert_eq!(trigger(&event("Always")), "event org.example.jack");
    }

    #[test]
    fn a_timer_is_said_in_the_largest_unit_that_is_exact() {
        let timer = |class: &str, minutes, one_shot| {
            trigger(&TaskInfo { freshness: Some(minutes), one_shot, ..of_class(class) })
        };
        assert_eq!(timer("TimeTrigger", 30, false), "every 30 min");
        assert_eq!(timer("TimeTrigger", 90, true), "once after 90 min");
        assert_eq!(timer("TimeTrigger", 360, false), "every 6 h");
        assert_eq!(timer("MaintenanceTrigger", 1440, false), "every 1 day (maintenance)");
        assert_eq!(timer("MaintenanceTrigger", 2880, true), "once after 2 days (maintenance)");
        assert_eq!(timer("TimeTrigger", 43_199, false), "every 43199 min");
        assert_eq!(timer("TimeTrigger", 0, false), "every 0 min");
    }

    #[test]
    fn who_runs_it_and_to_which_group_it_belongs() {
        assert_eq!(entry(&example()), "Tasks.Example");
        let unnamed = TaskInfo { entry_point: String::new(), ..example() };
        assert_eq!(entry(&unnamed), "in the app");
        assert_eq!(entry(&TaskInfo { class_id: Some("7d1e".into()), ..unnamed }), "class 7d1e");
        let grouped = |name: &str| TaskInfo { group: Some("sync".into()), group_name: Some(name.into()), ..example() };
        assert_eq!(group(&example()), None);
        assert_eq!(group(&grouped("sync")).as_deref(), Some("sync"));
        assert_eq!(group(&grouped("Synchronisation")).as_deref(), Some("sync (Synchronisation)"));
    }
}
