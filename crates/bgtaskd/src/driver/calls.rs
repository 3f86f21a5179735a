//! What clients call: answered at once where it changes nothing, else asked of the core.

use bgtask_core::{AppId, ClientId, Input, NewControlChannel, Now, Request, RequestId};
use bgtask_wire::{Call, EnablingChannel, Error, ErrorKind};
use zbus::Message;
use zbus::message::Flags;

use super::Driver;
use crate::clients::{self, Answer, Asked, HandOver};

impl Driver {
    pub(super) fn call(&mut self, now: Now, id: ClientId, message: &Message) {
        let Some(client) = self.clients.get(id) else { return };
        let asked = Asked {
            now,
            core: &self.core,
            apps: &self.apps,
            store: self.durable.store(),
            places: &self.places,
            logs: &self.logs,
            calendars: &self.calendars,
            task_files: &self.task_files,
            transfers: &self.transfers,
            push: &self.push,
            fleet: self.fleet.as_ref(),
            identity: &client.identity,
            door: client.door,
        };
        let answer = Call::read(message).and_then(|call| clients::answer(&asked, call, message));
        match answer {
            Ok(Answer::Now(reply)) => self.reply(id, message, Ok(reply)),
            Ok(Answer::Ask(request)) if self.doubts(id, message, &request) => {}
            Ok(Answer::Ask(request)) => drop(self.ask(now, id, message, request)),
            Ok(Answer::Open { caller, provider, service }) => self.open(now, id, message, (caller, provider, service)),
            Ok(Answer::Notify(app, what)) => self.notify(id, message, app, what),
            Ok(Answer::Transfer(wanted)) => self.transfer_for(now, id, message, wanted),
            Ok(Answer::Watch(scope, reply)) => {
                self.reply(id, message, Ok(reply));
                self.clients.watch(id, scope);
            }
            Ok(Answer::Attach { app, activates, reply }) => {
                self.reply(id, message, Ok(reply));
                self.handle(now, Input::Attach { client: id, app, activates });
            }
            Ok(Answer::HandOver(transfer)) => self.transfer_socket(now, id, message, *transfer),
            Ok(Answer::EnableChannel(app, asked)) => self.enable_channel(now, id, message, app, *asked),
            Err(error) => self.reply(id, message, Err(error)),
        }
    }

    /// A socket is handed over: the broker has it before the core hears of it.
    fn transfer_socket(&mut self, now: Now, id: ClientId, message: &Message, transfer: HandOver) {
        let HandOver { app, task, id: name, socket, options } = transfer;
        match self.sockets.take_over(socket) {
            Ok(kept) => {
                let request = bgtask_convert::transfer_request(app, task, name, kept, options);
                self.ask(now, id, message, request);
            }
            Err(error) => {
                self.reply(id, message, Err(no_socket("the socket cannot be handed over", &error)));
            }
        }
    }

    /// The broker has a copy of the connection before the core hears of the channel.
    fn enable_channel(&mut self, now: Now, id: ClientId, message: &Message, app: AppId, asked: EnablingChannel) {
        let Some(host) = self.clients.get(id).map(|client| client.host) else { return };
        let EnablingChannel { id: name, transport, keep_alive, resource, .. } = asked;
        let resource = match bgtask_convert::channel_resource(resource) {
            Ok(resource) => resource,
            Err(error) => return self.reply(id, message, Err(error)),
        };
        match self.sockets.watch_over(transport) {
            Ok((key, ended)) => {
                let new = NewControlChannel { key, id: name, client: id, host, keep_alive, resource, ended };
                self.ask(now, id, message, Request::EnableControlChannel(app, new));
            }
            Err(error) => self.reply(id, message, Err(no_socket("the connection cannot be watched", &error))),
        }
    }

    /// Asks the core, unless its answer could not be made durable now.
    pub(super) fn ask(&mut self, now: Now, id: ClientId, message: &Message, request: Request) -> Option<RequestId> {
        if self.durable.retry().is_some() {
            match &request {
                Request::TransferSocket(_, new) => self.sockets.drop(new.key),
                Request::EnableControlChannel(_, new) => self.sockets.drop(new.key),
                _ => {}
            }
            self.reply(id, message, Err(not_durable()));
            return None;
        }
        self.last_request += 1;
        let request_id = RequestId(self.last_request);
        self.asked.insert(request_id, (id, message.clone()));
        self.handle(now, Input::Request(request_id, request));
        Some(request_id)
    }

    pub(super) fn reply(&mut self, id: ClientId, message: &Message, reply: Result<Message, Error>) {
        if message.primary_header().flags().contains(Flags::NO_REPLY_EXPECTED) {
            return;
        }
        match reply.or_else(|error| error.reply(&message.header())) {
            Ok(reply) => self.clients.send(id, reply),
            Err(error) => tracing::error!("a reply cannot be written: {error}"),
        }
    }
}

/// What everybody hears who wants something kept while the store fails.
pub(super) fn not_durable() -> Error {
    let text = "the broker cannot make anything durable now (its log says why): try again later";
    Error::new(ErrorKind::StoreUnavailable, text)
}

/// Why the broker cannot take a socket in.
fn no_socket(what: &str, error: &std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::InvalidInput => ErrorKind::SocketWrongKind,
        std::io::ErrorKind::Unsupported => ErrorKind::NotSupported,
        _ => ErrorKind::LimitReached,
    };
    Error::new(kind, format!("{what}: {error}"))
}
