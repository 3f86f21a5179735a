//! Reading what is taken over: files, standard input, `crontab -l`, units of systemd.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use bgtask_import::{CrontabKind, Import, Imported, MAX_TEXT_BYTES, Original, UnitKind, UnitNames};

use super::Form;
use super::appx::NativeManifest;
use crate::failure::{Exit, Failure};
use crate::output::text::{counted, printable};
use crate::output::{Screen, diagnostics};

/// Stands between two task files in one text: what `bgtask export` writes.
pub(crate) const BETWEEN: &str = "# ---- the next task ----";

/// Most files that are read from a folder of units.
const MAX_UNITS: usize = 1_024;

/// One text and what became of it.
pub(super) struct Source {
    /// What it is called for people: a file, or `crontab -l`.
    pub(super) name: String,
    pub(super) form: Form,
    pub(super) content: Content,
    /// What still runs the same beside the tasks, and how it is stopped.
    pub(super) still_runs: Option<String>,
}

pub(super) enum Content {
    Tasks(Import),
    Manifest(Box<NativeManifest>),
}

/// Reads everything that is named.
pub(super) fn read(form: Option<Form>, files: &[String], screen: &mut Screen<'_>) -> Result<Vec<Source>, Failure> {
    match (form, files) {
        (Some(Form::Crontab), []) => Ok(vec![own_crontab()?]),
        (Some(Form::SystemdTimer), []) => own_timers(),
        (_, []) => Err(Failure::new(Exit::Usage, "name a file to import, or - for standard input")),
        _ => files.iter().map(|file| one(form, file, screen)).collect(),
    }
}

fn one(form: Option<Form>, file: &str, screen: &mut Screen<'_>) -> Result<Source, Failure> {
    let form = form.unwrap_or_else(|| form_of(file));
    if form == Form::SystemdTimer {
        return timer(file);
    }
    let (name, bytes) = match file {
        "-" => ("standard input".to_owned(), bounded(io::stdin().lock(), "standard input")?),
        _ => (file.to_owned(), bounded(open(Path::new(file))?, file)?),
    };
    let (content, still_runs) = match form {
        Form::Appxmanifest => (Content::Manifest(Box::new(NativeManifest::of(&name, &bytes, screen)?)), None),
        Form::Toml => (Content::Tasks(tasks(&name, &text(bytes, &name)?, screen)?), None),
        Form::Crontab | Form::SystemdTimer => {
            let is_system = ["/etc/crontab", "/etc/cron.d"].iter().any(|place| Path::new(file).starts_with(place));
            let kind = if is_system { CrontabKind::System } else { CrontabKind::User };
            (Content::Tasks(bgtask_import::crontab(&text(bytes, &name)?, kind)), None)
        }
    };
    Ok(Source { name, form, content, still_runs })
}

fn form_of(file: &str) -> Form {
    match file.rsplit_once('.').map(|(_, ending)| ending) {
        Some("toml") => Form::Toml,
        Some("timer") => Form::SystemdTimer,
        Some("appxmanifest" | "xml") => Form::Appxmanifest,
        _ if file == "-" => Form::Toml,
        _ => Form::Crontab,
    }
}

/// The tasks of a text with one task file, or with several behind one another.
fn tasks(name: &str, text: &str, screen: &mut Screen<'_>) -> Result<Import, Failure> {
    let mut import = Import::default();
    let mut line = 1;
    let mut wrong = 0;
    for part in text.split(&format!("{BETWEEN}\n")) {
        match bgtask_taskfile::parse(name, part) {
            Ok(task) => {
                import.tasks.push(Imported { task, differences: Vec::new(), original: Original::Other, line });
            }
            Err(mistakes) => {
                wrong += mistakes.len();
                diagnostics::write(name, part, &mistakes, screen.err)?;
            }
        }
        line += part.lines().count() + 1;
    }
    if wrong > 0 {
        return Err(Failure::failed(format!("{} has {}", printable(name), counted(wrong, "error"))));
    }
    Ok(import)
}

fn own_crontab() -> Result<Source, Failure> {
    let ran = Command::new("crontab").arg("-l").output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::absent("there is no program crontab here, so nothing to import: name a file instead")
        }
        _ => Failure::failed(format!("`crontab -l` cannot be run: {error}")),
    })?;
    if !ran.status.success() {
        let said = String::from_utf8_lossy(&ran.stderr);
        return Err(Failure::absent(format!("`crontab -l` shows nothing: {}", printable(said.trim()))));
    }
    let import = bgtask_import::crontab(&text(ran.stdout, "crontab -l")?, CrontabKind::User);
    let still_runs = Some("cron still runs these too: take the lines out with `crontab -e`".to_owned());
    Ok(Source { name: "crontab -l".into(), form: Form::Crontab, content: Content::Tasks(import), still_runs })
}

