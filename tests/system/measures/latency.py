"""How long after a change of the world its firing is decided and recorded, beside what others see of the same change.

For each change, in turns: what causes it, who else sees it and when, when the broker decided (the time in its history), and when
`bgtask watch` heard of it, which is after the firing is durable. All on one clock, in microseconds.
"""
import json
import os
import pwd
import statistics
import subprocess
import threading
import time
from datetime import datetime

TIMES = 24
TESTER = pwd.getpwnam("tester")
AS_USER = ["runuser", "-u", "tester", "--", "env", f"XDG_RUNTIME_DIR=/run/user/{TESTER.pw_uid}", "HOME=/home/tester",
           f"DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{TESTER.pw_uid}/bus"]


def now():
    return time.time_ns() // 1000


def as_user(*command):
    return subprocess.run(AS_USER + list(command), check=True, capture_output=True, text=True).stdout


class Follow:
    """What a program that follows something prints, each line with the moment in which it was read."""

    def __init__(self, command):
        self.lines = []
        self.heard = threading.Condition()
        self.program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.program.stdout:
            with self.heard:
                self.lines.append((now(), line))
                self.heard.notify_all()

    def first(self, after, wanted):
        """The moment of the first wanted line that was read after a moment."""
        with self.heard:
            found = lambda: next((at for at, line in self.lines if at >= after and wanted(line)), None)
            assert self.heard.wait_for(lambda: found() is not None, 60), "it was never seen"
            return found()

    def end(self):
        self.program.terminate()
        self.program.wait()


def bus(*matches):
    return ["busctl", "monitor", "--system", "--json=short", *(f"--match={match}" for match in matches)]


def properties_of(interface):
    return bus(f"type='signal',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='{interface}'")


def decided(name, after):
    """When the broker decided the first firing after a moment."""
    lines = json.loads(as_user("bgtask", "history", name, "--json", "--limit", "10000"))
    moments = [int(datetime.fromisoformat(line["at"]).timestamp() * 1e6) for line in lines if line["event"] == "fired"]
    return min(moment for moment in moments if moment >= after)


def measure(what, trigger, peer, seen, change, before="true", settle=0):
    """Causes one change after another; `seen` picks the peer's line, `settle` is how long the source waits on purpose, in ms."""
    name = what.split()[0]
    as_user("bgtask", "add", name, "--on", trigger, "--", "true")
    watch = Follow(AS_USER + ["bgtask", "watch", "--json"])
    peer = Follow(peer)
    rows = []
    for turn in range(TIMES):
        shell(before, turn)
        time.sleep(1)
        begin = now()
        shell(change, turn)
        others = peer.first(begin, seen)
        recorded = watch.first(begin, lambda line: f'"{name}"' in line and '"fired"' in line)
        rows.append((others - begin, decided(name, begin) - others, recorded - others))
    for follower in (watch, peer):
        follower.end()
    as_user("bgtask", "remove", name)
    others, at, heard = (statistics.median(column) / 1000 for column in zip(*rows))
    waits = f"; the source waits {settle} ms for quiet" if settle else ""
    print(f"measured: {what}: decided {at:+.1f} ms, heard by bgtask watch {heard:+.1f} ms after it{waits}")


def shell(command, turn):
    environment = os.environ | {"TURN": str(turn), "ZONE": ("Asia/Tokyo", "Asia/Kolkata")[turn % 2]}
    subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.DEVNULL, env=environment)


subprocess.run(AS_USER + ["mkdir", "-p", "/home/tester/Pictures"], check=True)
timezone = properties_of("org.freedesktop.timedate1"), lambda line: '"Timezone"' in line
measure("zone by timedated, against busctl", "time-zone-change", *timezone, "timedatectl set-timezone $ZONE", settle=200)
measure("signal of timedated, against busctl", "signal:bus=system,path=/org/freedesktop/timedate1,member=PropertiesChanged",
        *timezone, "timedatectl set-timezone $ZONE")
measure("photo in a library, against inotifywait", "library:pictures",
        ["inotifywait", "--quiet", "--monitor", "/home/tester/Pictures"], lambda line: "CREATE" in line,
        "touch /home/tester/Pictures/$TURN")
measure("unit that fails, against busctl", "unit:chore.service=failed", properties_of("org.freedesktop.systemd1.Unit"),
        lambda line: '"failed"' in line and "chore" in line, "systemd-run --quiet --wait --unit=chore false || true",
        before="systemctl reset-failed chore || true")
measure("device that appears, against udevadm", "device:subsystem=net,action=add,INTERFACE=probe0",
        ["stdbuf", "-oL", "udevadm", "monitor", "--kernel"], lambda line: "add" in line and "/probe0 " in line,
        "ip link add probe0 type veth peer name probe1", before="ip link delete probe0 || true")
measure("away when the screen is locked, against busctl", "user-away", properties_of("org.freedesktop.login1.Session"),
        lambda line: '"LockedHint"' in line and "true" in line, "loginctl lock-session $DESK",
        before="loginctl unlock-session $DESK", settle=100)
meter = "nmcli connection modify wan0 connection.metered {}; nmcli device reapply wan0"
measure("metered network, against busctl", "not:unmetered", properties_of("org.freedesktop.NetworkManager"),
        lambda line: '"Metered"' in line, meter.format("yes"), before=meter.format("no"), settle=250)
