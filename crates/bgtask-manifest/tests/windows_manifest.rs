//! `Package.appxmanifest` as it is read: MA-1 to MA-6, MAN-1 to MAN-6, and the namespaces of §13.1.

use bgtask_manifest::{Form, Manifest, Parsed, Severity, namespace, parse};
use serde_json::json;

const WINDOWS_10: &[u8] = include_bytes!("fixtures/windows10.appxmanifest");
const WINDOWS_8_0: &[u8] = include_bytes!("fixtures/windows80.appxmanifest");
const WINDOWS_8_1: &[u8] = include_bytes!("fixtures/windows81-javascript.appxmanifest");
const HOSTING: &[u8] = include_bytes!("fixtures/hosting.appxmanifest");
const ODD_PREFIXES: &[u8] = include_bytes!("fixtures/odd-prefixes.appxmanifest");

fn read(bytes: &[u8]) -> Manifest {
    let parsed = parse("Package.appxmanifest", bytes);
    assert!(!parsed.has_errors(), "{:#?}", parsed.diagnostics);
    parsed.manifest.unwrap()
}

fn codes(parsed: &Parsed) -> Vec<(Severity, &str)> {
    parsed.diagnostics.iter().map(|found| (found.severity, found.code)).collect()
}

/// MA-1, MA-4, MA-5, MA-6: every value, in document order. The file begins with a byte order mark.
#[test]
fn a_windows_10_manifest_is_read_as_written() {
    assert!(WINDOWS_10.starts_with(b"\xEF\xBB\xBF"));
    let expected = json!({
        "form": "appxmanifest",
        "package": {
            "name": "Example.Gallery",
            "publisher": "CN=Example, O=\"A & B\"",
            "version": "2.10.0.1",
            "display_name": "Gallery",
        },
        "applications": [
            {"id": "App", "executable": "$targetnametoken$.exe", "entry_point": "Gallery.App", "start_page": null},
            {"id": "Tool", "executable": "Win32\\Tool.exe", "entry_point": "Windows.FullTrustApplication", "start_page": null},
        ],
        "background_tasks": [
            {
                "application_id": "App",
                "category": "windows.backgroundTasks",
                "entry_point": "Tasks.Index",
                "executable": null,
                "start_page": null,
                "server_name": null,
                "resource_group": null,
                "supports_multiple_instances": false,
                "wall_seconds": null,
                "types": [
                    {"type": "systemEvent", "namespace": namespace::FOUNDATION},
                    {"type": "timer", "namespace": namespace::FOUNDATION},
                ],
            },
            {
                "application_id": "App",
                "category": "windows.backgroundTasks",
                "entry_point": "Tasks.Calls",
                "executable": null,
                "start_page": null,
                "server_name": "GalleryHost",
                "resource_group": null,
                "supports_multiple_instances": false,
                "wall_seconds": null,
                "types": [
                    {"type": "phoneCall", "namespace": namespace::UAP},
                    {"type": "startup", "namespace": namespace::IOT},
                ],
            },
        ],
        "com_servers": [],
        "app_services": [{
            "application_id": "App",
            "name": "com.example.gallery",
            "entry_point": "Tasks.Service",
            "executable": null,
            "server_name": "GalleryHost",
            "supports_multiple_instances": false,
            "wall_seconds": null,
            "allow": ["*"],
        }],
        "sandbox": {"read": [], "write": [], "none": false},
        "capabilities": [
            {"element": "Capability", "name": "internetClient"},
            {"element": "Capability", "name": "picturesLibrary"},
            {"element": "Capability", "name": "runFullTrust"},
            {"element": "DeviceCapability", "name": "bluetooth.rfcomm"},
        ],
    });
    assert_eq!(read(WINDOWS_10).to_json(), expected);
}

/// §13.1: prefixes are the author's choice. Foreign elements under familiar prefixes are not ours.
#[test]
fn namespaces_are_compared_by_uri() {
    assert_eq!(read(ODD_PREFIXES).to_json(), read(WINDOWS_10).to_json());
}

#[test]
fn a_windows_8_0_manifest_is_read_with_its_namespace() {
    let manifest = read(WINDOWS_8_0);
    let task = &manifest.background_tasks[0];
    assert_eq!(task.executable.as_deref(), Some("Chat.exe"));
    assert_eq!(task.application_id.as_deref(), Some("Chat.App"));
    let types: Vec<_> = task.types.iter().map(|one| (one.name.as_deref(), one.namespace.as_deref())).collect();
    let ours = Some(namespace::APPX_2010);
    assert_eq!(types, [(Some("systemEvent"), ours), (Some("controlChannel"), ours)]);
}

/// MA-3: a control channel needs Executable, so its presence there is no remark.
#[test]
fn ma_3_executable_is_remarked_only_where_windows_wants_none() {
    assert!(parse("Package.appxmanifest", WINDOWS_8_0).diagnostics.is_empty());
    let hosting = parse("Package.appxmanifest", HOSTING);
    assert_eq!(codes(&hosting), [(Severity::Note, "MA-3")]);
    assert_eq!(&hosting.text[hosting.diagnostics[0].span.clone().unwrap()], "Shared.exe");
}

