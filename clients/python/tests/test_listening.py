"""Triggers that listen: what the broker keeps of them, and what their tasks get."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from conftest import Home, builder, take

import bgtask
from bgtask import (
    BackgroundExecutionManager,
    BackgroundTaskBuilder,
    BackgroundTaskCompletedEventArgs,
    BackgroundTaskRegistration,
    DeviceTriggerResult,
    DeviceUseTrigger,
    EventTrigger,
    Trigger,
    triggers,
)
from bgtask.listening import events_of

CRATES = Path(__file__).parents[3] / "crates"
TRIGGERS: list[EventTrigger] = [
    bgtask.DBusSignalTrigger(bus="system", sender="org.freedesktop.UPower", member="DeviceAdded", most=10),
    bgtask.UnitStateTrigger(unit="backup.service", state="failed", manager="user"),
    bgtask.DeviceWatcherTrigger(subsystem="block", action=("add", "remove"), told={"ID_FS_LABEL": "backup*"}),
    bgtask.DeviceConnectionChangeTrigger(device_id="4C:87:5D:01:02:03", one_shot=True),
    bgtask.StorageLibraryContentChangedTrigger(libraries=("pictures", "videos")),
    bgtask.StorageLibraryChangeTrackerTrigger(folder="/home/me/notes"),
    bgtask.ToastNotificationActionTrigger(),
    bgtask.ToastNotificationHistoryChangedTrigger(),
    bgtask.SocketActivityTrigger(),
    bgtask.ControlChannelTrigger(channel="mail", on="keep-alive"),
    bgtask.PushNotificationTrigger(),
    bgtask.SmsMessageReceivedTrigger(sender="+49", text="Your code"),
    bgtask.LocationTrigger(latitude=52.5186, longitude=-13.3763, radius=200, on="leave"),
    bgtask.GeovisitTrigger(scope="city"),
    bgtask.SensorDataThresholdTrigger(sensor="light", above=500.5, below=20.0),
    bgtask.BluetoothLEAdvertisementWatcherTrigger(service=UUID(int=1), in_range=-70, out_of_range=-90),
    bgtask.GattCharacteristicNotificationTrigger(
        device="4C:87:5D:01:02:03", service=UUID(int=1), characteristic=UUID(int=2), mode="KeepLatest"
    ),
    bgtask.SmartCardTrigger(reader="Alcor*", on="both"),
    bgtask.AppointmentStoreNotificationTrigger(store="system-calendar"),
    bgtask.ContactStoreNotificationTrigger(),
    bgtask.BackgroundTransferCompletionGroupTrigger(group=str(UUID(int=7))),
]


def name_of(trigger: object) -> str:
    return type(trigger).__name__


def told(trigger: Trigger) -> dict[str, Any]:
    """What the broker says of a trigger that it was given."""
    name, properties = triggers.to_wire(trigger)
    texts = {key: value for key, (signature, value) in properties.items() if signature == "s"}
    one_shot = properties.get("one_shot", ("b", False))[1]
    return {"trigger": name, "trigger_properties": texts, "one_shot": one_shot}


@pytest.mark.parametrize("trigger", TRIGGERS, ids=name_of)
def test_a_trigger_comes_back_as_it_was(trigger: EventTrigger) -> None:
    """TR-5"""
    assert triggers.of_info(told(trigger)) == trigger
    assert hash(trigger) == hash(triggers.of_info(told(trigger)))


def test_they_are_those_of_the_rust_library() -> None:
    """And so those of the core, which that library's tests hold it to."""
    source = (CRATES / "bgtask/src/trigger/mod.rs").read_text().split("    listening {")[-1]
    theirs = re.findall(r"\((\w+Trigger)\),", source)
    assert [name_of(trigger) for trigger in TRIGGERS] == theirs


def test_every_property_is_one_that_the_broker_knows() -> None:
    source = (CRATES / "bgtask-core/src/model/subject.rs").read_text()
    known = dict(re.findall(r"^    (\w+), \"[\w-]+\", \[\w+\],\s+heard\(&\[(.*?)\]\)", source, re.M | re.S))
    assert len(known) == len(TRIGGERS)
    for trigger in TRIGGERS:
        names = re.findall(r'"([^"]+)"', known[name_of(trigger).removesuffix("Trigger")])
        ours = {name for name in trigger.properties() if not name.isupper()}
        assert ours <= set(names), trigger


