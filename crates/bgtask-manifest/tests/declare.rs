//! From a manifest to what the broker needs: programs, entry points, and the lines that are missing.

use std::path::{Path, PathBuf};

use bgtask_manifest::{App, Form, NotDeclared, TaskType, declare, lines_to_add, parse};

const PHOTOS: &[u8] = include_bytes!("fixtures/photos.toml");
const WINDOWS_10: &[u8] = include_bytes!("fixtures/windows10.appxmanifest");
const WINDOWS_8_1: &[u8] = include_bytes!("fixtures/windows81-javascript.appxmanifest");
const HOSTING: &[u8] = include_bytes!("fixtures/hosting.appxmanifest");

fn app(file_name: &str, bytes: &[u8], base: &str) -> App {
    declare(&parse(file_name, bytes).manifest.unwrap(), Path::new(base)).unwrap()
}

fn paths(written: &[&str]) -> Vec<PathBuf> {
    written.iter().map(PathBuf::from).collect()
}

#[test]
fn an_installed_native_manifest_finds_programs_beside_it_and_in_its_prefix() {
    let app = app("bgtask.toml", PHOTOS, "/usr/share/bgtask/apps");
    assert_eq!((app.id.as_str(), app.version.as_str()), ("org.example.Photos", "1.4.0"));
    assert_eq!(app.executables, paths(&["/usr/share/bgtask/apps/photos", "/usr/bin/photos"]));
    assert_eq!(app.entry_point("Tasks.Thumbnails").unwrap().executables, app.executables);
    let upload = app.entry_point("Tasks.Upload").unwrap();
    assert_eq!(upload.executables, paths(&["/usr/share/bgtask/apps/../../../libexec/photos-upload"]));
    assert_eq!(upload.server_name.as_deref(), Some("Uploader"));
    assert_eq!(upload.types, [TaskType::General, TaskType::PushNotification]);
    assert_eq!(app.capabilities, ["internetClient", "picturesLibrary"]);
    assert_eq!(app.raises, ["org.example.photos-changed"]);
    assert_eq!(app.applications, ["org.example.Photos"], "the one application of the native form");
    assert_eq!(upload.application, None, "which is the first");
}

/// ACC-15: each entry point and class is of the application it stands under; under the package, of the first.
#[test]
fn an_app_has_the_applications_of_its_manifest() {
    let text = r#"<Package xmlns="http://schemas.microsoft.com/appx/manifest/foundation/windows10"
            xmlns:com="http://schemas.microsoft.com/appx/manifest/com/windows10">
        <Identity Name="Example.Two" Publisher="CN=Example" Version="1.0.0.0" />
        <Extensions>
          <Extension Category="windows.backgroundTasks" EntryPoint="Tasks.OfThePackage"><BackgroundTasks><Task Type="timer" /></BackgroundTasks></Extension>
        </Extensions>
        <Applications>
          <Application Id="First" Executable="First.exe" />
          <Application Id="Second" Executable="Second.exe"><Extensions>
            <Extension Category="windows.backgroundTasks" EntryPoint="Tasks.Two"><BackgroundTasks><Task Type="timer" /></BackgroundTasks></Extension>
            <com:Extension Category="windows.comServer"><com:ComServer><com:ExeServer Executable="$(Token).exe">
              <com:Class Id="87654321-1234-1234-1234-1234567890AE" />
            </com:ExeServer></com:ComServer></com:Extension>
          </Extensions></Application>
          <Application Executable="Nameless.exe" />
          <Application Id="Second" Executable="Again.exe" />
        </Applications>
      </Package>"#;
    let app = app("Package.appxmanifest", text.as_bytes(), "/b");
    assert_eq!(app.applications, ["First", "Second"]);
    let of = |name: &str| app.entry_point(name).unwrap().application.clone();
    assert_eq!((of("Tasks.OfThePackage"), of("Tasks.Two")), (None, Some("Second".to_owned())));
    let [server] = &app.class_servers[..] else { panic!() };
    assert_eq!(server.application.as_deref(), Some("Second"));
    assert!(server.cannot_run.as_deref().is_some_and(|why| why.contains("token")), "D16: {:?}", server.cannot_run);
}

