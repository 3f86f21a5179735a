//! Core values as wire values, by hand: a change of the core never changes the contract by accident.

use std::collections::HashMap;

use bgtask_core::{
    Activation, AppId, Completion, Core, Event, EventKind, Fact, GateReading, NewRegistration, Notice, Now, Outcome,
    Registration, RunOrder, SourceStatus, SystemConditionType, SystemTriggerType, Trigger, Why,
};
use bgtask_record::Record as _;
use bgtask_store::HistoryEntry;
use bgtask_wire::{
    AppInfo, BROKER_INTERFACE, BROKER_PATH, Error, ErrorKind, EventInfo, GateInfo, HistoryInfo, HostCall, InstanceInfo,
    OutcomeInfo, RegisterOptions, SourceInfo, TaskInfo, TriggerInfo, WhyInfo,
};
use zbus::message::Type as MessageType;
use zbus::{Message, Variant};

use crate::apps::Installed;

const SYSTEM_TRIGGER: &str = "SystemTrigger";

/// A registration out of the arguments of `Register`.
pub(crate) fn new_registration(
    name: String,
    entry_point: String,
    trigger: &TriggerInfo,
    conditions: &[String],
    options: &RegisterOptions,
) -> Result<NewRegistration, Error> {
    let conditions = conditions.iter().map(|name| condition(name)).collect::<Result<_, _>>()?;
    Ok(NewRegistration {
        name,
        entry_point,
        trigger: new_trigger(trigger)?,
        conditions,
        cancel_on_condition_loss: options.cancel_on_condition_loss.unwrap_or(false),
        is_network_requested: options.is_network_requested.unwrap_or(false),
    })
}

fn new_trigger(trigger: &TriggerInfo) -> Result<Trigger, Error> {
    let invalid = |text: String| Error::new(ErrorKind::InvalidArgument, text);
    if trigger.class != SYSTEM_TRIGGER {
        let text = format!("{:?} is no trigger of this version: it has {SYSTEM_TRIGGER:?}", trigger.class);
        return Err(Error::new(ErrorKind::NotSupported, text));
    }
    if let Some(unknown) = trigger.properties.keys().find(|key| !matches!(key.as_str(), "type" | "one_shot")) {
        return Err(invalid(format!("a SystemTrigger has no property {unknown:?}: it has \"type\" and \"one_shot\"")));
    }
    let kind = match trigger.properties.get("type").map(|value| &**value) {
        Some(Variant::Str(name)) => SystemTriggerType::from_name(name).ok_or_else(|| {
            let names: Vec<_> = SystemTriggerType::ALL.iter().map(|kind| kind.name()).collect();
            invalid(format!("{:?} is no SystemTriggerType: it is one of {}", name.as_str(), names.join(", ")))
        })?,
        _ => {
            return Err(invalid("a SystemTrigger needs the property \"type\", the name of a SystemTriggerType".into()));
        }
    };
    let one_shot = match trigger.properties.get("one_shot").map(|value| &**value) {
        None => false,
        Some(Variant::Bool(one_shot)) => *one_shot,
        Some(_) => return Err(invalid("the property \"one_shot\" of a SystemTrigger is a boolean".into())),
    };
    Ok(Trigger::System { kind, one_shot })
}

fn condition(name: &str) -> Result<SystemConditionType, Error> {
    SystemConditionType::from_name(name).ok_or_else(|| {
        let names: Vec<_> = SystemConditionType::ALL.iter().map(|condition| condition.name()).collect();
        let text = format!("{name:?} is no SystemConditionType: it is one of {}", names.join(", "));
        Error::new(ErrorKind::InvalidArgument, text)
    })
}

pub(super) fn task_info(registration: &Registration, activation: Option<&Activation>, why: &Why) -> TaskInfo {
    let Trigger::System { kind, one_shot } = registration.trigger;
    TaskInfo {
        id: registration.id.to_string(),
        app: registration.app.to_string(),
        name: registration.name.to_string(),
        entry_point: registration.entry_point.to_string(),
        trigger: SYSTEM_TRIGGER.to_owned(),
        trigger_type: kind.name().to_owned(),
        one_shot,
        conditions: registration.conditions.iter().map(|condition| condition.name().to_owned()).collect(),
        cancel_on_condition_loss: registration.cancel_on_condition_loss,
        is_network_requested: registration.is_network_requested,
        registered_at: registration.registered_at.as_micros(),
        phase: why.phase.to_owned(),
        instance: activation.map(|activation| activation.instance.to_string()),
        attempt: activation.map(|activation| activation.attempt),
        progress: activation.and_then(|activation| activation.state.progress()),
    }
}

