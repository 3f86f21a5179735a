//! `bgtask.toml` to the model.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Findings, quoted};
use crate::model::{
    AppService, Application, BACKGROUND_TASKS, BackgroundTask, Capability, ComServer, DeclaredType, Form, Manifest,
    Package, Sandbox,
};
use crate::places::{Field, Places, Section};
use crate::suggest::did_you_mean;

const TOP: &[&str] = &["app", "task", "class", "app_service", "sandbox"];
const SANDBOX: &[&str] = &["read", "write", "none"];
const APP: &[&str] = &["id", "version", "executable", "publisher", "display_name", "capabilities", "raises"];
const TASK: &[&str] = &[
    "entry_point",
    "executable",
    "types",
    "server_name",
    "resource_group",
    "supports_multiple_instances",
    "wall_seconds",
];
const CLASS: &[&str] = &["id", "executable", "arguments", "wall_seconds"];
const APP_SERVICE: &[&str] =
    &["name", "entry_point", "executable", "allow", "server_name", "supports_multiple_instances", "wall_seconds"];

/// The model of a text; `None` if it is no TOML, which is then among the findings.
pub(crate) fn read(text: &str, findings: &mut Findings, places: &mut Places) -> Option<Manifest> {
    let document = match DeTable::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let message = format!("the manifest is not well-formed TOML: {}", error.message());
            let help = "correct the text at this place; nothing after it was read";
            findings.push(Diagnostic::error("manifest/malformed", message).help(help).at(error.span()));
            return None;
        }
    };
    let mut reader = Reader { findings, places };
    let top = Table { name: "the manifest", keys: document.get_ref(), span: 0..0 };
    Some(reader.manifest(&top))
}

struct Reader<'a> {
    findings: &'a mut Findings,
    places: &'a mut Places,
}

/// One table of the text and what to call it in a message.
struct Table<'a> {
    name: &'static str,
    keys: &'a DeTable<'a>,
    span: Range<usize>,
}

/// A field that may be there, with the place of its value.
type Found<T> = Option<(T, Range<usize>)>;

