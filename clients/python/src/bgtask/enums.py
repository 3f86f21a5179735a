"""Enumerations with the names and numbers of Windows."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Self

from .errors import protocol


class _WindowsEnum(IntEnum):
    """Values whose names are those of Windows, as the broker writes them."""

    @classmethod
    def _of_number(cls, number: int) -> Self:
        try:
            return cls(number)
        except ValueError:
            raise protocol(f"{number} as a {cls.__name__}") from None

    @classmethod
    def _of_name(cls, name: str) -> Self | None:
        return cls.__members__.get(name)


class SystemTriggerType(_WindowsEnum):
    """The system events a `SystemTrigger` can wait for (SYS-1).

    All of them exist in the model; which ones this machine can report is decided when a task is registered: a registration
    for one that it cannot raises `NotSupportedError`.
    """

    SmsReceived = 1
    UserPresent = 2
    UserAway = 3
    NetworkStateChange = 4
    ControlChannelReset = 5
    InternetAvailable = 6
    SessionConnected = 7
    ServicingComplete = 8
    LockScreenApplicationAdded = 9
    LockScreenApplicationRemoved = 10
    TimeZoneChange = 11
    OnlineIdConnectedStateChange = 12
    BackgroundWorkCostChange = 13
    PowerStateChange = 14
    DefaultSignInAccountChange = 15


class SystemConditionType(_WindowsEnum):
    """The states a `SystemCondition` can require (CND-1)."""

    UserPresent = 1
    UserNotPresent = 2
    InternetAvailable = 3
    InternetNotAvailable = 4
    SessionConnected = 5
    SessionDisconnected = 6
    FreeNetworkAvailable = 7
    BackgroundWorkCostNotHigh = 8


class CustomSystemEventTriggerRecurrence(_WindowsEnum):
    """How often a custom event counts (SYS-6): at most once until the user logs out, or every time."""

    Once = 0
    Always = 1


class BackgroundTaskCancellationReason(_WindowsEnum):
    """Why a running task was told to stop (CAN-1). It has 5 seconds to end; then its process is killed (CA-3)."""

    Abort = 0
    """The app took the registration away and asked for this, or a maintenance task lost AC power (CAN-2)."""
    Terminating = 1
    """The user, or policy, ends the app."""
    LoggingOff = 2
    ServicingUpdate = 3
    """The app is being updated."""
    IdleTask = 4
    """It was active but did no work."""
    Uninstall = 5
    ConditionLoss = 6
    """A condition stopped holding, and the registration asked to be cancelled then (CND-6)."""
    SystemPolicy = 7
    """The system's policy, or the broker went away (D7)."""
    QuietHoursEntered = 8
    ExecutionTimeExceeded = 9
    """It ran longer than it may (D10)."""
    ResourceRevocation = 10
    """The system needs the resources back."""
    EnergySaver = 11


class BackgroundTaskThrottleCounter(_WindowsEnum):
    """Which suspensions `TaskInstance.get_throttle_count` counts (POL-2)."""

    All = 0
    Cpu = 1
    """Those because the app had used up its processor time."""
    Network = 2
    """Those because it had sent and received as many bytes as it may."""


class EnergyUsageLevel(_WindowsEnum):
    """How much energy an app uses in the background, from the least (POL-6).

    The numbers are the percentages of what is normal at which each begins; on Windows they are the properties `LowUsageLevel` to
    `TerminationUsageLevel`.
    """

    Low = 0
    NearMaxAcceptable = 80
    MaxAcceptable = 100
    """The user may be shown the app as one that uses much."""
    Excessive = 150
    NearTermination = 250
    Termination = 300
    """Its tasks are told to stop with `ResourceRevocation`, and run again in the next period (POL-7)."""


class BackgroundWorkCostValue(_WindowsEnum):
    """What background work costs the user (POL-4)."""

    Low = 0
    Medium = 1
    High = 2


