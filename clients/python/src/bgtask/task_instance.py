"""One activation as its task sees it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from ._stream import Descriptor
from .enums import BackgroundTaskCancellationReason, BackgroundTaskThrottleCounter
from .errors import InvalidArgumentError, SettingsError
from .listening import TriggerEvents, events_of
from .storage import ApplicationDataContainer

log = logging.getLogger("bgtask")


@dataclass(frozen=True)
class CancelNotice:
    """Why a running task was told to stop, and how much time it had, has used and has left."""

    reason: BackgroundTaskCancellationReason
    budget: timedelta
    used: timedelta
    grace: timedelta

    def __str__(self) -> str:
        budget, used, grace = (f"{span.total_seconds():.1f}s" for span in (self.budget, self.used, self.grace))
        return f"{self.reason.name} ({used} used of {budget}, {grace} to stop)"


@dataclass(frozen=True)
class RegisteredTask:
    """What was registered, as far as its task needs to know (RUN-6)."""

    task_id: UUID
    name: str
    task_entry_point: str
    """Empty for a task of a class, or one that the app itself runs."""
    task_entry_point_clsid: UUID | None
    group: str | None
    """The id of its group (GRP-2)."""


@dataclass(frozen=True)
class InstanceFacts:
    """What the broker says about an activation."""

    instance_id: UUID
    task: RegisteredTask
    fired_at: datetime
    fired_count: int
    attempt: int
    budget: timedelta
    event_id: str | None
    trigger_details: dict[str, Any]
    data_dir: str | None
    throttled_cpu: int = 0
    throttled_network: int = 0
    is_app_service: bool = False
    socket: Descriptor | None = None
    """The descriptor that came with it: the broker has it as well until the task takes it."""


CanceledHandler = Callable[["TaskInstance", BackgroundTaskCancellationReason], object]


class TaskInstance:
    """One activation of a task: what `IBackgroundTaskInstance` is on Windows.

    Everything here may be used from any thread, and does not wait for the broker. After the activation has ended it has no effect.
    """

    def __init__(
        self, facts: InstanceFacts, report: Callable[[int], None], took: Callable[[], None] = lambda: None
    ) -> None:
        self._facts = facts
        self._report = report
        self._took = took
        self._socket = facts.socket
        self._lock = threading.Lock()
        self._progress = 0
        self._throttled = (facts.throttled_cpu, facts.throttled_network)
        self._notice: CancelNotice | None = None
        self._handlers: list[Callable[[BackgroundTaskCancellationReason], object]] = []
        self._told = threading.Event()
        self._ended = False
        self._deferrals = 0
        self._on_deferred: Callable[[], object] | None = None
        self._hang_up: Callable[[bool], object] = lambda _ok: None

    @property
    def instance_id(self) -> UUID:
        """Which activation this is. A repeated attempt of it has the same id (RUN-2)."""
        return self._facts.instance_id

    @property
    def task(self) -> RegisteredTask:
        """What was registered."""
        return self._facts.task

    @property
    def trigger_details(self) -> dict[str, Any]:
        """What the trigger carries: the arguments of an `ApplicationTrigger` or `MediaProcessingTrigger` (REQ-4), `device_id` and
        `arguments` of a `DeviceUseTrigger`, and of a trigger that listens its `trigger_events`. Empty for all others (SYS-5)."""
        return self._facts.trigger_details

    @property
    def trigger_events(self) -> TriggerEvents:
        """What happened, for a trigger that listens; none for all others."""
        return events_of(self.trigger_details)

    @property
    def event_id(self) -> str | None:
        """The id of the event, if a `CustomSystemEventTrigger` fired."""
        return self._facts.event_id

    @property
    def budget(self) -> timedelta:
        """How long the activation may run before it is told to stop (D10)."""
        return self._facts.budget

    @property
    def fired_at(self) -> datetime:
        """When the trigger fired first. The task may have waited since, for a condition for example."""
        return self._facts.fired_at

    @property
    def fired_count(self) -> int:
        """How often the trigger fired for this one activation, from 1: what fires again while it waits is not run twice (D1)."""
        return self._facts.fired_count

    @property
    def attempt(self) -> int:
        """Which attempt at this activation this is, from 1. One whose process was lost with the broker is run again (D7)."""
        return self._facts.attempt

    @property
    def suspended_count(self) -> int:
        """How often the activation was suspended because its app had used up what it may use in the background, and went on when
        that was filled again (POL-1). Meanwhile nothing of its process runs, and its `budget` stands still."""
        return self.get_throttle_count(BackgroundTaskThrottleCounter.All)

    def get_throttle_count(self, counter: BackgroundTaskThrottleCounter) -> int:
        """How often it was suspended for want of processor time, of the network, or of either (POL-2)."""
        cpu, network = self._throttled
        counts = {
            BackgroundTaskThrottleCounter.All: cpu + network,
            BackgroundTaskThrottleCounter.Cpu: cpu,
            BackgroundTaskThrottleCounter.Network: network,
        }
        return counts[BackgroundTaskThrottleCounter(counter)]

    @property
    def progress(self) -> int:
        """How far the task is, in a number from 0 to 4 294 967 295 whose meaning is the app's own (PR-1).

        Setting it tells the app, if it listens now; only the last one is kept, for the completion (D4). Values arrive in
        order; of very many in a short time some are skipped, but never the last.
        """
        return self._progress

    @progress.setter
    def progress(self, value: int) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 32:
            raise InvalidArgumentError(f"a progress of {value!r}: it is an integer from 0 to 4294967295")
        self._progress = value
        if not self._ended:
            self._report(value)

    def get_deferral(self) -> BackgroundTaskDeferral:
        """Keeps the activation open until the deferral is complete, even if `run` returns first (DEF-3).

        Take one for each operation that goes on elsewhere, before `run` returns. It does not extend the time the task may
        take (LC-4). One that is never completed lasts until that time is up (DEF-2); `with` cannot forget it:

        >>> async def upload(instance):
        ...     with instance.get_deferral():
        ...         ...  # goes on after `run` has returned
        """
        with self._lock:
            self._deferrals += 1
        return BackgroundTaskDeferral(self)

    async def cancelled(self) -> BackgroundTaskCancellationReason:
        """Waits until the activation has to stop, and says why. If it has to already, returns at once (CAN-1)."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        self._on_notice(lambda _reason: loop.call_soon_threadsafe(told.set))
        await told.wait()
        assert self._notice is not None
        return self._notice.reason

    def wait_cancelled(self, seconds: float) -> BackgroundTaskCancellationReason | None:
        """For a blocking `run`: sleeps for that long, or until the activation has to stop, and then says why.

        In async code it would hold up the very notice it waits for: await `cancelled` there.
        """
        self._told.wait(seconds)
        return self.cancellation_reason

    @property
    def cancellation_reason(self) -> BackgroundTaskCancellationReason | None:
        """Why the activation has to stop, if it has to."""
        return self._notice.reason if self._notice else None

    @property
    def cancel_notice(self) -> CancelNotice | None:
        """Why the activation has to stop, if it has to, with the numbers: what it had, has used, and has left."""
        return self._notice

    def on_canceled(self, handler: CanceledHandler) -> None:
        """Has `handler(instance, reason)` called when the activation has to stop; at once if it has to already (CAN-1).

        It runs on the thread that the notices arrive on, for a blocking `run` another than the task's, and must not block.
        What it raises is logged and has no further effect.
        """
        self._on_notice(lambda reason: handler(self, reason))

    def local_settings(self) -> ApplicationDataContainer:
        """The settings the app and its tasks share (PR-6)."""
        if self._facts.data_dir is None:
            raise SettingsError("this activation has no data folder: BGTASK_APP_DATA is not set")
        return ApplicationDataContainer(self._facts.data_dir)

    def __repr__(self) -> str:
        facts = self._facts
        return f"TaskInstance({facts.instance_id}, of {facts.task.name!r}, attempt {facts.attempt})"

    def _on_notice(self, handler: Callable[[BackgroundTaskCancellationReason], object]) -> None:
        with self._lock:
            if self._notice is None:
                if not self._ended:
                    self._handlers.append(handler)
                return
            reason = self._notice.reason
        handler(reason)

    def _cancel(self, notice: CancelNotice) -> None:
        """Tells everyone. Only the first notice counts."""
        with self._lock:
            if self._notice is not None or self._ended:
                return
            self._notice = notice
            handlers, self._handlers = self._handlers, []
        self._told.set()
        for handler in handlers:
            try:
                handler(notice.reason)
            except Exception:
                log.exception("a handler of a cancel notice raised an exception")

    def _take_socket(self) -> int | None:
        """The descriptor that came with the activation, once: from then on it is the caller's alone."""
        with self._lock:
            descriptor, self._socket = self._socket, None
        if descriptor is None:
            return None
        self._took()
        return descriptor.take()

    def _holds(self, hang_up: Callable[[bool], object]) -> None:
        """What ends with it, on its loop: told whether it has succeeded."""
        self._hang_up = hang_up

    def _throttle(self, cpu: int, network: int) -> None:
        self._throttled = (cpu, network)

    async def _deferred(self) -> None:
        """Waits until no deferral is open."""
        loop, complete = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            if self._deferrals == 0:
                return
            self._on_deferred = lambda: loop.call_soon_threadsafe(complete.set)
        await complete.wait()

    def _complete_deferral(self) -> None:
        with self._lock:
            self._deferrals -= 1
            complete = self._on_deferred if self._deferrals == 0 else None
        if complete is not None:
            complete()

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            self._handlers.clear()
            descriptor, self._socket = self._socket, None
        if descriptor is not None:
            descriptor.close()


class BackgroundTaskDeferral:
    """Keeps an activation open after `run` returned, until `complete` (DEF-2). Also a context manager that completes it."""

    def __init__(self, instance: TaskInstance) -> None:
        self._instance = instance
        self._complete = threading.Lock()

    def complete(self) -> None:
        """The operation is done. Once more has no effect."""
        if self._complete.acquire(blocking=False):
            self._instance._complete_deferral()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.complete()
