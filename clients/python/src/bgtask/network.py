"""Sockets that outlive the program which opened them: the broker holds them, and starts a task when something arrives.

An app with a connection that is quiet most of the time need not run to keep it. It hands the socket over to the broker and ends.
When something arrives, the broker starts the app's task, which gets the socket itself back: the very connection, with all that has
arrived still unread. When the task is done, it hands the socket over again. The broker never reads from a socket, writes to one,
or accepts on one. `docs/sockets.md` of the project has the whole of it.

A connection with a session that lives on in a program, of HTTP or a WebSocket, is kept by the program itself, and runs its tasks by a
`ControlChannelTrigger`.

>>> async def leave(connection: socket.socket, task: BackgroundTaskRegistration) -> None:
...     await transfer_ownership(connection, task.task_id, "chat", context=b"room 7", keep_alive=timedelta(minutes=15))

>>> async def run(instance: TaskInstance) -> None:
...     details = SocketActivityTriggerDetails.of(instance)
...     connection = await details.socket_information.take()
...     ...  # read what there is, and answer
...     await transfer_ownership(connection, instance.task.task_id, details.socket_information.id)
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from . import _wire
from ._control_channel import (
    FLUSH_TIMEOUT,
    ControlChannelTrigger,
    ControlChannelTriggerEventDetails,
    ControlChannelTriggerResetEventDetails,
)
from ._session import Session
from ._stream import Descriptor
from .enums import (
    ControlChannelTriggerResetReason,
    ControlChannelTriggerStatus,
    SocketActivityKind,
    SocketActivityTriggerReason,
)
from .errors import InvalidArgumentError, SocketNotFoundError, protocol
from .task_instance import TaskInstance

__all__ = [
    "FLUSH_TIMEOUT",
    "ControlChannelTrigger",
    "ControlChannelTriggerEventDetails",
    "ControlChannelTriggerResetEventDetails",
    "ControlChannelTriggerResetReason",
    "ControlChannelTriggerStatus",
    "SocketActivityInformation",
    "SocketActivityKind",
    "SocketActivityTriggerDetails",
    "SocketActivityTriggerReason",
    "transfer_ownership",
]


async def transfer_ownership(
    connected: socket.socket,
    task_id: UUID,
    socket_id: str,
    *,
    context: bytes = b"",
    keep_alive: timedelta | None = None,
) -> None:
    """Hands a socket over: TCP, UDP or a Unix socket, connected or listening (`TransferOwnership`).

    From then on it is the broker's, and runs the task when something arrives: the task has a `SocketActivityTrigger`. The socket is
    closed here; when the call fails, the app still has it. `socket_id` is the app's own name for it, `context` up to 4096 bytes for
    whoever gets it (SOC-11). With `keep_alive`, 1 s to 366 days, the task also runs when nothing came for so long, to write
    something that keeps the connection alive (SOC-12); a listener has none.

    What was read already and not used, in a `StreamReader` for example, does not travel: put it into the context. A copy of the
    socket elsewhere, in an asyncio transport say, would share what arrives: there must be none.

    `SocketIdTakenError`: the broker has one of this id (SOC-10). `UnknownTaskError`: the task is gone, or another app's.
    `SocketWrongKindError`: it is not connected, or no such socket. `LimitReachedError`: the app has too many, or the context is too
    long. `ConnectionLostError`: the broker may or may not have it: see `SocketActivityInformation.all_sockets`.

    Where this is cancelled, the broker may or may not have it too, and the socket is still open here. See `all_sockets`, and close
    it where it is among them: two that read from one connection take each other's bytes.
    """
    if connected.fileno() < 0:
        raise InvalidArgumentError(
            f"the socket {socket_id!r} is closed or was handed over: its task has it next (SOC-6)"
        )
    options: dict[str, tuple[str, Any]] = {"context": ("ay", bytes(context))} if context else {}
    if keep_alive is not None:
        options["keep_alive"] = ("t", max(0, keep_alive // timedelta(microseconds=1)))
    session = Session.current()
    await session.order(
        _wire.call("TransferSocket", "sssha{sv}", session.app, str(task_id), socket_id, connected, options)
    )
    connected.close()


@dataclass(frozen=True)
class SocketActivityInformation:
    """A socket that the app has handed over."""

    id: str
    """The app's name for it."""
    task_id: UUID
    """The registration that it was handed over for."""
    socket_kind: SocketActivityKind
    """What it is."""
    context: bytes
    """What was given along with it."""
    _instance: TaskInstance | None = field(default=None, compare=False, repr=False)
    """The activation that came with it; else the broker has it."""

    @staticmethod
    async def all_sockets() -> dict[str, SocketActivityInformation]:
        """The sockets that the broker has of this app, by the app's names for them (SOC-14): a new run of the app finds what an
        earlier one left. One that its task runs with is among them, and cannot be taken until that has ended."""
        session = Session.current()
        (listed,) = await session.ask(_wire.call("ListSockets", "s", session.app))
        found = (SocketActivityInformation._of(_wire.plain(info)) for info in listed)
        return {one.id: one for one in found}

    async def take(self) -> socket.socket:
        """Takes the socket back, as a blocking one: from then on it is this program's alone (SOC-13).

        Of a task's own details it never waits, so that a plain `def run` may say `asyncio.run(information.take())`.

        One that the broker keeps may be lost where this is cancelled: the answer that brings the socket finds nobody, and closes the
        connection. So it is where the broker breaks off meanwhile (`ConnectionLostError`). Wait for it to the end.

        `SocketNotFoundError`: it was taken already, or lost with an earlier broker. `SocketInUseError`: its task runs with it.
        """
        taken = await self._reclaim() if self._instance is None else self._instance._take_socket()
        if taken is None:
            raise SocketNotFoundError(f"the socket {self.id!r} was taken already, or the broker has lost it")
        ours = socket.socket(fileno=taken)
        # That it does not block is kept with the socket, whoever has it.
        ours.setblocking(True)
        return ours

    async def _reclaim(self) -> int:
        session = Session.current()
        descriptor, _info = await session.order(_wire.call("ReclaimSocket", "ss", session.app, self.id))
        if not isinstance(descriptor, Descriptor):
            raise protocol("a socket without a descriptor")
        return descriptor.take()

    @classmethod
    def _of(cls, info: dict[str, Any]) -> Self:
        kind = SocketActivityKind._of_number(info["kind"])
        return cls(info["id"], UUID(info["task"]), kind, bytes(info.get("context", b"")))


@dataclass(frozen=True)
class SocketActivityTriggerDetails:
    """What the task of a `SocketActivityTrigger` runs for."""

    reason: SocketActivityTriggerReason
    """Why it runs."""
    socket_information: SocketActivityInformation
    """For which socket."""

    @classmethod
    def of(cls, instance: TaskInstance) -> Self | None:
        """What an instance runs for; `None` where another trigger fired."""
        details = instance.trigger_details
        match details:
            case {"reason": int(reason), "id": str(socket_id), "kind": int(kind)}:
                context = bytes(details.get("context", b""))
                found = SocketActivityKind._of_number(kind)
                task = instance.task.task_id
                information = SocketActivityInformation(socket_id, task, found, context, instance)
                return cls(SocketActivityTriggerReason._of_number(reason), information)
        return None
