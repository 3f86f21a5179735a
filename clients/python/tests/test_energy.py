"""What background work costs, and how often a task was suspended."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from conftest import Home, builder, sources_know, take

from bgtask import (
    BackgroundEnergyManager,
    BackgroundExecutionManager,
    BackgroundTaskThrottleCounter,
    BackgroundWorkCost,
    BackgroundWorkCostValue,
    EnergyUsage,
    EnergyUsageLevel,
    ProtocolError,
    SystemCondition,
    SystemConditionType,
)
from bgtask._events import Events
from bgtask._serve import Entries, Server, _facts
from bgtask._wire import Channel, Received
from bgtask.task_instance import TaskInstance

ID = "67e55044-10b1-426f-9247-bb680e5fe0c8"
ORDER: dict[str, Any] = {
    "instance": ID,
    "task": ID,
    "name": "",
    "entry_point": "",
    "trigger_details": {},
    "fired_at": 0,
    "fired_count": 1,
    "attempt": 2,
    "budget": 1,
    "throttled_cpu": 2,
}
"""To run an activation whose first try was suspended twice."""
LOW, EXCESSIVE = EnergyUsageLevel.Low, EnergyUsageLevel.Excessive


async def test_an_app_that_has_done_nothing_uses_no_energy(broker: Home) -> None:
    """POL-6"""
    usage = await BackgroundEnergyManager.recent_energy_usage()
    assert (usage.percent, usage.level) == (0, LOW)
    assert timedelta(0) < usage.until - datetime.now(UTC) <= timedelta(minutes=30)


async def test_the_cost_is_known_while_a_task_waits_for_it(broker: Home) -> None:
    """POL-4, POL-5"""
    assert await BackgroundWorkCost.current() is None
    await BackgroundExecutionManager.request_access()
    made = builder()
    made.add_condition(SystemCondition(SystemConditionType.BackgroundWorkCostNotHigh))
    await made.register()
    await sources_know()
    assert await BackgroundWorkCost.current() in list(BackgroundWorkCostValue), "whatever this machine is doing"


def changed(events: Events, percent: int, level: int) -> None:
    """The broker tells that the use of energy has changed."""
    signal = Received(
        "signal", None, "org.bgtask.Broker1", "EnergyUsageChanged", "", "uux", (percent, level, 7), False, None
    )
    events.hear(signal, Channel.__new__(Channel), "")


async def test_each_rise_and_the_return_to_low_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """POL-8"""
    heard: list[tuple[str, EnergyUsage]] = []
    events = Events()
    monkeypatch.setattr("bgtask._session.Session.listen", lambda _session: events)
    rises = BackgroundEnergyManager.on_recent_energy_usage_increased(lambda usage: heard.append(("rose", usage)))
    BackgroundEnergyManager.on_recent_energy_usage_returned_to_low(lambda usage: heard.append(("low", usage)))
    changed(events, 160, 150)
    changed(events, 160, 151)
    changed(events, 0, 0)
    while await events._dispatch_one(""):
        pass
    assert [(what, usage.percent, usage.level) for what, usage in heard] == [("rose", 160, EXCESSIVE), ("low", 0, LOW)]
    rises.remove()
    changed(events, 320, 300)
    while await events._dispatch_one(""):
        pass
    assert len(heard) == 2
    with pytest.raises(ProtocolError):
        EnergyUsage._of(1, 2, 3)


class _Deaf:
    """A channel to a broker that listens to nothing."""

    def send(self, message: object) -> int:
        return 1


async def test_the_notice_of_the_broker_reaches_the_task_that_it_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """POL-2: the method `Throttled` of a host."""
    counted: asyncio.Queue[int] = asyncio.Queue()

    async def run(instance: TaskInstance) -> None:
        counted.put_nowait(instance.suspended_count)
        await instance.cancelled()
        counted.put_nowait(instance.get_throttle_count(BackgroundTaskThrottleCounter.Cpu))

    monkeypatch.setattr("bgtask._serve.ACTIVATED._handlers", {None: run})
    server = Server(Entries.of_app(), None, cast(Channel, _Deaf()))

    def call(member: str, signature: str, *body: object) -> None:
        server.hear(Received("method_call", None, "org.bgtask.Host1", member, "", signature, body, False, None))

    call("Run", "a{sv}", {name: ("v", value) for name, value in ORDER.items()})
    assert await take(counted) == 2
    call("Throttled", "suu", str(uuid4()), 9, 9)
    call("Throttled", "suu", ID, 3, 0)
    call("Cancel", "sua{sv}", ID, 0, {})
    assert await take(counted) == 3
    assert await server.stop(timedelta(seconds=60))


def test_a_task_reads_how_often_it_was_suspended() -> None:
    """POL-1, POL-2: in an earlier try, and since."""
    instance = TaskInstance(_facts(ORDER, None), lambda _value: None)

    def counts() -> list[int]:
        return [instance.get_throttle_count(counter) for counter in BackgroundTaskThrottleCounter]

    assert (instance.suspended_count, counts()) == (2, [2, 2, 0])
    instance._throttle(3, 1)
    assert (instance.suspended_count, counts()) == (4, [4, 3, 1])
