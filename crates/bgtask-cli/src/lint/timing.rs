//! What comes too late, too often, or is missed.

use std::time::Duration;

use bgtask_calendar::Calendar;
use bgtask_core::limits::MAX_BACKOFF;
use bgtask_core::{Command, NewRegistration, Trigger};

use super::conditions::usual_share;
use super::day::{Day, of_a_day};
use super::{Finding, Known, zone_of};
use crate::output::quantity::{exact, span};

/// How many coming times of a calendar are looked at.
const LOOKED_AT: usize = 800;
/// How far ahead they may lie.
const AHEAD: Duration = Duration::from_secs(366 * 86_400);
/// Conditions that hold together for less of the day than this are rare.
const RARE: f64 = 0.06;
/// What is due at least so often is frequent.
const FREQUENT: Duration = Duration::from_secs(3_600);
/// From this time between two of them on, a missed time of a calendar is missed for long.
const LONG: Duration = Duration::from_secs(12 * 3_600);
/// Fewest runs from which one tells how long they take.
const MIN_RUNS: usize = 3;

pub(super) fn check(task: &NewRegistration, command: &Command, known: &Known) -> Vec<Finding> {
    let rhythm = Rhythm::of(task, known);
    let day = Day::of(&task.conditions);
    let mut findings = Vec::new();
    findings.extend(too_long_for_its_timeout(command, known));
    findings.extend(opposite_of_its_trigger(task));
    if let Some(rhythm) = &rhythm {
        findings.extend(overruns(rhythm, known));
        findings.extend(retries_too_slowly(rhythm, command));
        findings.extend(starves(task, rhythm, day.as_ref()));
        findings.extend(always_waits(rhythm, day.as_ref(), known));
        findings.extend(misses(task, rhythm));
    }
    findings.extend(promises_too_much(command, rhythm.as_ref(), day.as_ref()));
    findings
}

/// How often a task is due.
pub(super) struct Rhythm {
    pub(super) shortest: Duration,
    longest: Duration,
    /// Coming times of a calendar, in microseconds since the Unix epoch.
    times: Vec<i64>,
}

impl Rhythm {
    /// `None` for what is not fired by time, or only once.
    pub(super) fn of(task: &NewRegistration, known: &Known) -> Option<Self> {
        let minutes = |count: &u32| Duration::from_secs(60 * u64::from(*count));
        let even = |every| Some(Self { shortest: every, longest: every, times: Vec::new() });
        match &task.trigger {
            trigger if trigger.one_shot() => None,
            Trigger::Interval { every, .. } => even(*every),
            Trigger::Time { freshness, .. } | Trigger::Maintenance { freshness, .. } => even(minutes(freshness)),
            Trigger::Calendar { calendar, zone, .. } => {
                let calendar = Calendar::parse(calendar).ok()?;
                let zone = zone_of(zone.as_deref(), known);
                let until = known.now + AHEAD.as_micros() as i64;
                let first = calendar.next(known.now, &zone);
                let times = std::iter::successors(first, |at| calendar.next(*at, &zone).filter(|at| *at <= until));
                Self::of_times(times.take(LOOKED_AT).collect())
            }
            _ => None,
        }
    }

    fn of_times(times: Vec<i64>) -> Option<Self> {
        let gaps = || times.windows(2).map(|pair| Duration::from_micros((pair[1] - pair[0]).unsigned_abs()));
        Some(Self { shortest: gaps().min()?, longest: gaps().max()?, times })
    }
}

fn overruns(rhythm: &Rhythm, known: &Known) -> Option<Finding> {
    let median = median(&known.durations).filter(|median| *median > rhythm.shortest)?;
    let message = format!(
        "it overruns: its runs take {} (the median of {}), and it is due every {}",
        span(median),
        known.durations.len(),
        exact(rhythm.shortest)
    );
    Some(Finding::warning("overrun/period", message, "make it rarer: times that come while it runs are held as one"))
}

fn too_long_for_its_timeout(command: &Command, known: &Known) -> Option<Finding> {
    let median = median(&known.durations).filter(|median| *median >= command.timeout)?;
    let message =
        format!("its runs take {} (the median), and are stopped after {}", span(median), exact(command.timeout));
    Some(Finding::warning("overrun/timeout", message, "give it more time with --timeout"))
}

