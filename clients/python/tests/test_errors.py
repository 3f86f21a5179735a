"""What is refused, by whom, and in which words; and what hostile callers and peers come to."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE, Home, builder, impatient

import bgtask
from bgtask import (
    ApplicationTrigger,
    BackgroundExecutionManager,
    BackgroundTaskBuilder,
    BackgroundTaskRegistration,
    CustomSystemEvent,
    CustomSystemEventTrigger,
    SystemTrigger,
    TimeTrigger,
    errors,
)

CONTRACT = Path(__file__).parents[3] / "crates/bgtask-wire/src/error.rs"


def test_every_error_of_the_contract_has_its_exception() -> None:
    names = set(re.findall(r'"(org\.bgtask\.Error\.\w+)"', CONTRACT.read_text()))
    on_the_host_channel_only = {"org.bgtask.Error.TaskFailed", "org.bgtask.Error.UnknownEntryPoint"}
    for name in names - on_the_host_channel_only - {"org.bgtask.Error.Failed"}:
        found = errors.of_reply(name, "words of the broker")
        assert type(found).__name__ == name.rsplit(".", 1)[1] + "Error"
        assert str(found) == "words of the broker"
    assert str(errors.of_reply("org.bgtask.Error.Failed", "words")) == "words"
    assert str(errors.of_reply("org.example.Other", "words")) == "org.example.Other: words"


async def refused(kind: type[bgtask.Error], made: BackgroundTaskBuilder) -> str:
    with pytest.raises(kind) as caught:
        await made.register()
    assert type(caught.value) is kind
    return str(caught.value)


async def test_the_broker_says_why_it_does_not_register(broker: Home) -> None:
    """BLD-1, BLD-7, BLD-17, TR-1, D16"""
    assert "has no trigger" in await refused(bgtask.InvalidArgumentError, BackgroundTaskBuilder(name="x"))
    await refused(bgtask.InvalidArgumentError, builder(name=""))
    assert "255 bytes" in await refused(bgtask.LimitReachedError, builder(name="x" * 256))
    assert "[[task]]" in await refused(bgtask.NotDeclaredError, builder("Tasks.Undeclared"))
    made = builder()
    made.set_trigger(TimeTrigger(60))
    assert "timer" in await refused(bgtask.NotDeclaredError, made)
    made.set_trigger(TimeTrigger(14))
    assert "15" in await refused(bgtask.InvalidArgumentError, made)
    made.set_trigger(bgtask.DBusSignalTrigger(bus="system", member="DeviceAdded"))
    assert "no system bus" in await refused(bgtask.NotSupportedError, made)
    made.set_trigger(ApplicationTrigger())
    await made.register()
    await refused(bgtask.LimitReachedError, made)


async def test_an_app_that_is_not_installed_is_unknown(broker: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BGTASK_APP_ID", "org.example.Nobody")
    with pytest.raises(bgtask.UnknownAppError, match=r"org\.example\.Nobody"):
        await BackgroundTaskRegistration.all_tasks()


async def test_a_program_that_does_not_say_whose_it_is_hears_how(broker: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BGTASK_APP_ID")
    with pytest.raises(bgtask.UnknownAppError, match=r"bgtask\.act_for"):
        await BackgroundTaskRegistration.all_tasks()


HOSTILE_TEXTS = ["\0", "a\0b", "\ud800", "\U0010ffff", "../../etc", "x" * 300_000, "\n", "👾" * 255]


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: ascii(text[:9]))
async def test_hostile_texts_are_refused_or_kept_as_they_are(broker: Home, text: str) -> None:
    """Whatever is in a text, the answer is an exception of ours or the same text, and the session goes on."""
    try:
        task = await builder(name=text).register()
        assert (await BackgroundTaskRegistration.get(task.task_id)).name == text
    except (bgtask.InvalidArgumentError, bgtask.LimitReachedError) as error:
        assert len(str(error)) > 20
    with pytest.raises(bgtask.Error):
        await builder(entry=text).register()
    made = builder()
    made.set_trigger(CustomSystemEventTrigger(text))
    for hostile in (made.register, lambda: CustomSystemEvent.raise_event(text)):
        try:
            await hostile()
        except bgtask.Error as error:
            assert len(str(error)) > 20
    assert await BackgroundTaskRegistration.get_task_group(text) is None
    with pytest.raises((bgtask.InvalidArgumentError, bgtask.LimitReachedError)):
        await BackgroundExecutionManager.request_access(text)


@pytest.mark.parametrize(
    "change",
    [
        {"name": 7},
        {"name": None},
        {"task_entry_point": b"bytes"},
        {"trigger": "TimeZoneChange"},
        {"trigger": SystemTrigger(99)},  # type: ignore[arg-type]
        {"trigger": TimeTrigger(-1)},
        {"trigger": TimeTrigger(1 << 40)},
        {"trigger": TimeTrigger(1.5)},  # type: ignore[arg-type]
        {"trigger": CustomSystemEventTrigger(object())},  # type: ignore[arg-type]
    ],
    ids=str,
)
async def test_values_of_other_types_are_invalid_arguments(broker: Home, change: dict[str, Any]) -> None:
    made = builder()
    for name, value in change.items():
        setattr(made, name, value)
    with pytest.raises(ValueError):
        await made.register()
    assert await BackgroundTaskRegistration.all_tasks() == {}, "and nothing was sent that the broker minds"


@pytest.mark.parametrize(
    "arguments",
    [
        {"x": None},
        {"x": object()},
        {"x": []},
        {"x": [1, object()]},
        {"x": [[]]},
        {"x": 1 << 64},
        {"x": "a\0b"},
        {"x": "\ud800"},
        {7: "x"},
        {"x": bgtask.TypedValue("u8", 256)},
        {"x": bgtask.TypedValue("h", 0)},
        {"x": bgtask.TypedValue("bytes", 7)},
    ],
    ids=ascii,
)
async def test_arguments_that_cannot_travel_are_told_by_name(broker: Home, arguments: dict[str, Any]) -> None:
    with pytest.raises(bgtask.InvalidArgumentError) as caught:
        await ApplicationTrigger().request_async(arguments)
    assert len(str(caught.value)) > 20


async def test_sets_within_sets_have_a_bound(broker: Home) -> None:
    deep: dict[str, Any] = {}
    for _level in range(bgtask.MAX_SET_DEPTH - 1):
        deep = {"in": deep}
    response = await ApplicationTrigger().request_async(deep)
    assert "no task" in response.why.lower() or response.why
    with pytest.raises(bgtask.InvalidArgumentError, match="sets within sets"):
        await ApplicationTrigger().request_async({"in": deep})


async def test_without_a_broker_a_call_says_how_to_start_one(home: Home) -> None:
    with impatient(), pytest.raises(bgtask.NoBrokerError, match=r"no broker answers at .*run/broker .*bgtaskd"):
        await BackgroundTaskRegistration.all_tasks()


@pytest.mark.parametrize("address", ["", "x", "tcp:host=x", "unix:abstract=x", "/a,b", "/a%20b"])
async def test_an_address_that_is_none_is_told(home: Home, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("BGTASK_ADDRESS", address)
    with pytest.raises(bgtask.InvalidArgumentError, match="is no broker address"):
        await BackgroundTaskRegistration.all_tasks()


@contextmanager
def impostor(path: Path, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """Something that listens where the broker should."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(PATIENCE)
                try:
                    serve(peer)
                except OSError:
                    continue

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(PATIENCE)


