"""A task program in Python, run by the real broker."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from uuid import UUID

import pytest
from conftest import APP, Home, builder, phase, sources_know, take

from bgtask import (
    ApplicationTrigger,
    ApplicationTriggerResult,
    BackgroundExecutionManager,
    BackgroundTaskBuilder,
    BackgroundTaskCancellationReason,
    BackgroundTaskCompletedEventArgs,
    BackgroundTaskRegistration,
    CustomSystemEvent,
    CustomSystemEventTrigger,
    LimitReachedError,
    SystemCondition,
    SystemConditionType,
    TaskFailure,
    TaskFailureKind,
    TypedValue,
    Value,
)

Completions = asyncio.Queue[BackgroundTaskCompletedEventArgs]


async def ready(made: BackgroundTaskBuilder) -> tuple[BackgroundTaskRegistration, Completions]:
    """Registers a task with access; from then on its trigger fires, and its completions are in the queue."""
    await BackgroundExecutionManager.request_access()
    task = await made.register()
    completions: Completions = asyncio.Queue()
    task.on_completed(lambda _task, args: completions.put_nowait(args))
    await sources_know()
    return task, completions


async def outcome_of(broker: Home, entry: str) -> tuple[BackgroundTaskRegistration, BackgroundTaskCompletedEventArgs]:
    task, completions = await ready(builder(entry))
    broker.world.zone("Asia/Tokyo")
    return task, await take(completions)


async def failure_of(broker: Home, entry: str) -> TaskFailure:
    _task, args = await outcome_of(broker, entry)
    with pytest.raises(TaskFailure) as caught:
        args.check_result()
    return caught.value


async def test_it_runs_when_the_time_zone_changes_and_reports(broker: Home) -> None:
    """RUN-1, PR-1, PR-6, EVT-5: progress in order, then the completion, and what the task left in the settings."""
    heard: list[object] = []
    task, completions = await ready(builder())
    task.on_progress(lambda _task, args: heard.append(args.progress))
    task.on_completed(lambda _task, args: heard.append("completed"))
    broker.world.zone("Asia/Tokyo")
    args = await take(completions)
    args.check_result()
    assert heard == [*range(10, 101, 10), "completed"]
    assert (args.task_id, args.task_name, args.progress) == (task.task_id, "task", 100)
    assert args.cancellation_reason is None
    assert broker.settings["task"] == "Completed"


async def test_it_waits_for_its_condition_and_stops_with_it(broker: Home) -> None:
    """CND-2, CND-6: held until the Internet is there, and told to stop when it goes."""
    broker.world.online(False)
    broker.settings["tick"] = 60.0
    made = builder(cancel_on_condition_loss=True)
    made.add_condition(SystemCondition(SystemConditionType.InternetAvailable))
    task, completions = await ready(made)
    broker.world.zone("Asia/Tokyo")
    await phase(task, "latched")
    progress: asyncio.Queue[int] = asyncio.Queue()
    task.on_progress(lambda _task, args: progress.put_nowait(args.progress))
    broker.world.online(True)
    assert await take(progress) == 10
    broker.world.online(False)
    args = await take(completions)
    args.check_result()
    assert args.cancellation_reason is BackgroundTaskCancellationReason.ConditionLoss
    assert broker.settings["task"] == "Canceled with reason: ConditionLoss"


async def test_a_blocking_task_hears_why_it_has_to_stop(broker: Home) -> None:
    """CAN-1, CAN-3: unregistered with cancel, the handler and the sleeping thread are told."""
    task, completions = await ready(builder("Tasks.Blocking", "blocked"))
    progress: asyncio.Queue[int] = asyncio.Queue()
    task.on_progress(lambda _task, args: progress.put_nowait(args.progress))
    broker.world.zone("Asia/Tokyo")
    assert await take(progress) == 1
    await task.unregister(cancel_task=True)
    args = await take(completions)
    args.check_result()
    assert args.cancellation_reason is BackgroundTaskCancellationReason.Abort
    assert broker.settings["blocked"].startswith("['Abort of blocked'] Abort (")
    assert broker.settings["blocked"].endswith("used of 25.0s, 5.0s to stop)")


async def test_an_exception_is_a_failure_in_its_own_words(broker: Home) -> None:
    """EVT-6"""
    failure = await failure_of(broker, "Tasks.Fails")
    assert str(failure) == "ValueError: the server said no: OSError: no route"
    assert (failure.kind, failure.cancellation_reason) == (TaskFailureKind.Failed, None)


async def test_a_deferral_keeps_the_activation_open(broker: Home) -> None:
    """DEF-3: what a thread reports after `run` has returned is still part of it."""
    _task, args = await outcome_of(broker, "Tasks.Defers")
    args.check_result()
    assert args.progress == 42


async def test_of_a_flood_of_progress_the_last_value_arrives(broker: Home) -> None:
    """PR-1"""
    _task, args = await outcome_of(broker, "Tasks.Floods")
    args.check_result()
    assert args.progress == 99_999


async def test_a_process_that_ends_fails_its_task(broker: Home) -> None:
    """D8: with its exit code and its last words."""
    failure = await failure_of(broker, "Tasks.Exits")
    assert failure.kind is TaskFailureKind.HostFailed
    assert "3" in str(failure)
    assert failure.output_tail == "no more paper\n"


async def test_a_task_that_does_not_stop_is_killed(home: Home) -> None:
    """CA-4, D10"""
    home.configure("wall_budget_seconds = 1\ncancel_grace_seconds = 1\n")
    home.start()
    failure = await failure_of(home, "Tasks.Hangs")
    assert failure.kind is TaskFailureKind.Killed
    assert failure.cancellation_reason is BackgroundTaskCancellationReason.ExecutionTimeExceeded


async def test_an_entry_point_that_the_program_does_not_have(broker: Home) -> None:
    """BLD-7"""
    failure = await failure_of(broker, "Tasks.NotInTheProgram")
    assert '"Tasks.NotInTheProgram"' in str(failure) and "Tasks.Example" in str(failure)


async def test_the_task_gets_the_arguments_of_its_trigger(broker: Home) -> None:
    """REQ-2, REQ-4, REQ-5"""
    trigger = ApplicationTrigger()
    made = BackgroundTaskBuilder(name="told", task_entry_point="Tasks.Tells")
    made.set_trigger(trigger)
    task, completions = await ready(made)
    sizes = TypedValue("u32[]", [320, 1280])
    arguments: dict[str, Value] = {"folder": "/home/me", "sizes": sizes, "id": UUID(int=7), "deep": {"er": [1.5]}}
    response = await trigger.request_async(arguments)
    assert response.result is ApplicationTriggerResult.Allowed, response.why
    (await take(completions)).check_result()
    told = broker.settings["told"]
    expected = {"folder": "/home/me", "sizes": [320, 1280], "id": UUID(int=7), "deep": {"er": [1.5]}}
    assert told["details"] == expected
    assert (told["task"], told["count"], told["attempt"], told["suspended"]) == (task.task_id, 1, 1, 0)
    assert told["budget"].total_seconds() == 600, "LC-4: the class of long work"
    with pytest.raises(LimitReachedError, match="at most 65536"):
        await trigger.request_async({"much": "x" * 70_000})


async def test_a_custom_event_and_a_class(broker: Home) -> None:
    """SYS-6, BLD-11"""
    class_id = UUID("3f2504e0-4f89-41d3-9a0c-0305e82c3301")
    broker.stop()
    broker.install(broker.manifest() + f'[[class]]\nid = "{class_id}"\nexecutable = "{broker.program}"\n')
    broker.start()
    made = BackgroundTaskBuilder(name="told")
    made.set_task_entry_point_clsid(class_id)
    made.set_trigger(CustomSystemEventTrigger("org.example.event"))
    task, completions = await ready(made)
    assert (await BackgroundTaskRegistration.get(task.task_id)).task_entry_point_clsid == class_id
    assert await CustomSystemEvent.raise_event("org.example.event") == 1
    (await take(completions)).check_result()
    told = broker.settings["told"]
    assert (told["event"], told["class"]) == ("org.example.event", str(class_id))


def test_started_by_hand_it_says_what_it_is(home: Home) -> None:
    environment = {**os.environ, "BGTASK_APP_ID": APP}
    result = subprocess.run([home.program], env=environment, capture_output=True, text=True)
    assert result.returncode == 2
    assert "is a task host" in result.stderr and "    Tasks.Example\n" in result.stderr


@pytest.mark.parametrize("number", ["", "x", "-1", "0", "999", "99999999999999999999", "1²"])
def test_a_channel_that_is_none_is_described(home: Home, number: str) -> None:
    """Whatever stands in the variable, the program ends with a sentence and leaves other descriptors alone."""
    environment = {**os.environ, "BGTASK_HOST_FD": number}
    result = subprocess.run(
        [sys.executable, home.program], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert result.returncode == 2
    assert result.stderr.startswith("BGTASK_HOST_FD is ") and "Traceback" not in result.stderr, result.stderr
