//! The stage: the core, and a world around it that does what the scenario says.

mod enter;
mod obey;
mod perform;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bgtask_calendar::Calendar;
use bgtask_core::{
    App, AppAccess, AppId, BootTime, Config, Core, Fact, HostId, Input, InstanceId, Now, PathWatch, Policy,
    Registration, TaskId, WakeReason, WallTime,
};
use jiff::tz::TimeZone;

use crate::hosts::Hosts;
use crate::recorder::Recorder;
use crate::rehearsal::{Rehearsal, RehearsalError};
use crate::scenario::{Cue, Line, Scenario, ScenarioError, Span, Statement};
use crate::timeline::{Note, Timeline, Totals};
use crate::world::Moving;

/// Plays a rehearsal to its end.
pub(crate) fn play(rehearsal: Rehearsal) -> Result<Timeline, RehearsalError> {
    let from = rehearsal.from.as_micros();
    let span = Span { from, to: (rehearsal.from + rehearsal.length).as_micros(), zone: rehearsal.zone.clone() };
    let agenda = rehearsal.scenario.agenda(&span)?;
    let (zones, of_lines) = zones(&rehearsal)?;
    let mut stage = Stage {
        core: Core::new(rehearsal.config.clone(), rehearsal.seed),
        setting: Setting {
            config: rehearsal.config,
            seed: rehearsal.seed,
            apps: rehearsal.apps,
            policy: rehearsal.policy,
            lines: rehearsal.scenario,
            zone_of_line: of_lines,
            zones: rehearsal.zones,
            most_steps: rehearsal.most_steps,
            from,
        },
        access: rehearsal.access.into_iter().collect(),
        first: Vec::new(),
        lives: 1,
        now: from,
        inbox: VecDeque::new(),
        wake: None,
        coming: BinaryHeap::new(),
        world: Moving::new(&rehearsal.world, zones, from),
        facts: BTreeMap::new(),
        zone_told: None,
        states: BTreeMap::new(),
        asleep_since: None,
        is_off: false,
        hosts: Hosts::default(),
        lane_of: HashMap::new(),
        manners: Vec::new(),
        paths: BTreeMap::new(),
        settling: BTreeMap::new(),
        calendars: HashMap::new(),
        recorder: Recorder::default(),
        notes: Vec::new(),
        line: None,
        wake_ups: 0,
        steps: 0,
    };
    stage.begin(rehearsal.tasks, &agenda);
    let cut_short = stage.go_on(&agenda, span.to);
    let to = cut_short.unwrap_or(WallTime::from_micros(span.to));
    Ok(stage.end(to, cut_short, rehearsal.zone, rehearsal.zone_name))
}

/// The zone at the start and those that the scenario names, and which line names which.
type Zones = (Vec<(String, TimeZone)>, BTreeMap<usize, u64>);

fn zones(rehearsal: &Rehearsal) -> Result<Zones, ScenarioError> {
    let (mut zones, mut of_lines) = (vec![(rehearsal.zone_name.clone(), rehearsal.zone.clone())], BTreeMap::new());
    for (index, line) in rehearsal.scenario.all().iter().enumerate() {
        let Statement::Zone(name) = &line.what else { continue };
        let zone = (rehearsal.zones)(name).ok_or_else(|| line.unknown_zone(name))?;
        of_lines.insert(index, zones.len() as u64);
        zones.push((name.to_string(), zone));
    }
    Ok((zones, of_lines))
}

/// Everything that is on it.
struct Stage {
    core: Core,
    setting: Setting,
    /// What apps may do, kept for the next session.
    access: BTreeMap<AppId, AppAccess>,
    /// What the first session begins with, while the machine is off.
    first: Vec<Registration>,
    lives: u64,
    /// Microseconds since the Unix epoch.
    now: i64,
    /// What the core is told next, at the same moment.
    inbox: VecDeque<Input>,
    /// When the core wants to be woken.
    wake: Option<(i64, WakeReason)>,
    /// What time brings besides.
    coming: BinaryHeap<Reverse<(i64, Coming)>>,
    world: Moving,
    /// What somebody has asked for.
    facts: BTreeMap<Fact, Reported>,
    /// The zone the core knows of.
    zone_told: Option<(String, TimeZone)>,
    /// What the core was told of each state it cares for.
    states: BTreeMap<Fact, &'static str>,
    asleep_since: Option<i64>,
    is_off: bool,
    hosts: Hosts,
    lane_of: HashMap<TaskId, usize>,
    /// How the task of each lane behaves.
    manners: Vec<Behaviour>,
    paths: BTreeMap<TaskId, PathWatch>,
    settling: BTreeMap<TaskId, Settling>,
    calendars: HashMap<Arc<str>, Option<Calendar>>,
    recorder: Recorder,
    notes: Vec<Note>,
    /// The line that is being performed.
    line: Option<usize>,
    wake_ups: u64,
    steps: u64,
}

/// What does not change.
struct Setting {
    config: Config,
    seed: u64,
    apps: Vec<App>,
    policy: Policy,
    lines: Scenario,
    zone_of_line: BTreeMap<usize, u64>,
    zones: fn(&str) -> Option<TimeZone>,
    most_steps: u64,
    from: i64,
}