fn own_timers() -> Result<Vec<Source>, Failure> {
    let folder = config_home().join("systemd/user");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten().take(MAX_UNITS);
    let mut timers: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "timer")).collect();
    timers.sort();
    if timers.is_empty() {
        let folder = folder.to_string_lossy().into_owned();
        return Err(Failure::absent(format!("there are no timers in {}: name one", printable(&folder))));
    }
    timers.iter().map(|path| timer(&path.to_string_lossy())).collect()
}

/// A timer by its file, or by its name in the folders of systemd.
fn timer(file: &str) -> Result<Source, Failure> {
    let path = match Path::new(file) {
        path if file.contains('/') || path.exists() => path.to_owned(),
        _ => in_folders(file).ok_or_else(|| {
            Failure::absent(format!(
                "there is no timer {}: `systemctl --user list-timers` lists yours",
                printable(file)
            ))
        })?,
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let kind = if path.to_string_lossy().contains("/systemd/system/") { UnitKind::System } else { UnitKind::User };
    let home = std::env::var("HOME").unwrap_or_default();
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    let names = UnitNames { timer: &name, kind, home: &home, user: &user };
    let timer = unit(&path)?;
    let service = bgtask_import::systemd_service_name(&timer, &names);
    let place = service_file(&path, &service).ok_or_else(|| {
        Failure::absent(format!("the service {} of {} is not there", printable(&service), printable(file)))
    })?;
    let import = bgtask_import::systemd_timer(&timer, &unit(&place)?, &names);
    let of_user = if kind == UnitKind::User { " --user" } else { "" };
    let still_runs = Some(format!("systemd still runs it too: `systemctl{of_user} disable --now {name}`"));
    Ok(Source { name: file.to_owned(), form: Form::SystemdTimer, content: Content::Tasks(import), still_runs })
}

/// Beside the timer, or in the folders of systemd; that of the template where the instance has none.
fn service_file(timer: &Path, service: &str) -> Option<PathBuf> {
    let template = service.split_once('@').map(|(stem, _)| format!("{stem}@.service"));
    let names = [Some(service.to_owned()), template];
    let beside = |name: &String| timer.parent().map(|folder| folder.join(name)).filter(|path| path.is_file());
    names.iter().flatten().find_map(|name| beside(name).or_else(|| in_folders(name)))
}

fn in_folders(name: &str) -> Option<PathBuf> {
    let own = config_home().join("systemd/user");
    let common = [
        "/etc/systemd/user",
        "/usr/local/lib/systemd/user",
        "/usr/lib/systemd/user",
        "/etc/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    ];
    let folders = std::iter::once(own).chain(common.map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|path| !name.contains('/') && path.is_file())
}

/// A unit with its drop-ins behind it, as `systemctl cat` prints it.
fn unit(path: &Path) -> Result<String, Failure> {
    let shown = path.to_string_lossy().into_owned();
    let mut all = text(bounded(open(path)?, &shown)?, &shown)?;
    let folder = path.with_file_name(format!("{}.d", path.file_name().unwrap_or_default().to_string_lossy()));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().take(MAX_UNITS);
    let mut drop_ins: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "conf")).collect();
    drop_ins.sort();
    for drop_in in drop_ins {
        let shown = drop_in.to_string_lossy().into_owned();
        all.push('\n');
        all.push_str(&text(bounded(open(&drop_in)?, &shown)?, &shown)?);
    }
    Ok(all)
}

fn config_home() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("XDG_CONFIG_HOME").unwrap_or_else(|| variable("HOME").unwrap_or_default().join(".config"))
}

fn open(path: &Path) -> Result<std::fs::File, Failure> {
    std::fs::File::open(path).map_err(|error| unreadable(&path.to_string_lossy(), &error))
}

/// All of it, unless it is more than anything here can be.
fn bounded(from: impl io::Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(MAX_TEXT_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| unreadable(name, &error))?;
    if bytes.len() > MAX_TEXT_BYTES {
        return Err(Failure::failed(format!("{} is larger than {MAX_TEXT_BYTES} bytes", printable(name))));
    }
    Ok(bytes)
}

fn text(bytes: Vec<u8>, name: &str) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| Failure::failed(format!("{} is not UTF-8 text", printable(name))))
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    let exit = if error.kind() == io::ErrorKind::NotFound { Exit::Absent } else { Exit::Failed };
    Failure::new(exit, format!("{} cannot be read: {error}", printable(name)))
}
