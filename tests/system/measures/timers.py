"""Timers beside those of systemd, at sizes that both reach: what each takes of the user's manager and of the broker, how long it takes
to make one, and how soon something else begins among so many.

Both are asked by one call over the user's bus for each, by the same program; a process begins in both cases with the same shell.
"""
import os
import statistics
import subprocess
import time
from pathlib import Path

import gi
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

SIZES = [1_000, 10_000]
# As many as an app may register.
OF_AN_APP = 1_000
ROUNDS = 30
HOME = Path(os.environ["HOME"])
BUS = Gio.bus_get_sync(Gio.BusType.SESSION, None)


def call(interface, path, member, signature, *arguments, service=None):
    service = service or interface
    packed = GLib.Variant(signature, arguments)
    return BUS.call_sync(service, path, interface, member, packed, None, Gio.DBusCallFlags.NONE, 120_000, None).unpack()


def manager(member, signature, *arguments):
    interface = "org.freedesktop.systemd1.Manager"
    return call(interface, "/org/freedesktop/systemd1", member, signature, *arguments, service="org.freedesktop.systemd1")


def broker(member, signature, *arguments):
    return call("org.bgtask.Broker1", "/org/bgtask/Broker1", member, signature, *arguments)


def eventually(holds):
    for _ in range(6_000):
        found = holds()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it never came to that")


def begins(start):
    """How many milliseconds after a call the program begins that it starts."""
    said = HOME / "began"
    command = ["/bin/sh", "-c", f"date +%s%N > {said}.new; mv {said}.new {said}"]
    times = []
    for number in range(ROUNDS):
        said.unlink(missing_ok=True)
        before = time.time_ns()
        start(number, command)
        eventually(said.exists)
        times.append((int(said.read_text()) - before) / 1e6)
        time.sleep(0.05)
    return statistics.median(times)


class Systemd:
    name = "systemd"

    def pid(self):
        return pid_of("org.freedesktop.systemd1")

    def add(self, number):
        run = [("ExecStart", GLib.Variant("a(sasb)", [("/bin/true", ["/bin/true"], False)]))]
        when = f"*-*-* {number // 60 % 24:02}:{number % 60:02}"
        timer = [("TimersCalendar", GLib.Variant("a(ss)", [("OnCalendar", when)]))]
        service = (f"many{number}.service", run)
        manager("StartTransientUnit", "(ssa(sv)a(sa(sv)))", f"many{number}.timer", "fail", timer, [service])

    def settle(self):
        eventually(lambda: manager("ListJobs", "()")[0] == [])

    def begins(self):
        def start(number, command):
            run = [("ExecStart", GLib.Variant("a(sasb)", [(command[0], command, False)])),
                   ("CollectMode", GLib.Variant("s", "inactive-or-failed"))]
            unit = f"probe-{time.monotonic_ns()}-{number}.service"
            manager("StartTransientUnit", "(ssa(sv)a(sa(sv)))", unit, "fail", run, [])
        return begins(start)


class Bgtask:
    name = "bgtask"

    def pid(self):
        return pid_of("org.bgtask.Broker1")

    def install(self):
        folder = HOME / ".local/share/bgtask/apps"
        folder.mkdir(parents=True, exist_ok=True)
        apps = [f"org.example.Many{number}" for number in range(SIZES[-1] // OF_AN_APP)]
        for app in apps:
            task = '[[task]]\nentry_point = "Tasks.Quick"\ntypes = ["timer"]\n'
            text = f'[app]\nid = "{app}"\nversion = "1"\nexecutable = "/opt/sample/sample_tasks"\n{task}'
            (folder / f"{app}.toml").write_text(text)
        eventually(lambda: set(apps) <= {app["id"] for app in broker("ListApps", "()")[0]})
        for app in apps:
            broker("RequestAccess", "(ss)", app, "")

    def add(self, number):
        app = f"org.example.Many{number // OF_AN_APP}"
        trigger = {"freshness": GLib.Variant("u", 60 + number % 1_440)}
        broker("Register", "(sss(sa{sv})asa{sv})", app, f"many{number}", "Tasks.Quick", ("TimeTrigger", trigger), [], {})

    def settle(self):
        pass

    def begins(self):
        def start(_, command):
            broker("RunNow", "(sb)", self.probe, False)
        command = ["/bin/sh", "-c", f"date +%s%N > {HOME}/began.new; mv {HOME}/began.new {HOME}/began"]
        text = f'command = {command}\nevery = "30d"\n'.replace("'", '"')
        self.probe = broker("AddTask", "(ssb)", "probe", text, True)[0]
        return begins(start)


def pid_of(service):
    interface = "org.freedesktop.DBus"
    return call(interface, "/org/freedesktop/DBus", "GetConnectionUnixProcessID", "(s)", service)[0]


def resident(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(one):
    alone, empty, made = one.begins(), resident(one.pid()), 0
    for size in SIZES:
        begin = time.monotonic()
        for number in range(made, size):
            one.add(number)
        one.settle()
        each = (time.monotonic() - begin) / (size - made) * 1e3
        made = size
        time.sleep(2)
        memory = (resident(one.pid()) - empty) / size / 1_024
        among = one.begins()
        print(f"measured: {size:6} timers of {one.name:8}: {each:5.2f} ms to make one, {memory:5.1f} KiB each, "
              f"another program begins after {among:5.1f} ms ({among / alone:.2f} times {alone:.1f} ms of an empty one)", flush=True)


if __name__ == "__main__":
    bgtask = Bgtask()
    bgtask.install()
    measure(bgtask)
    subprocess.run(["systemctl", "--user", "stop", "bgtask"], check=True)
    measure(Systemd())
