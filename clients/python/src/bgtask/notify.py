"""Notifications that an app or its tasks show to the user.

The broker shows them in the name of the app. So the one that a task showed is still the app's when the task's process has long ended: a
choice of the user fires the app's `ToastNotificationActionTrigger`, and its coming and going its
`ToastNotificationHistoryChangedTrigger`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from . import _wire
from ._session import Session
from .errors import InvalidArgumentError


@dataclass(frozen=True)
class ToastNotification:
    """A notification: `await ToastNotification("The upload failed", actions={"retry": "Try again"}, tag="upload").show()`."""

    title: str
    """Its first line."""
    body: str | None = None
    """What it says besides, plain text."""
    icon: str | None = None
    """A name in the desktop's theme, or the address of a picture (`file://…`). By default it has the app's."""
    actions: Mapping[str, str] = field(default_factory=dict)
    """What it offers, at most 5: ids, and their labels for people. The id `default` is the notification itself, of which the label is
    not shown."""
    reply: str | None = None
    """What stands where the user may write an answer, where the desktop can take one. It is the `text` of the action `inline-reply`."""
    tag: str | None = None
    """Names it within the app: it takes the place of the one before of the same tag."""
    urgency: Literal["low", "normal", "critical"] = "normal"
    """How much it may disturb."""
    expiration: timedelta | None = None
    """How long it is shown; zero is until somebody takes it away. By default the desktop decides."""

    async def show(self) -> int:
        """Shows it, and answers its number, which its events have.

        `NotSupportedError`: no notification server runs, in a session without a desktop for example.
        """
        session = Session.current()
        (number,) = await session.order(_wire.call("ShowNotification", "sa{sv}", session.app, self._to_wire()))
        return int(number)

    def _to_wire(self) -> dict[str, tuple[str, Any]]:
        wire: dict[str, tuple[str, Any]] = {"title": ("s", self.title), "urgency": ("s", self.urgency)}
        texts = {"body": self.body, "icon": self.icon, "tag": self.tag, "reply": self.reply}
        wire |= {name: ("s", text) for name, text in texts.items() if text is not None}
        if self.actions:
            wire["actions"] = ("a(ss)", list(self.actions.items()))
        if self.expiration is not None:
            wire["expiration"] = ("t", self.expiration // timedelta(microseconds=1))
        return wire


async def remove(tag: str) -> None:
    """Takes the app's notification of this tag away. That there is none is no error."""
    if not tag:
        raise InvalidArgumentError("a notification is named by its tag: give it one")
    session = Session.current()
    await session.ask(_wire.call("RemoveNotification", "ss", session.app, tag))
