# The machine sleeps and wakes up, as logind says before and after. Who asked for that signal hears both; what was true before and is
# true after fires nothing. The kernel's door to sleep is a file of the container's own, on which writing does nothing.
. /opt/cases/lib.sh
. /opt/world/seat.sh

mount -o remount,rw /sys # a tmpfs of the container's
mkdir -p /sys/power
mount -t tmpfs tmpfs /sys/power
echo mem >/sys/power/state

sit_down tester sleeper
witness slept 'signal:bus=system,sender=org.freedesktop.login1,member=PrepareForSleep'
eventually listens slept
witness woke-online internet
witness woke-present user-present
witness woke-away user-away
eventually value_is internet true
eventually value_is user-presence true

systemctl suspend
woken() { journalctl --no-pager -o cat -u systemd-logind | grep -q "Operation 'sleep' finished"; }
eventually woken
eventually heard slept 2
[ "$(events slept | grep -o '"arguments": [^,]*, \|"interface": [^,]*, ')" = "$(printf '"arguments": [%s], \n"interface": "org.freedesktop.login1.Manager", \n' true false)" ]

# What the same sources tell afterwards comes after anything that sleeping might have told.
loginctl lock-session "$(session_of sleeper)"
eventually ran_times woke-away 1
fired_times woke-away 1
fired_times woke-present 0
fired_times woke-online 0
systemctl stop sleeper
forget slept woke-online woke-present woke-away
umount /sys/power