def _says(*parts: bytes) -> Callable[[socket.socket], None]:
    def serve(peer: socket.socket) -> None:
        for part in parts:
            peer.recv(4096)
            peer.sendall(part)

    return serve


OK = b"OK 0123456789abcdef0123456789abcdef\r\n"
HUGE = b"l\1\0\1" + struct.pack("<II", 0xFFFFFFFF, 1) + struct.pack("<I", 0xFFFFFFF0)
NONSENSE_HEADER = b"l\1\0\1" + struct.pack("<II", 0, 1) + struct.pack("<I", 8) + b"\1\1z\0\0\0\0\0"


@pytest.mark.parametrize(
    "parts",
    [
        [b""],
        [b"REJECTED EXTERNAL\r\n"],
        [b"x" * 100_000 + b"\r\n"],
        [OK],
        [OK, b"\0" * 64],
        [OK, b"hello, world, this is no D-Bus"],
        [OK, HUGE],
        [OK, NONSENSE_HEADER],
    ],
    ids=lambda parts: ascii(parts[-1][:12]),
)
async def test_who_is_no_broker_is_not_believed(home: Home, parts: list[bytes]) -> None:
    """Nonsense at the broker's address ends in an exception of ours, never in another."""
    (home.root / "run").mkdir()
    with impatient(), impostor(home.root / "run/broker", _says(*parts)), pytest.raises(bgtask.NoBrokerError):
        await asyncio.wait_for(BackgroundTaskRegistration.all_tasks(), PATIENCE)