class BackgroundAccessStatus(_WindowsEnum):
    """Whether an app may run in the background. 1 to 3 belonged to the lock screen of Windows 8 (ACC-9)."""

    Unspecified = 0
    """Nobody was asked yet; the app does nothing in the background (ACC-8)."""
    AlwaysAllowed = 4
    AllowedSubjectToSystemPolicy = 5
    DeniedBySystemPolicy = 6
    DeniedByUser = 7

    @property
    def allows(self) -> bool:
        """Whether tasks may run. Where they may not they can be registered, and wait (D13)."""
        return self in (self.AlwaysAllowed, self.AllowedSubjectToSystemPolicy)


class BackgroundAccessRequestKind(_WindowsEnum):
    """How much background access an app asks for (ACC-20)."""

    AlwaysAllowed = 0
    """To run even while energy is being saved."""
    AllowedSubjectToSystemPolicy = 1
    """To run as far as the user's and the system's limits for the battery go."""


class ApplicationTriggerResult(_WindowsEnum):
    """What became of a request to an `ApplicationTrigger` (REQ-2)."""

    Allowed = 0
    """It fired: the task will run."""
    CurrentlyRunning = 1
    """It did not fire: an earlier request still runs, or waits to, and nothing is queued (REQ-3)."""
    DisabledByPolicy = 2
    """The user or the policy does not let the app run in the background."""
    UnknownError = 3
    """It did not fire for another reason, such as no task being registered with it."""


class MediaProcessingTriggerResult(_WindowsEnum):
    """What became of a request to a `MediaProcessingTrigger` (REQ-7): as `ApplicationTriggerResult`."""

    Allowed = 0
    CurrentlyRunning = 1
    DisabledByPolicy = 2
    UnknownError = 3


class DeviceTriggerResult(_WindowsEnum):
    """What became of a request to a `DeviceUseTrigger` (AC-10)."""

    Allowed = 0
    """It fired: the task will run."""
    DeniedByUser = 1
    """The user does not let the app run in the background."""
    DeniedBySystem = 2
    """It did not fire for another reason: the policy, no task registered with it, or one that runs already."""
    LowBattery = 3
    """The machine is on battery with less than 33 %."""


class ControlChannelTriggerStatus(_WindowsEnum):
    """What became of a control channel."""

    HardwareSlotRequested = 0
    """Never answered: there are none on Linux."""
    SoftwareSlotAllocated = 1
    """The channel is open."""
    HardwareSlotAllocated = 2
    """Never answered."""
    PolicyError = 3
    """The app has as many channels as it may, or may not run in the background (CCT-11, ACC-25)."""
    SystemError = 4
    """Never answered."""
    TransportDisconnected = 5
    """The connection has ended already: connect anew."""
    ServiceUnavailable = 6
    """The machine goes to sleep: try again when it is awake."""


class ControlChannelTriggerResetReason(_WindowsEnum):
    """Why control channels were reset."""

    FastUserSwitched = 0
    """Never told on Linux."""
    LowPowerExit = 1
    """The machine has slept, and the connection did not survive it."""
    QuietHoursExit = 2
    """Never told on Linux."""
    ApplicationRestart = 3
    """The process that held the connection is gone."""


class AppServiceConnectionStatus(_WindowsEnum):
    """What became of an attempt to connect to an app service. Those that tell of remote systems and of accounts are Windows's, and
    never come."""

    Success = 0
    """It is open."""
    AppNotInstalled = 1
    """The app is not installed."""
    AppUnavailable = 2
    """The app cannot run now: it is being updated, or the machine holds background work. Try again later."""
    AppServiceUnavailable = 3
    """The app has no such service, or no program for it."""
    Unknown = 4
    """The broker refused for another reason, which the text tells."""
    RemoteSystemUnavailable = 5
    RemoteSystemNotSupportedByApp = 6
    NotAuthorized = 7
    """The app's manifest does not allow the caller."""
    AuthenticationError = 8
    NetworkNotAvailable = 9
    DisabledByPolicy = 10
    """The user or the policy does not let the app run."""
    WebServiceUnavailable = 11


