//! What can be typed.

use bgtask::ValueSet;

use crate::scenario::{INTERVAL, SCENARIOS, Scenario};

pub(super) const HELP: &str = "\
register N [MINUTES]   register the task of scenario N; MINUTES is for the timer of scenario 4
unregister N           take it away, and cancel what runs of it
signal [KEY=VALUE]...  fire the trigger of scenario 5
unregister-ungrouped   take every task away that is in no group
tasks                  what is registered
tick MILLISECONDS      how long a tick of a task takes from now on
refresh                show every scenario
quit";

/// The longest tick. With it, a run takes the ten minutes that a request may.
const MAX_TICK: u64 = 50_000;

pub(super) enum Command {
    Register(&'static Scenario, u32),
    Unregister(&'static Scenario),
    Signal(ValueSet),
    UnregisterUngrouped,
    Tasks,
    Tick(u64),
    Refresh,
    Quit,
    Nothing,
}

impl Command {
    /// Reads a line. The error says what can be typed instead.
    pub(super) fn read(line: &str) -> Result<Self, String> {
        let words: Vec<_> = line.split_whitespace().collect();
        Ok(match words.as_slice() {
            [] => Self::Nothing,
            ["register", number] => Self::Register(scenario(number)?, INTERVAL),
            ["register", number, minutes] => {
                let minutes = minutes.parse().map_err(|_| format!("{minutes:?} is no number of minutes"))?;
                Self::Register(scenario(number)?, minutes)
            }
            ["unregister", number] => Self::Unregister(scenario(number)?),
            ["signal", arguments @ ..] => Self::Signal(values(arguments)?),
            ["unregister-ungrouped"] => Self::UnregisterUngrouped,
            ["tasks"] => Self::Tasks,
            ["tick", milliseconds] => Self::Tick(tick(milliseconds)?),
            ["refresh"] => Self::Refresh,
            ["quit"] => Self::Quit,
            _ => return Err(format!("that is no command; there are\n{HELP}")),
        })
    }
}

fn scenario(number: &str) -> Result<&'static Scenario, String> {
    let found = SCENARIOS.iter().find(|scenario| number.parse() == Ok(scenario.number));
    found.ok_or_else(|| format!("there is no scenario {number:?}; there are 1 to {}", SCENARIOS.len()))
}

fn values(arguments: &[&str]) -> Result<ValueSet, String> {
    let mut values = ValueSet::new();
    for argument in arguments {
        let (key, value) =
            argument.split_once('=').ok_or_else(|| format!("{argument:?} is no argument; write KEY=VALUE"))?;
        values.insert(key, value);
    }
    Ok(values)
}

fn tick(milliseconds: &str) -> Result<u64, String> {
    let found = milliseconds.parse().ok().filter(|found| (1..=MAX_TICK).contains(found));
    found.ok_or_else(|| format!("{milliseconds:?} is no tick; it takes 1 to {MAX_TICK} milliseconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_wrongly_is_told() {
        for (line, wrong) in [
            ("register", "that is no command"),
            ("register 7", "there is no scenario \"7\"; there are 1 to 6"),
            ("register 4 soon", "\"soon\" is no number of minutes"),
            ("signal loudly", "\"loudly\" is no argument; write KEY=VALUE"),
            ("tick 0", "it takes 1 to 50000 milliseconds"),
            ("dance", "that is no command; there are\nregister N"),
        ] {
            let said = Command::read(line).err().unwrap_or_else(|| panic!("{line} is understood"));
            assert!(said.contains(wrong), "{line}: {said}");
        }
    }

    #[test]
    fn blanks_do_not_matter_and_arguments_are_kept() {
        assert!(matches!(Command::read("  "), Ok(Command::Nothing)));
        assert!(matches!(Command::read(" register  4 "), Ok(Command::Register(it, 15)) if it.number == 4));
        let Ok(Command::Signal(arguments)) = Command::read("signal album=Berlin size=9=9") else { panic!("a signal") };
        assert_eq!(arguments.get::<String>("size").unwrap().as_deref(), Some("9=9"));
        assert_eq!(arguments.len(), 2);
    }
}
