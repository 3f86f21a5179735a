#!/usr/bin/env python3
"""The task program of the tests."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from bgtask import BackgroundTaskDeferral, SocketNotFoundError, TaskInstance, host
from bgtask.app_service import AppServiceFailure, AppServiceRequest, AppServiceTriggerDetails
from bgtask.network import SocketActivityTriggerDetails, SocketActivityTriggerReason, transfer_ownership
from bgtask.transfer import BackgroundTransferCompletionGroup

CLASS = UUID("3f2504e0-4f89-41d3-9a0c-0305e82c3301")


class Example:
    """The sample of Windows: it counts, until it is done or has to stop."""

    async def run(self, task_instance: TaskInstance) -> None:
        settings = task_instance.local_settings()
        must_stop = asyncio.ensure_future(task_instance.cancelled())
        tick = settings.get("tick", 0.01)
        for step in range(1, 11):
            task_instance.progress = step * 10
            await asyncio.wait([must_stop], timeout=tick)
            if must_stop.done():
                settings[task_instance.task.name] = f"Canceled with reason: {must_stop.result().name}"
                return
        settings[task_instance.task.name] = "Completed"


class Blocking:
    """As `Example`, on a thread of its own, with a handler."""

    def run(self, task_instance: TaskInstance) -> None:
        settings = task_instance.local_settings()
        heard: list[str] = []
        task_instance.on_canceled(lambda instance, reason: heard.append(f"{reason.name} of {instance.task.name}"))
        task_instance.progress = 1
        reason = task_instance.wait_cancelled(60)
        assert reason is not None
        settings[task_instance.task.name] = f"{heard} {task_instance.cancel_notice}"


class Fails:
    def run(self, task_instance: TaskInstance) -> None:
        try:
            raise OSError("no route")
        except OSError as error:
            raise ValueError("the server said no") from error


class Defers:
    """Work that goes on after `run` has returned."""

    async def run(self, task_instance: TaskInstance) -> None:
        deferral = task_instance.get_deferral()
        threading.Thread(target=self._work, args=(task_instance, deferral)).start()

    def _work(self, task_instance: TaskInstance, deferral: BackgroundTaskDeferral) -> None:
        with deferral:
            time.sleep(0.2)
            task_instance.progress = 42


class Floods:
    def run(self, task_instance: TaskInstance) -> None:
        for value in range(100_000):
            task_instance.progress = value


class Tells:
    """What it is told."""

    async def run(self, task_instance: TaskInstance) -> None:
        task_instance.local_settings()["told"] = {
            "details": task_instance.trigger_details or {"none": True},
            "event": task_instance.event_id or "",
            "task": task_instance.task.task_id,
            "instance": task_instance.instance_id,
            "fired": task_instance.fired_at,
            "count": task_instance.fired_count,
            "attempt": task_instance.attempt,
            "budget": task_instance.budget,
            "suspended": task_instance.suspended_count,
            "class": str(task_instance.task.task_entry_point_clsid),
        }


class Events:
    """What happened in a folder."""

    def run(self, task_instance: TaskInstance) -> None:
        events, lost = task_instance.trigger_events
        assert lost == 0 and all(event["at"] <= datetime.now(UTC) for event in events)
        told = [f"{event['change']} {event['path']}" for event in events]
        task_instance.local_settings()["changes"] = told


class Chat:
    """Answers what has arrived at a socket in capitals, and hands it over again; at a listener, greets."""

    async def run(self, task_instance: TaskInstance) -> None:
        details = SocketActivityTriggerDetails.of(task_instance)
        assert details is not None
        information = details.socket_information
        task_instance.local_settings()["chat"] = f"{details.reason.name} {information.context.decode()}"
        if details.reason is SocketActivityTriggerReason.SocketClosed:
            with suppress(SocketNotFoundError):
                (await information.take()).close()
            return
        connection = await information.take()
        if details.reason is SocketActivityTriggerReason.SocketActivity:
            connection.sendall(connection.recv(1000).upper())
        elif details.reason is SocketActivityTriggerReason.ConnectionAccepted:
            with connection.accept()[0] as accepted:
                accepted.sendall(b"HELLO")
        else:
            connection.sendall(b"ARE YOU THERE?")
        context = information.context + b"+"
        await transfer_ownership(connection, task_instance.task.task_id, information.id, context=context)


class ChatsInAThread:
    """As `Chat`, without an event loop of its own, and once."""

    def run(self, task_instance: TaskInstance) -> None:
        details = SocketActivityTriggerDetails.of(task_instance)
        assert details is not None
        with asyncio.run(details.socket_information.take()) as connection:
            connection.sendall(connection.recv(1000).upper())


class ChatsAndNeverWaits:
    """As `Chat`, once, on the event loop, which has no turn until it has ended."""

    async def run(self, task_instance: TaskInstance) -> None:
        details = SocketActivityTriggerDetails.of(task_instance)
        assert details is not None
        with await details.socket_information.take() as connection:
            connection.sendall(connection.recv(1000).upper())


class LeavesIt:
    """Ends without the socket that it was given."""

    async def run(self, task_instance: TaskInstance) -> None:
        assert SocketActivityTriggerDetails.of(task_instance) is not None


class Fetched:
    """What has become of a group of transfers."""

    async def run(self, task_instance: TaskInstance) -> None:
        ended = await BackgroundTransferCompletionGroup.ended(task_instance)
        told = [f"{one.file.name} {(await one.progress()).status.name}" for one in ended]
        task_instance.local_settings()["fetched"] = told


class Shouts:
    """Serves an app: answers in capitals, asks back, and does other things at its caller's word."""

    def __init__(self) -> None:
        self.kept: list[AppServiceRequest] = []

    async def run(self, task_instance: TaskInstance) -> None:
        details = AppServiceTriggerDetails.of(task_instance)
        assert details is not None
        async for request in details.connection:
            match request.message:
                case {"say": str(text)}:
                    about = {"text": text.upper(), "service": details.name, "caller": details.caller_app_id or ""}
                    request.send_response(about)
                case {"ask back": str(text)}:
                    request.send_response(await details.connection.send_message({"back": text}))
                case {"large": True}:
                    with suppress(AppServiceFailure):
                        request.send_response({"large": bytes(70_000)})
                case {"keep": True}:
                    self.kept.append(request)
                case {"fail": True}:
                    raise ValueError("as was asked")
                case {"end": True}:
                    return
                case _:
                    # Not answered, and not kept until the next one comes.
                    del request
        task_instance.local_settings()["shouts"] = "nobody asks any more"


class Exits:
    def run(self, task_instance: TaskInstance) -> None:
        print("no more paper", file=sys.stderr, flush=True)
        os._exit(3)


class Hangs:
    def run(self, task_instance: TaskInstance) -> None:
        task_instance.progress = 1
        while True:
            time.sleep(60)


TASKS: Mapping[str | UUID, type[host.BackgroundTask]] = {
    "Tasks.Example": Example,
    "Tasks.Blocking": Blocking,
    "Tasks.Fails": Fails,
    "Tasks.Defers": Defers,
    "Tasks.Floods": Floods,
    "Tasks.Tells": Tells,
    "Tasks.Events": Events,
    "Tasks.Chat": Chat,
    "Tasks.ChatsInAThread": ChatsInAThread,
    "Tasks.ChatsAndNeverWaits": ChatsAndNeverWaits,
    "Tasks.LeavesIt": LeavesIt,
    "Tasks.Fetched": Fetched,
    "Tasks.Shouts": Shouts,
    "Tasks.Exits": Exits,
    "Tasks.Hangs": Hangs,
    CLASS: Tells,
}

if __name__ == "__main__":
    sys.exit(host.run(TASKS))
