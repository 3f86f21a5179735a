"""Values that cross the border of a process: those of settings, and of what a trigger carries to its task (REQ-5).

They are those of Windows' `PropertyValue`, with the same forms in files and on D-Bus as in the Rust library:

| Python | type | Python | type |
|---|---|---|---|
| `bool` | `bool` | `uuid.UUID` | `guid` |
| `int` | `i32`, `i64` or `u64`, the first that holds it | aware `datetime` | `datetime` |
| `float` | `f64` | `timedelta`, not negative | `timespan` |
| `str` | `str` | `Point`, `Size`, `Rect` | `point`, `size`, `rect` |
| `bytes` | `bytes` | `dict` with texts as keys | `set` |

and lists of one of these types. Lists of several types, of sets or of lists are a `list`: Windows' `InspectableArray`.
`TypedValue` writes any other: `TypedValue("u32[]", [320, 1280])`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

MAX_SET_DEPTH = 16
"""How deep sets may be nested; a set without nested ones has depth 1."""

_ENTRY_BYTES = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Point(NamedTuple):
    """A point of the plane; its numbers are kept with 32 bits."""

    x: float
    y: float


class Size(NamedTuple):
    """A width and a height; kept with 32 bits."""

    width: float
    height: float


class Rect(NamedTuple):
    """A rectangle; kept with 32 bits."""

    x: float
    y: float
    width: float
    height: float


class TypedValue(NamedTuple):
    """A value with the type it is to be written as, for what a Python type does not say.

    Types are `bool u8 i16 u16 i32 u32 i64 u64 f32 f64 char16 str guid datetime timespan point size rect`, each with `[]`
    for a list of it, `bytes` for a list of `u8`, `set`, and `list` for a list of anything. A reader in Rust or C++ may insist on the exact type of a list.
    """

    type: str
    value: Any


Value = (
    bool
    | int
    | float
    | str
    | bytes
    | UUID
    | datetime
    | timedelta
    | Point
    | Size
    | Rect
    | TypedValue
    | list[Any]
    | Mapping[str, Any]
)
"""What may be written. What is read is never a `TypedValue`."""


@dataclass(frozen=True)
class _Element:
    """One type: its form on the wire, and its way there and back. Each way raises for what is none of it."""

    signature: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    size: Callable[[Any], int]
    native: bool = True


def _exactly(kind: type) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
            raise ValueError(f"{value!r} is no {kind.__name__}")
        return value

    return check


def _integer(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"{value!r} is no integer")
        if not low <= value <= high:
            raise ValueError(f"{value} is not within {low} and {high}")
        return int(value)

    return check


def _bits(signature: str, bits: int, signed: bool) -> _Element:
    check = _integer(-(1 << bits - 1), (1 << bits - 1) - 1) if signed else _integer(0, (1 << bits) - 1)
    return _Element(signature, check, check, lambda _: bits // 8)


def _float(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _narrow(value: Any) -> float:
    """As a float of 32 bits; what is too large for one becomes infinite."""
    try:
        (narrow,) = struct.unpack("f", struct.pack("f", _float(value)))
        return float(narrow)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{value!r} has half a surrogate pair, which is no character") from None
    return str(value)


def _character(value: Any) -> int:
    if not isinstance(value, str) or len(value) != 1 or ord(value) > 0xFFFF:
        raise ValueError(f"{value!r} is not one UTF-16 code unit")
    return ord(value)


def _micros_of_time(value: Any) -> int:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(f"{value!r} is no time with a time zone; make it with datetime.now(UTC) or .astimezone()")
    return (value - _EPOCH) // _MICROSECOND


def time_of(micros: int) -> datetime:
    """A time on the wire: microseconds since the Unix epoch."""
    return _EPOCH + timedelta(microseconds=micros)


def _micros_of_span(value: Any) -> int:
    if not isinstance(value, timedelta) or value < timedelta(0):
        raise ValueError(f"{value!r} is no span of time from 0 on")
    return value // _MICROSECOND


def _shape(kind: type[Point | Size | Rect]) -> _Element:
    count = len(kind._fields)

    def write(value: Any) -> list[float]:
        if not isinstance(value, kind):
            raise ValueError(f"{value!r} is no {kind.__name__}")
        return [_narrow(number) for number in value]

    def read(numbers: Any) -> Any:
        if len(numbers) != count:
            raise ValueError(f"{len(numbers)} numbers are no {kind.__name__}")
        return kind(*map(_narrow, numbers))

    return _Element("ad", write, read, lambda _: 4 * count, native=False)


_ELEMENTS: dict[str, _Element] = {
    "bool": _Element("b", _exactly(bool), _exactly(bool), lambda _: 1),
    "u8": _bits("y", 8, signed=False),
    "i16": _bits("n", 16, signed=True),
    "u16": _bits("q", 16, signed=False),
    "i32": _bits("i", 32, signed=True),
    "u32": _bits("u", 32, signed=False),
    "i64": _bits("x", 64, signed=True),
    "u64": _bits("t", 64, signed=False),
    "f64": _Element("d", _float, _float, lambda _: 8),
    "str": _Element("s", _text, _text, lambda text: len(text.encode())),
    "f32": _Element("d", _narrow, _narrow, lambda _: 4, native=False),
    "char16": _Element("q", _character, chr, lambda _: 2, native=False),
    "guid": _Element("s", lambda value: str(_exactly(UUID)(value)), UUID, lambda _: 16, native=False),
    "datetime": _Element("x", _micros_of_time, time_of, lambda _: 16, native=False),
    "timespan": _Element("t", _micros_of_span, lambda it: timedelta(microseconds=it), lambda _: 16, native=False),
    "point": _shape(Point),
    "size": _shape(Size),
    "rect": _shape(Rect),
}
_BY_SIGNATURE = {element.signature: name for name, element in _ELEMENTS.items() if element.native}
_BY_PYTHON: list[tuple[type, str]] = [
    (bool, "bool"),
    (float, "f64"),
    (str, "str"),
    (UUID, "guid"),
    (datetime, "datetime"),
    (timedelta, "timespan"),
    (Point, "point"),
    (Size, "size"),
    (Rect, "rect"),
]
type_names = (*_ELEMENTS, *(f"{name}[]" for name in _ELEMENTS if name != "u8"), "bytes", "set", "list")


def typed(value: object) -> TypedValue:
    """A value with its type; a `ValueError` says why it has none."""
    if isinstance(value, TypedValue):
        if value.type not in type_names:
            raise ValueError(f"{value.type!r} is no type of values; there are {', '.join(type_names)}")
        return value
    for kind, name in _BY_PYTHON:
        if isinstance(value, kind):
            return TypedValue(name, value)
    if isinstance(value, int):
        return TypedValue(_type_of_integers([value]), value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return TypedValue("bytes", bytes(value))
    if isinstance(value, Mapping):
        return TypedValue("set", value)
    if isinstance(value, (list, tuple)):
        return TypedValue(_type_of_list(list(value)), list(value))
    raise ValueError(f"a {type(value).__name__} is no value; there are {', '.join(type_names)}")


def _type_of_list(elements: list[object]) -> str:
    if not elements:
        raise ValueError("an empty list has no type; say it with TypedValue, for example TypedValue('str[]', [])")
    if all(isinstance(element, int) and not isinstance(element, bool) for element in elements):
        return f"{_type_of_integers([element for element in elements if isinstance(element, int)])}[]"
    kinds = {typed(element).type for element in elements}
    return f"{kinds.pop()}[]" if len(kinds) == 1 and kinds <= _ELEMENTS.keys() else "list"


def _type_of_integers(integers: list[int]) -> str:
    for name in ("i32", "i64", "u64"):
        try:
            for integer in integers:
                _ELEMENTS[name].write(integer)
        except ValueError:
            continue
        return name
    raise ValueError("no integer type holds it: they have at most 64 bits")


# On the wire: as the type D-Bus has, or as `(sv)`, the name of the type and what it is written as.


def set_to_wire(values: Mapping[str, Any], depth: int = 1) -> dict[str, tuple[str, Any]]:
    """A set as an `a{sv}`."""
    if depth > MAX_SET_DEPTH:
        raise ValueError(f"it is sets within sets; at most {MAX_SET_DEPTH} are allowed")
    wire = {}
    for key, value in values.items():
        with _at(key):
            wire[_text(key)] = _to_wire(typed(value), depth)
    return wire


@contextmanager
def _at(key: object) -> Iterator[None]:
    """Says where it is what is no value."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{key!r}: {error}") from None


