"""What a process runs for the broker, over whichever channel: the order to run, to its end."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from . import _wire
from ._wire import MAX_FAILURE_BYTES, Channel, Received
from .enums import BackgroundTaskCancellationReason as Reason
from .errors import Error
from .task_instance import CancelNotice, InstanceFacts, RegisteredTask, TaskInstance
from .values import set_from_wire, time_of

log = logging.getLogger("bgtask")

HOST_FD = "BGTASK_HOST_FD"
CANCEL_GRACE = timedelta(seconds=5)
"""How long a task has to end after it was told to stop; then its process is killed (CA-3)."""
MAX_INSTANCES = 64
"""Most activations one process runs at a time."""
MAX_QUEUED_PROGRESS = 32
"""Most progress values of one activation that wait to be sent, and most that a host sends per `PROGRESS_INTERVAL`.

Of more, the latest replaces the one before it.
"""
PROGRESS_INTERVAL = 0.1
"""Seconds."""


class BackgroundTask(Protocol):
    """A task: what `IBackgroundTask` is on Windows. Any class with this method is one; it need not derive from this.

    The activation ends when `run` has returned and every deferral is complete (LC-3). An exception fails it, and its text is
    what the app gets to see (EVT-6). A `run` that is `async def` shares the program's one event loop, on which cancel notices
    arrive too, and must not block it; a plain `def` gets a thread of its own.
    """

    def run(self, task_instance: TaskInstance) -> Awaitable[None] | None:
        """Does the work of one activation (RUN-1)."""
        ...


Factory = Callable[[], BackgroundTask]
Run = Callable[[TaskInstance], Awaitable[None] | None]


class Activated:
    """What the app itself runs: the handlers of its event and of its groups' events (BLD-9, GRP-5)."""

    def __init__(self) -> None:
        self._handlers: dict[str | None, Run] = {}

    def set(self, group: str | None, handler: Run) -> None:
        self._handlers[group] = handler

    @property
    def any(self) -> bool:
        return bool(self._handlers)

    def find(self, group: str | None) -> Run:
        if group in self._handlers:
            return self._handlers[group]
        if group is None:
            raise LookupError(
                "the app handles no activations; set a handler with CoreApplication.background_activated before anything else"
            )
        raise LookupError(
            f"the app handles no activations of the group {group!r}; set a handler with "
            "BackgroundTaskRegistrationGroup.background_activated before anything else"
        )


ACTIVATED = Activated()


@dataclass(frozen=True)
class Entries:
    """Everything one process runs."""

    named: Mapping[str, Factory]
    classes: Mapping[UUID, Factory]

    @classmethod
    def of_app(cls) -> Entries:
        return cls({}, {})

    def find(self, info: Mapping[str, Any]) -> Run:
        """What runs this activation; a `LookupError` says that nothing does."""
        if (class_id := info.get("class_id")) is not None:
            return self._made(self.classes.get(UUID(class_id)), "class", class_id)
        if (name := info["entry_point"]) != "":
            return self._made(self.named.get(name), "entry point", name)
        return ACTIVATED.find(info.get("group"))

    def names(self) -> list[str]:
        return [*sorted(self.named), *sorted(map(str, self.classes))]

    def _made(self, factory: Factory | None, what: str, name: str) -> Run:
        if factory is not None:
            return _Made(factory)
        others = f"; it has {', '.join(self.names())}" if self.names() else ", nor any other"
        raise LookupError(f'the program has no {what} "{name}"{others}')


class _Made:
    """A task that is made for its activation: as on Windows, each has an object of its own."""

    def __init__(self, factory: Factory) -> None:
        self._factory = factory

    def __call__(self, instance: TaskInstance) -> Awaitable[None] | None:
        return _called(self._factory().run, instance)


def _called(run: Run, instance: TaskInstance) -> Awaitable[None] | None:
    """Calls async code on this loop, and blocking code on a thread of its own."""
    if inspect.iscoroutinefunction(run):
        return run(instance)
    return _on_thread(run, instance)


