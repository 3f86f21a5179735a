"""A distributor of UnifiedPush on the session bus. It says `there` when it can be found; each line of its input is a message to the app that has
registered last, and it says `taken` when the app has answered for it, or why it has not."""
import sys
import threading
import time

from gi.repository import Gio, GLib

CONNECTOR = "org.unifiedpush.Connector2"
NODE = Gio.DBusNodeInfo.new_for_xml("""
<node><interface name="org.unifiedpush.Distributor2">
  <method name="Register"><arg type="a{sv}" direction="in"/><arg type="a{sv}" direction="out"/></method>
  <method name="Unregister"><arg type="a{sv}" direction="in"/><arg type="a{sv}" direction="out"/></method>
</interface></node>""")
bus = Gio.bus_get_sync(Gio.BusType.SESSION)
client = {}


def say(word):
    print(word, flush=True)


def tell(method, said):
    """Calls the app, which the bus starts if it does not run, and waits for its answer."""
    text = {name: value if isinstance(value, GLib.Variant) else GLib.Variant("s", value) for name, value in said.items()}
    arguments = GLib.Variant("(a{sv})", (text,))
    bus.call_sync(client["service"], "/org/unifiedpush/Connector", CONNECTOR, method, arguments, None, Gio.DBusCallFlags.NONE, 60_000, None)


def asked(_bus, _sender, _path, _interface, method, arguments, invocation):
    said = arguments.unpack()[0]
    answer = {"success": GLib.Variant("s", "REGISTRATION_SUCCEEDED")} if method == "Register" else {}
    invocation.return_value(GLib.Variant("(a{sv})", (answer,)))
    if method == "Register":
        client.update(said)
        threading.Thread(target=register).start()


def register():
    tell("NewEndpoint", {"token": client["token"], "endpoint": "https://push.example.org/" + client["token"]})


def messages():
    for number, line in enumerate(sys.stdin):
        payload = GLib.Variant("ay", line.strip().encode())
        message = {"token": client["token"], "message": payload, "id": str(number)}
        tries = (time.sleep(0.5) or taken(message) for _ in range(60))
        say("taken" if taken(message) or any(tries) else "given up")


def taken(message):
    """What is not answered is sent again: the app may have been killed with it in its hands."""
    try:
        tell("Message", message)
    except GLib.Error as error:
        say(error.message)
        return False
    return True


bus.register_object("/org/unifiedpush/Distributor", NODE.interfaces[0], asked, None, None)
Gio.bus_own_name_on_connection(bus, "org.unifiedpush.Distributor.test", Gio.BusNameOwnerFlags.NONE, lambda *_: say("there"), None)
threading.Thread(target=messages, daemon=True).start()
GLib.MainLoop().run()
