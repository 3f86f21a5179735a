# From the world's change to its firing, beside what busctl and inotifywait see of the same change: see measure.py.
. /opt/cases/lib.sh
. /opt/world/network.sh
. /opt/world/seat.sh

build_street
sit_down tester desk
DESK=$(session_of desk) /usr/bin/python3 -u /opt/cases/latency.py
