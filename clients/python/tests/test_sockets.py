"""Sockets that outlive the program which opened them."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from conftest import PATIENCE, Home, builder, sources_know, take

import bgtask
from bgtask import (
    BackgroundExecutionManager,
    BackgroundTaskCompletedEventArgs,
    BackgroundTaskRegistration,
    SocketActivityTrigger,
    _wire,
)
from bgtask._stream import MAX_DESCRIPTORS, MAX_WAITING_DESCRIPTORS, Descriptor, Stream
from bgtask._wire import Channel
from bgtask.network import SocketActivityInformation, SocketActivityKind, transfer_ownership

Completions = asyncio.Queue[BackgroundTaskCompletedEventArgs]


@pytest.fixture
def app(home: Home) -> Iterator[Home]:
    """An app that may have sockets."""
    home.install(home.manifest('capabilities = ["pushNotifications"]\n'))
    home.start()
    yield home


async def chat(entry: str = "Tasks.Chat") -> tuple[BackgroundTaskRegistration, Completions]:
    await BackgroundExecutionManager.request_access()
    made = builder(entry)
    made.set_trigger(SocketActivityTrigger())
    task = await made.register()
    completions: Completions = asyncio.Queue()
    task.on_completed(lambda _task, args: completions.put_nowait(args))
    return task, completions


def pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(PATIENCE)
    return ours, theirs


async def said(theirs: socket.socket) -> bytes:
    return await asyncio.to_thread(theirs.recv, 1000)


async def test_what_arrives_reaches_the_task_with_the_socket_itself(app: Home) -> None:
    """SOC-3, SOC-6, SOC-10, SOC-11: again and again, as the task hands it over anew."""
    task, completions = await chat()
    ours, theirs = pair()
    await transfer_ownership(ours, task.task_id, "chat", context=b"room 7")
    assert ours.fileno() < 0, "it is the broker's"
    for turn in range(3):
        theirs.sendall(b"hello %d" % turn)
        assert await said(theirs) == b"HELLO %d" % turn
        (await take(completions)).check_result()
        assert app.settings["chat"] == "SocketActivity room 7" + "+" * turn
    theirs.close()
    (await take(completions)).check_result()
    assert app.settings["chat"] == "SocketClosed room 7+++"
    assert await SocketActivityInformation.all_sockets() == {}, "its id is free for the connection that is made anew"


async def test_a_listener_and_a_keep_alive_have_their_reasons(app: Home) -> None:
    """NW-3, SOC-12"""
    task, completions = await chat()
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    await transfer_ownership(listener, task.task_id, "door")
    with socket.create_connection(address, PATIENCE) as guest:
        assert await said(guest) == b"HELLO"
    (await take(completions)).check_result()
    assert app.settings["chat"] == "ConnectionAccepted "

    ours, theirs = pair()
    await transfer_ownership(ours, task.task_id, "quiet", keep_alive=timedelta(seconds=1))
    assert await said(theirs) == b"ARE YOU THERE?"
    (await take(completions)).check_result()
    assert app.settings["chat"] == "KeepAliveTimerExpired "


async def test_a_plain_function_has_its_socket_too(app: Home) -> None:
    task, completions = await chat("Tasks.ChatsInAThread")
    ours, theirs = pair()
    # As asyncio leaves it: the task has a blocking one all the same.
    ours.setblocking(False)
    await transfer_ownership(ours, task.task_id, "chat")
    theirs.sendall(b"hello")
    assert (await said(theirs), await said(theirs)) == (b"HELLO", b"")
    (await take(completions)).check_result()


async def test_who_never_waits_has_taken_its_socket_all_the_same(app: Home) -> None:
    """SOC-6, SOC-10: the broker hears of it before the end of the task, and keeps nothing."""
    task, completions = await chat("Tasks.ChatsAndNeverWaits")
    for _turn in range(2):
        ours, theirs = pair()
        await transfer_ownership(ours, task.task_id, "chat")
        theirs.sendall(b"hello")
        assert (await said(theirs), await said(theirs)) == (b"HELLO", b"")
        (await take(completions)).check_result()
        assert await SocketActivityInformation.all_sockets() == {}


async def test_a_later_run_of_the_app_finds_its_sockets(app: Home) -> None:
    """SOC-13, SOC-14"""
    task, completions = await chat("Tasks.LeavesIt")
    ours, theirs = pair()
    await transfer_ownership(ours, task.task_id, "kept", context=b"\0\xff")
    theirs.sendall(b"unread")
    (await take(completions)).check_result()

    (kept,) = (await SocketActivityInformation.all_sockets()).values()
    assert kept == SocketActivityInformation("kept", task.task_id, SocketActivityKind.StreamSocket, b"\0\xff")
    with await kept.take() as again:
        assert again.getblocking() and again.recv(1000) == b"unread"
        again.sendall(b"as it was")
        assert await said(theirs) == b"as it was"
    assert await SocketActivityInformation.all_sockets() == {}
    with pytest.raises(bgtask.SocketNotFoundError):
        await kept.take()


async def test_what_cannot_be_handed_over_stays_with_the_app(app: Home) -> None:
    """SOC-10"""
    task, _completions = await chat()
    ours, _theirs = pair()
    await transfer_ownership(ours, task.task_id, "chat")
    second, other = pair()
    refusals = [
        (bgtask.SocketIdTakenError, transfer_ownership(second, task.task_id, "chat")),
        (bgtask.UnknownTaskError, transfer_ownership(second, UUID(int=7), "other")),
        (bgtask.LimitReachedError, transfer_ownership(second, task.task_id, "other", context=bytes(4097))),
        (bgtask.InvalidArgumentError, transfer_ownership(second, task.task_id, "")),
        (bgtask.InvalidArgumentError, transfer_ownership(second, task.task_id, "x", keep_alive=timedelta(0))),
        (bgtask.InvalidArgumentError, transfer_ownership(second, task.task_id, "x", keep_alive=timedelta(days=-1))),
        (bgtask.SocketWrongKindError, transfer_ownership(socket.socket(), task.task_id, "not connected")),
        (bgtask.InvalidArgumentError, transfer_ownership(ours, task.task_id, "handed over")),
    ]
    for kind, refused in refusals:
        with pytest.raises(kind):
            await refused
    second.sendall(b"mine")
    assert other.recv(10) == b"mine"
    (await (await SocketActivityInformation.all_sockets())["chat"].take()).close()


async def test_what_another_trigger_fires_has_no_socket(app: Home) -> None:
    await BackgroundExecutionManager.request_access()
    task = await builder("Tasks.LeavesIt").register()
    completions: Completions = asyncio.Queue()
    task.on_completed(lambda _task, args: completions.put_nowait(args))
    await sources_know()
    app.world.zone("Asia/Tokyo")
    with pytest.raises(bgtask.TaskFailure, match="AssertionError"):
        (await take(completions)).check_result()


async def test_descriptors_arrive_in_order_and_are_closed_by_whoever_has_them() -> None:
    here, there = socket.socketpair()
    sends, hears = Stream(here), Stream(there)
    read, write = os.pipe()
    sends.write(b"one", [read])
    sends.write(b"two")
    sends.write(b"three", [write, read])
    os.close(read)
    os.close(write)
    assert await hears.read(11) == b"onetwothree"
    first, second, third = hears.came
    os.write(second.number, b"x")
    assert os.read(first.take(), 1) == b"x" and first.take() == -1
    number = third.number
    hears.close()
    del third
    with pytest.raises(OSError):
        os.fstat(number)
    second.close()
    Descriptor(-1).close()
    sends.close()


async def test_a_descriptor_that_no_message_declares_is_closed() -> None:
    here, there = socket.socketpair()
    sends, hears = Channel(Stream(here)), Channel(Stream(there))
    read, write = os.pipe()
    os.set_blocking(read, False)
    data, _none = _wire._serialised(_wire.service_closed(0), 1)
    sends._stream.write(data, [write])
    os.close(write)
    message = await hears.receive()
    assert message is not None and message.member == "Closed"
    assert os.read(read, 1) == b"", "nobody has the other end"

    # The next message has its own.
    sends.send(_wire.call("TransferSocket", "h", here))
    message = await hears.receive()
    assert message is not None and os.path.sameopenfile(message.body[0].number, here.fileno())
    for one in (sends, hears):
        one.close()
    os.close(read)


async def test_descriptors_that_wait_for_their_messages_are_bounded() -> None:
    here, there = socket.socketpair()
    sends, hears = Stream(here), Stream(there)
    for _portion in range(3):
        sends.write(b"x", [here.fileno()] * MAX_DESCRIPTORS)
    with pytest.raises(EOFError):
        await hears.read(100)
    assert MAX_WAITING_DESCRIPTORS < len(hears.came) <= MAX_WAITING_DESCRIPTORS + MAX_DESCRIPTORS
    sends.close()
    hears.close()


async def test_what_was_written_goes_before_the_end() -> None:
    """More than the kernel takes at once, to a reader that takes its time."""
    here, there = socket.socketpair()
    sends, hears = Stream(here), Stream(there)
    sends.write(b"x" * (8 << 20))
    sends.close()
    sends.write(b"never")
    assert len(await hears.read(8 << 20)) == 8 << 20
    with pytest.raises(EOFError):
        await hears.read(1)
    with pytest.raises(EOFError):
        await sends.read(1)
    hears.close()


async def test_who_waits_for_bytes_hears_that_it_was_closed() -> None:
    here, there = socket.socketpair()
    stream = Stream(here)
    waiting = asyncio.ensure_future(stream.read(1))
    await asyncio.sleep(0)
    stream.close()
    with pytest.raises(EOFError):
        await asyncio.wait_for(waiting, PATIENCE)
    there.close()
