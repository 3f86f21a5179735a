"""The session of an event loop with the broker: made at first use, kept across restarts of the broker, ended with the loop."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Self

from . import _wire
from ._events import Events, log
from ._serve import ACTIVATED, CANCEL_GRACE, HOST_FD, Entries, Server
from ._wire import COMMANDS, Channel, ChannelError, Received
from .enums import ControlChannelTriggerStatus
from .errors import (
    ConnectionLostError,
    Error,
    InvalidArgumentError,
    NoBrokerError,
    UnknownAppError,
    of_reply,
    protocol,
)

BROKER_WAIT = 3.0
"""Seconds a call waits for a broker that is not there, because it restarts for example, before it fails."""
CALL_TIMEOUT = 30.0
"""Seconds a call waits for the answer of a broker that is there."""
_FIRST_PAUSE = 0.05
_LAST_PAUSE = 30.0
"""The pause between two attempts to connect doubles from the one to the other. A call that needs the broker cuts it short."""
_CHANNEL_IS_OPEN = ControlChannelTriggerStatus.SoftwareSlotAllocated
_MAX_WAITING_CALLS = 128
"""Most calls of the broker that wait to be served; with more it is not read from for a while."""

_app_id: str | None = None


def act_for(app_id: str) -> None:
    """Says which app this process acts for.

    The broker knows a program whose executable an installed manifest names. A Python program's executable is the
    interpreter, so it says so itself: with this call, before anything else, or by `BGTASK_APP_ID` in its environment,
    which the broker sets for what it starts. The broker does not let one app act for another.
    """
    global _app_id
    _app_id = app_id


def broker_path() -> str:
    """The path of the broker's socket: `$BGTASK_ADDRESS`, or else `$XDG_RUNTIME_DIR/bgtask/broker`."""
    address = os.environ.get("BGTASK_ADDRESS")
    if address is None:
        runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
        return f"{runtime}/bgtask/broker"
    path = address.removeprefix("unix:path=")
    if not path.startswith("/") or any(special in path for special in ",;%\0"):
        raise InvalidArgumentError(
            f"{address!r} is no broker address: it looks like unix:path=/run/user/1000/bgtask/broker, or is that path alone"
        )
    return path


class _Refused(Exception):
    """There is a broker, and it does not want to act for the app."""

    def __init__(self, error: Error) -> None:
        self.error = error


_Call = tuple[int, "asyncio.Future[Received]"]
"""A call under way, by its serial number."""


@dataclass
class _Link:
    """An open connection."""

    channel: Channel
    pending: dict[int, asyncio.Future[Received]] = field(default_factory=dict)
    calls: asyncio.Queue[Received | None] = field(default_factory=lambda: asyncio.Queue(_MAX_WAITING_CALLS))
    data_dir: str = ""
    is_open: bool = True

    def begin(self, message: Any) -> _Call:
        """Sends a call, at once and in order; `EOFError` if the connection has ended."""
        if not self.is_open:
            raise EOFError
        serial = self.channel.send(message)
        self.pending[serial] = answer = asyncio.get_running_loop().create_future()
        return serial, answer

    async def answer(self, call: _Call, timeout: float | None) -> tuple[Any, ...]:
        """The body of the answer; `EOFError` if the connection ends before."""
        serial, answer = call
        try:
            reply = await asyncio.wait_for(answer, timeout)
        finally:
            self.pending.pop(serial, None)
        if reply.kind == "error":
            text = reply.body[0] if reply.body and isinstance(reply.body[0], str) else ""
            raise of_reply(reply.error_name, text)
        return reply.body

    def ended(self) -> None:
        self.is_open = False
        self.channel.close()
        for answer in self.pending.values():
            if not answer.done():
                answer.set_exception(EOFError())


@dataclass(frozen=True)
class OpenChannel:
    """What a control channel was opened with."""

    transport: socket.socket
    keep_alive: int
    """Minutes."""


