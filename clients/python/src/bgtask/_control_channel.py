"""Control channels: connections that an app keeps, and that run its tasks."""

from __future__ import annotations

import array
import asyncio
import errno
import fcntl
import os
import socket
import termios
from dataclasses import dataclass
from typing import Protocol, Self

from . import listening
from ._events import log
from ._serve import ACTIVATED
from ._session import OpenChannel, Session, is_host
from ._stream import Descriptor
from .enums import ControlChannelTriggerResetReason, ControlChannelTriggerStatus
from .errors import InvalidArgumentError, LimitReachedError, SocketWrongKindError
from .task_instance import TaskInstance

MAX_NETWORK_KEEP_ALIVE = 540
"""The kernel takes no longer interval of the network's keep-alive: nine hours, in minutes."""
FLUSH_TIMEOUT = 10.0
"""How long `ControlChannelTrigger.flush_transport` waits, in seconds."""
_LONGEST_LOOK = 0.1


class Transport(Protocol):
    """What has a descriptor, as every socket does."""

    def fileno(self) -> int:
        """Its number."""
        ...


class ControlChannelTrigger:
    """A connection that the app keeps, and that runs its tasks when something arrives, or when its server wants to hear something.

    The connection stays the app's, with everything that belongs to it: the session of TLS, the state of HTTP or of a WebSocket. The
    broker only watches it, and runs the tasks of the channel in the process that holds it. In order (CCT-5 to CCT-7): set what runs
    the app's tasks, `CoreApplication.background_activated`; register tasks with `push_notification_trigger` and
    `keep_alive_trigger`; connect; `using_transport`; `wait_for_push_enabled`. `docs/control-channels.md` has the whole of it.
    """

    def __init__(self, channel_id: str, server_keep_alive_interval_in_minutes: int) -> None:
        """A channel of that name, at most 64 characters, which tells it from the app's others (CCT-1). Its server wants to hear
        something within so many minutes, 15 to 1439 (CCT-2).

        `InvalidArgumentError`: a bound is exceeded.
        """
        if not 0 < len(channel_id) <= 64 or not channel_id.isprintable():
            raise InvalidArgumentError(
                "the id of a control channel has 1 to 64 characters, and no control characters (CCT-1)"
            )
        if not 15 <= server_keep_alive_interval_in_minutes <= 1439:
            raise InvalidArgumentError(
                f"the server's keep-alive interval is {server_keep_alive_interval_in_minutes} min: it is 15 to 1439 (CCT-2)"
            )
        self.control_channel_trigger_id = channel_id
        """The app's name for it."""
        self.server_keep_alive_interval_in_minutes = server_keep_alive_interval_in_minutes
        """How often the server wants to hear something."""
        self.current_keep_alive_interval_in_minutes = min(server_keep_alive_interval_in_minutes, MAX_NETWORK_KEEP_ALIVE)
        """How often the kernel itself says something on a TCP connection that is quiet, so that what lies between does not forget
        it (CCT-3)."""
        self._transport: socket.socket | None = None
        self._session: Session | None = None

    @property
    def keep_alive_trigger(self) -> listening.ControlChannelTrigger:
        """The trigger that fires when the server wants to hear something (CCT-7). Its task writes it."""
        return listening.ControlChannelTrigger(channel=self.control_channel_trigger_id, on="keep-alive")

    @property
    def push_notification_trigger(self) -> listening.ControlChannelTrigger:
        """The trigger that fires when something arrives (CCT-7). Its task reads it."""
        return listening.ControlChannelTrigger(channel=self.control_channel_trigger_id, on="push")

    def using_transport(self, transport: Transport) -> None:
        """Which connection it is (CCT-5): any socket, also one of `ssl`. The channel has a copy of the descriptor until it is closed
        or has another connection: reading and writing stay with whoever has it, and the other end sees it closed when both are.
        Streams of asyncio read by themselves as soon as something arrives, and leave nothing to a task.

        `InvalidArgumentError`: it is closed. `SocketWrongKindError`: it is no socket. `LimitReachedError`: there is no descriptor
        left for the copy.
        """
        copy = _copied(transport)
        self._let_go()
        self._transport = copy

    async def wait_for_push_enabled(self) -> ControlChannelTriggerStatus:
        """Opens the channel: from now on the broker watches the connection, and runs its tasks in this process (CCT-6). Only
        `SoftwareSlotAllocated` is an open channel. Called again, it is open anew, with another connection for example. Where the
        broker is started anew, it is opened again by itself.

        `InvalidArgumentError`: there is no transport, this process runs no tasks, or another process of the app holds a channel of
        this id. `SocketWrongKindError`: the transport was never connected.
        """
        transport, session = self._connected(), Session.current()
        if not is_host() and not ACTIVATED.any:
            raise InvalidArgumentError(
                "this process runs no tasks of the app, and those of a channel run where its connection is: call "
                "CoreApplication.background_activated first"
            )
        self._keep_network_alive(transport)
        self._session = session
        channel = OpenChannel(transport, self.server_keep_alive_interval_in_minutes)
        number, why = await session.open_channel(self.control_channel_trigger_id, channel)
        status = ControlChannelTriggerStatus._of_number(number)
        if status is not ControlChannelTriggerStatus.SoftwareSlotAllocated:
            log.warning("the control channel %s is not open: %s", self.control_channel_trigger_id, why)
        return status

    def decrease_network_keep_alive_interval(self) -> None:
        """Says that what lies between this machine and the server forgets connections earlier than was thought: the network's
        keep-alive comes twice as often from now on, up to every minute (CCT-3). To be called when the connection was lost though
        nobody closed it."""
        transport = self._connected()
        self.current_keep_alive_interval_in_minutes = max(1, self.current_keep_alive_interval_in_minutes // 2)
        self._keep_network_alive(transport)

    async def flush_transport(self) -> None:
        """Waits until the kernel has sent everything that was written to the connection, and on TCP until the other end has
        confirmed it. To be called at the end of a task (CCT-12), after `writer.drain()`.

        `LimitReachedError`: it took longer than `FLUSH_TIMEOUT`, because the other end does not read or is gone.
        """
        transport, loop = self._connected(), asyncio.get_running_loop()
        deadline, pause = loop.time() + FLUSH_TIMEOUT, 0.001
        # The kernel tells nobody of it.
        while _unsent(transport) > 0:
            if loop.time() >= deadline:
                raise LimitReachedError(
                    "what was written to the connection was not sent in time: the other end does not read, or is gone"
                )
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_LOOK)

    async def close(self) -> None:
        """Closes the channel: the connection is watched no more (CCT-13). What becomes of the connection is the app's affair:
        the channel has its copy no more, and a connection again only by `using_transport`. A channel that is not closed is open
        until its process ends."""
        self._let_go()
        session, self._session = self._session, None
        if session is not None:
            await session.close_channel(self.control_channel_trigger_id)

    def _let_go(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def _connected(self) -> socket.socket:
        if self._transport is None:
            raise InvalidArgumentError("the channel has no connection: call using_transport before (CCT-5)")
        return self._transport

    def _keep_network_alive(self, transport: socket.socket) -> None:
        """CCT-3. What is no TCP connection has none, and needs none."""
        if transport.family in (socket.AF_INET, socket.AF_INET6) and transport.type == socket.SOCK_STREAM:
            seconds = self.current_keep_alive_interval_in_minutes * 60
            transport.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
            transport.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _copied(transport: Transport) -> socket.socket:
    """A socket of `ssl` does not copy itself, so that its descriptor is copied."""
    try:
        copy = Descriptor(os.dup(transport.fileno()))
        made = socket.socket(fileno=copy.number)
    except OSError as error:
        match error.errno:
            case errno.EBADF:
                raise InvalidArgumentError("the connection is closed: give the channel one that is open") from None
            case errno.ENOTSOCK:
                raise SocketWrongKindError(
                    "what the channel was given is no socket, and only sockets are watched"
                ) from None
        raise LimitReachedError(f"the connection cannot be copied: {error.strerror}") from None
    copy.take()
    return made


def _unsent(transport: socket.socket) -> int:
    """How many bytes wait in a socket to be sent, and on TCP to be confirmed; 0 where it does not say."""
    waiting = array.array("i", [0])
    try:
        # SIOCOUTQ has the number of TIOCOUTQ.
        fcntl.ioctl(transport, termios.TIOCOUTQ, waiting)
    except OSError:
        return 0
    return waiting[0]


@dataclass(frozen=True)
class ControlChannelTriggerEventDetails:
    """What the task of a channel runs for."""

    control_channel_trigger_id: str
    """The id of the channel, by which the app finds its own connection (CCT-14)."""
    is_keep_alive: bool
    """Whether the server wants to hear something; else something has arrived, or the connection has ended, which reading tells."""

    @classmethod
    def of(cls, instance: TaskInstance) -> Self | None:
        """What an instance runs for; `None` where another trigger fired."""
        match instance.trigger_details:
            case {"channel": str(channel), "on": str(side)}:
                return cls(channel, side == "keep-alive")
        return None


@dataclass(frozen=True)
class ControlChannelTriggerResetEventDetails:
    """What a task with `ControlChannelReset` runs for (CCT-15): the app's channels have to be made anew, with their connections."""

    reset_reason: ControlChannelTriggerResetReason
    """Why."""
    software_slot_reset: bool
    """Whether channels in software slots were reset: on Linux always."""
    hardware_slot_reset: bool
    """Whether channels in hardware slots were reset: on Linux never."""

    @classmethod
    def of(cls, instance: TaskInstance) -> Self | None:
        """What an instance runs for; `None` where another trigger fired."""
        match instance.trigger_details:
            case {"reset_reason": int(reason), "software_slot_reset": bool(soft), "hardware_slot_reset": bool(hard)}:
                return cls(ControlChannelTriggerResetReason._of_number(reason), soft, hard)
        return None
