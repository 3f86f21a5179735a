"""What background work costs: the app's own use of energy, and the user's machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from . import _wire
from ._events import EventRegistrationToken
from ._session import Session
from .enums import BackgroundWorkCostValue, EnergyUsageLevel
from .event_args import EnergyUsage

EnergyHandler = Callable[[EnergyUsage], Awaitable[None] | None]


class BackgroundEnergyManager:
    """The app's use of energy in the background: `Windows.System.Power.BackgroundEnergyManager`."""

    @staticmethod
    async def recent_energy_usage() -> EnergyUsage:
        """What the app has used so far (POL-6)."""
        session = Session.current()
        return EnergyUsage._of(*await session.ask(_wire.call("GetEnergyUsage", "s", session.app)))

    @staticmethod
    def on_recent_energy_usage_increased(handler: EnergyHandler) -> EventRegistrationToken:
        """Calls `handler(usage)` at each rise to another level (POL-8). Only an app that runs hears it."""
        events = Session.current().listen()
        return events.on_energy(lambda usage: handler(usage) if usage.level > EnergyUsageLevel.Low else None)

    @staticmethod
    def on_recent_energy_usage_returned_to_low(handler: EnergyHandler) -> EventRegistrationToken:
        """Calls `handler(usage)` when a period ends in which the app used more than little (POL-8)."""
        events = Session.current().listen()
        return events.on_energy(lambda usage: handler(usage) if usage.level == EnergyUsageLevel.Low else None)


class BackgroundWorkCost:
    """What background work costs the user now: a hint for how much a task should do (POL-4)."""

    @staticmethod
    async def current() -> BackgroundWorkCostValue | None:
        """As the broker sees it. It watches the cost as long as a task, of whatever app, has the condition
        `BackgroundWorkCostNotHigh` or the trigger `BackgroundWorkCostChange`; `None` while none has."""
        known, cost = await Session.current().ask(_wire.call("GetWorkCost", ""))
        return BackgroundWorkCostValue._of_number(cost) if known else None
