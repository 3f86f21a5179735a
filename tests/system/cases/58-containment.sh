# What holds a task together, both ways: for a broker that systemd has started as the unit of the package, and for one that a
# person has started in a log-in session, whose scope is root's. Then the user's service manager makes it a unit.
. /opt/cases/lib.sh

of_command() { as_user bgtask logs "$1" | grep -o '/user.slice/.*' | tail -1; }
nobody_sleeps() { ! pgrep -u "$user" -f 'sleep 4711' >/dev/null; }

# holds UNIT: a task is in a cgroup of its own within the unit, has the bounds it is given there, and leaves nothing behind.
holds() {
  local unit=$1 cgroup
  as_user bgtask add where --every 300d --memory 64M -- sh -c '
    cgroup=$(sed -n s/^0:://p /proc/self/cgroup)
    echo "$cgroup $(cat "/sys/fs/cgroup$cgroup/memory.max")"'
  as_user bgtask run where --wait
  cgroup=$(of_command where)
  grep -qE "$unit/bgtask-hosts-[^/]+/[0-9]+ 67108864$" <<<"$cgroup"

  as_user bgtask add daemon --every 300d -- sh -c 'setsid sh -c "setsid sleep 4711 & setsid sleep 4711 &" & sleep 0.5'
  as_user bgtask run daemon --wait
  eventually nobody_sleeps

  # The kernel keeps the bound: what takes more is killed, with all that is beside it.
  as_user bgtask add greedy --every 300d --memory 32M -- sh -c '/usr/bin/python3 -c "b = bytearray(256 << 20)"; sleep 4711'
  ! as_user bgtask run greedy --wait
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

# What a broker that is killed leaves is ended by the next one, before it is ready.
survivor() { as_user bgtask add survivor --every 300d -- sh -c 'setsid sh -c "setsid sleep 4711 & sleep 4711" & sleep 4711' && as_user bgtask run survivor; }

as_user systemctl --user restart bgtask
eventually broker_is active
holds 'bgtask\.service' Asia/Tokyo
survivor
eventually pgrep -u "$user" -f 'sleep 4711'
as_user systemctl --user kill --signal=KILL bgtask
eventually nobody_sleeps
eventually as_user bgtask list
forget survivor

as_user systemctl --user stop bgtask.socket bgtask.service
by_hand() { session --unit=broker-by-hand --property=KillMode=process /usr/bin/bgtaskd; }
of_broker() { sed -n 's/^0:://p' "/proc/$(pgrep -u "$user" -x bgtaskd)/cgroup"; }
in_a_unit() { of_broker | grep -qE '/user@[0-9]+\.service/.*/bgtask-[^/]*\.scope/broker$'; }
begin=$EPOCHREALTIME
by_hand
eventually as_user test -S "/run/user/$uid/bgtask/broker"
awk -v begin="${begin/,/.}" -v end="${EPOCHREALTIME/,/.}" 'BEGIN { printf "measured: a broker by hand is ready after %.0f ms\n", (end - begin) * 1e3 }'
in_a_unit
holds 'bgtask-[^/]*\.scope' Europe/Lisbon
survivor
eventually pgrep -u "$user" -f 'sleep 4711'
pkill -KILL -u "$user" -x bgtaskd
systemctl stop broker-by-hand || true
systemctl reset-failed broker-by-hand || true
by_hand
eventually nobody_sleeps
eventually as_user bgtask list
forget survivor

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