def test_what_only_a_later_version_understands_is_none() -> None:
    """REG-2"""
    visit = told(bgtask.GeovisitTrigger(scope="city"))
    assert triggers.of_info(visit | {"trigger": "TelepathyTrigger"}) is None
    assert triggers.of_info(visit | {"trigger_properties": {"scope": "city", "planet": "mars"}}) is None
    assert triggers.of_info(visit | {"trigger_properties": {}}) is None
    location = told(bgtask.LocationTrigger(latitude=1, longitude=2, radius=10))
    assert triggers.of_info(location | {"trigger_properties": {"radius": "far"}}) is None


@pytest.mark.parametrize(
    "trigger",
    [EventTrigger(), bgtask.DeviceWatcherTrigger(action=7)],  # type: ignore[arg-type]
    ids=name_of,
)
def test_what_is_no_trigger_is_an_invalid_argument(trigger: Trigger) -> None:
    with pytest.raises(bgtask.InvalidArgumentError):
        triggers.to_wire(trigger)


def test_events_have_their_time_and_what_was_lost() -> None:
    event = {"path": "/a", "change": "created", "at": 1_000_000}
    happened = events_of({"events": [event], "lost": 2})
    assert happened.events == [event | {"at": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)}]
    assert happened.lost == 2
    others: list[dict[str, Any]] = [{}, {"folder": "/a"}, {"events": "none"}, {"events": [7]}, {"lost": "x"}]
    for details in others:
        assert events_of(details) == ([], 0), details


async def test_the_broker_keeps_a_trigger_as_it_was(broker: Home) -> None:
    """TR-5, through the broker: of those that need no service, which the private machine has none of."""
    listened: list[Trigger] = [
        bgtask.StorageLibraryChangeTrackerTrigger(folder="/notes", one_shot=True),
        bgtask.StorageLibraryChangeTrackerTrigger(folder="/mail"),
    ]
    made = builder()
    for trigger in listened:
        made.set_trigger(trigger)
        await made.register()
    tasks = list((await BackgroundTaskRegistration.all_tasks()).values())
    assert [task.trigger for task in tasks] == listened, "the oldest first"


async def test_a_wrong_property_is_told_with_the_right_ones(broker: Home) -> None:
    made = builder()
    made.set_trigger(bgtask.DeviceWatcherTrigger(subsystem="block", told={"colour": "red"}))
    with pytest.raises(bgtask.InvalidArgumentError, match=r"colour.*subsystem.*device_type"):
        await made.register()


async def test_a_device_is_used_at_the_apps_word(broker: Home) -> None:
    """REQ-1, CO-6"""
    trigger = DeviceUseTrigger()
    response = await trigger.request_async("/sys/class/tty/ttyACM0", "sync")
    assert response.result is DeviceTriggerResult.DeniedBySystem and response.why
    made = BackgroundTaskBuilder(name="use", task_entry_point="")
    made.set_trigger(trigger)
    with pytest.raises(bgtask.InvalidArgumentError, match="entry point"):
        await made.register()
    task = await builder().register()
    made.task_entry_point = "Tasks.Tells"
    registered = await made.register()
    assert registered != task and registered.trigger == trigger
    assert (await BackgroundTaskRegistration.get(registered.task_id)).trigger == trigger


async def test_a_task_is_told_what_happened_in_a_folder(broker: Home) -> None:
    """D1: what happened since the last run, in its order, and each with its time."""
    folder = broker.world.path / "notes"
    folder.mkdir()
    completions: asyncio.Queue[BackgroundTaskCompletedEventArgs] = asyncio.Queue()
    BackgroundTaskRegistration.on_any_completed(completions.put_nowait)
    await BackgroundExecutionManager.request_access()
    made = builder("Tasks.Events")
    made.set_trigger(bgtask.StorageLibraryChangeTrackerTrigger(folder="/notes"))
    await made.register()
    (await take(completions)).check_result()
    assert broker.settings["changes"] == ["reset /notes"], "what was before is not known"

    (folder / "a").write_text("one")
    (folder / "a").rename(folder / "b")
    told: list[str] = []
    while "renamed /notes/b" not in told:
        (await take(completions)).check_result()
        told += broker.settings["changes"]
    assert told == ["created /notes/a", "written /notes/a", "renamed /notes/b"]