/// BLD-11: ids are compared without regard to case and braces.
#[test]
fn a_class_id_leads_to_its_program_and_arguments() {
    let app = app("bgtask.toml", PHOTOS, "/b");
    let server = app.class_server("{87654321-1234-1234-1234-1234567890ae}").unwrap();
    assert_eq!(server.executables, paths(&["/opt/photos/photos-server"]));
    assert_eq!(server.arguments, ["--serve", "two words"]);
    assert!(app.class_server("00000000-0000-0000-0000-000000000000").is_none());
    assert!(app.class_server("nonsense").is_none());
}

/// Windows hosts such tasks in a program of its own; here the application's program does, unless the task names one.
#[test]
fn a_windows_task_is_hosted_by_its_application() {
    let app = app("Package.appxmanifest", HOSTING, "/opt/h");
    let files = |name: &str| app.entry_point(name).unwrap().executables.clone();
    assert_eq!(files("Tasks.Grouped"), paths(&["/opt/h/Hosting.exe", "/opt/h/Hosting"]));
    assert_eq!(files("Tasks.Shared"), paths(&["/opt/h/Shared.exe", "/opt/h/Shared"]));
    assert_eq!(files("Tasks.OfThePackage"), files("Tasks.Grouped"));
    let server = app.class_server("11111111-2222-3333-4444-555555555555").unwrap();
    assert_eq!(server.executables, paths(&["/opt/h/bin/Server.exe", "/opt/h/bin/Server"]));
    assert_eq!(server.arguments, ["-Embedding", "a b"]);
}

#[test]
fn the_target_name_token_stands_for_the_package_name() {
    let app = app("Package.appxmanifest", WINDOWS_10, "/b");
    assert_eq!(app.id, "Example.Gallery");
    assert_eq!(
        app.entry_point("Tasks.Index").unwrap().executables,
        paths(&["/b/Example.Gallery.exe", "/b/Example.Gallery"])
    );
}

/// BLD-10, MAN-6.
#[test]
fn a_javascript_task_says_why_it_cannot_run() {
    let app = app("Package.appxmanifest", WINDOWS_8_1, "/b");
    let page = app.require("js\\update.js", "DeviceServicingTrigger").unwrap();
    assert!(page.executables.is_empty());
    assert!(page.cannot_run.as_deref().unwrap().contains("JavaScript"));
}

#[test]
fn another_token_says_why_it_cannot_run() {
    let text = String::from_utf8_lossy(WINDOWS_10).replace("$targetnametoken$.exe", "$(AssemblyName).exe");
    let app = app("Package.appxmanifest", text.as_bytes(), "/b");
    let why = app.entry_point("Tasks.Index").unwrap().cannot_run.clone().unwrap();
    assert!(why.contains("\"$(AssemblyName).exe\" holds a token"), "{why}");
}

#[test]
fn an_entry_point_declared_twice_has_the_types_of_both() {
    let text = "app = { id = \"a.b\", version = \"1\", executable = \"a\" }\n\
                [[task]]\nentry_point = \"T\"\ntypes = [\"timer\", \"nonsense\"]\n\
                [[task]]\nentry_point = \"T\"\ntypes = [\"general\", \"timer\"]\nexecutable = \"b\"\n";
    let app = app("bgtask.toml", text.as_bytes(), "/b");
    let [only] = &app.entry_points[..] else { panic!() };
    assert_eq!(only.types, [TaskType::Timer, TaskType::General]);
    assert_eq!(only.executables, paths(&["/b/a"]));
}

#[test]
fn errors_keep_a_manifest_from_being_declared() {
    let manifest = parse("bgtask.toml", b"[app]\nid = \"a/b\"\nversion = \"x\"").manifest.unwrap();
    let errors = declare(&manifest, Path::new("/b")).unwrap_err();
    assert_eq!(errors.iter().map(|found| found.code).collect::<Vec<_>>(), ["manifest/app-id", "manifest/version"]);
    let manifest = parse("bgtask.toml", b"").manifest.unwrap();
    assert_eq!(declare(&manifest, Path::new("/b")).unwrap_err().len(), 1);
}

/// MA-1, MAN-3: the entry point is compared exactly.
#[test]
fn ma_1_an_undeclared_entry_point_is_refused_with_the_lines_to_add() {
    let app = app("bgtask.toml", PHOTOS, "/b");
    let error = app.require("tasks.thumbnails", "MaintenanceTrigger").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the manifest of org.example.Photos does not declare the entry point \"tasks.thumbnails\"; add to it:\n\
         [[task]]\nentry_point = \"tasks.thumbnails\"\ntypes = [\"systemEvent\"]\n"
    );
}

