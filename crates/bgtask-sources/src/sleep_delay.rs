//! Delaying the machine's sleep, as logind lets everybody do for a moment (D15).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use tokio::time::timeout;
use zbus::{Connection, connection};

use crate::bus::{BusKind, CALL_TIMEOUT, CallError, Object};
use crate::world::World;

/// What logind is told of who delays: a person reads it in `systemd-inhibit --list`.
const WHO: &str = "bgtask";

const MANAGER: Object<'static> = Object {
    service: "org.freedesktop.login1",
    path: "/org/freedesktop/login1",
    interface: "org.freedesktop.login1.Manager",
};

/// Why nothing can delay the sleep of this machine.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("sleep cannot be delayed: {why}")]
pub struct NoSleepDelay {
    why: String,
}

/// Delays every sleep of the machine for as long as it lives, and at most for [`longest`](Self::longest) after the machine
/// began to fall asleep. It ends with the process that holds it, however that ends.
#[derive(Debug)]
#[must_use = "dropping it gives the delay back"]
pub struct SleepDelay {
    lock: OwnedFd,
}

impl SleepDelay {
    /// What brings what is missing.
    pub const HELP: &str = "install and start systemd-logind or elogind";

    /// Asks logind for a delay; `why` is told to who asks what delays the machine.
    ///
    /// # Errors
    ///
    /// There is no logind, or it does not answer within seconds, or refuses.
    pub async fn take(world: &World, why: &str) -> Result<Self, NoSleepDelay> {
        let connection = connect(world).await?;
        let lock: zbus::OwnedFd = MANAGER.call_with(&connection, "Inhibit", &("sleep", WHO, why, "delay")).await?;
        Ok(Self { lock: lock.into() })
    }

    /// For how long logind lets itself be delayed: `InhibitDelayMaxSec=` of `logind.conf`, usually 5 s.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub async fn longest(world: &World) -> Result<Duration, NoSleepDelay> {
        let properties = MANAGER.properties(&connect(world).await?).await?;
        Ok(Duration::from_micros(properties.require("InhibitDelayMaxUSec")?))
    }
}

/// The lock, for who wants to see that nobody inherits it.
impl AsFd for SleepDelay {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

async fn connect(world: &World) -> Result<Connection, NoSleepDelay> {
    let no_bus = |why: &dyn std::fmt::Display| NoSleepDelay { why: format!("the system bus cannot be reached: {why}") };
    let connecting = connection::Builder::address(world.bus_address(BusKind::System)).build();
    match timeout(CALL_TIMEOUT, connecting).await {
        Ok(connected) => connected.map_err(|error| no_bus(&error)),
        Err(_) => Err(no_bus(&format_args!("it did not answer within {} s", CALL_TIMEOUT.as_secs()))),
    }
}

impl From<CallError> for NoSleepDelay {
    fn from(error: CallError) -> Self {
        Self { why: format!("logind cannot be asked: {error}") }
    }
}
