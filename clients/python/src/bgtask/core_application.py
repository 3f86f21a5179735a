"""Tasks that run in the app itself."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from . import host
from ._serve import ACTIVATED
from ._session import Session, is_host
from .task_instance import TaskInstance


@dataclass(frozen=True)
class BackgroundActivatedEventArgs:
    """What the app is activated for (RUN-8)."""

    task_instance: TaskInstance
    """The activation."""


ActivatedHandler = Callable[[BackgroundActivatedEventArgs], Awaitable[None] | None]


class CoreApplication:
    """The app as the broker activates it: for tasks registered without an entry point, which the app itself runs (BLD-9).

    If the app is running, it is activated where it is; if not, the broker starts it in the background. One `main` serves both:

        async def main() -> None:
            CoreApplication.background_activated(on_activated)
            if CoreApplication.is_background_start():
                await CoreApplication.run_background()
                return
            ...  # the app as the user sees it
    """

    @staticmethod
    def background_activated(handler: ActivatedHandler) -> None:
        """Sets what runs the app's tasks without an entry point; those in a group are the group's.

        To be set at every start, before anything else: from then on, and only where a handler is set, the broker activates
        the app in this process. An `async def` handler runs on the app's event loop, a plain `def` on a thread of its own.
        The activation ends when the handler has returned and every deferral is complete; an exception is what the app hears
        of in the completion. Set again, it replaces the handler.

        A task that is told to stop and does not is ended with the process it runs in: here, with the app.
        """
        activate(None, handler)

    @staticmethod
    def is_background_start() -> bool:
        """Whether the broker started this process to run tasks. It then shows nothing, and ends after `run_background`."""
        return is_host()

    @staticmethod
    async def run_background() -> None:
        """In a process that the broker started: runs what it activates, until it wants no more of this process or is gone.

        What still runs then is cancelled with `SystemPolicy` and has 5 seconds to end (D7). A program that is also a host
        with entry points uses `bgtask.host.run` instead, which does the same for both.
        """
        await host.serve()


def activate(group: str | None, handler: ActivatedHandler) -> None:
    """Sets the handler of a group, or of the app, and has the broker know it."""
    ACTIVATED.set(group, _adapted(handler))
    if not is_host() and _in_loop():
        # Elsewhere the next call connects, and says so.
        Session.current().activates()


def _adapted(handler: ActivatedHandler) -> Callable[[TaskInstance], Awaitable[None] | None]:
    if inspect.iscoroutinefunction(handler):

        async def awaited(instance: TaskInstance) -> None:
            await handler(BackgroundActivatedEventArgs(instance))

        return awaited
    return lambda instance: handler(BackgroundActivatedEventArgs(instance))


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
