"""What the tests share: a real broker in a world of files, a real task program in Python, and patience.

Nothing sleeps for luck: a test waits for a level or an event, up to PATIENCE, which only a failing test reaches.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

import pytest

from bgtask import ApplicationDataContainer, BackgroundTaskBuilder, SystemTrigger, SystemTriggerType, _wire
from bgtask._session import Session

PATIENCE = 60.0
"""How long anything may take on a busy machine."""
APP = "org.example.Python"
ENTRY_POINTS = (
    "Example",
    "Blocking",
    "Fails",
    "Defers",
    "Floods",
    "Tells",
    "Events",
    "Chat",
    "ChatsInAThread",
    "ChatsAndNeverWaits",
    "LeavesIt",
    "Fetched",
    "Shouts",
    "Exits",
    "Hangs",
    "NotInTheProgram",
)

T = TypeVar("T")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a test that is a coroutine function in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), 5 * PATIENCE))
    return True


async def eventually(what: str, look: Callable[[], Awaitable[T | None]]) -> T:
    """Looks until there is something to see."""
    end = time.monotonic() + PATIENCE
    while (found := await look()) is None:
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        await asyncio.sleep(0.01)
    return found


def broker_program() -> str:
    """The program under test."""
    program = os.environ.get("BGTASKD")
    assert program is not None, "say where the broker is: BGTASKD=target/debug/bgtaskd pytest clients/python"
    return program


class World:
    """The system facts of a private machine, in Berlin and online."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name, hours in [("Europe/Berlin", 1), ("Asia/Tokyo", 9), ("America/Lima", -5)]:
            self._write(f"usr/share/zoneinfo/{name}", _tzif(hours))
        (path / "dev/pts").mkdir(parents=True)
        self.zone("Europe/Berlin")
        self.online(True)

    def zone(self, name: str) -> None:
        """Changes the zone as careful tools do: a new link, renamed over the old."""
        new = self.path / "etc/localtime.new"
        new.parent.mkdir(exist_ok=True)
        new.symlink_to(f"/usr/share/zoneinfo/{name}")
        new.rename(self.path / "etc/localtime")

    def online(self, online: bool) -> None:
        head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        route = "eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" if online else ""
        self._write("proc/net/route", (head + route).encode())

    def _write(self, name: str, content: bytes) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(path.name + ".new")
        new.write_bytes(content)
        new.rename(path)


def _tzif(hours_east: int) -> bytes:
    """A zone file with one fixed offset (RFC 8536, version 2)."""
    block = b"TZif2" + bytes(15) + struct.pack(">6I", 0, 0, 0, 0, 1, 4) + struct.pack(">ibb", hours_east * 3600, 0, 0)
    return (block + b"XXX\0") * 2 + f"\nXXX{-hours_east}\n".encode()


def interpreter() -> str:
    """Where this interpreter and what it imports is, for a manifest: tasks see nothing but the system and their own program."""
    return json.dumps(sorted({sys.prefix, sys.base_prefix, *(path for path in sys.path if Path(path).is_dir())}))


