//! From a call to an answer: what only reads is answered here, what changes something is asked of the core.

mod ask;
mod describe;
mod read;
mod reply;
mod standard;
mod transfers;

use std::os::fd::OwnedFd;

use bgtask_core::{AppId, Core, Now, Request, TaskId};
use bgtask_log::Logs;
use bgtask_store::Store;
use bgtask_wire::{Call, EnablingChannel, Error, ErrorKind, HandingOver, Standard, TransferOptions};
use serde::Serialize;
use zbus::{Message, Type};

use super::{Door, Identity, Scope};
use bgtask_convert::notification;

use crate::apps::Apps;
use crate::calendars::Calendars;
use crate::driver::Notify;
use crate::fleet::Fleet;
use crate::places::Places;
use crate::push::Push;
use crate::task_files::TaskFiles;
use crate::transfers::Transfers;
pub(crate) use reply::{given_back, refusal, reply};
pub(crate) use transfers::{Control, Transferring};

/// What a call comes to.
pub(crate) enum Answer {
    /// The reply.
    Now(Message),
    /// The reply is the core's.
    Ask(Request),
    /// The reply, and from now on its completions.
    Attach {
        /// Whose.
        app: AppId,
        /// Whether it runs the app's tasks without an entry point, too.
        activates: bool,
        /// The reply.
        reply: Message,
    },
    /// The reply is the core's, and comes with the caller's end of a connection.
    Open {
        /// Who asks; `None` is a program of the user that is no app.
        caller: Option<AppId>,
        /// Whose service.
        provider: AppId,
        /// Its name.
        service: String,
    },
    /// The reply is the desktop's.
    Notify(AppId, Notify),
    /// The reply is the driver's.
    Transfer(Transferring),
    /// The reply, and from now on these events.
    Watch(Scope, Message),
    /// The reply is the core's, once the broker has the socket.
    HandOver(Box<HandOver>),
    /// The reply is the core's, once the broker has a copy of the connection.
    EnableChannel(AppId, Box<EnablingChannel>),
}

/// A socket that is handed over.
pub(crate) struct HandOver {
    pub(crate) app: AppId,
    pub(crate) task: TaskId,
    pub(crate) id: String,
    pub(crate) socket: OwnedFd,
    pub(crate) options: TransferOptions,
}

/// What an answer is made from.
pub(crate) struct Asked<'a> {
    pub(crate) now: Now,
    pub(crate) core: &'a Core,
    pub(crate) apps: &'a Apps,
    pub(crate) store: &'a Store,
    pub(crate) places: &'a Places,
    pub(crate) logs: &'a Logs,
    pub(crate) calendars: &'a Calendars,
    pub(crate) task_files: &'a TaskFiles,
    pub(crate) transfers: &'a Transfers,
    pub(crate) push: &'a Push,
    pub(crate) fleet: Option<&'a Fleet>,
    pub(crate) identity: &'a Identity,
    pub(crate) door: Door,
}

/// Answers one call.
pub(crate) fn answer(asked: &Asked<'_>, call: Call, message: &Message) -> Result<Answer, Error> {
    match call {
        Call::Attach(app, options) => asked.attach(&app, options.activates.unwrap_or(false), message),
        Call::ShowNotification(app, info) => {
            let what = Notify::Show(Box::new(notification(*info)?));
            Ok(Answer::Notify(asked.shows(&app)?, what))
        }
        Call::RemoveNotification { app, tag } => Ok(Answer::Notify(asked.shows(&app)?, Notify::Remove(tag))),
        Call::OpenAppService { app, provider, service } => asked.open(&app, &provider, service),
        Call::Watch(app) => Ok(Answer::Watch(asked.identity.scope(&app)?, answered(message, &())?)),
        Call::CreateTransfer(app, order) => asked.create_transfer(&app, *order).map(Answer::Transfer),
        Call::ControlTransfer { transfer, what } => asked.control_transfer(&transfer, &what).map(Answer::Transfer),
        Call::EnableTransferGroup { app, group } => asked.enable_group(&app, &group).map(Answer::Transfer),
        Call::Standard(Standard::Listen) => Ok(Answer::Watch(asked.identity.scope("")?, answered(message, &())?)),
        Call::TransferSocket(given) => {
            let HandingOver { app, task, id, socket, options } = *given;
            let (app, task) = (asked.identity.one(&app)?, ask::task_id(&task)?);
            Ok(Answer::HandOver(Box::new(HandOver { app, task, id, socket, options })))
        }
        Call::EnableControlChannel(enabling) => {
            let app = asked.identity.one(&enabling.app)?;
            asked.own_socket("open a control channel")?;
            Ok(Answer::EnableChannel(app, enabling))
        }
        Call::Standard(call) => standard::answer(&call, asked.core, message).map(Answer::Now),
        call => match asked.read(&call, message)? {
            Some(reply) => Ok(Answer::Now(reply)),
            None => asked.request(call).map(Answer::Ask),
        },
    }
}

impl Asked<'_> {
    /// The app whose notification it is.
    fn shows(&self, app: &str) -> Result<AppId, Error> {
        let app = self.identity.one(app)?;
        match self.apps.get(&app) {
            Some(_) => Ok(app),
            None => Err(self.refused(&bgtask_core::Refusal::UnknownApp(app))),
        }
    }

    /// Anybody may ask: the manifest of the app that is asked decides (HO-6).
    fn open(&self, app: &str, provider: &str, service: String) -> Result<Answer, Error> {
        let provider =
            AppId::new(provider).map_err(|error| Error::new(ErrorKind::InvalidArgument, error.to_string()))?;
        let caller = match self.identity.scope(app)? {
            Scope::App(app) => Some(app),
            Scope::All => None,
        };
        Ok(Answer::Open { caller, provider, service })
    }

    /// BLD-9: an app that runs its tasks itself does so on the very connection on which it attached.
    fn attach(&self, app: &str, activates: bool, message: &Message) -> Result<Answer, Error> {
        let app = self.identity.one(app)?;
        if self.apps.get(&app).is_none() && app.as_str() != bgtask_core::App::COMMANDS {
            return Err(self.refused(&bgtask_core::Refusal::UnknownApp(app)));
        }
        if activates {
            self.own_socket("run its tasks")?;
        }
        let reply = answered(message, &self.attach_info(&app))?;
        Ok(Answer::Attach { app, activates, reply })
    }

    /// What ends with a connection needs one of its own: the session bus only passes messages on.
    fn own_socket(&self, what: &str) -> Result<(), Error> {
        if self.door == Door::Socket {
            return Ok(());
        }
        let socket = self.places.socket();
        let text = format!(
            "an app cannot {what} over the session bus: use the broker's own socket, unix:path={}",
            socket.display()
        );
        Err(Error::new(ErrorKind::NotSupported, text))
    }

    fn refused(&self, refused: &bgtask_core::Refusal) -> Error {
        refusal(refused, self.apps, None)
    }
}

pub(crate) fn answered<T: Serialize + Type>(message: &Message, body: &T) -> Result<Message, Error> {
    let built = Message::method_return(&message.header()).build(body);
    built.map_err(|error| Error::new(ErrorKind::Other, format!("the reply cannot be written: {error}")))
}
