"""Tasks that run in the app itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from conftest import APP, Home, builder, phase, sources_know, take

from bgtask import (
    BackgroundActivatedEventArgs,
    BackgroundExecutionManager,
    BackgroundTaskCancellationReason,
    BackgroundTaskCompletedEventArgs,
    BackgroundTaskRegistration,
    BackgroundTaskRegistrationGroup,
    CoreApplication,
    InvalidArgumentError,
    TaskFailure,
    _serve,
)

Completions = asyncio.Queue[BackgroundTaskCompletedEventArgs]

BOTH = f"""
import asyncio
import bgtask
from bgtask import CoreApplication

async def on_activated(args):
    instance = args.task_instance
    instance.progress = 7
    instance.local_settings()["ran"] = f"{{instance.task.name}} in the background: {{CoreApplication.is_background_start()}}"

async def main():
    bgtask.act_for("{APP}")
    CoreApplication.background_activated(on_activated)
    assert CoreApplication.is_background_start()
    await CoreApplication.run_background()

asyncio.run(main())
"""


@pytest.fixture
def app(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A broker that can start the app; this process is the app while it is open."""
    monkeypatch.setattr(_serve.ACTIVATED, "_handlers", {})
    program = home.write_program("app.py", BOTH)
    home.install(home.manifest(f'executable = "{program}"\n'))
    home.start()
    yield home


async def ready(group: BackgroundTaskRegistrationGroup | None = None) -> tuple[BackgroundTaskRegistration, Completions]:
    await BackgroundExecutionManager.request_access()
    task = await builder(entry="", task_group=group).register()
    completions: Completions = asyncio.Queue()
    task.on_completed(lambda _task, args: completions.put_nowait(args))
    await sources_know()
    return task, completions


async def test_an_open_app_runs_its_task_itself(app: Home) -> None:
    """BLD-9, RUN-8: on the loop of the app."""
    thread = threading.current_thread()

    async def on_activated(args: BackgroundActivatedEventArgs) -> None:
        assert threading.current_thread() is thread
        args.task_instance.progress = 50
        args.task_instance.local_settings()["here"] = True

    CoreApplication.background_activated(on_activated)
    task, completions = await ready()
    progress: asyncio.Queue[int] = asyncio.Queue()
    task.on_progress(lambda _task, args: progress.put_nowait(args.progress))
    app.world.zone("Asia/Tokyo")
    (await take(completions)).check_result()
    assert (await take(progress), app.settings["here"]) == (50, True)


async def test_a_handler_that_is_set_later_is_told_to_the_broker(app: Home) -> None:
    """BLD-9: attached before, the app attaches again."""
    _task, completions = await ready()
    CoreApplication.background_activated(lambda args: args.task_instance.local_settings().update(thread=True))
    await BackgroundTaskRegistration.all_tasks()
    app.world.zone("Asia/Tokyo")
    (await take(completions)).check_result()
    assert app.settings["thread"] is True


async def test_a_closed_app_is_started_for_its_tasks(app: Home) -> None:
    """BLD-9"""
    _task, completions = await ready()
    app.world.zone("Asia/Tokyo")
    args = await take(completions)
    args.check_result()
    assert (app.settings["ran"], args.progress) == ("task in the background: True", 7)


async def test_what_the_app_runs_is_cancelled_with_its_reason(app: Home) -> None:
    """CAN-1"""
    heard: asyncio.Queue[BackgroundTaskCancellationReason] = asyncio.Queue()

    async def on_activated(args: BackgroundActivatedEventArgs) -> None:
        heard.put_nowait(await args.task_instance.cancelled())
        raise RuntimeError("not done")

    CoreApplication.background_activated(on_activated)
    task, completions = await ready()
    app.world.zone("Asia/Tokyo")
    await phase(task, "running")
    await task.unregister(cancel_task=True)
    assert await take(heard) is BackgroundTaskCancellationReason.Abort
    args = await take(completions)
    with pytest.raises(TaskFailure, match="RuntimeError: not done"):
        args.check_result()


async def test_a_groups_tasks_go_to_its_own_handler(app: Home) -> None:
    """GRP-5, GR-4"""
    group = BackgroundTaskRegistrationGroup("org.example.group")

    async def on_activated(group: BackgroundTaskRegistrationGroup, args: BackgroundActivatedEventArgs) -> None:
        args.task_instance.local_settings()["group"] = f"{group.id} {args.task_instance.task.group}"

    group.background_activated(on_activated)
    _grouped, completions = await ready(group)
    app.world.zone("Asia/Tokyo")
    (await take(completions)).check_result()
    assert app.settings["group"] == "org.example.group org.example.group"
    _single, completions = await ready()
    app.world.zone("America/Lima")
    with pytest.raises(TaskFailure, match=r"CoreApplication\.background_activated"):
        (await take(completions)).check_result()


async def test_when_the_broker_goes_what_runs_is_told_and_runs_again(app: Home) -> None:
    """D7: with the reason that the broker is gone; the second attempt runs here, or in the app that the next broker starts."""
    reasons: asyncio.Queue[BackgroundTaskCancellationReason] = asyncio.Queue()

    async def on_activated(args: BackgroundActivatedEventArgs) -> None:
        instance = args.task_instance
        if instance.attempt == 1:
            reasons.put_nowait(await instance.cancelled())
        instance.local_settings()["ran"] = f"attempt {instance.attempt}"

    CoreApplication.background_activated(on_activated)
    task, completions = await ready()
    app.world.zone("Asia/Tokyo")
    await phase(task, "running")
    app.kill()
    assert await take(reasons) is BackgroundTaskCancellationReason.SystemPolicy
    app.start()
    (await take(completions)).check_result()
    assert app.settings["ran"] in ("attempt 2", "task in the background: True")


async def test_a_process_that_no_broker_started_is_told(home: Home) -> None:
    assert not CoreApplication.is_background_start()
    with pytest.raises(InvalidArgumentError, match="no broker started this process"):
        await CoreApplication.run_background()
