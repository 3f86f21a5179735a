//! What can never run.

use bgtask_calendar::Calendar;
use bgtask_core::{Fact, NewRegistration, Trigger};
use bgtask_sources::{Report, Status};

use super::conditions::{exclude, wanted};
use super::day::Day;
use super::{Finding, Known, zone_of};

pub(super) fn check(task: &NewRegistration, known: &Known) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(contradiction(task));
    findings.extend(no_time_of_day(task));
    findings.extend(always_held(task));
    findings.extend(past_calendar(task, known));
    findings.extend(gone(known));
    findings.extend(unseen(task, known));
    findings
}

fn contradiction(task: &NewRegistration) -> Option<Finding> {
    let pairs = task
        .conditions
        .iter()
        .enumerate()
        .flat_map(|(place, one)| task.conditions[place + 1..].iter().map(move |other| (one, other)));
    let (one, other) = pairs.into_iter().find(|(one, other)| exclude(**one, **other))?;
    let message = format!("it can never run: {} and {} never hold together", one.word(), other.word());
    Some(Finding::error("never/contradiction", message, "leave one of them out"))
}

fn no_time_of_day(task: &NewRegistration) -> Option<Finding> {
    let day = Day::of(&task.conditions).filter(Day::is_empty)?;
    debug_assert!(day.is_empty());
    let windows: Vec<_> =
        task.conditions.iter().map(|condition| condition.word()).filter(|word| word.contains("between:")).collect();
    let message = format!("it can never run: {} have no time of the day in common", windows.join(" and "));
    Some(Finding::error("never/between", message, "leave one of them out, or make them overlap"))
}

/// While the machine is short of memory nothing is started, and while it saves energy only what is always allowed to.
fn always_held(task: &NewRegistration) -> Option<Finding> {
    task.conditions.iter().find_map(|condition| match wanted(*condition) {
        (Fact::MemoryPressure, true) => Some(Finding::error(
            "never/memory-pressure",
            "it can never run: nothing is started while the machine is short of memory",
            "let it be fired by that instead of waiting for it, and run afterwards: --on memory-pressure",
        )),
        (Fact::EnergySaver, true) => Some(Finding::warning(
            "never/energy-saver",
            "it does not run: nothing is started while the machine saves energy, unless it is always allowed to",
            "allow it with `bgtask access set org.bgtask.Commands always`, or be fired by the beginning: --on energy-saver",
        )),
        _ => None,
    })
}

fn past_calendar(task: &NewRegistration, known: &Known) -> Option<Finding> {
    let Trigger::Calendar { calendar, zone, .. } = &task.trigger else { return None };
    let read = Calendar::parse(calendar).ok()?;
    if read.next(known.now, &zone_of(zone.as_deref(), known)).is_some() {
        return None;
    }
    let message = format!("it can never run: {calendar:?} does not come again");
    Some(Finding::error("never/calendar", message, "give it a time that is still to come"))
}

fn gone(known: &Known) -> Vec<Finding> {
    let dir = known.absent_dir.as_ref().map(|dir| {
        let message = format!("it cannot be started: there is no folder {dir}");
        Finding::error("never/dir", message, "make the folder, or give it another with --dir")
    });
    let program = known.absent_program.as_ref().map(|why| {
        let message = format!("it cannot be started: {why}");
        Finding::error("never/program", message, "install the program, or write its path in full")
    });
    dir.into_iter().chain(program).collect()
}

/// What this machine cannot see may come with a package or a service: no error.
fn unseen(task: &NewRegistration, known: &Known) -> Vec<Finding> {
    let missing = |fact: Fact| match known.seen.get(&fact) {
        Some(probe) => match &probe.status {
            Status::Missing { why, help } => Some((why, help, &probe.value)),
            _ => None,
        },
        None => None,
    };
    let unseen = Fact::behind(&task.trigger).and_then(missing).map(|(why, help, _)| (why, help));
    let unheard = match &known.heard {
        Some(Status::Missing { why, help }) => Some((why, help)),
        _ => None,
    };
    let trigger = unseen.or(unheard).map(|(why, help)| {
        let word = bgtask_taskfile::trigger_word(&task.trigger);
        Finding::warning(
            "never/source",
            format!("it does not fire: {word} cannot be seen on this machine: {why}"),
            help,
        )
    });
    let conditions = task.conditions.iter().filter_map(|condition| {
        let (why, help, value) = missing(condition.fact())?;
        let holds = matches!(value, Some(Report::Level(_, level)) if condition.holds_at(*level));
        let word = condition.word();
        let said = |taken: &str| format!("{word} cannot be seen on this machine and is taken to hold {taken}: {why}");
        Some(match holds {
            true => Finding::note("never/source", said("always"), help),
            false => Finding::warning("never/source", said("never"), help),
        })
    });
    trigger.into_iter().chain(conditions).collect()
}

#[cfg(test)]
mod tests {
    use bgtask_sources::{Probe, SourceKind};

    use super::super::tests::{codes, known, task};
    use super::super::{Known, lint};
    use super::*;

    #[test]
    fn conditions_that_never_hold_together() {
        assert_eq!(codes("every = \"6h\"\nwhen = \"internet, not:internet\"\n", &known()), ["never/contradiction"]);
        assert_eq!(
            codes("every = \"6h\"\nwhen = \"between:22:00-23:00, between:08:00-09:00\"\n", &known()),
            ["never/between"]
        );
        assert_eq!(codes("every = \"6h\"\nwhen = \"memory-pressure\"\n", &known()), ["never/memory-pressure"]);
        assert_eq!(codes("on = \"memory-pressure\"\n", &known()), [""; 0]);
        assert_eq!(codes("every = \"1d\"\nwhen = \"energy-saver\"\n", &known()), ["never/energy-saver"]);
    }

    #[test]
    fn a_calendar_that_is_over() {
        assert_eq!(codes("at = \"2026-07-28 11:00\"\n", &known()), ["never/calendar"]);
        assert_eq!(codes("at = \"2026-07-28 13:00\"\ncatch-up = true\n", &known()), [""; 0]);
        // It is that time in Tokyo already.
        assert_eq!(codes("at = \"2026-07-28 13:00\"\nzone = \"Asia/Tokyo\"\n", &known()), ["never/calendar"]);
    }

    #[test]
    fn what_is_started_has_to_be_there() {
        let gone =
            Known { absent_dir: Some("/gone".into()), absent_program: Some("there is no program x".into()), ..known() };
        assert_eq!(codes("every = \"6h\"\n", &gone), ["never/dir", "never/program"]);
    }

    #[test]
    fn what_this_machine_cannot_see_is_said_with_what_is_taken_instead() {
        let status = Status::Missing { why: "there is no logind".into(), help: "install it".into() };
        let value = Some(Report::Level(SourceKind::UserPresence, true));
        let known = Known { seen: [(Fact::UserPresence, Probe { status, value })].into(), ..known() };
        let said = |lines: &str| lint(&task(lines), &known).remove(0).message;
        assert_eq!(
            said("every = \"6h\"\nwhen = \"user-away\"\n"),
            "user-away cannot be seen on this machine and is taken to hold never: there is no logind"
        );
        assert!(said("every = \"6h\"\nwhen = \"user-present\"\n").contains("hold always"));
        assert_eq!(
            said("on = \"user-away\"\n"),
            "it does not fire: user-away cannot be seen on this machine: there is no logind"
        );
    }
}
