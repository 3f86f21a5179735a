"""What handlers are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from .enums import BackgroundTaskCancellationReason, EnergyUsageLevel, TaskFailureKind
from .errors import Error
from .values import time_of


@dataclass(frozen=True)
class BackgroundTaskProgressEventArgs:
    """How far an activation is (EVT-5)."""

    instance_id: UUID
    """Which activation."""
    progress: int
    """The number the task reported. Its meaning is the app's own (PR-8), that of a command from 0 to 100."""
    message: str = ""
    """What a command said with it."""


@dataclass(frozen=True)
class BackgroundTaskCompletedEventArgs:
    """How an activation ended (EVT-5, PR-5)."""

    instance_id: UUID
    """Which activation."""
    task_id: UUID
    """Of which registration. It may be gone by now."""
    task_name: str
    """The name it was registered under."""
    _outcome: dict[str, Any] = field(repr=False)

    def check_result(self) -> None:
        """Raises `TaskFailure` if the activation failed (EVT-6). One that was cancelled and returned did not."""
        if not self._outcome["ok"]:
            raise TaskFailure(self._outcome)

    @property
    def cancellation_reason(self) -> BackgroundTaskCancellationReason | None:
        """Why it was told to stop, if it was."""
        return _reason(self._outcome)

    @property
    def progress(self) -> int | None:
        """The last progress it reported."""
        return self._outcome.get("progress")

    @property
    def completed_at(self) -> datetime:
        """When it ended. It may be long ago: what completes while the app is closed is told when it comes back."""
        return time_of(self._outcome["at"])


@dataclass(frozen=True)
class TaskChangedEventArgs:
    """A change in the life of a command, as a line of its history tells it."""

    instance_id: UUID | None
    """Which activation, if it is about one."""
    event: str
    """What happened, in one word: `fired`, `started`, `completed`, …"""
    text: str
    """The same for a person: `failed with exit code 3`."""
    _at: int = field(repr=False)

    @property
    def at(self) -> datetime:
        """When."""
        return time_of(self._at)


class TaskFailure(Error):
    """Why an activation failed: what `BackgroundTaskCompletedEventArgs.check_result` raises (EVT-6).

    Its text is the task's own words, or the broker's about how its process ended.
    """

    def __init__(self, outcome: dict[str, Any]) -> None:
        super().__init__(outcome["message"])
        self.kind = _kind(outcome["outcome"])
        """In which way."""
        self.cancellation_reason = _reason(outcome)
        """Why it was told to stop, if it was."""
        self.output_tail: str | None = outcome.get("output_tail") or None
        """What its process wrote last to its standard output and error streams, if it died."""


def _kind(word: str) -> TaskFailureKind:
    try:
        return TaskFailureKind(word)
    except ValueError:
        return TaskFailureKind.Other


def _reason(outcome: dict[str, Any]) -> BackgroundTaskCancellationReason | None:
    try:
        return BackgroundTaskCancellationReason(outcome["reason"])
    except (KeyError, ValueError):
        return None


@dataclass(frozen=True)
class EnergyUsage:
    """What the app has used in the present period of 30 minutes, all its background tasks together (Q-17)."""

    percent: int
    """Of what is normal; more than 100 where it is more."""
    level: EnergyUsageLevel
    until: datetime
    """When the period ends. Of an app that has used nothing yet, when one that began now would end."""

    @classmethod
    def _of(cls, percent: int, level: int, until: int) -> EnergyUsage:
        return cls(percent, EnergyUsageLevel._of_number(level), time_of(until))
