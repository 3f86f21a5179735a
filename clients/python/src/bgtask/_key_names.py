"""From the key of a setting to the name of its file and back, as the Rust library has it.

Letters, digits, `_`, `-` and a `.` that is not the first stay as they are, every other byte becomes `%` and two hexadecimal
digits. So no key leads out of the folder or to a hidden file, and different keys have different files. A key too long for
a file name is cut and told apart by a hash; its file then is the only place where the whole key stands.
"""

from __future__ import annotations

import re
from enum import Enum

from .errors import InvalidArgumentError

MAX_KEY_CHARS = 255
"""Characters of a key."""

_MAX_NAME_BYTES = 240
_CUT_NAME_BYTES = 120
_CUT = "~"
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


class Named(Enum):
    """What the name of a file says of its key, if it is not the key."""

    INSIDE = 1
    """The key is too long for a name and stands in the file."""
    NOTHING = 2
    """It is not the file of any key."""


def file_name(key: str) -> str:
    """The name of a key's file."""
    if not isinstance(key, str):
        raise InvalidArgumentError(f"a setting's key is a text, not {key!r}")
    if not key:
        raise InvalidArgumentError("a setting's key is empty; give it at least one character")
    if len(key) > MAX_KEY_CHARS:
        raise InvalidArgumentError(
            f"a setting's key has {len(key)} characters, at most {MAX_KEY_CHARS} are allowed; choose a shorter one"
        )
    try:
        name = _escape(key)
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"a setting's key has half a surrogate pair: {key!r}") from None
    if len(name) > _MAX_NAME_BYTES:
        name = f"{_CUT}{name[:_CUT_NAME_BYTES]}{_CUT}{_hash(key):032x}"
    return name


def key_of(name: str) -> str | Named:
    """The key whose file has this name."""
    if name.startswith(_CUT):
        return Named.INSIDE
    try:
        key = re.sub(rb"%([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), name.encode()).decode()
        return key if file_name(key) == name else Named.NOTHING
    except (UnicodeError, InvalidArgumentError):
        return Named.NOTHING


def _escape(key: str) -> str:
    def one(index: int, byte: int) -> str:
        plain = byte in _PLAIN or (byte == ord(".") and index > 0)
        return chr(byte) if plain else f"%{byte:02X}"

    return "".join(one(index, byte) for index, byte in enumerate(key.encode()))


def _hash(key: str) -> int:
    """FNV-1a with 128 bits: enough to keep the keys of one app apart, and the same for ever."""
    value = 0x6C62272E07BB014262B821756295C58D
    for byte in key.encode():
        value = (value ^ byte) * 0x0000000001000000000000000000013B % (1 << 128)
    return value
