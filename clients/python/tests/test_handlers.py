"""Handlers, acknowledgements, and a broker that goes away and comes back."""

from __future__ import annotations

import asyncio
import logging

import pytest
from conftest import PATIENCE, Home, ask, builder, eventually, impatient, phase, sources_know, take

import bgtask
from bgtask import (
    BackgroundExecutionManager,
    BackgroundTaskCompletedEventArgs,
    BackgroundTaskRegistration,
    SystemTrigger,
    SystemTriggerType,
    _wire,
)
from bgtask._session import Session

Completions = asyncio.Queue[BackgroundTaskCompletedEventArgs]


async def ended(broker: Home, zone: str, count: int = 1) -> None:
    """Changes the zone, and waits until the task has run, so often in all."""
    broker.world.zone(zone)

    async def look() -> bool | None:
        lines = map(_wire.plain, await ask("History", "a{sv}", {}))
        return True if sum(line["event"] == "completed" for line in lines) >= count else None

    await eventually(f"{count} completions", look)


def in_another_process(coroutine: object) -> None:
    """A session of its own, as of an app that was closed and is opened again."""
    assert asyncio.iscoroutine(coroutine)
    asyncio.run(asyncio.wait_for(coroutine, PATIENCE))


async def test_what_ended_while_nobody_listened_is_told_later_and_once(broker: Home) -> None:
    """EVT-8, D4: kept by the broker until a handler has returned, then forgotten."""

    async def closed() -> None:
        await BackgroundExecutionManager.request_access()
        await builder().register()
        await sources_know()
        await ended(broker, "Asia/Tokyo")

    async def opened() -> None:
        completions: Completions = asyncio.Queue()
        BackgroundTaskRegistration.on_any_completed(completions.put_nowait)
        (await take(completions)).check_result()
        await acknowledged()

    async def opened_again() -> None:
        heard: list[object] = []
        BackgroundTaskRegistration.on_any_completed(heard.append)
        # What is not acknowledged comes before the answer of the first call.
        await BackgroundTaskRegistration.all_tasks()
        assert heard == [] and not Session.current().events._completions

    for one in (closed, opened, opened_again):
        await asyncio.to_thread(in_another_process, one())


async def acknowledged() -> None:
    """Calls are answered in their order, so what was sent before is done."""
    await BackgroundTaskRegistration.all_tasks()


async def test_a_completion_is_acknowledged_only_when_its_handler_has_returned(broker: Home) -> None:
    """D4: a process that ends in the handler hears of it again."""

    async def ends_in_its_handler() -> None:
        await BackgroundExecutionManager.request_access()
        task = await builder().register()
        await sources_know()
        began = asyncio.Event()

        async def handler(_task: BackgroundTaskRegistration, _args: BackgroundTaskCompletedEventArgs) -> None:
            began.set()
            await asyncio.Event().wait()

        task.on_completed(handler)
        broker.world.zone("Asia/Tokyo")
        await began.wait()
        await acknowledged()

    await asyncio.to_thread(in_another_process, ends_in_its_handler())
    completions: Completions = asyncio.Queue()
    BackgroundTaskRegistration.on_any_completed(completions.put_nowait)
    (await take(completions)).check_result()


async def test_a_handler_that_raises_counts_as_returned(broker: Home, caplog: pytest.LogCaptureFixture) -> None:
    await BackgroundExecutionManager.request_access()
    task = await builder().register()
    await sources_know()

    def bad(_task: BackgroundTaskRegistration, _args: BackgroundTaskCompletedEventArgs) -> None:
        raise RuntimeError("a bad handler")

    completions: Completions = asyncio.Queue()
    task.on_completed(bad)
    token = task.on_completed(lambda _task, args: completions.put_nowait(args))
    with caplog.at_level(logging.ERROR, "bgtask"):
        broker.world.zone("Asia/Tokyo")
        await take(completions)
    assert "a bad handler" in caplog.text
    token.remove()
    token.remove()
    await ended(broker, "America/Lima", 2)
    await acknowledged()
    assert completions.empty()


async def test_a_one_shot_task_is_heard_by_the_handler_of_any(broker: Home) -> None:
    """SYS-1"""
    await BackgroundExecutionManager.request_access()
    made = builder()
    made.set_trigger(SystemTrigger(SystemTriggerType.TimeZoneChange, one_shot=True))
    task = await made.register()
    completions: Completions = asyncio.Queue()
    BackgroundTaskRegistration.on_any_completed(completions.put_nowait)
    await sources_know()
    broker.world.zone("Asia/Tokyo")
    assert (await take(completions)).task_id == task.task_id
    assert await BackgroundTaskRegistration.all_tasks() == {}


async def test_the_session_survives_its_broker(broker: Home) -> None:
    """D7: registrations, handlers and the session go on with the next broker, without being asked."""
    await BackgroundExecutionManager.request_access()
    task = await builder().register()
    completions: Completions = asyncio.Queue()
    task.on_completed(lambda _task, args: completions.put_nowait(args))
    for zone in ("Asia/Tokyo", "America/Lima"):
        broker.kill()
        with impatient(), pytest.raises(bgtask.NoBrokerError):
            await BackgroundTaskRegistration.all_tasks()
        broker.start()
        assert list(await BackgroundTaskRegistration.all_tasks()) == [task.task_id]
        await sources_know()
        broker.world.zone(zone)
        (await take(completions)).check_result()


async def test_an_activation_lost_with_the_broker_runs_again_and_is_told_once(broker: Home) -> None:
    """D7, D4: at least once, here with the second attempt."""
    broker.settings["tick"] = 60.0
    await BackgroundExecutionManager.request_access()
    task = await builder().register()
    completions: Completions = asyncio.Queue()
    task.on_completed(lambda _task, args: completions.put_nowait(args))
    await sources_know()
    broker.world.zone("Asia/Tokyo")
    await phase(task, "running")
    broker.kill()
    broker.settings["tick"] = 0.01
    broker.start()
    (await take(completions)).check_result()
    assert broker.settings["task"] == "Completed"
    await acknowledged()
    assert completions.empty()


async def test_a_call_waits_for_a_broker_that_restarts(broker: Home) -> None:
    task = await builder().register()
    broker.kill()
    asking = asyncio.create_task(BackgroundTaskRegistration.all_tasks())
    await asyncio.sleep(0)
    await asyncio.to_thread(broker.start)
    assert list(await asking) == [task.task_id]


async def test_what_must_not_be_done_twice_is_not_repeated(broker: Home) -> None:
    """A registration whose answer is lost may have been made: the app has to look."""
    session = Session.current()
    await BackgroundTaskRegistration.all_tasks()
    link = session._link
    assert link is not None
    registering = asyncio.create_task(builder().register())
    while not link.pending:
        await asyncio.sleep(0)
    link.ended()
    with pytest.raises(bgtask.ConnectionLostError, match="before it answered Register"):
        await registering
    listed = await BackgroundTaskRegistration.all_tasks()
    assert len(listed) <= 1
