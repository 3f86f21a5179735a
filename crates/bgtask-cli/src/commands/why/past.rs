//! Where a task stood at a time that is past, from the history.

use std::collections::BTreeMap;

use bgtask_core::{App, CancelNotice, Condition, EventKind, Gate, Resource};
use bgtask_record::Record as _;
use bgtask_wire::{BrokerProxy, HistoryInfo, HistoryQuery, TaskInfo};
use serde_json::{Value, json};

use super::sentence::{self, Spoken};
use crate::commands::history::{meant, pages};
use crate::failure::{Exit, Failure};
use crate::find::{find, unknown};
use crate::output::text::printable;
use crate::output::time::rfc3339;
use crate::output::{Screen, style};

/// Most lines before the time that are read to know where the task stood.
const BEFORE: u32 = 2_000;
/// Most lines after it that are read to know what came of it.
const AFTER: usize = 2_000;
/// Lines of history that are shown on either side of the time.
const SHOWN: usize = 4;
/// Most lines the broker answers with at once.
const PAGE: u32 = 1_000;
/// After the time is looked for so long first, then for longer and longer.
const FIRST_LOOK: i64 = 600_000_000;
const SHORTEST_LOOK: i64 = 1_000_000;

/// Answers for that time.
pub(super) async fn run(
    wanted: &str,
    at: i64,
    as_json: bool,
    broker: &BrokerProxy<'_>,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let now = screen.clock.now().as_microsecond();
    if at > now {
        let message =
            "--at takes a time that is past: `bgtask why TASK` says what is so now, `bgtask next` what is to come";
        return Err(Failure::new(Exit::Usage, message));
    }
    let tasks = broker.list_tasks("").await?;
    let query = lines_of(wanted, &tasks)?;
    let before = pages(HistoryQuery { until: Some(at.saturating_add(1)), ..query.clone() }, BEFORE, broker).await?;
    let after = following(&query, at, now, |line| ends(&line.event), broker).await?;
    let is_known = tasks.iter().any(|task| is_of(&query, task));
    if before.is_empty() && after.is_empty() && !is_known {
        return Err(unknown(wanted, &tasks));
    }
    let everybody = HistoryQuery::default();
    let last = pages(HistoryQuery { until: Some(at.saturating_add(1)), ..everybody.clone() }, 1, broker).await?;
    let next = following(&everybody, at, now, |_| true, broker).await?;
    let past = Past { gap: gap(at, last.last(), next.first()), ..Past::read(at, &before, &after) };
    let registered_at = tasks.iter().find(|task| is_of(&query, task)).map(|task| task.registered_at);
    let sentence = sentence::of(&past, registered_at, &Spoken { clock: screen.clock.clone() });
    if as_json {
        return Ok(screen.json(&past.to_json(&sentence))?);
    }
    Ok(write(&past, &sentence, &before, &after, screen)?)
}

/// Where the task stood, as far as the history tells.
#[derive(Default)]
pub(super) struct Past {
    pub(super) at: i64,
    pub(super) is_command: bool,
    /// Whether it was registered then; `None` where the history does not reach back that far.
    pub(super) existed: Option<bool>,
    /// When it was unregistered before that time, and why.
    pub(super) removed: Option<(i64, String)>,
    pub(super) paused_since: Option<i64>,
    /// What it was doing.
    pub(super) activation: Option<Activation>,
    /// How its last run before that time ended, and when.
    pub(super) last_end: Option<(i64, String)>,
    /// What came next.
    pub(super) then: Vec<Then>,
    /// No broker ran for some time in between.
    pub(super) gap: Option<(Option<i64>, i64)>,
}

/// What became of one firing.
#[derive(Clone, Debug)]
pub(super) struct Activation {
    pub(super) since: i64,
    pub(super) fired_at: Option<i64>,
    pub(super) stage: Stage,
    instance: String,
}

#[derive(Clone, Debug)]
pub(super) enum Stage {
    Fired,
    Latched(Vec<Condition>),
    Buffered(Gate),
    Retrying { at: i64, how: String },
    Interrupted,
    Running { attempt: u32 },
    Suspended { attempt: u32, resource: Resource, until: i64 },
    Cancelling(CancelNotice),
}

impl Stage {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Latched(_) => "latched",
            Self::Fired | Self::Buffered(_) | Self::Retrying { .. } | Self::Interrupted => "buffered",
            Self::Running { .. } => "running",
            Self::Suspended { .. } => "suspended",
            Self::Cancelling(_) => "cancelling",
        }
    }

    pub(super) fn runs(&self) -> bool {
        matches!(self, Self::Running { .. } | Self::Suspended { .. } | Self::Cancelling(_))
    }

    /// The first, where the history does not reach back to its start.
    fn attempt(&self) -> u32 {
        match self {
            Self::Running { attempt } | Self::Suspended { attempt, .. } => *attempt,
            _ => 1,
        }
    }
}

