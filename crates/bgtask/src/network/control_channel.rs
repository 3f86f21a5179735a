//! Control channels: connections that an app keeps, and that run its tasks.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use rustix::net::{AddressFamily, SocketType};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::unsent::unsent;
use crate::Error;
use crate::host::{Host, TaskInstance};
use crate::session::{Broker, Enabled, Session};
use crate::trigger::ControlChannelTrigger as EventTrigger;
use crate::windows_enum::windows_enum;

windows_enum! {
    /// What became of a channel.
    ControlChannelTriggerStatus {
        /// A hardware slot is asked for. Never answered: there are none on Linux.
        HardwareSlotRequested = 0,
        /// The channel is open.
        SoftwareSlotAllocated = 1,
        /// The channel is open, in a hardware slot. Never answered.
        HardwareSlotAllocated = 2,
        /// The app has as many channels as it may, or may not run in the background: see
        /// [`BackgroundExecutionManager`](crate::BackgroundExecutionManager) (CCT-11, ACC-25).
        PolicyError = 3,
        /// A hardware slot cannot be set up. Never answered.
        SystemError = 4,
        /// The connection has ended already: connect anew.
        TransportDisconnected = 5,
        /// The machine goes to sleep: try again when it is awake.
        ServiceUnavailable = 6,
    }
}

windows_enum! {
    /// What a channel asks for.
    ControlChannelTriggerResourceType {
        /// It is told of while the machine is awake.
        RequestSoftwareSlot = 0,
        /// What arrives wakes the machine. Linux wakes none for a single connection, so that this is refused (CCT-8).
        RequestHardwareSlot = 1,
    }
}

windows_enum! {
    /// Why channels were reset.
    ControlChannelTriggerResetReason {
        /// Another user came to the machine. On Linux that takes no connection, and is never told.
        FastUserSwitched = 0,
        /// The machine has slept, and the connection did not survive it.
        LowPowerExit = 1,
        /// Quiet hours are over. On Linux they take no connection, and this is never told.
        QuietHoursExit = 2,
        /// The process that held the connection is gone.
        ApplicationRestart = 3,
    }
}

/// The shortest and the longest time in which the server of a channel wants to hear something, in minutes (CCT-2).
const KEEP_ALIVE_MINUTES: std::ops::RangeInclusive<u32> = 15..=1_439;
/// Longest id of a channel, in characters (CCT-1).
const MAX_ID_CHARS: usize = 64;
/// The kernel takes no longer interval of the network's keep-alive: nine hours, in minutes.
const MAX_NETWORK_KEEP_ALIVE: u32 = 540;
/// How long [`flush_transport`](ControlChannelTrigger::flush_transport) waits.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that the app keeps, and that runs its tasks when something arrives, or when its server wants to hear something.
///
/// The connection stays the app's, with everything that belongs to it: the session of TLS, the state of HTTP or of a WebSocket. The
/// broker only watches it, and runs the tasks of the channel **in the process that holds it**. In order (CCT-5 to CCT-7):
///
/// 1. Set what runs the app's tasks: [`CoreApplication::background_activated`](crate::CoreApplication::background_activated), or be a
///    task program.
/// 2. Register tasks with [`push_notification_trigger`](Self::push_notification_trigger) and
///    [`keep_alive_trigger`](Self::keep_alive_trigger).
/// 3. Make the socket, [`using_transport`](Self::using_transport), connect. Where a client gives its connection only when it is connected,
///    that is early enough.
/// 4. [`wait_for_push_enabled`](Self::wait_for_push_enabled): from now on it is watched.
///
/// ```no_run
/// use bgtask::network::{ControlChannelTrigger, ControlChannelTriggerEventDetails, ControlChannelTriggerStatus};
/// use bgtask::{BackgroundTaskBuilder, CoreApplication};
/// use tokio::net::TcpStream;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// CoreApplication::background_activated(async |args| {
///     let details = ControlChannelTriggerEventDetails::of(args.task_instance()).ok_or("another trigger")?;
///     println!("{} has something to read", details.control_channel_trigger_id());
///     Ok(())
/// });
/// let mut channel = ControlChannelTrigger::new("mail", 25)?;
/// BackgroundTaskBuilder::new()
///     .name("Mail")
///     .trigger(channel.push_notification_trigger())
///     .register_or_update()
///     .await?;
/// let connection = TcpStream::connect("mail.example.org:4242").await?;
/// channel.using_transport(&connection)?;
/// assert_eq!(channel.wait_for_push_enabled().await?, ControlChannelTriggerStatus::SoftwareSlotAllocated);
/// # Ok(())
/// # }
/// ```
///
/// Dropped, it is closed. When its process ends without that, the app's tasks with
/// [`ControlChannelReset`](crate::SystemTriggerType::ControlChannelReset) run. `docs/control-channels.md` has the whole of it.
#[derive(Debug)]
pub struct ControlChannelTrigger {
    id: Arc<str>,
    keep_alive: u32,
    resource: ControlChannelTriggerResourceType,
    transport: Option<Arc<OwnedFd>>,
    /// The network's keep-alive, in minutes.
    network: u32,
    /// With whom it is open.
    session: Option<Arc<Session>>,
}

