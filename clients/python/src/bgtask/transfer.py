"""Background transfers: files that are fetched and sent by the broker, however often that takes (NW-7).

An app orders a transfer and may end: it goes on without the app, over restarts of the broker and of the machine, and over networks
that come and go. When the app is there again it finds its transfers, and waits for them. `docs/transfers.md` of the project has the
whole of it.

>>> async def fetch(folder: Path) -> None:
...     downloader = BackgroundDownloader(cost_policy=BackgroundTransferCostPolicy.UnrestrictedOnly)
...     film = downloader.create_download("https://example.org/film.mkv", folder / "film.mkv")
...     await film.start_async(lambda progress: print(progress.bytes, "of", progress.total_bytes))
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4

from . import _wire
from ._session import Session
from .enums import BackgroundTransferCostPolicy, BackgroundTransferPriority, BackgroundTransferStatus
from .errors import TransferFailedError, UnknownTaskError
from .listening import BackgroundTransferCompletionGroupTrigger
from .task_instance import TaskInstance

__all__ = [
    "BackgroundDownloader",
    "BackgroundTransferCompletionGroup",
    "BackgroundTransferCostPolicy",
    "BackgroundTransferPriority",
    "BackgroundTransferProgress",
    "BackgroundTransferStatus",
    "BackgroundUploader",
    "TransferOperation",
]


@dataclass(frozen=True)
class BackgroundTransferProgress:
    """How far a transfer is."""

    bytes: int
    """Bytes that have gone over the network and count."""
    total_bytes: int | None
    """Of how many, where that is known."""
    status: BackgroundTransferStatus
    """Where it stands."""
    why: str
    """Why it stands there, for a person."""
    status_code: int | None
    """What the server answered last, as HTTP numbers it."""

    @classmethod
    def _of(cls, info: Mapping[str, Any]) -> Self:
        status = BackgroundTransferStatus._of_number(info["status"])
        return cls(info["done"], info.get("total"), status, info["why"], info.get("answer"))


_GONE = BackgroundTransferProgress(
    0, None, BackgroundTransferStatus.Canceled, "There is no such transfer any more.", None
)

Tell = Callable[[BackgroundTransferProgress], object]


@dataclass(frozen=True)
class TransferOperation:
    """A download or an upload. What a downloader or an uploader has made has not begun: nobody knows of it until it is started."""

    guid: UUID
    """Its id, which another life of the app finds it by."""
    requested_uri: str
    """The URI as it was given."""
    file: Path
    """The file on this machine."""
    transfer_group: str | None = None
    """The name of its group, if it is in one."""
    _order: Mapping[str, tuple[str, Any]] = field(default_factory=dict, compare=False, repr=False)

    async def start(self) -> None:
        """Starts it without waiting for it. It is durable when this returns: whatever happens then, it goes on. Started again it is
        the same transfer.

        `InvalidArgumentError`: the URI or a header is malformed, or nothing is added to its group any more. `AccessDeniedError`:
        the file is not the app's. `LimitReachedError`: the app has 200 transfers. `NotSupportedError`: nothing can be transferred
        on this machine.
        """
        session = Session.current()
        await session.ask(_wire.call("CreateTransfer", "sa{sv}", session.app, dict(self._order)))

    async def start_async(self, tell: Tell = lambda _progress: None) -> None:
        """Starts it and waits until it is over, as `attach_async` does."""
        await self.start()
        await self.attach_async(tell)

    async def attach_async(self, tell: Tell = lambda _progress: None) -> None:
        """Waits until it is over, and tells of every change meanwhile. Then it is forgotten: its place is free for another (Q-21).
        Where this is cancelled the transfer goes on.

        `TransferFailedError`: it failed, or was cancelled. `NoBrokerError`: the broker is away for longer than a call waits; the
        transfer goes on when it is back, so attach again then.
        """
        session, last = Session.current(), None
        with session.listen().transfer(str(self.guid)) as changes:
            while True:
                # Also after the connection has ended: the next one knows of nobody who watches.
                await session.ask(_wire.call("Watch", "s", session.app))
                now: BackgroundTransferProgress | None = await self.progress()
                while now is not None:
                    if now != last:
                        tell(now)
                        last = now
                    if now.status.is_over:
                        return await self._end(now)
                    heard = await changes.get()
                    now = None if heard is None else BackgroundTransferProgress._of(heard)

    async def progress(self) -> BackgroundTransferProgress:
        """How far it is now."""
        found = (BackgroundTransferProgress._of(info) for info in await _listed() if info["id"] == str(self.guid))
        return next(found, _GONE)

    async def pause(self) -> None:
        """Lets it rest, durably; what it has stays."""
        await self._control("pause")

    async def resume(self) -> None:
        """Lets it go on where it was, at once, whatever pause a fault has earned it."""
        await self._control("resume")

    async def cancel(self) -> None:
        """Ends it, and forgets it with what it has fetched."""
        await self._control("cancel")

    async def _control(self, what: str) -> None:
        await Session.current().ask(_wire.call("ControlTransfer", "ss", str(self.guid), what))

    async def _end(self, now: BackgroundTransferProgress) -> None:
        if now.status is not BackgroundTransferStatus.Canceled:
            # Another who waits for it may have been faster, or the answer to the same call was lost.
            with suppress(UnknownTaskError):
                await self._control("forget")
        if now.status is BackgroundTransferStatus.Error:
            raise TransferFailedError(f"{self.requested_uri} was not transferred: {now.why}")
        if now.status is BackgroundTransferStatus.Canceled:
            raise TransferFailedError(f"{self.requested_uri} was not transferred: it was cancelled")

    @classmethod
    def _known(cls, info: Mapping[str, Any]) -> Self:
        given = ("id", "kind", "uri", "file", "group")
        order = {name: ("s", info[name]) for name in given if info.get(name)}
        order |= {name: ("u", info[name]) for name in ("cost", "priority")}
        return cls(UUID(info["id"]), info["uri"], Path(info["file"]), info.get("group") or None, order)


class BackgroundTransferCompletionGroup:
    """Transfers whose end one task hears of: it runs once, when all of them have ended, well or not (NEI-4).

    The task is registered with its `trigger`, the transfers are made with `completion_group`, then it is enabled. A group is known by
    this value; another life of the app makes another.
    """

    def __init__(self) -> None:
        self._id = uuid4()
        self.is_enabled = False
        """Whether it was enabled here."""

    @property
    def trigger(self) -> BackgroundTransferCompletionGroupTrigger:
        """What its task is registered with: one task only (BLD-16)."""
        return BackgroundTransferCompletionGroupTrigger(group=str(self._id))

    async def enable(self) -> None:
        """Says that nothing is added to it any more, durably: from now on its task runs as soon as everything in it has ended.

        `InvalidArgumentError`: it is enabled already, or has neither a task nor a transfer.
        """
        session = Session.current()
        await session.order(_wire.call("EnableTransferGroup", "ss", session.app, str(self._id)))
        self.is_enabled = True

    @staticmethod
    async def ended(instance: TaskInstance) -> list[TransferOperation]:
        """What has ended, of the group whose trigger has started this activation, oldest first (NEI-5): what
        `BackgroundTransferCompletionGroupTriggerDetails` is on Windows. One that was cancelled is not there any more.

        When the task has succeeded, all of it is forgotten; when it has not, the transfers stay for the app to find.
        """
        ids = {event.get("id") for event in instance.trigger_events.events}
        return [TransferOperation._known(info) for info in await _listed() if info["id"] in ids]


@dataclass(frozen=True, kw_only=True)
class _Maker:
    """What the transfers of one maker have in common."""

    method: str | None = None
    """The method of the request: of a download `GET`, which is the default, or `POST`; of an upload `PUT`, `POST` or `PATCH`."""
    request_headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that are sent, too; those of HTTP itself, such as `Range`, are refused when a transfer starts."""
    cost_policy: BackgroundTransferCostPolicy = BackgroundTransferCostPolicy.Default
    """Over which networks."""
    priority: BackgroundTransferPriority = BackgroundTransferPriority.Default
    """Before or after others."""
    transfer_group: str | None = None
    """The name of the group they belong to, at most 255 bytes."""
    completion_group: BackgroundTransferCompletionGroup | None = None
    """The group whose task hears when all of them have ended."""

    def _made(
        self, kind: str, uri: str, file: str | os.PathLike[str], *, sha256: str | None = None, resumable: bool = False
    ) -> TransferOperation:
        guid, path = uuid4(), Path(file)
        group = None if self.completion_group is None else str(self.completion_group._id)
        texts = {
            "id": str(guid),
            "kind": kind,
            "uri": uri,
            "file": str(path),
            "method": self.method,
            "group": self.transfer_group,
            "completion_group": group,
            "sha256": sha256,
        }
        order: dict[str, tuple[str, Any]] = {name: ("s", text) for name, text in texts.items() if text is not None}
        order |= {"cost": ("u", int(self.cost_policy)), "priority": ("u", int(self.priority))}
        if resumable:
            order["resumable"] = ("b", True)
        if self.request_headers:
            order["headers"] = ("a(ss)", list(self.request_headers.items()))
        return TransferOperation(guid, uri, path, self.transfer_group, order)