def _to_wire(value: TypedValue, depth: int) -> tuple[str, Any]:
    name, content = value
    if name == "set":
        return "a{sv}", set_to_wire(_mapping(content), depth + 1)
    if name == "list":
        if depth >= MAX_SET_DEPTH:
            raise ValueError(f"it is lists within lists; at most {MAX_SET_DEPTH} are allowed")
        return "av", [_to_wire(typed(one), depth + 1) for one in _list(content)]
    if name == "bytes":
        return "ay", _bytes(content)
    element = _ELEMENTS[name.removesuffix("[]")]
    if name.endswith("[]"):
        wire = ("a" + element.signature, [element.write(one) for one in _list(content)])
    else:
        wire = (element.signature, element.write(content))
    return wire if element.native else ("(sv)", (name, wire))


def _mapping(content: object) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise ValueError(f"{content!r} is no set")
    return content


def _list(content: object) -> list[Any]:
    if not isinstance(content, (list, tuple)):
        raise ValueError(f"{content!r} is no list")
    return list(content)


def _bytes(content: object) -> bytes:
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise ValueError(f"{content!r} is no byte string")
    return bytes(content)


def set_from_wire(values: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
    """Reads what travelled; a `ValueError` says what in it is no value."""
    read = {}
    for key, (signature, content) in values.items():
        with _at(key):
            read[key] = _from_wire(signature, content)
    return read


def _from_wire(signature: str, content: Any) -> Any:
    if signature == "v":
        return _from_wire(*content)
    if signature == "a{sv}":
        return set_from_wire(content)
    if signature in ("av", "aa{sv}"):
        return [_from_wire(signature[1:], one) for one in content]
    if signature == "ay":
        return bytes(content)
    if signature == "(sv)":
        name, (inner, value) = content
        return _from_tagged(name, inner, value)
    if signature in _BY_SIGNATURE:
        return content
    if signature[:1] == "a" and signature[1:] in _BY_SIGNATURE:
        return content
    raise ValueError(f"a value of the D-Bus type {signature!r} is none that a task can be given")


def _from_tagged(name: str, signature: str, content: Any) -> Any:
    element = _ELEMENTS.get(name.removesuffix("[]"))
    if element is None or element.native or signature != ("a" if name.endswith("[]") else "") + element.signature:
        raise ValueError(f"a value tagged {name!r} is none, or needs a newer bgtask")
    try:
        return [element.read(one) for one in content] if name.endswith("[]") else element.read(content)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"a value tagged {name!r} is none: {error}") from None