pub(super) fn why_info(why: Why) -> WhyInfo {
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

pub(super) fn app_info(id: &AppId, installed: &Installed, core: &Core) -> AppInfo {
    AppInfo {
        id: id.to_string(),
        version: installed.app.version.clone(),
        manifest: installed.manifest.display().to_string(),
        entry_points: installed.app.entry_points.iter().map(|entry| entry.name.clone()).collect(),
        access: core.access(id).name().to_owned(),
    }
}

pub(super) fn source_info(fact: Fact, status: Option<&SourceStatus>, core: &Core) -> SourceInfo {
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

/// What everybody who watches hears.
pub(crate) fn event_info(event: &Event) -> EventInfo {
    EventInfo {
        at: event.at.as_micros(),
        app: event.app.to_string(),
        task: event.task.to_string(),
        name: event.name.to_string(),
        instance: event.instance.map(|instance| instance.to_string()),
        event: event.kind.word().to_owned(),
        text: event.kind.to_string(),
        detail: event.kind.to_json().to_string(),
    }
}

pub(crate) fn history_info(entry: HistoryEntry) -> HistoryInfo {
    let row = entry.row;
    let kind = serde_json::from_str(&row.detail).ok().and_then(|json| EventKind::from_json(&json).ok());
    HistoryInfo {
        sequence: entry.seq,
        at: row.wall_us,
        app: row.app,
        task: row.task,
        name: row.name,
        instance: row.instance,
        text: kind.map_or_else(|| row.event.clone(), |kind| kind.to_string()),
        event: row.event,
        detail: row.detail,
    }
}

pub(super) fn notice_message(notice: &Notice) -> zbus::Result<Message> {
    let signal = |member| Message::signal(BROKER_PATH, BROKER_INTERFACE, member);
    match notice {
        Notice::Progress { task, instance, value } => {
            signal("Progress").build(&(task.to_string(), instance.to_string(), value))
        }
        Notice::Completed(completion) => signal("Completed").build(&(
            completion.sequence,
            completion.task.to_string(),
            &*completion.name,
            completion.instance.to_string(),
            outcome_info(completion),
        )),
    }
}

fn outcome_info(completion: &Completion) -> OutcomeInfo {
    let (reason, output_tail) = match &completion.outcome {
        Outcome::Cancelled { reason, .. } => (Some(*reason), None),
        Outcome::Killed { reason, output_tail } => (Some(*reason), Some(output_tail)),
        Outcome::HostFailed { output_tail, .. } => (None, Some(output_tail)),
        Outcome::Succeeded | Outcome::TaskFailed { .. } | Outcome::Abandoned { .. } => (None, None),
    };
    OutcomeInfo {
        outcome: completion.outcome.word().to_owned(),
        ok: completion.outcome.is_ok(),
        message: match &completion.outcome {
            Outcome::TaskFailed { message } => message.clone(),
            other => other.to_string(),
        },
        reason: reason.map(|reason| reason.number()),
        progress: completion.progress,
        output_tail: output_tail.filter(|tail| !tail.is_empty()).cloned(),
        at: completion.at.as_micros(),
    }
}

/// The order to run an instance, as its host hears it.
pub(crate) fn host_call(order: &RunOrder) -> HostCall {
    let Trigger::System { kind, .. } = order.trigger;
    HostCall::Run(Box::new(InstanceInfo {
        instance: order.instance.to_string(),
        task: order.task.to_string(),
        name: order.name.to_string(),
        entry_point: order.entry_point.to_string(),
        trigger: SYSTEM_TRIGGER.to_owned(),
        trigger_type: kind.name().to_owned(),
        trigger_details: HashMap::new(),
        fired_at: order.firing.at.as_micros(),
        fired_count: order.firing.count,
        attempt: order.attempt,
    }))
}

/// What a host's reply says of its task: nothing for success, the task's own words for failure.
pub(crate) fn task_failure(reply: &Message) -> Option<String> {
    (reply.message_type() == MessageType::Error).then(|| {
        let name = reply.header().error_name().map(ToString::to_string).unwrap_or_default();
        let words: String = reply.body().deserialize().unwrap_or_default();
        if words.is_empty() { name } else { words }
    })
}

/// Why a task is where it is, for the lists too.
pub(super) fn why_of(core: &Core, registration: &Registration, now: Now) -> Why {
    core.why(registration.id, now).expect("the registration was just listed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(class: &str, properties: &[(&str, Variant<'_>)]) -> TriggerInfo {
        let owned = |value: &Variant<'_>| value.try_to_owned().expect("no descriptors");
        let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), owned(value))).collect();
        TriggerInfo { class: class.to_owned(), properties }
    }

    #[test]
    fn a_trigger_is_read_from_its_properties() {
        let given = trigger("SystemTrigger", &[("type", "TimeZoneChange".into()), ("one_shot", true.into())]);
        let wanted = Trigger::System { kind: SystemTriggerType::TimeZoneChange, one_shot: true };
        assert_eq!(new_trigger(&given), Ok(wanted));
        let short = trigger("SystemTrigger", &[("type", "UserPresent".into())]);
        assert!(matches!(new_trigger(&short), Ok(Trigger::System { one_shot: false, .. })), "one_shot may be left out");
    }

    #[test]
    fn a_trigger_that_is_wrong_is_told_what_is_right() {
        let text = |trigger: TriggerInfo| new_trigger(&trigger).expect_err("wrong").message;
        assert!(text(trigger("TimeTrigger", &[])).contains("SystemTrigger"));
        assert!(text(trigger("SystemTrigger", &[])).contains("\"type\""));
        assert!(text(trigger("SystemTrigger", &[("type", "TimeZone".into())])).contains("TimeZoneChange"));
        assert!(text(trigger("SystemTrigger", &[("type", 11u32.into())])).contains("name"));
        let flags = [("type", "UserPresent".into()), ("one_shot", "yes".into())];
        assert!(text(trigger("SystemTrigger", &flags)).contains("boolean"));
        assert!(text(trigger("SystemTrigger", &[("typ", "x".into())])).contains("\"typ\""));
        assert!(condition("Internet").is_err_and(|error| error.message.contains("InternetAvailable")));
    }
}
