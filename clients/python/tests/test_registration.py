"""Registering, listing, groups, access: what the broker keeps of what an app says."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from conftest import APP, Home, ask, builder

import bgtask
from bgtask import (
    ApplicationTrigger,
    BackgroundAccessRequestKind,
    BackgroundAccessStatus,
    BackgroundExecutionManager,
    BackgroundTaskBuilder,
    BackgroundTaskRegistration,
    BackgroundTaskRegistrationGroup,
    CustomSystemEvent,
    CustomSystemEventTrigger,
    CustomSystemEventTriggerRecurrence,
    MaintenanceTrigger,
    RegistrationUpdate,
    SystemCondition,
    SystemConditionType,
    SystemTrigger,
    SystemTriggerType,
    TimeTrigger,
    Trigger,
)

CRATE = Path(__file__).parents[3] / "crates/bgtask/src"


async def test_a_registration_is_found_again_as_it_was(broker: Home) -> None:
    """REG-1, TR-5"""
    made = builder(name="found", cancel_on_condition_loss=True, is_network_requested=True)
    made.add_condition(SystemCondition(SystemConditionType.InternetAvailable))
    registered = await made.register()
    found = (await BackgroundTaskRegistration.all_tasks())[registered.task_id]
    assert found == registered and hash(found) == hash(registered)
    assert (found.name, found.task_entry_point) == ("found", "Tasks.Example")
    assert found.trigger == SystemTrigger(SystemTriggerType.TimeZoneChange)
    assert found.conditions == (SystemCondition(SystemConditionType.InternetAvailable),)
    assert found.cancel_on_condition_loss and found.is_network_requested
    assert await BackgroundTaskRegistration.get(registered.task_id) == registered
    assert await found.next_due() is None


async def test_every_trigger_comes_back(home: Home) -> None:
    """TR-5"""
    home.install(home.manifest().replace('"general"', '"general", "timer"'))
    home.start()
    triggers: list[Trigger] = [
        SystemTrigger(SystemTriggerType.InternetAvailable, one_shot=True),
        TimeTrigger(15),
        MaintenanceTrigger(43_199, one_shot=True),
        ApplicationTrigger(),
        CustomSystemEventTrigger("org.example.x", CustomSystemEventTriggerRecurrence.Once),
    ]
    made = builder()
    for trigger in triggers:
        made.set_trigger(trigger)
        await made.register()
    tasks = list((await BackgroundTaskRegistration.all_tasks()).values())
    assert [task.trigger for task in tasks] == triggers, "the oldest first"
    due = await tasks[1].next_due()
    assert due is not None and timedelta(0) < due - datetime.now(UTC) <= timedelta(minutes=15)


async def test_unregistered_it_is_gone(broker: Home) -> None:
    """REG-3"""
    task = await builder().register()
    await task.unregister()
    assert await BackgroundTaskRegistration.all_tasks() == {}
    with pytest.raises(bgtask.UnknownTaskError):
        await task.unregister()
    with pytest.raises(bgtask.UnknownTaskError):
        await BackgroundTaskRegistration.get(uuid4())


async def test_the_same_name_twice_is_two_tasks_unless_it_is_updated(broker: Home) -> None:
    """RE-1, D5"""
    made = builder(name="twice")
    one, two = await made.register(), await made.register()
    assert one != two
    await two.unregister()
    same, update = await made.register_or_update()
    assert (same, update) == (one, RegistrationUpdate.Unchanged)
    made.add_condition(SystemCondition(SystemConditionType.UserPresent))
    other, update = await made.register_or_update()
    assert update is RegistrationUpdate.Replaced
    assert list(await BackgroundTaskRegistration.all_tasks()) == [other.task_id]


async def test_a_group_keeps_its_tasks_to_itself(broker: Home) -> None:
    """GR-1, GR-2, GRP-4"""
    group = BackgroundTaskRegistrationGroup("org.example.telemetry", "Telemetry")
    assert await group.all_tasks() == {}
    task = await builder(task_group=group).register()
    assert await BackgroundTaskRegistration.all_tasks() == {}
    assert list(await group.all_tasks()) == [task.task_id]
    found = await BackgroundTaskRegistration.get_task_group("org.example.telemetry")
    assert found == group and found.name == "Telemetry"
    assert await BackgroundTaskRegistration.get_task_group("org.example.other") is None


async def test_access_is_asked_for_and_given_back(broker: Home) -> None:
    """ACC-3, ACC-17, ACC-22"""
    assert await BackgroundExecutionManager.get_access_status() is BackgroundAccessStatus.Unspecified
    status = await BackgroundExecutionManager.request_access()
    assert status is BackgroundAccessStatus.AllowedSubjectToSystemPolicy and status.allows
    await BackgroundExecutionManager.remove_access()
    assert not (await BackgroundExecutionManager.get_access_status()).allows
    kind = BackgroundAccessRequestKind.AllowedSubjectToSystemPolicy
    assert await BackgroundExecutionManager.request_access_kind(kind, "Alarms ring on time only so.")
    await ask("SetAccess", "ss", APP, "never")
    assert await BackgroundExecutionManager.request_access() is BackgroundAccessStatus.DeniedByUser
    assert not (await BackgroundExecutionManager.get_access_status_for_modern_standby()).allows


async def test_a_program_without_a_loop_calls_one_by_one(broker: Home) -> None:
    """Each `asyncio.run` is a session of its own, and what one gave the next can use."""

    def program() -> int:
        task = asyncio.run(builder().register())
        asyncio.run(task.unregister())
        return asyncio.run(CustomSystemEvent.raise_event("org.example.nobody"))

    assert await asyncio.to_thread(program) == 0


def test_outside_of_a_loop_it_says_so(home: Home) -> None:
    task = BackgroundTaskRegistration(UUID(int=1), "x", "", None, None, None, (), False, False)
    with pytest.raises(bgtask.InvalidArgumentError, match=r"asyncio\.run"):
        task.on_completed(lambda _task, _args: None)


@pytest.mark.parametrize(
    ("file", "ours"),
    [
        ("trigger/system.rs", SystemTriggerType),
        ("condition.rs", SystemConditionType),
        ("cancellation.rs", bgtask.BackgroundTaskCancellationReason),
        ("trigger/custom.rs", CustomSystemEventTriggerRecurrence),
        ("trigger/demand.rs", bgtask.ApplicationTriggerResult),
        ("trigger/device.rs", bgtask.DeviceTriggerResult),
        ("access.rs", BackgroundAccessStatus),
    ],
)
def test_names_and_numbers_are_those_of_the_rust_library(file: str, ours: type[bgtask.SystemTriggerType]) -> None:
    """And so those of Windows, which that library's tests hold it to."""
    source = (CRATE / file).read_text()
    body = source.split(f"    {ours.__name__} {{")[1].split("\n    }")[0]
    theirs = {name: int(number) for name, number in re.findall(r"^\s+(\w+) = (\d+),", body, re.M)}
    assert theirs == {value.name: value.value for value in ours}


def test_a_builder_says_what_it_has() -> None:
    made = BackgroundTaskBuilder(name="x")
    assert "name='x'" in repr(made) and "trigger=None" in repr(made)
