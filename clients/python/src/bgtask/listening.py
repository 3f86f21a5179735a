"""Triggers that listen to events, and what their tasks get of them.

Each is a plain value with keyword properties; what is not given is not asked for. The broker keeps them as texts, and a registration
gives the trigger back as it was (TR-5). `docs/triggers.md` of the project has a table of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, NamedTuple, Self
from uuid import UUID

from .values import time_of

_CLASSES: dict[str, type[EventTrigger]] = {}

KnownLibrary = Literal["documents", "pictures", "music", "videos", "downloads", "desktop"]
"""A library of the user: one of the folders that every desktop has. Windows knows the first four."""
DeviceAction = Literal["add", "change", "remove", "bind", "unbind", "move", "online", "offline"]
"""What happens to a device, in the kernel's words."""
UnitState = Literal["active", "inactive", "failed", "activating", "deactivating", "reloading", "maintenance"]
"""What `systemctl` shows as the active state of a unit."""


def _as(read: Callable[[str], Any], write: Callable[[Any], str] = str) -> dict[str, Any]:
    """How a property that is no text is read from one, and written as one."""
    return {"read": read, "write": write}


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split("+"))


_NUMBER = _as(float, repr)
_INTEGER = _as(int)
_UUID = _as(UUID)
_SEVERAL = _as(_words, "+".join)


@dataclass(frozen=True, kw_only=True)
class EventTrigger:
    """What all of them have in common. By itself it is no trigger."""

    one_shot: bool = False
    """Whether the registration is spent by its first firing, and gone when that activation ends. By default it fires every time."""

    def __init_subclass__(cls) -> None:
        _CLASSES[cls.__name__] = cls

    def properties(self) -> dict[str, str]:
        """The properties as the broker keeps them: texts by name."""
        own = ((one, getattr(self, one.name)) for one in fields(self) if one.name != "one_shot")
        return {one.name: one.metadata.get("write", str)(value) for one, value in own if value is not None}

    @classmethod
    def _of(cls, properties: Mapping[str, str], one_shot: bool) -> Self:
        readers = {one.name: one.metadata.get("read", str) for one in fields(cls)}
        return cls(one_shot=one_shot, **{name: readers[name](text) for name, text in properties.items()})


def of_info(info: Mapping[str, Any]) -> EventTrigger | None:
    """A trigger as the broker tells of it; `None` for one that this version does not know (REG-2)."""
    listening = _CLASSES.get(info["trigger"])
    if listening is None:
        return None
    try:
        return listening._of(info.get("trigger_properties", {}), info["one_shot"])
    # Another program registered it, with what only a later version understands.
    except (KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True, kw_only=True)
class DBusSignalTrigger(EventTrigger):
    """Fires on a signal on a message bus, beyond Windows: the door for whatever no other trigger names.

    At least one of sender, path, path_namespace, interface and member, and everything that is given must be so. Events: `bus`, `sender`,
    `path`, `interface`, `member`, `arguments` (a list).
    """

    bus: Literal["session", "system"] = "session"
    sender: str | None = None
    """The well-known name of who sends it, such as `org.freedesktop.UPower`."""
    path: str | None = None
    path_namespace: str | None = None
    """The object it is about, or any below it. Not together with `path`."""
    interface: str | None = None
    member: str | None = None
    arg0: str | None = None
    """Its first argument, where that is a text."""
    most: int | None = field(default=None, metadata=_INTEGER)
    """How many are told singly in any one minute, 1 to 600, by default 60. The rest is lost."""


@dataclass(frozen=True, kw_only=True)
class UnitStateTrigger(EventTrigger):
    """Fires when a unit of systemd reaches a state, beyond Windows.

    Events: `unit`, `state`, `sub_state`, `result`, `manager`.
    """

    unit: str
    """Its full name, as in `backup.service`."""
    state: UnitState
    manager: Literal["system", "user"] = "system"
    """Which systemd manages it."""


