//! The rules of a manifest, one test for each, and every bound hit.

use bgtask_manifest::{
    Diagnostic, MAX_ALLOWED_CALLERS, MAX_APP_ID_BYTES, MAX_APP_SERVICES, MAX_ENTRY_POINT_BYTES, MAX_EVENT_ID_BYTES,
    MAX_LISTED, MAX_SERVER_NAME_CHARS, MAX_TYPES_PER_TASK, MAX_VALUE_BYTES, Severity, parse,
};

/// What is found in a Windows manifest with these extensions.
fn appx(extensions: &str) -> Vec<Diagnostic> {
    let text = format!(
        "<Package xmlns='http://schemas.microsoft.com/appx/manifest/foundation/windows10' \
         xmlns:uap4='http://schemas.microsoft.com/appx/manifest/uap/windows10/4' \
         xmlns:com='http://schemas.microsoft.com/appx/manifest/com/windows10'>\
         <Identity Name='Example.App' Publisher='CN=Example' Version='1.0.0.0'/>\
         <Applications><Application Id='App' Executable='App.exe'>\
         <Extensions>{extensions}</Extensions></Application></Applications></Package>"
    );
    parse("Package.appxmanifest", text.as_bytes()).diagnostics
}

/// What is found in a native manifest with these lines after a sound `[app]`.
fn toml(lines: &str) -> Vec<Diagnostic> {
    let text = format!("[app]\nid = \"org.example.App\"\nversion = \"1.0\"\nexecutable = \"app\"\n{lines}");
    parse("bgtask.toml", text.as_bytes()).diagnostics
}

fn task(lines: &str) -> Vec<Diagnostic> {
    toml(&format!("[[task]]\n{lines}"))
}

#[track_caller]
fn expect(findings: &[Diagnostic], severity: Severity, code: &str, words: &str) {
    let [found] = findings else { panic!("not one finding: {findings:#?}") };
    assert_eq!((found.severity, found.code), (severity, code), "{found}");
    assert!(found.to_string().contains(words), "{found}");
    assert!(found.span.is_some(), "{found} has no place");
}

#[test]
fn ma_2_a_task_has_an_entry_point_or_a_start_page() {
    let none = appx(
        "<Extension Category='windows.backgroundTasks'><BackgroundTasks><Task Type='timer'/></BackgroundTasks></Extension>",
    );
    expect(&none, Severity::Error, "MA-2", "no EntryPoint or StartPage");
    expect(&task("types = [\"timer\"]"), Severity::Error, "MA-2", "add entry_point");
    expect(&task("entry_point = \"\"\ntypes = [\"timer\"]"), Severity::Error, "MA-2", "no entry_point");
}

#[test]
fn ma_4_a_task_declares_1_to_17_types() {
    let with = |count: usize| task(&format!("entry_point = \"T\"\ntypes = [{}]", "\"timer\",".repeat(count)));
    expect(&with(0), Severity::Error, "MA-4", "0 task types");
    assert_eq!(with(1), []);
    assert_eq!(with(MAX_TYPES_PER_TASK), []);
    expect(&with(MAX_TYPES_PER_TASK + 1), Severity::Error, "MA-4", "18 task types");
    expect(&task("entry_point = \"T\""), Severity::Error, "MA-4", "0 task types");
    let childless = appx("<Extension Category='windows.backgroundTasks' EntryPoint='T'/>");
    expect(&childless, Severity::Error, "MA-4", "add <Task Type=\"systemEvent\" />");
}

#[test]
fn ma_1_a_task_element_has_a_type() {
    let found = appx(
        "<Extension Category='windows.backgroundTasks' EntryPoint='T'><BackgroundTasks><Task/></BackgroundTasks></Extension>",
    );
    expect(&found, Severity::Error, "MA-1", "no Type");
}

