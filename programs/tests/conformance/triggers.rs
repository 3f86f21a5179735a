//! `docs/triggers.md` says of every trigger and condition what the code says, and names tests that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use bgtask_core::{Condition, EventClass, Fact, Support, SystemConditionType, SystemTriggerType};
use bgtask_sources::Subject;
use bgtask_taskfile::catalog;

use crate::sources::{Test, tests_of_repository};
use crate::table::read_coverage;

/// The classes of Windows that do not listen to events.
const OTHERS: [&str; 7] = [
    "ApplicationTrigger",
    "CustomSystemEventTrigger",
    "DeviceUseTrigger",
    "MaintenanceTrigger",
    "MediaProcessingTrigger",
    "SystemTrigger",
    "TimeTrigger",
];

/// Those that have no name on Windows.
const BEYOND: [EventClass; 4] = [
    EventClass::DBusSignal,
    EventClass::UnitState,
    EventClass::BackgroundTransferCompletionGroup,
    EventClass::ControlChannel,
];

/// Words of triggers that only commands have.
const OF_COMMANDS: [&str; 4] = ["every", "at", "path", "session-start"];

/// A table: under which headings it stands, and its rows without the header.
struct Table {
    section: String,
    part: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

struct Page(Vec<Table>);

impl Page {
    fn open() -> Self {
        Self::read(&fs::read_to_string(root().join("docs/triggers.md")).expect("docs/triggers.md is there"))
    }

    fn read(text: &str) -> Self {
        let mut tables: Vec<Table> = Vec::new();
        let (mut section, mut part, mut inside) = (String::new(), String::new(), false);
        for line in text.lines() {
            let Some(row) = line.strip_prefix('|').and_then(|row| row.strip_suffix('|')) else {
                inside = false;
                if let Some(heading) = line.strip_prefix("## ") {
                    (section, part) = (heading.to_owned(), String::new());
                } else if let Some(heading) = line.strip_prefix("### ") {
                    part = heading.to_owned();
                }
                continue;
            };
            let cells: Vec<String> = row.split('|').map(|cell| cell.trim().to_owned()).collect();
            if !inside {
                let (section, part) = (section.clone(), part.clone());
                tables.push(Table { section, part, header: cells, rows: Vec::new() });
            } else if let Some(table) = tables.last_mut().filter(|_| !cells.iter().all(|cell| cell.starts_with("---")))
            {
                assert_eq!(cells.len(), table.header.len(), "a bar too many or too few: {line}");
                table.rows.push(cells);
            }
            inside = true;
        }
        Self(tables)
    }

    /// The rows under a heading whose table begins with that column, by their first cell without its backticks.
    fn rows(&self, section: &str, column: &str) -> Vec<&Vec<String>> {
        let its = |table: &&Table| table.section == section && table.header[0] == column;
        self.0.iter().filter(its).flat_map(|table| &table.rows).collect()
    }

