"""Connections that the app keeps, and that run its tasks."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest
from conftest import APP, PATIENCE, Home, eventually, take

import bgtask
from bgtask import (
    BackgroundActivatedEventArgs,
    BackgroundExecutionManager,
    BackgroundTaskBuilder,
    CoreApplication,
    SystemTrigger,
    SystemTriggerType,
    _serve,
)
from bgtask.network import (
    ControlChannelTrigger,
    ControlChannelTriggerEventDetails,
    ControlChannelTriggerStatus,
)

OPEN = ControlChannelTriggerStatus.SoftwareSlotAllocated

RESET = f"""
import asyncio
import bgtask
from bgtask import CoreApplication
from bgtask.network import ControlChannelTriggerResetEventDetails

async def on_activated(args):
    details = ControlChannelTriggerResetEventDetails.of(args.task_instance)
    args.task_instance.local_settings()["reset"] = f"{{details.reset_reason.name}} {{details.software_slot_reset}}"

async def main():
    bgtask.act_for("{APP}")
    CoreApplication.background_activated(on_activated)
    if CoreApplication.is_background_start():
        await CoreApplication.run_background()

asyncio.run(main())
"""

HOLDS = f"""
import asyncio
import os
import socket
import bgtask
from bgtask import CoreApplication
from bgtask.network import ControlChannelTrigger

async def main():
    bgtask.act_for("{APP}")
    CoreApplication.background_activated(lambda args: None)
    channel = ControlChannelTrigger("held", 15)
    ours, _theirs = socket.socketpair()
    channel.using_transport(ours)
    print((await channel.wait_for_push_enabled()).name, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def app(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A broker that can start the app; this process is the app while it is open."""
    monkeypatch.setattr(_serve.ACTIVATED, "_handlers", {})
    home.install(home.manifest(f'executable = "{home.write_program("app.py", RESET)}"\n'))
    home.start()
    yield home


async def mail(told: asyncio.Queue[str]) -> tuple[ControlChannelTrigger, socket.socket, socket.socket]:
    """A channel with a task that reads, and both ends of its connection."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    async def on_activated(args: BackgroundActivatedEventArgs) -> None:
        details = ControlChannelTriggerEventDetails.of(args.task_instance)
        assert details is not None and not details.is_keep_alive
        told.put_nowait(f"{details.control_channel_trigger_id}: {ours.recv(1000).decode()}")

    CoreApplication.background_activated(on_activated)
    await BackgroundExecutionManager.request_access()
    channel = ControlChannelTrigger("mail", 25)
    builder = BackgroundTaskBuilder(name="Mail")
    builder.set_trigger(channel.push_notification_trigger)
    assert (await builder.register()).trigger == channel.push_notification_trigger
    channel.using_transport(ours)
    return channel, ours, theirs


async def test_what_arrives_is_read_by_a_task_in_the_process_that_has_the_connection(app: Home) -> None:
    """CCT-5, CCT-6, CCT-13; and a broker that is started anew watches it again."""
    told: asyncio.Queue[str] = asyncio.Queue()
    channel, ours, theirs = await mail(told)
    assert await channel.wait_for_push_enabled() is OPEN
    theirs.sendall(b"one")
    assert await take(told) == "mail: one"
    app.kill()
    theirs.sendall(b"two")
    app.start()
    assert await take(told) == "mail: two"

    ours.sendall(b"x" * 1000)
    flushing = asyncio.ensure_future(channel.flush_transport())
    assert len(await asyncio.to_thread(theirs.recv, 1000)) == 1000
    await asyncio.wait_for(flushing, PATIENCE)

    await channel.close()
    theirs.sendall(b"three")
    await BackgroundExecutionManager.request_access()
    assert told.empty() and ours.recv(10) == b"three"
    theirs.settimeout(PATIENCE)
    ours.close()
    assert await asyncio.to_thread(theirs.recv, 1) == b"", "nobody has a copy"
    theirs.close()


async def test_another_connection_takes_the_place_of_the_one_before(app: Home) -> None:
    """CCT-6: with the one before goes the channel's copy of it."""
    channel, ours, theirs = await mail(asyncio.Queue())
    assert await channel.wait_for_push_enabled() is OPEN
    second, other = socket.socketpair()
    channel.using_transport(second)
    assert await channel.wait_for_push_enabled() is OPEN
    theirs.settimeout(PATIENCE)
    ours.close()
    assert await asyncio.to_thread(theirs.recv, 1) == b"", "nobody has a copy"
    other.close()
    assert await channel.wait_for_push_enabled() is ControlChannelTriggerStatus.TransportDisconnected
    await channel.close()
    for one in (theirs, second):
        one.close()


async def test_what_no_channel_can_be_is_told(app: Home) -> None:
    """CCT-1, CCT-2, CCT-5"""
    for name, minutes in [("", 15), ("x" * 65, 15), ("a\nb", 15), ("mail", 14), ("mail", 1440)]:
        with pytest.raises(bgtask.InvalidArgumentError):
            ControlChannelTrigger(name, minutes)
    channel = ControlChannelTrigger("mail", 15)
    await channel.close()
    with pytest.raises(bgtask.InvalidArgumentError, match="using_transport"):
        await channel.wait_for_push_enabled()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel.using_transport(ours)
        with pytest.raises(bgtask.InvalidArgumentError, match="background_activated"):
            await channel.wait_for_push_enabled()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(bgtask.InvalidArgumentError, match="closed"):
        channel.using_transport(ours)
    with open(os.devnull) as no_socket, pytest.raises(bgtask.SocketWrongKindError):
        channel.using_transport(no_socket)
    assert len(os.listdir("/proc/self/fd")) == before, "nothing of it is left"
    CoreApplication.background_activated(lambda _args: None)
    with socket.socket() as unconnected:
        channel.using_transport(unconnected)
        with pytest.raises(bgtask.SocketWrongKindError):
            await channel.wait_for_push_enabled()
    await channel.close()


async def test_the_networks_keep_alive_is_the_kernels(app: Home) -> None:
    """CCT-3"""
    CoreApplication.background_activated(lambda _args: None)
    await BackgroundExecutionManager.request_access()
    channel = ControlChannelTrigger("feed", 1439)
    assert channel.current_keep_alive_interval_in_minutes == 540
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as ours:
        channel.using_transport(ours)
        assert await channel.wait_for_push_enabled() is OPEN
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 540 * 60
        channel.decrease_network_keep_alive_interval()
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 270 * 60
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        await channel.close()


async def test_a_process_that_ends_resets_its_channels(app: Home) -> None:
    """CCT-15: the app is started to hear of it."""
    await BackgroundExecutionManager.request_access()
    builder = BackgroundTaskBuilder(name="Reset")
    builder.set_trigger(SystemTrigger(SystemTriggerType.ControlChannelReset))
    await builder.register()
    program = app.write_program("holds.py", HOLDS)
    holder = await asyncio.create_subprocess_exec(program, stdout=asyncio.subprocess.PIPE)
    try:
        assert holder.stdout is not None
        line = await asyncio.wait_for(holder.stdout.readline(), PATIENCE)
        assert line == b"SoftwareSlotAllocated\n"
    finally:
        holder.kill()
        await holder.wait()

    async def reset() -> object | None:
        return app.settings.get("reset")

    assert await eventually("the task of the reset", reset) == "ApplicationRestart True"
