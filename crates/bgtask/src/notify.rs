//! Notifications that an app or its tasks show to the user.
//!
//! The broker shows them, by the desktop's notification server, in the name of the app. So the one that a task showed is still the
//! app's when the task's process has long ended: a choice of the user fires the app's
//! [`ToastNotificationActionTrigger`](crate::ToastNotificationActionTrigger), and its coming and going its
//! [`ToastNotificationHistoryChangedTrigger`](crate::ToastNotificationHistoryChangedTrigger).
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use bgtask::ToastNotificationActionTriggerDetail;
//! use bgtask::host::{TaskError, TaskInstance};
//! use bgtask::notify::{ToastNotification, Urgency};
//!
//! /// The task that has something to say:
//! async fn upload(instance: TaskInstance) -> Result<(), TaskError> {
//!     ToastNotification::new("The upload failed")
//!         .body("The server is full.")
//!         .action("retry", "Try again")
//!         .tag("upload")
//!         .urgency(Urgency::Critical)
//!         .expiration(Duration::from_secs(3600))
//!         .show()
//!         .await?;
//!     Ok(())
//! }
//!
//! /// The task that a ToastNotificationActionTrigger wakes:
//! async fn answer(instance: TaskInstance) -> Result<(), TaskError> {
//!     for chosen in instance.trigger_events().details::<ToastNotificationActionTriggerDetail>() {
//!         println!("{} of {}", chosen.action, chosen.tag);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! It needs a tokio runtime, as all calls to the broker do; [task programs](crate::host) have one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bgtask_wire::NotificationInfo;

use crate::Error;
use crate::session::Session;

/// How much a notification may disturb.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// Hardly: it may wait until the user looks.
    Low,
    /// As most do.
    #[default]
    Normal,
    /// Whatever the user does: most desktops show it until the user takes it away.
    Critical,
}

/// A notification, to be shown. All its texts are plain: nothing in them is markup. Of more than 20 of an app the oldest goes away.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing is shown until `show`"]
pub struct ToastNotification(NotificationInfo);

impl ToastNotification {
    /// A notification with this first line, of 1 to 512 bytes.
    pub fn new(title: impl Into<String>) -> Self {
        Self(NotificationInfo { title: title.into(), ..NotificationInfo::default() })
    }

    /// What it says besides, at most 4096 bytes.
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.0.body = Some(body.into());
        self
    }

    /// Its icon: a name in the desktop's theme, or the address of a picture (`file://…`). By default it has the app's.
    pub fn icon(mut self, icon: impl Into<String>) -> Self {
        self.0.icon = Some(icon.into());
        self
    }

    /// Offers something to the user, under a label; what they choose is told by its id. At most 5, of 128 bytes each; desktops show
    /// three or four. The id `default` is the notification itself, of which the label is not shown.
    pub fn action(mut self, id: impl Into<String>, label: impl Into<String>) -> Self {
        self.0.actions.get_or_insert_default().push((id.into(), label.into()));
        self
    }

    /// Lets the user write an answer, where the desktop can take one. The prompt stands where it is written, at most 128 bytes. The
    /// answer is told as the [text](crate::ToastNotificationActionTriggerDetail::text) of the action `inline-reply`.
    pub fn reply(mut self, prompt: impl Into<String>) -> Self {
        self.0.reply = Some(prompt.into());
        self
    }

    /// Names it within the app, by at most 64 bytes: it takes the place of the one before of the same tag, and can be
    /// [removed](remove) by it.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.0.tag = Some(tag.into());
        self
    }

    /// How much it may disturb.
    pub fn urgency(mut self, urgency: Urgency) -> Self {
        self.0.urgency = Some(urgency.to_string());
        self
    }

    /// How long it is shown; zero is until somebody takes it away. By default the desktop decides.
    pub fn expiration(mut self, time: Duration) -> Self {
        self.0.expiration = Some(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        self
    }

    /// Shows it, and answers its number, which its events have.
    ///
    /// # Errors
    ///
    /// [`is_not_supported`](Error::is_not_supported): no notification server runs, in a session without a desktop for example.
    /// [`is_invalid_argument`](Error::is_invalid_argument), [`is_limit_reached`](Error::is_limit_reached): a text is empty or too long,
    /// or there are too many actions. Further [`is_unknown_app`](Error::is_unknown_app), [`is_no_broker`](Error::is_no_broker) and
    /// [`is_connection_lost`](Error::is_connection_lost).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave it shown.
    pub async fn show(&self) -> Result<u32, Error> {
        Session::current().show(self).await
    }
}

impl ToastNotification {
    fn texts(&self) -> impl Iterator<Item = &String> {
        let NotificationInfo { title, body, icon, actions, tag, reply, .. } = &self.0;
        let labels = actions.iter().flatten().flat_map(|(id, label)| [id, label]);
        [title].into_iter().chain(body).chain(icon).chain(tag).chain(reply).chain(labels)
    }
}

/// Takes the app's notification of this tag away. That there is none is no error.
///
/// # Errors
///
/// [`is_invalid_argument`](Error::is_invalid_argument): the tag is empty. [`is_unknown_app`](Error::is_unknown_app),
/// [`is_not_supported`](Error::is_not_supported), [`is_no_broker`](Error::is_no_broker).
///
/// # Cancel safety
///
/// Dropping the future may leave it taken away or not.
pub async fn remove(tag: &str) -> Result<(), Error> {
    Session::current().unshow(tag).await
}

impl Session {
    pub(crate) async fn show(self: &Arc<Self>, notification: &ToastNotification) -> Result<u32, Error> {
        if notification.texts().any(|text| text.contains('\0')) {
            return Err(Error::invalid("a text of the notification has a NUL character, which D-Bus cannot carry"));
        }
        let notification = notification.0.clone();
        let show = |broker: crate::session::Broker, app: Arc<str>| async move {
            broker.show_notification(&app, notification).await
        };
        self.order("ShowNotification", show).await
    }

    pub(crate) async fn unshow(self: &Arc<Self>, tag: &str) -> Result<(), Error> {
        if tag.is_empty() || tag.contains('\0') {
            return Err(Error::invalid(
                "a notification is named by its tag, a text without a NUL character: give it one",
            ));
        }
        self.ask("RemoveNotification", |broker, app| async move { broker.remove_notification(&app, tag).await }).await
    }
}

/// The word of the contract.
impl fmt::Display for Urgency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::Critical => "critical",
        })
    }
}
