//! What was ordered from here and what came of it: a file for each order, a line for each answer.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bgtask_push::fleet::{Answer, Order};
use serde::{Deserialize, Serialize};

use super::operator::shown;
use crate::failure::Failure;

/// Most machines whose answers are kept: whoever may answer may lie about who it is, where the server lets it.
const MAX_MACHINES: usize = 2_000_000;

/// The first line of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Given {
    pub(super) order: Order,
    /// To whom.
    pub(super) to: String,
    /// When, in microseconds since the Unix epoch.
    pub(super) at: i64,
    /// For how many seconds the server keeps the answers, where there are to be any.
    pub(super) keep: u64,
}

/// One order and its answers.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) given: Given,
    pub(super) answers: BTreeMap<String, Answer>,
    file: File,
    path: PathBuf,
}

impl Ledger {
    /// A new one, durable before anybody hears of the order; or the one of that order that is there.
    pub(super) fn begin(folder: &Path, given: Given) -> Result<Self, Failure> {
        fs::create_dir_all(folder).map_err(|error| cannot("made", folder, &error))?;
        let path = path_of(folder, &given.order.order);
        if path.exists() {
            let ledger = Self::open(folder, &given.order.order)?;
            let same = ledger.given.order == given.order && ledger.given.to == given.to;
            let other =
                || Failure::failed(format!("the order {} is another one: leave --order out", given.order.order));
            return if same { Ok(ledger) } else { Err(other()) };
        }
        let file = File::options().append(true).create_new(true).open(&path);
        let file = file.map_err(|error| cannot("written", &path, &error))?;
        let mut ledger = Self { given, answers: BTreeMap::new(), file, path };
        let line = serde_json::to_string(&ledger.given).expect("texts and numbers");
        ledger.append(&format!("{line}\n"))?;
        Ok(ledger)
    }

    /// The one of that order.
    pub(super) fn open(folder: &Path, order: &str) -> Result<Self, Failure> {
        let path = path_of(folder, order);
        let absent = || {
            Failure::absent(format!(
                "no order {order} was given from here with --reply: `bgtask fleet outcomes` lists them"
            ))
        };
        let text = fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => absent(),
            _ => cannot("read", &path, &error),
        })?;
        let mut lines = text.split(|byte| *byte == b'\n');
        let given = serde_json::from_slice(lines.next().unwrap_or_default())
            .map_err(|error| Failure::failed(format!("{} is damaged: {error}", shown(&path))))?;
        let read = lines.filter_map(|line| serde_json::from_slice::<Answer>(line).ok());
        let answers = read.map(|answer| (answer.machine.clone(), answer)).collect();
        let file = File::options().append(true).open(&path).map_err(|error| cannot("written", &path, &error))?;
        let mut ledger = Self { given, answers, file, path };
        // A line that was being written when the machine lost its power: its answer comes again.
        if !text.ends_with(b"\n") {
            ledger.append("\n")?;
        }
        Ok(ledger)
    }

    /// Every order that was given from here, the last one first.
    pub(super) fn all(folder: &Path) -> Result<Vec<Self>, Failure> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(cannot("read", folder, &error)),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let orders = names.filter_map(|name| Some(name.strip_suffix(".jsonl")?.to_owned()));
        let mut all = orders.map(|order| Self::open(folder, &order)).collect::<Result<Vec<_>, _>>()?;
        all.sort_by_key(|ledger| std::cmp::Reverse(ledger.given.at));
        Ok(all)
    }

    /// Makes answers durable; those that are new.
    pub(super) fn take(&mut self, answers: Vec<Answer>) -> Result<Vec<Answer>, Failure> {
        let mut news = Vec::new();
        let mut lines = String::new();
        for answer in answers {
            let known = self.answers.contains_key(&answer.machine) || self.answers.len() >= MAX_MACHINES;
            if answer.order != self.given.order.order || known {
                continue;
            }
            lines += &serde_json::to_string(&answer).expect("texts and numbers");
            lines.push('\n');
            self.answers.insert(answer.machine.clone(), answer.clone());
            news.push(answer);
        }
        if !lines.is_empty() {
            self.append(&lines)?;
        }
        Ok(news)
    }

    fn append(&mut self, lines: &str) -> Result<(), Failure> {
        let done = self.file.write_all(lines.as_bytes()).and_then(|()| self.file.sync_data());
        done.map_err(|error| cannot("written", &self.path, &error))
    }
}

fn path_of(folder: &Path, order: &str) -> PathBuf {
    folder.join(format!("{order}.jsonl"))
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("{} cannot be {what}: {error}", shown(path)))
}
