# A service gone mad: ten thousand signals as fast as it can, on a level and on a trigger.
. /opt/cases/lib.sh

systemctl stop power-profiles-daemon
systemctl mask --quiet --runtime power-profiles-daemon
pid() { as_user systemctl --user show -P MainPID bgtask; }
seconds() { awk -v tick="$(getconf CLK_TCK)" '{ print ($14 + $15) / tick }' "/proc/$(pid)/stat"; }

witness saver energy-saver
begin=$(seconds)
/usr/bin/python3 /opt/cases/flood.py level &
eventually value_is energy-saver true
flood=$!
eventually test -e /run/flood-is-over
eventually value_is energy-saver true
sleep 2
echo "measured: 10 000 changes of a level: $(awk "BEGIN { print $(seconds) - $begin }") s of processor time, $(firings saver) firings, right at the end"
kill $flood
as_user bgtask remove saver

witness bell signal:bus=system,interface=org.example.Flood
eventually listens bell
begin=$(seconds)
/usr/bin/python3 /opt/cases/flood.py signals
told_all() {
  as_user bgtask logs bell | grep -o '{.*}' | /usr/bin/python3 -c '
import json, sys
runs = [json.loads(line) for line in sys.stdin]
told, lost = sum(len(run["events"]) for run in runs), sum(run["lost"] for run in runs)
print(told, "told,", lost, "counted as lost")
sys.exit(told + lost != 10000)'
}
eventually told_all
echo "measured: 10 000 signals of a trigger: $(awk "BEGIN { print $(seconds) - $begin }") s of processor time, $(told_all)"
