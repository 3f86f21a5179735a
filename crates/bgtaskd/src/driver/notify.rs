//! Notifications that apps show. The desktop may take its time to answer, so the call is answered when it has.

use bgtask_core::{AppId, ClientId};
use bgtask_sources::{Notification, NotificationCentre};
use bgtask_wire::{Error, ErrorKind};
use tokio::sync::mpsc;
use zbus::Message;

use super::Driver;
use crate::clients;
use crate::inbox::Incoming;

/// Notifications that wait for the desktop's answer. One more is refused.
const MAX_UNANSWERED: usize = 1_024;

/// Where apps show their notifications.
pub(super) struct Notifier {
    centre: NotificationCentre,
    post: mpsc::Sender<Incoming>,
    unanswered: usize,
}

/// What an app asks of its notifications.
pub(crate) enum Notify {
    /// To show one; the answer is the number it is shown under.
    Show(Box<Notification>),
    /// To take the one with this tag away; the answer is nothing, whether or not there was one.
    Remove(String),
}

impl Notifier {
    pub(super) fn new(centre: NotificationCentre, post: mpsc::Sender<Incoming>) -> Self {
        Self { centre, post, unanswered: 0 }
    }
}

impl Driver {
    pub(super) fn notify(&mut self, client: ClientId, message: &Message, app: AppId, what: Notify) {
        if self.notifier.unanswered >= MAX_UNANSWERED {
            let text = format!(
                "{MAX_UNANSWERED} notifications wait for the desktop already: show this one when it has answered"
            );
            return self.reply(client, message, Err(Error::new(ErrorKind::LimitReached, text)));
        }
        self.notifier.unanswered += 1;
        let (centre, post, message) = (self.notifier.centre.clone(), self.notifier.post.clone(), message.clone());
        tokio::spawn(async move {
            let shown = match what {
                Notify::Show(notification) => centre.notify(app.as_str(), *notification).await.map(Some),
                Notify::Remove(tag) => centre.close(app.as_str(), &tag).await.map(|_| None),
            };
            // Nobody takes it any more when the broker ends.
            let _ended = post.send(Incoming::Notified(client, message, shown)).await;
        });
    }

    pub(super) fn notified(&mut self, client: ClientId, message: &Message, shown: Result<Option<u32>, String>) {
        self.notifier.unanswered -= 1;
        let reply = match shown {
            Ok(Some(id)) => clients::answered(message, &id),
            Ok(None) => clients::answered(message, &()),
            Err(why) => Err(Error::new(ErrorKind::NotSupported, why)),
        };
        self.reply(client, message, reply);
    }
}
