#!/usr/bin/python3
"""A smart card in the virtual reader of vsmartcard's vpcd, for as long as this runs."""
import socket
import struct

ATR = bytes.fromhex("3b80800101")
reader = socket.create_connection(("127.0.0.1", 35963))


def received(count):
    data = b""
    while len(data) < count:
        more = reader.recv(count - len(data))
        if not more:
            raise SystemExit
        data += more
    return data


while True:
    message = received(struct.unpack(">H", received(2))[0])
    if message == b"\x04":
        answer = ATR
    elif len(message) == 1:  # power off, power on, reset
        continue
    else:
        answer = b"\x90\x00"
    reader.sendall(struct.pack(">H", len(answer)) + answer)