fn median(durations: &[Duration]) -> Option<Duration> {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().filter(|_| sorted.len() >= MIN_RUNS)
}

fn retries_too_slowly(rhythm: &Rhythm, command: &Command) -> Option<Finding> {
    let retry = command.retry;
    let pause = |failures: u32| {
        let doubled = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
        retry.backoff.saturating_mul(doubled).min(MAX_BACKOFF.max(retry.backoff))
    };
    let all: Duration = (0..retry.times).map(pause).fold(Duration::ZERO, Duration::saturating_add);
    if retry.times == 0 || all < rhythm.shortest {
        return None;
    }
    let every = exact(rhythm.shortest);
    let (severity, message) = if retry.backoff >= rhythm.shortest {
        let backoff = exact(retry.backoff);
        (
            Finding::warning as fn(_, String, _) -> _,
            format!("it waits {backoff} before it tries again, and is due every {every} anyway"),
        )
    } else {
        let message =
            format!("its {} tries after a failure take {}, and it is due every {every} anyway", retry.times, span(all));
        (Finding::note as fn(_, String, _) -> _, message)
    };
    Some(severity("retry/period", message, "try less often with --retry, or sooner with --backoff"))
}

fn starves(task: &NewRegistration, rhythm: &Rhythm, day: Option<&Day>) -> Option<Finding> {
    let usual: f64 = task.conditions.iter().map(|condition| usual_share(*condition)).product();
    let share = usual * day.map_or(1.0, Day::share);
    if share > RARE || rhythm.longest > FREQUENT {
        return None;
    }
    let words: Vec<_> = task.conditions.iter().map(|condition| condition.word()).collect();
    let message = format!(
        "it will starve: it is due every {}, but {} hold together for about {} of a usual day",
        exact(rhythm.shortest),
        words.join(" and "),
        of_a_day(share)
    );
    Some(Finding::warning(
        "starve",
        message,
        "make it rarer, or leave a condition out: until they hold, all its times are held as one",
    ))
}

fn always_waits(rhythm: &Rhythm, day: Option<&Day>, known: &Known) -> Option<Finding> {
    let day = day?;
    if rhythm.times.is_empty() || rhythm.times.iter().any(|at| day.has(*at, &known.zone)) {
        return None;
    }
    let until = day.begins().unwrap_or_else(|| "it is that time of the day".to_owned());
    let message = format!("it never runs at a time of its calendar: each time it has to wait until {until}");
    Some(Finding::warning("late/between", message, "bring --at and between: together"))
}

/// Fired by the beginning of what must not hold.
fn opposite_of_its_trigger(task: &NewRegistration) -> Option<Finding> {
    let word = bgtask_taskfile::trigger_word(&task.trigger);
    let begins = bgtask_core::Condition::from_name(&word)?;
    let opposite = task.conditions.iter().find(|condition| super::conditions::exclude(begins, **condition))?;
    let message = format!("it fires when {word} begins, and then waits until {} holds", opposite.word());
    Some(Finding::warning(
        "late/opposite",
        message,
        format!("if that is what is meant, write --on {}", opposite.word()),
    ))
}

fn misses(task: &NewRegistration, rhythm: &Rhythm) -> Option<Finding> {
    let Trigger::Calendar { catch_up: false, .. } = task.trigger else { return None };
    (rhythm.longest >= LONG).then(|| {
        let message = "a time that comes while the machine is off or asleep is left out";
        Finding::note("missed/catch-up", message, "--catch-up makes up for it, once")
    })
}

