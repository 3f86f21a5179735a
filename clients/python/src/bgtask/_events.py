"""What the broker tells and who listens. All of it happens on the session's event loop."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from . import _wire
from ._wire import Channel, Received
from .errors import Error, InvalidArgumentError, ProtocolError
from .event_args import BackgroundTaskCompletedEventArgs as Completed
from .event_args import BackgroundTaskProgressEventArgs as Progress
from .event_args import EnergyUsage, TaskChangedEventArgs

log = logging.getLogger("bgtask")

MAX_HELD_COMPLETIONS = 1024
"""Most completions a process holds that no handler has handled yet. The broker keeps the rest for the next attach."""
MAX_QUEUED_PROGRESS_EVENTS = 256
"""Most events of progress, or of a command, that wait for their handlers; of more, the oldest are dropped."""
_MAX_REMEMBERED = 1024
"""How many handled completions are remembered, to tell one that comes again because its acknowledgement was lost."""
_MAX_UNHEARD_TASKS = 1024
"""Of how many tasks without a listener the latest progress is remembered."""

Handler = Callable[[Any], Awaitable[None] | None]
_Key = tuple[int, UUID]
"""A sequence alone is none: a broker that lost its store begins anew."""


class EventRegistrationToken:
    """An attached handler."""

    def __init__(self, events: Events, handlers: dict[int, Handler], number: int) -> None:
        self._events, self._handlers, self._number = events, handlers, number

    def remove(self) -> None:
        """Detaches the handler. A call of it that has begun ends."""
        self._handlers.pop(self._number, None)
        self._events._forget_unheard()


@dataclass
class _Task:
    progress: dict[int, Handler] = field(default_factory=dict)
    changes: dict[int, Handler] = field(default_factory=dict)
    completed: dict[int, Handler] = field(default_factory=dict)
    latest: Progress | None = None


@dataclass(frozen=True)
class _Live:
    """What is told to who listens now, and kept for nobody."""

    order: int
    handlers: dict[int, Handler]
    args: object
    only: int | None
    """For one handler that has just been attached, or else for all of them."""


@dataclass
class _Completion:
    order: int
    args: Completed
    channel: Channel
    """Where it was heard last, and is to be acknowledged."""


class Events:
    """The handlers of one session and what is on its way to them."""

    def __init__(self) -> None:
        self._tasks: dict[UUID, _Task] = {}
        self._any_completed: dict[int, Handler] = {}
        self._energy: dict[int, Handler] = {}
        self._transfers: dict[str, list[asyncio.Queue[dict[str, Any] | None]]] = {}
        self._handlers = 0
        self._heard = 0
        self._live: deque[_Live] = deque()
        self._completions: OrderedDict[_Key, _Completion] = OrderedDict()
        self._handled: OrderedDict[_Key, None] = OrderedDict()
        self._filled = asyncio.Event()

    def on_progress(self, task: UUID, handler: Handler) -> EventRegistrationToken:
        listeners = self._tasks.setdefault(task, _Task())
        token = self._attach(listeners.progress, handler)
        if listeners.latest is not None:
            self._queue(listeners.progress, listeners.latest, self._handlers)
        return token

    def on_change(self, task: UUID, handler: Handler) -> EventRegistrationToken:
        return self._attach(self._tasks.setdefault(task, _Task()).changes, handler)

    def on_completed(self, task: UUID, handler: Handler) -> EventRegistrationToken:
        return self._attach(self._tasks.setdefault(task, _Task()).completed, handler)

    def on_any_completed(self, handler: Handler) -> EventRegistrationToken:
        return self._attach(self._any_completed, handler)

    def on_energy(self, handler: Handler) -> EventRegistrationToken:
        return self._attach(self._energy, handler)

    @contextmanager
    def transfer(self, transfer: str) -> Iterator[asyncio.Queue[dict[str, Any] | None]]:
        """Where changes of a transfer are told as long as this is open, the latest of them; `None` where the connection has ended."""
        changes: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(1)
        self._transfers.setdefault(transfer, []).append(changes)
        try:
            yield changes
        finally:
            self._transfers[transfer].remove(changes)
            if not self._transfers[transfer]:
                del self._transfers[transfer]

    def hear(self, message: Received, channel: Channel, app: str) -> None:
        """Takes in a signal of the broker. What is not of the contract is logged and left out."""
        if message.kind != "signal" or message.interface != _wire.BROKER_INTERFACE:
            return
        try:
            if (message.member, message.signature) == ("Progress", "ssu"):
                task, instance, value = message.body
                self._hear_progress(UUID(task), Progress(UUID(instance), value))
            elif (message.member, message.signature) == ("Completed", "tsssa{sv}"):
                sequence, task, name, instance, outcome = message.body
                completed = Completed(
                    UUID(instance), UUID(task), name, _told(outcome, "outcome", "ok", "message", "at")
                )
                self._hear_completed(sequence, completed, channel, app)
            elif (message.member, message.signature) == ("EnergyUsageChanged", "uux"):
                if self._energy:
                    self._queue(self._energy, EnergyUsage._of(*message.body))
            elif (message.member, message.signature) == ("TransferChanged", "a{sv}"):
                self._hear_transfer(_told(message.body[0], "id", "status", "done", "why"))
            # An app hears the progress of its tasks because it is attached, also where it watches its transfers.
            elif (message.member, message.signature, app) == ("Progressed", "a{sv}", _wire.COMMANDS):
                told = _told(message.body[0], "task", "instance", "value")
                progress = Progress(UUID(told["instance"]), told["value"], told.get("message", ""))
                self._hear_progress(UUID(told["task"]), progress)
            elif (message.member, message.signature) == ("Event", "a{sv}"):
                told = _told(message.body[0], "task", "event", "text", "at")
                instance = UUID(told["instance"]) if "instance" in told else None
                self._hear_change(
                    UUID(told["task"]), TaskChangedEventArgs(instance, told["event"], told["text"], told["at"])
                )
        except (ValueError, ProtocolError) as error:
            log.warning("a signal of the broker cannot be read: %s", error)

    def disconnected(self) -> None:
        """The broker is away: what was the latest progress is no longer."""
        for task in self._tasks.values():
            task.latest = None
        self._forget_unheard()
        for changes in [changes for listening in self._transfers.values() for changes in listening]:
            _put_latest(changes, None)

    async def dispatch(self, app: str) -> None:
        """Calls the handlers, one after the other, and acknowledges what they handled, as long as the session lives."""
        while True:
            self._filled.clear()
            while await self._dispatch_one(app):
                pass
            await self._filled.wait()

    async def _dispatch_one(self, app: str) -> bool:
        """In the order in which they came, but for completions that nobody listens for yet."""
        listened = (key for key, it in self._completions.items() if self._completed_handlers(it.args.task_id))
        key = next(listened, None)
        if self._live and (key is None or self._live[0].order < self._completions[key].order):
            await self._dispatch_live(self._live.popleft())
        elif key is not None:
            await self._dispatch_completion(key, app)
        else:
            return False
        return True

    async def _dispatch_live(self, event: _Live) -> None:
        for handler in [handler for number, handler in event.handlers.items() if event.only in (None, number)]:
            await _guarded(handler, event.args)

    async def _dispatch_completion(self, key: _Key, app: str) -> None:
        completion = self._completions[key]
        for handler in self._completed_handlers(completion.args.task_id):
            await _guarded(handler, completion.args)
        # Only now, and where it was heard last: it may have come again while it was handled.
        del self._completions[key]
        self._remember(key)
        _acknowledge(completion.channel, app, key[0])

    def _hear_progress(self, task: UUID, progress: Progress) -> None:
        if task not in self._tasks and len(self._tasks) >= _MAX_UNHEARD_TASKS:
            return
        listeners = self._tasks.setdefault(task, _Task())
        listeners.latest = progress
        if listeners.progress:
            self._queue(listeners.progress, progress)

    def _hear_transfer(self, told: dict[str, Any]) -> None:
        for changes in self._transfers.get(told["id"], []):
            _put_latest(changes, told)

    def _hear_change(self, task: UUID, change: TaskChangedEventArgs) -> None:
        if task in self._tasks and (handlers := self._tasks[task].changes):
            self._queue(handlers, change)

    def _hear_completed(self, sequence: int, completed: Completed, channel: Channel, app: str) -> None:
        if completed.task_id in self._tasks:
            self._tasks[completed.task_id].latest = None
            self._forget_unheard()
        key = (sequence, completed.instance_id)
        if key in self._handled:
            _acknowledge(channel, app, sequence)
        elif key in self._completions:
            self._completions[key].channel = channel
        elif len(self._completions) >= MAX_HELD_COMPLETIONS:
            log.warning("more than %d completions wait for a handler; one is left to the broker", MAX_HELD_COMPLETIONS)
        else:
            self._completions[key] = _Completion(self._next(), completed, channel)
            self._filled.set()

    def _completed_handlers(self, task: UUID) -> list[Handler]:
        """The handlers of the task, or else those for any."""
        own = self._tasks.get(task, _Task()).completed
        return list((own or self._any_completed).values())

    def _attach(self, handlers: dict[int, Handler], handler: Handler) -> EventRegistrationToken:
        if not callable(handler):
            raise InvalidArgumentError(f"{handler!r} is no handler: it cannot be called")
        self._handlers += 1
        handlers[self._handlers] = handler
        self._filled.set()
        return EventRegistrationToken(self, handlers, self._handlers)

    def _queue(self, handlers: dict[int, Handler], args: object, only: int | None = None) -> None:
        if len(self._live) >= MAX_QUEUED_PROGRESS_EVENTS:
            self._live.popleft()
        self._live.append(_Live(self._next(), handlers, args, only))
        self._filled.set()

    def _next(self) -> int:
        self._heard += 1
        return self._heard

    def _remember(self, key: _Key) -> None:
        self._handled[key] = None
        if len(self._handled) > _MAX_REMEMBERED:
            self._handled.popitem(last=False)

    def _forget_unheard(self) -> None:
        self._tasks = {
            task: it
            for task, it in self._tasks.items()
            if it.latest is not None or it.progress or it.changes or it.completed
        }


def _told(variants: _wire.Variants, *needed: str) -> dict[str, Any]:
    told = _wire.plain(variants)
    if missing := set(needed) - told.keys():
        raise ProtocolError(f"a signal without {', '.join(sorted(missing))}")
    return told


def _put_latest(changes: asyncio.Queue[dict[str, Any] | None], told: dict[str, Any] | None) -> None:
    """Each tells the whole, so that one that nobody has taken yet is not missed; but that the connection ended is."""
    if changes.full() and changes.get_nowait() is None:
        told = None
    changes.put_nowait(told)


def _acknowledge(channel: Channel, app: str, sequence: int) -> None:
    """Nobody waits for the answer: where it is not done, the broker tells the completion again at the next attach."""
    try:
        channel.send(_wire.call("Acknowledge", "st", app, sequence, reply=False))
    except Error as error:
        log.warning("a completion cannot be acknowledged: %s", error)


async def _guarded(handler: Handler, args: object) -> None:
    """A handler that raises counts as returned; the session and the other handlers go on."""
    try:
        returned = handler(args)
        if inspect.isawaitable(returned):
            await returned
    except asyncio.CancelledError:
        raise
    except Exception:
        log.exception("a handler of bgtask raised an exception")