/// What time brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Coming {
    /// A run ends by itself.
    Ends(HostId, InstanceId),
    /// A fact may read another value.
    Turns(Fact),
    /// Nothing has changed at a path for long enough.
    Settles(TaskId),
}

/// What is known of a fact.
struct Reported {
    /// What it reads.
    value: bool,
    /// What the core has heard; `None` where it does not care.
    told: Option<bool>,
    /// When time may change it.
    turns: Option<i64>,
}

/// How a task behaves.
struct Behaviour {
    task: Option<TaskId>,
    takes: Duration,
    fails: u32,
    is_command: bool,
}

/// Changes at a path that are told when no more come.
struct Settling {
    at: i64,
    lines: Vec<u8>,
    /// How many are told, and how many more there were.
    count: u32,
    lost: u32,
}

impl Stage {
    /// Lets time pass up to the end. Answers where it had to stop before.
    fn go_on(&mut self, agenda: &[Cue], end: i64) -> Option<WallTime> {
        let mut cues = agenda;
        while cues.first().is_some_and(|cue| cue.at <= self.now) {
            cues = &cues[1..];
        }
        loop {
            let awake = self.is_awake();
            let cue = cues.first().map(|cue| cue.at);
            let coming = self.coming.peek().map(|Reverse((at, _))| *at);
            let wake = self.wake.filter(|_| awake).map(|(at, _)| at);
            let next = [cue, coming, wake].into_iter().flatten().min().unwrap_or(end).max(self.now);
            if next >= end {
                return None;
            }
            if self.steps > self.setting.most_steps {
                return Some(WallTime::from_micros(self.now));
            }
            self.now = next;
            let here = cues.iter().take_while(|cue| cue.at <= next).count();
            self.perform(&cues[..here]);
            cues = &cues[here..];
            self.let_come();
            self.ring();
        }
    }

    /// What time has brought.
    fn let_come(&mut self) {
        while let Some(Reverse((at, coming))) = self.coming.peek().copied()
            && at <= self.now
        {
            self.coming.pop();
            match coming {
                Coming::Turns(fact) => self.turned(fact, at),
                _ if !self.is_awake() => {}
                Coming::Ends(host, instance) => self.inbox.extend(self.hosts.finish(host, instance, at)),
                Coming::Settles(task) => self.settled(task, at),
            }
            self.deliver();
        }
    }

    /// The core wanted to be woken.
    fn ring(&mut self) {
        let Some((at, why)) = self.wake.filter(|_| self.is_awake()) else { return };
        if at > self.now {
            return;
        }
        let for_a_task = matches!(why, WakeReason::Timer(_) | WakeReason::Retry(_) | WakeReason::Overdue(_));
        self.wake_ups += u64::from(for_a_task);
        self.tell(Input::Tick);
    }

    fn is_awake(&self) -> bool {
        self.asleep_since.is_none() && !self.is_off
    }

    fn tell(&mut self, input: Input) {
        self.inbox.push_back(input);
        self.deliver();
    }

    /// Tells the core everything that waits, and what follows from it at the same moment.
    fn deliver(&mut self) {
        while let Some(input) = self.inbox.pop_front() {
            self.steps += 1;
            self.core.handle(self.clocks(), input);
            self.obey();
        }
    }

    fn wall(&self) -> WallTime {
        WallTime::from_micros(self.now)
    }

    /// Both clocks go alike: sleep counts, and nobody sets one.
    fn clocks(&self) -> Now {
        let since = self.now.saturating_sub(self.setting.from);
        Now { boot: BootTime::from_micros(u64::try_from(since).unwrap_or(0)), wall: self.wall() }
    }

    fn end(self, to: WallTime, cut_short: Option<WallTime>, zone: TimeZone, zone_name: String) -> Timeline {
        let (lanes, mut bands) = self.recorder.finish(to);
        let quiet = |name: &str| lanes.iter().all(|lane| lane.conditions.iter().all(|it| !it.word().ends_with(name)));
        bands.retain(|band| match band.name.as_ref() {
            // Every task stands on these: they are of interest where they ever hold.
            name @ ("energy-saver" | "memory-pressure" | "cpu-pressure") => !band.spans.is_empty() || !quiet(name),
            // The machine's own band says it.
            "standby" => false,
            "machine asleep" | "machine off" => !band.spans.is_empty(),
            _ => true,
        });
        let from = WallTime::from_micros(self.setting.from);
        let (totals, notes) = (Totals::default(), self.notes);
        let mut timeline = Timeline { from, to, zone, zone_name, bands, lanes, notes, totals, cut_short };
        timeline.add_up(self.wake_ups);
        timeline
    }
}

impl Line {
    fn unknown_zone(&self, name: &str) -> ScenarioError {
        ScenarioError {
            line: self.number,
            span: self.span.clone(),
            message: format!("no time zone {} is known", crate::scenario::shown(name)),
            help: "write a name as Europe/Lisbon".into(),
        }
    }
}
