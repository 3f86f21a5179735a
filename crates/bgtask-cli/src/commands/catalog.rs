//! `bgtask triggers` and `bgtask conditions`: every word, what it means, and whether it works on this machine.

use std::collections::BTreeMap;

use bgtask_core::Fact;
use bgtask_sources::{Probe, Report, Status};
use bgtask_taskfile::catalog::{self, Entry};
use serde_json::{Value, json};

use super::Format;
use crate::failure::Failure;
use crate::machine;
use crate::output::table::{Cell, Table};
use crate::output::{Screen, style};

/// Which words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    Triggers,
    Conditions,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(words: Words, args: &Args, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let entries = match words {
        Words::Triggers => catalog::triggers(),
        Words::Conditions => catalog::conditions(),
    };
    let seen = machine::look(entries.iter().filter_map(|entry| entry.fact).collect()).await;
    if args.format.json {
        return Ok(screen.json(&entries.iter().map(|entry| Here::of(entry, &seen).to_json(entry)).collect::<Value>())?);
    }
    write(entries, &seen, screen)?;
    let dim = style::HEADING;
    let hint = match words {
        Words::Triggers => {
            "Every condition is a trigger too, that fires when it begins to hold: --on ac-power. `bgtask conditions` lists them."
        }
        Words::Conditions => {
            "Several are joined by commas, and all of them have to hold: --when unmetered,ac-power,user-away"
        }
    };
    Ok(writeln!(screen.out, "\n{dim}{hint}{dim:#}")?)
}

fn write(entries: &[Entry], seen: &BTreeMap<Fact, Probe>, screen: &mut Screen<'_>) -> std::io::Result<()> {
    let mut table = Table::new(&["WORD", "HERE", "WINDOWS", "EXAMPLE", "MEANING"]);
    for entry in entries {
        let here = Here::of(entry, seen);
        let (word, colour) = match here.status {
            "available" => ("yes", style::GOOD),
            "degraded" => ("partly", style::WAITING),
            _ => ("no", style::BAD),
        };
        table.row([
            Cell::styled(entry.form, style::STRONG),
            Cell::styled(word, colour),
            Cell::new(entry.windows.unwrap_or_default()),
            Cell::new(if entry.takes_value() { entry.example } else { "" }),
            Cell::new(entry.meaning),
        ]);
        let reasons: Vec<_> = [here.why, here.help].into_iter().flatten().collect();
        if !reasons.is_empty() {
            table.note(reasons.join(": "));
        }
    }
    table.write(screen, "")
}

/// How well a word works on this machine.
struct Here {
    /// `available`, `degraded`, `missing` or `unsupported`.
    status: &'static str,
    how: Option<String>,
    why: Option<String>,
    help: Option<String>,
    /// Whether it holds now, where it is a level.
    holds: Option<bool>,
}

impl Here {
    fn of(entry: &Entry, seen: &BTreeMap<Fact, Probe>) -> Self {
        let nothing = Self { status: "available", how: None, why: None, help: None, holds: None };
        if let Some(unsupported) = entry.unavailable {
            let (why, help) = unsupported.split_once(": ").unwrap_or((unsupported, ""));
            let help = Some(help.to_owned()).filter(|help| !help.is_empty());
            return Self { status: "unsupported", why: Some(why.to_owned()), help, ..nothing };
        }
        let Some(probe) = entry.fact.and_then(|fact| seen.get(&fact)) else { return nothing };
        let holds = match probe.value {
            Some(Report::Level(_, holds)) => Some(holds),
            _ => None,
        };
        match probe.status.clone() {
            Status::Available { how } => Self { how: Some(how), holds, ..nothing },
            Status::Degraded { how, why, help } => {
                Self { status: "degraded", how: Some(how), why: Some(why), help: Some(help), holds }
            }
            Status::Missing { why, help } => {
                Self { status: "missing", why: Some(why), help: Some(help), holds, ..nothing }
            }
        }
    }

    fn to_json(&self, entry: &Entry) -> Value {
        json!({
            "word": entry.word,
            "form": entry.form,
            "meaning": entry.meaning,
            "example": entry.example,
            "windows": entry.windows,
            "takes_value": entry.takes_value(),
            "source": entry.fact.map(|fact| fact.name()),
            "status": self.status,
            "how": self.how,
            "why": self.why,
            "help": self.help,
            "source_reads": self.holds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(word: &str) -> &'static Entry {
        catalog::conditions().iter().find(|entry| entry.word == word).unwrap()
    }

    fn seen(status: Status) -> BTreeMap<Fact, Probe> {
        [(Fact::UserPresence, Probe { status, value: None })].into()
    }

    #[test]
    fn a_word_is_as_good_as_what_it_stands_on() {
        let good = Status::Available { how: "logind".into() };
        let less =
            Status::Degraded { how: "terminals".into(), why: "there is no logind".into(), help: "start it".into() };
        let none = Status::Missing { why: "there is no logind".into(), help: "start it".into() };
        for (status, word) in [(good, "available"), (less, "degraded"), (none, "missing")] {
            assert_eq!(Here::of(entry("user-away"), &seen(status)).status, word);
        }
        let never = Here::of(entry("cost-not-high"), &BTreeMap::new());
        assert_eq!((never.status, never.why.as_deref()), ("unsupported", Some("this version does not rate the cost")));
        assert!(never.help.unwrap().starts_with("use ac-power"));
    }
}
