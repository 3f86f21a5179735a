//! What fires tasks, and what they wait for.

use super::*;

pub(super) fn triggers() -> Vec<Trigger> {
    let systems = SystemTriggerType::ALL.iter().map(|kind| Trigger::System { kind: *kind, one_shot: true });
    let events = CustomSystemEventTriggerRecurrence::ALL
        .iter()
        .map(|recurrence| Trigger::CustomSystemEvent { id: "org.example.jack".into(), recurrence: *recurrence });
    let others = [
        Trigger::Time { freshness: 15, one_shot: true },
        Trigger::Maintenance { freshness: u32::MAX, one_shot: false },
        Trigger::Application,
        Trigger::MediaProcessing,
        Trigger::DeviceUse,
    ];
    let classes = EventClass::ALL.iter().filter(|class| !LATER_CLASSES.contains(class)).copied().map(of_class);
    let service = Trigger::AppService { name: "org.example.photos.resize".into() };
    systems.chain(events).chain(others).chain(triggers_of_commands()).chain(classes).chain([service]).collect()
}

/// The classes of triggers that there were not when the files were frozen.
pub(crate) const LATER_CLASSES: [EventClass; 1] = [EventClass::BackgroundTransferCompletionGroup];

pub(crate) fn of_class(class: EventClass) -> Trigger {
    let heard = matches!(class.support(), Support::Heard { .. });
    let properties = if heard { properties() } else { Properties::new() };
    Trigger::Event { class, properties, one_shot: class.word().is_empty() }
}

pub(super) fn properties() -> Properties {
    [("ID_FS_LABEL", "BACKUP*"), ("subsystem", "block")].map(|(name, value)| (name.into(), value.into())).into()
}

pub(super) fn subjects() -> Vec<Subject> {
    triggers().iter().filter_map(Subject::of).collect()
}

pub(super) fn triggers_of_commands() -> Vec<Trigger> {
    let pace = Pace { accuracy: Duration::from_secs(60), jitter: Duration::from_micros(1), wake: false };
    let calendar = |zone: Option<&str>, catch_up| Trigger::Calendar {
        calendar: "*-*-* 03:00".into(),
        zone: zone.map(Into::into),
        catch_up,
        pace: Pace::default(),
        one_shot: false,
    };
    let mut all = vec![
        Trigger::Interval { every: Duration::from_secs(21_600), pace, one_shot: false },
        calendar(None, true),
        calendar(Some("Europe/Paris"), false),
        Trigger::Path { watch: watch(), one_shot: true },
        Trigger::SessionStart { one_shot: false },
    ];
    all.extend(conditions().into_iter().map(|condition| Trigger::Condition { condition, one_shot: true }));
    all
}

pub(super) fn watch() -> PathWatch {
    let on = PathEvents { deleted: false, ..PathEvents::default() };
    PathWatch { path: "/home/anna/no\u{301}tes".into(), recursive: true, on, settle: Duration::from_millis(500) }
}

/// The eight of Windows, one for each other fact, and their opposites.
pub(super) fn conditions() -> Vec<Condition> {
    let of_windows = SystemConditionType::ALL.iter().copied().map(Condition::System);
    let beyond = facts().into_iter().flat_map(|fact| [true, false].map(|holds| Condition::Fact { fact, holds }));
    // What is the same as a condition of Windows has its name, and not everything is a condition.
    let plain = |condition: &Condition| Condition::from_name(&condition.name()) == Some(*condition);
    of_windows.chain(beyond.filter(plain)).collect()
}

pub(super) fn facts() -> Vec<Fact> {
    let with_a_parameter = [
        Fact::BatteryAbove(50),
        Fact::Idle(Duration::from_secs(600)),
        Fact::DiskFree(10 << 30),
        Fact::LoadBelow(150),
        Fact::Between(DayWindow { from: 22 * 60, to: 6 * 60 }),
    ];
    Fact::ALL.iter().copied().chain(with_a_parameter).collect()
}
