//! `bgtask triggers` and `bgtask conditions`: every word, what it means, and whether it works on this machine.

use std::collections::BTreeMap;

use bgtask_sources::{Probe, Report, Status};
use bgtask_taskfile::Options;
use bgtask_taskfile::catalog::{self, Entry};
use futures_util::future::join_all;
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
    let seen = look(entries).await;
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

/// What can be seen and heard here of what the words stand on, by word.
type Seen = BTreeMap<&'static str, Sight>;

struct Sight {
    status: Status,
    /// Whether it holds now, where it is a level.
    holds: Option<bool>,
}

async fn look(entries: &'static [Entry]) -> Seen {
    let facts = machine::look(entries.iter().filter_map(|entry| entry.fact).collect());
    let heard = join_all(entries.iter().map(async |entry| (entry.word, hear(entry).await)));
    let (facts, heard) = tokio::join!(facts, heard);
    let of_fact = |entry: &Entry| Some((entry.word, Sight::of(facts.get(&entry.fact?)?)));
    let of_events = heard.into_iter().filter_map(|(word, status)| Some((word, Sight { status: status?, holds: None })));
    entries.iter().filter_map(of_fact).chain(of_events).collect()
}

async fn hear(entry: &Entry) -> Option<Status> {
    let trigger = bgtask_taskfile::trigger(entry.example, &Options::at_home("/")).ok()?;
    machine::hear(&trigger).await
}

impl Sight {
    fn of(probe: &Probe) -> Self {
        let holds = match probe.value {
            Some(Report::Level(_, holds)) => Some(holds),
            _ => None,
        };
        Self { status: probe.status.clone(), holds }
    }
}

fn write(entries: &[Entry], seen: &Seen, screen: &mut Screen<'_>) -> std::io::Result<()> {
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
    fn of(entry: &Entry, seen: &Seen) -> Self {
        let nothing = Self { status: "available", how: None, why: None, help: None, holds: None };
        if let Some(unsupported) = entry.unavailable {
            let (why, help) = unsupported.split_once(": ").unwrap_or((unsupported, ""));
            let help = Some(help.to_owned()).filter(|help| !help.is_empty());
            return Self { status: "unsupported", why: Some(why.to_owned()), help, ..nothing };
        }
        let Some(Sight { status, holds }) = seen.get(entry.word) else { return nothing };
        let holds = *holds;
        match status.clone() {
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

    fn seen(status: Status) -> Seen {
        [("user-away", Sight { status, holds: None })].into()
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
        let word = |word: &str| catalog::triggers().iter().find(|entry| entry.word == word).unwrap();
        let never = Here::of(word("servicing-complete"), &Seen::new());
        assert_eq!((never.status, never.why.as_deref()), ("unsupported", Some("it is for tasks of apps")));
        assert_eq!(never.help.unwrap(), "a command is never updated by itself");
    }
}
