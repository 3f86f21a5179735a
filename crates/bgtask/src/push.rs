//! The channel on which a server far away reaches the app.

use std::sync::Arc;
use std::time::SystemTime;

use crate::Error;
use crate::event_args::time_of;
use crate::session::{Broker, Session};

/// Creates the app's channel for push messages (`Windows.Networking.PushNotifications`).
///
/// ```no_run
/// use bgtask::{BackgroundTaskBuilder, PushNotificationChannelManager, PushNotificationTrigger};
/// # async fn example() -> Result<(), bgtask::Error> {
/// BackgroundTaskBuilder::new()
///     .name("New mail")
///     .task_entry_point("Tasks.NewMail")
///     .trigger(PushNotificationTrigger::new())
///     .register_or_update()
///     .await?;
/// let channel = PushNotificationChannelManager::create_push_notification_channel_for_application().await?;
/// println!("tell the server of the app to send to {}", channel.uri());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub enum PushNotificationChannelManager {}

/// Where messages to the app arrive. An app has one channel at most.
///
/// It stays when this value goes, and when the app ends: only [`close`](Self::close), the app's removal and its expiry end it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushNotificationChannel {
    uri: String,
    expires: SystemTime,
}

impl PushNotificationChannelManager {
    /// The app's channel: a new one where it has none, and the same address for 30 more days where it has. An app does this at every
    /// start, and tells its server where the address is another than before.
    ///
    /// # Errors
    ///
    /// [`is_not_supported`](Error::is_not_supported): no server of messages is set on this machine, or it cannot be reached now; the
    /// text says which. [`is_limit_reached`](Error::is_limit_reached): as many apps have a channel as may. Further
    /// [`is_unknown_app`](Error::is_unknown_app), [`is_no_broker`](Error::is_no_broker) and
    /// [`is_connection_lost`](Error::is_connection_lost).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave the channel open.
    pub async fn create_push_notification_channel_for_application() -> Result<PushNotificationChannel, Error> {
        let request = |broker: Broker, app: Arc<str>| async move { broker.create_push_channel(&app).await };
        let (uri, expires) = Session::current().ask("CreatePushChannel", request).await?;
        Ok(PushNotificationChannel { uri, expires: time_of(expires) })
    }
}

impl PushNotificationChannel {
    /// The address: what the app's server sends to. It is no secret, but whoever may send to it reaches the app.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Until when it lasts.
    pub fn expiration_time(&self) -> SystemTime {
        self.expires
    }

    /// Has it last for 30 days from now on, under the same address.
    ///
    /// # Errors
    ///
    /// As [`create_push_notification_channel_for_application`](PushNotificationChannelManager::create_push_notification_channel_for_application).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave it renewed or not.
    pub async fn renew(&mut self) -> Result<(), Error> {
        *self = PushNotificationChannelManager::create_push_notification_channel_for_application().await?;
        Ok(())
    }

    /// Gives the app's channel up: what waits for it is not delivered any more. That it is closed already is no error.
    ///
    /// # Errors
    ///
    /// [`is_no_broker`](Error::is_no_broker), [`is_connection_lost`](Error::is_connection_lost).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave it closed or not.
    pub async fn close(self) -> Result<(), Error> {
        let request = |broker: Broker, app: Arc<str>| async move { broker.close_push_channel(&app).await };
        Session::current().ask("ClosePushChannel", request).await
    }
}