class Home:
    """A broker with what it leaves on the disk and finds there again: its root, and the world it sees."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path / "root"
        self.world = World(path / "world")
        self.log = path / "log"
        self._process: subprocess.Popen[bytes] | None = None
        (self.root / "apps").mkdir(parents=True)
        self.program = self.write_program("tasks.py", Path(__file__).with_name("sample_tasks.py").read_text())
        self.install(self.manifest())

    @property
    def address(self) -> str:
        return f"unix:path={self.root / 'run/broker'}"

    @property
    def settings(self) -> ApplicationDataContainer:
        """What the app and its tasks share, without asking the broker."""
        return ApplicationDataContainer(self.root / "data" / APP)

    def manifest(self, more: str = "") -> str:
        tasks = "".join(
            f'[[task]]\nentry_point = "Tasks.{name}"\ntypes = ["general", "systemEvent"]\nexecutable = "{self.program}"\n'
            for name in ENTRY_POINTS
        )
        sandbox = f"[sandbox]\nread = {interpreter()}\n"
        return f'[app]\nid = "{APP}"\nversion = "1.0.0"\nraises = ["org.example.event"]\n{more}\n{tasks}{sandbox}'

    def install(self, manifest: str) -> None:
        (self.root / "apps" / f"{APP}.toml").write_text(manifest)

    def write_program(self, name: str, source: str) -> Path:
        """A program that this interpreter runs, with the packages that it has."""
        path = self.path / name
        path.write_text(f"#!{sys.executable}\n{source.removeprefix('#!/usr/bin/env python3')}")
        path.chmod(0o755)
        return path

    def configure(self, lines: str) -> None:
        (self.root / "config.toml").write_text(lines)

    def start(self) -> None:
        """Starts the broker and waits until it listens."""
        command = [broker_program(), "--root", str(self.root), "--sysroot", str(self.world.path), "--log", "warn"]
        outside = ("DBUS_SESSION_BUS_ADDRESS", "JOURNAL_STREAM", "BGTASK_ADDRESS", "BGTASK_LOG", "BGTASK_APP_ID")
        environment = {name: value for name, value in os.environ.items() if name not in outside}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log
            )
        end = time.monotonic() + PATIENCE
        while not self._listens():
            assert self._process.poll() is None, f"the broker ended: {self.log.read_text()}"
            assert time.monotonic() < end, "the broker does not listen"
            time.sleep(0.01)

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.root / "run/broker")) == 0

    def kill(self) -> None:
        """As `kill -9`: the broker does nothing any more."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)
        self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            assert self._process.wait(PATIENCE) == 0, self.log.read_text()
            self._process = None


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home whose broker does not run yet; this process acts for its app."""
    # Not pytest's folder: the path of a socket has at most 107 bytes.
    path = Path(mkdtemp(prefix="bgtask-py-"))
    home = Home(path)
    monkeypatch.setenv("BGTASK_ADDRESS", home.address)
    monkeypatch.setenv("BGTASK_APP_ID", APP)
    # A busy machine takes its time; who wants to see that a call gives up is `impatient`.
    monkeypatch.setattr("bgtask._session.BROKER_WAIT", PATIENCE)
    monkeypatch.setattr("bgtask._session.CALL_TIMEOUT", PATIENCE)
    try:
        yield home
    finally:
        home.stop()
        shutil.rmtree(path)


@pytest.fixture
def broker(home: Home) -> Home:
    """A home whose broker runs."""
    home.start()
    return home


@contextmanager
def impatient() -> Iterator[None]:
    """Calls soon give up on a broker that is not there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bgtask._session.BROKER_WAIT", 0.3)
        yield


def builder(entry: str = "Tasks.Example", name: str = "task", **flags: Any) -> BackgroundTaskBuilder:
    """A task that a change of the time zone fires."""
    made = BackgroundTaskBuilder(name=name, task_entry_point=entry, **flags)
    made.set_trigger(SystemTrigger(SystemTriggerType.TimeZoneChange))
    return made


async def ask(member: str, signature: str = "", *body: Any) -> Any:
    """Asks the broker what the library has no call for."""
    answer = await Session.current().ask(_wire.call(member, signature, *body))
    return answer[0] if answer else None


async def sources_know() -> None:
    """Waits until every source that is watched has told its level: from then on a change fires."""

    async def look() -> bool | None:
        sources = await ask("ListSources")
        return True if all("value" in source for source in sources) else None

    await eventually("the sources report", look)


async def phase(task: Any, wanted: str) -> None:
    """Waits until a task is in a phase."""

    async def look() -> bool | None:
        info = _wire.plain(await ask("GetTask", "s", str(task.task_id)))
        return True if info["phase"] == wanted else None

    await eventually(f"the phase {wanted}", look)


async def take(queue: asyncio.Queue[T]) -> T:
    """The next of what a handler heard."""
    return await asyncio.wait_for(queue.get(), PATIENCE)
