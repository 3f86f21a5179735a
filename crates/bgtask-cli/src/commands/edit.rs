//! `bgtask edit`: a command's task file in the user's editor.

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use bgtask_taskfile::Task;
use bgtask_wire::{BrokerProxy, TaskInfo};

use super::{add, lint};
use crate::failure::{Exit, Failure};
use crate::find::find_task;
use crate::output::text::{counted, printable};
use crate::output::{Screen, diagnostics};

/// What edits where neither $VISUAL nor $EDITOR is set: the first that is there.
const EDITORS: [&str; 3] = ["editor", "nano", "vi"];

/// Change a command in an editor
///
/// The editor is $VISUAL or $EDITOR. Mistakes are shown with their lines, and the editor is opened again if you want. A command
/// that stands in a task file is changed there.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A command's name, its id, or the first characters of its id
    task: String,
    /// Change it although it can never run as it is
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let info = find_task(broker, &args.task).await?;
    let Some(definition) = &info.definition else {
        let text = format!("{} belongs to the app {}: only commands can be edited", info.name, info.app);
        return Err(Failure::failed(text));
    };
    let before = match &info.file {
        Some(file) => lint::read(Path::new(file))?,
        None => definition.clone(),
    };
    let draft = Draft::of(&info.name, &before)?;
    loop {
        draft.open()?;
        let text = draft.text()?;
        if text == before {
            return Ok(writeln!(screen.out, "Nothing was changed.")?);
        }
        let failure = match accept(args, &info, &text, broker, screen).await {
            Ok(()) => return Ok(()),
            Err(failure) if matches!(failure.exit, Exit::Unreachable | Exit::Done) => return Err(draft.kept(failure)),
            Err(failure) => failure,
        };
        writeln!(screen.err, "{}", printable(&failure.message))?;
        if !again(screen)? {
            return Err(draft.kept(Failure::new(failure.exit, "nothing was changed")));
        }
    }
}

/// Takes the text for the command's, if it is right.
async fn accept(
    args: &Args,
    info: &TaskInfo,
    text: &str,
    broker: &BrokerProxy<'_>,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let file = info.file.as_deref().map_or_else(|| bgtask_taskfile::file_name(&info.name), str::to_owned);
    let task = bgtask_taskfile::parse(&file, text).map_err(|mistakes| {
        // Whom they cannot be told, the count has to do for.
        let _closed = diagnostics::write(&file, text, &mistakes, screen.err);
        Failure::failed(format!("the task file has {}", counted(mistakes.len(), "mistake")))
    })?;
    if task.registration.name != info.name {
        let (old, new) = (printable(&info.name), printable(&task.registration.name));
        return Err(Failure::failed(format!(
            "the name cannot be changed from {old} to {new}: add another with `bgtask add` or `bgtask import`, and remove this one"
        )));
    }
    add::examine(&task, args.force, broker, screen).await?;
    match &info.file {
        Some(file) => {
            replace(Path::new(file), text)?;
            Ok(writeln!(screen.out, "Written to {}: the broker reads it now.", printable(file))?)
        }
        None => register(info, &task, broker, screen).await,
    }
}

async fn register(
    info: &TaskInfo,
    task: &Task,
    broker: &BrokerProxy<'_>,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let (id, update) = broker.add_task(&info.name, &bgtask_taskfile::write(task), true).await?;
    if task.paused != broker.get_task(&id).await?.paused {
        broker.set_paused(&id, task.paused).await?;
    }
    let what = if update == "unchanged" { "It means the same as before." } else { "Changed." };
    Ok(writeln!(screen.out, "{what}")?)
}

/// Whether the person wants to correct it.
fn again(screen: &mut Screen<'_>) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(screen.err, "Edit it again? [Y/n] ")?;
    screen.err.flush()?;
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer)?;
    Ok(read > 0 && !answer.trim().to_lowercase().starts_with('n'))
}

/// The text that is edited.
struct Draft {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Draft {
    fn of(name: &str, text: &str) -> Result<Self, Failure> {
        let cannot = |error: io::Error| Failure::failed(format!("no file to edit can be made: {error}"));
        let folder = tempfile::Builder::new().prefix("bgtask-").tempdir().map_err(cannot)?;
        let path = folder.path().join(bgtask_taskfile::file_name(name));
        fs::write(&path, text).map_err(cannot)?;
        Ok(Self { folder, path })
    }

    fn open(&self) -> Result<(), Failure> {
        let editor = editor()?;
        // As others do: the variable may hold arguments.
        let ran =
            Command::new("/bin/sh").arg("-c").arg(format!("{editor} \"$@\"")).arg("editor").arg(&self.path).status();
        let ran = ran.map_err(|error| Failure::failed(format!("the editor {editor} cannot be run: {error}")))?;
        if ran.success() {
            return Ok(());
        }
        let text = format!("the editor {} ended with {ran}: nothing was changed", printable(&editor));
        Err(Failure::failed(text))
    }

    fn text(&self) -> Result<String, Failure> {
        lint::read(&self.path)
    }

    /// Keeps the text of somebody whose change could not be taken.
    fn kept(self, mut failure: Failure) -> Failure {
        let path = self.path.to_string_lossy().into_owned();
        let _kept = self.folder.keep();
        failure.message.push_str(&format!("; your text is kept in {}", printable(&path)));
        failure
    }
}

fn editor() -> Result<String, Failure> {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.trim().is_empty());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &&str| std::env::split_paths(&path).any(|folder| crate::lint::is_program(&folder.join(name)));
    let found = || EDITORS.into_iter().find(is_there).map(str::to_owned);
    variable("VISUAL").or_else(|| variable("EDITOR")).or_else(found).ok_or_else(|| {
        Failure::failed(
            "there is no editor: set $EDITOR to one, or use `bgtask export` and `bgtask import --apply --replace`",
        )
    })
}

/// Puts a text in the place of a file, at once, where a link leads to it too.
fn replace(file: &Path, text: &str) -> Result<(), Failure> {
    let cannot = |error: io::Error| {
        let shown = file.to_string_lossy();
        Failure::failed(format!("{} cannot be written: {error}", printable(&shown)))
    };
    let place = file.canonicalize().map_err(cannot)?;
    let folder = place.parent().unwrap_or(Path::new("/"));
    // A name that begins with a dot is no task file.
    let mut written = tempfile::Builder::new().prefix(".bgtask-").tempfile_in(folder).map_err(cannot)?;
    written.write_all(text.as_bytes()).map_err(cannot)?;
    let permissions = fs::metadata(&place).map_err(cannot)?.permissions();
    written.as_file().set_permissions(permissions).map_err(cannot)?;
    written.persist(&place).map_err(|error| cannot(error.error))?;
    Ok(())
}