@dataclass(frozen=True, kw_only=True)
class DeviceWatcherTrigger(EventTrigger):
    """Fires when a device comes, changes or goes: `DeviceWatcherTrigger(subsystem="block", action=("add",))`.

    Everything that is given must be so, and something besides the actions must be given. Events: `kind` (`Add`, `Update` or
    `Remove`), `action`, `id`, `subsystem`, `device_type`, `node`, `properties` (a dictionary).
    """

    subsystem: str | None = None
    """Such as `block`, `net` or `usb`."""
    device_type: str | None = None
    """The type within the subsystem, such as `partition`."""
    id: str | None = None
    """Its path below `/sys`. A `*` stands for any letters."""
    action: tuple[DeviceAction, ...] | None = field(default=None, metadata=_SEVERAL)
    """What happens to it; by default it comes, changes or goes."""
    told: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What udev or the kernel tell with it: names in capitals, such as `ID_FS_LABEL`, with values in which a `*` stands for any letters."""

    def properties(self) -> dict[str, str]:
        """The properties as the broker keeps them: texts by name."""
        texts = super().properties()
        del texts["told"]
        return texts | dict(self.told)

    @classmethod
    def _of(cls, properties: Mapping[str, str], one_shot: bool) -> Self:
        told = {name: text for name, text in properties.items() if name.isupper()}
        made = super()._of({name: text for name, text in properties.items() if name not in told}, one_shot)
        return replace(made, told=told)


@dataclass(frozen=True, kw_only=True)
class DeviceConnectionChangeTrigger(EventTrigger):
    """Fires when one device is connected or disconnected. Events: `device_id`, `connected`."""

    device_id: str
    """Its path below `/sys`, in which a `*` stands for any letters, or its Bluetooth address."""


@dataclass(frozen=True, kw_only=True)
class StorageLibraryContentChangedTrigger(EventTrigger):
    """Fires when something changes in a library of the user: `StorageLibraryContentChangedTrigger(libraries=("pictures",))`.

    Events: `library`, `path`, `change` (`created`, `written`, `deleted`, `moved-in`, `moved-out` or `renamed`), `previous_path`.
    """

    libraries: tuple[KnownLibrary, ...] = field(metadata=_SEVERAL)


@dataclass(frozen=True, kw_only=True)
class StorageLibraryChangeTrackerTrigger(EventTrigger):
    """Fires when something changes in a folder or in one below it, and tells each change since the last run, in order.

    Events: `path`, `change`, `previous_path`. The change `reset`: what happened is not known, look at all of it.
    """

    folder: str
    """Its absolute path."""


@dataclass(frozen=True, kw_only=True)
class ToastNotificationActionTrigger(EventTrigger):
    """Fires when the user acts on a notification of the app. Events: `id`, `tag`, `action`, `text`, `activation_token`."""


@dataclass(frozen=True, kw_only=True)
class ToastNotificationHistoryChangedTrigger(EventTrigger):
    """Fires when a notification of the app appears or goes.

    Events: `id`, `tag`, `change` (`Added`, `Removed`, `Expired` or `Cleared`).
    """


@dataclass(frozen=True, kw_only=True)
class ControlChannelTrigger(EventTrigger):
    """Fires when something happens at a connection that the app keeps: `network.ControlChannelTrigger` gives it (CCT-7)."""

    channel: str
    """The id of the channel."""
    on: Literal["push", "keep-alive"]
    """Whether something has arrived, or the server wants to hear something."""


@dataclass(frozen=True, kw_only=True)
class PushNotificationTrigger(EventTrigger):
    """Fires when a server pushes a message to the app's channel, which `PushNotificationChannelManager` opens, and `bgtask push open`
    for the user's commands.

    Events: `content` or, where the payload is no text, `bytes`; `channel`; `headers`.
    """


@dataclass(frozen=True, kw_only=True)
class SocketActivityTrigger(EventTrigger):
    """Fires when something arrives at a socket that the app has handed over for its task, by `network.transfer_ownership`: each time
    for one socket, which the task gets with its `network.SocketActivityTriggerDetails`.

    The manifest declares its entry point with the type `systemEvent`, and the app has the capability `pushNotifications` (SOC-2).
    """


@dataclass(frozen=True, kw_only=True)
class SmsMessageReceivedTrigger(EventTrigger):
    """Fires when a text message arrives at a modem. Events: `number`, `text`, `received_at`, `modem`, `message`.

    A `SystemTrigger` of the type `SmsReceived` has the same events, and fires on every message.
    """

    sender: str | None = None
    """What the sender's number begins with."""
    text: str | None = None
    """What the message begins with."""

    def properties(self) -> dict[str, str]:
        """The properties as the broker keeps them: texts by name. The sender is `from`, which Python has another use for."""
        return {"from" if name == "sender" else name: text for name, text in super().properties().items()}

    @classmethod
    def _of(cls, properties: Mapping[str, str], one_shot: bool) -> Self:
        own = {"sender" if name == "from" else name: text for name, text in properties.items()}
        return super()._of(own, one_shot)


@dataclass(frozen=True, kw_only=True)
class LocationTrigger(EventTrigger):
    """Fires when the machine enters or leaves a circle on the earth.

    Events: `state` (`Entered` or `Exited`), `latitude`, `longitude`, `accuracy` (metres).
    """

    latitude: float = field(metadata=_NUMBER)
    """Degrees north."""
    longitude: float = field(metadata=_NUMBER)
    """Degrees east."""
    radius: int = field(metadata=_INTEGER)
    """Metres, 10 to 100 000."""
    on: Literal["enter", "leave", "both"] = "both"


