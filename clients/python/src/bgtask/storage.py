"""What an app and its tasks keep for each other: small typed settings in the app's data folder (PR-6).

A task cannot hand a rich result to its app through a completion, which may arrive much later or in another process. It
writes a setting, and the app reads it when it hears of the completion. It works on files alone, so also while no broker
runs, and the files are those of the Rust library: an app in one language and its task in another share them.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import values
from ._key_names import Named, file_name, key_of
from .errors import DamagedSettingError, InvalidArgumentError, LimitReachedError, SettingsBusyError, SettingsError
from .values import Value

MAX_VALUE_BYTES = 8 << 10
"""Bytes of a value that is no set."""
MAX_COMPOSITE_BYTES = 64 << 10
"""Bytes of a set: of its keys, its values, and 16 for each entry."""
MAX_KEYS = 1024
"""Settings one app may have."""
LOCK_WAIT = 10.0
"""Seconds a writer waits for the writers before it. Each needs milliseconds, so one that takes this long is stuck."""

_MAX_FILE_BYTES = 512 << 10
_LOCK_PAUSE_MAX = 0.02
_LOCK_NAME = ".lock"
_NEW_NAME = ".new"


class ApplicationDataContainer(MutableMapping[str, Any]):
    """The local settings of an app: typed values by key, shared by all its processes.

    A mapping, as `ApplicationDataContainer.Values` is on Windows: `settings["Status"] = "Completed"`, `settings.get("Status")`,
    `del settings["Status"]`, `list(settings)`. What may be set is `bgtask.Value`; see `bgtask.values`.

    Reading waits for nobody. Writing waits for other writers of the same app and for one flush to the disk, about a
    millisecond; in an async program that writes often, do it in `asyncio.to_thread`. When a writing call has returned,
    its effect survives a crash of the program, the kernel or the power. A reader finds the old value or the new one,
    never a mixture.

    Besides `KeyError` for what is not set, calls raise `SettingsError` and its kinds, `InvalidArgumentError` for a key or
    value that cannot be, and `LimitReachedError` for what is too large or one too many.
    """

    def __init__(self, data_folder: str | os.PathLike[str]) -> None:
        """Opens the settings in an app's data folder, making `settings/local` in it, with mode 0700, if it is missing."""
        self._folder = Path(data_folder) / "settings" / "local"
        with self._doing("create the folder"):
            missing = [above for above in (self._folder, *self._folder.parents) if not above.exists()]
            for folder in reversed(missing):
                folder.mkdir(mode=0o700, exist_ok=True)
                _flush_folder(folder.parent)

    def __getitem__(self, key: str) -> Any:
        content = self._read_file(self._path(key))
        if content is None:
            raise KeyError(key)
        found, value = content
        if found != key:
            raise self._damaged(self._path(key), "it belongs to another key")
        return value

    def __setitem__(self, key: str, value: Value) -> None:
        """Sets a setting, also over one that is damaged."""
        path = self._path(key)
        with self._lock():
            self._write(key, path, value)

    def __delitem__(self, key: str) -> None:
        """Removes a setting, also one that is damaged."""
        path = self._path(key)
        with self._lock():
            if not self._unlink(path):
                raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        """The keys of all settings, sorted."""
        return iter(sorted(self._keys()))

    def __len__(self) -> int:
        return len(self._names())

    def __contains__(self, key: object) -> bool:
        """Whether a setting is set, be it readable or not."""
        with self._doing("look for the setting"):
            return isinstance(key, str) and self._path(key).exists()

    def change(self, key: str, change: Callable[[Any], Value | None]) -> Any:
        """Replaces a setting by what `change` makes of it, with no other writer in between.

        `None` stands for "not set" both ways. Returns what is set then. `change` runs while every other writer waits: it
        must be quick, and must not write settings of the same app itself.

        >>> runs = settings.change("runs", lambda runs: (runs or 0) + 1)  # doctest: +SKIP
        """
        path = self._path(key)
        with self._lock():
            old = self.get(key)
            new = change(old)
            if new is None:
                self._unlink(path)
                return None
            if new != old or type(new) is not type(old):
                self._write(key, path, new)
            return self[key]

    def clear(self) -> None:
        """Removes all settings. A crash on the way may leave some of them."""
        with self._lock(), self._doing("remove the settings"):
            for name in self._names():
                (self._folder / name).unlink(missing_ok=True)
            _flush_folder(self._folder)

    def __repr__(self) -> str:
        return f"ApplicationDataContainer(at {str(self._folder)!r})"

    def _path(self, key: str) -> Path:
        return self._folder / file_name(key)

    def _names(self) -> list[str]:
        with self._doing("list the settings"):
            return [name for name in os.listdir(self._folder) if key_of(name) is not Named.NOTHING]

    def _keys(self) -> Iterator[str]:
        for name in self._names():
            key = key_of(name)
            if isinstance(key, str):
                yield key
            elif (content := self._read_file(self._folder / name)) is not None:
                yield content[0]

    def _read_file(self, path: Path) -> tuple[str, Any] | None:
        with self._doing("read the setting"):
            try:
                with path.open("rb") as file:
                    content = file.read(_MAX_FILE_BYTES + 1)
            except FileNotFoundError:
                return None
        if len(content) > _MAX_FILE_BYTES:
            raise self._damaged(path, f"it is larger than {_MAX_FILE_BYTES} bytes")
        try:
            return _from_file(content)
        except (ValueError, OverflowError, RecursionError) as error:
            raise self._damaged(path, str(error)) from None

    def _write(self, key: str, path: Path, value: Value) -> None:
        content = _to_file(key, value)
        if not path.exists() and len(self) >= MAX_KEYS:
            raise LimitReachedError(
                f"setting {key!r} would be one more than the {MAX_KEYS} allowed; remove settings that are no longer read"
            )
        # Beside the old file, and renamed over it. There is one writer at a time, so one name serves all of them, and
        # what a killed one left behind under it is overwritten by the next.
        new = self._folder / _NEW_NAME
        with self._doing("write the setting"):
            with open(new, "wb", opener=_private) as file:
                file.write(content)
                file.flush()
                os.fdatasync(file.fileno())
            new.rename(path)
            _flush_folder(self._folder)

    def _unlink(self, path: Path) -> bool:
        with self._doing("remove the setting"):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            _flush_folder(self._folder)
            return True

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Waits until no other process or thread writes. Closing the file ends the lock, and so does dying."""
        path = self._folder / _LOCK_NAME
        with self._doing("lock the settings"):
            file = open(path, "wb", opener=_private)  # noqa: SIM115
        with file:
            pause, end = 0.0005, time.monotonic() + LOCK_WAIT
            # Not a lock that blocks: its holder may be a task that was frozen, and then this must end.
            while not _try_lock(file.fileno()):
                if time.monotonic() >= end:
                    raise SettingsBusyError(
                        f"{path}: another process is still writing settings after {LOCK_WAIT:.0f} s; see which one holds "
                        "this file open, and end it"
                    )
                time.sleep(pause)
                pause = min(pause * 2, _LOCK_PAUSE_MAX)
            yield

    @contextmanager
    def _doing(self, operation: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SettingsError(f"{error.filename or self._folder}: cannot {operation}: {error.strerror}") from error

    @staticmethod
    def _damaged(path: Path, what: str) -> DamagedSettingError:
        return DamagedSettingError(f"{path}: the setting is damaged ({what}); set it again or remove it")


def _to_file(key: str, value: Value) -> bytes:
    try:
        typed = values.typed(value)
        content = json.dumps({"key": key, typed.type: values.to_json(typed)}, ensure_ascii=False).encode()
        size, most = values.size(typed), MAX_COMPOSITE_BYTES if typed.type == "set" else MAX_VALUE_BYTES
    except ValueError as error:
        raise InvalidArgumentError(f"the value of setting {key!r} cannot be set: {error}") from None
    if size > most:
        raise LimitReachedError(
            f"the value of setting {key!r} has {size} bytes, at most {most} are allowed; write it to a file of its own "
            "and set its path"
        )
    return content + b"\n"


def _from_file(content: bytes) -> tuple[str, Any]:
    fields = json.loads(content, parse_constant=_no_number)
    if not isinstance(fields, dict) or not isinstance(key := fields.pop("key", None), str):
        raise ValueError("it names no key")
    if len(fields) != 1:
        raise ValueError("it does not hold exactly one value")
    ((kind, value),) = fields.items()
    return key, values.from_json(kind, value)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
