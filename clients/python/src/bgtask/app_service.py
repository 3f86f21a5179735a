"""App services: one app asks, a background task of another answers (HO-6, NEI-1, NEI-2).

An app provides a service by declaring it in its manifest, and nothing is registered: every connection starts an instance of the declared
entry point. `docs/app-services.md` of the project has the whole of it.

>>> class Resize:
...     async def run(self, task_instance: TaskInstance) -> None:
...         details = AppServiceTriggerDetails.of(task_instance)
...         async for request in details.connection:
...             request.send_response({"width": request.message["width"] // 2})

>>> async def mail() -> None:
...     async with await AppServiceConnection.open("org.example.Photos", "org.example.photos.resize") as photos:
...         print(await photos.send_message({"width": 640}))
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from . import _wire
from ._events import log
from ._session import Session
from ._stream import Descriptor
from ._wire import Channel, ChannelError, Received
from .enums import AppServiceClosedStatus as Closed
from .enums import AppServiceConnectionStatus, AppServiceResponseStatus
from .enums import BackgroundTaskCancellationReason as Reason
from .errors import Error, InvalidArgumentError
from .task_instance import TaskInstance
from .values import Value, set_from_wire, set_to_wire

__all__ = [
    "MAX_UNANSWERED_REQUESTS",
    "AppServiceConnection",
    "AppServiceFailure",
    "AppServiceRequest",
    "AppServiceTriggerDetails",
]

MAX_UNANSWERED_REQUESTS = 64
"""Most requests one end of a connection has from the other without having answered them. One more is refused with
`AppServiceResponseStatus.ResourceLimitsExceeded`."""
MAX_UNSENT_ANSWERS = MAX_UNANSWERED_REQUESTS
"""Most answers and refusals that wait to be sent, because the other end does not read: with more nothing is heard until some are.
An end that waits for its answers never causes more."""
_TOO_LARGE = "the answer is larger than a message may be"
_STOPPED = "the task was told to stop, and takes no messages any more"


class AppServiceFailure(Error):
    """Why a connection could not be opened, or a message was not answered; its text says it in a sentence for a person."""

    def __init__(self, status: AppServiceConnectionStatus | AppServiceResponseStatus, why: str) -> None:
        super().__init__(f"{status.name}: {why}")
        self.status = status
        """What became of it, as Windows names it."""


class AppServiceConnection:
    """One end of a connection to an app service. Both ends can ask and answer: `async for` gives the requests of the other end.

    It is closed by `close`, at the end of `async with`, and that of a task when the activation ends.
    """

    def __init__(self, channel: Channel, lifeline: Descriptor | None = None) -> None:
        self._channel = channel
        self._lifeline = lifeline
        self._pending: dict[int, asyncio.Future[Received]] = {}
        self._requests: asyncio.Queue[AppServiceRequest | None] = asyncio.Queue()
        self._stopped = False
        self._unanswered = 0
        self._unsent_answers: deque[int] = deque()
        self._closed: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        self._hearing = asyncio.create_task(self._hear(), name="bgtask app service")

    @classmethod
    async def open(cls, app_id: str, service: str) -> Self:
        """Connects to a service of an app. It is open before the task runs: what is sent meanwhile waits for it.

        `AppServiceFailure`, whose `status` is an `AppServiceConnectionStatus`: `Unknown` where the app has as many connections as it
        may, the others as their names say. `NoBrokerError`: nobody could be asked.
        """
        session = Session.current()
        opened = _wire.call("OpenAppService", "sss", session.app, app_id, service)
        number, why, ends = await session.order(opened)
        status = AppServiceConnectionStatus._of_number(number)
        if status is not AppServiceConnectionStatus.Success:
            raise AppServiceFailure(status, why)
        connection, lifeline = ends
        return cls(_over(connection.take()), lifeline)

    async def send_message(self, message: Mapping[str, Value]) -> dict[str, Any]:
        """Sends a message and waits for its answer, for as long as the connection lasts. The other end takes messages in the order
        in which they were sent.

        `AppServiceFailure`, whose `status` is an `AppServiceResponseStatus`: `Failure` (it was taken and not answered, or holds
        what cannot be sent: no value, or a text with NUL), `MessageSizeTooLarge`, `ResourceLimitsExceeded` or `Unknown` (the
        connection ended first).
        """
        call = _wire.service_request(_written(message))
        if self._closed.done():
            raise self._gone()
        serial = self._channel.send(call)
        self._pending[serial] = answered = asyncio.get_running_loop().create_future()
        try:
            return _read_answer(await answered)
        except EOFError:
            raise self._gone() from None
        finally:
            self._pending.pop(serial, None)

    async def next_request(self) -> AppServiceRequest | None:
        """The next message of the other end; `None` once the connection is closed and none is left, and for a task that was told to
        stop."""
        request = await self._requests.get()
        if request is None:
            # So it stays.
            self._requests.put_nowait(None)
        return request

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AppServiceRequest:
        request = await self.next_request()
        if request is None:
            raise StopAsyncIteration
        return request

    async def closed(self) -> Closed:
        """Waits until the connection is closed, and says why (NEI-3)."""
        return await asyncio.shield(self._closed)

    def close(self) -> None:
        """Closes the connection; what was sent still goes. The task at the other end is then told to stop."""
        self._close(Closed.Completed)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _close(self, status: Closed) -> None:
        """The first word stands."""
        if not self._closed.done():
            with suppress(Error):
                self._channel.send(_wire.service_closed(status))
            self._end(status)

    def _end(self, status: Closed) -> None:
        if self._closed.done():
            return
        self._closed.set_result(status)
        self._channel.close()
        if self._lifeline is not None:
            self._lifeline.close()
        for answered in self._pending.values():
            if not answered.done():
                answered.set_exception(EOFError())
        # After what has come before.
        self._requests.put_nowait(None)

    def _stop(self) -> None:
        """The task was told to stop: nothing is given out any more, and nothing taken in."""
        self._stopped = True
        while not self._requests.empty():
            if (request := self._requests.get_nowait()) is not None:
                request._refuse("Failed", _STOPPED)
        self._requests.put_nowait(None)

    async def _hear(self) -> None:
        status = Closed.Unknown
        try:
            while (message := await self._channel.receive()) is not None:
                if (message.member, message.signature, message.kind) == ("Closed", "u", "signal"):
                    status = _of_number(message.body[0])
                    break
                self._heard(message)
                await self._answers_go()
        except ChannelError as error:
            log.warning("a connection to an app service ends, as what came cannot be read: %s", error)
        finally:
            self._end(status)

    def _heard(self, message: Received) -> None:
        if message.kind in ("method_return", "error"):
            answered = self._pending.get(message.reply_to or 0)
            if answered is not None and not answered.done():
                answered.set_result(message)
        elif message.kind == "method_call":
            self._take_in(message)

    def _take_in(self, call: Received) -> None:
        if (call.member, call.signature) != ("Request", "a{sv}"):
            return self._refuse(call, "Failed", "a connection to an app service has the method Request, of a{sv}")
        if self._stopped:
            return self._refuse(call, "Failed", _STOPPED)
        if self._unanswered >= MAX_UNANSWERED_REQUESTS:
            text = f"{MAX_UNANSWERED_REQUESTS} messages wait for an answer already: wait for some of them"
            return self._refuse(call, "LimitReached", text)
        try:
            message = set_from_wire(call.body[0])
        except ValueError as error:
            return self._refuse(call, "InvalidArgument", str(error))
        self._unanswered += 1
        self._requests.put_nowait(AppServiceRequest(self, call, message))

    def _refuse(self, call: Received, name: str, text: str) -> None:
        if call.expects_reply and not self._closed.done():
            self._answer(_wire.refusal(call, name, text))

    def _given_up(self, call: Received) -> None:
        self._unanswered -= 1
        self._refuse(call, "Failed", "the message was taken and not answered")

    def _answer(self, answer: Any) -> None:
        """Never waits; whoever asks too much without reading does, in `_answers_go`."""
        self._unsent_answers.append(self._channel.send(answer))

    async def _answers_go(self) -> None:
        """Waits while too many answers do: nobody makes this end keep more by asking, and not reading."""
        while True:
            while self._unsent_answers and self._channel.is_sent(self._unsent_answers[0]):
                self._unsent_answers.popleft()
            if len(self._unsent_answers) <= MAX_UNSENT_ANSWERS or self._closed.done():
                return
            await self._channel.goes_on()

    def _gone(self) -> AppServiceFailure:
        return AppServiceFailure(
            AppServiceResponseStatus.Unknown, f"the connection is closed ({self._closed.result().name})"
        )


class AppServiceRequest:
    """A message of the other end. Whoever has it may answer it, at any time and once: it is its own deferral (NEI-2).

    One that nobody has any more, and that was not answered, fails at the other end. The variable of a loop has it until the next one
    comes: `del request` gives it up at once.
    """

    def __init__(self, connection: AppServiceConnection, call: Received, message: dict[str, Any]) -> None:
        self.message = message
        """What it says."""
        self._connection = connection
        self._call: Received | None = call

    def send_response(self, response: Mapping[str, Value]) -> None:
        """Answers it. Never waits; that the other end is gone is no error.

        `AppServiceFailure`: the answer is too large, or cannot be sent; the other end is told that there is none.
        `InvalidArgumentError`: it was answered before.
        """
        if self._call is None:
            raise InvalidArgumentError("the message was answered before: it is answered once")
        try:
            answer = _wire.service_answer(self._call, _written(response))
        except AppServiceFailure as failure:
            too_large = failure.status is AppServiceResponseStatus.MessageSizeTooLarge
            name, text = ("LimitReached", _TOO_LARGE) if too_large else ("Failed", str(failure))
            self._refuse(name, text)
            raise
        self._done()
        if not self._connection._closed.done():
            self._connection._answer(answer)

    def _refuse(self, name: str, text: str) -> None:
        call = self._done()
        if call is not None:
            self._connection._refuse(call, name, text)

    def _done(self) -> Received | None:
        call, self._call = self._call, None
        if call is not None:
            self._connection._unanswered -= 1
        return call

    def __del__(self) -> None:
        """On whichever thread gives it up, or collects what is of no use any more."""
        call, self._call = self._call, None
        if call is not None:
            with suppress(RuntimeError):  # The loop has ended, and with it the connection.
                self._connection._closed.get_loop().call_soon_threadsafe(self._connection._given_up, call)


@dataclass(frozen=True)
class AppServiceTriggerDetails:
    """What the task of an app service finds in its activation (NEI-1): the connection, and who is at its other end."""

    name: str
    """Which service was asked for: one entry point may serve several."""
    caller_app_id: str | None
    """The app that asks, as the broker knows it; `None` is a program of the user that is no app."""
    connection: AppServiceConnection

    @classmethod
    def of(cls, instance: TaskInstance) -> Self | None:
        """What an instance serves; `None` where something else started it. Taken once, by an `async def run`.

        `InvalidArgumentError`: the connection was taken before.
        """
        details = instance.trigger_details
        if not instance._facts.is_app_service or not isinstance(name := details.get("service"), str):
            return None
        taken = instance._take_socket()
        if taken is None:
            raise InvalidArgumentError("the connection of this activation was taken already: take it once")
        connection = AppServiceConnection(_over(taken))
        loop = asyncio.get_running_loop()
        instance._on_notice(lambda _reason: loop.call_soon_threadsafe(connection._stop))
        instance._holds(lambda ok: connection._close(_at_end(instance.cancellation_reason, ok)))
        return cls(name, details.get("caller"), connection)


def _over(connected: int) -> Channel:
    return Channel.over(socket.socket(fileno=connected), _wire.MAX_SERVICE_MESSAGE_BYTES)


def _at_end(cancelled: Reason | None, ok: bool) -> Closed:
    """What the caller is told when the task lets go of it."""
    match cancelled:
        case None:
            return Closed.Completed if ok else Closed.Unknown
        case Reason.ExecutionTimeExceeded | Reason.ResourceRevocation | Reason.IdleTask:
            return Closed.ResourceLimitsExceeded
    return Closed.Canceled


def _of_number(number: int) -> Closed:
    """A word of a later version is one that this version does not know."""
    try:
        return Closed(number)
    except ValueError:
        return Closed.Unknown


def _written(message: Mapping[str, Value]) -> dict[str, tuple[str, Any]]:
    try:
        wire = set_to_wire(message)
        _wire.check_texts("the message", wire)
    except ValueError as error:
        raise AppServiceFailure(AppServiceResponseStatus.Failure, str(error)) from None
    if (size := _wire.bytes_of(wire)) > _wire.MAX_VALUE_SET_BYTES:
        text = f"the message has {size} bytes, at most {_wire.MAX_VALUE_SET_BYTES} are allowed"
        raise AppServiceFailure(AppServiceResponseStatus.MessageSizeTooLarge, text)
    return wire


def _read_answer(answer: Received) -> dict[str, Any]:
    failure = AppServiceResponseStatus.Failure
    if answer.kind == "method_return":
        if answer.signature != "a{sv}":
            raise AppServiceFailure(failure, f"the answer holds {answer.signature!r}, which is no set of values")
        try:
            return set_from_wire(answer.body[0])
        except ValueError as error:
            raise AppServiceFailure(failure, f"the answer holds what is no value: {error}") from None
    why = answer.body[0] if answer.body and isinstance(answer.body[0], str) else ""
    if answer.error_name == "org.bgtask.Error.LimitReached":
        limits = AppServiceResponseStatus.ResourceLimitsExceeded
        failure = AppServiceResponseStatus.MessageSizeTooLarge if why == _TOO_LARGE else limits
    raise AppServiceFailure(failure, why)
