"""Background tasks for Linux: register tasks, write task programs, hear what they did.

An app *registers* a task: a name, an entry point, a trigger, conditions. The broker, `bgtaskd`, waits for the trigger, holds the
task until the conditions are met, runs it in a process of its own under a time budget, or in the app itself, and tells the app
how it ended, also if that was while the app was closed. The names are those of `Windows.ApplicationModel.Background`.

Calls to the broker are coroutines; from a program without an event loop, `asyncio.run(builder.register())`. Task programs are
served by `bgtask.host.run`, and the body of a task may be `async def` or a plain `def`.
"""

from . import host
from ._events import MAX_HELD_COMPLETIONS, MAX_QUEUED_PROGRESS_EVENTS, EventRegistrationToken
from ._key_names import MAX_KEY_CHARS
from ._serve import BackgroundTask
from ._session import BROKER_WAIT, CALL_TIMEOUT, act_for
from ._wire import MAX_VALUE_SET_BYTES
from .access import BackgroundExecutionManager
from .application_data import ApplicationData
from .commands import CommandTask, RegisteredCommand, report_progress
from .core_application import BackgroundActivatedEventArgs, CoreApplication
from .enums import (
    ApplicationTriggerResult,
    BackgroundAccessRequestKind,
    BackgroundAccessStatus,
    BackgroundTaskCancellationReason,
    CustomSystemEventTriggerRecurrence,
    MediaProcessingTriggerResult,
    RegistrationUpdate,
    SystemConditionType,
    SystemTriggerType,
    TaskFailureKind,
)
from .errors import (
    AccessDeniedError,
    ConnectionLostError,
    DamagedSettingError,
    Error,
    InvalidArgumentError,
    LimitReachedError,
    NameTakenError,
    NoBrokerError,
    NotDeclaredError,
    NotSupportedError,
    ProtocolError,
    SettingsBusyError,
    SettingsError,
    StoreUnavailableError,
    UnknownAppError,
    UnknownTaskError,
)
from .event_args import (
    BackgroundTaskCompletedEventArgs,
    BackgroundTaskProgressEventArgs,
    TaskChangedEventArgs,
    TaskFailure,
)
from .registration import BackgroundTaskBuilder, BackgroundTaskRegistration, BackgroundTaskRegistrationGroup
from .storage import LOCK_WAIT, MAX_COMPOSITE_BYTES, MAX_KEYS, MAX_VALUE_BYTES, ApplicationDataContainer
from .task_instance import BackgroundTaskDeferral, CancelNotice, RegisteredTask, TaskInstance
from .triggers import (
    ApplicationTrigger,
    ApplicationTriggerResponse,
    CustomSystemEvent,
    CustomSystemEventTrigger,
    MaintenanceTrigger,
    MediaProcessingTrigger,
    MediaProcessingTriggerResponse,
    SystemCondition,
    SystemTrigger,
    TimeTrigger,
    Trigger,
)
from .values import MAX_SET_DEPTH, Point, Rect, Size, TypedValue, Value

__all__ = [
    "BROKER_WAIT",
    "CALL_TIMEOUT",
    "LOCK_WAIT",
    "MAX_COMPOSITE_BYTES",
    "MAX_HELD_COMPLETIONS",
    "MAX_KEYS",
    "MAX_KEY_CHARS",
    "MAX_QUEUED_PROGRESS_EVENTS",
    "MAX_SET_DEPTH",
    "MAX_VALUE_BYTES",
    "MAX_VALUE_SET_BYTES",
    "AccessDeniedError",
    "ApplicationData",
    "ApplicationDataContainer",
    "ApplicationTrigger",
    "ApplicationTriggerResponse",
    "ApplicationTriggerResult",
    "BackgroundAccessRequestKind",
    "BackgroundAccessStatus",
    "BackgroundActivatedEventArgs",
    "BackgroundExecutionManager",
    "BackgroundTask",
    "BackgroundTaskBuilder",
    "BackgroundTaskCancellationReason",
    "BackgroundTaskCompletedEventArgs",
    "BackgroundTaskDeferral",
    "BackgroundTaskProgressEventArgs",
    "BackgroundTaskRegistration",
    "BackgroundTaskRegistrationGroup",
    "CancelNotice",
    "CommandTask",
    "ConnectionLostError",
    "CoreApplication",
    "CustomSystemEvent",
    "CustomSystemEventTrigger",
    "CustomSystemEventTriggerRecurrence",
    "DamagedSettingError",
    "Error",
    "EventRegistrationToken",
    "InvalidArgumentError",
    "LimitReachedError",
    "MaintenanceTrigger",
    "MediaProcessingTrigger",
    "MediaProcessingTriggerResponse",
    "MediaProcessingTriggerResult",
    "NameTakenError",
    "NoBrokerError",
    "NotDeclaredError",
    "NotSupportedError",
    "Point",
    "ProtocolError",
    "Rect",
    "RegisteredCommand",
    "RegisteredTask",
    "RegistrationUpdate",
    "SettingsBusyError",
    "SettingsError",
    "Size",
    "StoreUnavailableError",
    "SystemCondition",
    "SystemConditionType",
    "SystemTrigger",
    "SystemTriggerType",
    "TaskChangedEventArgs",
    "TaskFailure",
    "TaskFailureKind",
    "TaskInstance",
    "TimeTrigger",
    "Trigger",
    "TypedValue",
    "UnknownAppError",
    "UnknownTaskError",
    "Value",
    "act_for",
    "host",
    "report_progress",
]