/// One thing that came after that time.
pub(super) struct Then {
    pub(super) at: i64,
    pub(super) kind: EventKind,
    pub(super) text: String,
    pub(super) is_its: bool,
}

impl Past {
    /// `before` and `after` are the task's lines up to that time, and those after it.
    pub(super) fn read(at: i64, before: &[HistoryInfo], after: &[HistoryInfo]) -> Self {
        let is_command = before.iter().chain(after).any(|line| line.app == App::COMMANDS);
        let mut past = Self { at, is_command, ..Self::default() };
        let mut activations = BTreeMap::<String, Activation>::new();
        for (line, kind) in before.iter().filter_map(|line| Some((line, kind(line)?))) {
            past.take(line, kind, &mut activations);
        }
        let first = after.iter().find_map(kind);
        if past.existed.is_none() && matches!(first, Some(EventKind::Registered)) {
            past.existed = Some(false);
        }
        let oldest_first = |it: &&Activation| (!it.stage.runs(), it.since);
        past.activation = activations.values().min_by_key(oldest_first).cloned();
        let its = past.activation.as_ref().map(|it| it.instance.clone());
        let told = |line: &HistoryInfo| {
            let is_its = its.is_some() && line.instance == its;
            Some(Then { at: line.at, kind: kind(line)?, text: line.text.clone(), is_its })
        };
        past.then = after.iter().filter_map(told).collect();
        past
    }

    fn take(&mut self, line: &HistoryInfo, kind: EventKind, activations: &mut BTreeMap<String, Activation>) {
        self.existed = Some(!matches!(kind, EventKind::Unregistered(_)));
        match &kind {
            EventKind::Registered => (self.removed, self.paused_since) = (None, None),
            EventKind::Unregistered(_) => self.removed = Some((line.at, line.text.clone())),
            EventKind::Paused(paused) => self.paused_since = paused.then_some(line.at),
            _ => {}
        }
        let Some(instance) = &line.instance else { return };
        let attempt = activations.get(instance).map_or(1, |known| known.stage.attempt());
        let stage = match kind {
            EventKind::Fired { .. } => Stage::Fired,
            EventKind::Latched(conditions) => Stage::Latched(conditions),
            EventKind::Buffered(gate) => Stage::Buffered(gate),
            EventKind::Started { attempt, .. } => Stage::Running { attempt },
            EventKind::Suspended { resource, until } => {
                Stage::Suspended { attempt, resource, until: until.as_micros() }
            }
            EventKind::Released => Stage::Running { attempt },
            EventKind::Cancelled(notice) => Stage::Cancelling(notice),
            EventKind::Interrupted { .. } => Stage::Interrupted,
            EventKind::Retrying { outcome, at, .. } => {
                self.last_end = Some((line.at, outcome.to_string()));
                Stage::Retrying { at: at.as_micros(), how: outcome.to_string() }
            }
            EventKind::Completed { .. } => {
                self.last_end = Some((line.at, line.text.clone()));
                activations.remove(instance);
                return;
            }
            EventKind::Dropped => {
                activations.remove(instance);
                return;
            }
            _ => return,
        };
        let fired_at = matches!(stage, Stage::Fired).then_some(line.at);
        match activations.get_mut(instance) {
            // Another firing is held in the same one.
            Some(_) if fired_at.is_some() => {}
            Some(known) => {
                let same = std::mem::discriminant(&known.stage) == std::mem::discriminant(&stage);
                known.since = if same { known.since } else { line.at };
                known.stage = stage;
            }
            None => {
                let activation = Activation { since: line.at, fired_at, stage, instance: instance.clone() };
                activations.insert(instance.clone(), activation);
            }
        }
    }

    /// One word: where it stood.
    pub(super) fn phase(&self) -> &'static str {
        match (self.existed, &self.activation) {
            (None, _) => "unknown",
            (_, Some(activation)) => activation.stage.word(),
            (Some(false), None) => "absent",
            (Some(true), None) => "idle",
        }
    }

    /// The conditions that did not hold, in the words of those who read of it.
    pub(super) fn missing(&self) -> Vec<String> {
        let Some(Activation { stage: Stage::Latched(conditions), .. }) = &self.activation else { return Vec::new() };
        let word = |it: &Condition| if self.is_command { it.word().into_owned() } else { it.name().into_owned() };
        conditions.iter().map(word).collect()
    }

    fn to_json(&self, sentence: &str) -> Value {
        let activation = self.activation.as_ref();
        json!({
            "at": rfc3339(self.at),
            "sentence": sentence,
            "phase": self.phase(),
            "since": activation.map(|it| rfc3339(it.since)),
            "fired_at": activation.and_then(|it| it.fired_at).map(rfc3339),
            "instance": activation.map(|it| &it.instance),
            "missing": self.missing(),
            "paused": self.paused_since.is_some(),
            "last_end": self.last_end.as_ref().map(|(at, text)| json!({ "at": rfc3339(*at), "text": text })),
            "then": self.then.first().map(|it| json!({ "at": rfc3339(it.at), "event": it.kind.word(), "text": it.text })),
            "no_broker_between": self.gap.map(|(from, to)| json!([from.map(rfc3339), rfc3339(to)])),
        })
    }
}