#[test]
fn man_1_an_unknown_type_is_a_warning_with_a_suggestion() {
    expect(
        &task("entry_point = \"T\"\ntypes = [\"SystemEvent\"]"),
        Severity::Warning,
        "MAN-1",
        "did you mean \"systemEvent\"?",
    );
    expect(
        &task("entry_point = \"T\"\ntypes = [\"holiday\"]"),
        Severity::Warning,
        "MAN-1",
        "the types are systemEvent, timer",
    );
}

#[test]
fn a_type_of_another_namespace_is_remarked() {
    let found = appx(
        "<Extension Category='windows.backgroundTasks' EntryPoint='T'><BackgroundTasks><Task Type='phoneCall'/></BackgroundTasks></Extension>",
    );
    expect(&found, Severity::Note, "manifest/type-namespace", "write uap:Task");
}

#[test]
fn ma_5_a_server_name_is_1_to_255_letters_and_digits_with_a_letter_first() {
    let named = |name: &str| task(&format!("entry_point = \"T\"\ntypes = [\"timer\"]\nserver_name = \"{name}\""));
    assert_eq!(named("a"), []);
    assert_eq!(named("VoipHost2"), []);
    assert_eq!(named(&"a".repeat(MAX_SERVER_NAME_CHARS)), []);
    for wrong in ["", "2fast", "a b", "a.b", "ä", &"a".repeat(MAX_SERVER_NAME_CHARS + 1)] {
        expect(&named(wrong), Severity::Error, "MA-5", "1 to 255 letters and digits");
    }
}

#[test]
fn ho_5_a_process_for_every_firing_excludes_a_shared_one() {
    let multiple = "entry_point = \"T\"\ntypes = [\"timer\"]\nsupports_multiple_instances = true\n";
    assert_eq!(task(multiple), []);
    for shared in ["server_name = \"S\"", "resource_group = \"g\""] {
        expect(&task(&format!("{multiple}{shared}")), Severity::Error, "HO-5", "excludes");
    }
    let found = appx(
        "<Extension Category='windows.backgroundTasks' EntryPoint='T' uap4:SupportsMultipleInstances='true'>\
         <BackgroundTasks ServerName='S'><Task Type='timer'/></BackgroundTasks></Extension>",
    );
    expect(&found, Severity::Error, "HO-5", "ServerName and ResourceGroup");
}

#[test]
fn ho_5_a_flag_is_an_xml_boolean() {
    let with = |value: &str| {
        appx(&format!(
            "<Extension Category='windows.backgroundTasks' EntryPoint='T' uap4:SupportsMultipleInstances='{value}'>\
             <BackgroundTasks><Task Type='timer'/></BackgroundTasks></Extension>"
        ))
    };
    for sound in ["true", "false", "1", "0"] {
        assert_eq!(with(sound), []);
    }
    expect(&with("yes"), Severity::Warning, "HO-5", "neither true nor false");
}

#[test]
fn an_entry_point_declared_twice_is_a_warning() {
    let one = "[[task]]\nentry_point = \"T\"\ntypes = [\"timer\"]\n";
    expect(&toml(&one.repeat(2)), Severity::Warning, "MA-4", "\"T\" is declared more than once");
}

#[test]
fn a_task_without_any_program_is_a_warning() {
    let text = "[app]\nid = \"org.example.App\"\nversion = \"1\"\n[[task]]\nentry_point = \"T\"\ntypes = [\"timer\"]\n";
    let found = parse("bgtask.toml", text.as_bytes()).diagnostics;
    expect(&found, Severity::Warning, "manifest/no-program", "add executable to [app]");
}

