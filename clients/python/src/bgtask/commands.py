"""The user's own commands as tasks: what `bgtask add` is at a shell. They need no app, no manifest and no task program."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from . import _wire
from ._events import EventRegistrationToken
from ._session import Session
from .enums import RegistrationUpdate
from .errors import InvalidArgumentError, protocol
from .event_args import BackgroundTaskProgressEventArgs, TaskChangedEventArgs
from .registration import uuid_of
from .values import time_of

Span = str | timedelta
"""A span of time: `"90s"`, `"15min"`, `"1h30min"`, `"2d"`, or a `timedelta`."""


@dataclass
class CommandTask:
    """A command, what fires it, and what must hold for it to run.

    Its fields are the keys of a task file, with `_` for `-`; what is `None` is left out and has the default of task files. The
    words of triggers and conditions are those of the command line; the broker says what is wrong with one, with a suggestion.

        backup = CommandTask("backup", ["restic", "backup", "/home/me"], every="6h", when=["unmetered", "ac-power"])
        task, update = await backup.add()

    The command runs as a process of its own, is stopped by SIGTERM, and its exit code says whether it succeeded. A command
    that is a Python program says how far it is with `report_progress`.
    """

    name: str
    """Its name, which is unique among the user's commands."""
    command: str | Sequence[str]
    """A program and its arguments, as they are; or a line for `/bin/sh -c`."""
    on: str | None = None
    """What fires it: `"time-zone-change"`, `"path:~/notes"`, `"event:org.example.x"`, a condition that begins to hold, …"""
    every: Span | None = None
    """How long from one firing to the next, from 1 s."""
    at: str | None = None
    """A calendar expression of cron or of systemd. One of `on`, `every` and `at` is needed."""
    when: Sequence[str] = ()
    """Conditions, all of which must hold."""
    once: bool | None = None
    paused: bool | None = None
    dir: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: Span | None = None
    cpu: Span | None = None
    memory: str | None = None
    network: bool | None = None
    network_requested: bool | None = None
    nice: bool | None = None
    retry: int | None = None
    backoff: Span | None = None
    fresh_within: Span | None = None
    checkpoint: bool | None = None
    sandbox: str | None = None
    """The walls it runs behind: `"strict"`, `"home-read"`, `"home-write"` or `"no-network"`."""
    cancel_on_condition_loss: bool | None = None
    accuracy: Span | None = None
    jitter: Span | None = None
    wake: bool | None = None
    zone: str | None = None
    catch_up: bool | None = None
    recursive: bool | None = None
    changes: Sequence[str] = ()
    settle: Span | None = None

    async def add(self, replace: bool = False) -> tuple[RegisteredCommand, RegistrationUpdate]:
        """Has the broker run it from now on. With `replace` it may take the place of another of its name.

        `InvalidArgumentError` says everything that is wrong with it at once; `NameTakenError`; `AccessDeniedError`: an app may
        not add commands, only the user.
        """
        session = Session.of_commands()
        call = _wire.call("AddTask", "ssb", self.name, self.definition(), bool(replace))
        task_id, update = await session.order(call)
        try:
            became = RegistrationUpdate(update)
        except ValueError:
            raise protocol(f"{update!r} as what became of a command") from None
        return await RegisteredCommand.get(uuid_of(task_id)), became

    def definition(self) -> str:
        """The task file that it is."""
        lines = []
        for one in fields(self):
            value = getattr(self, one.name)
            if value is not None and value != () and value != {}:
                lines.append(f"{one.name.replace('_', '-')} = {_toml(one.name, value)}\n")
        return "".join(lines)


