//! What the core decided, as an answer.

use std::os::fd::OwnedFd;

use bgtask_convert::{error_kind, socket_info};
use bgtask_core::{Refusal, Reply, Socket, Update};
use bgtask_wire::{Call, Error, ErrorKind};
use zbus::{Fd, Message};

use super::answered;
use crate::apps::Apps;

/// The reply to a request the core has granted, with the descriptors that go with it.
pub(crate) fn reply(decided: &Reply, message: &Message, ends: Vec<OwnedFd>) -> Result<Message, Error> {
    match decided {
        Reply::Registered(task) if is(message, "AddTask") => {
            answered(message, &(task.to_string(), update_word(Update::Registered)))
        }
        Reply::Registered(task) => answered(message, &task.to_string()),
        Reply::Updated(task, update) => answered(message, &(task.to_string(), update_word(*update))),
        Reply::Access(status) if is(message, "RequestAccess") => answered(message, &status.number()),
        Reply::Approved(approved) => answered(message, approved),
        Reply::Terminated(count) | Reply::Raised(count) => answered(message, count),
        Reply::Activated(result, why) => answered(message, &(result.number(), why)),
        Reply::DeviceUse(result, why) => answered(message, &(result.number(), why)),
        Reply::AppService { status, why, .. } => {
            let ends: Vec<_> = ends.into_iter().map(Fd::from).collect();
            answered(message, &(status.number(), why, ends))
        }
        Reply::ControlChannel { status, why } => answered(message, &(status.number(), why)),
        Reply::Running(instance) => answered(message, &instance.to_string()),
        Reply::Channel(channel) => {
            answered(message, &(channel.uri.as_deref().unwrap_or_default(), channel.expires.as_micros()))
        }
        Reply::ChannelClosed
        | Reply::Access(_)
        | Reply::Unregistered
        | Reply::Set
        | Reply::Acknowledged
        | Reply::Noted
        | Reply::Transferred => answered(message, &()),
        Reply::Socket(_) => unreachable!("it goes with its descriptor, by `given_back`"),
    }
}

/// The reply with a socket that is its app's again.
pub(crate) fn given_back(socket: &Socket, descriptor: Option<OwnedFd>, message: &Message) -> Result<Message, Error> {
    let lost = || Error::new(ErrorKind::SocketNotFound, format!("the broker has lost the socket {:?}", socket.id));
    let descriptor = zbus::OwnedFd::from(descriptor.ok_or_else(lost)?);
    answered(message, &(descriptor, socket_info(socket)))
}

fn is(message: &Message, name: &str) -> bool {
    message.header().member().is_some_and(|member| member == name)
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
    let mut text = refusal.to_string();
    if let Refusal::EntryPointNotDeclared { app, entry_point, .. }
    | Refusal::TaskTypeNotDeclared { app, entry_point, .. } = refusal
    {
        let lines = call.and_then(trigger_class).and_then(|class| apps.lines_to_add(app, entry_point, &class));
        text = lines.map_or(text, |lines| lines.to_string());
    }
    Error::new(error_kind(refusal), text)
}

/// The class of the trigger that was to be registered.
fn trigger_class(call: &Message) -> Option<String> {
    match Call::read(call) {
        Ok(Call::Register(given) | Call::RegisterOrUpdate(given)) => Some(given.trigger.class),
        _ => None,
    }
}
