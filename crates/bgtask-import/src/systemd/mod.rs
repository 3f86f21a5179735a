//! Timers of systemd with their services.

mod command;
mod service;
mod timer;
mod unit;
mod words;

pub use words::{UnitKind, UnitNames};

use crate::{Difference, Import, common, task_of};
use unit::Unit;

/// The tasks of a timer and its service: one for each thing that lets the timer elapse.
///
/// The texts are those of the unit files, with what drop-ins add behind them: `systemctl cat` prints that.
///
/// ```
/// use bgtask_import::{UnitKind, UnitNames, systemd_timer};
///
/// let timer = "[Timer]\nOnCalendar=Mon..Fri 09:00\nPersistent=true\n";
/// let service = "[Unit]\nConditionACPower=true\n[Service]\nType=oneshot\nExecStart=/usr/bin/backup --to %h/safe\n";
/// let names = UnitNames { timer: "backup.timer", kind: UnitKind::User, home: "/home/me", user: "me" };
/// let import = systemd_timer(timer, service, &names);
/// assert_eq!(
///     bgtask_taskfile::write(&import.tasks[0].task),
///     "name = \"backup\"\ncommand = [\"/usr/bin/backup\", \"--to\", \"/home/me/safe\"]\n\
///      at = \"Mon..Fri 09:00\"\ncatch-up = true\nwhen = [\"ac-power\"]\n",
/// );
/// ```
pub fn systemd_timer(timer: &str, service: &str, names: &UnitNames<'_>) -> Import {
    if let Some(refused) = Import::refused(timer).or_else(|| Import::refused(service)) {
        return refused;
    }
    let mut import = Import::default();
    if names.is_template() {
        let why = format!("{} is a template: name an instance of it, such as {}NAME.timer", names.timer, names.stem());
        import.skip(0, why);
        return import;
    }
    let (timer, service) = (Unit::read(timer), Unit::read(service));
    let its_name = service_of(&timer, names).replace(".service", ".timer");
    let translated = match service::translate(&service, &UnitNames { timer: &its_name, ..*names }) {
        Ok(translated) => translated,
        Err((line, why)) => {
            import.skip(line, format!("the service cannot be translated: {why}"));
            return import;
        }
    };
    let triggers = timer::translate(&timer, &mut import);
    if triggers.is_empty() {
        if import.skipped.is_empty() {
            import.skip(0, "the timer has nothing that lets it elapse");
        }
        return import;
    }
    import.common = of_every_timer(names);
    import.common.extend(timer::unknown(&timer));
    import.common.extend(translated.differences);
    if triggers.len() > 1 {
        import.common.push(Difference::warning(
            "several triggers",
            "systemd starts one service for all of them, and not while it runs",
            "each is a task of its own, and two of them may run at the same time",
        ));
    }
    for found in triggers {
        let mut task = task_of(names.stem().to_owned(), found.trigger, translated.command.clone());
        task.registration.conditions.clone_from(&translated.conditions);
        import.add(task, found.differences, found.original, found.line);
    }
    import
}

/// The name of the service that a timer starts, to be read before [`systemd_timer`]: that of `Unit=`, or else its own.
///
/// An instance such as `backup@photos.service` may have no file of its own: then that of its template is read,
/// `backup@.service`.
///
/// ```
/// use bgtask_import::{UnitKind, UnitNames, systemd_service_name};
///
/// let names = UnitNames { timer: "backup@photos.timer", kind: UnitKind::User, home: "/home/me", user: "me" };
/// assert_eq!(systemd_service_name("[Timer]\nOnCalendar=daily\n", &names), "backup@photos.service");
/// assert_eq!(systemd_service_name("[Timer]\nUnit=copy@%i.service\n", &names), "copy@photos.service");
/// ```
pub fn systemd_service_name(timer: &str, names: &UnitNames<'_>) -> String {
    service_of(&Unit::read(timer), names)
}

fn service_of(timer: &Unit, names: &UnitNames<'_>) -> String {
    let named = timer.last("Timer", "Unit").and_then(|name| names.expand(name).ok());
    named.unwrap_or_else(|| format!("{}.service", names.stem()))
}

fn of_every_timer(names: &UnitNames<'_>) -> Vec<Difference> {
    let mut all = common("systemd");
    match names.kind {
        UnitKind::User => drop(all.remove(0)),
        UnitKind::System => all.extend([
            Difference::error(
                "whose it is",
                "it is a unit of the system, which runs with all rights, or as its User=",
                "bgtask runs it as you, who may have fewer rights",
            ),
            Difference::note(
                "environment",
                "systemd gives it hardly more than PATH and what the unit says",
                "bgtask gives it the environment of your session besides",
            ),
        ]),
    }
    all
}
