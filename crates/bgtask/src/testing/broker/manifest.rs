//! A manifest in the test's own words, as the core sees it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bgtask_core::{AppId, Class, Entry, EntryPoint, Server, Sharing, TaskType};
use bgtask_manifest::{App, ClassServer, Diagnostic, Severity};

use crate::Error;

/// The folder the manifest is said to be in. Nothing is looked for there.
const FOLDER: &str = "/test";

/// Reads a manifest of either form; what is wrong with it comes with its places.
pub(super) fn read(text: &str) -> Result<(AppId, App), Error> {
    let name = if text.trim_start().starts_with('<') { "Package.appxmanifest" } else { "bgtask.toml" };
    let parsed = bgtask_manifest::parse(name, text.as_bytes());
    let app = parsed.declare(Path::new(FOLDER)).map_err(|errors| {
        let mut words = format!("{name} cannot be installed:");
        for error in errors.iter().filter(|found| found.severity == Severity::Error) {
            let _ = write!(words, "\n{}", placed(&parsed.text, error));
        }
        Error::invalid(words)
    })?;
    let id = AppId::new(&app.id).map_err(|error| Error::invalid(error.to_string()))?;
    Ok((id, app))
}

/// A finding after its line and column, both from 1.
fn placed(text: &str, found: &Diagnostic) -> String {
    let Some(before) = found.span.as_ref().and_then(|span| text.get(..span.start)) else { return found.to_string() };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{line}:{column}: {found}")
}

pub(super) fn core_app(id: &AppId, app: &App) -> bgtask_core::App {
    let itself = || server(&app.executables, &[], None, |_| Sharing::Together("".into()));
    bgtask_core::App {
        id: id.clone(),
        version: app.version.as_str().into(),
        entry_points: app.entry_points.iter().map(entry_point).collect(),
        classes: app.class_servers.iter().flat_map(classes).collect(),
        itself: (!app.executables.is_empty()).then(itself),
        applications: app.applications.iter().skip(1).map(|id| id.as_str().into()).collect(),
        raises: app.raises.iter().map(|event| event.as_str().into()).collect(),
    }
}

/// D16: why nothing here could run it, if nothing could.
pub(super) fn cannot_run<'a>(app: &'a App, entry: &Entry) -> Option<&'a str> {
    match entry {
        Entry::Component(name) => app.entry_point(name)?.cannot_run.as_deref(),
        Entry::Class(class) => app.class_server(&class.to_string())?.cannot_run.as_deref(),
        Entry::InProcess => None,
    }
}

/// HO-5: how its instances share processes is the manifest's word.
fn entry_point(entry: &bgtask_manifest::EntryPoint) -> EntryPoint {
    let sharing = match (&entry.server_name, &entry.resource_group) {
        _ if entry.supports_multiple_instances => Sharing::Apart,
        (Some(server), _) => Sharing::Together(format!("server {server}").into()),
        (None, Some(group)) => Sharing::Together(format!("group {group}").into()),
        (None, None) => Sharing::InTurn,
    };
    EntryPoint {
        name: entry.name.clone(),
        server: server(&entry.executables, &[], entry.application.as_deref(), |_| sharing),
        types: entry.types.iter().map(|kind| TaskType::from_name(kind.name())).collect(),
    }
}

/// BLD-11: one program serves its classes side by side.
fn classes(declared: &ClassServer) -> impl Iterator<Item = Class> {
    let together = |program: &Arc<str>| Sharing::Together(Arc::clone(program));
    let server = server(&declared.executables, &declared.arguments, declared.application.as_deref(), together);
    declared.ids.iter().filter_map(move |id| Some(Class { id: id.parse().ok()?, server: server.clone() }))
}

/// A program: nothing is started here, so that its command line is only its name.
fn server(
    places: &[PathBuf],
    arguments: &[String],
    application: Option<&str>,
    sharing: impl FnOnce(&Arc<str>) -> Sharing,
) -> Server {
    let path = places.first().map(|place| place.to_string_lossy()).unwrap_or_default();
    let program = [&[path.into_owned()], arguments].concat().join("\0").into();
    Server { sharing: sharing(&program), application: application.unwrap_or_default().into(), program }
}