/// MA-2, MAN-6, BLD-10: a JavaScript task is read, and its author told that nothing here runs it.
#[test]
fn man_6_a_javascript_task_of_windows_8_1_is_read_with_a_warning() {
    let parsed = parse("package.appxmanifest", WINDOWS_8_1);
    assert_eq!(codes(&parsed), [(Severity::Warning, "MAN-6")]);
    let manifest = parsed.manifest.unwrap();
    assert_eq!(manifest.applications[0].start_page.as_deref(), Some("default.html"));
    let task = &manifest.background_tasks[0];
    assert_eq!((task.entry_point.as_deref(), task.start_page.as_deref()), (None, Some("js\\update.js")));
    assert_eq!(task.types[0].namespace.as_deref(), Some(namespace::APPX_2013));
    assert_eq!(manifest.capabilities[0].element, "DeviceCapability");
    assert_eq!(manifest.package.display_name, None);
}

#[test]
fn a_build_token_is_kept_as_written_with_a_warning() {
    let parsed = parse("Package.appxmanifest", WINDOWS_10);
    assert_eq!(codes(&parsed), [(Severity::Warning, "manifest/token")]);
    assert_eq!(&parsed.text[parsed.diagnostics[0].span.clone().unwrap()], "$targetnametoken$.exe");
}

/// HO-5: the attribute counts on either element, by its URI. On `Application` it is about the app, not about tasks.
#[test]
fn ho_5_supports_multiple_instances_is_read_from_extension_and_background_tasks() {
    let manifest = read(HOSTING);
    let many: Vec<_> = manifest
        .background_tasks
        .iter()
        .map(|task| (task.entry_point.as_deref().unwrap(), task.supports_multiple_instances))
        .collect();
    let expected = [
        ("Tasks.OfThePackage", false),
        ("Tasks.Shared", false),
        ("Tasks.Grouped", false),
        ("Tasks.Many", true),
        ("Tasks.ManyToo", true),
    ];
    assert_eq!(many, expected);
}

/// MA-5, MAN-8, and extensions of the package itself.
#[test]
fn server_name_resource_group_and_package_extensions_are_read() {
    let manifest = read(HOSTING);
    let [of_the_package, shared, grouped, ..] = &manifest.background_tasks[..] else { panic!() };
    assert_eq!(of_the_package.application_id, None);
    assert_eq!(shared.server_name.as_deref(), Some("Shared"));
    assert_eq!(grouped.resource_group.as_deref(), Some("background"));
}

/// BLD-11, HO-3.
#[test]
fn class_id_servers_are_read_with_all_their_classes() {
    let manifest = read(HOSTING);
    let [server, other] = &manifest.com_servers[..] else { panic!() };
    assert_eq!(server.executable.as_deref(), Some("bin\\Server.exe"));
    assert_eq!(server.arguments.as_deref(), Some("-Embedding \"a b\""));
    assert_eq!(server.classes, ["87654321-1234-1234-1234-1234567890AE", "{11111111-2222-3333-4444-555555555555}"]);
    assert_eq!((other.arguments.as_deref(), other.application_id.as_deref()), (None, Some("App")));
}

#[test]
fn the_file_name_decides_the_form_and_the_text_if_it_says_nothing() {
    assert_eq!(parse("Package.appxmanifest", b"").form, Form::Appx);
    assert_eq!(parse("AppxManifest.XML", b"").form, Form::Appx);
    assert_eq!(parse("bgtask.toml", b"").form, Form::Toml);
    assert_eq!(parse("manifest", WINDOWS_10).form, Form::Appx);
    assert_eq!(parse("manifest", b"[app]").form, Form::Toml);
    let misnamed = parse("bgtask.toml", WINDOWS_10);
    assert_eq!(codes(&misnamed), [(Severity::Error, "manifest/wrong-form")]);
}

#[test]
fn a_foreign_task_element_is_pointed_out() {
    let text = String::from_utf8_lossy(WINDOWS_8_0).replace("<Task Type=\"timer\"", "");
    let text = text.replace("<Task Type=\"systemEvent\" />", "<x:Task xmlns:x=\"urn:x\" Type=\"timer\" />");
    let parsed = parse("Package.appxmanifest", text.as_bytes());
    assert_eq!(codes(&parsed), [(Severity::Warning, "manifest/foreign-task")]);
    assert_eq!(parsed.manifest.unwrap().background_tasks[0].types.len(), 1);
}

#[test]
fn other_xml_is_refused_with_the_root_it_has() {
    for other in [
        "<html/>",
        "<Package/>",
        "<Package xmlns='urn:other'/>",
        "<a:Package xmlns:a='http://schemas.microsoft.com/appx/2013/manifest'/>",
    ] {
        let parsed = parse("Package.appxmanifest", other.as_bytes());
        assert_eq!(codes(&parsed), [(Severity::Error, "manifest/not-a-package")], "{other}");
        assert!(parsed.manifest.is_none());
    }
}

/// HO-6: what an app offers to others, for whoever asks, as on Windows; without an entry point the app itself serves it.
#[test]
fn ho_6_app_services_are_read_from_their_extensions() {
    let manifest = read(HOSTING);
    let [inventory, inside] = &manifest.app_services[..] else { panic!("{:#?}", manifest.app_services) };
    assert_eq!(inventory.name.as_deref(), Some("com.example.inventory"));
    assert_eq!(inventory.entry_point.as_deref(), Some("Services.Inventory"));
    assert_eq!((inventory.application_id.as_deref(), inventory.supports_multiple_instances), (Some("App"), true));
    assert_eq!(inventory.allow, ["*"]);
    assert_eq!((inside.name.as_deref(), inside.entry_point.as_deref()), (Some("com.example.inside"), None));
}
