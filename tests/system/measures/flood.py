"""Floods the system's bus: `level` as a power-profiles-daemon that cannot decide and ends with the saver on, `signals` as anybody."""
import sys

from gi.repository import Gio, GLib

NAME, PATH = "net.hadess.PowerProfiles", "/net/hadess/PowerProfiles"
TIMES = 10_000
XML = f"<node><interface name='{NAME}'><property name='ActiveProfile' type='s' access='read'/></interface></node>"

bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
if sys.argv[1] == "signals":
    for number in range(TIMES):
        bus.emit_signal(None, "/org/example/Flood", "org.example.Flood", "Drop", GLib.Variant("(u)", (number,)))
    bus.flush_sync()
    sys.exit()

profile = "balanced"
interface = Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0]
bus.register_object(PATH, interface, None, lambda *_: GLib.Variant("s", profile), None)
left = TIMES


def flood():
    """A hundred at a time, so that who asks meanwhile is answered."""
    global profile, left
    for _ in range(100):
        left -= 1
        profile = "balanced" if left % 2 else "power-saver"
        changed = GLib.Variant("(sa{sv}as)", (NAME, {"ActiveProfile": GLib.Variant("s", profile)}, []))
        bus.emit_signal(None, PATH, "org.freedesktop.DBus.Properties", "PropertiesChanged", changed)
    if left == 0:
        bus.flush_sync()
        open("/run/flood-is-over", "w").close()
    return left > 0


Gio.bus_own_name_on_connection(bus, NAME, Gio.BusNameOwnerFlags.NONE, lambda *_: GLib.timeout_add(3000, lambda: GLib.idle_add(flood) and False), None)
GLib.MainLoop().run()
