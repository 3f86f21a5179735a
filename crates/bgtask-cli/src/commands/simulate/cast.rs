//! Who takes part: the registrations as they stand, what their apps may do, and how long their runs take.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bgtask_convert::{core_app, registration_of};
use bgtask_core::{AccessSetting, App, AppAccess, AppId, EntryPoint, Server, Sharing, Trigger, WallTime};
use bgtask_rehearse::RehearsedTask;
use bgtask_wire::{AppInfo, BrokerProxy, HistoryQuery, TaskInfo};

use super::read;
use crate::commands::history::{durations as taken, pages};
use crate::failure::Failure;
use crate::find::find;

/// So many of the latest lines of history say how long runs take.
const LINES: u32 = 10_000;
/// The longest task file that is read, in bytes.
const MAX_FILE: usize = 65_536;

/// How long the runs of a task took, by its id.
pub(super) type Lasting = HashMap<String, Vec<Duration>>;

/// The tasks that are meant; all of them where none is named.
pub(super) fn chosen(mut tasks: Vec<TaskInfo>, wanted: &[String]) -> Result<Vec<TaskInfo>, Failure> {
    // When somebody will ask for an app service nobody knows, and the manifest has them anyhow.
    tasks.retain(|task| task.trigger != "AppServiceTrigger");
    if wanted.is_empty() {
        return Ok(tasks);
    }
    let mut places = wanted.iter().map(|wanted| find(wanted, &tasks)).collect::<Result<Vec<_>, _>>()?;
    places.sort_unstable();
    places.dedup();
    Ok(places.into_iter().map(|place| tasks[place].clone()).collect())
}

/// How long runs took lately.
pub(super) async fn durations(broker: &BrokerProxy<'_>) -> Result<Lasting, Failure> {
    let mut lasting = Lasting::new();
    let lines = pages(HistoryQuery::default(), LINES, broker).await?;
    for line in lines {
        let took = taken(std::slice::from_ref(&line));
        if !took.is_empty() {
            lasting.entry(line.task).or_default().extend(took);
        }
    }
    lasting.values_mut().for_each(|its| its.sort_unstable());
    Ok(lasting)
}

/// A registration as it stands now, for a rehearsal that begins at another time.
pub(super) fn rehearsed(
    task: &TaskInfo,
    now: WallTime,
    from: WallTime,
    lasting: &Lasting,
) -> Result<RehearsedTask, Failure> {
    let cannot =
        |what: String| Failure::failed(format!("the task {:?} of {} cannot be rehearsed: {what}", task.name, task.app));
    let new = registration_of(task).map_err(cannot)?;
    let app = AppId::new(&task.app).map_err(|error| cannot(error.to_string()))?;
    let due = task.due.map(WallTime::from_micros).and_then(|due| due_from(due, &new.trigger, from));
    let runs = lasting.get(&task.id).map_or(RehearsedTask::RUNS, |its| its[its.len() / 2]);
    // How fresh it is at a time that is to come nobody knows.
    let fresh_since = task.fresh_since.filter(|_| from <= now).map(WallTime::from_micros);
    Ok(RehearsedTask { paused: task.paused, due, fresh_since, runs, ..RehearsedTask::new(app, new) })
}

/// When it is due first from then on, if it is known to be due at that time.
fn due_from(due: WallTime, trigger: &Trigger, from: WallTime) -> Option<WallTime> {
    if due >= from {
        return Some(due);
    }
    let every = match trigger {
        Trigger::Interval { every, one_shot: false, .. } => *every,
        Trigger::Time { freshness, one_shot: false } | Trigger::Maintenance { freshness, one_shot: false } => {
            Duration::from_secs(u64::from(*freshness) * 60)
        }
        // Its calendar says when; what fires once is late.
        Trigger::Calendar { .. } => return None,
        _ => return Some(from),
    };
    let every = i64::try_from(every.as_micros()).ok().filter(|every| *every > 0)?;
    let late = (from - due).as_micros();
    let times = i64::try_from(late).ok()?.div_euclid(every) + 1;
    Some(WallTime::from_micros(due.as_micros().checked_add(times.checked_mul(every)?)?))
}

/// The task of a file that is not added yet.
pub(super) fn from_file(path: &Path) -> Result<RehearsedTask, Failure> {
    let text = read(path, MAX_FILE, "a task file")?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let task = bgtask_taskfile::parse(&name, &text).map_err(|problems| {
        let told: Vec<_> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
        Failure::failed(format!("{} is no task file:{}", path.display(), told.concat()))
    })?;
    let paused = task.paused;
    Ok(RehearsedTask { paused, ..RehearsedTask::new(App::of_commands().id, task.registration) })
}