impl ControlChannelTrigger {
    /// A channel of that name, at most 64 characters, which tells it from the app's others (CCT-1). Its server wants to hear something
    /// within so many minutes, 15 to 1439: take the longest that the service tolerates, less a little (CCT-2).
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument): a bound is exceeded.
    pub fn new(channel_id: &str, server_keep_alive_interval_in_minutes: u32) -> Result<Self, Error> {
        let software = ControlChannelTriggerResourceType::RequestSoftwareSlot;
        Self::with_resource_type(channel_id, server_keep_alive_interval_in_minutes, software)
    }

    /// The same with the kind of slot that is asked for (CCT-8).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); and [`is_not_supported`](Error::is_not_supported) for a hardware slot, which no machine with Linux has:
    /// [`is_wake_from_low_power_supported`](Self::is_wake_from_low_power_supported).
    pub fn with_resource_type(
        channel_id: &str,
        server_keep_alive_interval_in_minutes: u32,
        resource_request_type: ControlChannelTriggerResourceType,
    ) -> Result<Self, Error> {
        if channel_id.is_empty()
            || channel_id.chars().count() > MAX_ID_CHARS
            || channel_id.chars().any(char::is_control)
        {
            return Err(Error::invalid(format!(
                "the id of a control channel has 1 to {MAX_ID_CHARS} characters, and no control characters (CCT-1)"
            )));
        }
        check_minutes(server_keep_alive_interval_in_minutes)?;
        if resource_request_type == ControlChannelTriggerResourceType::RequestHardwareSlot {
            return Err(Error::not_supported(
                "a hardware slot is not supported here: Linux wakes no sleeping machine for a single connection; ask for \
                 RequestSoftwareSlot, and what arrives meanwhile is told when the machine is awake again (CCT-8)",
            ));
        }
        Ok(Self {
            id: channel_id.into(),
            keep_alive: server_keep_alive_interval_in_minutes,
            resource: resource_request_type,
            transport: None,
            network: server_keep_alive_interval_in_minutes.min(MAX_NETWORK_KEEP_ALIVE),
            session: None,
        })
    }

    /// The app's name for it.
    pub fn control_channel_trigger_id(&self) -> &str {
        &self.id
    }

    /// How often the server wants to hear something, in minutes: when it is over, the task of the
    /// [`keep_alive_trigger`](Self::keep_alive_trigger) runs.
    pub const fn server_keep_alive_interval_in_minutes(&self) -> u32 {
        self.keep_alive
    }

    /// Another interval, 15 to 1439 minutes. It begins with the next [`wait_for_push_enabled`](Self::wait_for_push_enabled).
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument): it is out of range (CCT-2).
    pub fn set_server_keep_alive_interval_in_minutes(&mut self, minutes: u32) -> Result<(), Error> {
        check_minutes(minutes)?;
        (self.keep_alive, self.network) = (minutes, minutes.min(MAX_NETWORK_KEEP_ALIVE));
        Ok(())
    }

    /// How often the kernel itself says something on a TCP connection that is quiet, in minutes, so that what lies between does not forget
    /// it (CCT-3): the server's interval, nine hours at most, or less once it was [decreased](Self::decrease_network_keep_alive_interval).
    pub const fn current_keep_alive_interval_in_minutes(&self) -> u32 {
        self.network
    }

    /// Whether what arrives can wake a sleeping machine: never, as Linux wakes none for a single connection.
    pub const fn is_wake_from_low_power_supported(&self) -> bool {
        false
    }

    /// The trigger that fires when the server wants to hear something (CCT-7). Its task writes it.
    pub fn keep_alive_trigger(&self) -> EventTrigger {
        EventTrigger::side(&self.id, "keep-alive")
    }

    /// The trigger that fires when something arrives (CCT-7). Its task reads it.
    pub fn push_notification_trigger(&self) -> EventTrigger {
        EventTrigger::side(&self.id, "push")
    }

    /// Which connection it is: any socket of the kernel, of `std`, of tokio, or the one below TLS. Before it is connected, where the client
    /// lets that be, else as soon as it gives it away (CCT-5). The channel has a copy of the descriptor: reading, writing and closing stay
    /// with whoever has it.
    ///
    /// # Errors
    ///
    /// [`is_limit_reached`](Error::is_limit_reached): the process has no descriptor left.
    pub fn using_transport(&mut self, transport: &impl AsFd) -> Result<(), Error> {
        let copy = transport.as_fd().try_clone_to_owned();
        let copy = copy.map_err(|error| Error::limit(format!("the connection cannot be copied: {error}")))?;
        self.transport = Some(Arc::new(copy));
        Ok(())
    }

    /// Opens the channel: from now on the broker watches the connection, and runs its tasks in this process (CCT-6). Only
    /// [`SoftwareSlotAllocated`](ControlChannelTriggerStatus::SoftwareSlotAllocated) is an open channel. Called again, it is open anew: with
    /// another connection, or after the server's interval was changed.
    ///
    /// The keep-alive of the connection's own TCP options is replaced by that of the
    /// [network](Self::current_keep_alive_interval_in_minutes) (CCT-3).
    ///
    /// # Errors
    ///
    /// * [`is_invalid_argument`](Error::is_invalid_argument): there is no transport, this process runs no tasks, or another process of the
    ///   app holds a channel of this id
    /// * [`is_wrong_kind`](Error::is_wrong_kind): the transport is no socket, or was never connected
    /// * [`is_unknown_app`](Error::is_unknown_app), [`is_no_broker`](Error::is_no_broker)
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave it open or not: call it again, or close it.
    pub async fn wait_for_push_enabled(&mut self) -> Result<ControlChannelTriggerStatus, Error> {
        let transport = Arc::clone(self.transport()?);
        let session = Session::current();
        if !Host::is_host() && !session.activates() {
            return Err(Error::invalid(
                "this process runs no tasks of the app, and those of a channel run where its connection is: call \
                 CoreApplication::background_activated first",
            ));
        }
        self.keep_network_alive(&transport);
        let enabled = Enabled { transport, keep_alive: self.keep_alive, resource: self.resource.number() };
        self.session = Some(Arc::clone(&session));
        let (status, why) = session.enable(Arc::clone(&self.id), enabled).await?;
        if status != ControlChannelTriggerStatus::SoftwareSlotAllocated {
            tracing::warn!(channel = &*self.id, "the control channel is not open: {status}: {why}");
        }
        Ok(status)
    }

    /// Says that what lies between this machine and the server forgets connections earlier than was thought: the network's keep-alive
    /// comes twice as often from now on, up to every minute. The kernel decides how often without this, and an app can only shorten it
    /// (CCT-3). To be called when the connection was lost though nobody closed it.
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument): there is no transport.
    pub fn decrease_network_keep_alive_interval(&mut self) -> Result<(), Error> {
        let transport = Arc::clone(self.transport()?);
        self.network = (self.network / 2).max(1);
        self.keep_network_alive(&transport);
        Ok(())
    }

    /// Waits until the kernel has sent everything that was written to the connection, and on TCP until the other end has confirmed it. To be
    /// called at the end of a task (CCT-12): what a library still has in buffers of its own has to be flushed before.
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument): there is no transport. [`is_limit_reached`](Error::is_limit_reached): it took longer
    /// than [`FLUSH_TIMEOUT`], because the other end does not read or is gone.
    pub async fn flush_transport(&self) -> Result<(), Error> {
        let transport = Arc::clone(self.transport()?);
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        // The kernel tells nobody of it.
        let mut pause = Duration::from_millis(1);
        while unsent(&transport).is_some_and(|bytes| bytes > 0) {
            if Instant::now() >= deadline {
                let text =
                    "what was written to the connection was not sent in time: the other end does not read, or is gone";
                return Err(Error::limit(text));
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Closes the channel: the connection is watched no more (CCT-13). What becomes of the connection is the app's affair. Dropping the
    /// channel does the same, without waiting.
    ///
    /// # Errors
    ///
    /// [`is_no_broker`](Error::is_no_broker): then the channel is closed too, as it ends with its broker.
    pub async fn close(mut self) -> Result<(), Error> {
        match self.session.take() {
            Some(session) => session.disable(Arc::clone(&self.id)).await,
            None => Ok(()),
        }
    }

    fn transport(&self) -> Result<&Arc<OwnedFd>, Error> {
        let missing = || Error::invalid("the channel has no connection: call using_transport before (CCT-5)");
        self.transport.as_ref().ok_or_else(missing)
    }

    /// CCT-3. What is no TCP connection has none, and needs none.
    fn keep_network_alive(&self, transport: &OwnedFd) {
        let domain = sockopt::socket_domain(transport);
        let tcp = matches!(domain, Ok(AddressFamily::INET | AddressFamily::INET6))
            && sockopt::socket_type(transport) == Ok(SocketType::STREAM);
        if !tcp {
            return;
        }
        let idle = Duration::from_secs(u64::from(self.network) * 60);
        let set =
            sockopt::set_tcp_keepidle(transport, idle).and_then(|()| sockopt::set_socket_keepalive(transport, true));
        if let Err(error) = set {
            tracing::warn!("the network's keep-alive cannot be set: {error}");
        }
    }
}

impl Drop for ControlChannelTrigger {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        session.forget(&self.id);
        // Without a runtime there is no connection to the broker either, and it ends with that.
        if let Ok(runtime) = Handle::try_current() {
            let id = Arc::clone(&self.id);
            runtime.spawn(async move { session.disable(id).await });
        }
    }
}

fn check_minutes(minutes: u32) -> Result<(), Error> {
    if KEEP_ALIVE_MINUTES.contains(&minutes) {
        return Ok(());
    }
    let text = format!("the server's keep-alive interval is {minutes} min: it is 15 to 1439 (CCT-2)");
    Err(Error::invalid(text))
}

/// What the task of a channel runs for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlChannelTriggerEventDetails {
    id: String,
    keep_alive: bool,
}

