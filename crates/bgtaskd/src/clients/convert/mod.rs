//! Core values as wire values, by hand: a change of the core never changes the contract by accident.

mod details;
mod host;
mod info;
mod news;
mod register;

use bgtask_core::Trigger;

pub(crate) use details::details;
pub(crate) use host::{cancel_call, run_call, task_failure};
pub(super) use info::{app_info, setting_word, source_info, task_info, why_info, why_of};
pub(super) use news::notice_message;
pub(crate) use news::{event_info, history_info};
pub(super) use register::new_registration;

/// What a trigger says of itself besides its class.
struct TriggerParts {
    /// The event of a system trigger by name; empty for the others.
    kind: &'static str,
    freshness: Option<u32>,
    event: Option<String>,
}

fn trigger_parts(trigger: &Trigger) -> TriggerParts {
    let (mut kind, mut freshness, mut event) = ("", None, None);
    match trigger {
        Trigger::System { kind: its, .. } => kind = its.name(),
        Trigger::Time { freshness: its, .. } | Trigger::Maintenance { freshness: its, .. } => freshness = Some(*its),
        Trigger::CustomSystemEvent { id, .. } => event = Some(id.to_string()),
        Trigger::Application | Trigger::MediaProcessing => {}
    }
    TriggerParts { kind, freshness, event }
}
