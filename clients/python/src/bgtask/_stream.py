"""Bytes and descriptors over a Unix socket, on an event loop.

The streams of asyncio carry no descriptors, so that this reads and writes the socket itself.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
from collections import deque
from collections.abc import Sequence

MAX_DESCRIPTORS = 16
"""Most descriptors that one message carries."""
MAX_WAITING_DESCRIPTORS = 2 * MAX_DESCRIPTORS
"""Most that wait for their messages: those of one that is not whole yet, and of the next. A connection with more ends."""
_ROOM = socket.CMSG_LEN(MAX_DESCRIPTORS * array.array("i").itemsize)
_PORTION = 64 << 10


class Descriptor:
    """A descriptor that came with a message. Who takes it closes it; one that nobody takes is closed with this value."""

    def __init__(self, number: int) -> None:
        self.number = number
        """-1 once it was taken."""

    def take(self) -> int:
        """The number, for whoever closes it from now on; -1 if it was taken before."""
        self.number, number = -1, self.number
        return number

    def close(self) -> None:
        """Closes it, unless it was taken."""
        if (number := self.take()) >= 0:
            os.close(number)

    def __del__(self) -> None:
        self.close()


class Stream:
    """A connected socket. One reads at a time; writing never waits."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._loop = asyncio.get_running_loop()
        self._read = bytearray()
        self.came: list[Descriptor] = []
        """The descriptors that came with what was read; who reads a message takes its own away."""
        self._reading: asyncio.Future[None] | None = None
        self._unsent: deque[tuple[memoryview, list[Descriptor]]] = deque()
        self._fewer = asyncio.Event()
        self._closing = False

    @classmethod
    async def connect(cls, path: str) -> Stream:
        """Connects to a socket of the file system."""
        connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connecting.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connecting, path)
            return cls(connecting)
        except BaseException:
            connecting.close()
            raise

    def drop_undeclared(self) -> None:
        """At the end of a message: a descriptor that came with it, and that it did not take, belongs to nothing. What came with
        the beginning of the next message waits for the rest of it."""
        if not self._read:
            self.came.clear()

    async def read(self, size: int) -> bytes:
        """The next bytes; `EOFError` at the end."""
        while len(self._read) < size:
            await self._more()
        return self._took(size)

    async def read_line(self, most: int) -> bytes:
        """Up to and including the end of a line; `EOFError` at the end, `ValueError` if it does not come within so many bytes."""
        while (end := self._read.find(b"\n")) < 0:
            if len(self._read) > most:
                raise ValueError(f"a line of more than {most} bytes")
            await self._more()
        return self._took(end + 1)

    def write(self, data: bytes, descriptors: Sequence[int] = ()) -> None:
        """Sends bytes after those before them, with copies of descriptors. `OSError`: there is no descriptor left for a copy."""
        if self._closing:
            return
        copies = [Descriptor(os.dup(number)) for number in descriptors]
        self._unsent.append((memoryview(data), copies))
        if len(self._unsent) == 1:
            self._send()

    @property
    def unsent(self) -> int:
        """How many writes the kernel has not taken yet."""
        return len(self._unsent)

    async def fewer(self) -> None:
        """Waits until the kernel takes more of what was written, or the connection ends."""
        self._fewer.clear()
        if not self._closing:
            await self._fewer.wait()

    def close(self) -> None:
        """Ends the connection. What was written still goes."""
        if not self._closing:
            self._closing = True
            self._fewer.set()
            self._stop_reading()
            if not self._unsent:
                self._end()

    def _took(self, size: int) -> bytes:
        taken = bytes(self._read[:size])
        del self._read[:size]
        return taken

    async def _more(self) -> None:
        """Waits first, also where something is there: a peer that sends without end must not keep the loop for itself."""
        if self._closing:
            raise EOFError
        self._reading = readable = self._loop.create_future()
        self._loop.add_reader(self._socket, _ring, readable)
        try:
            await readable
        finally:
            self._stop_reading()
        if self._closing:
            raise EOFError
        try:
            data, ancillary, _flags, _sender = self._socket.recvmsg(_PORTION, _ROOM, socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers = array.array("i")
                numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
                self.came.extend(Descriptor(number) for number in numbers)
                if len(self.came) > MAX_WAITING_DESCRIPTORS:
                    raise EOFError
        if not data:
            raise EOFError
        self._read += data

    def _stop_reading(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            self._loop.remove_reader(self._socket)
            _ring(reading)

    def _send(self) -> None:
        """Sends what the kernel takes now, and the rest when it takes more."""
        self._fewer.set()
        try:
            while self._unsent:
                data, copies = self._unsent[0]
                sent = self._send_some(data, copies)
                if sent < len(data):
                    self._unsent[0] = (data[sent:], [])
                else:
                    self._unsent.popleft()
        except (BlockingIOError, InterruptedError):
            self._loop.add_writer(self._socket, self._send)
            return
        except OSError:
            # Reading tells of it.
            self._unsent.clear()
        self._loop.remove_writer(self._socket)
        if self._closing:
            self._end()

    def _send_some(self, data: memoryview, copies: list[Descriptor]) -> int:
        if not copies:
            return self._socket.send(data)
        numbers = array.array("i", [copy.number for copy in copies])
        return self._socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)])

    def _end(self) -> None:
        self.came.clear()
        self._socket.close()


def _ring(reading: asyncio.Future[None]) -> None:
    if not reading.done():
        reading.set_result(None)
