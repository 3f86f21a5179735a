"""D-Bus messages over a Unix socket: the only module that knows the D-Bus library.

jeepney only writes and reads messages; sockets and their order are ours (`_stream`), because neither door is a bus: the broker's
socket has no `Hello`, and the channel of a host has no authentication either.
"""

from __future__ import annotations

import array
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from jeepney.auth import BEGIN, AuthenticationError, Authenticator
from jeepney.low_level import Endianness, HeaderFields, Message, MessageFlag, calc_msg_size, parse_signature
from jeepney.wrappers import DBusAddress, new_error, new_method_call, new_method_return, new_signal

from ._stream import Stream
from .errors import InvalidArgumentError, LimitReachedError

BROKER_PATH = "/org/bgtask/Broker1"
BROKER_NAME = BROKER_INTERFACE = "org.bgtask.Broker1"
HOST_PATH = "/org/bgtask/Host1"
HOST_INTERFACE = "org.bgtask.Host1"
_SERVICE = DBusAddress("/org/bgtask/AppService1", "org.bgtask.AppService1", "org.bgtask.AppService1")

COMMANDS = "org.bgtask.Commands"
"""The app that the user's own commands belong to."""

MAX_CALL_BYTES = 256 << 10
"""The broker cuts off who sends a longer message."""
MAX_VALUE_SET_BYTES = 64 << 10
"""Bytes of the arguments of a trigger, as D-Bus marshals them."""
MAX_FAILURE_BYTES = 4096
"""Longest text about the failure of a task, or of a message to it, that is passed on; a longer one is cut."""
MAX_SERVICE_MESSAGE_BYTES = 2 * MAX_VALUE_SET_BYTES
"""Longest message that the other end of an app service may send: a value set, and ample room for its head."""
_MAX_MESSAGE_BYTES = 128 << 20
_MAX_LINE_BYTES = 8192
_HEAD_BYTES = 16

Variants = Mapping[str, tuple[str, Any]]
"""An `a{sv}`: each value with its signature."""


class ChannelError(Exception):
    """What comes over the channel is no D-Bus."""


@dataclass(frozen=True)
class Received:
    """A message that came."""

    kind: str
    """`method_call`, `method_return`, `error` or `signal`."""
    reply_to: int | None
    interface: str
    member: str
    error_name: str
    signature: str
    body: tuple[Any, ...]
    expects_reply: bool
    message: Any


class Channel:
    """One connection, whichever way it was made."""

    def __init__(self, stream: Stream, longest: int = _MAX_MESSAGE_BYTES) -> None:
        self._stream = stream
        self._longest = longest
        self._serial = 0

    @classmethod
    async def connect(cls, path: str) -> Self:
        """Connects to a broker's socket, and says who this is (`EXTERNAL`)."""
        stream = await Stream.connect(path)
        try:
            await _introduce(stream)
        except BaseException:
            stream.close()
            raise
        return cls(stream)

    @classmethod
    def over(cls, connected: socket.socket, longest: int = _MAX_MESSAGE_BYTES) -> Self:
        """Takes over a socket whose first byte is the first message; at its other end is one that sends none of more bytes."""
        return cls(Stream(connected), longest)

    def send(self, message: Any) -> int:
        """Sends a message after those before it, and gives its serial number."""
        data, descriptors = _serialised(message, self._serial + 1)
        try:
            self._stream.write(data, descriptors)
        except OSError as error:
            raise LimitReachedError(f"a descriptor cannot be handed over: {error.strerror}") from error
        self._serial += 1
        return self._serial

    def is_sent(self, serial: int) -> bool:
        """Whether the kernel has all of a message."""
        return serial <= self._serial - self._stream.unsent

    async def goes_on(self) -> None:
        """Waits until more of what was sent is with the kernel, or the connection ends."""
        await self._stream.fewer()

    async def receive(self) -> Received | None:
        """The next message; `None` at the end."""
        try:
            head = await self._stream.read(_HEAD_BYTES)
            data = head + await self._stream.read(_size(head, self._longest) - _HEAD_BYTES)
        except (EOFError, OSError):
            return None
        return _read(data, self._stream)

    def close(self) -> None:
        """Ends the connection. What was sent still goes."""
        self._stream.close()


async def _introduce(stream: Stream) -> None:
    authenticator = Authenticator(enable_fds=True)
    for line in authenticator:
        stream.write(line)
        try:
            authenticator.feed(await stream.read_line(_MAX_LINE_BYTES))
        except EOFError:
            raise ChannelError("it hung up") from None
        except (AuthenticationError, ValueError) as error:
            raise ChannelError(str(error)) from None
    stream.write(BEGIN)