/// MAN-3.
#[test]
fn man_3_a_missing_type_is_refused_with_the_line_to_change() {
    let app = app("bgtask.toml", PHOTOS, "/b");
    assert!(app.require("Tasks.Upload", "ApplicationTrigger").is_ok(), "general covers it");
    let error = app.require("Tasks.Upload", "TimeTrigger").unwrap_err();
    let NotDeclared::Type { add, .. } = &error else { panic!("{error}") };
    assert_eq!(add, "types = [\"general\", \"pushNotification\", \"timer\"]\n");
}

#[test]
fn an_unknown_trigger_is_refused_by_name() {
    let app = app("bgtask.toml", PHOTOS, "/b");
    let error = app.require("Tasks.Upload", "TeaTrigger").unwrap_err();
    assert!(error.to_string().starts_with("no trigger is named \"TeaTrigger\""));
}

/// The lines are in the manifest's own form, and adding them is enough.
#[test]
fn the_lines_to_add_make_the_manifest_sound() {
    let name = "Tasks.\"<&>'\\";
    let toml =
        format!("{}\n{}", String::from_utf8_lossy(PHOTOS), lines_to_add(Form::Toml, name, None, TaskType::Timer));
    assert!(app("bgtask.toml", toml.as_bytes(), "/b").require(name, "TimeTrigger").is_ok());

    for missing in TaskType::ALL {
        let extension = lines_to_add(Form::Appx, name, None, missing);
        let text = String::from_utf8_lossy(HOSTING).replacen("</Extensions>", &format!("{extension}</Extensions>"), 1);
        let parsed = parse("Package.appxmanifest", text.as_bytes());
        assert!(parsed.diagnostics.iter().all(|found| found.code == "MA-3"), "{:#?}", parsed.diagnostics);
        let app = declare(&parsed.manifest.unwrap(), Path::new("/b")).unwrap();
        assert_eq!(app.entry_point(name).unwrap().types, [missing]);
    }
}

#[test]
fn a_missing_type_of_another_namespace_brings_its_namespace() {
    let line = lines_to_add(Form::Appx, "T", Some(&[TaskType::Timer]), TaskType::PhoneCall);
    let expected =
        "<uap:Task xmlns:uap=\"http://schemas.microsoft.com/appx/manifest/uap/windows10\" Type=\"phoneCall\" />\n";
    assert_eq!(line, expected);
}

/// HO-6: an app service leads to the entry point that serves it, which has the program of its application and no type:
/// nothing can be registered with it.
#[test]
fn ho_6_an_app_service_has_an_entry_point_and_says_who_may_connect() {
    let text = "[app]\nid = \"org.example.A\"\nversion = \"1\"\nexecutable = \"a\"\n\
                [[task]]\nentry_point = \"Tasks.Sync\"\ntypes = [\"timer\"]\nexecutable = \"sync\"\n\
                [[app_service]]\nname = \"a.resize\"\nentry_point = \"Services.Resize\"\nallow = [\"org.example.B\"]\n\
                [[app_service]]\nname = \"a.sync\"\nentry_point = \"Tasks.Sync\"\nallow = [\"*\"]\n\
                [[app_service]]\nname = \"a.inside\"\n";
    let app = parse("bgtask.toml", text.as_bytes()).declare(Path::new("/opt/a")).unwrap();
    let [resize, sync, inside] = &app.app_services[..] else { panic!("{:#?}", app.app_services) };
    assert_eq!((resize.name.as_str(), resize.entry_point.as_deref()), ("a.resize", Some("Services.Resize")));
    assert_eq!((&resize.allow[..], resize.allow_all), (&["org.example.B".to_owned()][..], false));
    assert_eq!((sync.allow.len(), sync.allow_all), (0, true));
    assert_eq!((inside.entry_point.as_deref(), inside.allow_all), (None, false), "the app itself, for itself");

    let served = app.entry_point("Services.Resize").unwrap();
    assert_eq!((&served.types[..], &served.executables[..]), (&[][..], &[Path::new("/opt/a/a").to_owned()][..]));
    assert!(app.require("Services.Resize", "TimeTrigger").is_err());
    assert_eq!(app.entry_point("Tasks.Sync").unwrap().executables, [Path::new("/opt/a/sync")], "that of the task");
}
