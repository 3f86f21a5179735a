//! From the history that the core writes to lanes and bands.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bgtask_core::{
    CancellationReason, Cause, Condition, EventKind, Fact, Gate, InstanceId, Outcome, SystemConditionType, WallTime,
};

use crate::timeline::{Band, Ending, Fired, Hold, Lane, Run, Wait};

/// Fills the lanes.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) lanes: Vec<Lane>,
    open: Vec<Open>,
    bands: BTreeMap<Cow<'static, str>, Strip>,
}

/// What has begun in a lane and not ended.
#[derive(Default)]
struct Open {
    waits: Vec<(InstanceId, WallTime, Hold)>,
    runs: Vec<OpenRun>,
    overdue: Option<WallTime>,
    paused: Option<WallTime>,
}

struct OpenRun {
    instance: InstanceId,
    /// Its place in the lane.
    run: usize,
    told: Option<CancellationReason>,
}

/// A band while it grows.
#[derive(Default)]
struct Strip {
    spans: Vec<(WallTime, WallTime)>,
    since: Option<WallTime>,
}

impl Recorder {
    pub(crate) fn add_lane(&mut self, lane: Lane, paused_since: Option<WallTime>) {
        self.lanes.push(lane);
        self.open.push(Open { paused: paused_since, ..Open::default() });
    }

    /// One line of the history of a task.
    pub(crate) fn note(&mut self, index: usize, at: WallTime, instance: Option<InstanceId>, kind: EventKind) {
        let (lane, open) = (&mut self.lanes[index], &mut self.open[index]);
        match (kind, instance) {
            (EventKind::Fired { count, cause, .. }, _) => {
                lane.firings.push(Fired { at, count, by_hand: cause == Cause::Hand });
            }
            (EventKind::Missed { due }, _) => lane.missed.push(due),
            (EventKind::Latched(missing), Some(it)) => open.wait(lane, it, at, Hold::Latched(missing)),
            (EventKind::Buffered(gate), Some(it)) => open.wait(lane, it, at, Hold::Buffered(gate)),
            (EventKind::Started { attempt, .. }, Some(instance)) => {
                open.waited(lane, instance, at);
                open.runs.push(OpenRun { instance, run: lane.runs.len(), told: None });
                lane.runs.push(Run { from: at, to: at, attempt, ending: Ending::Unended });
            }
            (EventKind::Cancelled(notice), Some(instance)) => {
                if let Some(run) = open.runs.iter_mut().find(|run| run.instance == instance) {
                    run.told = Some(notice.reason);
                }
            }
            (EventKind::Interrupted { .. }, Some(it)) => {
                open.ran(lane, it, at, Ending::Cancelled(CancellationReason::SystemPolicy));
            }
            (EventKind::Retrying { at: again, .. }, Some(it)) => {
                open.ran(lane, it, at, Ending::Retried { at: again });
                // That it waits is said by nothing else.
                open.wait(lane, it, at, Hold::Buffered(Gate::Backoff));
            }
            (EventKind::Completed { outcome, .. }, Some(instance)) => {
                open.waited(lane, instance, at);
                let ok = outcome == Outcome::Succeeded;
                open.ran(lane, instance, at, if ok { Ending::Succeeded } else { Ending::Failed });
                if let Some(since) = open.overdue.take_if(|_| ok) {
                    lane.overdue.push((since, at));
                }
            }
            (EventKind::Dropped, Some(instance)) => open.waited(lane, instance, at),
            (EventKind::Overdue { .. }, _) => open.overdue = Some(at),
            (EventKind::Paused(true), _) => open.paused = Some(at),
            (EventKind::Paused(false), _) => lane.paused.extend(open.paused.take().map(|since| (since, at))),
            _ => {}
        }
    }

    /// A level reads so from now on.
    pub(crate) fn level(&mut self, name: Cow<'static, str>, holds: bool, at: WallTime) {
        let strip = self.bands.entry(name).or_default();
        match (strip.since, holds) {
            (None, true) => strip.since = Some(at),
            (Some(since), false) => {
                strip.since = None;
                strip.end(since, at);
            }
            _ => {}
        }
    }

    /// Everything that lasts ends with the rehearsal.
    pub(crate) fn finish(mut self, to: WallTime) -> (Vec<Lane>, Vec<Band>) {
        for (lane, open) in self.lanes.iter_mut().zip(self.open) {
            lane.waits.extend(open.waits.into_iter().filter(|(_, from, _)| *from < to).map(|(_, from, hold)| Wait {
                from,
                to,
                hold,
            }));
            for run in open.runs {
                let ending = run.told.map_or(Ending::Unended, Ending::Cancelled);
                lane.runs[run.run] = Run { to, ending, ..lane.runs[run.run] };
            }
            lane.overdue.extend(open.overdue.map(|since| (since, to)));
            lane.paused.extend(open.paused.map(|since| (since, to)));
        }
        let bands = self.bands.into_iter().map(|(name, mut strip)| {
            if let Some(since) = strip.since {
                strip.end(since, to);
            }
            Band { name, spans: strip.spans }
        });
        (self.lanes, bands.collect())
    }
}

impl Strip {
    fn end(&mut self, from: WallTime, to: WallTime) {
        if from == to {
            return;
        }
        match self.spans.last_mut() {
            Some((_, last)) if *last == from => *last = to,
            _ => self.spans.push((from, to)),
        }
    }
}

impl Open {
    fn wait(&mut self, lane: &mut Lane, instance: InstanceId, at: WallTime, hold: Hold) {
        // A new session says again what is known.
        if self.waits.iter().any(|(its, _, known)| *its == instance && *known == hold) {
            return;
        }
        self.waited(lane, instance, at);
        self.waits.push((instance, at, hold));
    }

    /// It waits no more, at least not for the same. What took no time is nothing.
    fn waited(&mut self, lane: &mut Lane, instance: InstanceId, at: WallTime) {
        let Some(place) = self.waits.iter().position(|(its, _, _)| *its == instance) else { return };
        let (_, from, hold) = self.waits.remove(place);
        if from < at {
            lane.waits.push(Wait { from, to: at, hold });
        }
    }

    /// What told it to stop is how it ended.
    fn ran(&mut self, lane: &mut Lane, instance: InstanceId, at: WallTime, ending: Ending) {
        let Some(place) = self.runs.iter().position(|run| run.instance == instance) else { return };
        let OpenRun { run, told, .. } = self.runs.remove(place);
        let ending = told.map_or(ending, Ending::Cancelled);
        lane.runs[run] = Run { to: at, ending, ..lane.runs[run] };
    }
}

/// The word of the condition that holds while a fact is so.
pub(crate) fn band_name(fact: Fact) -> Cow<'static, str> {
    match fact {
        Fact::Internet => Condition::System(SystemConditionType::InternetAvailable).word(),
        Fact::UserPresence => Condition::System(SystemConditionType::UserPresent).word(),
        Fact::FreeNetwork => Condition::System(SystemConditionType::FreeNetworkAvailable).word(),
        fact => Condition::Fact { fact, holds: true }.word(),
    }
}
