//! What the core decided, as an answer.

use bgtask_core::{Refusal, Reply, Update};
use bgtask_wire::{Call, Error, ErrorKind};
use zbus::Message;

use super::answered;
use crate::apps::Apps;

/// The reply to a request the core has granted.
pub(crate) fn reply(decided: &Reply, message: &Message) -> Result<Message, Error> {
    match decided {
        Reply::Registered(task) => answered(message, &task.to_string()),
        Reply::Updated(task, update) => answered(message, &(task.to_string(), update_word(*update))),
        Reply::Access(status) if message.header().member().is_some_and(|member| member == "RequestAccess") => {
            answered(message, &status.number())
        }
        Reply::Approved(approved) => answered(message, approved),
        Reply::Terminated(count) | Reply::Raised(count) => answered(message, count),
        Reply::Activated(result, why) => answered(message, &(result.number(), why)),
        Reply::Access(_) | Reply::Unregistered | Reply::Set | Reply::Acknowledged => answered(message, &()),
    }
}

const fn update_word(update: Update) -> &'static str {
    match update {
        Update::Registered => "registered",
        Update::Unchanged => "unchanged",
        Update::Replaced => "replaced",
    }
}

/// A refusal as an error reply; what the manifest lacks comes with the lines to add, for the trigger of the `call`.
pub(crate) fn refusal(refusal: &Refusal, apps: &Apps, call: Option<&Message>) -> Error {
    let kind = match refusal {
        Refusal::UnknownApp(_) => ErrorKind::UnknownApp,
        Refusal::UnknownTask(_) => ErrorKind::UnknownTask,
        Refusal::UnknownApplication(..) | Refusal::InvalidArgument(_) => ErrorKind::InvalidArgument,
        Refusal::EntryPointNotDeclared { app, entry_point, .. }
        | Refusal::TaskTypeNotDeclared { app, entry_point, .. } => {
            let lines = call.and_then(trigger_class).and_then(|class| apps.lines_to_add(app, entry_point, &class));
            let text = lines.map_or_else(|| refusal.to_string(), |lines| lines.to_string());
            return Error::new(ErrorKind::NotDeclared, text);
        }
        Refusal::ClassNotDeclared { .. } | Refusal::NoProgram(_) => ErrorKind::NotDeclared,
        Refusal::MayNotRaise { .. } => ErrorKind::AccessDenied,
        Refusal::NotSupported { .. } => ErrorKind::NotSupported,
        Refusal::LimitReached(_) => ErrorKind::LimitReached,
    };
    Error::new(kind, refusal.to_string())
}

/// The class of the trigger that was to be registered.
fn trigger_class(call: &Message) -> Option<String> {
    match Call::read(call) {
        Ok(Call::Register(given) | Call::RegisterOrUpdate(given)) => Some(given.trigger.class),
        _ => None,
    }
}