# In files: the value under the name of its type.


def to_json(value: TypedValue, depth: int = 0) -> Any:
    """The value as it stands in the file of a setting."""
    name, content = value
    if name == "set":
        if depth >= MAX_SET_DEPTH:
            raise ValueError(f"it is sets within sets; at most {MAX_SET_DEPTH} are allowed")
        return _set_to_json(_mapping(content), depth + 1)
    if name == "list":
        if depth >= MAX_SET_DEPTH:
            raise ValueError(f"it is lists within lists; at most {MAX_SET_DEPTH} are allowed")
        return [_tagged(one, depth + 1) for one in _list(content)]
    if name == "bytes":
        return _bytes(content).hex()
    element = _ELEMENTS[name.removesuffix("[]")]
    if name.endswith("[]"):
        return [_number_to_json(element.signature, element.write(one)) for one in _list(content)]
    return _number_to_json(element.signature, element.write(content))


def _set_to_json(values: Mapping[str, Any], depth: int) -> dict[str, Any]:
    content = {}
    for key, value in values.items():
        with _at(key):
            content[_text(key)] = _tagged(value, depth)
    return content


def _tagged(value: object, depth: int) -> dict[str, Any]:
    one = typed(value)
    return {one.type: to_json(one, depth)}


def _number_to_json(signature: str, wire: Any) -> Any:
    # Floating-point numbers as text: JSON has no infinities, and not every reader of it is exact.
    if signature == "d":
        return repr(wire)
    return [repr(number) for number in wire] if signature == "ad" else wire


def from_json(name: str, content: Any) -> Any:
    """Reads it back; a `ValueError` says why it is no value."""
    if name == "set":
        return {key: from_json(*_single(inner)) for key, inner in _exactly(dict)(content).items()}
    if name == "list":
        return [from_json(*_single(inner)) for inner in _exactly(list)(content)]
    if name == "bytes":
        return bytes.fromhex(_exactly(str)(content))
    element = _ELEMENTS.get(name.removesuffix("[]"))
    if element is None or name == "u8[]":
        raise ValueError(f"its type {name!r} is unknown, or needs a newer bgtask")
    if name.endswith("[]"):
        return [_one_from_json(element, one) for one in _exactly(list)(content)]
    return _one_from_json(element, content)


def _one_from_json(element: _Element, content: Any) -> Any:
    if element.signature == "d":
        return element.read(float(_exactly(str)(content)))
    if element.signature == "ad":
        return element.read([float(_exactly(str)(number)) for number in _exactly(list)(content)])
    # As it is written: integers within their range, texts, and so on.
    return element.read(_ELEMENTS[_BY_SIGNATURE[element.signature]].read(content))


def _single(tagged: object) -> tuple[str, Any]:
    if not isinstance(tagged, dict) or len(tagged) != 1:
        raise ValueError("it does not hold exactly one value")
    return next(iter(tagged.items()))


def size(value: TypedValue) -> int:
    """Bytes that count towards the bounds of settings."""
    name, content = value
    if name == "set":
        entries = _mapping(content).items()
        return sum(_ENTRY_BYTES + len(_text(key).encode()) + size(typed(one)) for key, one in entries)
    if name == "list":
        return sum(_ENTRY_BYTES + size(typed(one)) for one in _list(content))
    if name == "bytes":
        return len(_bytes(content))
    element = _ELEMENTS[name.removesuffix("[]")]
    return sum(map(element.size, _list(content))) if name.endswith("[]") else element.size(content)
