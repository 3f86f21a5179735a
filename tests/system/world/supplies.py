#!/usr/bin/python3
"""A laptop's power supplies, which the real upowerd below believes (run by umockdev-wrapper).

Each line of standard input is an order: `plug 1`, `plug 0`, `battery PERCENT STATUS` (STATUS as the kernel writes it), `no-battery`.
"""
import subprocess
import sys

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev

FULL = 60_000_000  # µWh

testbed = UMockdev.Testbed.new()
plug = testbed.add_device("power_supply", "AC", None, ["type", "Mains", "online", "1"], [])
battery = testbed.add_device(
    "power_supply", "BAT0", None,
    ["type", "Battery", "present", "1", "status", "Charging", "energy_full", str(FULL), "energy_full_design", str(FULL),
     "energy_now", str(FULL * 80 // 100), "voltage_now", "12000000", "power_now", "10000000", "capacity", "80"],
    ["POWER_SUPPLY_ONLINE", "1"],
)


def obey(order, *words):
    if order == "plug":
        testbed.set_attribute(plug, "online", words[0])
        testbed.uevent(plug, "change")
    elif order == "battery":
        percent, status = float(words[0]), words[1]
        testbed.set_attribute(battery, "energy_now", str(int(FULL * percent / 100)))
        testbed.set_attribute(battery, "capacity", str(int(percent)))
        testbed.set_attribute(battery, "status", status)
        testbed.uevent(battery, "change")
    elif order == "no-battery":
        testbed.uevent(battery, "remove")
        testbed.remove_device(battery)
    else:
        sys.exit(f"unknown order {order}")


daemon = subprocess.Popen(["/usr/libexec/upowerd"])
try:
    for line in sys.stdin:
        obey(*line.split())
finally:
    daemon.terminate()
    daemon.wait()
