//! `bgtask.toml` as it is read.

use bgtask_manifest::{Diagnostic, Severity, parse};
use serde_json::json;

const PHOTOS: &[u8] = include_bytes!("fixtures/photos.toml");

fn findings(text: &str) -> Vec<Diagnostic> {
    parse("bgtask.toml", text.as_bytes()).diagnostics
}

fn only(text: &str) -> Diagnostic {
    let [found] = &findings(text)[..] else { panic!("{:#?}", findings(text)) };
    found.clone()
}

/// The model is that of the Windows form: namespaces are null, every capability is a `Capability`.
#[test]
fn a_full_manifest_is_read_as_written() {
    let parsed = parse("bgtask.toml", PHOTOS);
    assert_eq!(parsed.diagnostics, []);
    let task =
        |entry_point, executable: Option<&str>, server_name: Option<&str>, multiple, types: [Option<&str>; 2]| {
            let types: Vec<_> = types.iter().flatten().map(|name| json!({"type": name, "namespace": null})).collect();
            json!({
                "application_id": "org.example.Photos",
                "category": "windows.backgroundTasks",
                "entry_point": entry_point,
                "executable": executable,
                "start_page": null,
                "server_name": server_name,
                "resource_group": null,
                "supports_multiple_instances": multiple,
                "wall_seconds": null,
                "types": types,
            })
        };
    let upload = Some("../../../libexec/photos-upload");
    let expected = json!({
        "form": "toml",
        "package": {"name": "org.example.Photos", "publisher": "Example", "version": "1.4.0", "display_name": "Photos"},
        "applications": [{"id": "org.example.Photos", "executable": "photos", "entry_point": null, "start_page": null}],
        "background_tasks": [
            task("Tasks.Thumbnails", None, None, false, [Some("systemEvent"), Some("timer")]),
            task("Tasks.Upload", upload, Some("Uploader"), false, [Some("general"), Some("pushNotification")]),
            task("Tasks.Import", None, None, true, [Some("deviceUse"), None]),
        ],
        "com_servers": [{
            "application_id": "org.example.Photos",
            "executable": "/opt/photos/photos-server",
            "arguments": "--serve \"two words\"",
            "wall_seconds": null,
            "classes": ["87654321-1234-1234-1234-1234567890AE"],
        }],
        "app_services": [{
            "application_id": "org.example.Photos",
            "name": "org.example.photos.resize",
            "entry_point": "Services.Resize",
            "executable": null,
            "server_name": null,
            "supports_multiple_instances": false,
            "wall_seconds": 60,
            "allow": ["org.example.Mail"],
        }],
        "sandbox": {"read": [], "write": [], "none": false},
        "capabilities": [
            {"element": "Capability", "name": "internetClient"},
            {"element": "Capability", "name": "picturesLibrary"},
        ],
    });
    assert_eq!(parsed.manifest.unwrap().to_json(), expected);
}

#[test]
fn the_smallest_manifest_has_an_id_and_a_version() {
    assert_eq!(findings("app = { id = \"org.example.A\", version = \"1\" }"), []);
}

#[test]
fn an_unknown_key_is_an_error_with_a_suggestion() {
    let base = "[app]\nid = \"org.example.A\"\nversion = \"1\"\n";
    let cases = [
        ("[[tasks]]\n", "tasks", "did you mean \"task\"?"),
        ("excutable = \"a\"\n", "excutable", "did you mean \"executable\"?"),
        (
            "colour = \"a\"\n",
            "colour",
            "its keys are id, version, executable, publisher, display_name, capabilities, raises",
        ),
    ];
    for (added, key, help) in cases {
        let text = format!("{base}{added}");
        let found = only(&text);
        assert_eq!((found.severity, found.code), (Severity::Error, "manifest/unknown-key"));
        assert_eq!(&text[found.span.unwrap()], key);
        assert_eq!(found.help.as_deref(), Some(help));
    }
}

#[test]
fn a_value_of_the_wrong_type_is_an_error_at_the_value() {
    let cases = [
        ("[app]\nid = 7\nversion = \"1\"", "7", "it must be a string"),
        ("app = 7", "7", "it must be a table: [app]"),
        ("task = 7\n[app]\nid = \"org.example.A\"\nversion = \"1\"", "7", "it must be a list of tables: [[task]]"),
        ("class = [7]\n[app]\nid = \"org.example.A\"\nversion = \"1\"", "7", "it must be a list of tables: [[class]]"),
        ("[app]\nid = \"org.example.A\"\nversion = \"1\"\ncapabilities = [7]", "7", "it must be a list of strings"),
        (
            "[app]\nid = \"org.example.A\"\nversion = \"1\"\ncapabilities = \"x\"",
            "\"x\"",
            "it must be a list of strings",
        ),
    ];
    for (text, place, help) in cases {
        let all = findings(text);
        let found = all.iter().find(|found| found.code == "manifest/wrong-type").unwrap();
        assert_eq!(&text[found.span.clone().unwrap()], place, "{text}");
        assert_eq!(found.help.as_deref(), Some(help), "{text}");
    }
}

/// D10: a manifest may ask for less time; less than a second, or more than a day, is a mistake.
#[test]
fn a_task_and_a_class_may_ask_for_less_time() {
    let manifest = |seconds: &str| {
        format!(
            "[app]\nid = \"org.example.A\"\nversion = \"1\"\nexecutable = \"a\"\n\
             [[task]]\nentry_point = \"T\"\ntypes = [\"timer\"]\nwall_seconds = {seconds}\n\
             [[class]]\nid = \"87654321-1234-1234-1234-1234567890ae\"\nexecutable = \"/a\"\nwall_seconds = 0x0a\n"
        )
    };
    let app = parse("bgtask.toml", manifest("5").as_bytes()).declare(std::path::Path::new("/")).unwrap();
    let seconds = |seconds| Some(std::time::Duration::from_secs(seconds));
    assert_eq!((app.entry_points[0].wall, app.class_servers[0].wall), (seconds(5), seconds(10)));
    for wrong in ["0", "-1", "86401", "9223372036854775808"] {
        let text = manifest(wrong);
        let found = only(&text);
        assert_eq!((found.severity, found.code, &text[found.span.unwrap()]), (Severity::Error, "D10", wrong));
    }
    let found = only(&manifest("\"5\""));
    assert_eq!(found.help.as_deref(), Some("it must be a whole number"));
}

#[test]
fn a_single_table_where_a_list_is_meant_is_explained() {
    let text = "[app]\nid = \"org.example.A\"\nversion = \"1\"\n[task]\nentry_point = \"T\"\ntypes = [\"timer\"]\n";
    let found = only(text);
    assert_eq!(found.message, "task holds a table");
    assert_eq!(found.help.as_deref(), Some("it must be a list of tables: [[task]]"));
}

#[test]
fn a_manifest_says_which_app_it_is_of() {
    assert_eq!(only("").code, "manifest/app-id");
    assert_eq!(only("[app]\nversion = \"1\"").code, "manifest/app-id");
    assert_eq!(only("[app]\nid = \"org.example.A\"").code, "manifest/version");
    let short = only("[app]\nid = \"photos\"\nversion = \"1\"");
    assert_eq!((short.severity, short.code), (Severity::Warning, "manifest/app-id"));
}

#[test]
fn broken_toml_is_reported_at_its_place() {
    let text = "[app]\nid = \"org.example.A\nversion = \"1\"\n";
    let found = only(text);
    assert_eq!((found.severity, found.code), (Severity::Error, "manifest/malformed"));
    assert!(text[..found.span.unwrap().start].starts_with("[app]\nid = "));
}