def _serialised(message: Any, serial: int) -> tuple[bytes, array.array[int]]:
    descriptors = array.array("i")
    try:
        data: bytes = message.serialise(serial, fds=descriptors)
    except Exception as error:  # jeepney raises whatever struct, str and its own checks raise.
        raise InvalidArgumentError(f"an argument has another type than the call takes: {error}") from error
    if len(data) > MAX_CALL_BYTES:
        member = message.header.fields.get(HeaderFields.member, "a reply")
        raise LimitReachedError(
            f"{member} would be a message of {len(data)} bytes; at most {MAX_CALL_BYTES} are allowed"
        )
    return data, descriptors


def _size(head: bytes, longest: int) -> int:
    try:
        size = int(calc_msg_size(head))
    except Exception as error:
        raise ChannelError("what came is no D-Bus message") from error
    if not _HEAD_BYTES <= size <= longest:
        raise ChannelError(f"a message of {size} bytes came, and {longest} are the most")
    return size


def _read(data: bytes, stream: Stream) -> Received:
    """What came. Whatever stands for a descriptor in its body is a `Descriptor`."""
    try:
        message = Message.from_buffer(data, fds=stream.came)
        header = message.header
        fields = header.fields
        del stream.came[: fields.get(HeaderFields.unix_fds, 0)]
        stream.drop_undeclared()
        return Received(
            kind=header.message_type.name,
            reply_to=fields.get(HeaderFields.reply_serial),
            interface=fields.get(HeaderFields.interface, ""),
            member=fields.get(HeaderFields.member, ""),
            error_name=fields.get(HeaderFields.error_name, ""),
            signature=fields.get(HeaderFields.signature, ""),
            body=message.body,
            expects_reply=not header.flags & MessageFlag.no_reply_expected,
            message=message,
        )
    except Exception as error:  # Whatever a malformed message makes jeepney raise.
        raise ChannelError(f"a message that cannot be read came: {error}") from error


def call(member: str, signature: str = "", *body: Any, reply: bool = True) -> Any:
    """A call of a method of the broker."""
    check_texts(member, body)
    # The socket has one peer, but jeepney wants a name; the broker takes its own.
    message = new_method_call(DBusAddress(BROKER_PATH, BROKER_NAME, BROKER_INTERFACE), member, signature or None, body)
    if not reply:
        message.header.flags |= MessageFlag.no_reply_expected
    return message


def host_signal(member: str, signature: str, *body: Any) -> Any:
    """A signal of a host to its broker."""
    return new_signal(DBusAddress(HOST_PATH, None, HOST_INTERFACE), member, signature, body)


def service_request(message: Variants) -> Any:
    """A message over a connection to an app service; its texts were checked, as those of an answer."""
    return new_method_call(_SERVICE, "Request", "a{sv}", (dict(message),))


def service_answer(to: Received, message: Variants) -> Any:
    """The answer to one."""
    return new_method_return(to.message, "a{sv}", (dict(message),))


def service_closed(status: int) -> Any:
    """The last word of an end."""
    return new_signal(_SERVICE, "Closed", "u", (int(status),))


def answer(to: Received) -> Any:
    """The empty reply to a call."""
    return new_method_return(to.message)


def refusal(to: Received, name: str, text: str) -> Any:
    """The error reply to a call."""
    return new_error(to.message, f"org.bgtask.Error.{name}", "s", (_cut(text.replace("\0", "\N{SYMBOL FOR NULL}")),))


def bytes_of(values: Variants) -> int:
    """How many bytes an `a{sv}` has as D-Bus marshals it."""
    return len(parse_signature(list("a{sv}")).serialise(dict(values), 0, Endianness.little))


def plain(variants: Variants) -> dict[str, Any]:
    """An `a{sv}` without the signatures of its values."""
    return {name: value for name, (_signature, value) in variants.items()}


def _cut(text: str) -> str:
    mark = " […]"
    data = text.encode("utf-8", "replace")
    if len(data) > MAX_FAILURE_BYTES:
        data = data[: MAX_FAILURE_BYTES - len(mark.encode())].decode("utf-8", "ignore").encode() + mark.encode()
    return data.decode()


def check_texts(member: str, value: Any) -> None:
    """D-Bus texts are UTF-8 without NUL; the broker cuts off who sends others."""
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidArgumentError(f"{member}: a NUL character, which D-Bus cannot carry, is in the text {value!r}")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidArgumentError(f"{member}: half a surrogate pair is in the text {value!r}") from None
    elif isinstance(value, Mapping):
        for key, one in value.items():
            check_texts(member, key)
            check_texts(member, one)
    elif isinstance(value, (tuple, list)):
        for one in value:
            check_texts(member, one)


def member_of(message: Any) -> str:
    """What a call calls."""
    return str(message.header.fields[HeaderFields.member])