fn promises_too_much(command: &Command, rhythm: Option<&Rhythm>, day: Option<&Day>) -> Option<Finding> {
    let within = command.fresh_within?;
    let because = match (rhythm, day.map(Day::longest_gap)) {
        (Some(rhythm), _) if within < rhythm.longest => format!("it is due every {}", span(rhythm.longest)),
        (_, Some(gap)) if within < gap => format!("its time of the day leaves out {}", span(gap)),
        _ => return None,
    };
    let message = format!("it promises to succeed within {}, but {because}", exact(within));
    Some(Finding::warning(
        "fresh/period",
        message,
        "the promise will be broken again and again: give it more time with --fresh-within",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{codes, known, task};
    use super::super::{Known, lint};
    use super::*;

    fn took(seconds: &[u64]) -> Known {
        Known { durations: seconds.iter().map(|seconds| Duration::from_secs(*seconds)).collect(), ..known() }
    }

    #[test]
    fn runs_that_take_longer_than_their_period_or_timeout() {
        assert_eq!(codes("every = \"5min\"\n", &took(&[400, 20, 500])), ["overrun/period"]);
        assert_eq!(codes("every = \"5min\"\n", &took(&[20, 20, 500])), [""; 0], "it is the median that counts");
        assert_eq!(codes("every = \"5min\"\n", &took(&[400, 500])), [""; 0], "two runs tell nothing");
        assert_eq!(codes("every = \"1h\"\ntimeout = \"1min\"\n", &took(&[60, 60, 61])), ["overrun/timeout"]);
    }

    #[test]
    fn what_starves() {
        let found = lint(&task("every = \"1min\"\nwhen = \"user-away, between:02:00-03:00\"\n"), &known());
        assert_eq!(found[0].code, "starve");
        assert_eq!(
            found[0].message,
            "it will starve: it is due every 1 min, but user-away and between:02:00-03:00 hold together for about 36min of a usual day"
        );
        assert_eq!(codes("every = \"1d\"\nwhen = \"user-away, between:02:00-03:00\"\n", &known()), [""; 0]);
    }

    #[test]
    fn a_calendar_and_a_time_of_the_day_that_never_meet() {
        let lines = "at = \"09:00\"\ncatch-up = true\nwhen = \"between:22:00-06:00\"\n";
        let found = lint(&task(lines), &known());
        assert_eq!(found[0].code, "late/between");
        assert!(found[0].message.ends_with("has to wait until 22:00"), "{}", found[0].message);
        let in_tokyo = "at = \"09:00\"\nzone = \"Asia/Tokyo\"\ncatch-up = true\nwhen = \"between:22:00-06:00\"\n";
        assert_eq!(codes(in_tokyo, &known()), [""; 0], "it is midnight here then");
    }

    #[test]
    fn a_trigger_that_its_own_condition_contradicts() {
        assert_eq!(codes("on = \"user-present\"\nwhen = \"user-away\"\n", &known()), ["late/opposite"]);
        assert_eq!(codes("on = \"user-present\"\nwhen = \"internet\"\n", &known()), [""; 0]);
    }

    #[test]
    fn what_a_sleeping_machine_misses() {
        assert_eq!(codes("at = \"Mon..Fri 09:00\"\n", &known()), ["missed/catch-up"]);
        assert_eq!(codes("at = \"hourly\"\n", &known()), [""; 0]);
        assert_eq!(codes("at = \"2027-01-01 09:00\"\nonce = true\n", &known()), [""; 0]);
    }

    #[test]
    fn tries_that_end_after_the_next_time() {
        assert_eq!(codes("every = \"10min\"\nretry = 2\nbackoff = \"10min\"\n", &known()), ["retry/period"]);
        assert_eq!(codes("every = \"1h\"\nretry = 10\n", &known()), ["retry/period"]);
        assert_eq!(codes("every = \"1h\"\nretry = 5\n", &known()), [""; 0], "31 minutes in all");
        assert_eq!(codes("every = \"1h\"\nretry = 1000\nbackoff = \"1s\"\n", &known()), ["retry/period"]);
    }

    #[test]
    fn promises_that_cannot_be_kept() {
        assert_eq!(codes("every = \"6h\"\nfresh-within = \"3h\"\n", &known()), ["fresh/period"]);
        let nightly = "every = \"1h\"\nfresh-within = \"12h\"\nwhen = \"between:22:00-06:00\"\n";
        assert_eq!(codes(nightly, &known()), ["fresh/period"]);
        let weekdays = "at = \"Mon..Fri 09:00\"\ncatch-up = true\nfresh-within = \"2d\"\n";
        assert_eq!(codes(weekdays, &known()), ["fresh/period"], "from Friday to Monday it is three days");
    }
}
