"""Hands a socket over as an app would: hand_over.py APP TASK ID DESCRIPTOR CONTEXT. busctl cannot send descriptors."""
import sys

from gi.repository import Gio, GLib

app, task, name, descriptor, context = sys.argv[1:]
sockets = Gio.UnixFDList.new()
options = {"context": GLib.Variant("ay", context.encode())}
arguments = GLib.Variant("(sssha{sv})", (app, task, name, sockets.append(int(descriptor)), options))
bus = Gio.bus_get_sync(Gio.BusType.SESSION)
broker = "org.bgtask.Broker1"
bus.call_with_unix_fd_list_sync(
    broker, "/org/bgtask/Broker1", broker, "TransferSocket", arguments, None, Gio.DBusCallFlags.NONE, -1, sockets, None)
