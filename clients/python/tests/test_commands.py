"""The user's own commands, added, run and heard from Python."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta

import pytest
from conftest import Home, take

import bgtask
from bgtask import (
    BackgroundTaskProgressEventArgs,
    CommandTask,
    RegisteredCommand,
    RegistrationUpdate,
    TaskChangedEventArgs,
)

Changes = asyncio.Queue[TaskChangedEventArgs]


async def added(made: CommandTask) -> tuple[RegisteredCommand, Changes]:
    task, update = await made.add()
    assert update is RegistrationUpdate.Registered
    changes: Changes = asyncio.Queue()
    task.on_change(lambda _task, args: changes.put_nowait(args))
    return task, changes


async def completed(changes: Changes) -> TaskChangedEventArgs:
    while (change := await take(changes)).event != "completed":
        pass
    return change


async def test_a_command_runs_now_and_is_heard(broker: Home) -> None:
    """Its arguments are what they are."""
    words = ["a b", "", "'", '"', "\\", "\n", "\x7f", "👾"]
    file = broker.path / "written"
    program = "import json, sys; open(sys.argv[1], 'w').write(json.dumps(sys.argv[2:]))"
    task, changes = await added(CommandTask("writes", [sys.executable, "-c", program, str(file), *words], every="6h"))
    assert (task.name, task.trigger, task.paused, task.last_ok) == ("writes", "every:6h", False, None)
    assert list(await RegisteredCommand.all()) == [task.task_id]
    instance = await task.run_now()
    assert (await completed(changes)).instance_id == instance
    task = await RegisteredCommand.get(task.task_id)
    assert task.last_ok is True and task.last_at is not None
    assert json.loads(file.read_text()) == words


async def test_an_event_fires_it_and_the_exit_code_is_the_result(broker: Home) -> None:
    task, changes = await added(CommandTask("fails", "echo no paper >&2; exit 3", on="event:org.example.event"))
    assert await bgtask.CustomSystemEvent.raise_event("org.example.event") == 1
    assert (await completed(changes)).text == "failed with exit code 3"
    assert (await RegisteredCommand.get(task.task_id)).last_ok is False


async def test_a_python_program_reports_its_progress(broker: Home) -> None:
    program = "import asyncio, bgtask; asyncio.run(bgtask.report_progress(40, 'half way'))"
    made = CommandTask("reports", [sys.executable, "-c", program], every=timedelta(hours=1), env={"A": 'b"c'})
    task, changes = await added(made)
    progress: asyncio.Queue[BackgroundTaskProgressEventArgs] = asyncio.Queue()
    task.on_progress(lambda _task, args: progress.put_nowait(args))
    instance = await task.run_now()
    assert await take(progress) == BackgroundTaskProgressEventArgs(instance, 40, "half way")
    await completed(changes)
    assert (await RegisteredCommand.get(task.task_id)).last_ok


async def test_it_is_paused_cancelled_replaced_and_removed(broker: Home) -> None:
    task, changes = await added(CommandTask("sleeps", ["sleep", "600"], on="event:org.example.event"))
    await task.set_paused(True)
    assert (await RegisteredCommand.get(task.task_id)).paused
    await task.set_paused(False)
    await task.run_now()
    assert await task.cancel() == 1
    await completed(changes)
    other = CommandTask("sleeps", ["true"], every="1h")
    with pytest.raises(bgtask.NameTakenError):
        await other.add()
    replaced, update = await other.add(replace=True)
    assert (update, replaced.trigger) == (RegistrationUpdate.Replaced, "every:1h")
    await replaced.remove()
    assert await RegisteredCommand.all() == {}


async def test_what_is_wrong_is_told_with_a_suggestion(broker: Home) -> None:
    with pytest.raises(bgtask.InvalidArgumentError, match="unmetered"):
        await CommandTask("x", ["true"], every="1h", when=["unmeterd"]).add()
    for wrong in (
        CommandTask("x", ["true"]),
        CommandTask("x", [], every="1h"),
        CommandTask("x", ["true"], every="soon"),
        CommandTask("", ["true"], every="1h"),
        CommandTask("x", ["a\0b"], every="1h"),
        CommandTask("x", ["\ud800"], every="1h"),
        CommandTask("x", [object()], every="1h"),  # type: ignore[list-item]
    ):
        with pytest.raises(bgtask.InvalidArgumentError):
            await wrong.add()
    assert await RegisteredCommand.all() == {}


async def test_outside_of_a_command_there_is_no_progress(broker: Home) -> None:
    with pytest.raises(bgtask.InvalidArgumentError, match="BGTASK_INSTANCE is not set"):
        await bgtask.report_progress(1)
