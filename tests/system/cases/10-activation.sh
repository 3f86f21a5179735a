# The broker is started by the first call on the session bus, as a systemd user unit, with hosts in delegated cgroups.
. /opt/cases/lib.sh

eventually as_user busctl --user list
broker ListApps | grep -q "$app"
[ "$(as_user systemctl --user is-active bgtask)" = active ]
eventually journal_has 'hosts live below /sys/fs/cgroup/user.slice'
as_user bgtask list