class Session:
    """What `asyncio` code of one event loop uses to talk to the broker."""

    def __init__(self, app: str) -> None:
        self.app = app
        """The app id for calls; empty where the broker is to recognize the process."""
        self.events = Events()
        self._link: _Link | None = None
        self._problem: Error | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._dispatcher: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._wanted = asyncio.Event()
        self._activating = asyncio.Lock()
        self._serving: set[asyncio.Task[None]] = set()
        self._channels: dict[str, OpenChannel] = {}

    @classmethod
    def current(cls) -> Self:
        """The session of the running event loop with the app that this process acts for."""
        return cls._of(_app_id if _app_id is not None else os.environ.get("BGTASK_APP_ID", ""))

    @classmethod
    def of_commands(cls) -> Self:
        """The session of the running event loop with the user's own commands."""
        return cls._of(COMMANDS)

    @classmethod
    def _of(cls, app: str) -> Self:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise InvalidArgumentError(
                "bgtask is used outside an event loop; call it in an async function, run by asyncio.run"
            ) from None
        for ended in [key for key in _sessions if key[0].is_closed()]:
            del _sessions[ended]
        if (loop, app) not in _sessions:
            _sessions[loop, app] = cls(app)
        session = _sessions[loop, app]
        assert isinstance(session, cls)
        return session

    def listen(self) -> Events:
        """Where handlers are attached. Connects, so that they are called."""
        self._want()
        return self.events

    def activates(self) -> None:
        """Has the broker know that this process runs the app's own tasks."""
        self._want()
        link = self._link
        if link is not None and link.is_open:
            # It was attached before there was a handler: attaching again says so, before any call that follows.
            self._in_background(_or_close(link, self._attached(link, link.begin(self._entrance()))))

    async def data_dir(self) -> str:
        """The app's data folder, as the broker told it."""
        return (await self._up(self._deadline())).data_dir

    async def ask(self, message: Any) -> tuple[Any, ...]:
        """Calls something that is repeated if the connection ends before the answer."""
        deadline = self._deadline()
        while True:
            link = await self._up(deadline)
            try:
                return await self._answer(link, message, CALL_TIMEOUT)
            except EOFError:
                if asyncio.get_running_loop().time() >= deadline:
                    raise self._absent("it hangs up") from None
                await self._gone(link)

    async def order(self, message: Any) -> tuple[Any, ...]:
        """Calls something that must not be done twice. Where it is cancelled it may be done all the same, and a descriptor in its
        answer is closed."""
        return await self._once(message, CALL_TIMEOUT)

    async def consult(self, message: Any) -> tuple[Any, ...]:
        """As `order`, where the answer may need a person: it is waited for as long as it takes."""
        return await self._once(message, None)

    async def open_channel(self, channel_id: str, channel: OpenChannel) -> tuple[int, str]:
        """Opens a control channel, and has it opened again wherever the broker is started anew."""
        self._channels.pop(channel_id, None)
        status, why = await self.ask(self._opening(channel_id, channel))
        if status == _CHANNEL_IS_OPEN:
            self._channels[channel_id] = channel
        return status, why

    async def close_channel(self, channel_id: str) -> None:
        """Closes a control channel."""
        self._channels.pop(channel_id, None)
        await self.ask(_wire.call("CloseControlChannel", "ss", self.app, channel_id))

    def _opening(self, channel_id: str, channel: OpenChannel) -> Any:
        signature, transport, software_slot = "sshuu", channel.transport, 0
        return _wire.call(
            "EnableControlChannel", signature, self.app, channel_id, transport, channel.keep_alive, software_slot
        )

    async def _open_channels_again(self, link: _Link) -> None:
        """The broker of a new link does not know them: they ended with the one before."""
        for channel_id, channel in list(self._channels.items()):
            try:
                status, why = await self._answer(link, self._opening(channel_id, channel), CALL_TIMEOUT)
            except EOFError:
                return
            except Error as error:
                status, why = 0, str(error)
            if status != _CHANNEL_IS_OPEN:
                log.warning("the control channel %s is not open any more: %s", channel_id, why)

    async def _once(self, message: Any, timeout: float | None) -> tuple[Any, ...]:
        link = await self._up(self._deadline())
        try:
            return await self._answer(link, message, timeout)
        except EOFError:
            raise ConnectionLostError(
                f"the connection to the broker ended before it answered {_wire.member_of(message)}; it may or may not have "
                "been done: look before trying again"
            ) from None

    @staticmethod
    async def _answer(link: _Link, message: Any, timeout: float | None) -> tuple[Any, ...]:
        try:
            return await link.answer(link.begin(message), timeout)
        except TimeoutError:
            raise NoBrokerError(
                f"the broker did not answer {_wire.member_of(message)} within {CALL_TIMEOUT:.0f} s; see what it logs"
            ) from None

    @staticmethod
    def _deadline() -> float:
        return asyncio.get_running_loop().time() + BROKER_WAIT

    async def _up(self, deadline: float) -> _Link:
        """Waits for an attached link."""
        self._want()
        while self._link is None:
            assert self._keeper is not None
            if self._keeper.done():
                raise self._problem or self._absent("it does not answer")
            self._changed.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                raise self._problem or self._absent("it does not answer") from None
            self._wanted.set()
        return self._link

    async def _gone(self, link: _Link) -> None:
        while self._link is link:
            self._changed.clear()
            await self._changed.wait()

    def _want(self) -> None:
        """There is somebody who needs the broker now."""
        self._wanted.set()
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep(), name="bgtask link")
        if self._dispatcher is None or self._dispatcher.done():
            self._dispatcher = asyncio.create_task(self.events.dispatch(self.app), name="bgtask handlers")

    async def _keep(self) -> None:
        """Keeps the link until it is refused. Sleeps while the broker is away, ever longer, unless it is wanted."""
        pause = _FIRST_PAUSE
        while True:
            self._wanted.clear()
            try:
                await self._attach_and_hear()
                pause, self._problem = _FIRST_PAUSE, None
            except _Refused as refused:
                self._problem = refused.error
                return
            except NoBrokerError as error:
                self._problem = error
            finally:
                self._changed.set()
            try:
                async with asyncio.timeout(pause):
                    await self._wanted.wait()
                # At least a breath, so that a call that cannot wait does not spin.
                await asyncio.sleep(_FIRST_PAUSE)
                pause = _FIRST_PAUSE
            except TimeoutError:
                pause = min(pause * 2, _LAST_PAUSE)

    async def _attach_and_hear(self) -> None:
        """Connects, attaches, and hears until the connection ends."""
        link = _Link(await self._connect())
        hearing = asyncio.create_task(self._hear(link), name="bgtask channel")
        try:
            await self._enter(link)
            self._in_background(self._serve(link))
            self._link = link
            self._changed.set()
            self._in_background(self._open_channels_again(link))
            await hearing
        finally:
            self._link = None
            hearing.cancel()
            link.ended()
            self.events.disconnected()

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        self._serving.add(task := asyncio.create_task(work))
        task.add_done_callback(self._serving.discard)

    async def _connect(self) -> Channel:
        try:
            path = broker_path()
        except Error as error:
            raise _Refused(error) from None
        try:
            async with asyncio.timeout(BROKER_WAIT):
                return await Channel.connect(path)
        except TimeoutError:
            raise self._absent("it does not answer") from None
        except OSError as error:
            raise self._absent(error.strerror or str(error)) from None
        except ChannelError as error:
            raise self._absent(str(error)) from None

    async def _enter(self, link: _Link) -> None:
        try:
            entrance = link.begin(self._entrance())
        except EOFError:
            raise self._absent("it hung up") from None
        except Error as error:
            raise _Refused(error) from None
        await self._attached(link, entrance)

    def _entrance(self) -> Any:
        """The first call."""
        if self.app == COMMANDS:
            # Commands belong to no program: who wants to hear of them watches.
            return _wire.call("Watch", "s", self.app)
        options = {"activates": ("b", True)} if ACTIVATED.any and not is_host() else {}
        return _wire.call("Attach", "sa{sv}", self.app, options)

    async def _attached(self, link: _Link, entrance: _Call) -> None:
        """What was missed comes before the answer."""
        try:
            answer = await link.answer(entrance, BROKER_WAIT)
        except EOFError:
            raise self._absent("it hung up") from None
        except TimeoutError:
            raise self._absent("it does not answer") from None
        except UnknownAppError as error:
            raise _Refused(error if self.app else _unrecognized()) from None
        except Error as error:
            raise _Refused(error) from None
        link.data_dir = _wire.plain(answer[0]).get("data_dir", "") if answer else ""

    async def _hear(self, link: _Link) -> None:
        try:
            while (message := await link.channel.receive()) is not None:
                if message.kind == "method_call":
                    await link.calls.put(message)
                elif message.reply_to is None:
                    self.events.hear(message, link.channel, self.app)
                elif (answer := link.pending.get(message.reply_to)) is not None and not answer.done():
                    answer.set_result(message)
        except ChannelError as error:
            log.warning("%s", protocol(f"what cannot be read: {error}"))
        finally:
            link.ended()
            # What runs has to end well when the link is gone, so its server outlives it.
            while link.calls.full():
                link.calls.get_nowait()
            link.calls.put_nowait(None)

    async def _serve(self, link: _Link) -> None:
        """Serves what the broker activates here, until the link ends.

        One link after the other: what ran on the one before has to have ended first, so that no activation runs in two
        attempts at the same time (D7).
        """
        async with self._activating:
            server = Server(Entries.of_app(), link.data_dir, link.channel)
            while (call := await link.calls.get()) is not None:
                server.hear(call)
            await server.stop(CANCEL_GRACE)

    def _absent(self, problem: str) -> NoBrokerError:
        return NoBrokerError(
            f"no broker answers at {broker_path()} ({problem}); start it with `systemctl --user start bgtask` or by running "
            "`bgtaskd`, or set BGTASK_ADDRESS if it listens elsewhere"
        )


async def _or_close(link: _Link, attached: Awaitable[None]) -> None:
    try:
        await attached
    except (_Refused, NoBrokerError):
        link.channel.close()  # The next link says why.


def is_host() -> bool:
    """Whether the broker started this process, with a channel of its own."""
    return HOST_FD in os.environ


def _unrecognized() -> UnknownAppError:
    return UnknownAppError(
        f"the broker does not know whose program {sys.executable} is: no installed manifest names it as an executable; say "
        "whom this program acts for with bgtask.act_for or BGTASK_APP_ID"
    )


_sessions: dict[tuple[asyncio.AbstractEventLoop, str], Session] = {}
