"""What fires a task, and what must hold for it to run.

Triggers and conditions are plain values: the same one may be registered again, also after it was unregistered (TR-2), and a
registration gives it back as it was (TR-5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import _wire, listening
from ._session import Session
from .enums import (
    ApplicationTriggerResult,
    CustomSystemEventTriggerRecurrence,
    DeviceTriggerResult,
    MediaProcessingTriggerResult,
    SystemConditionType,
    SystemTriggerType,
)
from .errors import InvalidArgumentError, LimitReachedError
from .listening import EventTrigger
from .values import Value, set_to_wire

WireTrigger = tuple[str, dict[str, tuple[str, Any]]]


@dataclass(frozen=True)
class SystemTrigger:
    """Fires on an event of the system: `SystemTrigger(SystemTriggerType.TimeZoneChange)`."""

    trigger_type: SystemTriggerType
    """The event."""
    one_shot: bool = False
    """Whether the first firing spends the registration, which is gone when that activation ends (SYS-1)."""


@dataclass(frozen=True)
class TimeTrigger:
    """Fires when some time has passed, once or again and again (TIM-1).

    A device wakes for several such tasks together, so they are released on the next quarter of an hour after they are due (D11).
    """

    freshness_time: int
    """Minutes: 15 to 43 199 (30 days). What is outside of that the broker refuses (BLD-17)."""
    one_shot: bool = False
    """Whether it fires only once."""


@dataclass(frozen=True)
class MaintenanceTrigger:
    """As a `TimeTrigger`, but only while the machine is on external power (TM-7).

    A task that runs when the power is taken away is told to stop, and is due again (D12).
    """

    freshness_time: int
    """Minutes: 15 to 43 199."""
    one_shot: bool = False
    """Whether it fires only once."""


@dataclass(frozen=True)
class CustomSystemEventTrigger:
    """Fires when a program raises the event of this id (SYS-6), by `CustomSystemEvent.raise_event` or `bgtask raise`."""

    trigger_id: str
    """The id of the event: 1 to 255 bytes, of the form of a domain name or a GUID."""
    recurrence: CustomSystemEventTriggerRecurrence = CustomSystemEventTriggerRecurrence.Always
    """How often it counts."""


class ApplicationTriggerResponse(NamedTuple):
    """What became of a request to an `ApplicationTrigger`, and why in a sentence for a person."""

    result: ApplicationTriggerResult
    why: str


class MediaProcessingTriggerResponse(NamedTuple):
    """What became of a request to a `MediaProcessingTrigger`, and why in a sentence for a person."""

    result: MediaProcessingTriggerResult
    why: str


@dataclass(frozen=True)
class ApplicationTrigger:
    """Fires when the app says so (REQ-1). An app may have one task with it (TR-1); all such triggers of an app are the same."""

    async def request_async(self, arguments: Mapping[str, Value] | None = None) -> ApplicationTriggerResponse:
        """Fires the trigger; its task runs as soon as its conditions hold, and finds the arguments in
        `TaskInstance.trigger_details` (REQ-4). The answer comes when that is durable, not when the task has run.

        That the task may not run now is no exception but a result. At most 64 KiB of arguments travel: more raises
        `LimitReachedError`. `ConnectionLostError`: it may have fired or not.
        """
        result, why = await _request("ApplicationTrigger", arguments or {})
        return ApplicationTriggerResponse(ApplicationTriggerResult._of_number(result), why)


@dataclass(frozen=True)
class MediaProcessingTrigger:
    """As an `ApplicationTrigger`, for work on media, such as encoding a video (REQ-7).

    The manifest declares its task with the type `mediaProcessing`.
    """

    async def request_async(self, arguments: Mapping[str, Value] | None = None) -> MediaProcessingTriggerResponse:
        """As `ApplicationTrigger.request_async`."""
        result, why = await _request("MediaProcessingTrigger", arguments or {})
        return MediaProcessingTriggerResponse(MediaProcessingTriggerResult._of_number(result), why)


class DeviceTriggerResponse(NamedTuple):
    """What became of a request to a `DeviceUseTrigger`, and why in a sentence for a person."""

    result: DeviceTriggerResult
    why: str


@dataclass(frozen=True)
class DeviceUseTrigger:
    """Fires when the app says so, for a task that uses a device longer than others may run (REQ-1, CA-8).

    An app may have one task with it, without conditions, with an entry point that the manifest declares with the type `deviceUse` or
    `general` (CO-6). The task is told to stop when the last program of its app goes away, and when the device does.
    """

    async def request_async(self, device_id: str, arguments: str = "") -> DeviceTriggerResponse:
        """Fires the trigger for a device: its path below `/sys`, or its Bluetooth address.

        The task finds both as `device_id` and `arguments` in `TaskInstance.trigger_details`. Otherwise as
        `ApplicationTrigger.request_async`.
        """
        result, why = await _request("DeviceUseTrigger", {"device_id": device_id, "arguments": arguments})
        return DeviceTriggerResponse(DeviceTriggerResult._of_number(result), why)


Trigger = (
    SystemTrigger
    | TimeTrigger
    | MaintenanceTrigger
    | ApplicationTrigger
    | MediaProcessingTrigger
    | DeviceUseTrigger
    | CustomSystemEventTrigger
    | EventTrigger
)
"""Any trigger. A registration has exactly one (LC-1)."""


@dataclass(frozen=True)
class SystemCondition:
    """A state of the system that must hold for a task to run.

    A task that fires while it does not hold is kept until it does (CND-2); of several conditions every one must hold (CND-1).
    """

    condition_type: SystemConditionType
    """The state."""


class CustomSystemEvent:
    """The other side of a `CustomSystemEventTrigger`: the program that knows when the event happens."""

    @staticmethod
    async def raise_event(trigger_id: str) -> int:
        """Fires every task that waits for this event, of whichever app, and answers how many there were.

        The manifest of the program's app has to allow it, `raises = ["org.example.JackPlugged"]`, else `AccessDeniedError`.
        """
        (count,) = await Session.current().order(_wire.call("Raise", "s", trigger_id))
        return int(count)


async def _request(name: str, arguments: Mapping[str, Value]) -> tuple[int, str]:
    try:
        details = set_to_wire(arguments)
    except ValueError as error:
        raise InvalidArgumentError(f"the arguments cannot travel with a trigger: {error}") from None
    if (size := _wire.bytes_of(details)) > _wire.MAX_VALUE_SET_BYTES:
        raise LimitReachedError(
            f"the arguments have {size} bytes, at most {_wire.MAX_VALUE_SET_BYTES} travel with a trigger; write them to a "
            "file or a setting and send its name"
        )
    session = Session.current()
    result, why = await session.order(_wire.call("RequestTrigger", "ssa{sv}", session.app, name, details))
    return result, why


def to_wire(trigger: Trigger) -> WireTrigger:
    """A trigger as the broker hears of it."""
    name = type(trigger).__name__
    match trigger:
        case SystemTrigger(trigger_type, one_shot):
            kind = SystemTriggerType(trigger_type).name
            return name, {"type": ("s", kind), "one_shot": ("b", bool(one_shot))}
        case TimeTrigger(minutes, one_shot) | MaintenanceTrigger(minutes, one_shot):
            return name, {"freshness": ("u", _minutes(minutes)), "one_shot": ("b", bool(one_shot))}
        case CustomSystemEventTrigger(trigger_id, recurrence):
            how_often = CustomSystemEventTriggerRecurrence(recurrence).name
            return name, {"id": ("s", trigger_id), "recurrence": ("s", how_often)}
        case ApplicationTrigger() | MediaProcessingTrigger() | DeviceUseTrigger():
            return name, {}
        case EventTrigger(one_shot=one_shot) if type(trigger) is not EventTrigger:
            texts = {key: ("s", text) for key, text in _texts(trigger).items()}
            return name, texts | {"one_shot": ("b", bool(one_shot))}
    raise InvalidArgumentError(f"{trigger!r} is no trigger; bgtask.Trigger says which there are")


def _texts(trigger: EventTrigger) -> dict[str, str]:
    try:
        return trigger.properties()
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"{trigger!r} has a property of another type than it takes: {error}") from None


def _minutes(freshness_time: int) -> int:
    if not isinstance(freshness_time, int) or not 0 <= freshness_time < 1 << 32:
        raise InvalidArgumentError(f"a freshness time of {freshness_time!r} minutes: a timer takes 15 to 43199")
    return freshness_time


def of_info(info: dict[str, Any]) -> Trigger | None:
    """A trigger as the broker tells of it; `None` for one that this version does not know (REG-2)."""
    one_shot = info["one_shot"]
    match info["trigger"]:
        case "SystemTrigger":
            kind = SystemTriggerType._of_name(info["trigger_type"])
            return None if kind is None else SystemTrigger(kind, one_shot)
        case "TimeTrigger":
            return TimeTrigger(info["freshness"], one_shot)
        case "MaintenanceTrigger":
            return MaintenanceTrigger(info["freshness"], one_shot)
        case "ApplicationTrigger":
            return ApplicationTrigger()
        case "MediaProcessingTrigger":
            return MediaProcessingTrigger()
        case "DeviceUseTrigger":
            return DeviceUseTrigger()
        case "CustomSystemEventTrigger":
            how_often = CustomSystemEventTriggerRecurrence._of_name(info["recurrence"])
            return None if how_often is None else CustomSystemEventTrigger(info["event_id"], how_often)
    return listening.of_info(info)
