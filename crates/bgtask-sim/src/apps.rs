//! The apps of the simulated machine: what their manifests declare, and what vanishes from them with an update.

use bgtask_core::{App, AppId, Class, ClassId, Entry, EntryPoint, Server, Sharing, TaskType};

use crate::chance::Chance;

const NAMES: &[&str] = &["org.example.Photos", "org.example.Mail", "org.example.Notes"];
/// The application that serves the class; everything else belongs to the first one.
pub(crate) const EDITOR: &str = "Editor";
/// The custom events there are; only [`NAMES`]' first may raise one, and only the first of them.
/// What a crowd of tasks waits for.
pub(crate) const CROWD: &str = "org.example.crowd";
pub(crate) const EVENTS: &[&str] = &["org.example.jack", "org.example.plug"];
const CLASS: ClassId = ClassId::from_random(0x14c5_882b_35d3_41be_86b2_5106_269b_97e6);
/// How many different manifests an app has.
pub(crate) const VERSIONS: u64 = 4;

pub(crate) fn names() -> impl Iterator<Item = AppId> {
    NAMES.iter().map(|name| AppId::new(name).expect("it is well-formed"))
}

/// The app under which the user's own commands stand; it is always installed.
pub(crate) fn commands() -> AppId {
    AppId::new(App::COMMANDS).expect("it is well-formed")
}

/// Every app of the machine, with the commands.
pub(crate) fn every_name() -> impl Iterator<Item = AppId> {
    names().chain([commands()])
}

pub(crate) fn any_name(chance: &mut Chance) -> AppId {
    AppId::new(chance.pick(NAMES).expect("there are some")).expect("it is well-formed")
}

/// The manifest of one version. Version 1 has everything, each other one lacks something.
pub(crate) fn app(id: AppId, version: u64) -> App {
    if id.as_str() == App::COMMANDS {
        return App::of_commands();
    }
    let types = || {
        vec![
            TaskType::General,
            TaskType::SystemEvent,
            TaskType::Timer,
            TaskType::MediaProcessing,
            TaskType::PushNotification,
        ]
    };
    let entry =
        |name: &str, program: &str| EntryPoint { name: name.into(), server: server(program, ""), types: types() };
    let mut entry_points = vec![
        entry("Tasks.First", "tasks"),
        entry("Tasks.Second", "tasks"),
        entry("Tasks.Third", "group"),
        entry("Tasks.Fourth", "group"),
        entry("Tasks.Fifth", "apart"),
    ];
    if version == 3 {
        entry_points.retain(|entry| entry.name != "Tasks.Second" && entry.name != "Tasks.Fourth");
    }
    let classes = vec![Class { id: CLASS, server: server("server", EDITOR) }];
    App {
        version: version.to_string().into(),
        entry_points,
        classes: if version == 4 { vec![] } else { classes },
        itself: (version != 2).then(|| server("itself", "")),
        applications: vec![EDITOR.into()],
        services: vec![],
        commands: None,
        raises: if id.as_str() == NAMES[0] { vec![EVENTS[0].into()] } else { vec![] },
        id,
    }
}

fn server(program: &str, application: &str) -> Server {
    // One of them asks for less time than it would get.
    let budget = (program == "apart").then(|| std::time::Duration::from_secs(8));
    Server { program: program.into(), application: application.into(), sharing: sharing(program), budget }
}

/// How the processes of a program are shared: the same in every version.
pub(crate) fn sharing(program: &str) -> Sharing {
    match program {
        "group" => Sharing::Together("group".into()),
        "itself" => Sharing::Together("".into()),
        "apart" => Sharing::Apart,
        _ => Sharing::InTurn,
    }
}

pub(crate) fn any_entry(chance: &mut Chance) -> Entry {
    const DECLARED: &[&str] = &["Tasks.First", "Tasks.Second", "Tasks.Third", "Tasks.Fourth", "Tasks.Fifth"];
    match chance.below(9) {
        0 => Entry::Class(CLASS),
        1..=2 => Entry::InProcess,
        _ => Entry::Component((*chance.pick(DECLARED).expect("five")).into()),
    }
}
