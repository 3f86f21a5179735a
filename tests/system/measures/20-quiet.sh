# Twenty sources on a quiet machine: how often the broker wakes up in a minute, and what memory it takes with all of them on.
. /opt/cases/lib.sh
. /opt/world/network.sh
. /opt/world/power.sh
. /opt/world/seat.sh

[ -e /run/netns/street ] || build_street
laptop
systemctl start power-profiles-daemon
powerprofilesctl set balanced
sit_down tester quiet-desk
as_user mkdir -p /home/tester/Pictures /home/tester/inbox
pid() { as_user systemctl --user show -P MainPID bgtask; }
as_user bgtask list
size() { awk -v what="$1" '/^(Rss|Pss|Private_Dirty):/ { printf "%s %.1f MB, ", $1, $2 / 1024 } END { print what }' "/proc/$(pid)/smaps_rollup"; }
echo "measured: $(size 'with an empty store')"

words=(time-zone-change internet unmetered network-state-change user-present session-connected idle:10min ac-power
  battery-above:50 power-state-change energy-saver memory-pressure background-work-cost-change between:02:00-02:01
  signal:bus=system,interface=org.example.A signal:interface=org.example.B unit:a.service=failed unit:b.service=failed,manager=user
  device:subsystem=usb device-connection:/sys/devices/* library:pictures folder-changes:~/inbox path:~/inbox)
for word in "${words[@]}"; do as_user bgtask add "on-${word//[:*\/~]/.}" --on "$word" -- true; done
sleep 20 # the first readings, and what they wait for
echo "measured: $(as_user bgtask sources | tail -n +2 | wc -l) sources of ${#words[@]} tasks"
wakeups() { cat /proc/"$(pid)"/task/*/status | awk '/ctxt_switches/ { sum += $2 } END { print sum }'; }
ticks() { cut -d' ' -f14,15 "/proc/$(pid)/stat" | tr ' ' '+' | bc; }
before=$(wakeups)
sleep 60
echo "measured: $(($(wakeups) - before)) wake-ups of the broker in 60 s"
echo "measured: $(size 'with all of them on')"
no_laptop
