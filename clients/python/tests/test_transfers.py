"""Files that the broker carries, and the channel for push messages."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from conftest import APP, PATIENCE, Home, builder, take

import bgtask
from bgtask import BackgroundTaskCompletedEventArgs, PushNotificationChannelManager, TransferFailedError
from bgtask.transfer import (
    BackgroundDownloader,
    BackgroundTransferCompletionGroup,
    BackgroundTransferCostPolicy,
    BackgroundTransferProgress,
    BackgroundTransferStatus,
    BackgroundUploader,
)

FILM = bytes(range(256)) * 4096


class Server(BaseHTTPRequestHandler):
    """A server with a film, that takes whatever is sent to it."""

    protocol_version = "HTTP/1.1"
    uploaded: ClassVar[dict[str, bytes]]
    asked: ClassVar[list[str | None]]
    go_on: ClassVar[threading.Event]

    def do_GET(self) -> None:
        self.asked.append(self.headers["X-Account"])
        found = self.path != "/none"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(FILM) if found else 0))
        self.end_headers()
        if self.path == "/slow":
            self.wfile.write(FILM[:1000])
            self.wfile.flush()
            assert self.go_on.wait(PATIENCE)
            self.wfile.write(FILM[1000:])
        elif found:
            self.wfile.write(FILM)

    def do_PUT(self) -> None:
        self.uploaded[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *_args: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[tuple[str, type[Server]]]:
    class Own(Server):
        uploaded: ClassVar[dict[str, bytes]] = {}
        asked: ClassVar[list[str | None]] = []
        go_on = threading.Event()

    with ThreadingHTTPServer(("127.0.0.1", 0), Own) as serving:
        serving.daemon_threads = True
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_address[1]}", Own
        Own.go_on.set()
        serving.shutdown()


def folder(home: Home) -> Path:
    """Where the app keeps its files."""
    made = home.root / "data" / APP
    made.mkdir(parents=True, exist_ok=True)
    return made


async def test_a_film_is_fetched_and_sent(broker: Home, server: tuple[str, type[Server]]) -> None:
    """NW-7, Q-21"""
    uri, it = server
    told: list[BackgroundTransferProgress] = []
    checked = BackgroundDownloader(
        request_headers={"X-Account": "ada"},
        cost_policy=BackgroundTransferCostPolicy.Always,
        transfer_group="films",
        sha256=hashlib.sha256(FILM).hexdigest(),
    )
    film = checked.create_download(f"{uri}/film", folder(broker) / "film")
    assert (await film.progress()).status is BackgroundTransferStatus.Canceled, "nobody knows of it"
    await film.start_async(told.append)
    assert film.file.read_bytes() == FILM and it.asked == ["ada"]
    last = told[-1]
    assert (last.status, last.bytes, last.total_bytes) == (BackgroundTransferStatus.Completed, len(FILM), len(FILM))
    assert await BackgroundDownloader.get_current_downloads() == [], "it is forgotten"

    await BackgroundUploader().create_upload(f"{uri}/mine", film.file).start_async()
    assert it.uploaded == {"/mine": FILM}
    with pytest.raises(TransferFailedError, match="tus"):
        await BackgroundUploader(resumable=True).create_upload(f"{uri}/files", film.file).start_async()


async def test_another_life_of_the_app_finds_its_transfer(broker: Home, server: tuple[str, type[Server]]) -> None:
    """NW-7: also a broker that was killed meanwhile goes on with it."""
    uri, it = server
    film = BackgroundDownloader(transfer_group="films").create_download(f"{uri}/slow", folder(broker) / "film")
    await film.start()
    (found,) = await BackgroundDownloader.get_current_downloads()
    assert found == film and await BackgroundUploader.get_current_uploads() == []
    waiting = asyncio.ensure_future(found.attach_async())
    await asyncio.sleep(0)
    broker.kill()
    it.go_on.set()
    broker.start()
    await asyncio.wait_for(waiting, PATIENCE)
    assert film.file.read_bytes() == FILM


async def test_all_who_wait_for_a_transfer_hear_its_end(broker: Home, server: tuple[str, type[Server]]) -> None:
    """Q-21: whoever is the first forgets it."""
    uri, it = server
    film = BackgroundDownloader().create_download(f"{uri}/slow", folder(broker) / "film")
    await film.start()
    told: list[asyncio.Queue[BackgroundTransferProgress]] = [asyncio.Queue() for _ in range(3)]
    waiting = asyncio.gather(*(film.attach_async(one.put_nowait) for one in told))
    for one in told:
        await take(one)
    it.go_on.set()
    await asyncio.wait_for(waiting, PATIENCE)
    assert film.file.read_bytes() == FILM and await BackgroundDownloader.get_current_downloads() == []


async def test_what_will_never_arrive_is_told(broker: Home, server: tuple[str, type[Server]]) -> None:
    uri, _it = server
    none = BackgroundDownloader().create_download(f"{uri}/none", folder(broker) / "none")
    with pytest.raises(TransferFailedError, match="404"):
        await none.start_async()

    slow = BackgroundDownloader().create_download(f"{uri}/slow", folder(broker) / "slow")
    await slow.start()
    await slow.pause()
    assert (await slow.progress()).status is BackgroundTransferStatus.PausedByApplication
    await slow.resume()
    waiting = asyncio.ensure_future(slow.attach_async())
    await asyncio.sleep(0)
    await slow.cancel()
    with pytest.raises(TransferFailedError, match="cancelled"):
        await asyncio.wait_for(waiting, PATIENCE)

    for wrong, file in [("ftp://example.org/", folder(broker) / "x"), (f"{uri}/film", Path("relative"))]:
        with pytest.raises(bgtask.InvalidArgumentError):
            await BackgroundDownloader().create_download(wrong, file).start()


async def test_a_task_hears_the_end_of_a_group(broker: Home, server: tuple[str, type[Server]]) -> None:
    """NEI-4, NEI-5"""
    uri, it = server
    group = BackgroundTransferCompletionGroup()
    made = builder("Tasks.Fetched")
    made.set_trigger(group.trigger)
    task = await made.register()
    completions: asyncio.Queue[BackgroundTaskCompletedEventArgs] = asyncio.Queue()
    task.on_completed(lambda _task, args: completions.put_nowait(args))
    downloader = BackgroundDownloader(completion_group=group)
    for name in ("slow", "none"):
        await downloader.create_download(f"{uri}/{name}", folder(broker) / name).start()
    assert not group.is_enabled
    await group.enable()
    assert group.is_enabled
    with pytest.raises(bgtask.InvalidArgumentError):
        await downloader.create_download(f"{uri}/late", folder(broker) / "late").start()
    it.go_on.set()
    (await take(completions)).check_result()
    assert broker.settings["fetched"] == ["slow Completed", "none Error"]


async def test_a_channel_needs_a_server_of_messages(broker: Home) -> None:
    """D16: the private machine has none; with one, `programs/tests/push` shows what comes."""
    with pytest.raises(bgtask.NotSupportedError, match=r"push\.mqtt"):
        await PushNotificationChannelManager.create_push_notification_channel_for_application()