impl ControlChannelTriggerEventDetails {
    /// What an instance runs for; `None` where another trigger fired.
    pub fn of(instance: &TaskInstance) -> Option<Self> {
        let details = instance.trigger_details();
        let on: String = details.get("on").ok().flatten()?;
        Some(Self { id: details.get("channel").ok().flatten()?, keep_alive: on == "keep-alive" })
    }

    /// The id of the channel, by which the app finds its own connection (CCT-14): the task runs in the process that has it.
    pub fn control_channel_trigger_id(&self) -> &str {
        &self.id
    }

    /// Whether the server wants to hear something; else something has arrived, or the connection has ended, which reading tells.
    pub const fn is_keep_alive(&self) -> bool {
        self.keep_alive
    }
}

/// What a task with [`ControlChannelReset`](crate::SystemTriggerType::ControlChannelReset) runs for (CCT-15): the app's channels have to be
/// made anew, with their connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlChannelTriggerResetEventDetails {
    reason: ControlChannelTriggerResetReason,
    software: bool,
    hardware: bool,
}

impl ControlChannelTriggerResetEventDetails {
    /// What an instance runs for; `None` where another trigger fired.
    pub fn of(instance: &TaskInstance) -> Option<Self> {
        let details = instance.trigger_details();
        let flag = |name| details.get::<bool>(name).ok().flatten();
        let number: u32 = details.get("reset_reason").ok().flatten()?;
        Some(Self {
            reason: ControlChannelTriggerResetReason::from_number(number)?,
            software: flag("software_slot_reset")?,
            hardware: flag("hardware_slot_reset")?,
        })
    }

    /// Why.
    pub const fn reset_reason(&self) -> ControlChannelTriggerResetReason {
        self.reason
    }

    /// Whether channels in software slots were reset: on Linux always.
    pub const fn software_slot_reset(&self) -> bool {
        self.software
    }

    /// Whether channels in hardware slots were reset: on Linux never.
    pub const fn hardware_slot_reset(&self) -> bool {
        self.hardware
    }
}

/// The call that opens a channel, which may be repeated.
pub(crate) async fn enable(broker: &Broker, app: &str, id: &str, enabled: &Enabled) -> zbus::Result<(u32, String)> {
    let Enabled { transport, keep_alive, resource } = enabled;
    broker.enable_control_channel(app, id, transport.as_fd().into(), *keep_alive, *resource).await
}