#[test]
fn bld_11_a_class_id_server_has_a_program_and_uuids() {
    let class = |id: &str| toml(&format!("[[class]]\nid = \"{id}\"\nexecutable = \"server\"\n"));
    assert_eq!(class("87654321-1234-1234-1234-1234567890aE"), []);
    assert_eq!(class("{87654321-1234-1234-1234-1234567890ae}"), []);
    for wrong in
        ["", "87654321", "87654321-1234-1234-1234-1234567890ag", "87654321-1234-1234-1234-1234567890ae-", "-----"]
    {
        expect(&class(wrong), Severity::Error, "BLD-11", "write a UUID");
    }
    expect(&toml("[[class]]\nexecutable = \"server\"\n"), Severity::Error, "BLD-11", "no id");
    let id = "id = \"87654321-1234-1234-1234-1234567890ae\"";
    expect(&toml(&format!("[[class]]\n{id}\n")), Severity::Error, "BLD-11", "no executable");
    let empty = appx(
        "<com:Extension Category='windows.comServer'><com:ComServer><com:ExeServer Executable='a.exe'/></com:ComServer></com:Extension>",
    );
    expect(&empty, Severity::Error, "BLD-11", "no Class element");
}

#[test]
fn a_program_outside_the_package_is_refused() {
    for outside in [r"..\a.exe", r"C:\a.exe", "/bin/sh"] {
        let found = appx(&format!(
            "<Extension Category='windows.backgroundTasks' EntryPoint='T' Executable='{outside}'>\
             <BackgroundTasks><Task Type='pushNotification'/></BackgroundTasks></Extension>"
        ));
        expect(&found, Severity::Error, "manifest/executable", "leads out of the package");
    }
    let empty = task("entry_point = \"T\"\ntypes = [\"timer\"]\nexecutable = \"\"");
    expect(&empty, Severity::Error, "manifest/executable", "is empty");
}

#[test]
fn ma_6_a_capability_without_a_name_grants_nothing() {
    let text = "[app]\nid = \"org.example.App\"\nversion = \"1\"\ncapabilities = [\"\"]\n";
    expect(&parse("bgtask.toml", text.as_bytes()).diagnostics, Severity::Warning, "MA-6", "grants nothing");
}

/// SYS-6
#[test]
fn an_event_is_1_to_255_bytes_that_can_be_shown() {
    let raises = |event: &str| toml(&format!("raises = [{event:?}]\n"));
    assert_eq!(raises(&"x".repeat(MAX_EVENT_ID_BYTES)), []);
    for wrong in ["", "a\nb", &"x".repeat(MAX_EVENT_ID_BYTES + 1)] {
        expect(&raises(wrong), Severity::Error, "manifest/raises", "1 to 255 bytes");
    }
    expect(&toml("raises = \"a\"\n"), Severity::Error, "manifest/wrong-type", "a list of strings");
    let many = |count: usize| toml(&format!("raises = [{}]\n", "\"a\",".repeat(count)));
    assert_eq!(many(MAX_LISTED), []);
    expect(&many(MAX_LISTED + 1), Severity::Error, "manifest/too-many", "513 events");
}

#[test]
fn an_app_id_is_a_bounded_file_name() {
    let with =
        |id: &str| parse("bgtask.toml", format!("[app]\nid = \"{id}\"\nversion = \"1\"\n").as_bytes()).diagnostics;
    assert_eq!(with("org.example.Photos_2-beta"), []);
    let longest = format!("a.{}", "b".repeat(MAX_APP_ID_BYTES - 2));
    assert_eq!(with(&longest), []);
    for wrong in ["", ".", ".hidden", "a.", "a/b", "a b", "ä.b", &format!("{longest}b")] {
        expect(&with(wrong), Severity::Error, "manifest/app-id", "is no app id");
    }
}

#[test]
fn a_version_is_one_to_four_numbers() {
    let with = |version: &str| {
        parse("bgtask.toml", format!("[app]\nid = \"a.b\"\nversion = \"{version}\"\n").as_bytes()).diagnostics
    };
    for sound in ["1", "1.0", "2024.10.3", "1.2.3.65535"] {
        assert_eq!(with(sound), []);
    }
    for wrong in ["", "1.", "v1", "1.2.3.4.5", "+1", "-1", "1.0-beta", "99999999999"] {
        expect(&with(wrong), Severity::Error, "manifest/version", "1 to 4 numbers");
    }
}

