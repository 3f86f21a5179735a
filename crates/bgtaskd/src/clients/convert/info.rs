//! What clients ask to see.

use bgtask_core::{
    AccessSetting, AppId, Core, CustomSystemEventTriggerRecurrence, Entry, Fact, GateReading, Now, Registration,
    SourceStatus, Trigger, Why,
};
use bgtask_wire::{AppInfo, GateInfo, SourceInfo, TaskInfo, WhyInfo};

use super::trigger_parts;
use crate::apps::Installed;

const JUST_LISTED: &str = "the registration was just listed";

pub(in crate::clients) fn task_info(core: &Core, registration: &Registration) -> TaskInfo {
    let activation = core.task(registration.id).and_then(|(_, activation)| activation);
    let parts = trigger_parts(&registration.trigger);
    let recurrence = match &registration.trigger {
        Trigger::CustomSystemEvent { recurrence, .. } => Some(*recurrence),
        _ => None,
    };
    let group = registration.group.as_ref();
    TaskInfo {
        id: registration.id.to_string(),
        app: registration.app.to_string(),
        name: registration.name.to_string(),
        entry_point: entry_point(&registration.entry),
        class_id: class_id(&registration.entry),
        group: group.map(|group| group.id.to_string()),
        group_name: group.map(|group| group.name.to_string()),
        trigger: registration.trigger.class().to_owned(),
        trigger_type: parts.kind.to_owned(),
        freshness: parts.freshness,
        due: registration.due.map(|due| due.as_micros()),
        event_id: parts.event,
        recurrence: recurrence.map(CustomSystemEventTriggerRecurrence::name).map(str::to_owned),
        one_shot: registration.trigger.one_shot(),
        conditions: registration.conditions.iter().map(|condition| condition.name().to_owned()).collect(),
        cancel_on_condition_loss: registration.cancel_on_condition_loss,
        is_network_requested: registration.is_network_requested,
        registered_at: registration.registered_at.as_micros(),
        phase: core.phase(registration.id).expect(JUST_LISTED).to_owned(),
        instance: activation.map(|activation| activation.instance.to_string()),
        attempt: activation.map(|activation| activation.attempt),
        progress: activation.and_then(|activation| activation.state.progress()),
    }
}

/// The entry point on the wire: empty for the app itself and for a class.
pub(super) fn entry_point(entry: &Entry) -> String {
    match entry {
        Entry::Component(name) => name.to_string(),
        Entry::Class(_) | Entry::InProcess => String::new(),
    }
}

pub(super) fn class_id(entry: &Entry) -> Option<String> {
    match entry {
        Entry::Class(class) => Some(class.to_string()),
        Entry::Component(_) | Entry::InProcess => None,
    }
}

pub(in crate::clients) fn why_info(why: Why) -> WhyInfo {
    let gate = |gate: GateReading| GateInfo {
        name: gate.name,
        open: gate.open,
        value: gate.value,
        since: gate.since.map(|since| since.as_micros()),
        source: gate.source,
    };
    WhyInfo {
        sentence: why.sentence,
        phase: why.phase.to_owned(),
        since: why.since.map(|since| since.as_micros()),
        gates: why.gates.into_iter().map(gate).collect(),
    }
}

/// Why a task is where it is.
pub(in crate::clients) fn why_of(core: &Core, registration: &Registration, now: Now) -> Why {
    core.why(registration.id, now).expect(JUST_LISTED)
}

pub(in crate::clients) fn app_info(id: &AppId, installed: &Installed, core: &Core) -> AppInfo {
    let policy = core.policy_of(id);
    AppInfo {
        id: id.to_string(),
        version: installed.app.version.clone(),
        manifest: installed.manifest.display().to_string(),
        entry_points: installed.app.entry_points.iter().map(|entry| entry.name.clone()).collect(),
        applications: installed.app.applications.clone(),
        access: core.access(id).name().to_owned(),
        decided_by: core.access_decided_by(id),
        setting: core.access_setting(id).map(setting_word).map(str::to_owned),
        policy: policy.map(|entry| entry.rule.name().to_owned()),
        policy_file: policy.map(|entry| entry.file.to_string()),
    }
}

/// What the user decided, in the word of the contract.
pub(in crate::clients) const fn setting_word(setting: AccessSetting) -> &'static str {
    match setting {
        AccessSetting::Always => "always",
        AccessSetting::Managed => "managed",
        AccessSetting::Never => "never",
    }
}

pub(in crate::clients) fn source_info(fact: Fact, status: Option<&SourceStatus>, core: &Core) -> SourceInfo {
    let (word, how, why, help) = match status {
        None => ("starting", None, None, None),
        Some(SourceStatus::Available { how }) => ("available", Some(how), None, None),
        Some(SourceStatus::Degraded { how, why, help }) => ("degraded", Some(how), Some(why), Some(help)),
        Some(SourceStatus::Missing { why, help }) => ("missing", None, Some(why), Some(help)),
    };
    let level = core.levels().get(fact).map(|(value, _)| value.to_string());
    SourceInfo {
        name: fact.name().to_owned(),
        status: word.to_owned(),
        how: how.cloned(),
        why: why.cloned(),
        help: help.cloned(),
        value: if fact == Fact::TimeZone { core.zone().map(|zone| zone.identity.clone()) } else { level },
    }
}
