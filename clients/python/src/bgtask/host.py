"""For task programs: what runs when a trigger fires.

The broker starts a task program when a trigger fires, with a channel on an inherited socket. The program holds one or several
*entry points* or *classes*, the names and ids that registrations and the app's manifest use, and may serve several
activations, one after the other and, where the manifest lets tasks share a process, side by side:

    #!/usr/bin/env python3
    import asyncio, sys
    from bgtask import TaskInstance, host

    class ExampleTask:
        async def run(self, task_instance: TaskInstance) -> None:
            for step in range(1, 11):
                await asyncio.sleep(1)
                task_instance.progress = step * 10

    if __name__ == "__main__":
        sys.exit(host.run({"Tasks.Example": ExampleTask}))

By default a task has 25 s, or 10 min for the triggers of long work: `TaskInstance.budget`. Then, or whenever it has to stop, it
is told why and has `CANCEL_GRACE` to end before its process is killed (D10, CA-3). What a task wants the app to know after a
cancel it writes to the settings first: a killed process says nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ._serve import (
    CANCEL_GRACE,
    HOST_FD,
    MAX_INSTANCES,
    MAX_QUEUED_PROGRESS,
    PROGRESS_INTERVAL,
    BackgroundTask,
    Entries,
    Factory,
    Server,
)
from ._session import is_host
from ._wire import MAX_FAILURE_BYTES, Channel, ChannelError
from .errors import InvalidArgumentError, NoBrokerError

__all__ = [
    "CANCEL_GRACE",
    "EXIT_NOT_A_HOST",
    "MAX_FAILURE_BYTES",
    "MAX_INSTANCES",
    "MAX_QUEUED_PROGRESS",
    "PROGRESS_INTERVAL",
    "BackgroundTask",
    "is_host",
    "run",
    "serve",
]

EXIT_NOT_A_HOST = 2
"""The exit code of a task program that no broker started."""

_taken = False


def run(tasks: Mapping[str | UUID, Factory]) -> int:
    """Serves the broker until it is gone or wants no more of this process; gives the exit code for `sys.exit`.

    `tasks` are the entry points by their names, which are compared exactly (BLD-7), and classes by their ids (BLD-11). Each
    is a class that is a `BackgroundTask`, or anything else that makes one when it is called: once for each activation.
    What the app itself is activated for runs too, if handlers were set for that before (`CoreApplication`).

    When the channel ends, what still runs is cancelled with `SystemPolicy` and has `CANCEL_GRACE` to end (D7). The exit code
    is 0 if every task had ended and 1 if the channel broke; where a task does not end, the process is ended with 1 here. It is
    `EXIT_NOT_A_HOST`, with a text on the standard error stream, if no broker started this program.
    """
    entries = _entries(tasks)
    if not is_host():
        sys.stderr.write(_explanation(entries))
        return EXIT_NOT_A_HOST
    try:
        ended = asyncio.run(_serve(entries, exit_if_stuck=True))
    except InvalidArgumentError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_NOT_A_HOST
    except NoBrokerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0 if ended else 1


async def serve(tasks: Mapping[str | UUID, Factory] | None = None) -> bool:
    """As `run`, in an event loop of the program's own: whether every task had ended.

    `InvalidArgumentError`: no broker started this process, or it is served already. `NoBrokerError`: the channel broke.
    """
    return await _serve(_entries(tasks or {}), exit_if_stuck=False)


async def _serve(entries: Entries, exit_if_stuck: bool) -> bool:
    channel = Channel.over(_inherited())
    server = Server(entries, os.environ.get("BGTASK_APP_DATA"), channel)
    broken: ChannelError | None = None
    try:
        while (message := await channel.receive()) is not None:
            server.hear(message)
    except ChannelError as error:
        broken = error
    ended = await server.stop(CANCEL_GRACE)
    if not ended and exit_if_stuck:
        # Threads of a task may never end, and the interpreter would wait for some of them.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)
    channel.close()
    if broken is not None:
        raise NoBrokerError(f"the channel to the broker that started this process failed: {broken}")
    return ended


def _inherited() -> socket.socket:
    """Takes the channel. What it cannot use it leaves alone and describes."""
    global _taken
    text = os.environ.get(HOST_FD)
    if text is None:
        raise InvalidArgumentError("no broker started this process; serve only if bgtask.host.is_host()")
    if not text.isascii() or not text.isdigit():
        raise InvalidArgumentError(f"{HOST_FD} is {text!r}, which is no descriptor number; only the broker sets it")
    if _taken:
        raise InvalidArgumentError("this process is served already; a program is one host, with all its tasks")
    _taken = True
    return _take(int(text))


def _take(number: int) -> socket.socket:
    try:
        taken = socket.socket(fileno=number)
    except (OSError, OverflowError) as error:
        raise InvalidArgumentError(_unusable(number, str(error))) from None
    if taken.family != socket.AF_UNIX:
        # Not ours after all: closing it would take it from whoever it belongs to.
        taken.detach()
        raise InvalidArgumentError(_unusable(number, "it is a socket of another family"))
    taken.set_inheritable(False)
    return taken


def _unusable(number: int, problem: str) -> str:
    return (
        f"{HOST_FD} is {number}, but descriptor {number} is no Unix socket ({problem}); it was closed or replaced before "
        "bgtask.host.run, which has to come first"
    )


def _entries(tasks: Mapping[str | UUID, Factory]) -> Entries:
    named: dict[str, Factory] = {}
    classes: dict[UUID, Factory] = {}
    for key, factory in tasks.items():
        if not callable(factory):
            raise InvalidArgumentError(
                f"{key}: {factory!r} makes no tasks; give the class of the task, not an object of it"
            )
        if isinstance(key, UUID):
            classes[key] = factory
        elif isinstance(key, str) and key:
            named[key] = factory
        else:
            raise InvalidArgumentError(f"{key!r} is no entry point: it is a text, or the UUID of a class")
    return Entries(named, classes)


def _explanation(entries: Entries) -> str:
    """What a person reads who starts a task program by hand."""
    program: Any = sys.argv[0] or "this program"
    names = "".join(f"    {name}\n" for name in entries.names())
    return (
        f"{program} is a task host: the broker (bgtaskd) starts it when a trigger fires.\n"
        + (
            f"Its entry points and classes:\n{names}"
            if names
            else "It has no entry points yet; give some to bgtask.host.run.\n"
        )
        + "To try one, install the app's manifest, register a task with that entry point and cause what its trigger waits\n"
        "for; `bgtask watch` shows what happens.\n"
    )