@dataclass(frozen=True, kw_only=True)
class GeovisitTrigger(EventTrigger):
    """Fires when the machine arrives somewhere and stays for a while, and when it departs.

    Events: `state` (`Arrival` or `Departure`), `latitude`, `longitude`, `accuracy` (metres).
    """

    scope: Literal["venue", "city"]


@dataclass(frozen=True, kw_only=True)
class SensorDataThresholdTrigger(EventTrigger):
    """Fires when what a sensor measures crosses a threshold: `SensorDataThresholdTrigger(sensor="light", below=20)`.

    Events: `sensor`, `value`: lux, whether something is near, or which edge is up.
    """

    sensor: Literal["light", "proximity", "orientation"]
    above: float | None = field(default=None, metadata=_NUMBER)
    """Lux; for light."""
    below: float | None = field(default=None, metadata=_NUMBER)
    """Lux; for light."""


@dataclass(frozen=True, kw_only=True)
class BluetoothLEAdvertisementWatcherTrigger(EventTrigger):
    """Fires when a Bluetooth device that advertises itself comes into range, and when it is out of range again.

    Exactly one of service, manufacturer and name. Events: `state` (`InRange` or `OutOfRange`), `address`, `name`, `rssi`, `manufacturer_data` (a dictionary of hexadecimal digits by number), `services`.
    """

    service: UUID | None = field(default=None, metadata=_UUID)
    manufacturer: int | None = field(default=None, metadata=_INTEGER)
    """The number that the Bluetooth SIG gave it."""
    name: str | None = None
    """How it begins."""
    in_range: int | None = field(default=None, metadata=_INTEGER)
    """The signal from which on a device is in range, in dBm, -127 to 20."""
    out_of_range: int | None = field(default=None, metadata=_INTEGER)
    """The signal below which it is out of range again, in dBm."""
    out_of_range_timeout: int | None = field(default=None, metadata=_INTEGER)
    """For how many seconds it has to be silent or too weak to be out of range, 1 to 60."""


@dataclass(frozen=True, kw_only=True)
class GattCharacteristicNotificationTrigger(EventTrigger):
    """Fires when a Bluetooth device notifies of a value.

    Events: `device`, `service`, `characteristic`, `value` (hexadecimal digits), and of a batch `values`, all of them.
    """

    device: str
    """Its address."""
    service: UUID = field(metadata=_UUID)
    characteristic: UUID = field(metadata=_UUID)
    mode: Literal["Serial", "Batch", "KeepLatest"] = "Serial"
    """What becomes of values that come fast: each is told, those of a second together, or the last of a second."""


@dataclass(frozen=True, kw_only=True)
class SmartCardTrigger(EventTrigger):
    """Fires when a smart card is put into a reader or taken out. Events: `reader`, `change` (`added` or `removed`), `atr`."""

    reader: str | None = None
    """The name of the reader, in which a `*` stands for any letters."""
    on: Literal["added", "removed", "both"] = "added"


@dataclass(frozen=True, kw_only=True)
class AppointmentStoreNotificationTrigger(EventTrigger):
    """Fires when a calendar of the user changes. Events: `store`, `name`, `change` (`changed`, `added` or `removed`)."""

    store: str | None = None
    """Only this calendar, by its id."""


@dataclass(frozen=True, kw_only=True)
class BackgroundTransferCompletionGroupTrigger(EventTrigger):
    """Fires when all transfers of a `transfer.BackgroundTransferCompletionGroup`, which gives it, have ended: once, and then the
    registration is spent (SYS-9)."""

    group: str
    """The id of the group."""
    one_shot: bool = True


@dataclass(frozen=True, kw_only=True)
class ContactStoreNotificationTrigger(EventTrigger):
    """Fires when an address book of the user changes. Events: `store`, `name`, `change` (`changed`, `added` or `removed`)."""

    store: str | None = None
    """Only this address book, by its id."""


class TriggerEvents(NamedTuple):
    """What happened since the task last ran, in its order: a hundred events are one run and not a hundred (D1)."""

    events: list[dict[str, Any]]
    """Each with the fields of its class, and `at`, the time it was heard of. A field of which nothing is known is not there."""
    lost: int
    """How many more there were that nobody can tell. A task that has to know everything looks at the whole then."""


def events_of(details: Mapping[str, Any]) -> TriggerEvents:
    """The events in what a trigger carries; none where it is no trigger that listens."""
    events, lost = details.get("events", []), details.get("lost", 0)
    if not isinstance(events, list) or not isinstance(lost, int):
        return TriggerEvents([], 0)
    return TriggerEvents([_with_time(event) for event in events if isinstance(event, dict)], lost)


def _with_time(event: dict[str, Any]) -> dict[str, Any]:
    at = event.get("at")
    return event | {"at": time_of(at)} if isinstance(at, int) else event