fn write(
    past: &Past,
    sentence: &str,
    before: &[HistoryInfo],
    after: &[HistoryInfo],
    screen: &mut Screen<'_>,
) -> std::io::Result<()> {
    let colour = style::of_phase(past.phase());
    writeln!(screen.out, "{colour}{}{colour:#}", printable(sentence))?;
    if before.is_empty() && after.is_empty() {
        return Ok(());
    }
    writeln!(screen.out)?;
    for line in &before[before.len().saturating_sub(SHOWN)..] {
        write_line(line, screen)?;
    }
    let heading = style::HEADING;
    writeln!(screen.out, "  {heading}{}  (asked about){heading:#}", screen.clock.spoken(past.at))?;
    after.iter().take(SHOWN).try_for_each(|line| write_line(line, screen))
}

fn write_line(line: &HistoryInfo, screen: &mut Screen<'_>) -> std::io::Result<()> {
    let colour = style::of_event(&line.event, &line.text);
    let (at, event, text) = (screen.clock.spoken(line.at), printable(&line.event), printable(&line.text));
    writeln!(screen.out, "  {at}  {colour}{event}{colour:#}  {text}")
}

/// What selects the lines of the task that is meant: under its name, so that those of its earlier registrations are among them.
fn lines_of(wanted: &str, tasks: &[TaskInfo]) -> Result<HistoryQuery, Failure> {
    match find(wanted, tasks) {
        Ok(place) if tasks[place].name == wanted => {
            let task = &tasks[place];
            let (app, name) = (Some(task.app.clone()), Some(task.name.clone()));
            Ok(HistoryQuery { app, name, ..HistoryQuery::default() })
        }
        Err(ambiguous) if ambiguous.exit != Exit::Absent => Err(ambiguous),
        _ => meant(wanted, tasks),
    }
}

fn is_of(query: &HistoryQuery, task: &TaskInfo) -> bool {
    query.task.as_ref() == Some(&task.id) || query.name.as_ref() == Some(&task.name)
}

/// The lines of a query from that time on, oldest first, up to one that is enough.
async fn following(
    query: &HistoryQuery,
    at: i64,
    now: i64,
    is_enough: impl Fn(&HistoryInfo) -> bool,
    broker: &BrokerProxy<'_>,
) -> Result<Vec<HistoryInfo>, Failure> {
    let (mut from, mut length, mut found) = (at.saturating_add(1), FIRST_LOOK, Vec::new());
    while from <= now && found.len() < AFTER {
        let until = from.saturating_add(length);
        let window = HistoryQuery { since: Some(from), until: Some(until), limit: Some(PAGE), ..query.clone() };
        let lines = broker.history(window).await?;
        // The broker answers with the latest of them: the first may be missing.
        if lines.len() == PAGE as usize && length > SHORTEST_LOOK {
            length = (length / 8).max(SHORTEST_LOOK);
            continue;
        }
        let done = lines.iter().any(&is_enough);
        found.extend(lines);
        if done {
            break;
        }
        (from, length) = (until, length.saturating_mul(4));
    }
    Ok(found)
}

/// Whether what a task did is over with this line.
fn ends(event: &str) -> bool {
    matches!(event, "completed" | "dropped" | "unregistered" | "interrupted")
}

/// From and up to when no broker ran for a while, where that time lies in between: what is told first after it is what a
/// broker notes that has just started.
pub(super) fn gap(at: i64, last: Option<&HistoryInfo>, next: Option<&HistoryInfo>) -> Option<(Option<i64>, i64)> {
    let next = next?;
    match kind(next)? {
        EventKind::Interrupted { .. } => Some((last.map(|line| line.at), next.at)),
        EventKind::Missed { due } if due.as_micros() <= at => Some((last.map(|line| line.at), next.at)),
        _ => None,
    }
}

fn kind(line: &HistoryInfo) -> Option<EventKind> {
    let detail: Value = serde_json::from_str(&line.detail).ok()?;
    EventKind::from_json(&detail).ok()
}