/// What apps may do now.
pub(super) fn access(apps: &[AppInfo]) -> Vec<(AppId, AppAccess)> {
    let its = |app: &AppInfo| {
        let setting = match app.access.as_str() {
            "AlwaysAllowed" => Some(AccessSetting::Always),
            // A rehearsal lets an app run that nothing is said of.
            "AllowedSubjectToSystemPolicy" => return None,
            "Unspecified" => None,
            _ => Some(AccessSetting::Never),
        };
        Some((AppId::new(&app.id).ok()?, AppAccess { setting, ..AppAccess::default() }))
    };
    apps.iter().filter_map(its).collect()
}

/// The apps of these tasks, as their manifests declare them.
pub(super) fn apps(apps: &[AppInfo], tasks: &[TaskInfo]) -> Vec<App> {
    let taking_part = |app: &&AppInfo| app.id != App::COMMANDS && tasks.iter().any(|task| task.app == app.id);
    apps.iter().filter(taking_part).filter_map(|app| declared(app).or_else(|| plain(app))).collect()
}

fn declared(info: &AppInfo) -> Option<App> {
    let manifest = Path::new(&info.manifest).canonicalize().ok()?;
    let bytes = bgtask_manifest::read(&manifest).ok()?;
    let name = Path::new(&info.manifest).file_name()?.to_string_lossy();
    let app = bgtask_manifest::parse(&name, &bytes).declare(manifest.parent()?).ok()?;
    let id = AppId::new(&app.id).ok()?;
    (app.id == info.id).then(|| core_app(&id, &app, Path::is_file))
}

/// What is known of an app whose manifest cannot be read here.
fn plain(info: &AppInfo) -> Option<App> {
    let server = Server { program: "".into(), application: "".into(), sharing: Sharing::InTurn, budget: None };
    let entry = |name: &String| EntryPoint { name: name.clone(), server: server.clone(), types: Vec::new() };
    Some(App {
        id: AppId::new(&info.id).ok()?,
        version: info.version.as_str().into(),
        entry_points: info.entry_points.iter().map(entry).collect(),
        classes: Vec::new(),
        itself: Some(server.clone()),
        applications: info.applications.iter().skip(1).map(|id| id.as_str().into()).collect(),
        raises: Vec::new(),
        services: vec![],
        commands: None,
    })
}

#[cfg(test)]
mod tests {
    use bgtask_core::Pace;

    use super::*;

    const HOUR: i64 = 3_600_000_000;

    #[test]
    fn a_rehearsal_of_next_week_keeps_the_beat_of_today() {
        let every = Trigger::Interval { every: Duration::from_secs(6 * 3_600), pace: Pace::default(), one_shot: false };
        let due = |due: i64, from: i64| {
            due_from(WallTime::from_micros(due * HOUR), &every, WallTime::from_micros(from * HOUR))
                .map(|at| at.as_micros() / HOUR)
        };
        assert_eq!(due(10, 4), Some(10), "it is still to come");
        assert_eq!(due(10, 10), Some(10));
        assert_eq!(due(10, 11), Some(16));
        assert_eq!(due(10, 16), Some(22), "what was due right then was due before");
        assert_eq!(due(10, 171), Some(172));
    }

    #[test]
    fn access_is_taken_as_it_is() {
        let app = |access: &str| AppInfo {
            id: "org.example.A".into(),
            version: "1".into(),
            manifest: "/nowhere/a.toml".into(),
            entry_points: vec!["Tasks.A".into()],
            applications: vec!["App".into(), "Second".into()],
            access: access.into(),
            decided_by: String::new(),
            setting: None,
            policy: None,
            policy_file: None,
        };
        let taken = |word: &str| access(&[app(word)]).pop().map(|(_, access)| access.setting);
        assert_eq!(taken("AllowedSubjectToSystemPolicy"), None);
        assert_eq!(taken("Unspecified"), Some(None));
        assert_eq!(taken("AlwaysAllowed"), Some(Some(AccessSetting::Always)));
        assert_eq!(taken("DeniedBySystemPolicy"), Some(Some(AccessSetting::Never)));
        let known = plain(&app("Unspecified")).unwrap();
        assert_eq!((known.entry_points[0].name.as_str(), known.applications.len()), ("Tasks.A", 1));
    }
}
