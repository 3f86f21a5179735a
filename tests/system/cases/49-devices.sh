# DeviceWatcherTrigger on the kernel's own uevents: network devices that come, change their state and go. What the filter does not
# name fires nothing.
. /opt/cases/lib.sh

witness cable 'device:subsystem=net,INTERFACE=cable*'
witness pulled 'device:subsystem=net,action=remove,INTERFACE=cable*'
witness disk device:subsystem=block
for name in cable pulled disk; do eventually listens $name; done

ip link add other0 type veth peer name other1
ip link add cable0 type veth peer name cable1
eventually heard cable 2
ip link delete cable0
eventually heard cable 4
eventually heard pulled 2
events cable | /usr/bin/python3 -c '
import json, sys
events = [json.loads(line) for line in sys.stdin]
assert [event["kind"] for event in events] == ["Add", "Add", "Remove", "Remove"], events
for event in events:
    name = event["properties"]["INTERFACE"]
    assert name in ("cable0", "cable1") and event["subsystem"] == "net", event
    assert event["id"].endswith("/net/" + name), event'
heard disk 0
ip link delete other0
forget cable pulled disk
