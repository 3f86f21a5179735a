"""A client connects, says a byte and waits for it to come back: from a task that has the listener, and from a unit that systemd starts for
each connection. One after the other in turns, so that both have the same machine. The unit runs cat, which is less than our host.
"""
import os
import pwd
import socket
import statistics
import subprocess
import time

TIMES = 100
APP = "org.example.Chat"
TESTER = pwd.getpwnam("tester")
AS_USER = ["runuser", "-u", "tester", "--", "env", f"XDG_RUNTIME_DIR=/run/user/{TESTER.pw_uid}", "HOME=/home/tester",
           f"DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{TESTER.pw_uid}/bus"]
BROKER = AS_USER + ["busctl", "--user", "call", "org.bgtask.Broker1", "/org/bgtask/Broker1", "org.bgtask.Broker1"]


def hand_over(listener, name):
    """Its task answers each connection."""
    order = ["/usr/bin/python3", "/opt/world/hand_over.py", APP, os.environ["TASK"], name, str(listener.fileno()), "answer"]
    subprocess.run(AS_USER + order, check=True, pass_fds=[listener.fileno()])


def rests():
    """Until the listener is watched again and nothing runs."""
    while True:
        said = subprocess.run(BROKER + ["ListSockets", "s", APP], check=True, capture_output=True, text=True).stdout
        if '"watched"' in said:
            return
        time.sleep(0.01)


def answered(port):
    begin = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(60)
        connection.sendall(b"?")
        assert connection.recv(1) == b"?"
        return (time.perf_counter() - begin) * 1000


door = socket.create_server(("127.0.0.1", 0))
port = door.getsockname()[1]
hand_over(door, f"door {os.getpid()}")
door.close()
rows = []
for _ in range(TIMES):
    rests()
    time.sleep(0.02)
    ours = answered(port)
    time.sleep(0.02)
    rows.append((ours, answered(7001)))
ours, systemd = (statistics.median(column) for column in zip(*rows[5:]))
kind = "warm" if os.environ["LINGER"] != "0" else "cold"
print(f"measured: a {kind} task answers in {ours:.2f} ms, a unit with Accept=yes in {systemd:.2f} ms: {systemd / ours:.1f} times as fast")
