# What holds a task together, both ways: for a broker that systemd has started as the unit of the package, and for one that a
# person has started in a log-in session, whose scope is root's. Then the user's service manager makes it a unit.
. /opt/cases/lib.sh

of_command() { as_user bgtask logs "$1" | grep -o '/user.slice/.*' | tail -1; }
nobody_sleeps() { ! pgrep -u "$user" -f 'sleep 4711' >/dev/null; }

# Some kernels have their controllers in the older hierarchies, where a user has no part.
bounds_are_kept() { grep -qw memory /sys/fs/cgroup/cgroup.controllers; }

# holds UNIT ZONE: a task is in a cgroup of its own within the unit, has the bounds it is given there, and leaves nothing behind.
holds() {
  local unit=$1 bound='no bound'
  if bounds_are_kept; then bound=67108864; fi
  as_user bgtask add where --every 300d --memory 64M -- sh -c '
    cgroup=$(sed -n s/^0:://p /proc/self/cgroup)
    echo "$cgroup $(cat "/sys/fs/cgroup$cgroup/memory.max" || echo no bound)"'
  as_user bgtask run where --wait
  of_command where | grep -qE "$unit/bgtask-hosts-[^/]+/[0-9]+ $bound\$"

  as_user bgtask add daemon --every 300d -- sh -c 'setsid sh -c "setsid sleep 4711 & setsid sleep 4711 &" & sleep 0.5'
  as_user bgtask run daemon --wait
  eventually nobody_sleeps

  # What takes more than it may is killed with all that is beside it, or where nobody keeps that bound, gets no more.
  as_user bgtask add greedy --every 300d --memory 32M -- sh -c 'sleep 4711 & exec /usr/bin/python3 -c "b = bytearray(1 << 30)"'
  if as_user bgtask run greedy --wait; then return 1; fi
  eventually nobody_sleeps
  forget where daemon greedy

  # A component's host is in one, too.
  task=$(register held Tasks.SampleBackgroundTask TimeZoneChange)
  eventually source_knows time-zone
  timedatectl set-timezone "$2"
  eventually phase_is held running
  for process in $(pgrep -u "$user" -f /opt/sample/sample_tasks); do
    grep -qE "$unit/bgtask-hosts-[^/]+/[0-9]+$" "/proc/$process/cgroup"
  done
  eventually ran_times "$task" 1
  as_user bgtask unregister "$task"
}

# What a broker that is killed leaves is ended by the next one, before it runs the task again.
leave_behind() {
  as_user bgtask add "$1" --every 300d -- sh -c '
    [ "$BGTASK_ATTEMPT" = 1 ] || exit 0
    setsid sh -c "setsid sleep 4711 & sleep 4711" & sleep 4711'
  as_user bgtask run "$1"
  eventually pgrep -u "$user" -f 'sleep 4711'
}
is_over() {
  eventually history_has "$1" 'attempt 2'
  eventually ran_times "$1" 1
  nobody_sleeps
  forget "$1"
}

as_user systemctl --user restart bgtask
eventually broker_is active
holds 'bgtask\.service' Asia/Tokyo
leave_behind by-the-unit
as_user systemctl --user kill --kill-who=main --signal=KILL bgtask
is_over by-the-unit

as_user systemctl --user stop bgtask.socket bgtask.service
by_hand() { session --unit=broker-by-hand /usr/bin/bgtaskd; }
of_broker() { sed -n 's/^0:://p' "/proc/$(pgrep -u "$user" -x bgtaskd)/cgroup"; }
in_a_unit() { of_broker | grep -qE '/user@[0-9]+\.service/.*/bgtask-[^/]*\.scope/broker$'; }
by_hand
eventually as_user test -S "/run/user/$uid/bgtask/broker"
in_a_unit
holds 'bgtask-[^/]*\.scope' Europe/Lisbon
leave_behind by-a-person
pkill -KILL -u "$user" -x bgtaskd
systemctl stop broker-by-hand || true
systemctl reset-failed broker-by-hand || true
by_hand
is_over by-a-person

# It takes its unit with it.
pkill -TERM -u "$user" -x bgtaskd
no_unit() { [ -z "$(as_user systemctl --user list-units --all --plain --no-legend 'bgtask-*.scope')" ]; }
eventually no_unit
systemctl reset-failed broker-by-hand || true

# Whoever wants no unit gets what there is, and is told what that lacks.
as_user mkdir -p "/home/$user/.config/bgtask"
echo 'containment = "session"' | as_user tee "/home/$user/.config/bgtask/config.toml" >/dev/null
by_hand
eventually as_user bgtask list
! in_a_unit
pkill -TERM -u "$user" -x bgtaskd
as_user rm "/home/$user/.config/bgtask/config.toml"
eventually eval '! pgrep -u "$user" -x bgtaskd'
systemctl reset-failed broker-by-hand || true
as_user systemctl --user start bgtask.socket
eventually as_user bgtask list
timedatectl set-timezone Europe/Berlin
