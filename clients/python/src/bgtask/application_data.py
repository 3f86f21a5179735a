"""The app's data, as far as it concerns background tasks."""

from __future__ import annotations

import os

from ._session import Session
from .storage import ApplicationDataContainer


class ApplicationData:
    """What an app and its tasks share on the disk."""

    @staticmethod
    async def local_settings() -> ApplicationDataContainer:
        """The local settings: small typed values that the app and its tasks share (PR-6).

        In what the broker started they are found without the broker, and `TaskInstance.local_settings` is the same without
        waiting; else it is the broker who knows the folder.
        """
        folder = os.environ.get("BGTASK_APP_DATA") or await Session.current().data_dir()
        return ApplicationDataContainer(folder)