async def _on_thread(run: Run, instance: TaskInstance) -> None:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[object] = loop.create_future()

    def finish(result: object, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(_Raised(error))

    def body() -> None:
        result, raised = None, None
        try:
            result = run(instance)
        except BaseException as error:  # Whatever ends the thread ends the activation.
            raised = error
        with suppress(RuntimeError):  # The loop has ended: the broker is gone, and nobody waits.
            loop.call_soon_threadsafe(finish, result, raised)

    threading.Thread(target=body, name=f"bgtask {instance.task.name}", daemon=True).start()
    result = await done
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError("run returned something to await; declare it with `async def`")


class _Raised(Exception):
    """What a thread raised; on its own, `StopIteration` and the like could not pass through a future."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


@dataclass
class _Running:
    instance: TaskInstance
    began: float
    task: asyncio.Task[None]


class Server:
    """Serves the calls of one channel."""

    def __init__(self, entries: Entries, data_dir: str | None, channel: Channel) -> None:
        self._entries = entries
        self._data_dir = data_dir
        self._outbox = _Outbox(channel)
        self._running: dict[UUID, _Running] = {}

    def hear(self, call: Received) -> None:
        """Takes a call of the broker. What is none of the contract is answered so."""
        if call.kind != "method_call":
            return
        try:
            if (call.member, call.signature) == ("Run", "a{sv}"):
                self._run(call)
            elif (call.member, call.signature) == ("Cancel", "sua{sv}"):
                self._cancel(*call.body)
            elif (call.member, call.signature) == ("Throttled", "suu"):
                self._throttled(*call.body)
            elif call.member in ("Run", "Cancel", "Throttled"):
                self._refuse(call, "InvalidArgument", f"{call.member} does not take {call.signature!r}")
            else:
                self._refuse(call, "Failed", "a host has the methods Run, Cancel and Throttled")
        except LookupError as error:
            self._refuse(call, "UnknownEntryPoint", str(error.args[0] if error.args else error))
        except (ValueError, OverflowError) as error:
            self._refuse(call, "InvalidArgument", str(error))

    async def stop(self, grace: timedelta) -> bool:
        """The broker is gone (D7): cancels what runs. Whether everything ended within the grace."""
        for running in self._running.values():
            used = timedelta(seconds=time.monotonic() - running.began)
            running.instance._cancel(CancelNotice(Reason.SystemPolicy, running.instance.budget, used, grace))
        tasks = [running.task for running in self._running.values()]
        if not tasks:
            return True
        _done, pending = await asyncio.wait(tasks, timeout=grace.total_seconds())
        for task in pending:
            task.cancel()
        return not pending

    def _run(self, call: Received) -> None:
        info = _wire.plain(call.body[0])
        _check_contract(info)
        run = self._entries.find(info)
        facts = _facts(info, self._data_dir)
        if facts.instance_id in self._running:
            raise ValueError(f"instance {facts.instance_id} is running already")
        if len(self._running) >= MAX_INSTANCES:
            return self._refuse(
                call, "LimitReached", f"the host runs {MAX_INSTANCES} instances already; start another one"
            )
        instance = TaskInstance(
            facts,
            lambda value: self._outbox.progress(facts.instance_id, value),
            lambda: self._outbox.took(facts.instance_id),
        )
        # Sent before the first line of the task runs.
        self._outbox.send(_wire.host_signal("Started", "s", str(facts.instance_id)))
        task = asyncio.create_task(self._run_to_end(run, instance, call), name=f"bgtask {facts.task.name}")
        self._running[facts.instance_id] = _Running(instance, time.monotonic(), task)

    async def _run_to_end(self, run: Run, instance: TaskInstance, call: Received) -> None:
        try:
            failure = await _failure_of(run, instance)
            await instance._deferred()
            instance._hang_up(failure is None)
        finally:
            instance._end()
            del self._running[instance.instance_id]
        message = _wire.answer(call) if failure is None else _wire.refusal(call, "TaskFailed", failure)
        self._outbox.send(message, instance.instance_id)

    def _cancel(self, instance_id: str, reason: int, info: _wire.Variants) -> None:
        """One that is not there has just ended: its reply is on the way."""
        running = self._running.get(UUID(instance_id))
        if running is None:
            return
        try:
            why = Reason(reason)
        except ValueError:
            why = Reason.SystemPolicy  # A reason of a later version is a policy this version does not know.
        numbers = _wire.plain(info)
        budget, used, grace = (timedelta(microseconds=numbers.get(name, 0)) for name in ("budget", "used", "grace"))
        running.instance._cancel(CancelNotice(why, budget, used, grace))

    def _throttled(self, instance_id: str, cpu: int, network: int) -> None:
        """It was suspended, and goes on; so often by now (POL-2)."""
        running = self._running.get(UUID(instance_id))
        if running is not None:
            running.instance._throttle(cpu, network)

    def _refuse(self, call: Received, name: str, text: str) -> None:
        if call.expects_reply:
            self._outbox.send(_wire.refusal(call, name, text))


class _Outbox:
    """What a host tells its broker, in order, without ever making a task wait. Progress may come from any thread."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._waiting: dict[UUID, deque[int]] = {}
        self._woken = False
        self._interval_began = 0.0
        self._sent = 0

    def send(self, message: Any, ended: UUID | None = None) -> None:
        """Sends a message, after what the instance that ended has reported."""
        if ended is not None:
            with self._lock:
                last = self._waiting.pop(ended, deque())
            for value in last:
                self._send_progress(ended, value)
        try:
            self._channel.send(message)
        except Error:
            log.exception("a message to the broker cannot be sent")

    def took(self, instance: UUID) -> None:
        """The task has taken what came with its activation. From any thread, and before its end is told."""
        message = _wire.host_signal("Took", "s", str(instance))
        if threading.get_ident() == self._thread:
            # Not soon: a task that never waits has ended by then.
            return self.send(message)
        with suppress(RuntimeError):  # The loop has ended, and with it the channel.
            self._loop.call_soon_threadsafe(self.send, message)

    def progress(self, instance: UUID, value: int) -> None:
        with self._lock:
            waiting = self._waiting.setdefault(instance, deque())
            if len(waiting) >= MAX_QUEUED_PROGRESS:
                waiting[-1] = value
            else:
                waiting.append(value)
            if self._woken:
                return
            self._woken = True
        with suppress(RuntimeError):  # The loop has ended, and with it the channel.
            self._loop.call_soon_threadsafe(self._flush)

    def _flush(self) -> None:
        """Sends what waits, as far as the pace allows."""
        while True:
            with self._lock:
                instance = next((instance for instance, waiting in self._waiting.items() if waiting), None)
                if instance is None:
                    self._waiting.clear()
                    self._woken = False
                    return
                if (pause := self._pause()) > 0:
                    self._loop.call_later(pause, self._flush)
                    return
                value = self._waiting[instance].popleft()
            self._send_progress(instance, value)

    def _pause(self) -> float:
        """Seconds until one more may be sent."""
        now = self._loop.time()
        if now - self._interval_began >= PROGRESS_INTERVAL:
            self._interval_began, self._sent = now, 0
        if self._sent < MAX_QUEUED_PROGRESS:
            self._sent += 1
            return 0
        return self._interval_began + PROGRESS_INTERVAL - now

    def _send_progress(self, instance: UUID, value: int) -> None:
        self._channel.send(_wire.host_signal("Progress", "su", str(instance), value))


async def _failure_of(run: Run, instance: TaskInstance) -> str | None:
    """Runs a task, and says how it failed, if it did."""
    try:
        called = run(instance) if isinstance(run, _Made) else _called(run, instance)
        if called is not None:
            await called
    except BaseException as error:  # A task may raise anything, and that is its own failure.
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise  # Its time is over, or that of the loop.
        return _told(error.error if isinstance(error, _Raised) else error)
    return None


def _check_contract(info: Mapping[str, Any]) -> None:
    needed = {
        "instance",
        "task",
        "name",
        "entry_point",
        "trigger_details",
        "fired_at",
        "fired_count",
        "attempt",
        "budget",
    }
    if missing := needed - info.keys():
        raise ValueError(f"the order to run lacks {', '.join(sorted(missing))}")


def _facts(info: Mapping[str, Any], data_dir: str | None) -> InstanceFacts:
    class_id = info.get("class_id")
    task = RegisteredTask(
        task_id=UUID(info["task"]),
        name=info["name"],
        task_entry_point=info["entry_point"],
        task_entry_point_clsid=None if class_id is None else UUID(class_id),
        group=info.get("group"),
    )
    return InstanceFacts(
        instance_id=UUID(info["instance"]),
        task=task,
        fired_at=time_of(info["fired_at"]),
        fired_count=info["fired_count"],
        attempt=info["attempt"],
        budget=timedelta(microseconds=info["budget"]),
        event_id=info.get("event_id"),
        trigger_details=set_from_wire(info["trigger_details"]),
        data_dir=data_dir,
        throttled_cpu=info.get("throttled_cpu", 0),
        throttled_network=info.get("throttled_network", 0),
        is_app_service=info.get("trigger") == "AppServiceTrigger",
        socket=info.get("socket"),
    )


def _told(error: BaseException) -> str:
    """An exception with its causes, for the app; its trace goes to the standard error stream."""
    log.error("a task failed", exc_info=error)
    try:
        words, cause = _words(error), error.__cause__
        while cause is not None and len(words) <= MAX_FAILURE_BYTES:
            words, cause = f"{words}: {_words(cause)}", cause.__cause__
    except Exception as second:  # The words of an exception are the task's own code too.
        words = f"the task raised {type(error).__name__}, which raised {type(second).__name__} when it was told"
    return words


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")
