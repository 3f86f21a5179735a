//! Push: what a server far away says to an app on this machine.

use std::sync::Arc;
use std::time::Duration;

use super::trigger::Details;
use crate::ids::{AppId, PushTicket};
use crate::time::WallTime;

/// Where messages to one app arrive (`PushNotificationChannel`). An app has one at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushChannel {
    /// Whose it is.
    pub app: AppId,
    /// What its server is told to send to; `None` until it is known.
    pub uri: Option<Arc<str>>,
    /// Until when: whoever asks for it again before has it for longer.
    pub expires: WallTime,
}

impl PushChannel {
    /// For how long a channel is opened, as on Windows.
    pub const LIFETIME: Duration = Duration::from_secs(30 * 86_400);
}

/// A message that arrived on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// What it says, one line of JSON with its end; `None` where that was longer than may be.
    pub line: Option<Details>,
    /// By which it is acknowledged; `None` where nobody waits for that.
    pub ticket: Option<PushTicket>,
}