impl Reader<'_> {
    fn manifest(&mut self, top: &Table<'_>) -> Manifest {
        self.only_known_keys(top, TOP);
        let app = self.app_table(top);
        let (package, application) = app.as_ref().map(|app| self.app(app)).unwrap_or_default();
        let capabilities = app.as_ref().map(|app| self.capabilities(app)).unwrap_or_default();
        let raises = app.as_ref().map(|app| self.raises(app)).unwrap_or_default();
        let id = application.id.clone();
        let tasks = self.tables(top, "task", "[[task]]");
        let classes = self.tables(top, "class", "[[class]]");
        let services = self.tables(top, "app_service", "[[app_service]]");
        Manifest {
            form: Form::Toml,
            package,
            applications: app.is_some().then_some(application).into_iter().collect(),
            background_tasks: tasks.iter().enumerate().map(|(i, table)| self.task(i, table, &id)).collect(),
            com_servers: classes.iter().enumerate().map(|(i, table)| self.class(i, table, &id)).collect(),
            app_services: services.iter().enumerate().map(|(i, table)| self.app_service(i, table, &id)).collect(),
            capabilities,
            raises,
            sandbox: self.sandbox(top),
        }
    }

    fn sandbox(&mut self, top: &Table<'_>) -> Sandbox {
        let Some(value) = top.keys.get("sandbox") else { return Sandbox::default() };
        let DeValue::Table(keys) = value.get_ref() else {
            self.wrong_type("sandbox", "a table: [sandbox]", value.get_ref(), value.span());
            return Sandbox::default();
        };
        let table = Table { name: "[sandbox]", keys, span: value.span() };
        self.only_known_keys(&table, SANDBOX);
        let mut index = 0;
        let mut folders = |key| {
            let mut folders = Vec::new();
            for (folder, span) in self.texts(&table, key) {
                self.places.set(Section::Folder, index, Field::Whole, span);
                index += 1;
                folders.push(folder);
            }
            folders
        };
        let (read, write) = (folders("read"), folders("write"));
        Sandbox { read, write, none: self.flag(&table, "none").is_some_and(|(none, _)| none) }
    }

    fn app_table<'a>(&mut self, top: &Table<'a>) -> Option<Table<'a>> {
        let Some(value) = top.keys.get("app") else {
            let help = "add [app] with id and version";
            self.findings.push(Diagnostic::error("manifest/app-id", "the manifest has no [app] table").help(help));
            return None;
        };
        match value.get_ref() {
            DeValue::Table(keys) => Some(Table { name: "[app]", keys, span: value.span() }),
            other => {
                self.wrong_type("app", "a table: [app]", other, value.span());
                None
            }
        }
    }

    fn app(&mut self, table: &Table<'_>) -> (Package, Application) {
        self.only_known_keys(table, APP);
        self.places.set(Section::Package, 0, Field::Whole, table.span.clone());
        self.places.set(Section::Application, 0, Field::Whole, table.span.clone());
        let package = Package {
            name: self.field(table, "id", Section::Package, 0, "name"),
            publisher: self.field(table, "publisher", Section::Package, 0, "publisher"),
            version: self.field(table, "version", Section::Package, 0, "version"),
            display_name: self.field(table, "display_name", Section::Package, 0, "display_name"),
        };
        let executable = self.field(table, "executable", Section::Application, 0, "executable");
        (package.clone(), Application { id: package.name, executable, ..Application::default() })
    }

    fn capabilities(&mut self, table: &Table<'_>) -> Vec<Capability> {
        let mut capabilities = Vec::new();
        for (name, span) in self.texts(table, "capabilities") {
            self.places.set(Section::Capability, capabilities.len(), Field::Whole, span);
            capabilities.push(Capability { element: "Capability".to_owned(), name: Some(name) });
        }
        capabilities
    }

    fn raises(&mut self, table: &Table<'_>) -> Vec<String> {
        let mut events = Vec::new();
        for (event, span) in self.texts(table, "raises") {
            self.places.set(Section::Event, events.len(), Field::Whole, span);
            events.push(event);
        }
        events
    }

    fn task(&mut self, index: usize, table: &Table<'_>, application_id: &Option<String>) -> BackgroundTask {
        self.only_known_keys(table, TASK);
        self.places.set(Section::Task, index, Field::Whole, table.span.clone());
        let mut field = |key| self.field(table, key, Section::Task, index, key);
        let mut task = BackgroundTask {
            application_id: application_id.clone(),
            category: BACKGROUND_TASKS.to_owned(),
            entry_point: field("entry_point"),
            executable: field("executable"),
            start_page: None,
            server_name: field("server_name"),
            resource_group: field("resource_group"),
            supports_multiple_instances: false,
            wall_seconds: self.wall_seconds(table, Section::Task, index),
            types: Vec::new(),
        };
        task.supports_multiple_instances = self.multiple_instances(table, Section::Task, index);
        for (name, span) in self.texts(table, "types") {
            self.places.set(Section::Task, index, Field::Item(task.types.len()), span);
            task.types.push(DeclaredType { name: Some(name), namespace: None });
        }
        task
    }

    fn app_service(&mut self, index: usize, table: &Table<'_>, application_id: &Option<String>) -> AppService {
        const SECTION: Section = Section::AppService;
        self.only_known_keys(table, APP_SERVICE);
        self.places.set(SECTION, index, Field::Whole, table.span.clone());
        let mut field = |key| self.field(table, key, SECTION, index, key);
        let (name, entry_point) = (field("name"), field("entry_point"));
        let (executable, server_name) = (field("executable"), field("server_name"));
        let mut allow = Vec::new();
        for (app, span) in self.texts(table, "allow") {
            self.places.set(SECTION, index, Field::Item(allow.len()), span);
            allow.push(app);
        }
        AppService {
            application_id: application_id.clone(),
            name,
            entry_point,
            executable,
            server_name,
            supports_multiple_instances: self.multiple_instances(table, SECTION, index),
            wall_seconds: self.wall_seconds(table, SECTION, index),
            allow,
        }
    }

    fn multiple_instances(&mut self, table: &Table<'_>, section: Section, index: usize) -> bool {
        const KEY: &str = "supports_multiple_instances";
        let Some((multiple, span)) = self.flag(table, KEY) else { return false };
        self.places.set(section, index, Field::Named(KEY), span);
        multiple
    }

    fn class(&mut self, index: usize, table: &Table<'_>, application_id: &Option<String>) -> ComServer {
        self.only_known_keys(table, CLASS);
        self.places.set(Section::Server, index, Field::Whole, table.span.clone());
        let id = self.text(table, "id");
        if let Some((_, span)) = &id {
            self.places.set(Section::Server, index, Field::Item(0), span.clone());
        }
        ComServer {
            application_id: application_id.clone(),
            executable: self.field(table, "executable", Section::Server, index, "executable"),
            arguments: self.field(table, "arguments", Section::Server, index, "arguments"),
            wall_seconds: self.wall_seconds(table, Section::Server, index),
            classes: id.into_iter().map(|(id, _)| id).collect(),
        }
    }

    fn only_known_keys(&mut self, table: &Table<'_>, known: &[&'static str]) {
        let mut unknown: Vec<_> = table.keys.keys().filter(|key| !known.contains(&&**key.get_ref())).collect();
        unknown.sort_by_key(|key| key.span().start);
        for key in unknown {
            let message = format!("{} has no key {}", table.name, quoted(key.get_ref()));
            let advice = did_you_mean(key.get_ref(), known.iter().copied());
            let help = advice.unwrap_or_else(|| format!("its keys are {}", known.join(", ")));
            self.findings.push(Diagnostic::error("manifest/unknown-key", message).help(help).at(Some(key.span())));
        }
    }

    fn tables<'a>(&mut self, top: &Table<'a>, key: &'static str, name: &'static str) -> Vec<Table<'a>> {
        let Some(value) = top.keys.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(key, &format!("a list of tables: {name}"), value.get_ref(), value.span());
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(keys) => tables.push(Table { name, keys, span: item.span() }),
                other => self.wrong_type(key, &format!("a list of tables: {name}"), other, item.span()),
            }
        }
        tables
    }

    fn field(
        &mut self,
        table: &Table<'_>,
        key: &str,
        section: Section,
        index: usize,
        field: &'static str,
    ) -> Option<String> {
        let (text, span) = self.text(table, key)?;
        self.places.set(section, index, Field::Named(field), span);
        Some(text)
    }

    fn text(&mut self, table: &Table<'_>, key: &str) -> Found<String> {
        let value = table.keys.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some((text.clone().into_owned(), value.span())),
            other => {
                self.wrong_type(key, "a string", other, value.span());
                None
            }
        }
    }

    fn flag(&mut self, table: &Table<'_>, key: &str) -> Found<bool> {
        let value = table.keys.get(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some((*flag, value.span())),
            other => {
                self.wrong_type(key, "true or false", other, value.span());
                None
            }
        }
    }

    fn wall_seconds(&mut self, table: &Table<'_>, section: Section, index: usize) -> Option<i64> {
        const KEY: &str = "wall_seconds";
        let value = table.keys.get(KEY)?;
        let seconds = match value.get_ref() {
            // One that does not fit is as wrong as any other that is too long.
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(i64::MAX),
            other => {
                self.wrong_type(KEY, "a whole number", other, value.span());
                return None;
            }
        };
        self.places.set(section, index, Field::Named(KEY), value.span());
        Some(seconds)
    }

    fn texts(&mut self, table: &Table<'_>, key: &str) -> Vec<(String, Range<usize>)> {
        let Some(value) = table.keys.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(key, "a list of strings", value.get_ref(), value.span());
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::String(text) => texts.push((text.clone().into_owned(), item.span())),
                other => self.wrong_type(key, "a list of strings", other, item.span()),
            }
        }
        texts
    }

    fn wrong_type(&mut self, key: &str, wanted: &str, found: &DeValue<'_>, span: Range<usize>) {
        let found = match found {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let message = format!("{key} holds {found}");
        let error = Diagnostic::error("manifest/wrong-type", message);
        self.findings.push(error.help(format!("it must be {wanted}")).at(Some(span)));
    }
}