#[test]
fn an_appx_manifest_without_identity_is_refused() {
    let text = "<Package xmlns='http://schemas.microsoft.com/appx/2010/manifest'/>";
    let found = parse("Package.appxmanifest", text.as_bytes()).diagnostics;
    assert_eq!(found.iter().map(|found| found.code).collect::<Vec<_>>(), ["manifest/app-id", "manifest/version"]);
}

#[test]
fn values_are_bounded() {
    let entry_point = |length: usize| task(&format!("entry_point = \"{}\"\ntypes = [\"timer\"]", "e".repeat(length)));
    assert_eq!(entry_point(MAX_ENTRY_POINT_BYTES), []);
    expect(&entry_point(MAX_ENTRY_POINT_BYTES + 1), Severity::Error, "manifest/too-long", "255 bytes");
    for key in ["executable", "resource_group"] {
        let value = |length: usize| {
            task(&format!("entry_point = \"T\"\ntypes = [\"timer\"]\n{key} = \"{}\"", "v".repeat(length)))
        };
        assert_eq!(value(MAX_VALUE_BYTES), []);
        expect(&value(MAX_VALUE_BYTES + 1), Severity::Error, "manifest/too-long", "4096 bytes");
    }
}

#[test]
fn lists_are_bounded() {
    let tasks = |count: usize| {
        let tasks: String =
            (0..count).map(|n| format!("[[task]]\nentry_point = \"T{n}\"\ntypes = [\"timer\"]\n")).collect();
        toml(&tasks)
    };
    assert_eq!(tasks(MAX_LISTED), []);
    expect(&tasks(MAX_LISTED + 1), Severity::Error, "manifest/too-many", "lists 513 tasks");
}

#[test]
fn ho_6_an_app_service_has_a_name_of_its_own_and_names_apps() {
    let service = |lines: &str| toml(&format!("[[app_service]]\n{lines}"));
    assert_eq!(service("name = \"a.resize\""), []);
    expect(&service("entry_point = \"S\""), Severity::Error, "HO-6", "this app service has no name");
    for name in ["", "a b", ".a", &"a".repeat(256)] {
        expect(&service(&format!("name = {name:?}")), Severity::Error, "HO-6", "no name of an app service");
    }
    expect(
        &service("name = \"a\"\nentry_point = \"\""),
        Severity::Error,
        "HO-6",
        "entry point of this app service is empty",
    );
    expect(&service("name = \"a\"\nallow = [\"*\", \"a/b\"]"), Severity::Error, "HO-6", "no app that could be allowed");
    let twice = service("name = \"a\"\n[[app_service]]\nname = \"a\"");
    expect(&twice, Severity::Error, "HO-6", "declared more than once");
    let both = service("name = \"a\"\nserver_name = \"S\"\nsupports_multiple_instances = true");
    expect(&both, Severity::Error, "HO-5", "excludes a process that is shared");
}

#[test]
fn app_services_and_those_they_allow_are_bounded() {
    let services = |count: usize| (0..count).map(|n| format!("[[app_service]]\nname = \"a{n}\"\n")).collect::<String>();
    assert_eq!(toml(&services(MAX_APP_SERVICES)), []);
    let [found] = &toml(&services(MAX_APP_SERVICES + 1))[..] else { panic!("not one finding") };
    assert!(found.to_string().contains("65 app services"), "{found}");
    let allowing =
        |count: usize| toml(&format!("[[app_service]]\nname = \"a\"\nallow = [{}]", "\"a.b\",".repeat(count)));
    assert_eq!(allowing(MAX_ALLOWED_CALLERS), []);
    let [found] = &allowing(MAX_ALLOWED_CALLERS + 1)[..] else { panic!("not one finding") };
    assert!(found.to_string().contains("65 apps that one service allows"), "{found}");
}
