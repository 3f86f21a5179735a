# The memory and the processes of a host are bounded by the kernel, where the user's manager has the controllers; else the
# broker watches, and says so.
. /opt/cases/lib.sh

eventually as_user busctl --user list
broker ListApps >/dev/null
eventually journal_has 'hosts: memory'
hosts=$(find "/sys/fs/cgroup/user.slice/user-$uid.slice" -type d -name 'bgtask-hosts-*' | head -1)
host=$(find "$hosts" -mindepth 1 -type d | head -1)
[ -e "$host/cgroup.freeze" ]

for pair in memory:memory pids:processes; do
  controller=${pair%:*} word=${pair#*:}
  if grep -qw "$controller" "/sys/fs/cgroup/user.slice/user-$uid.slice/user@$uid.service/cgroup.controllers"; then
    grep -qw "$controller" "$hosts/cgroup.subtree_control"
    as_user bgtask doctor | grep -E "$word +kept by the kernel"
  else
    echo "measured: this machine gives the user's manager no controller $controller: watched"
    as_user bgtask doctor | grep -E "$word +watched"
  fi
done

if [ -e "$host/pids.max" ] && [ -e "$host/memory.max" ]; then
  # What a host gets when it starts, seen on one that runs.
  install -d -o "$user" "/home/$user/.config/bgtask"
  printf 'memory_mib = 64\nmax_processes = 40\n' >"/home/$user/.config/bgtask/config.toml"
  as_user systemctl --user restart bgtask
  task=$(register limits Tasks.SampleBackgroundTask TimeZoneChange)
  eventually source_knows time-zone
  timedatectl set-timezone Asia/Kathmandu
  eventually phase_is limits running
  eventually sh -c "grep -lx 40 \$(find /sys/fs/cgroup/user.slice -path '*bgtask-hosts-*' -name pids.max)"
  eventually sh -c "grep -lx 67108864 \$(find /sys/fs/cgroup/user.slice -path '*bgtask-hosts-*' -name memory.max)"
  rm "/home/$user/.config/bgtask/config.toml"
  as_user bgtask unregister "$task"
  as_user systemctl --user stop bgtask
fi
