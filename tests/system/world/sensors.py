#!/usr/bin/python3
"""Sensors of light and of what is near, which the real iio-sensor-proxy below believes (run by umockdev-wrapper).

Each line of standard input is an order: `light LUX`, `near RAW` (near from 100 on).
"""
import subprocess
import sys

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev

testbed = UMockdev.Testbed.new()
light = testbed.add_device("iio", "iio:device0", None, ["name", "als", "in_illuminance_input", "100"],
                           ["IIO_SENSOR_PROXY_TYPE", "iio-poll-als"])
near = testbed.add_device("iio", "iio:device1", None, ["name", "prox", "in_proximity_raw", "10"],
                          ["IIO_SENSOR_PROXY_TYPE", "iio-poll-proximity", "PROXIMITY_NEAR_LEVEL", "100"])

daemon = subprocess.Popen(["/usr/sbin/iio-sensor-proxy"])
try:
    for line in sys.stdin:
        order, value = line.split()
        if order == "light":
            testbed.set_attribute(light, "in_illuminance_input", value)
        elif order == "near":
            testbed.set_attribute(near, "in_proximity_raw", value)
        else:
            sys.exit(f"unknown order {order}")
finally:
    daemon.terminate()
    daemon.wait()
