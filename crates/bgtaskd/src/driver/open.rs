//! Connections to app services.

use bgtask_core::{AppId, ClientId, Now, Request};
use bgtask_wire::{Error, ErrorKind};
use zbus::Message;

use super::Driver;
use crate::app_services::Opening;

impl Driver {
    /// Makes a connection to an app service, and asks the core whether anybody may have it.
    pub(super) fn open(&mut self, now: Now, id: ClientId, message: &Message, asked: (Option<AppId>, AppId, String)) {
        let (caller, app, service) = asked;
        let opened = Opening::new().map_err(|error| {
            Error::new(ErrorKind::LimitReached, format!("no connection can be made: {error}; try again later"))
        });
        let opened =
            opened.and_then(|opening| Ok((opening, bgtask_convert::service_details(caller.as_ref(), &service)?)));
        let ((opening, task), details) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.reply(id, message, Err(error)),
        };
        let socket = self.sockets.keep(task);
        let request = Request::OpenAppService { caller, app, service, socket, details };
        match self.ask(now, id, message, request) {
            Some(request) => self.app_services.opening(request, opening),
            None => self.sockets.drop(socket),
        }
    }
}
