"""Whether the app may run in the background."""

from __future__ import annotations

from . import _wire
from ._session import Session
from .enums import BackgroundAccessRequestKind, BackgroundAccessStatus

_FIRST = ""
"""On the wire, the first application of an app."""


class BackgroundExecutionManager:
    """Asks for background access and gives it back.

    Where a method takes an `application_id`, it is that of an application of the app's own manifest (ACC-15), for an app whose
    tasks another of its applications declares (ACC-16); without, it is the first. `InvalidArgumentError`: there is none of that id.
    """

    @staticmethod
    async def request_access(application_id: str = _FIRST) -> BackgroundAccessStatus:
        """Asks for permission to run in the background; to be called before tasks are registered (ACC-1), and again after an
        update of the app (RE-7). No prompt appears (ACC-3). Answers what the user and the policy allow.
        """
        session = Session.current()
        (status,) = await session.ask(_wire.call("RequestAccess", "ss", session.app, application_id))
        return BackgroundAccessStatus._of_number(status)

    @staticmethod
    async def request_access_kind(kind: BackgroundAccessRequestKind, reason: str) -> bool:
        """Asks for a level of access (ACC-18). The user may be asked, in the app's own words, which follow "The app says:"
        (ACC-19); the answer comes when the user has answered, however long that takes. It is whether he or the system approved.
        """
        return await _request_kind(kind, False, reason)

    @staticmethod
    async def request_access_kind_for_modern_standby(kind: BackgroundAccessRequestKind, reason: str) -> bool:
        """As `request_access_kind`, for the time the machine is in modern standby: a grant of its own (ACC-21)."""
        return await _request_kind(kind, True, reason)

    @staticmethod
    async def get_access_status(application_id: str = _FIRST) -> BackgroundAccessStatus:
        """What the user and the policy allow the app now (ACC-22)."""
        return await _status(application_id, False)

    @staticmethod
    async def get_access_status_for_modern_standby(application_id: str = _FIRST) -> BackgroundAccessStatus:
        """What the user and the policy allow the app while the machine is in modern standby (ACC-21)."""
        return await _status(application_id, True)

    @staticmethod
    async def remove_access(application_id: str = _FIRST) -> None:
        """Gives the permission back (ACC-17). Registrations stay, and wait."""
        session = Session.current()
        await session.ask(_wire.call("RemoveAccess", "ss", session.app, application_id))


async def _request_kind(kind: BackgroundAccessRequestKind, standby: bool, reason: str) -> bool:
    session = Session.current()
    number = int(BackgroundAccessRequestKind(kind))
    call = _wire.call("RequestAccessKind", "ssubs", session.app, _FIRST, number, standby, reason)
    (approved,) = await session.consult(call)
    return bool(approved)


async def _status(application_id: str, standby: bool) -> BackgroundAccessStatus:
    session = Session.current()
    (status,) = await session.ask(_wire.call("GetAccessStatus", "ssb", session.app, application_id, standby))
    return BackgroundAccessStatus._of_number(status)
