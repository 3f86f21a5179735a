//! A manifest of Windows as a native one.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bgtask_manifest::{App, DeclaredAppService, Diagnostic, EntryPoint, Form as ManifestForm, Severity};
use serde_json::{Value, json};

use super::read::Source;
use crate::connection::Target;
use crate::failure::Failure;
use crate::output::text::{counted, printable};
use crate::output::{Screen, diagnostics, style};

/// A native manifest, and what it came from.
pub(super) struct NativeManifest {
    id: String,
    toml: String,
    text: String,
    /// What was found about the original.
    findings: Vec<Diagnostic>,
    /// What was not taken over, and what differs afterwards.
    differences: Vec<String>,
}

impl NativeManifest {
    /// Reads a manifest of Windows, writes it as a native one, and reads that again: what then differs is said.
    pub(super) fn of(name: &str, bytes: &[u8], screen: &mut Screen<'_>) -> Result<Self, Failure> {
        let parsed = bgtask_manifest::parse(name, bytes);
        let app = parsed.declare(Path::new("")).map_err(|errors| {
            // What cannot be told to nobody is not told.
            let _closed = diagnostics::write(name, &parsed.text, &parsed.diagnostics, screen.err);
            Failure::failed(format!("{} has {}", printable(name), counted(errors.len(), "error")))
        })?;
        if parsed.form == ManifestForm::Toml {
            return Err(Failure::failed(format!("{} is a native manifest already", printable(name))));
        }
        let publisher = parsed.manifest.as_ref().and_then(|manifest| manifest.package.publisher.as_deref());
        let (toml, mut differences) = write(&app, publisher);
        differences.extend(compared(&app, &toml));
        Ok(Self { id: app.id, toml, text: parsed.text, findings: parsed.diagnostics, differences })
    }

    /// Puts it where the broker finds it.
    pub(super) fn install(&self, target: &Target, replace: bool) -> Result<String, Failure> {
        let path = apps(target)?.join(format!("{}.toml", self.id));
        let cannot = |error: io::Error| {
            let shown = path.to_string_lossy();
            let hint = if error.kind() == io::ErrorKind::AlreadyExists { ": --replace overwrites it" } else { "" };
            Failure::failed(format!("{} cannot be written: {error}{hint}", printable(&shown)))
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(cannot)?;
        }
        let file = OpenOptions::new().write(true).create(replace).create_new(!replace).truncate(replace).open(&path);
        file.and_then(|mut file| file.write_all(self.toml.as_bytes())).map_err(cannot)?;
        Ok(path.to_string_lossy().into_owned())
    }

    pub(super) fn write(&self, source: &Source, file: Option<&str>, screen: &mut Screen<'_>) -> Result<(), Failure> {
        write!(screen.out, "{}", self.toml)?;
        writeln!(screen.err, "{}:", printable(&source.name))?;
        diagnostics::write(&source.name, &self.text, &self.findings, screen.err)?;
        for difference in &self.differences {
            let colour = style::WAITING;
            writeln!(screen.err, "{colour}warning{colour:#}: {}", printable(difference))?;
        }
        if self.differences.is_empty() {
            writeln!(screen.err, "Read again, the native manifest declares the same.")?;
        }
        match file {
            Some(file) => Ok(writeln!(screen.err, "Written to {}.", printable(file))?),
            None => Ok(()),
        }
    }

    pub(super) fn to_json(&self, source: &Source, file: Option<&str>) -> Value {
        json!({
            "source": source.name,
            "format": source.form.word(),
            "manifest": self.toml,
            "file": file,
            "findings": diagnostics::to_json(&self.text, &self.findings),
            "differences": self.differences,
        })
    }
}

/// Where manifests of this user are installed.
fn apps(target: &Target) -> Result<PathBuf, Failure> {
    if let Some(root) = target.root() {
        return Ok(root.join("apps"));
    }
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")));
    data.map(|data| data.join("bgtask/apps"))
        .ok_or_else(|| Failure::failed("$HOME is not set: set it to your home folder"))
}

fn write(app: &App, publisher: Option<&str>) -> (String, Vec<String>) {
    let mut toml = Toml(String::new());
    let mut left_out = Vec::new();
    toml.section("[app]");
    toml.text("id", &app.id);
    toml.text("version", &app.version);
    let own = program(&app.executables);
    own.iter().for_each(|program| toml.text("executable", program));
    publisher.iter().for_each(|publisher| toml.text("publisher", publisher));
    app.display_name.iter().for_each(|name| toml.text("display_name", name));
    toml.texts("capabilities", &app.capabilities);
    for entry_point in &app.entry_points {
        match &entry_point.cannot_run {
            None if entry_point.types.is_empty() => {}
            Some(why) => left_out.push(format!("the entry point {} is left out: {why}", entry_point.name)),
            None => entry(&mut toml, entry_point, own.as_deref()),
        }
    }
    for service in &app.app_services {
        let entry_point = served_by(app, service);
        match entry_point.and_then(|its| its.cannot_run.as_ref()) {
            Some(why) => left_out.push(format!("the app service {} is left out: {why}", service.name)),
            None => app_service(&mut toml, service, entry_point, own.as_deref()),
        }
    }
    for server in &app.class_servers {
        let Some(program) = program(&server.executables).filter(|_| server.cannot_run.is_none()) else {
            let why = server.cannot_run.as_deref().unwrap_or("it names no program");
            left_out.push(format!("the server of the classes {} is left out: {why}", server.ids.join(", ")));
            continue;
        };
        for id in &server.ids {
            toml.section("[[class]]");
            toml.text("id", id);
            toml.text("executable", &program);
            if !server.arguments.is_empty() {
                toml.text("arguments", &server.arguments.iter().map(|it| argument(it)).collect::<Vec<_>>().join(" "));
            }
        }
    }
    (toml.0, left_out)
}

