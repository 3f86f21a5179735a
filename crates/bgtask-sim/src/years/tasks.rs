//! The periodic tasks of the years: four kinds of trigger with all their settings.

use std::time::Duration;

use bgtask_core::{App, AppId, Command, Entry, EntryPoint, NewRegistration, Pace, Server, Sharing, TaskType, Trigger};

use crate::chance::Chance;

/// The longest interval there is for all of them.
const LONGEST: Duration = Duration::from_secs(29 * 86_400);
/// Who has the timers and the maintenance.
pub(super) const APPS: [&str; 3] = ["org.example.Mail", "org.example.Photos", "org.example.Music"];
/// Expressions with times that are left out and come twice.
const CALENDARS: [&str; 8] =
    ["02:30", "Mon..Fri 09:00", "*-*-01 00:00", "Sun 02:00", "30 2 * * *", "0 3 13 * 5", "Sat *-*~1..7 18:00", "03:00"];
/// Zones with their days on which clocks are set, and one without.
const ZONES: [&str; 3] = ["Europe/Berlin", "America/New_York", "UTC"];

/// One of many, with the app it is for.
pub(super) fn periodic(number: usize, shortest: Duration, chance: &mut Chance) -> (AppId, NewRegistration) {
    let name = format!("task{number}");
    let freshness = || interval(shortest.max(Duration::from_secs(900)), number);
    let minutes = u32::try_from(freshness().as_secs() / 60).unwrap_or(u32::MAX);
    let trigger = match number % 6 {
        0 | 1 => Trigger::Time { freshness: minutes, one_shot: false },
        2 => Trigger::Maintenance { freshness: minutes, one_shot: false },
        3 | 4 => {
            let every = interval(shortest, number * 31) + chance.millis(999);
            let accuracy = every / u32::try_from(2 + chance.below(20)).unwrap_or(2);
            let accuracy = if chance.percent(50) { accuracy.min(Duration::from_secs(3_600)) } else { Duration::ZERO };
            Trigger::Interval {
                every,
                pace: Pace { accuracy, wake: number % 12 == 3, ..Pace::default() },
                one_shot: false,
            }
        }
        _ => Trigger::Calendar {
            calendar: (*chance.pick(&CALENDARS).expect("some")).into(),
            zone: chance.percent(60).then(|| (*chance.pick(&ZONES).expect("some")).into()),
            catch_up: chance.percent(50),
            pace: Pace { accuracy: chance.millis(600_000), ..Pace::default() },
            one_shot: false,
        },
    };
    let of_app = number % 6 <= 2;
    let app = if of_app { APPS[number % APPS.len()] } else { App::COMMANDS };
    let entry =
        if of_app { Entry::Component("Tasks.Work".into()) } else { Entry::Command(Command::new(["true"]).into()) };
    let new = NewRegistration {
        name,
        entry,
        trigger,
        conditions: Vec::new(),
        cancel_on_condition_loss: false,
        is_network_requested: false,
        group: None,
    };
    (AppId::new(app).expect("an id"), new)
}

/// An interval, each order of magnitude as often as the others: the number decides, as a seed would by chance.
fn interval(shortest: Duration, number: usize) -> Duration {
    let steps = 97;
    let part = f64::from(u32::try_from(number * 7 % steps).unwrap_or(0)) / f64::from(u32::try_from(steps).unwrap_or(1));
    let ratio = LONGEST.as_secs_f64() / shortest.as_secs_f64();
    Duration::from_secs((shortest.as_secs_f64() * ratio.powf(part)) as u64)
}

/// An app with a program for its tasks.
pub(super) fn app(name: &str) -> App {
    let server = Server { program: "tasks".into(), application: "".into(), sharing: Sharing::InTurn, budget: None };
    let types = vec![TaskType::Timer, TaskType::SystemEvent];
    App {
        id: AppId::new(name).expect("an id"),
        version: "1".into(),
        entry_points: vec![EntryPoint { name: "Tasks.Work".into(), server, types }],
        classes: Vec::new(),
        itself: None,
        applications: Vec::new(),
        raises: Vec::new(),
        services: vec![],
        commands: None,
    }
}