@dataclass(frozen=True)
class RegisteredCommand:
    """A command that the broker has."""

    task_id: UUID
    name: str
    trigger: str
    """What fires it, in one word: `"every:6h"`."""
    definition: str
    """The task file: all that it is."""
    log: str | None
    """The file with what it wrote."""
    paused: bool
    phase: str
    """`idle`, `latched`, `buffered`, `starting`, `running`, `suspended`, `cancelling`."""
    last_at: datetime | None
    """When its last run ended."""
    last_ok: bool | None
    """Whether that succeeded."""

    @staticmethod
    async def all() -> dict[UUID, RegisteredCommand]:
        """All of the user's commands, by task id, oldest first."""
        session = Session.of_commands()
        (infos,) = await session.ask(_wire.call("ListTasks", "s", session.app))
        plain = sorted(map(_wire.plain, infos), key=lambda info: int(info["registered_at"]))
        return {task.task_id: task for task in map(_read, plain)}

    @staticmethod
    async def get(task_id: UUID) -> RegisteredCommand:
        """The command of this id. `UnknownTaskError`: there is none."""
        (info,) = await Session.of_commands().ask(_wire.call("GetTask", "s", str(task_id)))
        return _read(_wire.plain(info))

    async def run_now(self, respect_conditions: bool = False) -> UUID:
        """Runs it now, whatever it waits for, and gives the id of the activation. What runs of it already is waited for."""
        (instance,) = await self._order("RunNow", "sb", bool(respect_conditions))
        return uuid_of(instance)

    async def set_paused(self, paused: bool) -> None:
        """Switches it off for a while: it does not fire."""
        await self._order("SetPaused", "sb", bool(paused))

    async def cancel(self) -> int:
        """Ends what runs of it and gives up what waits: how many activations that were."""
        (count,) = await self._order("Cancel", "s")
        return int(count)

    async def remove(self, cancel_task: bool = False) -> None:
        """Takes it away. With `cancel_task` what runs is told to stop."""
        await self._order("Unregister", "sb", bool(cancel_task))

    def on_progress(
        self, handler: Callable[[RegisteredCommand, BackgroundTaskProgressEventArgs], Awaitable[None] | None]
    ) -> EventRegistrationToken:
        """Has `handler(command, args)` called when it reports progress, from now on."""
        return Session.of_commands().listen().on_progress(self.task_id, lambda args: handler(self, args))

    def on_change(
        self, handler: Callable[[RegisteredCommand, TaskChangedEventArgs], Awaitable[None] | None]
    ) -> EventRegistrationToken:
        """Has `handler(command, args)` called with every line that its history gets, from now on: fired, started, completed.

        What happens while nobody listens is in the history, and `get` tells how the last run ended. It is told once this
        session is connected, which it is after any awaited call.
        """
        return Session.of_commands().listen().on_change(self.task_id, lambda args: handler(self, args))

    async def _order(self, member: str, signature: str, *body: Any) -> tuple[Any, ...]:
        return await Session.of_commands().order(_wire.call(member, signature, str(self.task_id), *body))


async def report_progress(value: int, message: str = "") -> None:
    """For a command that is a Python program: says how far it is, from 0 to 100, and what it does."""
    instance = os.environ.get("BGTASK_INSTANCE")
    if instance is None:
        raise InvalidArgumentError("BGTASK_INSTANCE is not set: only a command that the broker runs reports progress")
    await Session.of_commands().ask(_wire.call("ReportProgress", "sus", instance, value, message))


def _read(info: dict[str, Any]) -> RegisteredCommand:
    try:
        return RegisteredCommand(
            task_id=uuid_of(info["id"]),
            name=info["name"],
            trigger=info["word"],
            definition=info["definition"],
            log=info.get("log"),
            paused=info["paused"],
            phase=info["phase"],
            last_at=time_of(info["last_at"]) if "last_at" in info else None,
            last_ok=info.get("last_ok"),
        )
    except KeyError as error:
        raise protocol(f"a command without {error}") from None


def _toml(name: str, value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case str():
            # What JSON writes of a text TOML reads, but for one character.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
        case timedelta():
            return f'"{value // timedelta(seconds=1)}s"'
        case Mapping():
            return "{" + ", ".join(f"{_toml(name, str(key))} = {_toml(name, one)}" for key, one in value.items()) + "}"
        case Sequence():
            return "[" + ", ".join(_toml(name, one) for one in value) + "]"
    raise InvalidArgumentError(f"{name} of a command cannot be {value!r}")