class AppServiceResponseStatus(_WindowsEnum):
    """What became of a message to an app service. Those that tell of remote systems and of accounts are Windows's, and never come."""

    Success = 0
    """It was answered."""
    Failure = 1
    """It was taken and not answered."""
    ResourceLimitsExceeded = 2
    """The other end has too many messages that it has not answered."""
    Unknown = 3
    """The connection ended before the answer came: the message may or may not have been handled."""
    RemoteSystemUnavailable = 4
    MessageSizeTooLarge = 5
    """The message, or the answer, is larger than `MAX_VALUE_SET_BYTES`."""
    AppUnavailable = 6
    AuthenticationError = 7
    NetworkNotAvailable = 8
    DisabledByPolicy = 9
    WebServiceUnavailable = 10


class AppServiceClosedStatus(_WindowsEnum):
    """Why a connection to an app service is closed (NEI-3)."""

    Completed = 0
    """One end has closed it, or its task has ended well."""
    Canceled = 1
    """Its task was told to stop."""
    ResourceLimitsExceeded = 2
    """Its task was told to stop because it had used up what it may use."""
    Unknown = 3
    """The other end is gone without a word."""


class SocketActivityKind(_WindowsEnum):
    """What a socket is."""

    StreamSocketListener = 1
    """It listens for connections."""
    DatagramSocket = 2
    """It sends and receives datagrams."""
    StreamSocket = 3
    """It is a connection."""


class SocketActivityTriggerReason(_WindowsEnum):
    """Why the task of a socket runs (NW-3)."""

    SocketActivity = 1
    """There is something to read."""
    ConnectionAccepted = 2
    """A connection waits to be accepted."""
    KeepAliveTimerExpired = 3
    """Nothing came for as long as the app wanted to wait."""
    SocketClosed = 4
    """The other end has closed the connection, or it broke: nothing is left to read. Connect anew."""


class BackgroundTransferCostPolicy(_WindowsEnum):
    """Over which networks a file is transferred (NW-7)."""

    Default = 0
    """Over any, where the machine is on the internet."""
    UnrestrictedOnly = 1
    """Only over one that costs nothing; it rests on a metered one."""
    Always = 2
    """Over any, also where nobody knows whether the machine is on the internet."""


class BackgroundTransferPriority(_WindowsEnum):
    """Whether a transfer goes before or after others."""

    Default = 0
    """As any other task."""
    High = 1
    """As the default: what runs is not taken back for it."""
    Low = 2
    """It gives way to everything else on this machine."""


class BackgroundTransferStatus(_WindowsEnum):
    """Where a transfer stands."""

    Idle = 0
    """It waits for its turn."""
    Running = 1
    """It is carried."""
    PausedByApplication = 2
    """The app wants it to rest."""
    PausedCostedNetwork = 3
    """The network costs something, and it may not."""
    PausedNoNetwork = 4
    """There is no network."""
    Completed = 5
    """It is done."""
    Canceled = 6
    """It was given up."""
    Error = 7
    """It will never be done."""
    PausedRecoverableWebErrorStatus = 8
    """The server, or the way to it, failed, and is asked again."""
    PausedSystemPolicy = 32
    """The machine, or its owner, does not want it now."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self in (self.Completed, self.Canceled, self.Error)


class RegistrationUpdate(StrEnum):
    """What `BackgroundTaskBuilder.register_or_update` came to (D5)."""

    Registered = "registered"
    """There was no task of that name: it is registered."""
    Unchanged = "unchanged"
    """It was registered just so: nothing changed, and a timer goes on as it was."""
    Replaced = "replaced"
    """It was registered otherwise: this took its place, in one step."""


class TaskFailureKind(StrEnum):
    """In which way an activation failed."""

    Failed = "failed"
    """The task raised an exception."""
    Cancelled = "cancelled"
    """It was told to stop, and then raised an exception."""
    Killed = "killed"
    """It was told to stop, did not end in time, and its process was killed (CA-4)."""
    HostFailed = "host-failed"
    """Its process could not be started, ended, or was lost (D8)."""
    Abandoned = "abandoned"
    """The broker ended during every attempt (D7)."""
    Other = "other"
    """A way this version does not know."""
