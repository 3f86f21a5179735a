//! The words for levels: those of conditions, and what people say.

use bgtask_core::{Condition, Fact, SystemConditionType as System};

use super::error::{Problem, shown};
use super::tokens::Token;
use crate::world::Level;

/// What people say, in lower case and without [`FILLERS`].
const PHRASES: &[(&str, Level, bool)] = &[
    ("user present", Level::UserPresent, true),
    ("user comes", Level::UserPresent, true),
    ("user returns", Level::UserPresent, true),
    ("user back", Level::UserPresent, true),
    ("user away", Level::UserPresent, false),
    ("user leaves", Level::UserPresent, false),
    ("user gone", Level::UserPresent, false),
    ("internet", Level::Internet, true),
    ("online", Level::Internet, true),
    ("no internet", Level::Internet, false),
    ("offline", Level::Internet, false),
    ("unmetered", Level::Unmetered, true),
    ("wifi unmetered", Level::Unmetered, true),
    ("network unmetered", Level::Unmetered, true),
    ("metered", Level::Unmetered, false),
    ("wifi metered", Level::Unmetered, false),
    ("network metered", Level::Unmetered, false),
    ("ac power", Level::AcPower, true),
    ("plugged in", Level::AcPower, true),
    ("no ac power", Level::AcPower, false),
    ("battery power", Level::AcPower, false),
    ("on battery", Level::AcPower, false),
    ("unplugged", Level::AcPower, false),
    ("energy saver", Level::EnergySaver, true),
    ("no energy saver", Level::EnergySaver, false),
    ("memory pressure", Level::MemoryPressure, true),
    ("no memory pressure", Level::MemoryPressure, false),
    ("processors busy", Level::CpuPressure, true),
    ("processors free", Level::CpuPressure, false),
    ("screen on", Level::Screen, true),
    ("screen off", Level::Screen, false),
    ("session connected", Level::Session, true),
    ("session disconnected", Level::Session, false),
    ("machine asleep", Level::Asleep, true),
    ("machine sleeps", Level::Asleep, true),
    ("machine awake", Level::Asleep, false),
    ("machine wakes", Level::Asleep, false),
    ("machine off", Level::Off, true),
    ("machine on", Level::Off, false),
];

/// Words that change nothing.
const FILLERS: [&str; 4] = ["the", "a", "is", "are"];

/// What begins the other statements, for suggestions.
const OTHERS: [&str; 10] =
    ["battery", "disk free", "load", "time zone", "path", "event", "user logs in", "task", "app", "until"];

/// The level that some words stand for.
pub(super) fn level(words: &[Token]) -> Result<(Level, bool), Problem> {
    let span = words[0].span.start..words[words.len() - 1].span.end;
    let kept = words.iter().map(|word| word.text.to_lowercase()).filter(|word| !FILLERS.contains(&word.as_str()));
    let phrase = kept.collect::<Vec<_>>().join(" ");
    if let Some((_, level, value)) = PHRASES.iter().find(|(known, _, _)| *known == phrase) {
        return Ok((*level, *value));
    }
    let written = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join("-");
    match Condition::from_name(&written).or_else(|| Condition::from_name(&written.to_lowercase())) {
        Some(condition) => of_condition(condition).map_err(|help| {
            Problem::new(span, format!("{} is not said, it follows from the rest", condition.word()), help)
        }),
        None => Err(Problem::new(span, format!("nothing is known of {}", shown(&phrase)), help_with(&phrase))),
    }
}

/// The level behind a condition; else, what to write instead.
fn of_condition(condition: Condition) -> Result<(Level, bool), String> {
    let level = match condition.fact() {
        Fact::Internet => Level::Internet,
        Fact::UserPresence => Level::UserPresent,
        Fact::FreeNetwork => Level::Unmetered,
        Fact::ExternalPower => Level::AcPower,
        Fact::EnergySaver => Level::EnergySaver,
        Fact::MemoryPressure => Level::MemoryPressure,
        Fact::CpuPressure => Level::CpuPressure,
        Fact::Standby => return Err("say that it sleeps: machine asleep".into()),
        Fact::BatteryAbove(_) => return Err("say how full the battery is: battery 35%".into()),
        Fact::Idle(_) => return Err("say when the user leaves: user leaves".into()),
        Fact::DiskFree(_) => return Err("say how much is free: disk free 10G".into()),
        Fact::LoadBelow(_) => return Err("say what the load is: load 1.5".into()),
        Fact::SessionConnected => Level::Session,
        Fact::Screen => Level::Screen,
        Fact::Between(_) | Fact::TimeZone => return Err("time passes by itself".into()),
        Fact::WorkCost => return Err("say what it follows from: battery power, screen off, energy saver".into()),
        Fact::NetworkState | Fact::PowerState | Fact::OnlineAccounts | Fact::DefaultAccount => {
            return Err(format!("no task can stand on it; write {}", known()));
        }
    };
    let unmet = matches!(
        condition,
        Condition::System(System::UserNotPresent | System::InternetNotAvailable | System::SessionDisconnected)
    ) || matches!(condition, Condition::Fact { holds: false, .. });
    Ok((level, !unmet))
}

fn help_with(phrase: &str) -> String {
    let phrases = PHRASES.iter().map(|(known, _, _)| *known);
    match nearest(phrase, phrases.chain(OTHERS)) {
        Some(known) => format!("did you mean {known:?}?"),
        None => format!("write {}", known()),
    }
}

fn known() -> &'static str {
    "user present|away, internet, no internet, unmetered, metered, ac power, battery power, battery 35%, energy saver, \
     memory pressure, screen on|off, session connected|disconnected, machine sleeps|wakes|off|on, disk free 10G, load 1.5, time zone NAME, path PATH changes, event ID, \
     user logs in, task NAME takes|fails|paused|resumed|runs now, app ID allowed|denied"
}

/// The known name nearest to a mistyped one, where one is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    bgtask_suggest::nearest(name, known, bgtask_suggest::letters)
}
