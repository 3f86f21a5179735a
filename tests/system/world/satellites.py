#!/usr/bin/python3
"""A receiver of satellites, which geoclue reads from a socket: tells once a second where the machine is.

Each line of standard input is a place: LATITUDE LONGITUDE, in degrees.
"""
import os
import socket
import sys
import threading
import time

PATH = "/run/satellites"
place = [52.5, 13.4]


def degrees(value, width, letters):
    whole = int(abs(value))
    return f"{whole:0{width}d}{(abs(value) - whole) * 60:07.4f},{letters[value < 0]}"


def sentence():
    latitude, longitude = place
    body = f"GPGGA,{time.strftime('%H%M%S')},{degrees(latitude, 2, 'NS')},{degrees(longitude, 3, 'EW')},1,08,0.9,34.0,M,46.9,M,,"
    check = 0
    for letter in body:
        check ^= ord(letter)
    return f"${body}*{check:02X}\r\n".encode()


def tell(line):
    try:
        while True:
            line.sendall(sentence())
            time.sleep(1)
    except OSError:
        pass


def accept(server):
    while True:
        line, _ = server.accept()
        threading.Thread(target=tell, args=(line,), daemon=True).start()


if os.path.exists(PATH):
    os.remove(PATH)
server = socket.socket(socket.AF_UNIX)
server.bind(PATH)
os.chmod(PATH, 0o777)
server.listen()
threading.Thread(target=accept, args=(server,), daemon=True).start()
for order in sys.stdin:
    place[:] = map(float, order.split())
