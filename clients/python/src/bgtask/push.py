"""The channel on which a server far away reaches the app (`Windows.Networking.PushNotifications`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from . import _wire
from ._session import Session
from .values import time_of

__all__ = ["PushNotificationChannel", "PushNotificationChannelManager"]


@dataclass(frozen=True)
class PushNotificationChannel:
    """Where messages to the app arrive. An app has one channel at most.

    It stays when this value goes, and when the app ends: only `close`, the app's removal and its expiry end it.
    """

    uri: str
    """The address: what the app's server sends to. It is no secret, but whoever may send to it reaches the app."""
    expiration_time: datetime
    """Until when it lasts."""

    async def close(self) -> None:
        """Gives the app's channel up: what waits for it is not delivered any more. That it is closed already is no error."""
        session = Session.current()
        await session.ask(_wire.call("ClosePushChannel", "s", session.app))


class PushNotificationChannelManager:
    """Creates the app's channel for push messages, whose tasks have a `PushNotificationTrigger`."""

    @staticmethod
    async def create_push_notification_channel_for_application() -> PushNotificationChannel:
        """The app's channel: a new one where it has none, and the same address for 30 more days where it has. An app does this
        at every start, and tells its server where the address is another than before.

        `NotSupportedError`: no server of messages is set on this machine, or it cannot be reached now; the text says which.
        `LimitReachedError`: as many apps have a channel as may.
        """
        session = Session.current()
        uri, expires = await session.ask(_wire.call("CreatePushChannel", "s", session.app))
        return PushNotificationChannel(uri, time_of(expires))