fn served_by<'a>(app: &'a App, service: &DeclaredAppService) -> Option<&'a EntryPoint> {
    let entry_point = service.entry_point.as_ref()?;
    app.entry_points.iter().find(|its| its.name == *entry_point)
}

fn app_service(toml: &mut Toml, service: &DeclaredAppService, entry_point: Option<&EntryPoint>, own: Option<&str>) {
    toml.section("[[app_service]]");
    toml.text("name", &service.name);
    service.entry_point.iter().for_each(|name| toml.text("entry_point", name));
    let everybody = service.allow_all.then(|| "*".to_owned());
    toml.texts("allow", &service.allow.iter().cloned().chain(everybody).collect::<Vec<_>>());
    // What a task says of the entry point is said there.
    if let Some(entry_point) = entry_point.filter(|its| its.types.is_empty()) {
        hosted(toml, entry_point, own);
    }
}

fn entry(toml: &mut Toml, entry_point: &EntryPoint, own: Option<&str>) {
    toml.section("[[task]]");
    toml.text("entry_point", &entry_point.name);
    toml.texts("types", &entry_point.types.iter().map(|its| its.name().to_owned()).collect::<Vec<_>>());
    entry_point.resource_group.iter().for_each(|group| toml.text("resource_group", group));
    hosted(toml, entry_point, own);
}

/// Where an entry point runs.
fn hosted(toml: &mut Toml, entry_point: &EntryPoint, own: Option<&str>) {
    let program = program(&entry_point.executables).filter(|program| Some(program.as_str()) != own);
    program.iter().for_each(|program| toml.text("executable", program));
    entry_point.server_name.iter().for_each(|name| toml.text("server_name", name));
    if entry_point.supports_multiple_instances {
        toml.0.push_str("supports_multiple_instances = true\n");
    }
}

/// The name a Linux build gives the program: without `.exe`, which is tried last.
fn program(executables: &[PathBuf]) -> Option<String> {
    executables.last().map(|path| path.to_string_lossy().into_owned())
}

fn argument(text: &str) -> String {
    if !text.is_empty() && !text.contains([' ', '\t', '"']) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('"', "\\\""))
}

/// What the native manifest declares otherwise.
fn compared(app: &App, toml: &str) -> Vec<String> {
    let again = match bgtask_manifest::parse("bgtask.toml", toml.as_bytes()).declare(Path::new("")) {
        Ok(again) => again,
        Err(errors) => {
            let said = |error: &Diagnostic| format!("the native manifest is refused: {}", error.message);
            return errors.iter().filter(|error| error.severity == Severity::Error).map(said).collect();
        }
    };
    let entry_points = |app: &App| -> Vec<_> {
        let runs = app.entry_points.iter().filter(|its| its.cannot_run.is_none());
        let parts = |its: &EntryPoint| {
            (
                its.name.clone(),
                its.types.clone(),
                program(&its.executables),
                its.server_name.clone(),
                its.resource_group.clone(),
            )
        };
        runs.map(parts).collect()
    };
    let classes = |app: &App| -> Vec<_> {
        let all = app.class_servers.iter().filter(|server| server.cannot_run.is_none());
        all.flat_map(|its| its.ids.iter().map(|id| (id.clone(), program(&its.executables), its.arguments.clone())))
            .collect()
    };
    let mut differences = Vec::new();
    let mut differs = |what: &str, same: bool| {
        if !same {
            differences.push(format!("the native manifest declares other {what}"));
        }
    };
    differs("names", (&app.id, &app.version, &app.display_name) == (&again.id, &again.version, &again.display_name));
    differs("entry points", entry_points(app) == entry_points(&again));
    differs("app services", app.app_services == again.app_services);
    differs("classes", classes(app) == classes(&again));
    differs("capabilities", app.capabilities == again.capabilities);
    if app.applications.len() > 1 {
        differences.push(format!("of the applications {} the first stands for all", app.applications.join(", ")));
    }
    differences
}

struct Toml(String);

impl Toml {
    fn section(&mut self, heading: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.extend([heading, "\n"]);
    }

    fn text(&mut self, key: &str, value: &str) {
        // A string of JSON is one of TOML, but for DEL, which TOML has escaped.
        let value = Value::from(value).to_string().replace('\u{7f}', "\\u007F");
        self.0.extend([key, " = ", &value, "\n"]);
    }

    fn texts(&mut self, key: &str, values: &[String]) {
        if !values.is_empty() {
            let values: Vec<_> = values.iter().map(|value| Value::from(value.as_str()).to_string()).collect();
            self.0.extend([key, " = [", &values.join(", "), "]\n"]);
        }
    }
}