    /// What is said of a class that listens, by the names in the first column.
    fn listens(&self, word: &str) -> Option<BTreeMap<&str, &str>> {
        let its = |table: &&Table| table.section == "What is listened to" && table.part == word;
        let table = self.0.iter().find(its)?;
        Some(table.rows.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect())
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository")
}

fn bare(cell: &str) -> &str {
    cell.trim_matches('`')
}

fn names(rows: &[&Vec<String>]) -> Vec<String> {
    rows.iter().map(|row| bare(&row[0]).to_owned()).collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> BTreeSet<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_class_is_there_with_its_word_and_its_sentence() {
    let page = Page::open();
    let rows = page.rows("The classes", "class");
    let (of_windows, beyond) = rows.split_at(rows.len() - BEYOND.len());
    assert_eq!(of_windows.len(), 54);
    assert!(names(of_windows).is_sorted(), "in the order of the alphabet");
    assert_eq!(names(beyond), BEYOND.map(EventClass::name));
    let told: BTreeSet<_> = names(&rows).into_iter().collect();
    let known = EventClass::ALL.iter().map(|class| class.name()).chain(OTHERS);
    assert_eq!(told, known.map(str::to_owned).collect());
    for row in rows {
        let Some(class) = EventClass::from_name(bare(&row[0])) else { continue };
        match class.support() {
            Support::Heard { .. } => {
                assert_eq!(row[1..], [format!("`{}`", class.word()), format!("[yes](#{})", class.word())], "{class}");
            }
            Support::Never { why, help } => assert_eq!(row[1..], ["-".to_owned(), format!("no: {why}; {help}")]),
        }
    }
}

#[test]
fn every_class_that_listens_is_told_with_its_properties() {
    let page = Page::open();
    for class in EventClass::ALL {
        let Support::Heard { properties } = class.support() else { continue };
        let told = page.listens(class.word()).unwrap_or_else(|| panic!("{class} has no section {}", class.word()));
        let rows = ["properties", "told by", "fields", "while no broker ran", "covered by"];
        assert_eq!(told.keys().copied().collect::<BTreeSet<_>>(), rows.into(), "{class}");
        let quoted = quoted(told["properties"]);
        for name in properties.iter().filter(|name| **name != "*") {
            assert!(quoted.contains(name), "{class}: the property {name} is missing");
        }
        let says_capitals = told["properties"].contains("any name in capitals");
        assert_eq!(says_capitals, properties.contains(&"*"), "{class}: whether any name in capitals is one");
        assert_eq!(told["properties"] == "none", properties.is_empty(), "{class}");
    }
    let words: BTreeSet<_> = EventClass::ALL.iter().map(|class| class.word()).collect();
    let parts = page.0.iter().filter(|table| table.section == "What is listened to").map(|table| table.part.as_str());
    assert!(parts.filter(|part| !part.is_empty()).all(|part| words.contains(part)), "a section of no class");
}

/// The classes that listen, each with the names of its properties.
fn listening() -> impl Iterator<Item = (EventClass, &'static [&'static str])> {
    EventClass::ALL.iter().filter_map(|class| match class.support() {
        Support::Heard { properties } => Some((*class, properties)),
        Support::Never { .. } => None,
    })
}

/// The core refuses what the source of a class does not know, and nothing that it does.
#[test]
fn every_property_is_one_that_its_source_reads() {
    // What is handed over or held by its app needs no source, what is pushed comes by a channel, and transfers are the broker's own.
    let sourceless = [
        EventClass::SocketActivity,
        EventClass::ControlChannel,
        EventClass::PushNotification,
        EventClass::BackgroundTransferCompletionGroup,
    ];
    let with_source = listening().filter(|(class, _)| !sourceless.contains(class));
    let wrong: Vec<_> = with_source
        .filter_map(|(class, properties)| {
            let refused = Subject::read(class.name(), &BTreeMap::from([("no such".to_owned(), String::new())]));
            let refused = refused.expect_err("nobody has such a property");
            let names = refused.rsplit_once("write one of ").or(refused.rsplit_once("takes "));
            let names = names.map_or(&*refused, |(_, names)| names).split(", ").map(bare);
            // Whose notifications are meant, the broker says.
            let read: BTreeSet<_> =
                names.filter(|name| !["a name in capitals", "app", "none"].contains(name)).collect();
            let known: BTreeSet<_> = properties.iter().copied().filter(|name| *name != "*").collect();
            (read != known).then(|| format!("{class}: the core knows {known:?}, and its source says {refused:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A field that no source has would be a promise that nobody keeps.
#[test]
fn every_field_is_one_that_a_source_tells() {
    let mut code = String::new();
    read_sources(&root().join("crates/bgtask-sources/src"), &mut code);
    code.push_str(include_str!("../../../crates/bgtaskd/src/push.rs"));
    code.push_str(include_str!("../../../crates/bgtaskd/src/transfers/groups.rs"));
    let page = Page::open();
    let untold: Vec<_> = listening()
        .flat_map(|(class, _)| {
            let fields = page.listens(class.word()).expect("a test above says that it is there")["fields"];
            let is_told = |name: &&str| code.contains(&format!("\"{name}\""));
            quoted(fields).into_iter().filter(move |name| !is_told(name)).map(move |name| format!("{class}: {name}"))
        })
        .collect();
    assert!(untold.is_empty(), "no source says {}", untold.join(", "));
}

fn read_sources(folder: &Path, code: &mut String) {
    for entry in fs::read_dir(folder).expect("it is readable") {
        let path = entry.expect("it is readable").path();
        if path.is_dir() {
            read_sources(&path, code);
        } else {
            code.push_str(&fs::read_to_string(&path).expect("it is a text"));
        }
    }
}

#[test]
fn every_system_trigger_is_there_with_its_word_and_its_fact() {
    let page = Page::open();
    let rows = page.rows("The system triggers", "type");
    assert_eq!(names(&rows), SystemTriggerType::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>());
    for (row, kind) in rows.iter().zip(SystemTriggerType::ALL) {
        let listed = catalog::triggers().iter().find(|entry| entry.windows == Some(kind.name()));
        assert_eq!(bare(&row[1]), listed.expect("the catalog has them all").word);
        if let Some(fact) = Fact::of_trigger(*kind) {
            assert_eq!(row[3], format!("`{fact}`"), "{kind}");
        }
    }
}

#[test]
fn every_condition_is_there_with_its_word_and_its_fact() {
    let page = Page::open();
    let rows = page.rows("The conditions", "condition");
    assert_eq!(names(&rows), SystemConditionType::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>());
    for (row, kind) in rows.iter().zip(SystemConditionType::ALL) {
        assert_eq!(bare(&row[1]), Condition::System(*kind).word());
        assert_eq!(row[3], format!("`{}`", Fact::of_condition(*kind)), "{kind}");
    }
    let text = fs::read_to_string(root().join("docs/triggers.md")).expect("it is there");
    for entry in catalog::conditions().iter().filter(|entry| entry.windows.is_none()) {
        assert!(text.contains(&format!("`{}`", entry.form)), "nothing is said of {}", entry.form);
    }
}

#[test]
fn every_fact_is_there() {
    let page = Page::open();
    let rows = page.rows("What they stand on", "fact");
    let told: BTreeSet<_> = names(&rows).into_iter().map(|name| name.split(':').next().unwrap().to_owned()).collect();
    let plain = Fact::ALL.iter().map(|fact| fact.name().into_owned());
    let of_conditions = catalog::conditions().iter().filter(|entry| entry.takes_value() && entry.word != "not");
    assert_eq!(told, plain.chain(of_conditions.map(|entry| entry.word.to_owned())).collect());
    for row in rows {
        let fact = Fact::from_name(bare(&row[0]));
        let is_state = fact.is_some_and(Fact::is_state);
        assert_eq!(row[1].starts_with("state"), is_state, "{} is a state, or a level", row[0]);
    }
}

#[test]
fn the_others_are_there() {
    let page = Page::open();
    let classes: BTreeSet<_> = names(&page.rows("The others of Windows", "class")).into_iter().collect();
    assert_eq!(classes, OTHERS.iter().filter(|name| **name != "SystemTrigger").map(|it| (*it).to_owned()).collect());
    assert_eq!(names(&page.rows("The others of Windows", "word")), OF_COMMANDS);
    for word in OF_COMMANDS {
        assert!(catalog::triggers().iter().any(|entry| entry.word == word), "{word}");
    }
}

#[test]
fn every_test_that_it_names_is_there() {
    let tests = tests_of_repository(root());
    let wrong: Vec<_> = coverage(&Page::open()).filter_map(|(of, cell)| missing(&tests, &of, &cell)).collect();
    assert!(wrong.is_empty(), "docs/triggers.md is not in order:\n  {}\n", wrong.join("\n  "));
}

/// Every cell that names tests, and what it is about.
fn coverage(page: &Page) -> impl Iterator<Item = (String, String)> {
    page.0.iter().flat_map(|table| {
        let column = table.header.iter().position(|name| name == "covered by");
        table.rows.iter().filter_map(move |row| match column {
            Some(column) => Some((row[0].clone(), row[column].clone())),
            None => (row[0] == "covered by").then(|| (table.part.clone(), row[1].clone())),
        })
    })
}

fn missing(tests: &BTreeMap<String, Vec<Test>>, of: &str, cell: &str) -> Option<String> {
    let (on_systems, cell): (Vec<_>, Vec<_>) = cell.split(';').map(str::trim).partition(|it| it.starts_with(SYSTEM));
    let cases = on_systems.iter().flat_map(|group| group[SYSTEM.len()..].split(',').map(str::trim));
    let absent = |case: &&str| !root().join(format!("tests/system/cases/{case}.sh")).is_file();
    if let Some(case) = cases.clone().find(absent) {
        return Some(format!("{of} names the case {case} of tests/system, which is not there"));
    }
    if cell.is_empty() && cases.count() > 0 {
        return None;
    }
    match read_coverage(&cell.join("; ")) {
        Err(wrong) => Some(format!("{of}: {wrong}")),
        Ok((named, open)) => {
            if named.is_empty() && open.is_none() {
                return Some(format!("{of}: no test holds it: name one, or say `open:` and what is missing"));
            }
            let is_there = |(folder, name): &&(String, String)| {
                tests.get(folder).is_some_and(|tests| tests.iter().any(|test| test.name == *name))
            };
            let (folder, name) = named.iter().find(|it| !is_there(it))?;
            Some(format!("{of} names the test {folder}: {name}, which is not there"))
        }
    }
}

/// What begins the names of cases that run on a whole system, with its real daemons.
const SYSTEM: &str = "system:";

#[test]
fn a_test_that_is_not_there_is_told() {
    let tests = BTreeMap::from([("a".to_owned(), vec![Test { name: "it_runs".into(), cites: BTreeSet::new() }])]);
    assert_eq!(missing(&tests, "x", "a: it_runs"), None);
    assert_eq!(missing(&tests, "x", "open: all of it"), None);
    assert_eq!(missing(&tests, "x", "a: it_hums").as_deref(), Some("x names the test a: it_hums, which is not there"));
    assert!(missing(&tests, "x", "-").unwrap().contains("no test holds it"));
    assert!(missing(&tests, "x", "").unwrap().contains("is empty"));
    assert_eq!(missing(&tests, "x", "a: it_runs; system: 20-time-zone, 30-internet"), None);
    assert_eq!(missing(&tests, "x", "system: 20-time-zone"), None);
    assert!(missing(&tests, "x", "a: it_runs; system: 99-nothing").unwrap().contains("99-nothing"));
}
