"""Notifications, as they go to the broker."""

from __future__ import annotations

from datetime import timedelta

import pytest
from conftest import Home

import bgtask
from bgtask import _wire, notify
from bgtask.notify import ToastNotification


def test_a_notification_says_what_it_was_given_and_nothing_else() -> None:
    full = ToastNotification(
        "Full",
        body="of words",
        icon="drive-harddisk",
        actions={"retry": "Try again", "stop": "Stop"},
        reply="Why?",
        tag="upload",
        urgency="critical",
        expiration=timedelta(seconds=1.5),
    )
    wire = full._to_wire()
    assert wire == {
        "title": ("s", "Full"),
        "body": ("s", "of words"),
        "icon": ("s", "drive-harddisk"),
        "actions": ("a(ss)", [("retry", "Try again"), ("stop", "Stop")]),
        "reply": ("s", "Why?"),
        "tag": ("s", "upload"),
        "urgency": ("s", "critical"),
        "expiration": ("t", 1_500_000),
    }
    assert _wire.bytes_of(wire) > 100, "D-Bus can carry it"
    assert ToastNotification("Plain")._to_wire() == {"title": ("s", "Plain"), "urgency": ("s", "normal")}


async def test_a_notification_without_a_tag_cannot_be_named() -> None:
    with pytest.raises(bgtask.InvalidArgumentError):
        await notify.remove("")


async def test_where_nothing_shows_notifications_it_is_said_so(broker: Home) -> None:
    """D16: the private machine has no desktop."""
    with pytest.raises(bgtask.NotSupportedError) as caught:
        await ToastNotification("The notes are indexed", actions={"show": "Show"}, tag="index").show()
    assert len(str(caught.value)) > 20
