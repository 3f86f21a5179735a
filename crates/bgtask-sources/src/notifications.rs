//! Notifications that apps show, and what people do with them: `org.freedesktop.Notifications` on the session bus.
//!
//! Some servers tell only the program that showed a notification what becomes of it. So all are shown by one
//! [`NotificationCentre`], which stays connected, knows which of them belongs to which app, and keeps that in a file of the
//! user's runtime folder: a broker that starts again still knows them. Those of other programs are nobody's business.
//!
//! What is done while no broker runs is not told. Servers that tell only who showed it (dunst) do not know a new broker.

mod desk;
mod history;
mod notification;
mod server;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

pub use crate::notifications::desk::MAX_NOTICES_WAITING;
pub(crate) use crate::notifications::desk::{Desk, Topic};
pub use crate::notifications::history::{MAX_SHOWN, MAX_SHOWN_BY_APP};
pub use crate::notifications::notification::{
    MAX_ACTION_BYTES, MAX_ACTIONS, MAX_BODY_BYTES, MAX_TAG_BYTES, MAX_TITLE_BYTES, Notification, Urgency,
};

use crate::event::EventTeller;
use crate::given::Given;
use crate::world::World;

/// Whose notifications are listened to.
///
/// [`Subject::NotificationAction`](crate::Subject::NotificationAction), class `ToastNotificationActionTrigger`, is told when
/// somebody acts on one: `id`, `tag`, `action` (its id; `default` for the notification itself, `inline-reply` for an
/// answer), `text` (the answer, else null), `activation_token` (with which a window may come to the front, or null).
///
/// [`Subject::NotificationHistory`](crate::Subject::NotificationHistory), class `ToastNotificationHistoryChangedTrigger`, is
/// told what becomes of them: `id`, `tag`, `change`: `Added`, `Removed` (by the user), `Expired`, or `Cleared` (by the app,
/// or because the server that showed it ended).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotificationSpec {
    /// The id of the app.
    pub app: String,
}

impl NotificationSpec {
    /// What the properties of a trigger ask for, or a sentence about what is wrong with them.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let given = Given::of(&["app"], properties)?;
        Ok(Self { app: given.need("app", "org.example.Mail")?.to_owned() })
    }
}

/// Shows notifications of apps. All clones of one [`World`] share one.
///
/// ```no_run
/// # async fn show() -> Result<(), String> {
/// use bgtask_sources::{Notification, World};
///
/// let centre = World::new("/").notifications();
/// let mail = Notification { tag: "inbox".into(), title: "Two new mails".into(), ..Notification::default() };
/// centre.notify("org.example.Mail", mail).await?;
/// centre.close("org.example.Mail", "inbox").await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct NotificationCentre {
    world: World,
    desk: Arc<Desk>,
}

impl NotificationCentre {
    pub(crate) fn new(world: &World, desk: &Arc<Desk>) -> Self {
        Self { world: world.clone(), desk: desk.clone() }
    }

    /// Keeps in `folder` what is shown, so that the next broker of this log-in knows it. To be said before anything else;
    /// without it only this process knows.
    pub fn keep_in(&self, folder: impl Into<PathBuf>) {
        self.desk.keep_in(folder.into());
    }

    /// Shows a notification of `app`, in place of the one that has the same tag. Starts the server where it can be started.
    /// Returns the number it is shown under.
    ///
    /// Of more than [`MAX_SHOWN_BY_APP`], the oldest is taken away.
    ///
    /// # Errors
    ///
    /// A sentence for people: what is wrong with the notification, or why nothing can be shown.
    pub async fn notify(&self, app: &str, notification: Notification) -> Result<u32, String> {
        notification.check()?;
        self.desk.notify(&self.world, app, notification).await
    }

    /// Takes away the notification of `app` that has this tag. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// A sentence for people: why it cannot be taken away.
    pub async fn close(&self, app: &str, tag: &str) -> Result<bool, String> {
        self.desk.close(&self.world, app, tag).await
    }
}

/// Listens for ever.
pub(crate) async fn run(spec: NotificationSpec, topic: Topic, world: &World, teller: EventTeller) -> Infallible {
    let desk = world.desk();
    let _listening = desk.listen(spec.app, topic, teller.clone());
    let mut status = desk.status(world);
    loop {
        let known = status.borrow_and_update().clone();
        if let Some(known) = known {
            teller.status(known);
        }
        // The desk closes only with the runtime.
        if status.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
