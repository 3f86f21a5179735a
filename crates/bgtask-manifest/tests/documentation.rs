//! `docs/manifest.md` says what the code does.

use std::path::Path;

use bgtask_manifest::{Form, TaskType, parse};

const PAGE: &str = include_str!("../../../docs/manifest.md");

/// The fenced blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fenced = PAGE.split("```").skip(1).step_by(2);
    fenced.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

/// The words in code type of a table cell.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_example_is_sound_and_uses_every_table() {
    let [example] = blocks("toml")[..] else { panic!() };
    let parsed = parse("bgtask.toml", example.as_bytes());
    assert_eq!(parsed.diagnostics, []);
    let app = parsed.declare(Path::new("/usr/share/bgtask/apps")).unwrap();
    assert_eq!((app.form, app.entry_points.len(), app.class_servers.len()), (Form::Toml, 3, 1));
    assert_eq!(app.executables[1], Path::new("/usr/bin/photos"));
}

/// §13.2: the page lists every trigger under the types that cover it, in their order.
#[test]
fn the_table_of_types_is_that_of_the_code() {
    let table = PAGE.split("| type | triggers |\n|---|---|\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut listed = 0;
    for row in table.lines() {
        let [_, types, triggers, _] = row.split('|').collect::<Vec<_>>()[..] else { panic!("{row}") };
        for trigger in code(triggers) {
            let covering: Vec<_> = TaskType::for_trigger(trigger).unwrap().iter().map(|one| one.name()).collect();
            assert_eq!(covering, code(types), "{trigger}");
            listed += 1;
        }
    }
    assert_eq!(listed, TaskType::trigger_names().count());
}

/// The JSON of the page has the keys of the real one, no more and no fewer.
#[test]
fn the_json_has_the_keys_of_the_page() {
    let [example] = blocks("json")[..] else { panic!() };
    let page: serde_json::Value = serde_json::from_str(example).unwrap();
    let manifest = include_bytes!("fixtures/hosting.appxmanifest");
    let mut real = parse("Package.appxmanifest", manifest).manifest.unwrap();
    real.capabilities.push(bgtask_manifest::Capability::default());
    assert_eq!(shape(&page), shape(&real.to_json()));
}

/// The keys of all objects, with the first item standing for its list.
fn shape(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Object(fields) => {
            fields.iter().flat_map(|(key, value)| [vec![key.clone()], shape(value)].concat()).collect()
        }
        serde_json::Value::Array(items) => items.first().map(shape).unwrap_or_default(),
        _ => Vec::new(),
    }
}