@dataclass(frozen=True, kw_only=True)
class BackgroundDownloader(_Maker):
    """Makes downloads."""

    sha256: str | None = None
    """The SHA-256 that the file has to have, as hexadecimal digits: another one is fetched anew, and in the end refused."""

    def create_download(self, uri: str, file: str | os.PathLike[str]) -> TransferOperation:
        """A download that has not begun, into a file in the app's data folder."""
        return self._made("download", uri, file, sha256=self.sha256)

    @staticmethod
    async def get_current_downloads() -> list[TransferOperation]:
        """Every download of the app that was started and whose end the app has not heard: also those of its former lives."""
        return [TransferOperation._known(info) for info in await _listed() if info["kind"] == "download"]


@dataclass(frozen=True, kw_only=True)
class BackgroundUploader(_Maker):
    """Makes uploads. HTTP by itself has no way to go on with an upload, so one that broke is sent again from its beginning."""

    resumable: bool = False
    """Whether one that broke goes on where it was, by tus 1.0: the URI is where the server has uploads made. It has no `method`."""

    def create_upload(self, uri: str, file: str | os.PathLike[str]) -> TransferOperation:
        """An upload that has not begun."""
        return self._made("upload", uri, file, resumable=self.resumable)

    @staticmethod
    async def get_current_uploads() -> list[TransferOperation]:
        """As `BackgroundDownloader.get_current_downloads`."""
        return [TransferOperation._known(info) for info in await _listed() if info["kind"] == "upload"]


async def _listed() -> list[dict[str, Any]]:
    session = Session.current()
    (listed,) = await session.ask(_wire.call("ListTransfers", "s", session.app))
    return [_wire.plain(info) for info in listed]
