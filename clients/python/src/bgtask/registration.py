"""Registering tasks, and registered tasks."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from . import _wire, triggers
from ._events import EventRegistrationToken
from ._session import Session
from .core_application import BackgroundActivatedEventArgs, activate
from .enums import RegistrationUpdate, SystemConditionType
from .errors import InvalidArgumentError, protocol
from .event_args import BackgroundTaskCompletedEventArgs, BackgroundTaskProgressEventArgs
from .triggers import SystemCondition, Trigger
from .values import time_of

ProgressHandler = Callable[["BackgroundTaskRegistration", BackgroundTaskProgressEventArgs], Awaitable[None] | None]
CompletedHandler = Callable[["BackgroundTaskRegistration", BackgroundTaskCompletedEventArgs], Awaitable[None] | None]
AnyCompletedHandler = Callable[[BackgroundTaskCompletedEventArgs], Awaitable[None] | None]
GroupActivatedHandler = Callable[
    ["BackgroundTaskRegistrationGroup", BackgroundActivatedEventArgs], Awaitable[None] | None
]


@dataclass
class BackgroundTaskBuilder:
    """Registers a task: a name, an entry point, one trigger, conditions, flags.

    Nothing is checked before `register`; a builder can register as often as wanted.

        builder = BackgroundTaskBuilder(name="Example", task_entry_point="Tasks.Example")
        builder.set_trigger(SystemTrigger(SystemTriggerType.TimeZoneChange))
        builder.add_condition(SystemCondition(SystemConditionType.UserPresent))
        task = await builder.register()
    """

    name: str = ""
    """For the app to find its task again: 1 to 255 bytes. Two registrations of one name are two tasks (RE-1)."""
    task_entry_point: str = ""
    """What the app's manifest and the task program call the task (BLD-7). Without one, and without a class, the app itself
    runs the task (BLD-9): see `CoreApplication`."""
    cancel_on_condition_loss: bool = False
    """Whether the running task is cancelled, with `ConditionLoss`, when a condition stops holding (CND-6)."""
    is_network_requested: bool = False
    """Whether the network must stay up while the task runs (D15)."""
    task_group: BackgroundTaskRegistrationGroup | None = None
    """The group that the task belongs to (GRP-2)."""
    trigger: Trigger | None = field(default=None, init=False)
    """See `set_trigger`."""
    conditions: list[SystemCondition] = field(default_factory=list, init=False)
    """See `add_condition`."""
    task_entry_point_clsid: UUID | None = field(default=None, init=False)
    """See `set_task_entry_point_clsid`."""

    def set_trigger(self, trigger: Trigger) -> None:
        """What fires the task. There must be one (BLD-1)."""
        self.trigger = trigger

    def add_condition(self, condition: SystemCondition) -> None:
        """Adds a condition, at most 16; every one must hold for the task to run (CND-1)."""
        self.conditions.append(condition)

    def set_task_entry_point_clsid(self, class_id: UUID) -> None:
        """The class whose program runs the task, in place of an entry point: the manifest says which serves it (BLD-11)."""
        self.task_entry_point_clsid = class_id

    async def register(self) -> BackgroundTaskRegistration:
        """Registers the task. It is durable when this returns: it survives the app, the broker and a restart of the machine.

        Every call makes a new registration, of the same name too (BLD-12): look through `all_tasks` first, or use
        `register_or_update`. Raises `InvalidArgumentError` (no trigger, both an entry point and a class, …),
        `NotDeclaredError` (the manifest lacks it, BLD-7), `NotSupportedError` (this machine cannot report the trigger or a
        condition, D16), `LimitReachedError` (TR-1), and what every call raises.
        """
        session = Session.current()
        (task_id,) = await session.order(_wire.call("Register", _REGISTER, *self._arguments(session.app)))
        return self._registered(task_id)

    async def register_or_update(self) -> tuple[BackgroundTaskRegistration, RegistrationUpdate]:
        """Registers the task under a name that may be taken, within its group (D5).

        The same again changes nothing and keeps the phase of a timer, another takes its place in one step. For an app that
        wants its tasks as its present version has them, called at every start. Raises as `register`.
        """
        session = Session.current()
        task_id, update = await session.ask(_wire.call("RegisterOrUpdate", _REGISTER, *self._arguments(session.app)))
        try:
            return self._registered(task_id), RegistrationUpdate(update)
        except ValueError:
            raise protocol(f"{update!r} as what became of a registration") from None

    def _arguments(self, app: str) -> tuple[Any, ...]:
        if self.trigger is None:
            raise InvalidArgumentError(
                f"the task {self.name!r} has no trigger; set one with BackgroundTaskBuilder.set_trigger"
            )
        options: dict[str, tuple[str, Any]] = {
            "cancel_on_condition_loss": ("b", bool(self.cancel_on_condition_loss)),
            "is_network_requested": ("b", bool(self.is_network_requested)),
        }
        if self.task_entry_point_clsid is not None:
            options["class_id"] = ("s", str(self.task_entry_point_clsid))
        if self.task_group is not None:
            options |= {"group": ("s", self.task_group.id), "group_name": ("s", self.task_group.name)}
        conditions = [SystemConditionType(condition.condition_type).name for condition in self.conditions]
        return app, self.name, self.task_entry_point, triggers.to_wire(self.trigger), conditions, options

    def _registered(self, task_id: str) -> BackgroundTaskRegistration:
        return BackgroundTaskRegistration(
            task_id=uuid_of(task_id),
            name=self.name,
            task_entry_point=self.task_entry_point,
            task_entry_point_clsid=self.task_entry_point_clsid,
            task_group=self.task_group,
            trigger=self.trigger,
            conditions=tuple(self.conditions),
            cancel_on_condition_loss=bool(self.cancel_on_condition_loss),
            is_network_requested=bool(self.is_network_requested),
        )


_REGISTER = "sss(sa{sv})asa{sv}"


@dataclass(frozen=True, eq=False)
class BackgroundTaskRegistration:
    """A registered task of this app. Two values of one task id are the same registration.

    It outlives the process and the machine's restarts (RE-5). Its handlers do not: an app that starts looks through
    `all_tasks` and attaches them again (PR-4). It then hears of every completion since it last listened.

    Handlers are functions or coroutine functions, called one after the other on the event loop in which they were attached. A
    completion counts as handled when every handler of it has returned; only then does the broker forget it, so an app that
    crashes in a handler hears of the completion again (D4). A handler that raises counts as returned, and is logged.
    """

    task_id: UUID
    name: str
    task_entry_point: str
    """Empty if the app itself or a class runs the task."""
    task_entry_point_clsid: UUID | None
    task_group: BackgroundTaskRegistrationGroup | None
    trigger: Trigger | None
    """As it was given to the builder (TR-5); `None` for one that this version does not know (REG-2)."""
    conditions: tuple[SystemCondition, ...]
    """Without those that this version does not know."""
    cancel_on_condition_loss: bool
    is_network_requested: bool

    @staticmethod
    async def all_tasks() -> dict[UUID, BackgroundTaskRegistration]:
        """What this app has registered and not unregistered, by task id, oldest first, without the tasks in groups (REG-1, GR-2).

        task = next((task for task in (await BackgroundTaskRegistration.all_tasks()).values() if task.name == "Example"), None)
        """
        return {task.task_id: task for task in await _tasks() if task.task_group is None}

    @staticmethod
    async def all_task_groups() -> dict[str, BackgroundTaskRegistrationGroup]:
        """The groups in which this app has registered tasks, by id, the one with the oldest task first (GR-2)."""
        groups = [task.task_group for task in await _tasks() if task.task_group is not None]
        return {group.id: group for group in groups}

    @staticmethod
    async def get_task_group(group_id: str) -> BackgroundTaskRegistrationGroup | None:
        """The group of this id, if there are tasks in it (GR-2, GRP-4)."""
        return (await BackgroundTaskRegistration.all_task_groups()).get(group_id)

    @staticmethod
    async def get(task_id: UUID) -> BackgroundTaskRegistration:
        """The registration of this id, grouped or not. `UnknownTaskError`: the app has none."""
        (info,) = await Session.current().ask(_wire.call("GetTask", "s", str(task_id)))
        return _read(_wire.plain(info))

    @staticmethod
    def on_any_completed(handler: AnyCompletedHandler) -> EventRegistrationToken:
        """Has `handler(args)` called for every completion whose registration has no handler of its own.

        For those of one-shot tasks above all, which are no longer among `all_tasks` when the app comes back. Attach it after
        the handlers of single registrations, or it takes what waits for them.
        """
        return Session.current().listen().on_any_completed(handler)

    async def next_due(self) -> datetime | None:
        """When a timer is due next; it fires with the next quarter of an hour (D11). `None` for other triggers."""
        (info,) = await Session.current().ask(_wire.call("GetTask", "s", str(self.task_id)))
        due = _wire.plain(info).get("due")
        return None if due is None else time_of(due)

    async def unregister(self, cancel_task: bool = False) -> None:
        """Takes the registration away (REG-3).

        With `cancel_task` an activation that runs is told to stop, with `Abort`; without, it may finish (CAN-3). Either way
        its completion is told; one that had not begun never begins. `UnknownTaskError`: it was taken away before.
        `ConnectionLostError`: call it again.
        """
        await Session.current().order(_wire.call("Unregister", "sb", str(self.task_id), bool(cancel_task)))

    def on_progress(self, handler: ProgressHandler) -> EventRegistrationToken:
        """Has `handler(task, args)` called when an activation of this task reports progress (EVT-5); at once with the latest
        value if one runs and has. Progress is told to whoever listens and kept for nobody (EVT-1).
        """
        return Session.current().listen().on_progress(self.task_id, lambda args: handler(self, args))

    def on_completed(self, handler: CompletedHandler) -> EventRegistrationToken:
        """Has `handler(task, args)` called when an activation of this task ends, and for every one that ended while nobody
        listened (EVT-8, D4).
        """
        return Session.current().listen().on_completed(self.task_id, lambda args: handler(self, args))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BackgroundTaskRegistration) and other.task_id == self.task_id

    def __hash__(self) -> int:
        return hash(self.task_id)


@dataclass(frozen=True)
class BackgroundTaskRegistrationGroup:
    """A namespace for registrations: a library keeps its tasks in a group of its own, and an app that takes all its tasks
    away leaves them alone (GR-1, GR-3). Tasks in a group are not among `BackgroundTaskRegistration.all_tasks` (GR-2).

    The group itself is only a name: the broker knows it as long as a task is registered in it (GR-5). Two values of one id
    are the same group.
    """

    id: str
    """1 to 255 bytes, of the form of a domain name or a GUID, so that no two libraries use the same (GRP-2)."""
    name: str = field(default="", compare=False)
    """For people, when debugging (GRP-3); the id, if none is given."""

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.id)

    async def all_tasks(self) -> dict[UUID, BackgroundTaskRegistration]:
        """What this app has registered in the group and not unregistered, by task id, oldest first (GRP-4)."""
        return {task.task_id: task for task in await _tasks() if task.task_group == self}

    def background_activated(self, handler: GroupActivatedHandler) -> None:
        """Has `handler(group, args)` run the group's tasks without an entry point, in place of
        `CoreApplication.background_activated`, with which everything else is the same (GRP-5, GR-4).
        """
        if inspect.iscoroutinefunction(handler):

            async def awaited(args: BackgroundActivatedEventArgs) -> None:
                await handler(self, args)

            activate(self.id, awaited)
        else:
            activate(self.id, lambda args: handler(self, args))


async def _tasks() -> list[BackgroundTaskRegistration]:
    """Every task of the app, grouped or not, oldest first."""
    session = Session.current()
    (infos,) = await session.ask(_wire.call("ListTasks", "s", session.app))
    plain = sorted(map(_wire.plain, infos), key=lambda info: int(info["registered_at"]))
    return [_read(info) for info in plain]


def _read(info: dict[str, Any]) -> BackgroundTaskRegistration:
    try:
        group, class_id = info.get("group"), info.get("class_id")
        known = (SystemConditionType._of_name(name) for name in info["conditions"])
        return BackgroundTaskRegistration(
            task_id=uuid_of(info["id"]),
            name=info["name"],
            task_entry_point=info["entry_point"],
            task_entry_point_clsid=None if class_id is None else uuid_of(class_id),
            task_group=None if group is None else BackgroundTaskRegistrationGroup(group, info.get("group_name", "")),
            trigger=triggers.of_info(info),
            conditions=tuple(SystemCondition(it) for it in known if it is not None),
            cancel_on_condition_loss=info["cancel_on_condition_loss"],
            is_network_requested=info["is_network_requested"],
        )
    except KeyError as error:
        raise protocol(f"a task without {error}") from None


def uuid_of(text: str) -> UUID:
    """An id that the broker sent."""
    try:
        return UUID(text)
    except ValueError:
        raise protocol(f"{text!r} as an id") from None


__all__ = [
    "BackgroundTaskBuilder",
    "BackgroundTaskRegistration",
    "BackgroundTaskRegistrationGroup",
]
