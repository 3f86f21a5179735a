use std::io;
use std::path::Path;

use bgtask_taskfile::{Diagnostic, MAX_TASK_FILE_BYTES, Severity, Task};
use bgtask_wire::{BrokerProxy, TaskInfo};
use serde_json::{Value, json};

use super::Format;
use crate::connection::Target;
use crate::failure::{Exit, Failure};
use crate::find::{find, is_of_commands};
use crate::lint::{Around, Finding, gather, lint, parsed};
use crate::output::text::{counted, printable};
use crate::output::{Screen, diagnostics, style};

/// Say what is likely to go wrong with commands
///
/// An error: it can never run. A warning: it will not do what was likely meant. A note: it costs more than it has to. The exit
/// code is 1 if there is an error. Task files are looked at without a broker too.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Names or ids of commands, or task files; all commands and all task files that are wrong where nothing is said
    #[arg(value_name = "TASK|FILE")]
    tasks: Vec<String>,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, target: &Target, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let only_files = !args.tasks.is_empty() && args.tasks.iter().all(|word| is_file(word));
    let broker = match target.connect().await {
        Ok(broker) => Some(broker),
        Err(_unreachable) if only_files => None,
        Err(failure) => return Err(failure),
    };
    let tasks = match &broker {
        Some(broker) => broker.list_tasks("").await?,
        None => Vec::new(),
    };
    let subjects = subjects(args, &tasks, broker.as_ref()).await?;
    let looked_at: Vec<&Task> = subjects.iter().filter_map(|subject| subject.task.as_ref().ok()).collect();
    let around = Around::of(&tasks, &looked_at, &screen.clock).await.listening(&looked_at).await;
    let mut answers = Vec::new();
    let mut wrong = Vec::new();
    for subject in &subjects {
        let found = match (&subject.task, &broker) {
            (Ok(task), Some(broker)) => lint(task, &gather(&around, task, broker).await?),
            (Ok(task), None) => lint(task, &around.known(task)),
            (Err(_), _) => Vec::new(),
        };
        let count = subject.count(Severity::Error, &found);
        if count > 0 {
            wrong.push(format!("{} has {}", printable(&subject.label), counted(count, "error")));
        }
        if args.format.json { answers.push(subject.to_json(&found)) } else { subject.write(&found, screen)? }
    }
    if args.format.json {
        screen.json(&Value::from(answers))?;
    } else if subjects.is_empty() {
        writeln!(screen.out, "No commands are registered.")?;
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::failed(wrong.join("\n"))) }
}

/// A task that is looked at, or a file that holds none.
struct Subject {
    label: String,
    file: Option<String>,
    text: String,
    task: Result<Task, Vec<Diagnostic>>,
}

async fn subjects(args: &Args, tasks: &[TaskInfo], broker: Option<&BrokerProxy<'_>>) -> Result<Vec<Subject>, Failure> {
    if !args.tasks.is_empty() {
        return args.tasks.iter().map(|word| Subject::named(word, tasks)).collect();
    }
    let mut all: Vec<_> = tasks.iter().filter(|task| is_of_commands(&task.app)).filter_map(Subject::of).collect();
    if let Some(broker) = broker {
        let files = broker.list_task_files().await?;
        for file in files.iter().filter(|file| file.problem.is_some()) {
            all.push(Subject::of_file(&file.file)?);
        }
    }
    Ok(all)
}

fn is_file(word: &str) -> bool {
    (word.contains('/') || word.ends_with(".toml")) && Path::new(word).is_file()
}

impl Subject {
    fn named(word: &str, tasks: &[TaskInfo]) -> Result<Self, Failure> {
        if is_file(word) {
            return Self::of_file(word);
        }
        match find(word, tasks) {
            Ok(place) => Self::of(&tasks[place]).ok_or_else(|| {
                let (name, app) = (&tasks[place].name, &tasks[place].app);
                Failure::failed(format!("{name} belongs to the app {app}: only commands are looked at"))
            }),
            Err(failure) if failure.exit == Exit::Absent && (word.contains('/') || word.ends_with(".toml")) => {
                Err(Failure::absent(format!("there is no file {}", printable(word))))
            }
            Err(failure) => Err(failure),
        }
    }

    fn of(info: &TaskInfo) -> Option<Self> {
        let task = Ok(parsed(info)?);
        Some(Self { label: info.name.clone(), file: info.file.clone(), text: String::new(), task })
    }

    fn of_file(file: &str) -> Result<Self, Failure> {
        let text = read(Path::new(file))?;
        Ok(Self {
            label: file.to_owned(),
            file: Some(file.to_owned()),
            task: bgtask_taskfile::parse(file, &text),
            text,
        })
    }

    fn count(&self, severity: Severity, found: &[Finding]) -> usize {
        let mistakes = self.task.as_ref().err().map_or(&[][..], Vec::as_slice);
        mistakes.iter().filter(|mistake| mistake.severity == severity).count()
            + found.iter().filter(|found| found.severity == severity).count()
    }

    fn write(&self, found: &[Finding], screen: &mut Screen<'_>) -> io::Result<()> {
        if let Err(mistakes) = &self.task {
            diagnostics::write(&self.label, &self.text, mistakes, screen.out)?;
        }
        let of = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")];
        let counts = of.into_iter().map(|(severity, one)| (self.count(severity, found), one));
        let counts: Vec<_> = counts.filter(|(count, _)| *count > 0).map(|(count, one)| counted(count, one)).collect();
        let (strong, good) = (style::STRONG, style::GOOD);
        write!(screen.out, "{strong}{}{strong:#}: ", printable(&self.label))?;
        if counts.is_empty() {
            return writeln!(screen.out, "{good}good{good:#}");
        }
        writeln!(screen.out, "{}", counts.join(", "))?;
        for found in found {
            let colour = style::of_severity(found.severity);
            let (message, help) = (printable(&found.message), printable(&found.help));
            writeln!(screen.out, "  {colour}{}{colour:#}: {message}: {help} [{}]", found.severity, found.code)?;
        }
        Ok(())
    }

    fn to_json(&self, found: &[Finding]) -> Value {
        let findings = match &self.task {
            Ok(_) => found.iter().map(Finding::to_json).collect(),
            Err(mistakes) => diagnostics::to_json(&self.text, mistakes),
        };
        let name = self.task.as_ref().ok().map(|task| &task.registration.name);
        let ok = self.count(Severity::Error, found) == 0;
        json!({ "task": name, "file": self.file, "ok": ok, "findings": findings })
    }
}

/// The text of a task file.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let shown = path.to_string_lossy();
    let shown = printable(&shown);
    let cannot = |error: io::Error| {
        let exit = if error.kind() == io::ErrorKind::NotFound { Exit::Absent } else { Exit::Failed };
        Failure::new(exit, format!("the file {shown} cannot be read: {error}"))
    };
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    // What is larger is told by who reads it as a task.
    file.take(MAX_TASK_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    String::from_utf8(bytes).map_err(|_| Failure::failed(format!("the file {shown} is not UTF-8 text")))
}
